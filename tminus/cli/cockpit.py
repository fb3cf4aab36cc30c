"""The one place of the command line that opens the cockpit."""

from __future__ import annotations

from pathlib import Path


def open_cockpit(socket: Path, *, name: str, read_only: bool) -> int:
    """Draw the run behind SOCKET until the person leaves. Returns the exit code."""
    from tui.app import run_cockpit

    return run_cockpit(socket, name=name, read_only=read_only)
