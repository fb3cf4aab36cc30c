"""A command at a terminal of its own: what it shows, and somebody who types."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from types import TracebackType
from typing import Self

PATIENCE = 10.0


class Typist:
    """`tminus WORDS` in a pseudo-terminal of COLUMNS, in FOLDER."""

    def __init__(self, folder: Path, *words: str, columns: int = 80, name: str = "Anna") -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tminus", *words],
            cwd=folder,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env={**environment, "TMINUS_NAME": name, "TERM": "xterm"},
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 (without it Ctrl+C signals nobody)
        )
        os.close(theirs)
        self.raw = ""
        self._seen = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        os.close(self._ours)

    def _read(self) -> bool:
        if not select.select([self._ours], [], [], 0.1)[0]:
            return True
        try:
            self.raw += os.read(self._ours, 65536).decode(errors="replace")
        except OSError:  # the other end is closed
            return False
        return True

    def shows(self, words: str) -> None:
        """Wait until WORDS were shown since what was waited for before, whatever lines they are broken into."""
        pattern = re.compile(r"\s+".join(map(re.escape, words.split())))
        deadline = time.monotonic() + PATIENCE
        while not (found := pattern.search(self.raw, self._seen)):
            assert self._read() and time.monotonic() < deadline, f"no {words!r} in:\n{self.raw}"
        self._seen = found.end()

    def types(self, line: str) -> None:
        """Type LINE and Enter."""
        os.write(self._ours, line.encode() + b"\n")

    def presses(self, key: str) -> None:
        """Press one KEY, without Enter."""
        os.write(self._ours, key.encode())

    def ends(self) -> int:
        """Read what is left, and the exit code."""
        while self._read() and self.process.poll() is None:
            pass
        while self._read() and select.select([self._ours], [], [], 0)[0]:
            pass
        return self.process.wait(PATIENCE)
