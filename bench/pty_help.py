"""A program on a real pseudo-terminal: its bytes with their times, its screen by pyte, its processor and memory."""

from __future__ import annotations

import fcntl
import os
import pty
import queue
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil
import pyte

ASKS = {
    b"\x1b[?2026$p": b"\x1b[?2026;2$y",  # a program that asks whether the terminal can do something has its answer
    b"\x1b[6n": b"\x1b[1;1R",
    b"\x1b[c": b"\x1b[?62;22c",
}


class Program:
    """COMMAND on a terminal of COLUMNS by ROWS. It is read for ever by a thread; what is read is noted at once."""

    def __init__(
        self, command: Sequence[str], *, columns: int = 120, rows: int = 40, environment: Mapping[str, str] = {}
    ) -> None:
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self._news = threading.Condition()
        self.bytes = 0
        self.at = 0.0  # when the newest bytes were read
        self.began = time.perf_counter()
        self.fd, child = pty.openpty()
        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
        terminal = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "PYTHONUTF8": "1"}
        self.process = subprocess.Popen(
            command, stdin=child, stdout=child, stderr=child, start_new_session=True,
            env={**kept, **terminal, **environment},
        )  # fmt: skip
        os.close(child)
        self._unread: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._read, self._parse)]
        for thread in self._threads:
            thread.start()

    def _read(self) -> None:
        # A terminal's line holds 4 kB: were the screen parsed here, the program would wait for the parser.
        while True:
            try:
                data = os.read(self.fd, 1 << 16)
            except OSError:
                data = b""
            self._unread.put((time.perf_counter(), data))
            if not data:
                return
            for question, answer in ASKS.items():
                if question in data:
                    os.write(self.fd, answer)

    def _parse(self) -> None:
        while True:
            at, data = self._unread.get()
            if not data:
                return
            with self._news:
                self.bytes += len(data)
                self.at = at
                self._stream.feed(data)
                self._news.notify_all()

    def wait(self, condition: Callable[[Program], object], seconds: float = 20.0) -> float:
        """Wait until the screen meets CONDITION; the moment (perf_counter) of the bytes that made it so.

        Raises TimeoutError with the screen when SECONDS pass.
        """
        with self._news:
            if not self._news.wait_for(lambda: condition(self), seconds):
                raise TimeoutError("\n".join(self.screen.display))
            return self.at

    def press(self, key: bytes, condition: Callable[[Program], object]) -> float:
        """Seconds from pressing KEY to the bytes that make CONDITION true."""
        began = time.perf_counter()
        os.write(self.fd, key)
        return self.wait(condition) - began

    @property
    def text(self) -> str:
        return "\n".join(self.screen.display)

    def column_of(self, glyph: str) -> tuple[int, ...]:
        """The rows in whose first four cells GLYPH stands."""
        return tuple(
            y for y in range(self.screen.lines) if any(self.screen.buffer[y][x].data == glyph for x in range(4))
        )

    def processor(self) -> float:
        """Seconds of processor that it and its children have had, from the scheduler's own count (nanoseconds)."""
        total = 0
        for process in self._tree():
            for task in Path(f"/proc/{process.pid}/task").glob("*/schedstat"):
                try:
                    total += int(task.read_text().split()[0])
                except OSError:
                    continue
        return total / 1e9

    def memory(self) -> float:
        """Resident MiB of it and its children."""
        return sum(process.memory_info().rss for process in self._tree()) / 2**20

    def _tree(self) -> list[psutil.Process]:
        first = psutil.Process(self.process.pid)
        return [first, *first.children(recursive=True)]

    def over(self, seconds: float) -> tuple[float, float]:
        """(per cent of a core, bytes a second) over the next SECONDS."""
        began, spent, sent = time.perf_counter(), self.processor(), self.bytes
        time.sleep(seconds)
        took = time.perf_counter() - began
        return 100 * (self.processor() - spent) / took, (self.bytes - sent) / took

    def close(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
        for thread in self._threads:
            thread.join(2)
        os.close(self.fd)
