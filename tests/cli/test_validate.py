"""`tminus validate` on the shipped checklist and on broken ones, `record verify`, and `doctor`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from tminus.cli import cli


def run(*argv: str):
    return CliRunner().invoke(cli, [*argv])


def test_the_shipped_checklist_is_valid(repository) -> None:
    result = run("validate", str(repository / "checklist.toml"))
    assert result.exit_code == 0, result.output


def test_roles_without_a_name_are_told_as_still_open(repository) -> None:
    said = run("validate", str(repository / "checklist.toml"))
    assert "open  role dba: nobody is named as Database Admin" in said.output
    assert said.exit_code == 0


def test_mistakes_have_line_path_and_mend_and_exit_code_2(tmp_path: Path) -> None:
    broken = tmp_path / "checklist.toml"
    broken.write_text('schema = 1\ntitle = "x"\n[[phase]]\nid = "a"\ntitle = "A"\nmood = "good"\n')
    result = run("validate", str(broken))
    assert result.exit_code == 2
    assert "checklist.toml:6: phase[0].mood: unknown key 'mood'" in result.output
    assert "mode" in result.output


def test_mistakes_as_json(tmp_path: Path) -> None:
    broken = tmp_path / "checklist.toml"
    broken.write_text("schema = 1\n")
    found = json.loads(run("validate", "--json", str(broken)).output)
    assert found["ok"] is False
    assert {p["path"] for p in found["problems"]} == {""}


def test_journeys_that_items_name_are_judged_too(tmp_path: Path) -> None:
    (tmp_path / "checklist.toml").write_text(
        'schema = 1\ntitle = "x"\n[targets]\nways = "j.toml"\n'
        '[[phase]]\nid = "a"\ntitle = "A"\n[[phase.step]]\ntitle = "S"\n'
        '[[phase.step.item]]\nid = "one"\ntext = "t"\ncheck = "http.journey"\n'
        'with = { base_url = "http://h", file = "${ways}", name = "logn" }\n'
        '[[phase.step.item]]\nid = "two"\ntext = "t"\ncheck = "http.journey"\n'
        'with = { base_url = "http://h", name = "login" }\n'
    )
    (tmp_path / "j.toml").write_text('[journey.login]\nstep = [\n  { name = "x", path = "/${usr}" },\n]\n')
    result = run("validate", str(tmp_path / "checklist.toml"))
    assert result.exit_code == 2
    assert "checklist.toml:14: phase[0].step[0].item[0].with.name: no journey 'logn' in j.toml" in result.output
    assert "did you mean 'login'?" in result.output
    assert "phase[0].step[0].item[1].with: no file journeys.toml" in result.output.replace(".with.file", ".with")
    text = (
        (tmp_path / "checklist.toml")
        .read_text()
        .replace("logn", "login")
        .replace('"http://h", name', '"h", file = "j.toml", name')
    )
    (tmp_path / "checklist.toml").write_text(text)
    result = run("validate", str(tmp_path / "checklist.toml"))
    assert "j.toml:3: journey.login.step[0].path: no variable 'usr' is set before" in result.output
    assert result.exit_code == 2


def test_a_file_that_is_not_there_is_2(tmp_path: Path) -> None:
    assert run("validate", str(tmp_path / "none.toml")).exit_code == 2


def test_a_record_that_is_not_there_is_2_and_rubbish_is_1(tmp_path: Path) -> None:
    assert run("record", "verify", str(tmp_path / "none.toml")).exit_code == 2
    rubbish = tmp_path / "record.toml"
    rubbish.write_text("hello = 1\n")
    assert run("record", "verify", str(rubbish)).exit_code == 1


@pytest.mark.parametrize("colours", [{"NO_COLOR": "1"}, {"COLORTERM": "truecolor"}, {"TERM": "xterm-256color"}])
def test_the_doctor_says_what_there_is(monkeypatch, colours) -> None:
    for name in ("NO_COLOR", "COLORTERM", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in colours.items():
        monkeypatch.setenv(name, value)
    found = {f["what"]: f["found"] for f in json.loads(run("doctor", "--json").output)}
    wanted = {"NO_COLOR": "none (NO_COLOR)", "COLORTERM": "16 million", "TERM": "256"}[next(iter(colours))]
    assert found["colours"] == wanted


def test_the_example_record_of_the_docs_holds(repository, tmp_path: Path) -> None:
    copy = tmp_path / "example-record.toml"  # by itself: git has seen other runs under its name
    copy.write_bytes((repository / "docs" / "example-record.toml").read_bytes())
    result = run("record", "verify", str(copy))
    assert result.exit_code == 0, result.output


def test_a_log_beside_the_record_is_said(repository, tmp_path: Path) -> None:
    record = tmp_path / "record.toml"
    record.write_bytes((repository / "docs" / "example-record.toml").read_bytes())
    (tmp_path / "record.toml.wal").write_bytes(b"x")
    assert "log beside it" in run("record", "verify", str(record)).output


def test_mistakes_of_every_kind_are_told_at_once(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import no_such_module_anywhere\n")
    item = 'id = "i"\ntext = "I"\ncheck = "sqlite.bakup"\n'
    broken = tmp_path / "checklist.toml"
    broken.write_text(
        'schema = 1\ntitle = "x"\nplugins = ["broken.py"]\nmood = 1\n[[phase]]\nid = "a"\ntitle = "A"\n'
        f'[[phase.step]]\ntitle = "S"\n[[phase.step.item]]\n{item}'
    )
    output = run("validate", str(broken)).output
    for said in ("checklist.toml:4: mood", "sqlite.backup", "no_such_module_anywhere"):
        assert said in output


@pytest.mark.parametrize(
    ("source", "metric", "near"),
    [
        ('[metrics.host]', "host.cup", "host.cpu"),
        ('[targets]\ndb = "${env:NOT_SET_ANYWHERE}"\n[metrics.postgres]\nurl = "${db}"', "pg.usege", "pg.usage"),
        ('[metrics.worker]\nsource = "log"\npath = "w.log"', "log.errors", "worker.errors"),
        ('[metrics.prometheus]\nurl = "http://127.0.0.1:1"\nqueries = { slow = "up" }', "prometheus.slo",
         "prometheus.slow"),
    ],
)  # fmt: skip
def test_a_gate_on_a_metric_that_nobody_reports_is_refused(
    tmp_path: Path, source: str, metric: str, near: str
) -> None:
    file = tmp_path / "checklist.toml"
    for named, code in ((metric, 2), (near, 0)):
        file.write_text(
            f'schema = 1\ntitle = "x"\n{source}\n'
            f'[[gate]]\nid = "g"\ntext = "G"\nmetric = "{named}"\ninterval = "15s"\nfor = "1m"\nwhen = "> 5"\n'
            '[[phase]]\nid = "a"\ntitle = "A"\n[[phase.step]]\ntitle = "S"\n[[phase.step.item]]\nid = "i"\ntext = "I"\n'
        )
        result = run("validate", str(file))
        assert result.exit_code == code, result.output
        if code:
            assert f"no source of [metrics] reports '{metric}'" in result.output
            assert near in result.output


def test_a_gate_that_expects_more_samples_than_its_source_gives_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "checklist.toml"
    for interval, code in (("1s", 2), ("10s", 0), ("1m", 0)):
        file.write_text(
            'schema = 1\ntitle = "x"\n[metrics.host]\ninterval = "10s"\n[[gate]]\nid = "g"\ntext = "G"\n'
            f'metric = "host.cpu"\nfor = "5m"\nwhen = "> 80%"\ninterval = "{interval}"\n'
            '[[phase]]\nid = "a"\ntitle = "A"\n[[phase.step]]\ntitle = "S"\n[[phase.step.item]]\nid = "i"\ntext = "I"\n'
        )
        result = run("validate", str(file))
        assert result.exit_code == code, result.output
        assert ('interval = "10s"' in result.output) is bool(code)


def test_a_gate_or_a_source_that_cannot_be_is_refused_with_its_line(tmp_path: Path) -> None:
    broken = tmp_path / "checklist.toml"
    broken.write_text(
        'schema = 1\ntitle = "x"\n[metrics.htp]\nurl = "http://127.0.0.1/"\n'
        '[[gate]]\nid = "g"\ntext = "G"\nmetric = "http.p95"\nmode = "window"\nover = "5m"\nwhen = "> 500ms"\n'
        '[[phase]]\nid = "a"\ntitle = "A"\n[[phase.step]]\ntitle = "S"\n[[phase.step.item]]\nid = "i"\ntext = "I"\n'
    )
    result = run("validate", str(broken))
    assert result.exit_code == 2
    assert "checklist.toml:3: metrics.htp" in result.output
    assert "checklist.toml:5: gate[0]" in result.output
    assert "percentiles" in result.output
