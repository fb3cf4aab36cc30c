"""Render's metric series as measurements.

Source: Render API `/metrics/*`: a list of series, each with labels, a unit and values by time. The units are
confirmed nowhere, so that they are read from the answer, and one that is not known is an error: a guess would
be wrong a thousand times over.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

import msgspec

from metrics.samples import Measurement, divide, utc_now
from metrics.sources import SourceError

QUANTILES = {"render.p50": 0.5, "render.p95": 0.95, "render.p99": 0.99}
_MILLIS = {"ms": 1.0, "millisecond": 1.0, "milliseconds": 1.0, "s": 1000.0, "second": 1000.0, "seconds": 1000.0}
_UNITS = {"cpu": ("cpu", "cpus", "core", "cores", ""), "memory": ("bytes", "byte", "b", "")}
_HIGHEST = 1e18  # so that no sum is without end
_STATUS = re.compile(r"[1-5](?:[0-9]{2}|xx)")
_STATUS_FIELDS = ("statusCode", "status_code", "status")


class Label(msgspec.Struct):
    """One label of a series."""

    field: str
    value: str


class Point(msgspec.Struct):
    """A value, and the moment its bucket began."""

    timestamp: datetime
    value: float | None = None


class Series(msgspec.Struct):
    """Values that share their labels."""

    values: list[Point]
    labels: list[Label] = []
    unit: str = ""


Answer = list[Series]
Detail = dict[str, float | str]


@dataclass(frozen=True, slots=True)
class Seen:
    """An ANSWER in buckets of STEP, from BEGIN on; NOW is when it was asked for, by the earlier of both clocks."""

    answer: Answer
    begin: datetime
    now: datetime
    step: timedelta

    @property
    def stale(self) -> datetime:
        """What began before is too old to speak for now."""
        return self.now - max(timedelta(minutes=5), 4 * self.step)


Look = Seen | SourceError  # an answer, or why there is none


def usage(used: Look, limit: Look | None, kind: str, ratio: str, own: str = "") -> tuple[Measurement, ...]:
    """USED over LIMIT as the metric RATIO, and USED itself as the metric OWN; of the instance that uses most.

    KIND is "cpu" or "memory". A LIMIT of None was not asked for yet; without a limit there is no ratio.
    """

    def most(seen: Look) -> tuple[float | None, datetime]:
        answer = _given(seen).answer
        if any(series.unit.lower() not in _UNITS[kind] for series in answer):
            raise SourceError(f"render: {kind} in a unit that is not known")
        values, at = _fresh(_given(seen))
        return (max(values) if values else None), at

    def of_limit() -> Measurement:
        value, at = most(used)
        if value is None:
            return _nothing(ratio, "ratio", "no data in the last minutes")
        if limit is None:
            return _nothing(ratio, "ratio", "its limit is asked for at the next look")
        bounds, _ = _fresh(_given(limit))
        most(limit)  # its unit
        share = divide(value, min(bounds)) if bounds else None
        detail: Detail = {"used": value, "limit": min(bounds)} if bounds else {"why": "no limit is told"}
        return Measurement(ratio, share, int(share is not None), "ratio", at, detail)

    def itself() -> Measurement:
        value, at = most(used)
        unit = "count" if kind == "cpu" else "bytes"
        return Measurement(own, value, 1, unit, at) if value is not None else _nothing(own, unit, "no data")

    out = (_safely(ratio, "ratio", of_limit),)
    return (*out, _safely(own, "count" if kind == "cpu" else "bytes", itself)) if own else out


def connections(seen: Look) -> Measurement:
    """render.connections: the newest value, of all series together."""
    metric = "render.connections"

    def summed() -> Measurement:
        values, at = _fresh(_given(seen))
        return Measurement(metric, sum(values), 1, "count", at) if values else _nothing(metric, "count", "no data")

    return _safely(metric, "count", summed)


def latencies(seen: Look) -> tuple[Measurement, ...]:
    """render.p50, p95 and p99 of the newest whole bucket; of several series the slowest, never their average."""

    def slowest(metric: str, part: float) -> Measurement:
        given = _given(seen)
        wanted = [series for series in given.answer if _is(label(series, "quantile"), part)]
        found = {
            at: max(_millis(series, value) for series, value in rows)
            for at, rows in _rows(given, wanted).items()
            if at >= given.stale
        }
        if not found:
            return _nothing(metric, "ms", "no answers in the last minutes, or not in this plan")
        at = max(found)
        return Measurement(metric, found[at], 1, "ms", at, {"bucket_s": given.step.total_seconds()})

    return tuple(_safely(metric, "ms", partial(slowest, metric, part)) for metric, part in QUANTILES.items())


def traffic(seen: Look, counted: datetime | None) -> tuple[tuple[Measurement, Measurement], datetime | None]:
    """render.requests and render.error_rate of the whole buckets after COUNTED, and the newest one counted.

    Each bucket counts once; at the first look only the newest does. A status that a bucket does not have was
    not answered in it. A series without a status is an error: what is not known is not counted as well.
    """
    rate, errors = "render.requests", "render.error_rate"
    try:
        given = _given(seen)
        if not all(_STATUS.fullmatch(label(series, *_STATUS_FIELDS)) for series in given.answer):
            raise SourceError("render: requests without a status")
        buckets = _rows(given, given.answer)
    except SourceError as error:
        return (_failed(rate, "1/s", error), _failed(errors, "ratio", error)), counted
    fresh = {at: rows for at, rows in buckets.items() if counted is None or at > counted}
    if not fresh:
        why = "no bucket newer than at the look before" if buckets else "no requests in the last minutes"
        return (_nothing(rate, "1/s", why), _nothing(errors, "ratio", why)), counted
    last = max(fresh)
    since = last - given.step if counted is None else max(counted, given.begin - given.step)
    rows = [row for at, some in fresh.items() if at > since for row in some]
    total = sum(value for _, value in rows)
    bad = sum(value for series, value in rows if label(series, *_STATUS_FIELDS).startswith("5"))
    detail: Detail = {"seconds": (last - since).total_seconds()}
    return (
        Measurement(rate, divide(total, (last - since).total_seconds()), 1, "1/s", last, detail),
        Measurement(errors, divide(bad, total), round(total), "ratio", last, detail, bad=bad),
    ), last


def label(series: Series, *fields: str) -> str:
    """The value of the first of FIELDS that SERIES has; "" without."""
    named = {one.field: one.value for one in series.labels}
    return next((named[field] for field in fields if field in named), "")


def _given(seen: Look) -> Seen:
    if isinstance(seen, SourceError):
        raise seen
    return seen


def _points(series: Series) -> dict[datetime, float]:
    points = {point.timestamp: point.value for point in series.values if point.value is not None}
    if any(at.tzinfo is None or not 0 <= value <= _HIGHEST for at, value in points.items()):
        raise SourceError("render: a value that cannot be, or a time without a zone")
    return points


def _fresh(seen: Seen) -> tuple[list[float], datetime]:
    """The newest value of each series, and when; without the series that end earlier: instances that are gone."""
    found = [max(points.items()) for points in map(_points, seen.answer) if points]
    found = [(at, value) for at, value in found if seen.stale <= at <= seen.now + timedelta(minutes=5)]
    if not found:
        return [], seen.now
    newest = max(at for at, _ in found)
    return [value for at, value in found if newest - at <= 2 * seen.step], newest.astimezone(UTC)


def _rows(seen: Seen, answer: Answer) -> dict[datetime, list[tuple[Series, float]]]:
    """The values by bucket, of the buckets that are whole: the newest is still being filled."""
    rows: dict[datetime, list[tuple[Series, float]]] = {}
    for series in answer:
        for at, value in _points(series).items():
            if seen.begin <= at <= seen.now - seen.step:
                rows.setdefault(at.astimezone(UTC), []).append((series, value))
    return rows


def _millis(series: Series, value: float) -> float:
    factor = _MILLIS.get(series.unit.lower())
    if factor is None:
        raise SourceError("render: latency in a unit that is not known")
    return value * factor


def _is(text: str, quantile: float) -> bool:
    try:
        return abs(float(text) - quantile) < 1e-9
    except ValueError:
        return False


def _safely(metric: str, unit: str, measure: Callable[[], Measurement]) -> Measurement:
    try:
        return measure()
    except SourceError as error:
        return _failed(metric, unit, error)


def _failed(metric: str, unit: str, error: SourceError) -> Measurement:
    return Measurement(metric, None, 0, unit, utc_now(), error=str(error))


def _nothing(metric: str, unit: str, why: str) -> Measurement:
    return Measurement(metric, None, 0, unit, utc_now(), {"why": why})
