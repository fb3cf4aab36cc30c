"""The application's own side, from its Prometheus page: its connection pool, and its real traffic.

With several worker processes a plain page is that of one of them, picked by chance; only a page in
multiprocess mode speaks for all. The detail "workers" always says which it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import httpx

from metrics.latency import MIN_FOR_P95
from metrics.samples import Measurement, divide, utc_now
from metrics.sources import Metric, Source, SourceError
from metrics.sources.exposition import Scrape, increases, named, parse, quantile
from metrics.tables import Table

METRICS: Mapping[str, Metric] = {
    "pool.app_used": Metric("Pool in use, app", "count", "connections that the application has checked out"),
    "pool.app_capacity": Metric("Pool capacity, app", "count", "connections its pool may open"),
    "pool.app_usage": Metric("Pool usage, app", "ratio", "checked out / capacity", 1.0, 0.8, headline=True),
    "app.error_rate": Metric(
        "Error rate, traffic", "ratio", "answers of 5xx / answers since the scrape before", 1.0, 0.1, headline=True
    ),
    "app.p95": Metric(
        "Traffic p95", "ms", "95% of the answers since the scrape before were faster", 1000.0, 500.0, headline=True
    ),
}
KEYS: Mapping[str, str] = {
    "url": "the page; needed",
    "interval": 'between two scrapes; "5s"',
    "timeout": 'of one scrape; "4s"',
    "workers": "processes behind the URL, where known",
    "names": "what the application calls its numbers: size, checked_out, checked_in, overflow, max_overflow, "
    "requests, duration",
}
MAX_BYTES = 8 * 1024 * 1024
_STATUS_LABELS = ("status", "status_code", "code", "http_status")
_WORKER_LABELS = ("pid", "worker", "worker_id", "instance")


@dataclass(frozen=True, slots=True)
class Names:
    """What the application calls its numbers. Request counters carry a status label; the duration is a
    histogram in seconds."""

    size: str = "sqlalchemy_pool_size"
    checked_out: str = "sqlalchemy_pool_checked_out"
    checked_in: str = "sqlalchemy_pool_checked_in"
    overflow: str = "sqlalchemy_pool_overflow"
    max_overflow: str = "sqlalchemy_pool_max_overflow"
    requests: str = "flask_http_request_total"
    duration: str = "flask_http_request_duration_seconds"


class PoolSource:
    """Scrapes URL every INTERVAL seconds, each time within TIMEOUT seconds.

    workers   processes behind URL, where known: a page of one worker then says "one of N workers"

    Capacity is size + max_overflow where that is exported; without it the capacity is what can be vouched for
    (size, or what is in use beyond it), and the detail says so. app.error_rate and app.p95 are of the traffic
    since the scrape before; a counter that fell or vanished makes them no data.
    """

    name: str = "pool"
    metrics = METRICS

    def __init__(
        self,
        url: str,
        *,
        interval: float = 5.0,
        timeout: float = 4.0,
        workers: int | None = None,
        names: Names | None = None,
    ) -> None:
        if interval <= 0 or timeout <= 0:
            raise ValueError("interval and timeout are over 0")
        self.interval, self._timeout, self._url = interval, timeout, url
        self._workers, self._names = workers, names or Names()
        self._client: httpx.AsyncClient | None = None
        self._before: Scrape | None = None

    async def start(self) -> None:
        self._client = httpx.AsyncClient(timeout=self._timeout, follow_redirects=False)

    async def stop(self) -> None:
        if self._client is not None:
            client, self._client = self._client, None
            await client.aclose()

    async def sample(self) -> tuple[Measurement, ...]:
        """Raises SourceError when the page could not be fetched or read."""
        scrape = await self._scrape()
        before, self._before = self._before, scrape
        return (*self._pool(scrape), *self._traffic(before, scrape))

    async def _scrape(self) -> Scrape:
        if self._client is None:
            raise SourceError("the source is not started")
        body = bytearray()
        try:
            async with self._client.stream("GET", self._url) as reply:
                if reply.status_code != 200:
                    raise SourceError(f"metrics page: status {reply.status_code}")
                async for chunk in reply.aiter_bytes():
                    body += chunk
                    if len(body) > MAX_BYTES:
                        raise SourceError(f"metrics page: over {MAX_BYTES} bytes")
            return parse(body.decode("utf-8"))
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise SourceError(f"metrics page: {type(error).__name__}") from None
        except (ValueError, KeyError, IndexError):
            raise SourceError("metrics page: not in the Prometheus text format") from None

    def _seen(self, scrape: Scrape) -> str:
        gauges = named(scrape, self._names.checked_out) or named(scrape, self._names.requests)
        workers = {labels[w] for labels, _ in gauges for w in _WORKER_LABELS if w in labels}
        if len(workers) > 1:
            return f"{len(workers)} workers summed"
        if self._workers == 1:
            return "the only worker"
        return f"one of {self._workers} workers" if self._workers else "one worker seen, there may be more"

    def _pool(self, scrape: Scrape) -> tuple[Measurement, ...]:
        at, names = utc_now(), self._names

        def total(name: str, *, floor: float = float("-inf")) -> float | None:
            found = [max(value, floor) for _, value in named(scrape, name)]
            return sum(found) if found else None

        used, size, extra = total(names.checked_out), total(names.size), total(names.max_overflow)
        detail: dict[str, float | str] = {"workers": self._seen(scrape)}
        idle = total(names.checked_in)
        if idle is not None:
            detail["checked_in"] = idle
        capacity = None
        if size is not None:
            in_overflow = total(names.overflow, floor=0.0) or 0.0  # SQLAlchemy counts it from -size upwards
            capacity = size + (extra if extra is not None else in_overflow)
            if extra is None:
                detail["capacity"] = "without max_overflow, which the application does not export"
            if extra is not None and extra < 0:  # SQLAlchemy's -1 is no limit
                capacity, detail["capacity"] = None, "no limit"
        missing = [n for n, v in ((names.checked_out, used), (names.size, size)) if v is None]
        error = f"metrics page: no {' and no '.join(missing)}" if missing else ""

        def gauge(metric: str, value: float | None, unit: str) -> Measurement:
            return Measurement(metric, value, 1, unit, at, detail, error)

        return (
            gauge("pool.app_used", used, "count"),
            gauge("pool.app_capacity", capacity, "count"),
            gauge("pool.app_usage", divide(used, capacity), "ratio"),
        )

    def _traffic(self, before: Scrape | None, scrape: Scrape) -> tuple[Measurement, ...]:
        at, detail = utc_now(), {"workers": self._seen(scrape)}
        requests, buckets = self._names.requests, f"{self._names.duration}_bucket"

        def nothing(metric: str, unit: str, why: str, error: str = "") -> Measurement:
            return Measurement(metric, None, 0, unit, at, {**detail, "why": why}, error)

        if before is None:
            return (
                nothing("app.error_rate", "ratio", "first scrape"),
                nothing("app.p95", "ms", "first scrape"),
            )
        same = named(before, _STARTED) == named(scrape, _STARTED)
        served = increases(before, scrape, requests) if same else None
        if not named(scrape, requests):
            errors = nothing("app.error_rate", "ratio", "", f"metrics page: no {requests}")
        elif served is None:
            errors = nothing("app.error_rate", "ratio", "counters were reset, or another worker answered")
        else:
            count = sum(n for _, n in served)
            bad = sum(n for labels, n in served if _status(labels).startswith("5"))
            known = all(_status(labels) for labels, _ in served)
            errors = (
                Measurement("app.error_rate", divide(bad, count), int(count), "ratio", at, detail, bad=bad)
                if known
                else nothing("app.error_rate", "ratio", "", f"metrics page: {requests} has no status label")
            )
        if not named(scrape, buckets):
            return (errors, nothing("app.p95", "ms", "", f"metrics page: no {buckets}"))
        grown = increases(before, scrape, buckets) if same else None
        if grown is None:
            return (errors, nothing("app.p95", "ms", "counters were reset, or another worker answered"))
        found = quantile(0.95, grown, MIN_FOR_P95)
        note: dict[str, float | str] = {**detail, "from": "histogram buckets, linear within one"}
        if found.value is None:
            note["text"] = f"n too small ({found.count} of {MIN_FOR_P95})"
        if found.at_least:
            note["text"] = "above the last bucket: at least this"
        value = None if found.value is None else found.value * 1000
        return (errors, Measurement("app.p95", value, found.count, "ms", at, note))


_STARTED = "process_start_time_seconds"


def _status(labels: dict[str, str]) -> str:
    return next((labels[name] for name in _STATUS_LABELS if name in labels), "")


def build(table: Table) -> Source:
    """The source of `[metrics.pool]`."""
    names = table.table("names")
    given = {field.name: names.take(field.name) for field in fields(Names)}
    for name, value in given.items():
        if value is not None and (not isinstance(value, str) or not value):
            raise names.wrong(name, "must be the name of a metric")
    names.done()
    return PoolSource(
        table.url("http", "https"),
        interval=table.seconds("interval", 5.0),
        timeout=table.seconds("timeout", 4.0),
        workers=table.whole("workers", None),
        names=Names(**{name: value for name, value in given.items() if value is not None}),
    )
