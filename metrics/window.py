"""One window over time for widgets, checks and gates: a ring of buckets, each with a mergeable histogram.

Memory is bounded by the number of buckets; percentiles come from the merged histograms, never from averaged
percentiles, and are None where there are too few samples to speak of one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from hdrh.histogram import HdrHistogram

LOWEST_US, HIGHEST_US, DIGITS = 1, 600_000_000, 2  # 1 µs to 10 minutes, at most 1% too high; 24 KiB a bucket
MIN_FOR_P95, MIN_FOR_P99 = 20, 100


def enough_for(percentile: float) -> int:
    """Samples below which PERCENTILE is noise: 20 for p95, 100 for p99, one for the median and under."""
    if percentile <= 50:
        return 1
    return MIN_FOR_P95 if percentile <= 95 else MIN_FOR_P99


def clamp_us(seconds: float) -> int:
    """SECONDS as whole microseconds within the histogram's range: out of range it would drop the value
    without a word. An endless one counts as the highest. Raises ValueError for NaN."""
    if math.isnan(seconds):
        raise ValueError("NaN is no latency")
    return round(min(max(seconds * 1e6, LOWEST_US), HIGHEST_US))


def _histogram() -> Any:
    return HdrHistogram(LOWEST_US, HIGHEST_US, DIGITS)


@dataclass(slots=True)
class _Bucket:
    slot: int
    total: int = 0
    bad: int = 0
    latency: Any = None


@dataclass(frozen=True, slots=True)
class Summary:
    """What a window holds: events, the bad ones, and the merged latencies."""

    total: int
    bad: int
    latency: Any = field(repr=False)

    @property
    def samples(self) -> int:
        """Latencies recorded."""
        return int(self.latency.get_total_count())

    @property
    def error_rate(self) -> float | None:
        """Bad ones / all, a ratio of sums; None when there were none at all."""
        return self.bad / self.total if self.total else None

    def percentile(self, percentile: float) -> float | None:
        """The nearest-rank PERCENTILE (0..100] in seconds: the smallest value seen with at least that part of
        the samples at or under it. None when there are fewer than `enough_for` asks."""
        count = self.samples
        if count < enough_for(percentile):
            return None
        rank = max(math.ceil(percentile * count / 100 - 1e-9), 1)
        micros = self.latency.get_value_at_percentile(100 * rank / count)  # the library rounds; a rank does not
        return float(micros) / 1e6

    def text(self, percentile: float) -> str:
        """The percentile as a person reads it: "213ms", or "n too small (12 of 100)"."""
        value = self.percentile(percentile)
        if value is None:
            return f"n too small ({self.samples} of {enough_for(percentile)})"
        return f"{value * 1000:,.0f}ms"


class Window:
    """The last OVER seconds in buckets of WIDTH seconds.

    Times are seconds of `samples.clock()`. The ring is rounded up to whole buckets. Raises ValueError
    unless 0 < WIDTH <= OVER.
    """

    def __init__(self, over: float, width: float = 1.0) -> None:
        if not (math.isfinite(over) and math.isfinite(width) and 0 < width <= over):
            raise ValueError("a window is longer than its buckets, and both are over 0")
        self.over, self.width = over, width
        self._ring: list[_Bucket | None] = [None] * math.ceil(over / width)

    def add(self, at: float, *, seconds: float | None = None, bad: bool = False, count: int = 1) -> None:
        """COUNT events at AT, of SECONDS latency where one was measured; BAD says they failed. Events older
        than what their bucket holds by now are too late to count."""
        slot = math.floor(at / self.width)
        place = slot % len(self._ring)
        bucket = self._ring[place]
        if bucket is not None and bucket.slot > slot:
            return
        if bucket is None or bucket.slot < slot:
            bucket = self._ring[place] = _Bucket(slot)
        bucket.total += count
        bucket.bad += count if bad else 0
        if seconds is not None:
            if bucket.latency is None:
                bucket.latency = _histogram()
            bucket.latency.record_value(clamp_us(seconds), count)

    def summary(self, now: float, over: float | None = None) -> Summary:
        """Everything in the last OVER seconds (by default all the window), in whole buckets."""
        newest = math.floor(now / self.width)
        span = len(self._ring) if over is None else min(math.ceil(over / self.width), len(self._ring))
        merged, total, bad = _histogram(), 0, 0
        for bucket in self._ring:
            if bucket is not None and newest - span < bucket.slot <= newest:
                total += bucket.total
                bad += bucket.bad
                if bucket.latency is not None:
                    merged.add(bucket.latency)
        return Summary(total, bad, merged)
