"""One window over time for the prober, the widgets and the checks: a ring of buckets that merge.

Memory is bounded by the number of buckets, about 70 bytes each and what an encoded histogram takes; a `Series`
keeps a week in four windows of growing width. Percentiles come from the merged histograms, never from averaged
percentiles, and are None where there are too few samples to speak of one.
"""

from __future__ import annotations

import math
from array import array
from dataclasses import dataclass, field

from metrics.latency import Latency
from metrics.samples import Measurement, divide

_LEVELS = ((600.0, 1.0), (7_200.0, 15.0), (86_400.0, 120.0), (8 * 86_400.0, 1_200.0))  # (span, width), seconds
_FEW = 20  # buckets
_NEVER = -(2**62)


@dataclass(frozen=True, slots=True)
class Summary:
    """What a window holds.

    over          seconds that were asked for, in whole buckets
    total, bad    events, and those of them that failed
    looks, seen   looks at a metric, and those that gave a value
    covered       seconds that these vouch for, each for one interval before it
    low, high, last, mean   of the values; None when there are none. Of a ratio of events ask `error_rate`; a mean of
                  percentiles means nothing
    latency       the merged latencies
    """

    over: float
    total: int = 0
    bad: float = 0.0
    looks: int = 0
    seen: int = 0
    covered: float = 0.0
    low: float | None = None
    high: float | None = None
    last: float | None = None
    mean: float | None = None
    latency: Latency = field(default_factory=Latency, repr=False)

    @property
    def error_rate(self) -> float | None:
        """Bad ones / all, a ratio of sums; None when there were none at all."""
        return divide(self.bad, self.total)


class Window:
    """The last OVER seconds in buckets of WIDTH seconds.

    Times are seconds of `samples.clock()`. The ring is rounded up to whole buckets. Raises ValueError
    unless 0 < WIDTH <= OVER.
    """

    def __init__(self, over: float, width: float = 1.0) -> None:
        if not (math.isfinite(over) and math.isfinite(width) and 0 < width <= over):
            raise ValueError("a window is longer than its buckets, and both are over 0")
        self.over, self.width = over, width
        self._size = math.ceil(over / width - 1e-9)

        def column(code: str, value: float) -> array[float]:
            return array(code, [value]) * self._size

        self._slot: array[int] = array("q", [_NEVER]) * self._size  # which bucket of all time stands here
        self._total, self._bad = column("d", 0), column("d", 0)
        self._looks, self._seen, self._covered = column("f", 0), column("f", 0), column("f", 0)
        self._low, self._high, self._last, self._sum = (column("d", 0) for _ in range(4))
        self._latency: dict[int, Latency | bytes] = {}  # by place; only the newest is at work, the others encoded
        self._at_work = -1

    def _place(self, at: float) -> int | None:
        """Where the bucket of AT stands, emptied of what was there before; None when AT is too late to count."""
        slot = math.floor(at / self.width)
        place = slot % self._size
        if self._slot[place] > slot:
            return None
        if self._slot[place] < slot:
            self._slot[place] = slot
            columns = (self._total, self._bad, self._looks, self._seen, self._covered, self._sum)
            for column in columns:
                column[place] = 0
            self._latency.pop(place, None)
        return place

    def add(self, at: float, *, seconds: float | None = None, bad: bool = False, count: int = 1) -> None:
        """COUNT events at AT, of SECONDS latency where one was measured; BAD says they failed. Events older
        than what their bucket holds by now are too late to count."""
        place = self._place(at)
        if place is None:
            return
        self._total[place] += count
        self._bad[place] += count if bad else 0
        if seconds is not None:
            self._histogram(place).add(seconds, count)

    def look(self, at: float, one: Measurement, covers: float) -> None:
        """What a look at AT gave, which vouches for COVERS seconds before it if there was a value."""
        place = self._place(at)
        if place is None:
            return
        self._looks[place] += 1
        if one.value is None:
            return
        first = not self._seen[place]
        self._seen[place] += 1
        self._covered[place] += covers
        self._low[place] = one.value if first else min(self._low[place], one.value)
        self._high[place] = one.value if first else max(self._high[place], one.value)
        self._last[place] = one.value
        self._sum[place] += one.value
        if one.bad is not None:
            self._total[place] += one.volume
            self._bad[place] += one.bad
        if one.latency:
            self._histogram(place).merge(one.latency)

    def _histogram(self, place: int) -> Latency:
        kept = self._latency.get(place)
        if not isinstance(kept, Latency):
            before = self._latency.get(self._at_work)
            if isinstance(before, Latency):
                self._latency[self._at_work] = before.encoded()
            kept = Latency.merged([kept] if kept else [])
            self._latency[place], self._at_work = kept, place
        return kept

    def summary(self, now: float, over: float | None = None) -> Summary:
        """Everything in the last OVER seconds (by default all the window), in whole buckets."""
        newest = math.floor(now / self.width)
        span = self._size if over is None else min(math.ceil(over / self.width - 1e-9), self._size)
        order = [slot % self._size for slot in range(newest - span + 1, newest + 1)]
        wanted = range(newest - span + 1, newest + 1)
        places = [place for place, slot in zip(order, wanted, strict=True) if self._slot[place] == slot]
        valued = [place for place in places if self._seen[place]]
        seen = sum(self._seen[place] for place in valued)
        latency = Latency()
        for place in places:
            if place in self._latency:
                latency.merge(self._latency[place])
        return Summary(
            over=span * self.width,
            total=round(sum(self._total[place] for place in places)),
            bad=sum(self._bad[place] for place in places),
            looks=round(sum(self._looks[place] for place in places)),
            seen=round(seen),
            covered=sum(self._covered[place] for place in valued),
            low=min((self._low[place] for place in valued), default=None),
            high=max((self._high[place] for place in valued), default=None),
            last=self._last[valued[-1]] if valued else None,
            mean=divide(sum(self._sum[place] for place in valued), seen),
            latency=latency,
        )

    def values(self, now: float, over: float) -> tuple[float | None, ...]:
        """The highest value of each bucket of the last OVER seconds, oldest first; None where there was none."""
        newest = math.floor(now / self.width)
        span = min(math.ceil(over / self.width - 1e-9), self._size)
        slots = range(newest - span + 1, newest + 1)
        return tuple(
            self._high[slot % self._size]
            if self._slot[slot % self._size] == slot and self._seen[slot % self._size]
            else None
            for slot in slots
        )


