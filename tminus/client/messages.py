"""What the engine tells its clients: the view of a run in pieces, and the lines they travel in."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import msgspec

from tminus.client.people import CrewView, Presence


class ItemFace(msgspec.Struct, frozen=True, kw_only=True):
    """What does not change of an item while the engine runs."""

    id: str
    text: str
    how: str = ""
    check: str = ""
    effect: str = ""  # read or change
    marks: str = "human"  # check, human or both
    pair: bool = False
    critical: bool = False
    signed_by: tuple[str, ...] = ()  # the roles that sign it
    point_of_no_return: bool = False
    expect: float = 0.0  # planned seconds; 0: not planned
    ask: str = ""
    role: str = ""
    out_of_scope: str = ""
    looks: tuple[str, ...] = ()  # what its check looks at: its parameters, a line each, without secrets


class StepFace(msgspec.Struct, frozen=True):
    """A titled group of items."""

    title: str
    items: tuple[ItemFace, ...]


class PhaseFace(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A phase: `offset` is its planned start in seconds from T0, None when it has none."""

    id: str
    title: str
    mode: str
    branch: str
    pair: bool = False  # a second person says GO too
    at: str = ""
    offset: float | None = None
    steps: tuple[StepFace, ...] = ()

    @cached_property  # asked for by every pane at every tick
    def items(self) -> tuple[ItemFace, ...]:
        """Its items in order."""
        return tuple(item for step in self.steps for item in step.items)


class Said(msgspec.Struct, frozen=True):
    """One person's mark: who and when (UTC), the role they signed for, and the digest of what they saw."""

    actor: str
    utc: str
    uid: int = -1
    role: str = ""
    seen: str = ""


class Attempt(msgspec.Struct, frozen=True):
    """One look that is over: when it ended (UTC), what it said, and the seconds that it took."""

    utc: str
    verdict: str
    actual: str = ""
    seconds: float = 0.0


class PhaseTimes(msgspec.Struct, frozen=True, kw_only=True):
    """When a phase really began (the first act in it, or the pause point before it) and was passed, in UTC; empty:
    not yet."""

    began: str = ""
    passed: str = ""


class ItemView(msgspec.Struct, frozen=True, kw_only=True):
    """Where an item stands. `verdict` is empty when nobody looked yet; `evidence_digest` is what to confirm."""

    id: str
    status: str = "idle"
    verdict: str = ""
    mark: str = "open"
    settled: bool = False
    why_open: str = ""
    expected: str = ""
    actual: str = ""
    evidence: dict[str, str | int | float | bool] = {}
    evidence_digest: str = ""
    hint: str = ""
    observed_at: str = ""
    seconds: float = 0.0
    attempts: int = 0
    tries: tuple[Attempt, ...] = ()  # the last ten that are over, the oldest first
    started_at: str = ""
    said: tuple[Said, ...] = ()
    reason: str = ""
    value: str = ""
    until: str = ""  # when its waiver ends, in UTC; empty: it has none, or none that ends
    blocked: str = ""  # why it cannot be run or marked now; empty: it can


class GateView(msgspec.Struct, frozen=True, kw_only=True):
    """A gate. `state` is unarmed, clear, breaching, unknown, recovering or tripped; `progress` 0 to 1 of a trip."""

    id: str
    text: str
    then: str
    armed: bool = False
    state: str = "unarmed"
    why: str = ""
    progress: float = 0.0
    flapping: bool = False
    decision: str = ""
    metric: str = ""  # the one that it is a rule over
    asks: bool = False  # it has tripped, or sees nothing, and waits for a named decision


class MetricView(msgspec.Struct, frozen=True, kw_only=True):
    """A live number. `status` is ok, warn, bad, unknown or stale; `value` is None when there is no data."""

    metric: str
    label: str
    unit: str = ""
    value: float | None = None
    text: str = ""
    source: str = ""
    observed_at: str = ""
    samples: int = 0
    threshold: float | None = None
    scale_max: float | None = None
    status: str = "unknown"
    error: str = ""


