"""The one place of the command line that opens the cockpit."""

from __future__ import annotations

from pathlib import Path

from tminus.cli.common import UNUSABLE, end


def open_cockpit(socket: Path, *, name: str, read_only: bool) -> int:
    """Draw the run behind SOCKET until the person leaves. Returns the exit code; ends with 2 without a terminal."""
    from tui.launch import NoScreen, run_cockpit

    try:
        return run_cockpit(socket, name=name, read_only=read_only)
    except NoScreen as error:
        end(UNUSABLE, str(error))
