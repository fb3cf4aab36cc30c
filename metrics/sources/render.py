"""What Render measures of a service and of a database: cpu, memory, connections, requests, latency.

Source: Render API v1, `/metrics/*` (its 400 GETs a minute are for all of a user's tools, so one look asks at
most 10), and the generated client types of render-oss/cli. Public traffic only; the private network is not in it.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from metrics.samples import Measurement, clock, utc_now
from metrics.sources import Metric, Source, SourceError
from metrics.sources.fetching import Remote, token_of, url_of
from metrics.sources.render_series import QUANTILES, Answer, Look, Seen, connections, latencies, traffic, usage
from metrics.tables import Table

METRICS: Mapping[str, Metric] = {
    "render.cpu": Metric("CPU, service", "ratio", "of the limit, of the busiest instance", 1.0, 0.8, headline=True),
    "render.cpu_cores": Metric("Cores, service", "count", "cores in use by the busiest instance"),
    "render.memory": Metric(
        "Memory, service", "ratio", "of the limit, of the fullest instance", 1.0, 0.9, headline=True
    ),
    "render.memory_bytes": Metric("Memory in use, service", "bytes", "of the fullest instance"),
    "render.requests": Metric("Requests", "1/s", "answered requests of the newest whole minutes", headline=True),
    "render.error_rate": Metric(
        "Error rate, Render", "ratio", "answers of 5xx / answers since the look before", 1.0, 0.1, headline=True
    ),
    "render.p50": Metric("Render p50", "ms", "the median of the newest whole minute", 1000.0),
    "render.p95": Metric("Render p95", "ms", "95% of the newest whole minute", 1000.0, 500.0, headline=True),
    "render.p99": Metric("Render p99", "ms", "99% of the newest whole minute", 1000.0),
    "render.connections": Metric("Connections, Render", "count", "active connections of the database", headline=True),
    "render.database_cpu": Metric("CPU, database", "ratio", "of its limit", 1.0, 0.8, headline=True),
    "render.database_memory": Metric("Memory, database", "ratio", "of its limit", 1.0, 0.9, headline=True),
}
KEYS: Mapping[str, str] = {
    "url": 'the API; "https://api.render.com/v1"',
    "token": "an API key; needed",
    "service": "the service's id, srv-…; it or database is needed",
    "database": "the database's id, dpg-…",
    "resolution": 'the width of a bucket, whole seconds, 30s or more; "60s"',
    "interval": 'between two looks; "60s"',
    "timeout": 'of one look; "8s"',
}
API = "https://api.render.com/v1"
MOST = 10  # GETs of one look
_SIDE_BY_SIDE = 3
LIMIT_FOR = 300.0  # seconds a limit is held for true: a plan may be changed on the day itself
SERVICE_ID, DATABASE_ID = re.compile(r"srv-[a-z0-9]+"), re.compile(r"dpg-[a-z0-9]+(-[a-z0-9]+)?")
_HINTS = {
    400: "the question is refused; is the id right?",
    401: "the API key is refused",
    403: "not with this API key, or not in this plan",
    404: "no such service or database, or not in this plan",
    500: "where it lasts, set a coarser resolution: too many points fail like this",
}


@dataclass(frozen=True, slots=True)
class Ask:
    """One GET: what of Render's metrics, of which resource, with what more."""

    kind: str
    resource: str
    more: tuple[tuple[str, str], ...] = ()


