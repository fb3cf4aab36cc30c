"""When the database will have no room left: its disk, and its connections."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from checks.contract import Context, Seconds, check
from checks.recorded import Span, history_file, span_of
from checks.trend import Trend, trend_of, until
from metrics.history import HistoryError, Recording
from metrics.views import value_text
from state.durations import format_duration
from state.verdicts import Outcome

_DAY, _HOUR = 86_400.0, 3600.0
_GB = 10**9
_KEPT = timedelta(days=30)
_COVERED = 0.5  # of the history: what was not looked at for longer says little of a day's growth


@dataclass(frozen=True, slots=True)
class _Room:
    """What runs out: WHAT, its TREND a day, its CAPACITY; or WHY nothing can be said of it, with a HINT."""

    what: str
    unit: str = ""
    trend: Trend | None = None
    capacity: float = 0.0
    why: str = ""
    hint: str = ""

    @property
    def days(self) -> tuple[float, float]:
        """Days until it is full: probably, and at the soonest."""
        return until(self.trend, self.capacity) if self.trend else (math.nan, math.nan)


@check("postgres.capacity", timeout="2m")
def capacity(
    ctx: Context,
    *,
    disk_gb: float | None = None,
    days: int = 30,
    at_least: Seconds = Seconds(2 * _DAY),  # noqa: B008 (immutable)
    size_metric: str = "pg.database_size",
    connections_metric: str = "pg.connections",
    usable_metric: str = "pg.usable",
    history: Path | None = None,
) -> Outcome:
    """The disk and the connections last for DAYS at the pace of the run's metric HISTORY.

    DISK_GB is what the database may take of its disk, in 10⁹ bytes. The growth a day is fitted to the same hours of
    different days (Theil–Sen, with an interval); of the connections it is that of their peaks. Fewer than DAYS at the
    fitted pace fail, fewer at the upper end of the interval warn. A history shorter than AT_LEAST says nothing.
    """
    now = datetime.now(UTC)
    try:
        with Recording(history_file(ctx, history)) as recording:
            size, connections, usable = (
                span_of(recording, metric, now - _KEPT, now)
                for metric in (size_metric, connections_metric, usable_metric)
            )
    except HistoryError as error:
        return Outcome.unknown(str(error), hint="the live metrics belong to a run: look with `tminus run`")
    rooms = (
        _room("disk", size, disk_gb * _GB if disk_gb else None, "disk_gb = the size of its disk", at_least, median),
        _room("connections", connections, usable.values[-1] if usable.values else None,
              f"the metric {usable_metric}: the source [metrics.postgres]", at_least, max),
    )  # fmt: skip
    return _judged(rooms, days)


def _room(
    what: str,
    span: Span,
    capacity: float | None,
    missing: str,
    at_least: float,
    of_hour: Callable[[Sequence[float]], float],
) -> _Room:
    if not capacity:
        return _Room(what, why=f"{what}: nobody knows how much there is", hint=missing)
    if not span.values:
        return _Room(what, why=f"{what}: {span.metric} was not looked at", hint="see the source [metrics.postgres]")
    seconds = (span.at[-1] - span.at[0]) / 1000
    if seconds < at_least:
        had = f"{format_duration(seconds)} of history, {format_duration(at_least)} are needed"
        return _Room(what, why=f"{what}: {had}", hint="look again when the run is older")
    points = _hours(span, of_hour)
    trend = trend_of(points, of_hour)
    if trend is None or len(points) * _HOUR < _COVERED * seconds:
        return _Room(what, why=f"{what}: {span.metric} was not looked at often enough", hint="keep the run open")
    return _Room(what, span.unit, trend, capacity)


def _hours(span: Span, of_hour: Callable[[Sequence[float]], float]) -> list[tuple[int, float]]:
    """One value an hour: (hours since 1970, OF_HOUR of what was seen)."""
    found: defaultdict[int, list[float]] = defaultdict(list)
    for at, value in zip(span.at, span.values, strict=True):
        found[int(at / 1000 // _HOUR)].append(value)
    return [(number, of_hour(values)) for number, values in sorted(found.items())]


def _judged(rooms: Sequence[_Room], days: int) -> Outcome:
    evidence: dict[str, object] = {}
    for room in rooms:
        if room.trend is not None:
            evidence |= _evidence(room, room.trend)
    seen = [room for room in rooms if room.trend is not None]
    short = [room for room in seen if room.days[0] < days]
    close = [room for room in seen if room.days[1] < days]
    blind = [room for room in rooms if room.why]
    actual = "; ".join([*map(_told, seen), *(room.why for room in blind)])
    expected = f"disk and connections last for {days} days"
    if short:
        hint = "a larger plan or disk, less data, or a pooler, before it runs out"
        return Outcome.failed(actual, expected=expected, evidence=evidence, hint=hint)
    if blind:
        return Outcome.unknown(actual, hint="; ".join(room.hint for room in blind), evidence=evidence)
    if close:
        hint = "at the upper end of what the history allows it is sooner: look again tomorrow"
        return Outcome.warned(actual, expected=expected, evidence=evidence, hint=hint)
    return Outcome.passed(actual, expected=expected, evidence=evidence)


def _evidence(room: _Room, trend: Trend) -> dict[str, object]:
    likely, soonest = room.days
    found: dict[str, object] = {
        f"{room.what} now": value_text(trend.newest, room.unit),
        f"{room.what} of": value_text(room.capacity, room.unit),
        f"{room.what} a day": _signed(trend.slope, room.unit),
        f"{room.what} a day, 95%": f"{_signed(trend.low, room.unit)} to {_signed(trend.high, room.unit)}",
    }
    if likely < math.inf:
        found[f"{room.what} days left"] = round(likely, 1)
    if soonest < math.inf:
        found[f"{room.what} days left at the soonest"] = round(soonest, 1)
    return found


def _told(room: _Room) -> str:
    assert room.trend is not None
    likely, soonest = room.days
    pace = f"{room.what} {_signed(room.trend.slope, room.unit)} a day"
    if soonest == math.inf:
        return f"{pace}: it does not grow"
    sure = f", {soonest:.0f} at the soonest" if soonest < likely else ""
    return f"{pace}: {'no end in sight' if likely == math.inf else f'{likely:.0f} days left'}{sure}"


def _signed(value: float, unit: str) -> str:
    text = f"{abs(value):.2g}" if unit == "count" else value_text(abs(value), unit)
    return f"{'-' if value < 0 else '+'}{text}"
