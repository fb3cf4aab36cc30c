"""kill -9 at any moment: every event that was acknowledged is there afterwards."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

from state.events import Event
from state.record import parse, render
from state.record_file import RecordFile

KILLS = 60


def test_a_writer_that_is_killed_at_random_moments_loses_nothing_it_acknowledged(tmp_path: Path) -> None:
    rng = random.Random(7)
    script = Path(__file__).with_name("killed_writer.py")
    writer = subprocess.Popen(
        [sys.executable, script, tmp_path / "run.toml"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert writer.stdin
    assert writer.stdout
    acknowledged: dict[int, str] = {}
    told = 0
    path = tmp_path / "run.toml"
    with writer:
        for turn in range(KILLS):
            if turn % 40 == 39:  # a record of bounded length, so that the moments stay spread over all it does
                path.unlink(missing_ok=True)
                path.with_name("run.toml.wal").unlink(missing_ok=True)
                acknowledged = {}
            writer.stdin.write(f"{rng.uniform(0.0, 0.03)} {'start' if turn % 2 else 'first'}\n")
            writer.stdin.flush()
            for line in iter(writer.stdout.readline, ""):
                word, _, rest = line.strip().partition(" ")
                if word == "end":
                    assert int(rest) == -signal.SIGKILL
                    break
                acknowledged[int(word)] = rest
                told += 1
            record = RecordFile(path)
            found = {one.seq: one.digest for one in _events(record)}
            assert acknowledged.items() <= found.items()
            acknowledged = found  # an event that was written but not yet acknowledged is there for good now
            _let_go(record)
    assert told >= KILLS // 2
    assert not list(tmp_path.glob(".*.partial"))


def _events(record: RecordFile) -> list[Event]:
    return parse(render(*record.snapshot()))[1]


def _let_go(record: RecordFile) -> None:
    os.close(record._wal)
