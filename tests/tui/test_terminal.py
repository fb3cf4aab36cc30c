"""The cockpit on a real terminal: colours in every depth, and a clean end however it ends."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pyte
import pytest
import story
from cockpit_help import PLAN, until
from fake_engine import FakeEngine

from tminus.client.requests import ShowPlan
from tui.launch import NoScreen, check_terminal

ROOT = Path(__file__).parents[2]
CHILD = """
import sys
from pathlib import Path
from tui.launch import run_cockpit
from tui.settings import Settings
sys.exit(run_cockpit(Path(sys.argv[1]), name="anna", settings=Settings(theme=sys.argv[2])))
"""
MODES = {
    "truecolor": {"TERM": "xterm-256color", "COLORTERM": "truecolor"},
    "256": {"TERM": "tmux-256color"},
    "16": {"TERM": "screen"},
    "none": {"TERM": "xterm-256color", "NO_COLOR": "1"},
    "ascii": {"TERM": "xterm-256color", "PYTHONIOENCODING": "ascii"},
}


class Terminal:
    """A child on a pseudo-terminal of its own, its screen kept by pyte and its bytes counted."""

    def __init__(self, socket: Path, environment: dict[str, str], theme: str = "auto") -> None:
        columns, rows = 120, 40
        self.screen = pyte.Screen(columns, rows)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = b""
        self.fd, child = pty.openpty()
        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        inherited = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(socket), theme],
            stdin=child, stdout=child, stderr=child, cwd=ROOT, start_new_session=True,
            env={**inherited, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", **environment},
        )  # fmt: skip
        os.close(child)
        os.set_blocking(self.fd, False)
        asyncio.get_running_loop().add_reader(self.fd, self._read)

    def _read(self) -> None:
        try:
            data = os.read(self.fd, 65536)
        except OSError:
            data = b""
        if not data:
            asyncio.get_running_loop().remove_reader(self.fd)
            return
        self.raw += data
        self._stream.feed(data)

    @property
    def text(self) -> str:
        return "\n".join(self.screen.display)

    def resize(self, columns: int, rows: int) -> None:
        """As a terminal does it: what no longer fits is cut off, and does not come back by itself."""
        self.screen.resize(rows, columns)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process.send_signal(signal.SIGWINCH)  # it is on no session's foreground, so that the kernel does not

    def invisible(self) -> list[str]:
        """Letters whose colour is that of what is behind them."""
        return [
            cell.data
            for line in self.screen.buffer.values()
            for cell in line.values()
            if cell.data.strip() and cell.fg == cell.bg and cell.fg != "default"
        ]

    async def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        await until(lambda: self.process.poll() is not None)
        asyncio.get_running_loop().remove_reader(self.fd)
        os.close(self.fd)


def shape(terminal: Terminal) -> list[str]:
    """The screen without its digits and its strip of metrics: clocks go on, and what is not heard again goes stale."""
    return [re.sub(r"\d", "0", row) for row in terminal.screen.display if "Response p" not in row]


async def comes_back(terminal: Terminal, before: list[str]) -> None:
    """The shape of BEFORE is on the screen again, at last."""
    with suppress(TimeoutError):
        await until(lambda: shape(terminal) == before, 10)
    assert shape(terminal) == before


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[FakeEngine]:
    from datetime import UTC, datetime

    async with FakeEngine(tmp_path / "engine.sock", story.view(datetime.now(UTC))) as one:
        one.answers[ShowPlan] = PLAN
        yield one


@pytest.mark.parametrize(
    ("mode", "theme"),
    [*((mode, "auto") for mode in MODES), *((mode, "light") for mode in ("truecolor", "256", "16"))],
)
async def test_all_text_can_be_seen_in_every_depth_of_colour(engine: FakeEngine, mode: str, theme: str) -> None:
    terminal = Terminal(engine.socket, MODES[mode], theme)
    try:
        await until(lambda: "NO-GO" in terminal.text and "Final Pre-Checks" in terminal.text, 15)
        assert terminal.invisible() == []
        os.write(terminal.fd, b"h")
        await until(lambda: "Hold the run" in terminal.text)
        assert terminal.invisible() == []
        words = ("PASS", "FAIL", "ERROR", "STALE", "OPEN", "RUN", "WAIV")
        assert all(word in terminal.text for word in words)
        if mode == "ascii":
            assert terminal.text.isascii()
        if mode == "none":
            colours = {cell.fg for line in terminal.screen.buffer.values() for cell in line.values()}
            assert colours <= {"default"}
    finally:
        await terminal.close()


@pytest.mark.parametrize("end", ["q", "SIGTERM", "SIGHUP"])
async def test_however_it_ends_the_terminal_is_left_clean(engine: FakeEngine, end: str) -> None:
    terminal = Terminal(engine.socket, MODES["256"])
    try:
        await until(lambda: "NO-GO" in terminal.text, 15)
        assert b"\x1b[?1049h" in terminal.raw and b"\x1b[?1000h" not in terminal.raw
        if end == "q":
            os.write(terminal.fd, b"q")
        else:
            terminal.process.send_signal(signal.Signals[end])
        await until(lambda: terminal.process.poll() is not None)
        await until(lambda: b"\x1b[?1049l" in terminal.raw)
        assert terminal.raw.rindex(b"\x1b[?25h") > terminal.raw.rindex(b"\x1b[?25l")
        assert terminal.process.returncode == 0
    finally:
        await terminal.close()


@pytest.mark.parametrize("end", ["SIGTERM", "SIGHUP"])
async def test_it_ends_though_the_terminal_went_in_the_midst_of_a_write(engine: FakeEngine, end: str) -> None:
    terminal = Terminal(engine.socket, MODES["truecolor"])
    try:
        await until(lambda: "NO-GO" in terminal.text, 15)
        asyncio.get_running_loop().remove_reader(
            terminal.fd
        )  # nobody reads any more: writes fill the line, then wait
        for turn in range(400):
            size = struct.pack("HHHH", 30 + turn % 15, 100 + turn % 40, 0, 0)
            fcntl.ioctl(terminal.fd, termios.TIOCSWINSZ, size)
            terminal.process.send_signal(signal.SIGWINCH)
            await asyncio.sleep(0.005)
        terminal.process.send_signal(signal.Signals[end])
        await until(lambda: terminal.process.poll() is not None, 10)
        assert terminal.process.returncode == 0
    finally:
        await terminal.close()


@pytest.mark.parametrize("busy", [False, True])
async def test_it_ends_when_its_terminal_goes_and_nobody_sends_a_signal(engine: FakeEngine, busy: bool) -> None:
    terminal = Terminal(engine.socket, MODES["truecolor"])
    try:
        await until(lambda: "NO-GO" in terminal.text, 15)
        asyncio.get_running_loop().remove_reader(terminal.fd)
        for turn in range(400 if busy else 0):  # in the midst of a write: see above
            size = struct.pack("HHHH", 30 + turn % 15, 100 + turn % 40, 0, 0)
            fcntl.ioctl(terminal.fd, termios.TIOCSWINSZ, size)
            terminal.process.send_signal(signal.SIGWINCH)
            await asyncio.sleep(0.005)
        os.dup2(os.open(os.devnull, os.O_RDWR), terminal.fd)  # the other end is closed; the number stays ours
        await until(lambda: terminal.process.poll() is not None, 10)
    finally:
        await terminal.close()


async def test_a_terminal_that_was_small_for_a_moment_is_painted_whole_again(engine: FakeEngine) -> None:
    terminal = Terminal(engine.socket, MODES["256"])
    try:
        await until(lambda: "base_url" in terminal.text and "quit screen" in terminal.text, 15)  # of the item
        before = shape(terminal)
        # It does not run while the size goes there and back: when it looks, nothing seems to have changed.
        terminal.process.send_signal(signal.SIGSTOP)
        terminal.resize(60, 12)
        terminal.resize(120, 40)
        assert shape(terminal) != before
        terminal.process.send_signal(signal.SIGCONT)
        await comes_back(terminal, before)
    finally:
        await terminal.close()


async def test_after_a_storm_of_resizes_the_screen_is_what_it_was(engine: FakeEngine) -> None:
    terminal = Terminal(engine.socket, MODES["256"])
    try:
        await until(lambda: "base_url" in terminal.text and "quit screen" in terminal.text, 15)  # of the item
        before = shape(terminal)
        for turn in range(100):
            terminal.resize(*((80, 24), (160, 48), (40, 10), (120, 40))[turn % 4])
            await asyncio.sleep(0.01)  # a hundred times a second
        await comes_back(terminal, before)
    finally:
        await terminal.close()


async def test_a_second_costs_less_than_four_kilobytes(engine: FakeEngine) -> None:
    from datetime import UTC, datetime

    from tminus.client.messages import Update

    terminal = Terminal(engine.socket, MODES["truecolor"])
    try:
        await until(lambda: "NO-GO" in terminal.text, 15)
        os.write(terminal.fd, b"3")
        await until(lambda: "GATES" in terminal.text or "Response p95" in terminal.text)
        await asyncio.sleep(1.0)  # the first frames are not the steady state that is measured
        before, seconds = len(terminal.raw), 3
        for _ in range(seconds):
            await engine.tell(Update(metrics=story.metrics(datetime.now(UTC))))
            await asyncio.sleep(1.0)
        assert 0 < (len(terminal.raw) - before) / seconds < 4096
    finally:
        await terminal.close()


def test_without_a_terminal_it_refuses_and_names_the_other_way(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NoScreen, match="tminus status"):
        check_terminal()
    monkeypatch.setattr(os, "isatty", lambda _: True)
    monkeypatch.setenv("TERM", "dumb")
    with pytest.raises(NoScreen, match="tminus status"):
        check_terminal()
