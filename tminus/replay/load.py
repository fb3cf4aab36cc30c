"""Opening a run of the past: its record, its checklist and its history, and what has to be said about them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from metrics.history import HistoryError, Recording, history_path
from state.definition import Checklist, Item, Step, offset_seconds
from state.loader import Loaded, load_checklist
from state.problems import ChecklistError
from state.record import RecordError
from state.record_file import read_record
from tminus.engine.records import drift
from tminus.replay.deck import Deck
from tminus.replay.metrics import shown_metrics
from tminus.replay.tape import Tape


class Unplayable(Exception):
    """A record or a checklist that cannot be played; the message says why."""


def load_tape(record: Path, checklist: Path) -> tuple[Tape, Path | None]:
    """The tape of RECORD under CHECKLIST, and its history, None when there is none that can be read.

    Raises Unplayable for a record that cannot be believed and a checklist that cannot be read. A checklist that
    is not the one of the run, a history that is missing, and a log that is not folded in are said in its notes.
    """
    try:
        run, events = read_record(record)
    except RecordError as error:
        named = str(error) if record.name in str(error) else f"{record.name}: {error}"
        raise Unplayable(named) from error
    except OSError as error:
        raise Unplayable(f"{record.name}: {error.strerror or type(error).__name__}") from error
    if not events:
        raise Unplayable(f"{record.name}: nothing happened in it")
    loaded = _loaded(checklist)
    notes = []
    if changed := drift(loaded, run):
        notes.append(f"{checklist.name} is not what it was in this run ({len(changed)} lines differ)")
    wal = record.with_name(record.name + ".wal")
    if wal.exists() and wal.stat().st_size:
        notes.append("the log beside the record holds more: an engine is at work, or died")
    history: Path | None = history_path(record)
    ends = None
    try:
        ends = _end_of(history_path(record))
    except HistoryError as error:
        history = None
        notes.append(f"{error}: the screens are without metrics")
    checklist_then = _left_out(loaded.checklist, run.meta.get("left_out"))
    tape = Tape(checklist_then, tuple(events), record.name, tuple(notes), shown_metrics(loaded.checklist), ends)
    try:
        _ = tape.times, tape.states, tape.faces
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unplayable(f"{record.name} cannot be played: {error}") from error
    return tape, history


def _loaded(path: Path) -> Loaded:
    if not path.is_file():
        raise Unplayable(f"no checklist at {path}: name the one of this run with -C FILE")
    try:
        return load_checklist(path)
    except ChecklistError as error:
        raise Unplayable(str(error)) from error


def _left_out(checklist: Checklist, reasons: object) -> Checklist:
    """CHECKLIST without what a rehearsal left out: its record says so, and the project's own file does not."""
    if not isinstance(reasons, dict):
        return checklist
    put = msgspec.structs.replace

    def items(step: Step) -> list[Item]:
        return [put(item, out_of_scope=str(reasons.get(item.id, item.out_of_scope))) for item in step.item]

    phases = [put(phase, step=[put(step, item=items(step)) for step in phase.step]) for phase in checklist.phase]
    return put(checklist, phase=phases)


def _end_of(history: Path) -> datetime | None:
    with Recording(history) as recording:
        return max((known.last for known in recording.metrics().values()), default=None)


def deck_at(deck: Deck, where: str) -> Deck:
    """DECK at WHERE: the number of an event, a time from T0 ("T+10m"), or a moment. Raises ValueError."""
    if where.isdecimal():
        return deck.at_event(int(where))
    try:
        if re.fullmatch(r"T|T[+-]\S+", where):
            if deck.tape.t0 is None:
                raise ValueError("this run has no T0: name a moment, or the number of an event")
            return deck.at(deck.tape.t0 + timedelta(seconds=offset_seconds(where)))
        moment = datetime.fromisoformat(where)
    except OverflowError as error:
        raise ValueError(f"{where} is beyond the calendar") from error
    return deck.at(moment if moment.tzinfo else moment.astimezone())
