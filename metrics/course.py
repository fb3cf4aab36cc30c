"""How a metric went over a span of time, in as many pieces as a screen can show. Pure."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Course:
    """Pieces of STEP seconds from BEGIN (seconds since the epoch): the lowest, the mean and the highest of each;
    None where there was none. LOOKS is how often one looked, SEEN how often there was a value.

    The mean is over the looks of a piece, which tells where a line belongs; a percentile's is no percentile.
    """

    begin: float
    step: float
    low: tuple[float | None, ...]
    mean: tuple[float | None, ...]
    high: tuple[float | None, ...]
    looks: int
    seen: int


def course(values: Iterable[tuple[float, float | None]], begin: float, end: float, points: int) -> Course:
    """VALUES, (seconds since the epoch, value or None), from BEGIN to END in POINTS pieces. Holds nothing but the
    pieces, however many values there are. Values outside and values that are no number are no value.

    Raises ValueError for a span of nothing, or less than one piece.
    """
    if points < 1 or not end > begin:
        raise ValueError("a course needs a span of time and a piece to put it in")
    step = (end - begin) / points
    low, high = array("d", [math.inf]) * points, array("d", [-math.inf]) * points
    total, count = array("d", [0.0]) * points, array("q", [0]) * points
    looks = seen = 0
    for at, value in values:
        if not begin <= at <= end:
            continue
        looks += 1
        if value is None or not math.isfinite(value):
            continue
        seen += 1
        place = min(int((at - begin) / step), points - 1)
        total[place] += value
        count[place] += 1
        low[place] = min(low[place], value)
        high[place] = max(high[place], value)
    return Course(
        begin,
        step,
        tuple(value if n else None for value, n in zip(low, count, strict=True)),
        tuple(value / n if n else None for value, n in zip(total, count, strict=True)),
        tuple(value if n else None for value, n in zip(high, count, strict=True)),
        looks,
        seen,
    )
