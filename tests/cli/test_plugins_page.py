"""docs/plugins.md, followed to the letter: its files where it says, its items in a checklist, its commands run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from tminus.cli import cli

PAGE = (Path(__file__).parents[2] / "docs" / "plugins.md").read_text()
HEAD = """
schema = 1
title = "Queue"
{plugins}
[[phase]]
id = "day"
title = "The day"
[[phase.step]]
title = "Queue"
"""


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def placed(text: str) -> None:
    """TEXT at the place that its comment names."""
    path = Path(re.search(r"^# (ops/\S+)", text, re.MULTILINE)[1])
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


def tminus(line: str) -> int:
    return CliRunner().invoke(cli, shlex.split(line)[1:]).exit_code


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def look() -> int:
    return tminus("tminus check queue")


def test_the_python_check_stands_in_a_checklist_and_looks():
    placed(blocks("python")[0])
    (plugins,) = re.findall(r"`(plugins = \[.*?\])`", PAGE)
    Path("checklist.toml").write_text(HEAD.format(plugins=plugins) + blocks("toml")[0])
    show, validate, check = [line.partition("#")[0] for line in blocks("sh")[0].splitlines()]
    assert (tminus(show), tminus(validate), tminus(check)) == (0, 0, 3)
    Path("queue").mkdir()
    assert look() == 0
    Path("queue/1.job").touch()
    assert look() == 1


def test_the_shell_check_stands_in_a_checklist_and_looks():
    placed(blocks("sh")[1])
    Path("checklist.toml").write_text(HEAD.format(plugins="") + blocks("toml")[1])
    assert (tminus("tminus validate"), look()) == (0, 3)
    Path("queue").mkdir()
    assert look() == 0
    Path("queue/1.job").touch()
    assert look() == 1


def test_a_parameter_that_is_wrong_is_refused_with_its_line():
    placed(blocks("python")[0])
    item = blocks("toml")[0].replace("at_most = 0", 'at_most = "none"')
    Path("checklist.toml").write_text(HEAD.format(plugins='plugins = ["ops/checks.py"]') + item)
    told = CliRunner().invoke(cli, ["validate"])
    assert told.exit_code == 2 and "at_most" in told.output and "a whole number" in told.output
