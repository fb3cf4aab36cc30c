"""One window over time for widgets, checks and gates: a ring of buckets, each with a mergeable histogram.

Memory is bounded by the number of buckets; percentiles come from the merged histograms, never from averaged
percentiles, and are None where there are too few samples to speak of one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from metrics.latency import Latency


@dataclass(slots=True)
class _Bucket:
    slot: int
    total: int = 0
    bad: int = 0
    latency: Latency | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """What a window holds: events, the bad ones, and the merged latencies."""

    total: int
    bad: int
    latency: Latency = field(repr=False)

    @property
    def error_rate(self) -> float | None:
        """Bad ones / all, a ratio of sums; None when there were none at all."""
        return self.bad / self.total if self.total else None


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
                bucket.latency = Latency()
            bucket.latency.add(seconds, count)

    def summary(self, now: float, over: float | None = None) -> Summary:
        """Everything in the last OVER seconds (by default all the window), in whole buckets."""
        newest = math.floor(now / self.width)
        span = len(self._ring) if over is None else min(math.ceil(over / self.width), len(self._ring))
        merged, total, bad = Latency(), 0, 0
        for bucket in self._ring:
            if bucket is not None and newest - span < bucket.slot <= newest:
                total += bucket.total
                bad += bucket.bad
                if bucket.latency is not None:
                    merged.merge(bucket.latency)
        return Summary(total, bad, merged)
