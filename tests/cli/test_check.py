"""`tminus check`: what it runs, what it leaves alone, and its exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

CHECKLIST = """
schema = 1
title = "Headless"
[targets]
url = "${env:NEVER_SET_ANYWHERE}"
[[phase]]
id = "good"
title = "Good"
  [[phase.step]]
  title = "Step"
    [[phase.step.item]]
    id = "fine"
    text = "All is well"
    check = "command.probe"
    with = { argv = ["echo", "fine"] }
    [[phase.step.item]]
    id = "change"
    text = "It would change something"
    check = "command.run"
    with = { argv = ["touch", "changed"] }
    [[phase.step.item]]
    id = "human"
    text = "A person's"
[[phase]]
id = "bad"
title = "Bad"
  [[phase.step]]
  title = "Step"
    [[phase.step.item]]
    id = "broken"
    text = "It does not hold"
    check = "command.probe"
    with = { argv = ["false"] }
    [[phase.step.item]]
    id = "warned"
    text = "A reservation"
    check = "command.plugin"
    with = { argv = ["sh", "-c", "echo 'DISK WARNING - 9% free | free=9%;10;5'; exit 1"] }
[[phase]]
id = "blind"
title = "Blind"
  [[phase.step]]
  title = "Step"
    [[phase.step.item]]
    id = "unset"
    text = "A setting is missing"
    check = "command.probe"
    with = { argv = ["echo", "${url}"] }
    [[phase.step.item]]
    id = "missing"
    text = "The program is missing"
    check = "command.probe"
    with = { argv = ["no-such-program-anywhere"] }
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "checklist.toml").write_text(CHECKLIST)
    return tmp_path


def tminus(folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tminus", *argv], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        (("fine",), 0),
        (("--phase", "good"), 0),
        (("--phase", "bad"), 1),
        (("warned",), 1),
        (("broken", "fine"), 1),
        (("unset",), 3),
        (("missing",), 3),
        ((), 3),
        (("nowhere",), 2),
        (("--phase", "nowhere"), 2),
        (("change",), 2),
        (("human",), 2),
    ],
)
def test_the_exit_code_says_what_was_found(folder, argv, code) -> None:
    assert tminus(folder, "check", *argv).returncode == code


def test_nothing_is_changed(folder) -> None:
    tminus(folder, "check")
    assert not (folder / "changed").exists()
    assert not (folder / "deployments").exists()


def test_a_missing_setting_is_named(folder) -> None:
    assert "NEVER_SET_ANYWHERE" in tminus(folder, "check", "unset").stdout


def test_json_for_machines(folder) -> None:
    found = json.loads(tminus(folder, "check", "--phase", "bad", "--format", "json").stdout)
    again = json.loads(tminus(folder, "check", "--json", "--phase", "bad").stdout)
    assert [one["item"] for one in again] == [one["item"] for one in found]
    assert {x["item"]: x["outcome"]["verdict"] for x in found} == {"broken": "fail", "warned": "warn"}


def test_junit_for_ci(folder) -> None:
    root = ET.fromstring(tminus(folder, "check", "--format", "junit").stdout)
    suites = {suite.get("name"): suite for suite in root}
    assert suites["good"].get("failures") == suites["good"].get("errors") == "0"
    assert suites["bad"].get("failures") == "2"
    assert suites["blind"].get("errors") == "2"


def test_a_checklist_that_cannot_be_used_is_2(folder) -> None:
    (folder / "checklist.toml").write_text("schema = 1\ntitel = 'x'\n")
    ended = tminus(folder, "check")
    assert ended.returncode == 2
    assert "did you mean 'title'" in ended.stderr
