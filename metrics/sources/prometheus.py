"""Numbers that a Prometheus server (or one that speaks its API) computes: one instant query a metric.

Source: Prometheus documentation, "HTTP API" (instant queries); the words of errorType from its web/api/v1.
"""

from __future__ import annotations

import asyncio
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from metrics.samples import Measurement, clock, divide, finite, utc_now
from metrics.sources import Metric, Source, SourceError
from metrics.sources.fetching import Remote, Reply, token_of, url_of
from metrics.tables import Table

METRICS: Mapping[str, Metric] = {}  # each query of the table is one: prometheus.NAME
KEYS: Mapping[str, str] = {
    "url": "the server, without /api/v1; needed",
    "token": "a bearer token: a target, which is ${env:NAME}; none",
    "interval": 'between two looks; "15s"',
    "timeout": 'of one look at all queries; "8s"',
    "queries": "a table: NAME = a query with one number for an answer, which becomes prometheus.NAME; or NAME = a "
    "table of query, or bad and volume (queries that count the bad events and all of them, as increase(…) does "
    "and rate(…) does not), and unit (count), label, scale, limit, headline (true); needed",
}
STALE_AFTER = 300.0  # seconds, as the server's own look back
_SIDE_BY_SIDE = 4
_UNITS = ("count", "ratio", "ms", "1/s", "bytes", "s")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_SAYS = {  # what may be shown of errorType, with what to do
    "bad_data": "the server does not understand the query",
    "execution": "the query cannot be computed",
    "timeout": "the query took too long for the server",
    "canceled": "the server gave the query up",
    "internal": "the server failed",
    "unavailable": "the server is not ready",
    "not_found": "the server has no such thing",
    "not_acceptable": "the server cannot answer like that",
}
_HINTS = {
    401: "it wants a token",
    403: "the token is refused",
    404: "no Prometheus API there; write the url without /api/v1",
    405: "it takes no POST",
}
_EMPTY = "no series; where none means zero, the query says so: … or vector(0)"


class _Series(msgspec.Struct):
    value: tuple[float, str] | None = None  # none of a native histogram


class _Data(msgspec.Struct, rename="camel"):
    result_type: str
    result: msgspec.Raw


