"""The record of a run as text: a TOML file for people, and for machines the same file, verified.

Its tables (`[run]`, `[[item]]`, …) are a projection of the journal at its end, one line an event, so that a
diff reads well. Three things guard it: each event carries the digest of the one before, the tables must equal
the replay of the events, and the last line is the sha256 of everything above it.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import tomli_w

from state.events import BrokenChain, Event, follow
from state.replaying import UnknownEvent, replay
from state.run import ItemState, RunState
from state.verdicts import Mark

SCHEMA = 1
_HEADER = "# The record of a run, written by tminus. Read it freely; a change by hand is noticed.\n"
_SEAL = "[seal]\nsha256 = "


class RecordError(Exception):
    """A record that cannot be believed or read. The message says where it breaks; the file is left as it is."""


def render(state: RunState, event_lines: Sequence[str]) -> str:
    """The file's text: the tables of STATE, then the journal of EVENT_LINES (see `event_line`), then the seal."""
    head = _HEADER + "".join(_lines({"schema": SCHEMA, **projection(state)}))
    journal = "".join(f"  {line},\n" for line in event_lines)
    body = f"{head}\n[journal]\nevents = [\n{journal}]\n\n"
    return f'{body}{_SEAL}"{hashlib.sha256(body.encode()).hexdigest()}"\n'


def parse(text: str) -> tuple[RunState, list[Event]]:
    """The state and the events that TEXT holds.

    Raises RecordError when it is cut, changed, or from a newer version, naming the first place that is wrong.
    """
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"not TOML, or cut short: {error}") from error
    schema = data.get("schema")
    if isinstance(schema, int) and schema > SCHEMA:
        raise RecordError(f"written by a newer tminus (record schema {schema}; this one reads up to {SCHEMA})")
    if schema != SCHEMA:
        raise RecordError("not a record of tminus: it names no schema")
    events = _events(data)
    body, sealed = sealed_body(text)
    if not body:
        raise RecordError("cut short: the seal at its end is missing")
    if not sealed:
        raise RecordError("changed after it was written: the seal does not fit the text")
    try:
        state = replay(events)
    except (UnknownEvent, KeyError, ValueError, TypeError, AttributeError) as error:
        raise RecordError(f"an event cannot be replayed: {error}") from error
    found, wanted = tables_of(data), wanted_tables(state)
    for table in (*wanted, *found):
        if found.get(table) != wanted.get(table):
            raise RecordError(f"the table [{table}] does not agree with the journal")
    return state, events


def sealed_body(text: str) -> tuple[str, bool]:
    """What the seal of TEXT speaks of, which is all above it, and whether it fits; nothing when there is no seal."""
    body, found, seal = text.rpartition(_SEAL)
    if not found:
        return "", False
    return body, seal == f'"{hashlib.sha256(body.encode()).hexdigest()}"\n'


def tables_of(data: dict[str, Any]) -> dict[str, Any]:
    """The readable tables of a record, read from TOML, as `wanted_tables` gives them."""
    return _counted({key: value for key, value in data.items() if key not in ("schema", "journal", "seal")})


def wanted_tables(state: RunState) -> dict[str, Any]:
    """The readable tables that STATE must have, as they are read from TOML: tuples are arrays, enums are strings."""
    return _counted(tomllib.loads("".join(_lines(projection(state)))))


def _counted(tables: dict[str, Any]) -> dict[str, Any]:
    # A first attempt is not told; it was, once, and those records hold as they are.
    rows = tables.get("item")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        return tables
    return {**tables, "item": [{"attempts": 1, **row} if "verdict" in row else row for row in rows]}


def _events(data: dict[str, Any]) -> list[Event]:
    try:
        events = msgspec.convert(data["journal"]["events"], list[Event])
    except (KeyError, TypeError) as error:
        raise RecordError("it holds no journal") from error
    except msgspec.ValidationError as error:
        raise RecordError(f"the journal cannot be read: {error}") from error
    before: Event | None = None
    for event in events:
        try:
            follow(before, event)
        except BrokenChain as error:
            raise RecordError(f"changed after it was written: {error}") from error
        before = event
    return events


def event_line(event: Event) -> str:
    """EVENT as one line of TOML, an inline table."""
    return _inline(msgspec.to_builtins(event))


class _OneLine(dict[str, Any]):
    """A table that stands on one line: what changes as a whole is one fact, and one line of a diff."""


