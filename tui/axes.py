"""Axes: round numbers in a metric's unit, and times that fall on a clock's strokes. Pure."""

from __future__ import annotations

import math
from datetime import datetime

STROKES = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800)
"""Seconds between two strokes of a time axis."""


_PARTS = {1: 5, 1.5: 3, 2: 4, 3: 3, 4: 4, 5: 5, 8: 4, 10: 5}  # a scale's end → into how many parts it is read


_LEAST, _MOST = 1e-12, 1e300  # what is less is nothing; what is more is no number that a screen can read


def ticks(top: float) -> list[float]:
    """The values, from the first over nothing up to TOP (see `round_top`), that a scale is read by.

    >>> ticks(1.5), ticks(20.0)
    ([0.5, 1.0, 1.5], [5.0, 10.0, 15.0, 20.0])
    """
    power = 10.0 ** math.floor(math.log10(top) + 1e-9)
    parts = next((parts for step, parts in _PARTS.items() if math.isclose(step * power, top)), 4)
    return [top * n / parts for n in range(1, parts + 1)]


def round_top(largest: float) -> float:
    """The next 1, 1.5, 2, 3, 4, 5 or 8 times a power of ten over LARGEST: where a scale from nothing ends.

    >>> round_top(0.43), round_top(97), round_top(0)
    (0.5, 100.0, 1.0)
    """
    if not math.isfinite(largest) or largest < _LEAST:
        return 1.0
    largest = min(largest, _MOST)
    power = 10.0 ** math.floor(math.log10(largest))
    return next(step * power for step in _PARTS if step * power >= largest * (1 - 1e-9))


def amount(value: float, unit: str) -> str:
    """VALUE in UNIT, as short as it can be read: ratios in per cent, seconds in ms below one, bytes in their powers.

    >>> amount(0.125, "ratio"), amount(0.43, "s"), amount(1536 * 1024, "bytes"), amount(1200, "count")
    ('12.5%', '430 ms', '1.5 MiB', '1,200')
    """
    if unit == "ratio":
        return f"{_short(value * 100)}%"
    if unit == "s":
        return f"{_short(value * 1000)} ms" if abs(value) < 1 else f"{_short(value)} s"
    if unit == "bytes":
        for name in ("B", "KiB", "MiB", "GiB"):
            if abs(value) < 1024:
                return f"{_short(value)} {name}"
            value /= 1024
        return f"{_short(value)} TiB"
    if unit in ("", "count"):
        return _short(value)
    return f"{_short(value)}{'' if unit == '%' else ' '}{unit}"


def _short(value: float) -> str:
    if value and abs(value) < 0.01:
        return f"{value:.1g}"
    text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.1f}" if abs(value) >= 10 else f"{value:,.2f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def strokes(begin: float, end: float, most: int, offset: float = 0.0) -> list[float]:
    """At most MOST moments (seconds since the epoch) between BEGIN and END that fall on a round time of a clock which
    is OFFSET seconds ahead of UTC.

    >>> strokes(3.0, 63.0, 4)
    [15.0, 30.0, 45.0, 60.0]
    """
    span = end - begin
    if most < 1 or not math.isfinite(span) or span <= 0:
        return []
    step = next((one for one in STROKES if span / one <= most), max(math.ceil(span / most), 1))
    first = math.ceil((begin + offset) / step) * step - offset
    return [first + n * step for n in range(most + 1) if first + n * step <= end][:most]


def stroke_text(at: float, span: float) -> str:
    """The moment AT on the wall clock here, as fine as a SPAN of so many seconds needs."""
    here = datetime.fromtimestamp(at).astimezone()
    return f"{here:%H:%M:%S}" if span <= 1800 else f"{here:%H:%M}" if span <= 86400 else f"{here:%a %H:%M}"
