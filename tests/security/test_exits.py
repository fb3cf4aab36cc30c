"""Whatever was said from outside, no command writes anything to its terminal but lines of plain text."""

from __future__ import annotations

import pytest
from hostile import MARK, harms, on_a_terminal
from hostile_run import Flown

COMMANDS = {
    "status": ["status"],
    "an item": ["status", "says"],
    "do": ["do", "prints"],
    "check": ["check", "says"],
    "due": ["due"],
    "one check": ["checks", "ours.says"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_writes_plain_lines(flown: Flown, name: str) -> None:
    code, raw = on_a_terminal(COMMANDS[name], flown.folder, flown.environ)
    assert harms(raw) == []
    assert raw.strip() and code in (0, 1, 3), raw[-2000:]


def test_no_line_of_the_status_is_written_by_somebody_else(flown: Flown) -> None:
    _, raw = on_a_terminal(["status"], flown.folder, flown.environ)
    lines = raw.decode().splitlines()
    assert len([line for line in lines if line.startswith("verdict ")]) == 1
    begun = [line for line in lines if not line.startswith("  ")]  # what is set in goes on with the line before
    assert not [line for line in begun if line.startswith(("[", "seq", "sha256")) or f"phase {MARK}" in line[:40]]


def test_no_line_of_a_read_back_is_written_by_somebody_else(flown: Flown) -> None:
    _, raw = on_a_terminal(["go", "one"], flown.folder, flown.environ)
    assert harms(raw) == []
    lines = raw.decode().splitlines()
    assert len([line for line in lines if line.startswith("The verdict is ")]) == 1
    assert not [line for line in lines if line.startswith(("[", "seq", "sha256", "verdict ", "GO is"))]


def test_words_that_are_no_utf8_are_refused_in_words(flown: Flown) -> None:
    import os

    words = os.fsdecode(b"\x9b31337H\xff a note")
    for argv in (["note", words], ["note", "a note", "--as", words]):
        code, raw = on_a_terminal(argv, flown.folder, flown.environ)
        assert harms(raw) == []
        assert code == 1 and b"no UTF-8" in raw, raw.decode()
