"""What the live metrics say: whether their sources answer, what was normal before, and whether it holds now."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from checks.contract import Context, Seconds, check
from checks.since import moment_of
from metrics.figures import Figure, figure
from metrics.gate_model import COMPARE, Op, parse_condition
from metrics.live import STALE_INTERVALS, Health, Live
from metrics.views import value_text
from state.durations import format_duration
from state.verdicts import Outcome, Scalar

_NO_RUN = "the live metrics belong to a run: look with `tminus run`"
_PATIENCE = 20.0
_STEP = 0.5  # seconds between two looks at the windows


@check("metrics.preflight", timeout="2m", fresh_for="30m")
def preflight(
    ctx: Context,
    *,
    sources: list[str] | None = None,
    metrics: list[str] | None = None,
    patience: Seconds | None = None,
) -> Outcome:
    """Every live source of the checklist (or SOURCES) answers with a value, and so does each of METRICS.

    Waits PATIENCE (20s) for what has just begun. A gate that nobody feeds would be found out only when it is needed.
    """
    live = ctx.live
    if live is None:
        return Outcome.unknown("there are no live metrics here", hint=_NO_RUN)
    wanted = sources or [one.source for one in live.health]
    if not wanted:
        return Outcome.unknown("the checklist names no source", hint="write a [metrics.…] table")

    def silent() -> dict[str, str]:
        healths = {one.source: one for one in live.health}
        blind = {name: _why_silent(live, healths.get(name)) for name in wanted}
        blind |= {name: _why_blind(live, name) for name in metrics or []}
        return {name: why for name, why in blind.items() if why}

    _wait(ctx, patience or _PATIENCE, lambda: not silent(), "sources answer")
    mute = silent()
    evidence = {one.source: _told(live, one) for one in live.health if one.source in wanted} | mute
    expected = f"{len(wanted)} sources answer: {', '.join(wanted)}"
    if mute:
        first = "; ".join(f"{name}: {why}" for name, why in list(mute.items())[:4])
        hint = "mend its table in [metrics], or what it looks at; a gate on it would see nothing"
        return Outcome.failed(first, expected=expected, evidence=evidence, hint=hint)
    return Outcome.passed(f"all {len(wanted)} answer", expected=expected, evidence=evidence)


@check("metrics.baseline", timeout="3h")
def baseline(ctx: Context, *, metrics: list[str], over: Seconds) -> Outcome:
    """What METRICS are over OVER, before anything is changed: gates and checks compare with it afterwards.

    Waits until the window is watched. The evidence holds the numbers, so the record keeps them.
    """
    seen = _watched(ctx, metrics, over)
    if isinstance(seen, Outcome):
        return seen
    evidence: dict[str, Scalar] = {}
    for one in seen:
        if one.value is not None:
            evidence[one.metric] = round(one.value, 6)
            evidence[f"{one.metric} from"] = (
                f"{one.how}, n={one.count:,}, {one.covered:.0%} of {format_duration(over)}"
            )
    if blind := [one for one in seen if not one.sighted]:
        hint = "a baseline is needed of each: mend its source, or take the metric out of the list"
        return Outcome.failed(_blindness(blind), hint=hint, evidence=evidence)
    actual = ", ".join(f"{one.metric} {value_text(one.value, one.unit)}" for one in seen)
    return Outcome.passed(actual, expected=f"{len(metrics)} metrics over {format_duration(over)}", evidence=evidence)


@check("metrics.within", timeout="3h", fresh_for="15m")
def within(
    ctx: Context,
    *,
    metrics: list[str],
    holds: str,
    over: Seconds,
    since: str | None = None,
    baseline: str | None = None,
    at_most_times: float | None = None,
    at_least: int = 50,
) -> Outcome:
    """Each of METRICS, over OVER, HOLDS a condition that says what is good ("< 1%"), and stays near its BASELINE.

    The window begins no earlier than SINCE (a moment, or the item that brought the change about), and the check waits
    until it is full. BASELINE is the item that captured one; AT_MOST_TIMES it is allowed (1.5 is half as much again).
    A ratio or a percentile of fewer than AT_LEAST events says nothing.
    """
    try:
        op, limit = parse_condition(holds)
    except ValueError as error:
        return Outcome.error(str(error))
    start = moment_of(ctx, since) if since else None
    if isinstance(start, Outcome):
        return start
    before: dict[str, float] = {}
    for metric in metrics if baseline else []:
        found = _baseline_of(ctx, str(baseline), metric)
        if isinstance(found, Outcome):
            return found
        before[metric] = found

    asked = _Asked(tuple(metrics), holds, op, limit, over, before, at_most_times or 1.0, at_least)
    seen = _watched(ctx, metrics, over, start, op, asked.beyond)
    return seen if isinstance(seen, Outcome) else _judged(asked, seen)


@dataclass(frozen=True, slots=True)
class _Asked:
    """What must hold: each of METRICS on the good side of OP LIMIT over OVER seconds, and at most TIMES what it was
    BEFORE, from AT_LEAST events."""

    metrics: tuple[str, ...]
    holds: str
    op: Op
    limit: float
    over: float
    before: Mapping[str, float]
    times: float
    at_least: int

    def broken(self, one: Figure) -> bool:
        """Whether ONE is on the bad side."""
        return one.value is not None and not COMPARE[self.op](one.value, self.limit)

    def beyond(self, one: Figure) -> bool:
        """Whether one value was enough to break it; a ratio of events speaks for the whole window."""
        return one.of_values and self.broken(one)

    def too_few(self, one: Figure) -> bool:
        """Whether ONE is of too few events to say anything."""
        return one.value is not None and not one.of_values and one.count < self.at_least

    def worse(self, one: Figure) -> bool:
        """Whether ONE is more than it may be of what it was before."""
        return one.metric in self.before and (one.value or 0.0) > self.times * self.before[one.metric]


def _judged(asked: _Asked, seen: Sequence[Figure]) -> Outcome:
    """Broken before unknown before worse: what was seen to be bad is not made better by what was not seen."""
    evidence: dict[str, Scalar] = {}
    for one in seen:
        evidence |= _numbers(one, asked.before.get(one.metric), alone=len(seen) == 1)
    told = ", ".join(f"{one.metric} {value_text(one.value, one.unit)}" for one in seen)
    actual = f"{told} ({seen[0].how}, n={seen[0].count:,})" if len(seen) == 1 else told
    expected = f"{' and '.join(asked.metrics)} {asked.holds} over {format_duration(asked.over)}"
    if asked.before:
        expected += f", at most {asked.times:g} × its baseline"
    if any(asked.broken(one) and not asked.too_few(one) and (one.sighted or asked.beyond(one)) for one in seen):
        return Outcome.failed(actual, expected=expected, evidence=evidence)
    if few := [one for one in seen if asked.too_few(one)]:
        what = f"{few[0].metric}: only {few[0].count:,} events, {asked.at_least:,} are needed"
        return Outcome.unknown(what, hint="watch longer, or while there is traffic", evidence=evidence)
    if blind := [one for one in seen if not one.sighted]:
        hint = f"see what {blind[0].metric} says of itself"
        return Outcome.unknown(_blindness(blind), hint=hint, evidence=evidence)
    if worse := [one for one in seen if asked.worse(one)]:
        was = ", ".join(f"{one.metric} was {value_text(asked.before[one.metric], one.unit)}" for one in worse)
        hint = "it is within its limit, and worse than before: find out what changed, then confirm with a reason"
        return Outcome.warned(f"{actual}; {was}", expected=expected, evidence=evidence, hint=hint)
    return Outcome.passed(actual, expected=expected, evidence=evidence)


def _numbers(one: Figure, before: float | None, *, alone: bool) -> dict[str, Scalar]:
    head = "" if alone else f"{one.metric} "
    numbers: dict[str, Scalar] = {
        f"{head}from": one.how,
        f"{head}n": one.count,
        f"{head}watched": f"{one.covered:.0%}",
    }
    for name, value in (("value", one.value), ("low", one.low), ("high", one.high), ("baseline", before)):
        if value is not None:
            numbers[f"{head}{name}"] = round(value, 6)
    return numbers


def _watched(
    ctx: Context,
    metrics: Sequence[str],
    over: float,
    start: datetime | None = None,
    worst: Op = "<=",
    decided: Callable[[Figure], bool] = lambda one: False,
) -> tuple[Figure, ...] | Outcome:
    """The figures once the window is full (and lies after START), one of them is DECIDED, or at the deadline."""
    live = ctx.live
    if live is None:
        return Outcome.unknown("there are no live metrics here", hint=_NO_RUN)
    for metric in metrics:
        if metric not in live.metrics:
            known = ", ".join(sorted(live.metrics)) or "none"
            return Outcome.unknown(f"nobody reports {metric}", hint=f"there are {known}")

    def passed() -> float:
        return over if start is None else (datetime.now(UTC) - start).total_seconds()

    def figures() -> tuple[Figure, ...]:
        span = max(min(over, passed()), 1.0)
        return tuple(figure(live, metric, span, worst=worst) for metric in metrics)

    def ready() -> bool:
        found = figures()
        full = passed() >= over and all(one.sighted or _lost(live, one.metric) for one in found)
        return full or any(decided(one) for one in found)

    _wait(ctx, max(ctx.seconds_left - 5.0, 1.0), ready, f"watched of {format_duration(over)}", over, figures)
    found = figures()
    if passed() < over and not any(decided(one) for one in found):
        what = f"only {format_duration(round(passed()))} have passed since the change"
        return Outcome.unknown(what, hint=f"it needs {format_duration(over)}: give the item a longer timeout")
    return found


def _wait(
    ctx: Context,
    most: float,
    ready: Callable[[], bool],
    what: str,
    over: float = 0.0,
    figures: Callable[[], tuple[Figure, ...]] | None = None,
) -> None:
    """Waits until READY, for MOST seconds, telling how far it is."""
    waited = 0.0
    while not ready() and waited < most and not ctx.cancelled.wait(_STEP):
        waited += _STEP
        if figures is not None:
            ctx.progress(min(one.covered for one in figures()) * over, over, "s", what)


def _lost(live: Live, metric: str) -> bool:
    """Whether waiting for METRIC is no use: its source has not given it for a while."""
    recent = live.summary(metric, max(10 * live.interval(metric), 60.0))
    return recent.looks >= 10 and not recent.seen


def _why_silent(live: Live, health: Health | None) -> str:
    if health is None:
        return "no such source"
    if health.value_at is None:
        return health.error or "no answer yet"
    if health.failures > STALE_INTERVALS:
        return f"silent for {health.failures} looks: {health.error}"
    return ""


def _why_blind(live: Live, metric: str) -> str:
    newest = live.newest(metric)
    if newest is None:
        return "nobody reports it" if metric not in live.metrics else "no data yet"
    if newest.value is None:
        return newest.error or str(newest.detail.get("why") or newest.detail.get("text") or "no data")
    return ""


def _told(live: Live, health: Health) -> str:
    valued = [name for name in health.metrics if (one := live.newest(name)) is not None and one.value is not None]
    return f"{len(valued)} of {len(health.metrics)} metrics, in {health.took * 1000:.0f} ms"


def _blindness(figures: Sequence[Figure]) -> str:
    return "; ".join(
        f"{one.metric}: " + (f"watched for {one.covered:.0%} of the window" if one.value is not None else "no data")
        for one in figures
    )


def _baseline_of(ctx: Context, item: str, metric: str) -> float | Outcome:
    seen = ctx.evidence.get(item)
    value = seen.evidence.get(metric) if seen is not None and seen.verdict.is_known else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return Outcome.unknown(f"{item!r} holds no baseline of {metric}", hint=f"run {item!r} before the change")
    return float(value)
