"""A command whose standard streams are closed, as cron and some wrappers leave them: it works, and what it prints goes
nowhere else."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKLIST = """
schema = 1
title = "Small"
[[phase]]
id = "p"
title = "P"
[[phase.step]]
title = "S"
[[phase.step.item]]
id = "x"
text = "X"
check = "command.probe"
with = { argv = ["echo", "seen"] }
"""


def closed(folder: Path, which: str, *words: str) -> subprocess.CompletedProcess[str]:
    """`tminus WORDS` with the streams of WHICH (sh's words) closed."""
    argv = ["sh", "-c", f'exec "$@" {which}', "sh", sys.executable, "-m", "tminus", *words]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=60, check=False, env=environment)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "checklist.toml").write_text(CHECKLIST)
    return tmp_path


@pytest.mark.parametrize("which", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(
    ("words", "code"), [(["validate"], 0), (["check"], 0), (["status"], 3), (["frobnicate"], 2), (["doctor"], None)]
)
def test_a_command_ends_as_it_would_and_says_what_it_can(
    folder: Path, which: str, words: list[str], code: int | None
) -> None:
    ended = closed(folder, which, *words)
    assert "Traceback" not in ended.stdout + ended.stderr
    assert ended.returncode == code or (code is None and ended.returncode in (0, 1))


def test_what_is_printed_is_in_no_file_that_was_opened(folder: Path) -> None:
    """The first file that is opened gets the number of a stream that was closed."""
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    ended = closed(folder, ">&- 2>&-", "init", "--force")
    assert ended.returncode == 0
    written = (folder / "checklist.toml").read_text()
    assert written.startswith("#") and "wrote" not in written.splitlines()[0]
    assert set(before) <= {path.name for path in folder.iterdir()}
