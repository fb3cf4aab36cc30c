"""What holds of a record, part by part, and the first place that does not: the text, as far as it can be read.

`state.record.parse` refuses at the first fault, which is right for whoever goes on from a record. Here somebody asks
what a record is worth: so it is read also where its seal or its TOML is broken, and every part is told by itself.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from state.edited import Edited, edited_tables, shown
from state.events import GENESIS, KINDS, Event
from state.record import SCHEMA, event_line, render, sealed_body
from state.replaying import UnknownEvent, apply
from state.run import RunState

_JOURNAL = "\n[journal]\n"
_SCHEMA = re.compile(r"^schema = (\d{1,9})$", re.MULTILINE)
_NO_JOURNAL = "it holds no journal: it was cut short, or is no record"
_CHANGED = "it was changed after it was written: the events after it vouch for another one"
_NAMED = 10  # tables that differ, at the most


class NoRecord(Exception):
    """What was given is no record, or one of a newer version: nothing can be said of it."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """The first event that does not hold: which one it is, as far as it can be read, and why."""

    seq: int
    why: str
    kind: str = ""
    utc: str = ""
    item: str = ""
    line: int = 0

    def __str__(self) -> str:
        of = ", ".join(filter(None, (self.kind, self.item, self.utc, f"line {self.line}" if self.line else "")))
        return f"event {self.seq}{f' ({of})' if of else ''}: {self.why}"


class Examined(msgspec.Struct, frozen=True, kw_only=True):
    """What a record's text holds. `events` are those before `broken`, sound and replayed to `state`.

    `toml` is why the text cannot be read as a record's TOML. `differs` says what was changed since the seal was set:
    event, table, seal (it alone), text (what says nothing: comments, spaces, order), lines (their ends are CR LF, all
    else is as it was), or missing: there is none. Empty when the seal fits.
    """

    state: RunState
    events: tuple[Event, ...] = ()
    broken: Place | None = None
    toml: str = ""
    edited: tuple[Edited, ...] = ()
    sealed: bool = False
    differs: str = ""

    @property
    def holds(self) -> bool:
        """Whether nothing at all was found against it."""
        return not (self.broken or self.toml or self.edited) and self.sealed


def examine(text: str) -> Examined:
    """Every part of a record's TEXT, by itself. Raises NoRecord for what is no TOML, or of a newer version."""
    data, why = _loaded(text)
    why = _why_no_record(text, data) or why
    events, state, broken = _walked(_written(text, data))
    edited = () if broken or data is None else tuple(edited_tables(data, state))
    body, sealed = sealed_body(text)
    differs = ""
    if not sealed:
        differs = _differs(text, body, broken, edited) or _which_text(body, state, events, data)
    return Examined(
        state=state,
        events=tuple(events),
        broken=broken,
        toml=why,
        edited=edited[:_NAMED],
        sealed=sealed,
        differs=differs,
    )


def first_difference(before: Sequence[Event], after: Sequence[Event]) -> Place | None:
    """The first event of BEFORE that AFTER does not hold in its place; None when BEFORE is how AFTER begins."""
    for old, new in zip(before, after, strict=False):
        if old != new:
            return _place(new, f"it was another one: {_difference(old, new)}")
    if len(before) > len(after):
        lost = len(before) - len(after)
        return _place(before[len(after)], f"it is gone, and {lost - 1} after it" if lost > 1 else "it is gone")
    return None


def _difference(old: Event, new: Event) -> str:
    was, now = msgspec.to_builtins(old), msgspec.to_builtins(new)
    keys = [key for key in (*was, *now) if was.get(key) != now.get(key)]
    key = next((key for key in keys if key != "prev"), "prev")
    return f"{key} was {shown(was.get(key)) or 'nothing'}, and is {shown(now.get(key)) or 'nothing'}"


def _loaded(text: str) -> tuple[dict[str, Any] | None, str]:
    try:
        return tomllib.loads(text), ""
    except (ValueError, RecursionError) as error:
        return None, str(error) or type(error).__name__


def _why_no_record(text: str, data: dict[str, Any] | None) -> str:
    """What is missing of a record that could be one. Raises NoRecord for what cannot be one, or is a newer one."""
    if data is None:
        found = _SCHEMA.search(text)
        if found is None or not (_JOURNAL in text or "\n[run]\n" in text):
            raise NoRecord("it is not TOML, and no record that was damaged")
        schema: Any = int(found[1])
    else:
        schema = data.get("schema")
    if isinstance(schema, int) and schema > SCHEMA:
        raise NoRecord(f"written by a newer tminus (record schema {schema}; this one reads up to {SCHEMA})")
    return "" if schema == SCHEMA else "it is no record of tminus: it names no schema"


