"""Durations as people write them in a checklist: "90s", "15m", "4h", "2d"."""

from __future__ import annotations

import re

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_ONE = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_ALL = re.compile(rf"(?:{_ONE.pattern})+")


def parse_duration(text: str) -> float:
    """Seconds in TEXT. Parts may be joined, largest first by habit: "1h30m".

    Raises ValueError when TEXT is no duration; a bare number is refused, since its unit is a guess.

    >>> parse_duration("90s"), parse_duration("1h30m"), parse_duration("250ms")
    (90.0, 5400.0, 0.25)
    """
    if not _ALL.fullmatch(text):
        raise ValueError(f"{text!r} is not a duration: write a number and a unit, as in 90s, 15m, 4h, 2d")
    return sum(float(number) * _UNITS[unit] for number, unit in _ONE.findall(text))


def format_duration(seconds: float) -> str:
    """SECONDS as a person reads them, two units at the most.

    >>> [format_duration(s) for s in (0.25, 9, 75, 900, 5400, 180000)]
    ['0.2s', '9s', '1m15s', '15m', '1h30m', '2d2h']
    """
    if seconds < 0:
        return "-" + format_duration(-seconds)
    if seconds < 1:
        return f"{seconds:.1f}s"
    left, parts = round(seconds), []
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts[:2]) or "0s"
