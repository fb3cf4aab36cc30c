"""One observation of one metric, and how it reads against a limit.

Two shapes cross this room: a `Measurement` is what a source reports (UTC, unit, where it came from), a
`Sample` is what a gate or a window computes with (monotonic seconds).
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum


def clock() -> float:
    """Seconds on a clock that never jumps back and, where the system has one, goes on during suspend.

    Linux's CLOCK_MONOTONIC stands still while a laptop sleeps, so that a gap of an hour would look like no
    gap at all; CLOCK_BOOTTIME counts it. Every time that a gate compares must come from here.
    """
    boottime: int | None = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boottime is None else time.clock_gettime(boottime)


class Reading(StrEnum):
    """How one sample reads against one limit. Only `clear` is good news."""

    CLEAR = "clear"
    BREACH = "breach"
    NODATA = "nodata"  # looked, nothing there
    ERROR = "error"  # could not look


def finite(value: float | None) -> float | None:
    """VALUE, or None when it is no number: None, NaN and the infinities are no data, never zero."""
    return value if value is not None and math.isfinite(value) else None


def divide(part: float | None, whole: float | None) -> float | None:
    """PART / WHOLE, or None when either is no number or WHOLE is zero."""
    part, whole = finite(part), finite(whole)
    return finite(part / whole) if part is not None and whole else None


@dataclass(frozen=True, slots=True)
class Sample:
    """A value seen at a moment.

    at      seconds of `clock()`
    value   in the metric's unit, None when nothing was there; NaN and the infinities become None
    volume  how many events the value speaks for (requests); 1 for a gauge
    bad     of a ratio, how many of VOLUME were bad: windows then are a ratio of sums. None for a gauge
    error   why it could not be looked at; such a sample never has a value
    """

    at: float
    value: float | None
    volume: int = 1
    bad: float | None = None
    error: str = ""

    def __post_init__(self) -> None:
        if not math.isfinite(self.at):
            raise ValueError("a sample needs a finite time")
        if self.volume < 0:
            raise ValueError("a sample's volume cannot be negative")
        bad = finite(self.bad)
        no_data = self.error or self.volume == 0 or (self.bad is not None and bad is None)
        object.__setattr__(self, "value", None if no_data else finite(self.value))
        object.__setattr__(self, "bad", None if no_data else bad)

    @classmethod
    def ratio(cls, at: float, bad: float, volume: int) -> Sample:
        """BAD out of VOLUME events; no events at all is no data."""
        return cls(at, divide(bad, volume), volume, bad)


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a source reports of one metric.

    value   None is no data; NaN and the infinities become None
    unit    "ratio" (0..1), "ms", "count", "1/s" or "bytes"
    bad     numerator of a ratio of events whose denominator is `volume`; None for a gauge
    latency the latencies that ended since the sample before, as `Latency.encoded`, of a metric that has them:
            windows of any length then merge histograms, and never average percentiles
    detail  what a person may want to know beside the value; plain numbers and words
    error   why the source could not look, without any secret; "" when it could
    """

    metric: str
    value: float | None
    volume: int
    unit: str
    at: datetime
    detail: Mapping[str, float | str] = field(default_factory=dict)
    error: str = ""
    bad: float | None = None
    latency: bytes | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", None if self.error else finite(self.value))


def sample_of(measurement: Measurement, at: float) -> Sample:
    """MEASUREMENT as a gate wants it, seen at AT seconds of `clock()`."""
    return Sample(at, measurement.value, measurement.volume, measurement.bad, measurement.error)


def utc_now() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)
