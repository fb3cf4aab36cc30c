"""Today against the days before it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import fmean, median

from checks.contract import Context, Stopped, check
from checks.recorded import history_file, span_of
from metrics.history import HistoryError, Recording
from metrics.views import value_text
from state.verdicts import Outcome

_DAY = timedelta(days=1)
_PERCENTILE = re.compile(r"(.+)\.p(\d+(?:\.\d+)?)")
_COVERED = 0.5  # of a day that looks must cover before it is one


@dataclass(frozen=True, slots=True)
class _Days:
    """METRIC by days back from now: TODAY (the last 24 hours; None: not watched) and those BEFORE that were watched.

    BAD counts the bad events of today, of a metric that is a ratio of events.
    """

    metric: str
    unit: str
    how: str
    today: float | None
    before: tuple[float, ...]
    bad: float | None = None

    @property
    def mean(self) -> float:
        """Of the days before."""
        return fmean(self.before)


@check("metrics.daily", timeout="10m")
def daily(
    ctx: Context,
    *,
    metrics: list[str],
    at_most_times: float = 1.5,
    days: int = 7,
    at_least: int = 10,
    history: Path | None = None,
) -> Outcome:
    """Each of METRICS in the last 24 hours is at most AT_MOST_TIMES its mean of the DAYS before.

    The numbers are those of the run's metric HISTORY. A day of a ratio is the ratio of its sums, of a percentile that
    of its merged latencies (or the median of its looks, where there are none), of anything else its mean. Fewer than
    AT_LEAST bad events today are no worse day. A day that was watched for less than half does not count; without
    today, or a day before it, nobody knows.
    """
    if not metrics or days < 1:
        return Outcome.error("no metric or no day is named", hint="metrics = [ … ], days = 7")
    now = datetime.now(UTC)
    try:
        with Recording(history_file(ctx, history)) as recording:
            seen = []
            for number, metric in enumerate(metrics):
                ctx.progress(number, len(metrics), "metrics", metric)
                seen.append(_days(ctx, recording, metric, now, days))
    except HistoryError as error:
        return Outcome.unknown(str(error), hint="the live metrics belong to a run: look with `tminus run`")
    return _judged(seen, at_most_times, at_least)


def _days(ctx: Context, recording: Recording, metric: str, now: datetime, days: int) -> _Days:
    known = recording.metrics().get(metric)
    found = []
    for ago in range(days + 1):
        if ctx.cancelled.is_set():
            raise Stopped("cancelled")
        found.append(_one(recording, metric, now - (ago + 1) * _DAY, now - ago * _DAY))
    (how, today, bad), *earlier = found
    before = tuple(value for _, value, _ in earlier if value is not None)
    return _Days(metric, known.unit if known else "", how, today, before, bad)


def _one(
    recording: Recording, metric: str, since: datetime, until: datetime
) -> tuple[str, float | None, float | None]:
    """How the number of a day came about, the number, and how many bad events are behind it."""
    span = span_of(recording, metric, since, until)
    if span.covered < _COVERED:
        return "", None, None
    if (part := _PERCENTILE.fullmatch(metric)) is not None:
        latency = recording.merged(f"{part[1]}.latency", since, until).latency
        if latency is not None:
            value = latency.percentile(float(part[2]))
            return "merged latencies", None if value is None else value * 1000, None
        return "median of the looks", median(span.values), None
    if span.unit == "ratio":
        merged = recording.merged(metric, since, until)
        if merged.ratio is not None:
            return "ratio of sums", merged.ratio, merged.bad
    return "mean", fmean(span.values), None


def _judged(seen: Sequence[_Days], times: float, at_least: int) -> Outcome:
    evidence: dict[str, object] = {}
    for one in seen:
        if one.today is not None and one.before:
            evidence[one.metric] = (
                f"{value_text(one.today, one.unit)} today, {value_text(one.mean, one.unit)} in {len(one.before)} days"
                f" ({one.how})"
            )
    compared = [one for one in seen if one.today is not None and one.before]
    worse = [one for one in compared if _is_worse(one, times, at_least)]
    blind = [one for one in seen if one not in compared]
    expected = f"today at most {times:g} × the mean of the days before"
    if worse:
        actual = "; ".join(f"{one.metric} {evidence[one.metric]}" for one in worse)
        hint = "find out what changed since yesterday, or confirm with the reason"
        return Outcome.failed(actual, expected=expected, evidence=evidence, hint=hint)
    if blind:
        actual = "; ".join(f"{one.metric}: {_why_blind(one)}" for one in blind)
        hint = "keep the run open: its engine watches, and the next day has something to be compared with"
        return Outcome.unknown(actual, hint=hint, evidence=evidence)
    actual = "; ".join(f"{one.metric} {evidence[one.metric]}" for one in compared)
    return Outcome.passed(actual, expected=expected, evidence=evidence)


def _is_worse(one: _Days, times: float, at_least: int) -> bool:
    enough = one.bad is None or one.bad >= at_least
    return enough and one.today is not None and one.today > times * one.mean


def _why_blind(one: _Days) -> str:
    return "today was not watched" if one.today is None else "no day before was watched"
