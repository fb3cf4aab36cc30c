"""What happened, in order, and what was said of it afterwards. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from state.events import Event
from tminus.replay.words import big
from tminus.replay.words import told as in_words
from tminus.report.document import Section, table
from tminus.report.told import Told, moment, shown

_ALWAYS = (
    "run.created", "run.closed", "engine.started", "engine.stopped", "phase.go", "call.made", "call.agreed",
    "hold.raised", "hold.released", "lease.taken", "lease.granted", "lease.asked", "lease.refused", "lease.released",
    "gate.decided",
    "challenge.raised", "challenge.answered", "correction", "note", "drift",
)  # fmt: skip
_MARKS = ("failed", "skipped", "waived", "n/a", "open")
_GATES = ("tripped", "blind", "recovering")


def timeline(told: Told) -> Section:
    """The events that a person wants to read; a correction stands beside the event that it corrects as well."""
    corrected: dict[int, list[str]] = {}
    for one in told.run.crew.corrections:
        corrected.setdefault(one.seq, []).append(f"corrected by {one.actor}: {one.text}")
    rows = [
        (
            event.seq,
            shown(moment(event.utc)),
            told.clock(moment(event.utc)),
            event.actor,
            ("▲ " if big(event) else "") + "; ".join([in_words(event), *corrected.get(event.seq, ())]),
        )
        for event, again in _seen_in_order(told.events)
        if again or _is_told(event) or event.seq in corrected
    ]
    return Section("Timeline", (table(("event", "UTC", "T", "who", "what"), rows, "Nothing happened."),))


def _seen_in_order(events: Iterable[Event]) -> Iterator[tuple[Event, bool]]:
    """Each event, and whether what went before makes it one to tell: a change that somebody said go for begins and
    ends, however it ended; and an item that was opened again, which is told, is confirmed anew."""
    changing, opened = set[str](), set[str]()
    for event in events:
        again = False
        match event.kind:
            case "check.started":
                again = bool(event.data.get("plan"))
                (changing.add if again else changing.discard)(event.item)
            case "check.finished":
                again = event.item in changing
            case "mark" if event.to == "open":
                opened.add(event.item)
            case "mark":
                again = event.item in opened
        yield event, again


def _is_told(event: Event) -> bool:
    if event.kind in _ALWAYS:
        return True
    match event.kind:
        case "mark":
            return event.to in _MARKS or bool(event.data.get("role") or event.data.get("witness"))
        case "gate.changed":
            return event.to in _GATES
        case "check.finished":
            return event.to not in ("pass", "warn")
    return False
