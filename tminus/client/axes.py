"""The axes of a plot: round numbers in a metric's own unit, and round moments. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

_UNITS = {
    "bytes": ((2**30, 2**30, " GiB"), (2**20, 2**20, " MiB"), (2**10, 2**10, " KiB"), (0, 1, " B")),
    "ms": ((10_000, 1000, "s"), (0, 1, "ms")),
}
"""Unit → (from which value on, how many of it are one, the name of that one), the largest first."""

_MOMENTS = (
    1, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800,
)  # fmt: skip
DAY = 86400


@dataclass(frozen=True)
class Scale:
    """From LOW to HIGH, in the metric's unit; TICKS are the round values between them with what is written there."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]

    def part(self, value: float) -> float:
        """Where VALUE lies: 0 at the bottom, 1 at the top; what lies outside is at the edge."""
        return min(max((value - self.low) / (self.high - self.low), 0.0), 1.0)


def scale_of(low: float, high: float, threshold: float | None, unit: str, ticks: int) -> Scale:
    """A scale from zero (or a round number under LOW, when that is below) to a round number at or over HIGH and
    THRESHOLD, with at most TICKS steps."""
    edge = max(high, low, 0.0 if threshold is None else threshold + 0.1 * abs(threshold))
    bottom = min(low, threshold or 0.0, 0.0)
    if not edge > bottom:
        edge = bottom + (1.0 if unit != "ratio" else 0.01)
    size, name = _unit(max(abs(edge), abs(bottom)), unit)
    if unit == "count":
        size = 1.0
    step = _round_step((edge - bottom) / size / max(ticks, 1), power=2 if unit == "bytes" else 10)
    if unit == "count":
        step = max(step, 1.0)
    first, last = math.floor(bottom / size / step + 1e-9), math.ceil(edge / size / step - 1e-9)
    last = max(last, first + 1)
    marks = tuple((n * step * size, f"{n * step:.10g}{name}") for n in range(first, last + 1))
    return Scale(first * step * size, last * step * size, marks)


def in_unit(value: float | None, unit: str) -> str:
    """VALUE in UNIT, in three digits or so; `?` when there is none.

    >>> in_unit(0.0312, "ratio"), in_unit(430.4, "ms"), in_unit(1.5 * 2**20, "bytes"), in_unit(None, "ms")
    ('3.12%', '430ms', '1.5 MiB', '?')
    >>> in_unit(20_000, "ms")
    '20s'
    """
    if value is None or not math.isfinite(value):
        return "?"
    size, name = _unit(abs(value), unit)
    number = value / size
    return (f"{number:.0f}" if abs(number) >= 100 else f"{number:.3g}") + name


def _unit(largest: float, unit: str) -> tuple[float, str]:
    """How much of UNIT one of the units is that a value as large as LARGEST is written in, and its name."""
    if unit == "ratio":
        return 0.01, "%"
    for least, size, name in _UNITS.get(unit, ()):
        if largest >= least:
            return float(size), name
    short = unit if unit in ("%", "s") else f" {unit}"
    return 1.0, "" if unit in ("", "count") else "/s" if unit == "1/s" else short


def _round_step(least: float, power: int) -> float:
    """The smallest round number at or over LEAST: 1, 2 or 5 times a power of ten, for bytes a power of two."""
    if least <= 0 or not math.isfinite(least):
        return 1.0
    if power == 2 and least >= 1:
        return float(2 ** math.ceil(math.log2(least) - 1e-9))
    whole = 10.0 ** math.floor(math.log10(least))
    return next(times * whole for times in (1, 2, 5, 10) if times * whole >= least * (1 - 1e-9))


def moments(begin: float, end: float, most: int, zone: tzinfo | None = None) -> list[tuple[float, str]]:
    """Round moments from BEGIN to END (seconds since 1970), at most MOST of them, as the wall clock of ZONE shows
    them; none: this machine's."""
    span = end - begin
    step = next((one for one in _MOMENTS if span / one <= max(most, 1)), None)
    if step is None:
        step = DAY * math.ceil(span / DAY / max(most, 1))
    # Round on the wall clock there, not in UTC: an offset of half an hour would put the ticks beside the hours.
    offset = (datetime.fromtimestamp(begin, UTC).astimezone(zone).utcoffset() or timedelta()).total_seconds()
    first = math.ceil((begin + offset) / step) * step - offset
    found = []
    for n in range(int(max(end - first, -1.0) // step) + 1):
        at = first + n * step
        found.append((at, datetime.fromtimestamp(at, UTC).astimezone(zone).strftime(_pattern(span, step))))
    return found


def _pattern(span: float, step: float) -> str:
    if step < 60:
        return "%H:%M:%S"
    if step >= DAY:
        return "%a %d"
    return "%H:%M" if span <= DAY else "%a %H:%M"
