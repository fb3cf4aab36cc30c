"""An engine on a small checklist, in this process or in one of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from state.record_file import read_record
from tminus.client import Client, View
from tminus.launch import start_engine
from tminus.places import Place, place_of

CHECKLIST = """
schema = 1
title = "Small"

[targets]
word = "hello"
secret = "${env:TEST_SECRET}"

[[role]]
id = "dev"
title = "Development Lead"

[[phase]]
id = "one"
title = "First"
at = "T-15m"
mode = "read-do"
  [[phase.step]]
  title = "Step"
    [[phase.step.item]]
    id = "look"
    text = "Look at it"
    check = "command.probe"
    with = { argv = ["echo", "${word}", "${secret}"] }
    marks = "check"
    [[phase.step.item]]
    id = "change"
    text = "Change it"
    check = "command.run"
    with = { argv = ["touch", "done"] }
    critical = true
    [[phase.step.item]]
    id = "say"
    text = "Say it"

[[phase]]
id = "two"
title = "Second"
  [[phase.step]]
  title = "Step"
    [[phase.step.item]]
    id = "fails"
    text = "It fails"
    check = "command.probe"
    with = { argv = ["false"] }
    [[phase.step.item]]
    id = "slow"
    text = "It takes its time"
    check = "command.probe"
    with = { argv = ["sh", "-c", "echo begun; sleep 30"] }
    [[phase.step.item]]
    id = "pair"
    text = "Two people"
    pair = true
"""


@dataclass
class Flying:
    """An engine in a process of its own."""

    checklist: Path
    place: Place
    pid: int = 0

    def start(self) -> None:
        self.pid = start_engine(self.checklist, self.place)

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.pid = 0

    @asynccontextmanager
    async def client(self, name: str = "anna", *, watch: bool = True) -> AsyncIterator[Client]:
        async with Client(self.place.socket, name=name, watch=watch) as client:
            yield client

    def tminus(self, *argv: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tminus", *argv],
            cwd=self.checklist.parent,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    @property
    def record(self) -> Path:
        return next((self.checklist.parent / "deployments").glob("*.toml"))

    def recorded(self):
        return read_record(self.record)


@pytest.fixture
def checklist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TEST_SECRET", "sesame-open-canary")
    path = tmp_path / "checklist.toml"
    path.write_text(CHECKLIST)
    return path


@pytest.fixture
def engine(checklist: Path) -> Iterator[Flying]:
    flying = Flying(checklist, place_of(checklist))
    flying.start()
    yield flying
    if flying.pid:
        flying.kill()


async def until(client: Client, true: Callable[[View], bool], within: float = 20.0) -> View:
    """The first view for which TRUE holds."""
    async with asyncio.timeout(within):
        if true(client.view):
            return client.view
        async for view in client.updates():
            if true(view):
                return view
    raise AssertionError("unreachable")
