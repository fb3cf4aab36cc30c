"""The cockpit of a hostile run on a real terminal: every byte that it writes is of its own making."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import suppress

import pyte
import pytest
from hostile import MARK, harms_of_screen
from hostile_run import Flown

DOWN, ESCAPE = "\x1b[B", "\x1b"


class Screen:
    """`tminus watch` on a pseudo-terminal: all of its bytes, and what a terminal makes of them."""

    def __init__(self, flown: Flown, command: str) -> None:
        self.screen = pyte.Screen(160, 48)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.fd, child = pty.openpty()
        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 48, 160, 0, 0))
        environ = {**os.environ, **flown.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
        environ.pop("TMUX", None)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tminus", command],
            stdin=child,
            stdout=child,
            stderr=child,
            cwd=flown.folder,
            env=environ,
            start_new_session=True,
        )
        os.close(child)

    def read(self, seconds: float) -> None:
        """What comes within so many seconds of silence."""
        with suppress(OSError):
            while select.select([self.fd], [], [], seconds)[0]:
                data = os.read(self.fd, 65536)
                if not data:
                    return
                self.raw += data
                self._stream.feed(data)

    def until(self, text: str) -> None:
        """Read until TEXT is on the screen."""
        end = time.monotonic() + 20
        while not any(text in line for line in self.screen.display):
            assert time.monotonic() < end, "\n".join(self.screen.display)
            self.read(0.05)

    def press(self, *keys: str) -> None:
        for key in keys:
            os.write(self.fd, key.encode())
            self.read(0.15)


@pytest.fixture
def screen(flown: Flown) -> Iterator[Screen]:
    one = Screen(flown, "run")
    try:
        yield one
    finally:
        if one.process.poll() is None:
            one.process.kill()
        one.process.wait(timeout=20)
        os.close(one.fd)


def test_every_byte_of_the_cockpit_is_its_own(screen: Screen) -> None:
    screen.until("blockers")
    # Through the panes, the items, the page of help, the dialogs and the palette, and out again.
    screen.press(DOWN, "2", "?", ESCAPE)
    shown = harms_of_screen(screen.raw)
    screen.press("q")
    deadline = time.monotonic() + 10
    while screen.process.poll() is None and time.monotonic() < deadline:
        screen.read(0.1)
    assert shown == []
    assert harms_of_screen(screen.raw) == []
    assert MARK.encode() in screen.raw and b"[bold]b[/bold] [@click=app.quit]" in screen.raw  # it was seen, as words
    assert screen.process.returncode == 0  # and nothing but the key ended it
