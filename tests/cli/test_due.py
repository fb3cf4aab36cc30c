"""`tminus due`: from the record and its checklist, with an engine at work or without one."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from state.events import Actor, Event, utc_text
from state.record_file import RecordFile
from tminus.cli.due import command
from tminus.engine.acts import event

T0 = datetime(2026, 11, 22, 10, tzinfo=UTC)
PAGE = Path(__file__).parents[2] / "docs" / "due.md"
CHECKLIST = """
schema = 1
title = "Days after"
[[role]]
id = "dba"
title = "Database Admin"
[[phase]]
id = "day"
title = "First day"
at = "T+2h"
  [[phase.step]]
  title = "s"
    [[phase.step.item]]
    id = "review"
    text = "Review the logs"
    every = "4h"
    until = "24h"
    role = "dba"
    [[phase.step.item]]
    id = "once"
    text = "Not again"
"""


def at(hours: float) -> str:
    return utc_text(T0 + timedelta(hours=hours))


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("checklist.toml").write_text(CHECKLIST)
    Path("deployments").mkdir()
    return tmp_path


def begun(t0: str = at(0), name: str = "2026-11-22-days-after.toml") -> RecordFile:
    record = RecordFile(Path("deployments") / name)
    append(record, "run.created", data={"t0": t0, "title": "Days after", "checklist": "checklist.toml"})
    return record


def append(record: RecordFile, kind: str, when: str = at(0), **fields: object) -> None:
    made = event(kind, Actor(name="anna", uid=1), **fields)
    record.append(Event(**{**{f: getattr(made, f) for f in made.__struct_fields__}, "utc": when}))


def due(*argv: str):
    return CliRunner().invoke(command, list(argv))


def test_nothing_is_due_before_its_time_and_something_after_it(project: Path):
    begun().close()
    early, late = due("--at", at(1)), due("--at", at(3))
    assert (early.exit_code, late.exit_code) == (0, 1)
    assert "first   review" in early.output and "in 1h" in early.output
    assert re.search(r"^DUE +review +2026-11-22 12:00 UTC, 1h ago +Review the logs  \(dba\)$", late.output, re.M)
    assert "once" not in late.output


def test_a_record_and_its_checklist_say_the_same(project: Path):
    begun().close()
    by_record = due("deployments/2026-11-22-days-after.toml", "--at", at(3))
    assert by_record.output == due("--at", at(3)).output
    assert by_record.exit_code == 1


def test_what_an_engine_at_work_has_only_in_its_log_counts(project: Path):
    record = begun()
    record.checkpoint()
    append(record, "mark", at(3), item="review", to="confirmed")
    found = due("--at", at(3.1), "--json")
    assert found.exit_code == 0
    (item,) = json.loads(found.output)["items"]
    assert (item["standing"], item["at"], item["last"], item["rounds"]) == ("next", at(7), at(3), 1)
    record.close()


def test_a_record_that_is_only_its_log_yet_counts_too(project: Path):
    record = begun()
    assert not record.path.exists()
    assert due("--at", at(3)).exit_code == 1
    record.close()


def test_the_newest_record_is_the_one(project: Path):
    begun().close()
    begun(at(100), "2026-11-26-days-after.toml").close()
    assert due("--at", at(3)).exit_code == 0


def test_a_closed_run_has_nothing_due(project: Path):
    record = begun()
    append(record, "run.closed", at(2.5))
    record.close()
    found = due("--at", at(3))
    assert found.exit_code == 0 and "closed" in found.output


def test_it_cannot_tell_without_a_run_or_without_t0(project: Path):
    assert due().exit_code == 3
    begun("").close()
    found = due("--at", at(3))
    assert found.exit_code == 3 and "T0" in found.output


def test_what_cannot_be_read_is_said(project: Path):
    begun().close()
    record = Path("deployments/2026-11-22-days-after.toml")
    record.write_text(record.read_text().replace("Days", "Dazs"))
    changed = due(str(record))
    assert changed.exit_code == 2 and "changed after it was written" in changed.output
    assert due("nowhere.toml").exit_code == 2
    Path("checklist.toml").write_text("schema = 1")
    assert due().exit_code == 2
    assert due("--at", "soon").exit_code == 2


def test_a_record_whose_checklist_is_elsewhere_is_told_by_name(project: Path):
    begun().close()
    shutil.move("checklist.toml", "elsewhere.toml")
    record = "deployments/2026-11-22-days-after.toml"
    missing = due(record)
    assert missing.exit_code == 2 and "-C FILE" in missing.output
    assert due(record, "-C", "elsewhere.toml", "--at", at(3)).exit_code == 1


def test_looking_writes_nothing(project: Path):
    record = begun()
    before = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    due("--at", at(3))
    assert {path: path.read_bytes() for path in project.rglob("*") if path.is_file()} == before
    record.close()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd here")
def test_the_units_of_the_page_are_sound(tmp_path: Path):
    units = dict(
        re.findall(
            r"# (\S+\.(?:service|timer))\n(.*?)(?=\n# \S+\.(?:service|timer)\n|\Z)", "".join(blocks("ini")), re.S
        )
    )
    assert units.keys() == {"tminus-due.service", "tminus-due.timer"}
    here = f"WorkingDirectory={tmp_path}"
    for name, text in units.items():
        runs = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/sh", text, flags=re.M)
        (tmp_path / name).write_text(re.sub(r"^WorkingDirectory=.*", here, runs, flags=re.M))
    argv = ["systemd-analyze", "verify", "--man=no", *(str(tmp_path / name) for name in units)]
    ended = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    complaints = [line for line in ended.stderr.splitlines() if "tminus-due" in line]
    assert not complaints, ended.stderr


def test_the_cron_line_of_the_page_has_five_times_and_a_command():
    (line,) = [line for line in blocks("cron")[0].splitlines() if line and not line.startswith(("#", "MAILTO"))]
    *times, command_ = line.split(maxsplit=5)
    assert len(times) == 5 and all(re.fullmatch(r"[\d*/,-]+", one) for one in times)
    assert "%" not in command_  # which cron turns into a line's end
    ended = subprocess.run(["sh", "-n", "-c", command_], capture_output=True, text=True, timeout=10, check=False)
    assert ended.returncode == 0, ended.stderr
