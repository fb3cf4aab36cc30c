from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from state_strategies import START, event

from state.events import Event
from state.record_file import RecordFile
from state.replaying import outcome_data
from state.verdicts import Outcome, Verdict


@pytest.fixture
def record_path(tmp_path: Path) -> Path:
    return tmp_path / "2026-11-22-move.toml"


@pytest.fixture
def small_run() -> list[Event]:
    """A few events of different kinds, not yet chained."""
    outcome = Outcome.of(Verdict.PASS, "3 rows", expected="3 rows", evidence={"rows": 3}, observed_at=START)
    return [
        event("run.created", data={"id": "r1", "title": "Move"}),
        event("check.finished", item="backup", to="pass", data=outcome_data(outcome, 0.5)),
        event("mark", item="backup", to="confirmed", data={"evidence": outcome.digest}),
        event("note", item="backup", reason="grüße, 世界\nsecond line"),
    ]


@pytest.fixture
def opened(record_path: Path) -> Iterator[Callable[[], RecordFile]]:
    """Opens the record; whatever a test leaves open is let go of."""
    files: list[RecordFile] = []

    def open_record() -> RecordFile:
        files.append(RecordFile(record_path))
        return files[-1]

    yield open_record

    for file in files:
        with contextlib.suppress(OSError):  # those that the test closed itself
            if os.path.samestat(os.fstat(file._wal), file.wal_path.stat()):
                os.close(file._wal)
