"""A run of an hour, written by the record's and the history's own writers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from metrics.history import History, history_path
from metrics.samples import Measurement
from state.events import Event, utc_text
from state.loader import load_checklist
from state.record_file import RecordFile
from tminus.replay.deck import Deck
from tminus.replay.load import load_tape
from tminus.replay.tape import Tape

T0 = datetime(2026, 11, 22, 22, 0, tzinfo=UTC)

CHECKLIST = """
schema = 1
title = "Small"

[metrics.http]
targets = [{ name = "home", url = "http://127.0.0.1:1/" }]

[[phase]]
id = "one"
title = "First"
at = "T-15m"
  [[phase.step]]
  title = "Step"
    [[phase.step.item]]
    id = "look"
    text = "Look at it"
    check = "command.probe"
    with = { argv = ["true"] }
    marks = "check"
    [[phase.step.item]]
    id = "say"
    text = "Say it"

[[phase]]
id = "two"
title = "Second"
at = "T"
  [[phase.step]]
  title = "Step"
    [[phase.step.item]]
    id = "push"
    text = "Push it"

[[gate]]
id = "errors"
text = "too many errors"
metric = "http.error_rate"
mode = "sustained"
when = "> 10%"
for = "5m"
arm_at = "push"
then = "rollback"
"""


def minutes(number: float) -> datetime:
    """NUMBER minutes after T0."""
    return T0 + timedelta(minutes=number)


# (minutes from T0, kind, item, to, reason, data); the position of each in this list, from 1, is its number
EVENTS: tuple[tuple[float, str, str, str, str, dict[str, Any]], ...] = (
    (-20, "run.created", "", "", "", {}),
    (-20, "engine.started", "", "started", "", {}),
    (-19, "lease.taken", "", "", "", {}),
    (-15, "check.started", "look", "", "", {}),
    (-14, "check.finished", "look", "fail", "", {"actual": "exit code 1", "expected": "exit code 0"}),
    (-12, "check.started", "look", "", "", {}),
    (-11, "check.finished", "look", "pass", "", {"actual": "exit code 0", "expected": "exit code 0"}),
    (-10, "mark", "say", "confirmed", "", {}),
    (-5, "hold.raised", "", "", "the customer calls", {"id": 1}),
    (-2, "hold.released", "", "", "", {"id": 1}),
    (-1, "phase.go", "one", "", "", {}),
    (1, "mark", "push", "confirmed", "", {}),
    (1, "gate.armed", "errors", "", "", {}),
    (2, "gate.changed", "errors", "clear", "err 0.0%", {}),
    (21, "gate.changed", "errors", "breaching", "err 50.0% > 10%", {}),
    (26, "gate.changed", "errors", "tripped", "err 50.0% > 10% for 05:00", {}),
    (30, "gate.decided", "errors", "continue", "a known fault of the probe", {}),
    (40, "phase.go", "two", "", "", {}),
)


@dataclass(frozen=True)
class Flown:
    """What is left of the run."""

    record: Path
    checklist: Path

    @property
    def tape(self) -> Tape:
        return load_tape(self.record, self.checklist)[0]

    @property
    def deck(self) -> Deck:
        return Deck.of(self.tape)


@pytest.fixture
def flown(tmp_path: Path) -> Flown:
    checklist = tmp_path / "checklist.toml"
    checklist.write_text(CHECKLIST)
    loaded = load_checklist(checklist)
    meta = {"id": "run", "title": "Small", "t0": utc_text(T0), "checklist_sha256": loaded.sha256,
            "outline": dict(loaded.checklist.outline())}  # fmt: skip
    record = RecordFile(tmp_path / "run.toml")
    for at, kind, item, to, reason, more in EVENTS:
        data = meta if kind == "run.created" else more
        if kind == "check.finished":
            data = {**more, "observed_at": utc_text(minutes(at))}
        record.append(
            Event(seq=0, utc=utc_text(minutes(at)), kind=kind, actor="anna", uid=1000, item=item, to=to,
                  reason=reason, data=data, prev="")
        )  # fmt: skip
    record.close()
    history = History(history_path(record.path))
    for second in range(-1200, 45 * 60, 15):
        bad = 5.0 if second >= 20 * 60 else 0.0
        at = T0 + timedelta(seconds=second)
        history.add([Measurement("http.error_rate", bad / 10, 10, "ratio", at, bad=bad),
                     Measurement("http.p50", 20.0 + second % 7, 10, "ms", at)])  # fmt: skip
    history.close()
    return Flown(record.path, checklist)
