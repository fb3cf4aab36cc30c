"""One honest number for a metric over a window, for checks and for the baseline."""

from __future__ import annotations

import re
from dataclasses import dataclass

from metrics.gate_model import Op
from metrics.live import Live
from metrics.window import Summary

_PERCENTILE = re.compile(r"(.+)\.p(\d+(?:\.\d+)?)")
COVERAGE = 0.8  # of the window that looks must cover before its number says anything


@dataclass(frozen=True, slots=True)
class Figure:
    """METRIC over a window.

    value     in the metric's unit; None when there is nothing to make it of
    how       what the number is: "sum of the bad / sum of all", "merged histogram", "highest" or "lowest"
    count     events, latencies or looks behind it
    covered   the part of the window that looks cover, 0..1
    low, high of the values seen
    """

    metric: str
    unit: str
    value: float | None
    how: str
    count: int
    covered: float
    low: float | None = None
    high: float | None = None

    @property
    def of_values(self) -> bool:
        """Whether one value alone made it, so that one beyond a limit is enough."""
        return self.how in ("highest", "lowest")

    @property
    def sighted(self) -> bool:
        """Whether it speaks for the window."""
        return self.value is not None and self.covered >= COVERAGE


def figure(live: Live, metric: str, over: float, *, worst: Op = "<=") -> Figure:
    """METRIC over the last OVER seconds.

    Of events it is the ratio of sums. Of a percentile it is that percentile of the merged latencies, where its source
    reports them (NAME.p95 by NAME.latency). Of anything else it is the value furthest from a condition that
    begins with WORST: the highest for "< 80%", the lowest for "> 2". Raises KeyError when nobody reports METRIC.
    """
    seen, unit = live.summary(metric, over), live.metrics[metric].unit
    covered = _covered(seen, over, live.interval(metric))
    if seen.total:
        return Figure(
            metric, unit, seen.error_rate, "sum of the bad / sum of all", seen.total, covered, seen.low, seen.high
        )
    if merged := _merged(live, metric, over):
        part, whole = merged
        value = whole.latency.percentile(part)
        spoken = _covered(whole, over, live.interval(f"{metric.rpartition('.')[0]}.latency"))
        return Figure(
            metric, unit, None if value is None else value * 1000, "merged histogram", whole.latency.samples, spoken
        )
    value, how = (seen.high, "highest") if worst[0] == "<" else (seen.low, "lowest")
    return Figure(metric, unit, value, how, seen.seen, covered, seen.low, seen.high)


def _covered(seen: Summary, over: float, interval: float) -> float:
    """The part of OVER that looks vouch for. The interval that runs just now counts: its look is not due yet."""
    return min((seen.covered + interval) / over, 1.0) if seen.seen else 0.0


def _merged(live: Live, metric: str, over: float) -> tuple[float, Summary] | None:
    found = _PERCENTILE.fullmatch(metric)
    if not found or f"{found[1]}.latency" not in live.metrics:
        return None
    whole = live.summary(f"{found[1]}.latency", over)
    return (float(found[2]), whole) if whole.latency.samples else None
