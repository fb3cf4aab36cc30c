"""Events in words, and which of them are big. Pure."""

from __future__ import annotations

from state.clean import clean, shorten
from state.events import Event


def big(event: Event) -> bool:
    """Whether EVENT is one to jump to: a pause point, a gate that tripped, a hold, something that failed."""
    match event.kind:
        case "phase.go" | "hold.raised" | "gate.decided" | "run.closed":
            return True
        case "gate.changed":
            return event.to == "tripped"
        case "check.finished":
            return event.to in ("fail", "error")
        case "mark":
            return event.to == "failed"
    return False


def told(event: Event) -> str:
    """EVENT in one line of words."""
    item, reason = event.item, f": {event.reason}" if event.reason else ""
    match event.kind:
        case "run.created":
            words = "the run begins"
        case "run.closed":
            words = "the run is closed"
        case "engine.started":
            words = f"the engine {event.to or 'started'}"
        case "phase.go":
            words = f"GO: the pause point of {item} is passed"
        case "check.started":
            words = f"{item}: its check begins"
        case "check.finished":
            seen = str(event.data.get("actual", ""))
            words = f"{item}: {event.to}" + (f", {seen}" if seen else "")
        case "mark":
            words = f"{item}: {event.to}{reason}"
        case "hold.raised":
            words = f"HOLD{reason}"
        case "hold.released":
            words = f"the hold is over{reason}"
        case "lease.taken":
            words = f"{event.actor} drives"
        case "gate.changed" | "gate.decided":
            words = f"gate {item}: {event.to}{reason}"
        case "note":
            words = f"note{f' on {item}' if item else ''}{reason}"
        case _:
            words = " ".join(part for part in (event.kind, item, event.to) if part) + reason
    return shorten(clean(words), 300)