class RenderSource:
    """Asks of SERVICE and DATABASE (one may be "") every INTERVAL seconds, in buckets of RESOLUTION seconds.

    What a plan does not have is an error of its own metrics alone. Requests and errors are of the whole buckets
    since the look before, each counted once. One look is done within TIMEOUT seconds.
    """

    name: str = "render"

    def __init__(
        self,
        token: str,
        *,
        url: str = API,
        service: str = "",
        database: str = "",
        resolution: int = 60,
        interval: float = 60.0,
        timeout: float = 8.0,
    ) -> None:
        if interval <= 0 or resolution < 30 or not (service or database):
            raise ValueError("interval is over 0, resolution 30 or more, and there is a service or a database")
        self.interval, self._resolution, self._timeout = interval, timedelta(seconds=resolution), timeout
        self._remote = Remote("render", url, token=token, timeout=timeout)
        self._service, self._database = service, database
        self.metrics: Mapping[str, Metric] = {
            name: face for name, face in METRICS.items() if (database if of_database(name) else service)
        }
        self._limits: dict[Ask, tuple[float, Seen]] = {}
        self._counted: datetime | None = None

    async def start(self) -> None:
        await self._remote.start()

    async def stop(self) -> None:
        await self._remote.stop()

    async def sample(self) -> tuple[Measurement, ...]:
        """Every metric of the source; those whose question failed are errors."""
        begun = clock()
        self._limits = {ask: one for ask, one in self._limits.items() if begun - one[0] < LIMIT_FOR}
        asks = _asks(self._service, self._database)
        limits = [ask for ask in _limit_asks(self._service, self._database) if ask not in self._limits]
        now_asked = [*asks, *limits[: MOST - len(asks)]]
        turn = asyncio.Semaphore(_SIDE_BY_SIDE)
        answers = await asyncio.gather(*(self._ask(turn, ask, begun + self._timeout) for ask in now_asked))
        look: dict[Ask, Look] = dict(zip(now_asked, answers, strict=True))
        for ask in limits:
            seen = look.get(ask)
            if isinstance(seen, Seen) and seen.answer:
                self._limits[ask] = (begun, seen)
        look |= {ask: seen for ask, (_, seen) in self._limits.items()}
        return (*(self._of_service(look) if self._service else ()), *(self._of_base(look) if self._database else ()))

    def _of_service(self, look: Mapping[Ask, Look]) -> tuple[Measurement, ...]:
        it = self._service
        cpu, memory, requests, latency = (look[ask] for ask in _asks(it, ""))
        cpus, memories = (look.get(ask) for ask in _limit_asks(it, ""))
        counted, self._counted = traffic(requests, self._counted)
        return (
            *usage(cpu, cpus, "cpu", "render.cpu", "render.cpu_cores"),
            *usage(memory, memories, "memory", "render.memory", "render.memory_bytes"),
            *counted,
            *latencies(latency),
        )

    def _of_base(self, look: Mapping[Ask, Look]) -> tuple[Measurement, ...]:
        cpu, memory, active = (look[ask] for ask in _asks("", self._database))
        cpus, memories = (look.get(ask) for ask in _limit_asks("", self._database))
        return (
            connections(active),
            *usage(cpu, cpus, "cpu", "render.database_cpu"),
            *usage(memory, memories, "memory", "render.database_memory"),
        )

    async def _ask(self, turn: asyncio.Semaphore, ask: Ask, until: float) -> Look:
        now, step = utc_now(), self._resolution
        since = now - max(10 * step, timedelta(minutes=5))
        # on a whole step, so that buckets have the same bounds at every look
        begin = datetime.fromtimestamp(since.timestamp() // step.total_seconds() * step.total_seconds(), UTC)
        params = [
            ("resource", ask.resource),
            ("startTime", f"{begin:%Y-%m-%dT%H:%M:%SZ}"),
            ("endTime", f"{now:%Y-%m-%dT%H:%M:%SZ}"),
            ("resolutionSeconds", f"{step.total_seconds():.0f}"),
            *ask.more,
        ]
        try:
            async with turn:
                reply = await self._remote.ask(f"/metrics/{ask.kind}", params, hints=_HINTS, within=until - clock())
            return Seen(reply.decoded(Answer), begin, min(now, reply.at), step)
        except SourceError as error:
            return error


def of_database(metric: str) -> bool:
    """Whether METRIC is of the database, and not of the service."""
    return metric == "render.connections" or metric.startswith("render.database_")


def _asks(service: str, database: str) -> list[Ask]:
    of_service = [
        Ask("cpu", service),
        Ask("memory", service),
        Ask("http-requests", service, (("aggregateBy", "statusCode"),)),
        Ask("http-latency", service, tuple(("quantile", f"{part}") for part in QUANTILES.values())),
    ]
    of_base = [Ask("cpu", database), Ask("memory", database), Ask("active-connections", database)]
    return (of_service if service else []) + (of_base if database else [])


def _limit_asks(service: str, database: str) -> list[Ask]:
    return [Ask(f"{kind}-limit", it) for it in (service, database) if it for kind in ("cpu", "memory")]


def build(table: Table) -> Source:
    """The source of `[metrics.render]`."""
    service, database = table.text("service", ""), table.text("database", "")
    if service and not SERVICE_ID.fullmatch(service):
        raise table.wrong("service", "must be the id of a service, srv-…")
    if database and not DATABASE_ID.fullmatch(database):
        raise table.wrong("database", "must be the id of a database, dpg-…")
    if not service and not database:
        raise table.wrong("service", "is needed, or database")
    resolution = table.seconds("resolution", 60.0)
    if resolution < 30 or resolution % 1 or resolution > 3600:
        raise table.wrong("resolution", 'must be whole seconds of "30s" to "1h"')
    return RenderSource(
        token_of(table),
        url=url_of(table, API),
        service=service,
        database=database,
        resolution=int(resolution),
        interval=table.seconds("interval", 60.0),
        timeout=table.seconds("timeout", 8.0),
    )
