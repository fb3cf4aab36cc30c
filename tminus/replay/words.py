"""Events in words, and which of them are big. Pure."""

from __future__ import annotations

from state.clean import clean, shorten
from state.events import Event


def big(event: Event) -> bool:
    """Whether EVENT is one to jump to: a pause point, a gate that tripped, a hold, something that failed."""
    match event.kind:
        case "phase.go" | "hold.raised" | "gate.decided" | "run.closed" | "challenge.raised" | "call.agreed":
            return True
        case "gate.changed":
            return event.to == "tripped"
        case "check.finished":
            return event.to in ("fail", "error")
        case "mark":
            return event.to == "failed"
    return False


def _marked(event: Event) -> str:
    role, signer = event.data.get("role", ""), event.data.get("signer", "")
    if not role:
        witness = event.data.get("witness", "")
        return f"{event.to}, with {witness} beside (attested)" if witness else event.to
    return f"signed for {role}" + (f" by {signer} (attested by {event.actor})" if signer else f" by {event.actor}")


def _answered(event: Event) -> str:
    return "taken back" if event.data.get("withdrawn") else "answered"


def _called(event: Event) -> str:
    return f"cross at {event.item}" if event.to == "crossing" else f"the pause point of {event.item}"


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
        case "engine.stopped":
            words = "the engine was stopped"
        case "phase.go":
            words = f"GO: the pause point of {item} is passed"
        case "check.started":
            words = f"{item}: its check begins"
        case "check.finished":
            seen = str(event.data.get("actual", ""))
            words = f"{item}: {event.to}" + (f", {seen}" if seen else "")
        case "mark":
            words = f"{item}: {_marked(event)}{reason}"
        case "hold.raised":
            words = f"HOLD{reason}"
        case "hold.released":
            words = f"the hold is over{reason}"
        case "lease.taken":
            words = f"{event.actor} drives{reason}"
        case "lease.asked":
            words = f"{event.actor} asks for control{reason}"
        case "lease.granted":
            words = f"{event.actor} hands control to {event.to}"
        case "lease.refused":
            words = f"{event.actor} keeps control, {event.to} had asked{reason}"
        case "lease.released":
            words = f"{event.actor} drives no longer"
        case "challenge.raised":
            words = f"CHALLENGE{f' on {item}' if item else ''}{reason}"
        case "challenge.answered":
            words = f"challenge {event.data.get('id', '')} is {_answered(event)}{reason}"
        case "call.made":
            words = f"{event.actor} says GO to {_called(event)}: a second person is to agree"
        case "call.agreed":
            words = f"{event.actor} agrees to cross at {item}"
        case "correction":
            words = f"of event {event.data.get('seq', '')}{reason}"
        case "gate.changed" | "gate.decided":
            words = f"gate {item}: {event.to}{reason}"
        case "note":
            words = f"note{f' on {item}' if item else ''}{reason}"
        case _:
            words = " ".join(part for part in (event.kind, item, event.to) if part) + reason
    return shorten(clean(words), 300)
