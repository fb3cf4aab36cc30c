"""What a gate is: its rule, its state, and the words a checklist writes them in."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

from metrics.samples import Reading, Sample
from state.durations import parse_duration

Mode = Literal["sustained", "window", "consecutive"]
Op = Literal[">", ">=", "<", "<="]
Direction = Literal["rollback", "go"]
Verb = Literal["rollback", "continue", "extend"]

MAX_SAMPLES = 10_000  # a bound of memory: 2 h 46 min at one sample a second, 41 h at one every 15 s
MAX_FLIPS = 3  # more changes of side than this within a window is flapping

COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_CONDITION = re.compile(r"\s*(>=|<=|>|<)\s*([-+]?\d+(?:\.\d+)?)\s*(%|[a-z]*)\s*")
_PERCENTILE = re.compile(r"(^|[._])p\d+(\.\d+)?$")


def parse_condition(text: str) -> tuple[Op, float]:
    """The operator and the limit in TEXT: per cent become 0..1, durations become milliseconds.

    Raises ValueError when TEXT is none.

    >>> parse_condition("> 10%"), parse_condition("> 500ms"), parse_condition(">= 3")
    (('>', 0.1), ('>', 500.0), ('>=', 3.0))
    """
    found = _CONDITION.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is not a condition: write an operator and a limit, as in > 10%, > 500ms, < 3")
    op, number, unit = found.groups()
    if unit == "%":
        limit = float(number) / 100
    elif unit:
        limit = parse_duration(number + unit) * 1000
    else:
        limit = float(number)
    return op, limit  # type: ignore[return-value]  # the pattern admits the four operators alone


@dataclass(frozen=True, slots=True)
class GateRule:
    """A rule over one metric. OP and THRESHOLD always say what is BAD, for go gates too.

    over, interval, stale_after, clear_for, no_data_after   seconds
    count          samples in a row, for mode "consecutive"
    coverage       the part of the window that samples must cover, each covering one INTERVAL before it
    min_volume     events a window of a ratio needs before it says anything
    clear_ratio    a rule with > clears under clear_ratio * threshold. For < the margin is in time only, as
                   the metric may have no room above its limit (availability < 99%)
    partial        a window may speak before it has been watched for all of OVER
    tolerate       of a sustained rule, samples in the window that need not breach

    Raises ValueError when the numbers make no rule, or a window would average percentiles.
    """

    id: str
    metric: str
    mode: Mode
    op: Op
    threshold: float
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

    def __post_init__(self) -> None:
        if self.mode not in ("sustained", "window", "consecutive"):
            raise ValueError(f"gate {self.id}: unknown mode {self.mode!r}")
        if self.op not in COMPARE:
            raise ValueError(f"gate {self.id}: unknown operator {self.op!r}")
        if self.direction not in ("rollback", "go"):
            raise ValueError(f"gate {self.id}: unknown direction {self.direction!r}")
        numbers = (
            self.threshold,
            self.over,
            self.interval,
            self.stale_after,
            self.clear_for,
            self.no_data_after,
        )
        if not all(math.isfinite(number) for number in numbers):
            raise ValueError(f"gate {self.id}: every number must be finite")
        if self.interval <= 0 or self.no_data_after <= 0 or self.stale_after < 0:
            raise ValueError(f"gate {self.id}: interval and no_data_after must be over 0, stale_after not under")
        if self.mode == "consecutive":
            if self.count < 1:
                raise ValueError(f"gate {self.id}: count must be 1 or more")
        elif self.over < self.interval:
            raise ValueError(f"gate {self.id}: the window must be at least one interval long")
        if not 0 < self.coverage <= 1 or not 0 < self.clear_ratio <= 1:
            raise ValueError(f"gate {self.id}: coverage and clear_ratio lie between 0 and 1")
        if self.tolerate < 0 or self.min_volume < 0:
            raise ValueError(f"gate {self.id}: tolerate and min_volume cannot be negative")
        if self.mode == "window" and _PERCENTILE.search(self.metric):
            raise ValueError(f"gate {self.id}: percentiles are never averaged; use mode sustained for {self.metric}")
        if self.stale_after == 0:
            object.__setattr__(self, "stale_after", 3 * self.interval)
        if self.clear_for < 0:
            object.__setattr__(self, "clear_for", self.span / 3)

    @property
    def span(self) -> float:
        """Seconds the rule looks back."""
        return self.count * self.interval if self.mode == "consecutive" else self.over

    def breaches(self, value: float) -> bool:
        return COMPARE[self.op](value, self.threshold)

    def well_clear(self, value: float) -> bool:
        """Not merely under the limit but under it by the margin of hysteresis."""
        if self.breaches(value):
            return False
        return self.op[0] == "<" or self.threshold <= 0 or value < self.clear_ratio * self.threshold

    def read(self, sample: Sample) -> Reading:
        if sample.error:
            return Reading.ERROR
        if sample.value is None:
            return Reading.NODATA
        return Reading.BREACH if self.breaches(sample.value) else Reading.CLEAR


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

    samples         the usable ones within the rule's span, oldest first
    watched_since   the first usable sample since arming, or since sight was lost
    breach_since    the first sample of the unbroken run of breaches; this and the next three go by the value
                    of the window in mode "window", else by the sample's own
    well_since      since when every sample has been well clear
    run             breaches in a row, counted
    flips           when the reading changed sides
    last            the reading of the newest sample, whatever it was
    sight_since     the newest usable sample, or the arming: from here the no-data timer counts
    condition       what the rule itself says now; under a latch it goes on being followed
    """

    phase: Phase = Phase.UNARMED
    now: float | None = None
    armed_at: float | None = None
    samples: tuple[Sample, ...] = ()
    watched_since: float | None = None
    breach_since: float | None = None
    well_since: float | None = None
    run: int = 0
    flips: tuple[float, ...] = ()
    last: Reading | None = None
    condition: Reading = Reading.NODATA
    flapping: bool = False
    no_data_fired: bool = False
    sight_since: float | None = None
    tripped_at: float | None = None
    tripped_value: float | None = None
    held_until: float | None = None
    decision: Decision | None = None

    @property
    def armed(self) -> bool:
        return self.phase is not Phase.UNARMED

    @property
    def newest(self) -> Sample | None:
        return self.samples[-1] if self.samples else None


def blinded(state: GateState) -> GateState:
    """STATE with everything forgotten that was seen; a latch, its decision and the arming stay."""
    phase = state.phase if state.phase in (Phase.TRIPPED, Phase.UNARMED) else Phase.UNKNOWN
    return replace(
        state,
        phase=phase,
        samples=(),
        watched_since=None,
        breach_since=None,
        well_since=None,
        run=0,
        flips=(),
        condition=Reading.NODATA,
        flapping=False,
    )
