"""Events: the only way anything about a run changes, chained so that none can be altered or lost unnoticed."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from state.clean import clean

GENESIS = "0" * 64

# Every kind of event, with what it says. A record that holds another kind comes from a newer tminus.
KINDS = {
    "run.created": "a run begins; data: what it is a run of",
    "run.closed": "nothing more will be recorded",
    "engine.started": "the engine is up; to: started or resumed",
    "engine.stopped": "the engine ended on request",
    "phase.go": "a pause point is passed; item: the phase",
    "check.started": "a check begins to look; data: the plan of a change, and the round it begins",
    "check.finished": "a check answered; to: the verdict; data: the outcome",
    "mark": "a person said something of an item; from and to: marks; data: the evidence seen, the round it begins, "
    "the role they sign for, who stood beside them",
    "hold.raised": "somebody stopped the run; data: id",
    "hold.released": "a hold is over; data: id",
    "lease.asked": "somebody asks the driver for control",
    "lease.refused": "the driver keeps control; data: the uid of who asked",
    "lease.granted": "the driver hands control over; to: whom; data: their uid and login",
    "lease.taken": "who drives from now on; reason: how it came about",
    "lease.released": "nobody drives",
    "challenge.raised": "a question that must be answered before its phase ends; data: id",
    "challenge.answered": "its answer; data: id",
    "call.made": "the driver says GO and a second person is to agree; to: phase or crossing; data: the plan",
    "call.agreed": "a second person agrees to cross the point of no return",
    "correction": "words about an earlier event, which stays as it is; data: its seq",
    "gate.armed": "a gate begins to count; item: the gate",
    "gate.disarmed": "a gate counts no more",
    "gate.changed": "a gate went from one state to another; reason: why, with its numbers",
    "gate.decided": "a person answered a tripped gate; to: roll-back, continue or extend",
    "note": "a person's words; item: what they are about",
    "drift": "the checklist file is not what it was; data: the difference",
    "summary": "what a live metric was over a phase; data: numbers",
}


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """Who acts: `name` as given, `uid` as the kernel vouches for it, `login` as the person logged in (under sudo not
    the uid's own), `origin` of the session (local, ssh …)."""

    name: str
    uid: int
    origin: str = "local"
    login: str = ""


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename={"from_": "from"}):
    """One thing that happened. `prev` is the digest of the event before, `GENESIS` for the first."""

    seq: int
    utc: str
    kind: str
    actor: str
    uid: int
    login: str = ""
    origin: str = ""
    item: str = ""
    from_: str = ""
    to: str = ""
    reason: str = ""
    data: dict[str, Any] = {}
    prev: str

    @property
    def digest(self) -> str:
        """sha256 of the event as JSON with sorted keys, defaults left out."""
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()

    @property
    def at(self) -> datetime:
        """`utc` as a datetime."""
        return datetime.fromisoformat(self.utc)


def utc_text(moment: datetime) -> str:
    """MOMENT as files hold it: RFC 3339, UTC, milliseconds.

    >>> utc_text(datetime(2026, 11, 22, 21, 4, 5, 678900, tzinfo=UTC))
    '2026-11-22T21:04:05.678Z'
    """
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def chained(before: Event | None, event: Event) -> Event:
    """EVENT as the one that follows BEFORE: numbered and linked."""
    seq, prev = (before.seq + 1, before.digest) if before else (1, GENESIS)
    return msgspec.structs.replace(event, seq=seq, prev=prev)


def plain(event: Event) -> Event:
    """EVENT as it will be read back: cleaned of control characters, its data made of what TOML and JSON share.

    Raises ValueError for what one of them cannot hold: nothing, NaN, infinity, integers beyond 64 bits.
    """
    try:
        event = msgspec.json.decode(msgspec.json.encode(event), type=Event)
        return msgspec.convert(_plain(msgspec.to_builtins(event)), Event)
    except (TypeError, msgspec.MsgspecError) as error:
        raise ValueError(f"event {event.seq} cannot be recorded: {error}") from error


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value, keep="\n\t")
    if isinstance(value, dict):
        return {clean(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if value is None:  # JSON's only word for NaN and infinity
        raise TypeError("a value that is nothing, NaN or infinite")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise TypeError("an integer beyond 64 bits")
    return value


class BrokenChain(Exception):
    """An event that does not follow from the one before it."""


def follow(before: Event | None, event: Event) -> None:
    """Raise BrokenChain unless EVENT is the next one after BEFORE."""
    seq, prev = (before.seq + 1, before.digest) if before else (1, GENESIS)
    if event.seq != seq:
        raise BrokenChain(f"event {event.seq} stands where {seq} should be")
    if event.prev != prev:
        raise BrokenChain(f"event {event.seq} does not follow from event {seq - 1}: one of them was changed")


def left_open(events: Sequence[Event]) -> list[str]:
    """The ids of the items that were still open when the run of EVENTS was closed; none while it is not."""
    closed = next((event for event in reversed(events) if event.kind == "run.closed"), None)
    found = closed.data.get("open") if closed is not None else None
    return [str(one) for one in found] if isinstance(found, list) else []
