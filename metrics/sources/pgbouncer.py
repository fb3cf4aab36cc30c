"""PgBouncer's own view, from its admin console: who waits for a server, for how long, and how much goes through.

Columns are read by name, as older builds lack some (Debian 12 has 1.18). The url names the database `pgbouncer` and a
user of admin_users or stats_users. Source: pgbouncer/doc/usage.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from metrics.samples import Measurement, clock, divide, finite, utc_now
from metrics.sources import Metric, Source, SourceError
from metrics.sources.connecting import Looker, connected
from metrics.tables import Table
from state.clean import clean, shorten

METRICS: Mapping[str, Metric] = {
    "pgbouncer.clients_waiting": Metric(
        "Clients waiting", "count", "clients for which no server connection is free", 10.0, 1.0, headline=True
    ),
    "pgbouncer.max_wait": Metric("Longest wait", "s", "of the client that has waited longest"),
    "pgbouncer.clients_active": Metric("Clients active", "count", "clients linked to a server, or that want none"),
    "pgbouncer.servers_active": Metric("Servers in use", "count", "server connections that a client holds"),
    "pgbouncer.servers_idle": Metric("Servers idle", "count", "server connections that are free"),
    "pgbouncer.usage": Metric(
        "Pool usage, PgBouncer", "ratio", "servers in use / pool size, of the fullest pool", 1.0, 0.8
    ),
    "pgbouncer.transactions": Metric("Transactions, PgBouncer", "1/s", "since the look before"),
    "pgbouncer.wait_time": Metric("Wait a transaction", "ms", "time waited for a server / transactions"),
    "pgbouncer.query_time": Metric("Query time", "ms", "time in queries / queries"),
}
KEYS: Mapping[str, str] = {
    "url": "its admin console: postgresql://stats@host:6432/pgbouncer; needed",
    "database": "the one database that counts; all of them",
    "interval": 'between two looks; "5s"',
    "timeout": 'of one look; "4s"',
}
APPLICATION_NAME = "tminus-metrics"
_TOTALS = ("pgbouncer.transactions", "pgbouncer.wait_time", "pgbouncer.query_time")
_OWN = "pgbouncer"  # the console itself, which is no pool
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Totals:
    """The cumulative counters of the databases that count, at AT seconds of the clock; times in µs. None: this
    build does not tell."""

    at: float
    transactions: float | None
    queries: float | None
    wait: float | None
    query_time: float | None


class PgBouncerSource:
    """Asks the console at URL every INTERVAL seconds, each time within TIMEOUT seconds."""

    name: str = "pgbouncer"
    metrics = METRICS

    def __init__(self, url: str, *, database: str = "", interval: float = 5.0, timeout: float = 4.0) -> None:
        self.interval, self._timeout, self._url, self._database = interval, timeout, url, database
        self._looker = Looker("PgBouncer", self._connect, timeout)
        self._before: Totals | None = None

    def __repr__(self) -> str:
        return f"PgBouncerSource(interval={self.interval})"

    async def start(self) -> None:
        return None

    async def stop(self) -> None:
        self._looker.stop()

    async def sample(self) -> tuple[Measurement, ...]:
        """Raises SourceError when the console could not be asked."""
        pools, databases, stats = await self._looker.look(_ask)
        pools, stats = self._counted(pools), self._counted(stats)
        if not pools:
            why = f"no pool of the database {self._database!r} yet" if self._database else "no pool yet"
            at = utc_now()
            return tuple(Measurement(name, None, 0, face.unit, at, {"why": why}) for name, face in METRICS.items())
        totals = _totals(stats)
        before, self._before = self._before, totals
        return (*_of_pools(pools, databases), *_of_totals(before, totals))

    def _connect(self) -> Any:
        connection = connected(self._url, APPLICATION_NAME, self._timeout)
        connection.autocommit = True  # the console knows no transactions
        return connection

    def _counted(self, rows: Iterable[Row]) -> list[Row]:
        wanted = self._database
        return [row for row in rows if row.get("database") != _OWN and (not wanted or row.get("database") == wanted)]


def _ask(connection: Any) -> tuple[list[Row], list[Row], list[Row]]:
    found: list[list[Row]] = []
    with connection.cursor() as cursor:
        for what in ("SHOW POOLS", "SHOW DATABASES", "SHOW STATS"):
            cursor.execute(what)
            names = [column[0] for column in cursor.description]
            found.append([dict(zip(names, row, strict=True)) for row in cursor.fetchall()])
    return found[0], found[1], found[2]


def _number(row: Row, name: str) -> float | None:
    try:
        return finite(float(row[name]))
    except (KeyError, TypeError, ValueError):
        return None


def _sum(rows: Iterable[Row], *names: str) -> float | None:
    """All of them together; None when one is not told."""
    numbers = [_number(row, name) for row in rows for name in names]
    return None if any(number is None for number in numbers) else sum(number or 0.0 for number in numbers)


def _of_pools(pools: Sequence[Row], databases: Sequence[Row]) -> tuple[Measurement, ...]:
    at = utc_now()
    if any(_number(row, "cl_waiting") is None or _number(row, "sv_active") is None for row in pools):
        raise SourceError("PgBouncer: SHOW POOLS has no cl_waiting or sv_active; is this the admin console?")
    sizes = {row.get("name"): _number(row, "pool_size") for row in databases}
    full = [
        (part, str(row.get("database")))
        for row in pools
        if (part := divide(_number(row, "sv_active"), sizes.get(row.get("database")))) is not None
    ]
    usage, fullest = max(full, default=(None, ""))
    waits = [_number(row, "maxwait") for row in pools]
    parts = [(_number(row, "maxwait_us") or 0.0) / 1e6 for row in pools]  # of a second; older builds lack them
    wait = None if None in waits else max((w or 0.0) + part for w, part in zip(waits, parts, strict=True))
    detail: dict[str, float | str] = {"pools": len(pools)}

    def gauge(metric: str, value: float | None, detail: Mapping[str, float | str] = detail) -> Measurement:
        if value is None:
            return Measurement(metric, None, 0, METRICS[metric].unit, at, {"why": "this build does not tell it"})
        return Measurement(metric, value, 1, METRICS[metric].unit, at, detail)

    return (
        gauge("pgbouncer.clients_waiting", _sum(pools, "cl_waiting")),
        gauge("pgbouncer.max_wait", wait),
        gauge("pgbouncer.clients_active", _sum(pools, "cl_active")),
        gauge("pgbouncer.servers_active", _sum(pools, "sv_active")),
        gauge("pgbouncer.servers_idle", _sum(pools, "sv_idle", "sv_used")),
        gauge("pgbouncer.usage", usage, {"fullest": shorten(clean(fullest), 40)}),
    )


def _totals(stats: Sequence[Row]) -> Totals:
    return Totals(
        clock(),
        _sum(stats, "total_xact_count"),
        _sum(stats, "total_query_count"),
        _sum(stats, "total_wait_time"),
        _sum(stats, "total_query_time"),
    )


def _of_totals(before: Totals | None, after: Totals) -> tuple[Measurement, ...]:
    at = utc_now()

    def grown(what: str) -> float | None:
        then, now = getattr(before, what), getattr(after, what)
        return None if then is None or now is None or now < then else float(now - then)

    if before is None:
        return tuple(Measurement(n, None, 0, METRICS[n].unit, at, {"why": "first look"}) for n in _TOTALS)
    transactions, queries = grown("transactions"), grown("queries")

    def each(metric: str, micros: float | None, of: float | None) -> Measurement:
        value = divide(None if micros is None else micros / 1000, of)
        why = {"why": "nothing went through" if of == 0 else "not told, or started anew"}
        return Measurement(metric, value, int(of or 0), "ms", at, {} if value is not None else why)

    rate = divide(transactions, after.at - before.at)
    told = {} if rate is not None else {"why": "not told, or started anew"}
    return (
        Measurement("pgbouncer.transactions", rate, 1 if rate is not None else 0, "1/s", at, told),
        each("pgbouncer.wait_time", grown("wait"), transactions),
        each("pgbouncer.query_time", grown("query_time"), queries),
    )


def build(table: Table) -> Source:
    """The source of `[metrics.pgbouncer]`."""
    return PgBouncerSource(
        table.url("postgresql", "postgres"),
        database=table.text("database", ""),
        interval=table.seconds("interval", 5.0),
        timeout=table.seconds("timeout", 4.0),
    )