def _lines(table: dict[str, Any], name: str = "") -> Iterator[str]:
    """TABLE as TOML, one fact a line whatever it holds: an array that grows changes one line of a diff.

    Two tables deep is deep enough for a reader: what lies below stands on the line of its key.
    """
    inline = "." in name
    for key, value in table.items():
        if inline or not _is_table(value):
            yield f"{_key(key)} = {_inline(value)}\n"
    for key, value in () if inline else table.items():
        path = f"{name}.{_key(key)}" if name else _key(key)
        if not _is_table(value):
            continue
        if isinstance(value, dict):
            yield f"\n[{path}]\n"
            yield from _lines(value, path)
        else:
            for row in value:
                yield f"\n[[{path}]]\n"
                yield from _lines(row, path)


def _is_table(value: Any) -> bool:
    if isinstance(value, _OneLine):
        return False
    return isinstance(value, dict) or (isinstance(value, list) and bool(value) and isinstance(value[0], dict))


def _inline(value: Any) -> str:
    if isinstance(value, str) and value.isprintable() and not ('"' in value or "\\" in value):
        return f'"{value}"'  # the common case, without the walk over every character
    if isinstance(value, dict):
        pairs = ", ".join(f"{_key(key)} = {_inline(item)}" for key, item in value.items())
        return "{ " + pairs + " }" if pairs else "{}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_inline(item) for item in value) + "]"
    return tomli_w.dumps({"v": value}).removeprefix("v = ").removesuffix("\n")


def _key(key: str) -> str:
    if key.isascii() and key.replace("_", "").isalnum():
        return key
    return tomli_w.dumps({key: 0}).removesuffix(" = 0\n")


def projection(state: RunState) -> dict[str, Any]:
    """The readable tables: what a person wants to see in a diff, one fact a line, nothing that says nothing."""
    meta = {key: value for key, value in state.meta.items() if key != "outline"}
    tables: dict[str, Any] = {"run": _said(meta | {"closed": state.closed, "driver": state.driver})}
    if state.gone:
        tables["gone"] = dict(state.gone)
    texts = {key: line.rpartition(" | ")[0] for key, line in state.meta.get("outline", {}).items()}
    lists = {
        "item": [_item_table(key, texts.get(key, ""), item) for key, item in state.items.items()],
        "hold": [_said(msgspec.to_builtins(hold)) for hold in state.holds],
        "gate": [{"id": key, **_said(msgspec.to_builtins(gate))} for key, gate in state.gates.items()],
        # The login stands with the event: a challenge is a few lines of a diff already.
        "challenge": [_said(msgspec.to_builtins(one) | {"login": ""}) for one in state.crew.challenges],
        "correction": [_said(msgspec.to_builtins(one)) for one in state.crew.corrections],
        "note": [_said(msgspec.to_builtins(note)) for note in state.notes],
        "summary": [dict(summary) for summary in state.summaries],
        "drift": [dict(drift) for drift in state.drift],
    }
    return tables | {key: rows for key, rows in lists.items() if rows}


def _item_table(item_id: str, text: str, item: ItemState) -> dict[str, Any]:
    marks = [said.said_by for said in item.confirmations if not said.role]
    table: dict[str, Any] = {
        "id": item_id,
        "text": text,
        "status": item.status if item.status != "idle" else "",
        "mark": str(item.mark) if item.mark is not Mark.OPEN else "",
        "by": marks,
        "signed": [f"{said.role}: {said.said_by}" for said in item.confirmations if said.role],
        "at": item.marked_at if item.mark is not Mark.OPEN else "",
        "reason": item.reason,
        "value": item.value,
        "waived_until": item.waiver_until,
    }
    if item.outcome is not None:
        table |= {
            "verdict": str(item.outcome.verdict),
            "expected": item.outcome.expected,
            "actual": item.outcome.actual,
            "hint": item.outcome.hint,
            "observed_at": item.outcome.observed_at.isoformat(),
            "seconds": item.seconds,
            "attempts": item.attempts if item.attempts > 1 else 0,
            "evidence": _OneLine(item.outcome.evidence),
        }
    table["round"] = [_said(msgspec.to_builtins(one)) for one in item.rounds]
    return _said(table)


def _said(table: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if value not in ("", [], (), {}, None, False)}
