"""A cockpit on a pseudo-terminal of its own, with hands and eyes."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import termios
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pyte

from tests.faults.conftest import Engine, alive, soon

COLUMNS, ROWS = 120, 40


class Cockpit:
    """The screen of a person who looks at ENGINE's run."""

    def __init__(self, engine: Engine) -> None:
        self._screen = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.ByteStream(self._screen)
        self._fd, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        fork = engine.nest.process
        assert fork.stdin and fork.stdout
        words = (os.environ["XDG_RUNTIME_DIR"], os.ttyname(theirs), "cockpit", str(engine.place.socket))
        fork.stdin.write("\t".join(words) + "\n")
        fork.stdin.flush()
        self.pid = int(fork.stdout.readline())
        soon(lambda: Path(f"/proc/{self.pid}/fd/0").readlink().is_relative_to("/dev/pts"), "it to have its terminal")
        os.close(theirs)

    @property
    def text(self) -> str:
        """What is on the screen, once all that has come is on it."""
        with suppress(OSError):
            while select.select([self._fd], [], [], 0.0)[0]:
                self._stream.feed(os.read(self._fd, 65536))
        return "\n".join(self._screen.display)

    def until(self, true: Callable[[str], bool], what: str, seconds: float = 20.0) -> str:
        """The screen, as soon as TRUE holds of it. Fails with WHAT was waited for."""
        end = time.monotonic() + seconds
        while not true(text := self.text):
            assert time.monotonic() < end, f"waited for {what}\n{text}"
            with suppress(OSError):
                select.select([self._fd], [], [], 0.05)
        return text

    def shows(self, words: str) -> str:
        return self.until(lambda text: words in text, f"{words!r} on the screen")

    def type(self, keys: str) -> None:
        with suppress(OSError):  # it may have been killed
            os.write(self._fd, keys.encode())

    def hold(self, words: str) -> None:
        """Say that the run is held, as far as one who may be killed at any time gets."""
        for _ in range(10):  # a key that comes before the screen listens is lost, as it is to a person
            self.type("h")
            with suppress(AssertionError):
                self.until(lambda text: "Hold the run" in text, "the question", 2.0)
                break
        self.type(words)
        self.shows(words)
        self.type("\r")

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        """kill -9."""
        self.signal(signal.SIGKILL)
        self.ended()

    def hang_up(self) -> None:
        """The connection is cut: the terminal goes away."""
        os.close(self._fd)
        self._fd = -1

    def ended(self) -> None:
        soon(lambda: not alive(self.pid), "the cockpit to end")

    def close(self) -> None:
        if alive(self.pid):
            self.signal(signal.SIGCONT)
            self.kill()
        if self._fd != -1:
            os.close(self._fd)
