"""Engines to do harm to: one that starts in a moment, on the small checklist, and is killed as often as one likes."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from state.events import Event
from state.record_file import read_record
from state.run import RunState
from tests.engine.conftest import CHECKLIST
from tminus.places import Place, place_of

NEST = Path(__file__).with_name("nest.py")
HELLO = b'{"ask":"hello","protocol":%d,"name":"somebody","watch":%s}\n'


def soon(true: Callable[[], object], what: str, seconds: float = 60.0) -> object:
    """What TRUE says as soon as it says something. Fails with WHAT was waited for."""
    end = time.monotonic() + seconds
    while not (got := true()):
        assert time.monotonic() < end, f"waited {seconds:.0f} s for {what}"
        time.sleep(0.01)
    return got


@dataclass
class Nest:
    """A process that has imported the engine once and forks one for each line: what else costs a second costs a
    few milliseconds, so that hundreds can be killed. Everything after the imports is the engine as it is."""

    process: subprocess.Popen[str] = field(init=False)

    def __post_init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(NEST)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def fork(self, checklist: Path, log: Path, *options: str) -> int:
        """The process id of a new engine of CHECKLIST, which may not listen yet."""
        assert self.process.stdin and self.process.stdout
        words = "\t".join((os.environ["XDG_RUNTIME_DIR"], str(log), str(checklist), *options))
        self.process.stdin.write(words + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


@dataclass
class Engine:
    """An engine on a checklist, forked by the nest."""

    nest: Nest
    checklist: Path
    place: Place
    pid: int = 0

    def start(self) -> None:
        """Start it, and wait until it listens."""
        self.launch()
        soon(lambda: self.listens or not alive(self.pid), "the engine to listen")
        assert alive(self.pid), self.said

    def launch(self, *options: str) -> int:
        """Start it without waiting."""
        self.pid = self.nest.fork(self.checklist, self.place.log, *options)
        return self.pid

    @property
    def listens(self) -> bool:
        """Whether this very engine is the one that answers."""
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(self.place.socket))
            except OSError:
                return False
        return self.place.lock.read_text() == str(self.pid)

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        os.kill(self.pid, signal.SIGKILL)
        self.ended()

    def ended(self) -> None:
        """Wait until it has ended."""
        soon(lambda: not alive(self.pid), "the engine to end")
        self.pid = 0

    def stop(self) -> None:
        """As `tminus stop` does, but by its signal."""
        os.kill(self.pid, signal.SIGTERM)
        self.ended()

    @property
    def said(self) -> str:
        """What stands in its log."""
        return self.place.log.read_text() if self.place.log.exists() else ""

    @property
    def rss(self) -> int:
        """Bytes of memory."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGESIZE")

    @property
    def folder(self) -> Path:
        return self.checklist.parent / "deployments"

    @property
    def record(self) -> Path:
        return next(self.folder.glob("*.toml"))

    def recorded(self) -> tuple[RunState, list[Event]]:
        return read_record(self.record)


def alive(pid: int) -> bool:
    """Whether PID runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.fixture(scope="session")
def nest() -> Iterator[Nest]:
    one = Nest()
    yield one
    assert one.process.stdin
    one.process.stdin.close()
    one.process.wait(10)


@pytest.fixture
def checklist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TEST_SECRET", "sesame-open-canary")
    path = tmp_path / "checklist.toml"
    path.write_text(CHECKLIST)
    return path


@pytest.fixture
def engine(nest: Nest, checklist: Path) -> Iterator[Engine]:
    one = Engine(nest, checklist, place_of(checklist))
    one.start()
    yield one
    if one.pid and alive(one.pid):
        one.signal(signal.SIGCONT)
        one.kill()
