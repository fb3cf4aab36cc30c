"""What the metric history of a run holds of a span of time."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from checks.contract import Context
from metrics.history import Recording, history_path
from metrics.history_rows import milliseconds

COVERAGE = 0.8  # of a span that looks must cover before their numbers say anything of it


@dataclass(frozen=True, slots=True)
class Span:
    """METRIC from SINCE to UNTIL: its VALUES with their moments AT (milliseconds since 1970), in order. INTERVAL is
    the usual one between two looks, whether they gave a value or not; 0 of fewer than two."""

    metric: str
    unit: str
    since: int
    until: int
    interval: float
    at: tuple[int, ...]
    values: tuple[float, ...]

    @property
    def covered(self) -> float:
        """The part of the span that the values vouch for, each for the usual interval before it; 0..1."""
        if not self.at:
            return 0.0
        return min((len(self.at) + 1) * self.interval / max(self.until - self.since, 1), 1.0)

    @property
    def sighted(self) -> bool:
        """Whether they speak for the span."""
        return self.covered >= COVERAGE


def history_file(ctx: Context, history: Path | None) -> Path:
    """HISTORY, or that of the run: the files of a run lie beside its record, in the folder of its name."""
    return history or history_path(ctx.artefacts.with_suffix(".toml"))


def span_of(recording: Recording, metric: str, since: datetime, until: datetime) -> Span:
    """METRIC over a span; without a value when nobody looked. Raises HistoryError."""
    known = recording.metrics().get(metric)
    begin, end = milliseconds(since), milliseconds(until)
    # A source may give the same measurement again until it has a newer one: that is one look.
    by_moment = {
        at: value
        for moments, values in recording.values(metric, since, until)
        for at, value in zip(moments, values, strict=True)
        if begin <= at <= end
    }
    looks = sorted(by_moment.items())
    found = [(at, value) for at, value in looks if value is not None]
    gaps = [after - before for (before, _), (after, _) in pairwise(looks)]
    return Span(
        metric,
        known.unit if known else "",
        begin,
        end,
        statistics.median(gaps) if gaps else 0.0,
        tuple(at for at, _ in found),
        tuple(value for _, value in found),
    )
