"""How close the connection pools came to their end while something else went on."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from checks.contract import Context, Seconds, check
from checks.loglines import LogLines, NoLog
from checks.recorded import Span, history_file, span_of
from metrics.gate_model import COMPARE, parse_condition
from metrics.history import HistoryError, Recording
from metrics.known import KNOWN
from metrics.views import value_text
from state.clean import clean
from state.durations import format_duration
from state.verdicts import Outcome

_KINDS = ("pool exhausted", "too many connections")  # names of `metrics.known`
_METRICS = ("log.pool_exhausted", "log.too_many_connections")  # the same, as the log's source counts them
_SHOWN = 240


@dataclass(frozen=True, slots=True)
class _Window:
    begin: datetime
    end: datetime

    def __str__(self) -> str:
        length = format_duration(round((self.end - self.begin).total_seconds()))
        return f"{self.begin:%H:%M:%S} to {self.end:%H:%M:%S} UTC ({length})"


@check("pool.headroom", timeout="2m")
def headroom(
    ctx: Context,
    *,
    during: str | None = None,
    over: Seconds | None = None,
    holds: str = "< 80%",
    metrics: list[str] | None = None,
    files: list[Path] | None = None,
    command: list[str] | None = None,
    history: Path | None = None,
) -> Outcome:
    """The peak of the app's pool and of the server's connections DURING an item HOLDS, and nobody found them full.

    Each of METRICS (pool.app_usage and pg.usage) is looked up in the run's metric HISTORY for the time of that item,
    or of OVER before its end; without DURING, over the last OVER. What is loaded elsewhere, as on staging, has
    sources of its own, and their metrics are named. In the same time no line of FILES or of what COMMAND prints may
    tell of a pool or a server without a connection left; without a log, its live metrics tell.
    """
    try:
        op, limit = parse_condition(holds)
    except ValueError as error:
        return Outcome.error(str(error))
    window = _window(ctx, during, over)
    if isinstance(window, Outcome):
        return window
    wanted = metrics or ["pool.app_usage", "pg.usage"]
    evidence: dict[str, object] = {"window": str(window)}
    try:
        with Recording(history_file(ctx, history)) as recording:
            spans = [span_of(recording, name, window.begin, window.end) for name in wanted]
            counted = [span_of(recording, name, window.begin, window.end) for name in _METRICS]
    except HistoryError as error:
        return Outcome.unknown(str(error), hint="the live metrics belong to a run: look with `tminus run`")
    for span in spans:
        evidence[f"{span.metric} watched"] = f"{span.covered:.0%}"
        if span.values:
            evidence[f"{span.metric} peak"] = value_text(max(span.values), span.unit)
    seen = _log(ctx, files or [], command or [], window, counted, evidence)

    high = [one for one in spans if one.values and not COMPARE[op](_worst(one, op), limit)]
    peaks = ", ".join(f"{one.metric} {value_text(_worst(one, op), one.unit)}" for one in spans if one.values)
    expected = f"{' and '.join(wanted)} {holds} at their peak, and none of {' or '.join(_KINDS)} in the log"
    if high or seen.found:
        bad = [*(f"{one.metric} reached {value_text(_worst(one, op), one.unit)}" for one in high), *seen.found]
        hint = "a larger pool, fewer workers, or a pooler: see how many connections the server allows"
        return Outcome.failed(f"{'; '.join(bad)}, {window}", expected=expected, evidence=evidence, hint=hint)
    blind = [_blindness(one) for one in spans if not one.sighted]
    if blind or seen.why:
        what = "; ".join([*blind, *([seen.why] if seen.why else [])])
        nobody = [one.metric.partition(".")[0] for one in spans if not one.unit]
        hint = f"write the table [metrics.{nobody[0]}], and repeat what was to be watched" if nobody else seen.hint
        if blind and not nobody:
            hint = "mend the source of that metric, and repeat what was to be watched"
        return Outcome.unknown(f"{what}, {window}", hint=hint, evidence=evidence)
    return Outcome.passed(f"peaks: {peaks}; {seen.told}, {window}", expected=expected, evidence=evidence)


def _blindness(span: Span) -> str:
    if not span.unit:
        return f"no source reports {span.metric}"
    return f"{span.metric} was watched for {span.covered:.0%} of it"


def _worst(span: Span, op: str) -> float:
    return max(span.values) if op[0] == "<" else min(span.values)


def _window(ctx: Context, during: str | None, over: float | None) -> _Window | Outcome:
    """The time of the item DURING: from when its evidence says it began; else OVER before its end."""
    if during is None:
        if over is None:
            return Outcome.unknown("no window is named", hint="during = an item, or over = a duration")
        end = datetime.now(UTC)
        return _Window(end - timedelta(seconds=over), end)
    seen = ctx.evidence.get(during)
    if seen is None:
        return Outcome.unknown(f"item {during!r} has not run, so there is no window", hint=f"run {during!r} first")
    if over is not None:
        return _Window(seen.observed_at - timedelta(seconds=over), seen.observed_at)
    try:
        begin, end = (datetime.fromisoformat(str(seen.evidence[name])) for name in ("began", "ended"))
        return _Window(begin.astimezone(UTC), end.astimezone(UTC))
    except (KeyError, ValueError):
        hint = "say how long it went on before its end: over = …"
        return Outcome.unknown(f"item {during!r} does not say when it began", hint=hint)


@dataclass(frozen=True, slots=True)
class _Log:
    """What the log told: FOUND kinds, or WHY it told nothing, or in words that there was nothing (TOLD)."""

    found: tuple[str, ...] = ()
    why: str = ""
    hint: str = ""
    told: str = ""


def _log(
    ctx: Context,
    files: list[Path],
    command: list[str],
    window: _Window,
    counted: list[Span],
    evidence: dict[str, object],
) -> _Log:
    if not files and not command:
        return _counted(counted)
    kinds: Counter[str] = Counter()
    lines = LogLines(ctx, files, command, window.begin, window.end)
    try:
        for line in lines:
            if (kind := _kind(line)) is not None:
                kinds[kind] += 1
                evidence.setdefault(f"first {kind}", clean(line)[:_SHOWN])
    except NoLog as none:
        return _Log(why=none.what, hint=none.hint)
    evidence["lines"] = lines.read
    if kinds:
        return _Log(tuple(f"{count} × {kind} in the log" for kind, count in kinds.most_common()))
    if lines.cut:
        return _Log(why=f"{lines.cut[0]} is too long: its end alone was read", hint="a shorter window")
    if not lines.read:
        return _Log(why=f"{lines.names} has not one line of that time", hint="does the app log there?")
    return _Log(told=f"neither in {lines.read:,} lines of the log")


def _counted(counted: list[Span]) -> _Log:
    found = tuple(f"{sum(one.values):.0f} × {one.metric}" for one in counted if sum(one.values) > 0)
    if not found and not all(one.sighted for one in counted):
        return _Log(why="no log was watched", hint="files = [ … ], or the source [metrics.log]")
    return _Log(found, told="neither counted in the log")


def _kind(line: str) -> str | None:
    return next((kind for kind in _KINDS if re.search(KNOWN[kind], line)), None)