# A line of the journal: its number in the text (0: not known), and the event or why it cannot be read.
_Written = tuple[int, Event | None, str, dict[str, Any]]


def _written(text: str, data: dict[str, Any] | None) -> Iterator[_Written]:
    if data is not None:
        journal = data.get("journal")
        rows = journal.get("events") if isinstance(journal, dict) else None
        if not isinstance(rows, list):
            yield 0, None, _NO_JOURNAL, {}
            return
        for row in rows:
            yield _converted(0, row)
        return
    before, found, journal = text.partition(_JOURNAL)
    if not found:
        yield 0, None, _NO_JOURNAL, {}
        return
    first = before.count("\n") + 4
    for number, line in enumerate(journal.split("\n")[1:], first):
        if line.startswith(("]", "[seal]")):
            return
        if not line.strip():
            continue
        try:
            row = tomllib.loads(f"event = {line.strip().removesuffix(',')}")["event"]
        except (ValueError, RecursionError) as error:
            yield number, None, f"its line cannot be read: {error}", _glimpsed(line)
            return
        yield _converted(number, row)


def _converted(number: int, row: Any) -> _Written:
    try:
        return number, msgspec.convert(row, Event), "", {}
    except msgspec.ValidationError as error:
        return number, None, f"it cannot be read: {error}", row if isinstance(row, dict) else {}


def _glimpsed(line: str) -> dict[str, Any]:
    """What can still be read of a line that is no TOML any more."""
    return {key: found[1] for key in ("kind", "utc", "item") if (found := re.search(rf'\b{key} = "([^"]*)"', line))}


def _walked(written: Iterator[_Written]) -> tuple[list[Event], RunState, Place | None]:
    """The events that hold, the state after them, and the first that does not."""
    events: list[Event] = []
    state = RunState()
    rows = list(written)
    for at, (line, event, why, glimpse) in enumerate(rows):
        if event is None:
            said = {key: str(glimpse.get(key, "")) for key in ("kind", "utc", "item")}
            return events, state, Place(seq=len(events) + 1, why=why, line=line, **said)
        following = rows[at + 1][1] if at + 1 < len(rows) else None
        if _vouched_against(events, event, following):
            changed, place = events.pop(), rows[at - 1][0]
            return events, _replayed(events), _place(changed, _CHANGED, place)
        if fault := _fault(events[-1] if events else None, event):
            return events, state, _place(event, fault, line)
        try:
            state = apply(state, event)
        except (UnknownEvent, KeyError, ValueError, TypeError, AttributeError) as error:
            return events, state, _place(event, f"it cannot be replayed: {error!r}", line)
        events.append(event)
    if not events:
        return events, state, Place(seq=1, why="the journal is empty")
    return events, state, None


def _vouched_against(events: Sequence[Event], event: Event, following: Event | None) -> bool:
    """Whether EVENT was not changed, for the one FOLLOWING vouches for it, but the one before it was."""
    if not events or following is None or event.seq != events[-1].seq + 1:
        return False
    return event.prev != events[-1].digest and following.prev == event.digest


def _fault(before: Event | None, event: Event) -> str:
    """Why EVENT is not the next one after BEFORE; empty when it is."""
    wanted, prev = (before.seq + 1, before.digest) if before else (1, GENESIS)
    if event.seq > wanted:
        missing = f"event {wanted}" if event.seq == wanted + 1 else f"events {wanted} to {event.seq - 1}"
        return f"out of order: {missing} should stand before it"
    if event.seq < wanted:
        return f"out of order: it stands where event {wanted} should be"
    if event.prev != prev:
        return "its link to the event before is broken: one of the two was changed after it was written"
    if event.kind not in KINDS:
        return f"of the kind {event.kind!r}, which this version does not know"
    return ""


def _replayed(events: Sequence[Event]) -> RunState:
    state = RunState()
    for event in events:
        state = apply(state, event)
    return state


def _place(event: Event, why: str, line: int = 0) -> Place:
    return Place(seq=event.seq, why=why, kind=event.kind, utc=event.utc, item=event.item, line=line)


def _differs(text: str, body: str, broken: Place | None, edited: Sequence[Edited]) -> str:
    if not body:
        return "lines" if "\r\n" in text and sealed_body(text.replace("\r\n", "\n"))[1] else "missing"
    return "event" if broken else "table" if edited else ""


def _which_text(body: str, state: RunState, events: Sequence[Event], data: dict[str, Any] | None) -> str:
    if data is None:
        return "text"
    same = sealed_body(render(state, [event_line(one) for one in events]))[0] == body
    return "seal" if same else "text"
