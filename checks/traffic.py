"""Whether now is a time of little traffic, measured by what is usual here."""

from __future__ import annotations

import re
import statistics
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path

from checks.contract import Context, Seconds, check
from checks.rates import NoRates, Rates, of_history, of_logs, of_prometheus
from checks.recorded import history_file
from metrics.gate_model import parse_condition
from state.durations import format_duration
from state.verdicts import Outcome

_DAY = 86_400.0
_FEW = 12  # buckets before now under which a rank means nothing
_SLACK = 0.95  # of a day: the newest and the oldest bucket are not whole


@check("traffic.low", timeout="5m", fresh_for="15m")
def low(
    ctx: Context,
    *,
    at_most: str = "25%",
    over: Seconds = Seconds(600.0),  # noqa: B008 (immutable)
    reach: Seconds = Seconds(14 * _DAY),  # noqa: B008 (immutable)
    metric: str | None = None,
    history: Path | None = None,
    files: list[Path] | None = None,
    ignore: list[re.Pattern[str]] | None = None,
    prometheus: str = "",
    query: str = "sum(rate(flask_http_request_total[10m]))",
    token: str = "",
) -> Outcome:
    """The request rate of the last minutes (OVER) is among the lowest AT_MOST of this service's own history.

    One source, REACH back: METRIC (app.rate, log.rate) of the run's metric HISTORY; the access logs FILES with their
    rotated and compressed parts, without lines that match one of IGNORE; or QUERY of the PROMETHEUS server. Less than
    a day of history knows no night: a warning.
    """
    try:
        _, part = parse_condition(f"<= {at_most}")
    except ValueError as error:
        return Outcome.error(f"at_most: {error}", hint='write "25%"')
    named = [bool(metric), bool(files), bool(prometheus)]
    if sum(named) == 0:
        hint = "metric = the name of one in 1/s, files = access logs, or prometheus = the address of a server"
        return Outcome.unknown("no source of the request rate is named", hint=hint)
    if sum(named) > 1 or over <= 0 or reach < 2 * over:
        return Outcome.error("one source is named, and reach is longer than over", hint="take the others away")
    now = datetime.now(UTC)
    try:
        if metric:
            rates = of_history(history_file(ctx, history), metric, over, reach, now)
        elif files:
            rates = of_logs(ctx, files, ignore or [], over, reach, now)
        else:
            rates = of_prometheus(ctx, prometheus, token, query, over, reach, now)
    except NoRates as none:
        return (Outcome.error if none.failed else Outcome.unknown)(none.what, hint=none.hint)
    return judged(rates, part, over)


def judged(rates: Rates, part: float, over: float) -> Outcome:
    """What RATES, in buckets of OVER seconds, say of now: low is a rank of at most PART (0..1)."""
    evidence: dict[str, object] = {"source": rates.source, "buckets": len(rates.before)}
    evidence["span"] = format_duration(rates.span)
    if rates.now is None:
        what = f"{rates.source} says nothing of the last {format_duration(over)}"
        return Outcome.unknown(what, hint="is it still written, and is the clock right?", evidence=evidence)
    evidence["rate"] = round(rates.now, 4)
    if len(rates.before) < _FEW:
        what = f"{rates.source} knows {len(rates.before)} spans of {format_duration(over)} before now, too few"
        return Outcome.unknown(what, hint="name a source that goes back further", evidence=evidence)
    if rates.now == 0 and (silence := _silence(rates.before)) > 0:
        what = f"not one request in the last {format_duration(silence * over)}, which never was so: {rates.source}"
        return Outcome.unknown(what, hint="is it still written? no traffic is no low traffic", evidence=evidence)
    rank = rank_of(rates.now, rates.before)
    evidence |= {"percentile": round(100 * rank, 1), "median": round(statistics.median(rates.before), 4)}
    actual = (
        f"{rates.now:.3g} requests/s, percentile {100 * rank:.0f} of the last {format_duration(rates.span)} "
        f"by {rates.source}"
    )
    expected = f"among the lowest {part:.0%} of this service's own history"
    if rank > part:
        hint = "wait for a quieter hour, or confirm the reason why it must be now"
        return Outcome.failed(actual, expected=expected, evidence=evidence, hint=hint)
    if rates.span < _SLACK * _DAY:
        hint = "less than a day knows no night: judge the hour by what you know of your users"
        return Outcome.warned(f"{actual}: too little history", expected=expected, evidence=evidence, hint=hint)
    return Outcome.passed(actual, expected=expected, evidence=evidence)


def _silence(before: Sequence[float]) -> int:
    """How many buckets without a request end now, if never before there were as many in a row; else 0."""
    runs = [len(list(group)) if not rate else 0 for rate, group in groupby(before)]
    now = 1 + (runs[0] if runs else 0)
    return now if now > max(runs[1:], default=0) else 0


def rank_of(value: float, others: Sequence[float]) -> float:
    """The part of OTHERS that is lower than VALUE, those that are the same by half; 0..1.

    >>> rank_of(1.0, [1.0, 1.0]), rank_of(0.0, [1.0, 2.0]), rank_of(5.0, [1.0, 2.0])
    (0.5, 0.0, 1.0)
    """
    ordered = sorted(others)
    return (bisect_left(ordered, value) + bisect_right(ordered, value)) / 2 / len(ordered)
