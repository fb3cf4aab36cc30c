"""The one place of the command line that opens the cockpit."""

from __future__ import annotations

import os
from pathlib import Path

from tminus.cli.common import UNUSABLE, end


def open_cockpit(socket: Path, *, name: str, read_only: bool, farewell: str = "") -> int:
    """Draw the run behind SOCKET until the person leaves, and print FAREWELL then. Returns the exit code.

    Ends with 2 where there is no terminal for it, or the person's settings are wrong.
    """
    from state.problems import ChecklistError
    from tminus.settings import read_settings, settings_path
    from tui import BadSettings, NoScreen, Settings, run_cockpit

    # A shell that exports these would pin the screen to the size it had once, through every resize.
    for variable in ("COLUMNS", "LINES"):
        os.environ.pop(variable, None)
    try:
        settings = Settings.of(read_settings(settings_path()).cockpit)
        return run_cockpit(socket, name=name, read_only=read_only, settings=settings, farewell=farewell)
    except (NoScreen, ChecklistError) as error:
        end(UNUSABLE, str(error))
    except BadSettings as error:
        end(UNUSABLE, f"{settings_path()}: {error}")
