"""The people of a run: who drives, who asks to, what they challenge, call and correct. Plain data, made of events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from state.events import Event

replace = msgspec.structs.replace


class Person(Protocol):
    """Anything that says who acted: `uid` as the kernel vouches for it, `login` as the person logged in."""

    @property
    def uid(self) -> int: ...
    @property
    def login(self) -> str: ...


def same_person(one: Person, other: Person) -> bool:
    """Whether ONE and OTHER may be the same person: the same uid, or the same login behind two uids (sudo)."""
    return one.uid == other.uid or bool(one.login and one.login == other.login)


class LeaseAsk(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody asks the driver for control."""

    actor: str
    uid: int
    login: str = ""
    utc: str
    reason: str = ""


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """The driver kept control though `uid` asked for it: who did, when, and their words."""

    actor: str
    uid: int
    utc: str
    reason: str = ""


class Challenge(msgspec.Struct, frozen=True, kw_only=True):
    """A question pinned to an item (or, with none, to the run), which must be answered before its phase ends."""

    id: int
    item: str = ""
    actor: str
    uid: int
    login: str = ""
    utc: str
    text: str
    answer: str = ""
    answered_by: str = ""
    answered_at: str = ""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """The driver said GO, and a second person is to agree: to a phase, or to crossing the point of no return.

    `plan` is the digest of the plan of a crossing: agreeing is to exactly that.
    """

    kind: str  # phase or crossing
    id: str  # of the phase, or of the item
    actor: str
    uid: int
    login: str = ""
    utc: str
    plan: str = ""
    agreed_by: str = ""
    agreed_at: str = ""


class Correction(msgspec.Struct, frozen=True, kw_only=True):
    """Words about an earlier event, which stays as it is."""

    utc: str
    actor: str
    seq: int  # of the event that it corrects
    text: str


class Crew(msgspec.Struct, frozen=True, kw_only=True):
    """The people of a run, as the record says: presence is no part of it, the engine knows that."""

    driver: str = ""
    driver_uid: int = -1
    driver_login: str = ""
    asking: tuple[LeaseAsk, ...] = ()
    refused: Refusal | None = None  # the last one, while the same person drives
    challenges: tuple[Challenge, ...] = ()
    call: Call | None = None
    corrections: tuple[Correction, ...] = ()

    @property
    def open_challenges(self) -> tuple[Challenge, ...]:
        """Those that nobody answered yet."""
        return tuple(one for one in self.challenges if not one.answered_at)

    def drives(self, person: Person) -> bool:
        """Whether PERSON holds the lease: by the uid, since a name is only said."""
        return bool(self.driver) and self.driver_uid == person.uid


def follow(crew: Crew, event: Event) -> Crew:
    """CREW after EVENT. Pure."""
    if crew.call is not None and _voids(crew.call, event):
        crew = replace(crew, call=None)
    step = _STEPS.get(event.kind)
    return step(crew, event) if step else crew


def _voids(call: Call, event: Event) -> bool:
    """Whether EVENT makes CALL void: what was called is no longer what was seen, or it is done."""
    if event.kind in ("hold.raised", "challenge.raised", "drift", "engine.started", "lease.taken", "lease.granted"):
        return True
    if event.kind == "gate.changed":
        return event.to in ("tripped", "blind")
    if event.kind in ("mark", "check.started", "check.finished"):
        # A pause point is about everything; a crossing about one item, and its plan guards the rest.
        return call.kind == "phase" or event.item == call.id
    return event.kind == "phase.go"


def _taken(crew: Crew, event: Event) -> Crew:
    return _driven_by(crew, event.actor, event.uid, event.login)


def _granted(crew: Crew, event: Event) -> Crew:
    return _driven_by(crew, event.to, int(event.data["uid"]), str(event.data.get("login", "")))


def _driven_by(crew: Crew, name: str, uid: int, login: str) -> Crew:
    # Whoever else asked, asked another driver.
    return replace(crew, driver=name, driver_uid=uid, driver_login=login, asking=(), refused=None)


def _asked(crew: Crew, event: Event) -> Crew:
    ask = LeaseAsk(actor=event.actor, uid=event.uid, login=event.login, utc=event.utc, reason=event.reason)
    return replace(crew, asking=(*(one for one in crew.asking if one.uid != event.uid), ask))


def _refused(crew: Crew, event: Event) -> Crew:
    uid = int(event.data["uid"])
    refused = Refusal(actor=event.actor, uid=uid, utc=event.utc, reason=event.reason)
    return replace(crew, asking=tuple(one for one in crew.asking if one.uid != uid), refused=refused)


def _challenged(crew: Crew, event: Event) -> Crew:
    one = Challenge(
        id=int(event.data["id"]),
        item=event.item,
        actor=event.actor,
        uid=event.uid,
        login=event.login,
        utc=event.utc,
        text=event.reason,
    )
    return replace(crew, challenges=(*crew.challenges, one))


def _answered(crew: Crew, event: Event) -> Crew:
    number = int(event.data["id"])
    return replace(
        crew,
        challenges=tuple(
            replace(one, answer=event.reason, answered_by=event.actor, answered_at=event.utc)
            if one.id == number
            else one
            for one in crew.challenges
        ),
    )


def _called(crew: Crew, event: Event) -> Crew:
    call = Call(
        kind=event.to,
        id=event.item,
        actor=event.actor,
        uid=event.uid,
        login=event.login,
        utc=event.utc,
        plan=str(event.data.get("plan", "")),
    )
    return replace(crew, call=call)


def _agreed(crew: Crew, event: Event) -> Crew:
    if crew.call is None:
        return crew
    return replace(crew, call=replace(crew.call, agreed_by=event.actor, agreed_at=event.utc))


def _corrected(crew: Crew, event: Event) -> Crew:
    one = Correction(utc=event.utc, actor=event.actor, seq=int(event.data["seq"]), text=event.reason)
    return replace(crew, corrections=(*crew.corrections, one))


_STEPS: Mapping[str, Callable[[Crew, Event], Crew]] = {
    "lease.taken": _taken,
    "lease.granted": _granted,
    "lease.asked": _asked,
    "lease.refused": _refused,
    "lease.released": lambda c, _: replace(c, driver="", driver_uid=-1, driver_login="", asking=(), refused=None),
    "challenge.raised": _challenged,
    "challenge.answered": _answered,
    "call.made": _called,
    "call.agreed": _agreed,
    "correction": _corrected,
}
