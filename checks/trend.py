"""How fast something grows, by a line that neither wild values nor day and night move: seasonal Theil–Sen. Pure.

Source: P. K. Sen, "Estimates of the regression coefficient based on Kendall's tau" (1968): the median of the slopes
between pairs of points, and its interval by the ranks of those slopes; R. M. Hirsch and others, "Techniques of trend
analysis for monthly water quality data" (1982): only pairs of one season, here of one hour of the day, are compared.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations

DAY = 24  # hours
_Z = 1.96  # of an interval that holds the slope 95 times of 100, where the points are independent of each other
_FEW = 8  # slopes under which such an interval says nothing


@dataclass(frozen=True, slots=True)
class Trend:
    """SLOPE a day, which is probably between LOW and HIGH; NEWEST is the level of the last day, at its end."""

    slope: float
    low: float
    high: float
    newest: float


def trend_of(
    points: Sequence[tuple[int, float]], level: Callable[[Sequence[float]], float] = statistics.median
) -> Trend | None:
    """The line through POINTS (hour, value), LEVEL of the last day's; None of too few, or of less than a day.

    >>> trend_of([(hour, 100.0 + 2 * hour / 24) for hour in range(49)])
    Trend(slope=2.0, low=2.0, high=2.0, newest=104.0)
    """
    seasons: defaultdict[int, list[tuple[int, float]]] = defaultdict(list)
    for hour, value in sorted(points):
        seasons[hour % DAY].append((hour, value))
    slopes = sorted(
        (v - u) / ((t - s) / DAY) for one in seasons.values() for (s, u), (t, v) in combinations(one, 2) if t > s
    )
    if len(slopes) < _FEW:
        return None
    variance = sum(n * (n - 1) * (2 * n + 5) / 18 for n in map(len, seasons.values()))
    spread = _Z * math.sqrt(variance)
    first = max(math.floor((len(slopes) - spread) / 2), 0)
    last = min(math.ceil((len(slopes) + spread) / 2), len(slopes) - 1)
    slope = statistics.median(slopes)
    end = max(hour for hour, _ in points)
    newest = level([value + slope * (end - hour) / DAY for hour, value in points if hour > end - DAY])
    return Trend(slope, slopes[first], slopes[last], newest)


def until(trend: Trend, capacity: float) -> tuple[float, float]:
    """Days until CAPACITY is reached: probably, and at the soonest; endless for what does not grow.

    >>> until(Trend(2.0, 1.0, 4.0, 80.0), 100.0)
    (10.0, 5.0)
    """
    left = max(capacity - trend.newest, 0.0)

    def at(slope: float) -> float:
        return 0.0 if not left else left / slope if slope > 0 else math.inf

    return at(trend.slope), at(trend.high)
