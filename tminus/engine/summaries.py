"""What each live metric was between two pause points: the few numbers that the record keeps of thousands."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from metrics.samples import Measurement


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """One metric so far. `looks` counts every look, `seen` those with a value; `bad` of `volume` for a ratio."""

    unit: str = ""
    looks: int = 0
    seen: int = 0
    low: float = 0.0
    high: float = 0.0
    last: float = 0.0
    bad: float | None = None
    volume: int = 0

    def after(self, one: Measurement) -> Tally:
        """The tally with ONE more look. A look without a value counts as a look, and as nothing else."""
        looks = self.looks + 1
        if one.value is None:
            return msgspec.structs.replace(self, looks=looks)
        first = not self.seen
        return Tally(
            unit=one.unit,
            looks=looks,
            seen=self.seen + 1,
            low=one.value if first else min(self.low, one.value),
            high=one.value if first else max(self.high, one.value),
            last=one.value,
            bad=self.bad if one.bad is None else (self.bad or 0.0) + one.bad,
            volume=self.volume + (one.volume if one.bad is not None else 0),
        )

    @property
    def numbers(self) -> dict[str, Any]:
        """What the record keeps. A ratio is a ratio of sums; other metrics are never averaged."""
        numbers: dict[str, Any] = {"looks": self.looks, "seen": self.seen, "unit": self.unit}
        if self.seen:
            numbers |= {"low": round(self.low, 4), "high": round(self.high, 4), "last": round(self.last, 4)}
        if self.bad is not None and self.volume:
            numbers |= {"bad": round(self.bad), "of": self.volume, "ratio": round(self.bad / self.volume, 5)}
        return numbers


def tallied(before: dict[str, Tally], measured: Iterable[Measurement]) -> dict[str, Tally]:
    """The tallies of every metric after MEASURED."""
    return before | {one.metric: before.get(one.metric, Tally()).after(one) for one in measured}


def summary(phase: str, since: str, tallies: dict[str, Tally]) -> dict[str, Any]:
    """The data of a `summary` event for PHASE, which began to be watched at SINCE (UTC)."""
    return {
        "phase": phase,
        "since": since,
        "metrics": {metric: tally.numbers for metric, tally in sorted(tallies.items())},
    }
