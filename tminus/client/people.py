"""What the engine tells of people: who is here, who asks for control, what waits for a second person."""

from __future__ import annotations

import msgspec


class Presence(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody who has a screen open, since when (UTC), and the item that they look at."""

    name: str
    uid: int
    kind: str
    origin: str = "local"
    login: str = ""
    item: str = ""
    since: str = ""


class AskView(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody asks the driver for control."""

    actor: str
    uid: int
    utc: str
    reason: str = ""


class RefusalView(msgspec.Struct, frozen=True, kw_only=True):
    """The driver kept control though `uid` asked for it."""

    actor: str
    uid: int
    utc: str
    reason: str = ""


class CallView(msgspec.Struct, frozen=True, kw_only=True):
    """The driver said GO, and a second person is to agree: to a phase, or to cross the point of no return.

    `kind` is phase or crossing, `id` the phase or the item, `plan` the digest of what is agreed to.
    """

    kind: str
    id: str
    actor: str
    uid: int
    utc: str
    plan: str = ""
    agreed_by: str = ""


class ChallengeView(msgspec.Struct, frozen=True, kw_only=True):
    """A challenge that nobody answered yet; without an item it is one of the run."""

    id: int
    item: str
    actor: str
    uid: int
    utc: str
    text: str


class CrewView(msgspec.Struct, frozen=True, kw_only=True):
    """The people: who asks for control (and was last refused), what waits for a second person, what was challenged.

    `gone_since` is when the driver was last heard of, empty while a screen of theirs is open; `patience` the seconds
    after which a driver who is gone, or does not answer, may be relieved.
    """

    asking: tuple[AskView, ...] = ()
    refused: RefusalView | None = None
    call: CallView | None = None
    challenges: tuple[ChallengeView, ...] = ()
    gone_since: str = ""
    patience: float = 60.0