class _Answer(msgspec.Struct, rename="camel"):
    status: str
    data: _Data | None = None
    error_type: str = ""
    warnings: list[msgspec.Raw] | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for one metric: QUERY, or the events that were BAD over all of them (VOLUME)."""

    query: str = ""
    bad: str = ""
    volume: str = ""
    unit: str = "count"


@dataclass(frozen=True, slots=True)
class Found:
    """One number of one moment. VALUE is None when there is none, and WHY says so; WARNINGS counts those of
    the server, whose answer may then be a part of the whole."""

    value: float | None
    at: datetime
    why: str = ""
    warnings: int = 0
    stamp: str = ""


def found(reply: Reply) -> Found:
    """The one number of an instant query's REPLY.

    Raises SourceError for an answer that is an error, is not of that shape, or has more than one number.
    """
    answer = reply.decoded(_Answer)
    if answer.status != "success" or answer.data is None:
        kind = answer.error_type if answer.error_type in _SAYS else ""
        raise SourceError(f"prometheus: {kind}: {_SAYS[kind]}" if kind else f"prometheus: status {reply.status}")
    noted, pair = len(answer.warnings or ()), _pair(reply, answer.data)
    if pair is None:
        return Found(None, reply.at, _EMPTY, noted)
    seconds, text = pair
    if abs(utc_now().timestamp() - seconds) > STALE_AFTER:
        return Found(None, reply.at, "stale: of more than 5 minutes ago, or a clock is wrong", noted)
    at = datetime.fromtimestamp(seconds, UTC)
    try:
        value = finite(float(text))
    except ValueError:
        raise SourceError("prometheus: the value is no number") from None
    return Found(value, at, "" if value is not None else "NaN or without end", noted, repr(seconds))


def _pair(reply: Reply, data: _Data) -> tuple[float, str] | None:
    result = Reply(reply.what, reply.status, reply.headers, bytes(data.result), reply.at)
    if data.result_type == "scalar":
        return result.decoded(tuple[float, str])
    if data.result_type != "vector":
        raise SourceError("prometheus: the query gives no single number; a vector of one, or a scalar, is needed")
    series = result.decoded(list[_Series])
    if len(series) > 1:
        raise SourceError(f"prometheus: {len(series)} series: aggregate the query, as in sum(…)")
    if series and series[0].value is None:
        raise SourceError("prometheus: a histogram; take histogram_quantile(…) of it")
    return series[0].value if series else None


def gauge(metric: str, unit: str, one: Found) -> Measurement:
    """FOUND as a measurement of METRIC."""
    return Measurement(metric, one.value, 1 if one.value is not None else 0, unit, one.at, _detail(one))


def ratio(metric: str, unit: str, bad: Found, volume: Found) -> Measurement:
    """BAD / VOLUME as a measurement whose windows are a ratio of sums; under half an event is none at all.

    Counts of increase(…) are extrapolated, and so no whole numbers: the volume is rounded, the ratio kept.
    """
    detail = {**_detail(volume), **_detail(bad)}
    if bad.value is None or volume.value is None:
        return Measurement(metric, None, 0, unit, volume.at, detail)
    if bad.value < 0 or volume.value < 0 or bad.value > volume.value * (1 + 1e-9):
        raise SourceError("prometheus: bad is no part of volume; both count events over the same time")
    events, part = round(volume.value), divide(bad.value, volume.value)
    if not events or part is None:
        return Measurement(metric, None, 0, unit, volume.at, {**detail, "why": "no events"})
    return Measurement(metric, part, events, unit, volume.at, detail, bad=part * events)


def _detail(one: Found) -> dict[str, float | str]:
    detail: dict[str, float | str] = {"why": one.why} if one.why else {}
    if one.warnings:
        detail["warnings"] = f"{one.warnings}: the answer may be a part of the whole"
    return detail


class PrometheusSource:
    """Asks each of QUERIES every INTERVAL seconds, four at a time; FACES are their metrics, by the same names.

    A query that fails makes its own metric an error, and no other.
    """

    name: str = "prometheus"

    def __init__(
        self,
        url: str,
        queries: Mapping[str, Query],
        faces: Mapping[str, Metric],
        *,
        token: str = "",
        interval: float = 15.0,
        timeout: float = 8.0,
    ) -> None:
        if interval <= 0 or not queries:
            raise ValueError("interval is over 0, and there is a query")
        self.interval, self._timeout, self._queries = interval, timeout, dict(queries)
        self.metrics: Mapping[str, Metric] = {f"prometheus.{name}": face for name, face in faces.items()}
        self._remote = Remote("prometheus", url, token=token, timeout=timeout)

    async def start(self) -> None:
        await self._remote.start()

    async def stop(self) -> None:
        await self._remote.stop()

    async def sample(self) -> tuple[Measurement, ...]:
        """A measurement of each query, in their order."""
        turn, until = asyncio.Semaphore(_SIDE_BY_SIDE), clock() + self._timeout
        return tuple(await asyncio.gather(*(self._one(turn, until, *item) for item in self._queries.items())))

    async def _one(self, turn: asyncio.Semaphore, until: float, name: str, query: Query) -> Measurement:
        metric = f"prometheus.{name}"
        try:
            async with turn:
                if query.query:
                    return gauge(metric, query.unit, await self._found(until, query.query))
                volume = await self._found(until, query.volume)
                bad = await self._found(until, query.bad, volume.stamp)  # of the same moment, by its clock
                return ratio(metric, query.unit, bad, volume)
        except SourceError as error:
            return Measurement(metric, None, 0, query.unit, utc_now(), error=str(error))

    async def _found(self, until: float, query: str, time: str = "") -> Found:
        form = {"query": query, **({"time": time} if time else {})}
        return found(
            await self._remote.ask(
                "/api/v1/query", form=form, ok=(200, 400, 422, 503), hints=_HINTS, within=until - clock()
            )
        )


def build(table: Table) -> Source:
    """The source of `[metrics.prometheus]`."""
    given = table.take("queries", {})
    if not isinstance(given, Mapping) or not given:
        raise table.wrong("queries", "must be a table of queries, at least one")
    queries: dict[str, Query] = {}
    faces: dict[str, Metric] = {}
    for name, value in given.items():
        if not _NAME.fullmatch(str(name)):
            raise table.wrong("queries", "names are of lower-case letters, digits and _, as in checkout_p95")
        key = table.key(f"queries.{name}")
        queries[name], faces[name] = _query(Table(key, {"query": value} if isinstance(value, str) else value), name)
    return PrometheusSource(
        url_of(table),
        queries,
        faces,
        token=token_of(table, ""),
        interval=table.seconds("interval", 15.0),
        timeout=table.seconds("timeout", 8.0),
    )


def _query(table: Table, name: str) -> tuple[Query, Metric]:
    query, bad, volume = (table.text(key, "") for key in ("query", "bad", "volume"))
    if bool(query) == bool(bad or volume) or bool(bad) != bool(volume):
        raise table.wrong("query", "is needed, or bad and volume together")
    unit = table.choice("unit", *(_UNITS if query else ("ratio",)))
    face = Metric(
        table.text("label", name.replace("_", " ")),
        unit,
        "the answer to the query" if query else "bad events / all events",
        _number(table, "scale"),
        _number(table, "limit"),
        table.flag("headline", True),
    )
    table.done()
    return Query(query, bad, volume, unit), face


def _number(table: Table, name: str) -> float | None:
    value: Any = table.take(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value <= 0:
        raise table.wrong(name, "must be a number over 0")
    return float(value)
