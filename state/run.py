"""What a run is at one moment: everything that its record says, as plain frozen data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from state.crew import Crew
from state.events import Event
from state.verdicts import Mark, Outcome

replace = msgspec.structs.replace


class Confirmation(msgspec.Struct, frozen=True, kw_only=True):
    """One person's mark: by whom, when, and the digest of the evidence that was on their screen.

    `role` is the one they signed for. `signer` signed by the actor's hand, `witness` stood beside the actor: names
    that the actor attests, and no persons that the kernel vouches for.
    """

    actor: str
    uid: int
    login: str = ""
    utc: str
    evidence: str = ""
    role: str = ""
    signer: str = ""
    witness: str = ""

    @property
    def said_by(self) -> str:
        """Who said it, as a record tells it: a name that was attested is told as such."""
        name = f"{self.signer} (attested by {self.actor})" if self.signer else self.actor
        return f"{name}, with {self.witness} beside (attested)" if self.witness else name


class Look(msgspec.Struct, frozen=True):
    """One look of a check that is over: when it ended (UTC), what it said, and the seconds that it took."""

    utc: str
    verdict: str
    actual: str = ""
    seconds: float = 0.0


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """One round of a recurring item that is behind it: when it was done (UTC), what was said, seen, and by whom."""

    utc: str
    mark: str = ""
    by: tuple[str, ...] = ()
    reason: str = ""
    value: str = ""
    verdict: str = ""
    actual: str = ""


class ItemState(msgspec.Struct, frozen=True, kw_only=True):
    """Where one item stands. `status` is idle, running or interrupted; the verdict is in `outcome`. `touched_at` is
    when its check was first started or a person first marked it."""

    status: str = "idle"
    outcome: Outcome | None = None
    seconds: float = 0.0
    attempts: int = 0
    started_at: str = ""
    finished_at: str = ""
    mark: Mark = Mark.OPEN
    confirmations: tuple[Confirmation, ...] = ()
    reason: str = ""
    value: str = ""
    marked_at: str = ""
    waiver_until: str = ""
    waiver_evidence: str = ""
    touched_at: str = ""
    looks: tuple[Look, ...] = ()
    rounds: tuple[Round, ...] = ()


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody stopped the run. Any hold that is not released blocks progress."""

    id: int
    actor: str
    uid: int
    utc: str
    reason: str
    released_at: str = ""
    released_by: str = ""


class GateRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What the record keeps of a gate: its last state, why, and what a person decided."""

    armed: bool = False
    state: str = "unarmed"
    why: str = ""
    changed_at: str = ""
    trips: int = 0
    decision: str = ""
    decided_by: str = ""
    decided_because: str = ""

    @property
    def asks(self) -> bool:
        """Whether it waits for a named person: it has tripped, or has seen nothing for too long."""
        return self.armed and self.state in ("tripped", "blind") and not self.decision


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """A person's words, about an item or the run."""

    utc: str
    actor: str
    item: str
    text: str


class RunState(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a record says, and nothing else: no client and no check keeps truth of its own."""

    meta: dict[str, Any] = {}
    items: Mapping[str, ItemState] = {}
    holds: tuple[Hold, ...] = ()
    gates: Mapping[str, GateRecord] = {}
    gone: Mapping[str, str] = {}  # phase id → when its pause point was passed
    crew: Crew = Crew()
    notes: tuple[Note, ...] = ()
    summaries: tuple[dict[str, Any], ...] = ()
    drift: tuple[dict[str, Any], ...] = ()
    rollback_decided: bool = False
    closed: bool = False
    last: Event | None = None

    def item(self, item_id: str) -> ItemState:
        """The state of an item; a fresh one if nothing happened to it yet."""
        return self.items.get(item_id, _UNTOUCHED)

    @property
    def driver(self) -> str:
        """The name of who drives; empty: nobody."""
        return self.crew.driver

    @property
    def driver_uid(self) -> int:
        """The uid of who drives; -1: nobody."""
        return self.crew.driver_uid

    @property
    def open_holds(self) -> tuple[Hold, ...]:
        """The holds that nobody released yet."""
        return tuple(hold for hold in self.holds if not hold.released_at)


_UNTOUCHED = ItemState()


def verdict_key(outcome: Outcome | None) -> str:
    """What a waiver is bound to: the verdict, what was expected, and what was seen instead.

    What was seen is part of it: who waives one row that differs did not waive a thousand.
    """
    return f"{outcome.verdict}: {outcome.expected} / {outcome.actual}" if outcome else ""
