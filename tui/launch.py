"""Opening the cockpit on a terminal. Textual is imported only here, after the environment is set for it."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

from tui.settings import Settings
from tui.theme import look_for


class NoScreen(Exception):
    """The terminal cannot show the cockpit; the message says why, and what to use instead."""


def check_terminal() -> None:
    """Raise NoScreen when stdin or stderr is no terminal, or the terminal is dumb."""
    for number, name in ((0, "stdin"), (2, "stderr")):
        if not os.isatty(number):
            raise NoScreen(f"{name} is not a terminal: the cockpit needs one. For plain text use: tminus status")
    if os.environ.get("TERM", "") in ("", "dumb"):
        raise NoScreen("TERM is dumb: this terminal cannot show the cockpit. For plain text use: tminus status")


def run_cockpit(
    socket: Path, *, name: str, read_only: bool = False, settings: Settings | None = None, farewell: str = ""
) -> int:
    """Show the run whose engine listens at SOCKET to the person NAME until they quit. Returns an exit code.

    FAREWELL is printed when they leave; that the run goes on, unless said otherwise. Raises NoScreen when there is no
    terminal for it. The run goes on, whatever happens to the screen.
    """
    check_terminal()
    settings = settings or Settings()
    encoding = getattr(sys.__stderr__, "encoding", None) or "ascii"
    look = look_for(os.environ, encoding, theme=settings.theme, glyphs=settings.glyphs)
    # Textual reads these when it is imported.
    os.environ.setdefault("TEXTUAL_ANIMATIONS", "none")
    os.environ.setdefault("TEXTUAL_SMOOTH_SCROLL", "0")
    os.environ.setdefault("ESCDELAY", "50")
    gc.disable()  # nothing that is imported is garbage: a collector would look through it again and again
    from tui.app import Cockpit

    app = Cockpit(socket, name=name, read_only=read_only, settings=settings, look=look, farewell=farewell)
    gc.freeze()
    gc.enable()
    app.run(mouse=settings.mouse)
    return app.return_value if app.return_value is not None else (app.return_code or 0)
