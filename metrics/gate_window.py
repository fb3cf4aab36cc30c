"""What the samples of a trailing window say together. The window is half open, (now - over, now]: at 15 s
polls a window of 15 minutes holds 60 samples, and the one taken exactly 15 minutes ago is no longer in it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from metrics.samples import Sample, divide

_TICK = 1e-6  # floats: a sample 900.0000000001 s old is 900 s old


@dataclass(frozen=True, slots=True)
class Tally:
    """The samples of one window, added up.

    value     of ratios sum(bad) / sum(volume); of gauges the mean; None when there is nothing
    volume    events behind it
    covered   seconds of the window that samples vouch for
    """

    count: int
    value: float | None
    volume: int
    covered: float
    ratio: bool


def trailing(samples: Iterable[Sample], now: float, over: float) -> tuple[Sample, ...]:
    """Those of SAMPLES that lie in (now - over, now]."""
    return tuple(s for s in samples if now - over + _TICK < s.at <= now + _TICK)


def tally(samples: Iterable[Sample], now: float, over: float, interval: float) -> Tally:
    """SAMPLES in (now - over, now] added up.

    A sample vouches for the INTERVAL before it, as far as no earlier one does already; so ten samples in one
    second cover one second, and 60 at 15 s cover 15 minutes.
    """
    kept = trailing(samples, now, over)
    covered, before = 0.0, now - over
    for sample in kept:
        covered += min(sample.at - before, interval)
        before = sample.at
    ratio = any(s.bad is not None for s in kept)
    volume = sum(s.volume for s in kept if not ratio or s.bad is not None)
    if ratio:
        value = divide(sum(s.bad for s in kept if s.bad is not None), volume)
    else:
        value = divide(sum(s.value for s in kept if s.value is not None), len(kept))
    return Tally(len(kept), value, volume, covered, ratio)


def reaches(elapsed: float, over: float) -> bool:
    """Whether ELAPSED seconds are OVER or more, give or take a microsecond."""
    return elapsed + _TICK >= over