class Series:
    """All that is kept of one metric: ten minutes by the second, two hours by 15 seconds, a day by two minutes, and
    eight days by 20 minutes. INTERVAL is that of its source, in seconds: each look vouches for that long."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._windows = tuple(Window(span, width) for span, width in _LEVELS)
        self._looked_at: float | None = None
        self._recalled_at: float | None = None

    def look(self, at: float, one: Measurement) -> None:
        """What a look at AT gave. Looks come in the order of time; one from before the newest counts nowhere."""
        if self._looked_at is not None and at < self._looked_at:
            return
        covers = self._interval if self._looked_at is None else min(at - self._looked_at, self._interval)
        self._looked_at = at
        for window in self._windows:
            window.look(at, one, covers)

    def recall(self, at: float, one: Measurement) -> None:
        """A look of an earlier process, at AT, which may lie behind newer ones; the oldest come first."""
        before, self._recalled_at = self._recalled_at, at
        covers = self._interval if before is None else max(min(at - before, self._interval), 0.0)
        for window in self._windows:
            window.look(at, one, covers)

    def _window(self, over: float) -> Window:
        return next((w for w in self._windows if over <= w.over), self._windows[-1])

    def summary(self, now: float, over: float) -> Summary:
        """The last OVER seconds, from the finest window that holds them. The bucket that runs is not full yet: where
        there are few it is a good part of them, so that one more is taken in, and no less than OVER is looked at."""
        window = self._window(over)
        return window.summary(now, over + (window.width if over < _FEW * window.width else 0.0))

    def values(self, now: float, over: float) -> tuple[float | None, ...]:
        """The course of the last OVER seconds, as `Window.values`."""
        return self._window(over).values(now, over)
