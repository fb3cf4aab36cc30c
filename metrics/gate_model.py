"""What a gate is: its rule and its state."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

from metrics.gate_condition import COMPARE, Op, parse_condition
from metrics.gate_window import EMPTY, History
from metrics.samples import Reading, Sample, divide

__all__ = [
    "COMPARE", "MAX_FLIPS", "Decision", "Direction", "GateRule", "GateState", "Mode", "Op", "Phase", "Verb",
    "blinded", "parse_condition",
]  # fmt: skip

Mode = Literal["sustained", "window", "consecutive"]
Direction = Literal["rollback", "go"]
Verb = Literal["rollback", "continue", "extend"]

MAX_FLIPS = 3  # more changes of side than this within a window is flapping
MAX_VALUE = 1e100  # beyond it sums of a week could overflow, and no metric is there
MAX_VOLUME = 2**53  # beyond it a float no longer counts
_PERCENTILE = re.compile(r"(^|[._])p\d+(\.\d+)?$")


@dataclass(frozen=True, slots=True)
class GateRule:
    """A rule over one metric. OP and THRESHOLD always say what is BAD, for go gates too.

    threshold      None: it hangs on a baseline that nobody captured, so that the gate is blind
    over, interval, stale_after, clear_for, no_data_after, settle   seconds
    count          samples in a row, for mode "consecutive"
    coverage       the part of the window that samples must cover, each covering one INTERVAL before it
    min_volume     events a window of a ratio needs before it says anything
    clear_ratio    a rule with > clears under clear_ratio * threshold. For < the margin is in time only, as
                   the metric may have no room above its limit (availability < 99%)
    partial        a window may trip, and look clear, before it has been watched for all of OVER; never pass
    tolerate       of a sustained rule, samples in the window that may read otherwise: of a trip those that do
                   not breach, of a criterion of success those that do
    settle         what is seen so soon after the arming is not believed
    factor, baseline   where a threshold comes from that is a multiple: for the words alone

    Raises ValueError when the numbers make no rule, or a window would average percentiles.
    """

    id: str
    metric: str
    mode: Mode
    op: Op
    threshold: float | None
    over: float = 0.0
    count: int = 3
    interval: float = 15.0
    stale_after: float = 0.0  # 0: three intervals
    coverage: float = 0.8
    min_volume: int = 50
    clear_ratio: float = 0.8
    clear_for: float = -1.0  # negative: a third of the window
    no_data_after: float = 120.0
    direction: Direction = "rollback"
    partial: bool = False
    tolerate: int = 0
    label: str = ""
    unit: str = ""
    settle: float = 0.0
    factor: float | None = None
    baseline: float | None = None

    def __post_init__(self) -> None:
        if wrong := _nonsense(self):
            raise ValueError(f"gate {self.id}: {wrong}")
        if self.stale_after == 0:
            object.__setattr__(self, "stale_after", 3 * self.interval)
        if self.clear_for < 0:
            object.__setattr__(self, "clear_for", self.span / 3)

    @property
    def span(self) -> float:
        """Seconds the rule looks back."""
        return self.count * self.interval if self.mode == "consecutive" else self.over

    @property
    def lately(self) -> float:
        """Seconds of the last twelfth of a window, two intervals at the least: it tells trouble that goes on
        from trouble that is over."""
        return max(self.over / 12, 2 * self.interval)

    def breaches(self, value: float) -> bool:
        """Whether VALUE is bad. Raises ValueError while there is no threshold: that is no good news."""
        if self.threshold is None:
            raise ValueError(f"gate {self.id} has no limit yet")
        return COMPARE[self.op](value, self.threshold)

    def well_clear(self, value: float) -> bool:
        """Not merely under the limit but under it by the margin of hysteresis."""
        if self.threshold is None or self.breaches(value):
            return False
        return self.op[0] == "<" or self.threshold <= 0 or value < self.clear_ratio * self.threshold

    def usable(self, sample: Sample) -> Sample | None:
        """SAMPLE if it says something, else None. Of a ratio its counts speak: a value beside them that says
        otherwise is not heard, and counts that cannot be (more bad than all, below zero) are no data."""
        if self.threshold is None or sample.value is None or not 0 < sample.volume <= MAX_VOLUME:
            return None
        if sample.bad is None:
            return sample if abs(sample.value) <= MAX_VALUE else None
        return replace(sample, value=divide(sample.bad, sample.volume)) if 0 <= sample.bad <= sample.volume else None

    def read(self, sample: Sample) -> Reading:
        """How SAMPLE reads against the limit."""
        if sample.error:
            return Reading.ERROR
        seen = self.usable(sample)
        if seen is None or seen.value is None:
            return Reading.NODATA
        return Reading.BREACH if self.breaches(seen.value) else Reading.CLEAR


def _nonsense(rule: GateRule) -> str:
    """What makes RULE no rule; "" when it is one."""
    if rule.mode not in ("sustained", "window", "consecutive"):
        return f"unknown mode {rule.mode!r}"
    if rule.op not in COMPARE:
        return f"unknown operator {rule.op!r}"
    if rule.direction not in ("rollback", "go"):
        return f"unknown direction {rule.direction!r}"
    numbers = (rule.threshold, rule.over, rule.interval, rule.stale_after, rule.clear_for, rule.no_data_after)
    if not all(number is None or math.isfinite(number) for number in (*numbers, rule.settle, rule.factor)):
        return "every number must be finite"
    if rule.threshold is None and rule.factor is None:
        return "a limit is missing"
    if rule.interval <= 0 or rule.no_data_after <= 0 or rule.stale_after < 0 or rule.settle < 0:
        return "interval and no_data_after must be over 0, stale_after and settle not under"
    if rule.mode == "consecutive":
        if rule.count < 1:
            return "count must be 1 or more"
    elif rule.over < rule.interval:
        return "the window must be at least one interval long"
    if not 0 < rule.coverage <= 1 or not 0 < rule.clear_ratio <= 1:
        return "coverage and clear_ratio lie between 0 and 1"
    if rule.tolerate < 0 or rule.min_volume < 0:
        return "tolerate and min_volume cannot be negative"
    if rule.tolerate and (rule.mode != "sustained" or rule.tolerate >= rule.over / rule.interval):
        return "tolerate is of a sustained gate, and leaves at least one sample that counts"
    if rule.partial and rule.mode != "window":
        return "partial is of a window gate"
    if rule.mode == "window" and _PERCENTILE.search(rule.metric):
        return f"percentiles are never averaged; use mode sustained for {rule.metric}"
    return ""


class Phase(StrEnum):
    """Where a gate stands. Unarmed is grey; only `clear` may be shown as good."""

    UNARMED = "unarmed"
    UNKNOWN = "unknown"
    CLEAR = "clear"
    BREACHING = "breaching"
    RECOVERING = "recovering"
    TRIPPED = "tripped"


@dataclass(frozen=True, slots=True)
class Decision:
    """What a named person decided about a tripped gate, or about one that lost sight."""

    verb: Verb
    by: str
    reason: str
    at: float
    until: float | None = None


@dataclass(frozen=True, slots=True)
class GateState:
    """All that a gate remembers. Times are seconds of `samples.clock()`.

    seen            what was usable within the rule's span
    newest          the newest usable sample
    watched_since   the first usable sample since arming, or since sight was lost
    breach_since    the first sample of the unbroken run of breaches; this and the next three go by the value
                    of the window in mode "window", else by the sample's own
    well_since      since when every sample has been well clear
    run             breaches in a row, counted
    flips           when the reading changed sides, the newest few
    good            samples in a row that do not breach, counted
    troubled        it breached, and has not been clear since: a loss of sight is no recovery
    last            the reading of the newest sample, whatever it was
    sight_since     the newest usable sample, or the arming: from here the no-data timer counts
    condition       what the rule itself says now; under a latch it goes on being followed
    tripped_on      which rule tripped, why and on what evidence, in words
    held_until      an extension: until then the rule does not trip
    blind_until     an extension of blindness: until then the no-data timer keeps still
    """

    phase: Phase = Phase.UNARMED
    now: float | None = None
    armed_at: float | None = None
    seen: History = EMPTY
    newest: Sample | None = None
    watched_since: float | None = None
    breach_since: float | None = None
    well_since: float | None = None
    run: int = 0
    good: int = 0
    flips: tuple[float, ...] = ()
    troubled: bool = False
    last: Reading | None = None
    condition: Reading = Reading.NODATA
    flapping: bool = False
    no_data_fired: bool = False
    sight_since: float | None = None
    tripped_at: float | None = None
    tripped_value: float | None = None
    tripped_on: str = ""
    held_until: float | None = None
    blind_until: float | None = None
    decision: Decision | None = None

    @property
    def armed(self) -> bool:
        return self.phase is not Phase.UNARMED


def blinded(state: GateState) -> GateState:
    """STATE with everything forgotten that was seen, but for trouble: a latch, its decision and the arming stay."""
    phase = state.phase if state.phase in (Phase.TRIPPED, Phase.UNARMED) else Phase.UNKNOWN
    return replace(
        state,
        phase=phase,
        seen=EMPTY,
        newest=None,
        watched_since=None,
        breach_since=None,
        well_since=None,
        run=0,
        good=0,
        flips=(),
        condition=Reading.NODATA,
        flapping=False,
    )