class HoldView(msgspec.Struct, frozen=True, kw_only=True):
    """A hold that is open."""

    id: int
    actor: str
    utc: str
    reason: str
    uid: int = -1


class BlockerView(msgspec.Struct, frozen=True):
    """One thing that stands against GO: `kind` is item, gate, hold, challenge or phase."""

    kind: str
    id: str
    why: str


class StandingView(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict: GO, HOLD, NO-GO or ROLL BACK, the phase it is about, and its blockers."""

    go: str = "NO-GO"
    phase: str = ""
    blockers: tuple[BlockerView, ...] = ()


class RoleView(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the contact list; items name it by its ID."""

    id: str = ""
    title: str
    name: str = ""
    contact: str = ""


class RunInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The run as a whole. `trouble` says what is wrong with the tool itself (a full disk); empty is good."""

    id: str = ""
    title: str = ""
    record: str = ""
    rehearsal: bool = False
    t0: str = ""
    started: str = ""
    driver: str = ""
    driver_uid: int = -1
    people: tuple[Presence, ...] = ()
    closed: bool = False
    trouble: str = ""
    complete: bool = False


class ProgressView(msgspec.Struct, frozen=True, kw_only=True):
    """How far a running check is; `total` 0 when it cannot say."""

    done: float = 0.0
    total: float = 0.0
    unit: str = ""
    what: str = ""


class ReplayView(msgspec.Struct, frozen=True, kw_only=True):
    """Where a replay stands: MOMENT (UTC) is what the screen's clock shows, POSITION of TOTAL events have happened,
    EVENT says the newest in words, and NOTES what is missing or not as it was."""

    moment: str
    speed: float = 1.0
    playing: bool = False
    position: int = 0
    total: int = 0
    event: str = ""
    notes: tuple[str, ...] = ()


class View(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a screen shows, in one piece."""

    run: RunInfo = RunInfo()
    roles: tuple[RoleView, ...] = ()
    phases: tuple[PhaseFace, ...] = ()
    items: dict[str, ItemView] = {}
    gates: dict[str, GateView] = {}
    metrics: dict[str, MetricView] = {}
    series: dict[str, tuple[float | None, ...]] = {}
    holds: tuple[HoldView, ...] = ()
    crew: CrewView = CrewView()
    gone: tuple[str, ...] = ()
    times: dict[str, PhaseTimes] = {}  # phase id → when it was, really
    standing: StandingView = StandingView()
    progress: dict[str, ProgressView] = {}
    output: dict[str, tuple[str, ...]] = {}  # the last lines of each check's output
    replay: ReplayView | None = None  # this is a run of the past, being played back


class Update(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="say", tag="update"):
    """What changed since the last line: a section that is absent did not."""

    run: RunInfo | None = None
    items: dict[str, ItemView] = {}
    gates: dict[str, GateView] = {}
    metrics: dict[str, MetricView] = {}
    holds: tuple[HoldView, ...] | None = None
    crew: CrewView | None = None
    gone: tuple[str, ...] | None = None
    times: dict[str, PhaseTimes] = {}
    standing: StandingView | None = None
    progress: dict[str, ProgressView] = {}
    output: dict[str, tuple[str, ...]] = {}  # new lines; they are added to what is there


class Snapshot(msgspec.Struct, frozen=True, kw_only=True, tag_field="say", tag="snapshot"):
    """The whole view: the first thing a watcher gets, and what a client that fell behind gets again."""

    view: View


class Welcome(msgspec.Struct, frozen=True, kw_only=True, tag_field="say", tag="welcome"):
    """The engine's answer to hello. `protocol` differs when the two are of different versions."""

    version: str
    protocol: int
    name: str
    uid: int


class Reply(msgspec.Struct, frozen=True, kw_only=True, tag_field="say", tag="reply"):
    """The answer to a request: `error` says why it was refused and what to do; empty is done."""

    id: int
    error: str = ""
    data: dict[str, Any] = {}


Message = Welcome | Snapshot | Update | Reply
