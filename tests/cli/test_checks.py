"""`tminus checks`: every check with what it takes and an example that fits, the ones of plugins too."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from checks.params import problems_of
from checks.registry import Registry
from tminus.cli.checks import command

PAGE = Path(__file__).parents[2] / "docs" / "plugins.md"
CHECKLIST = """
schema = 1
title = "t"
plugins = ["ops/checks.py"]
[[phase]]
id = "p"
title = "p"
[[phase.step]]
title = "s"
[[phase.step.item]]
id = "a"
text = "x"
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("ops").mkdir()
    Path("checklist.toml").write_text(CHECKLIST)
    (page,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    Path("ops/checks.py").write_text(page)
    return tmp_path


def run(*argv: str):
    return CliRunner().invoke(command, list(argv))


def test_every_check_is_listed_with_its_effect_its_parameters_and_an_example(project):
    listed = run().stdout
    for name in Registry.load().names():
        assert re.search(rf"^{re.escape(name)} +(read|change) +\S", listed, re.MULTILINE), name
    assert "queue.drained" in listed
    assert "folder [at_most]\n" in listed and 'with = { folder = "path" }' in listed


def test_the_item_that_is_shown_may_be_pasted_as_it_is(project):
    registry = Registry.load(["ops/checks.py"], Path())
    for one in json.loads(run("--json").stdout):
        (item,) = tomllib.loads(one["item"].replace("[[phase.step.item]]", "[[item]]"))["item"]
        spec = registry.get(one["name"])
        assert item["check"] == one["name"] and re.fullmatch(r"[a-z0-9][a-z0-9.\-]{0,63}", item["id"])
        assert list(problems_of(spec.params, item.get("with", {}))) == [], one["name"]


def test_one_check_is_shown_whole_with_types_and_defaults(project):
    shown = run("queue.drained").stdout
    assert "read, deadline 30s, evidence counts for 5m" in shown
    assert re.search(r"^  folder   a path +required$", shown, re.MULTILINE)
    assert re.search(r"^  at_most  a whole number +default 0$", shown, re.MULTILINE)
    assert 'id = "queue-drained"' in shown


def test_a_group_is_its_checks_and_a_name_that_nobody_has_is_told_the_nearest(project):
    assert {line.split()[0] for line in run("sqlite").stdout.splitlines() if line[0] != " "} <= {
        name for name in Registry.load().names() if name.startswith("sqlite.")
    }
    wrong = run("sqlite.bakcup")
    assert wrong.exit_code == 2 and "sqlite.backup" in wrong.output
