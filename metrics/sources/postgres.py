"""The server's side: its connections against what it would still give the application, its transactions, whether
somebody waits, and whether a new connection is given at all.

One connection of its own, named, with a deadline, in one read-only transaction a look, so that it works as any
role and through a transaction pool. Beside it, short ones are tried as an application would make them, for
`pg.connect_failures`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from metrics.samples import Measurement, clock, divide, utc_now
from metrics.sources import Metric, Source, SourceError
from metrics.sources.connect_probe import METRIC, ConnectProbe
from metrics.sources.connecting import Looker, connected
from metrics.sources.postgres_stats import Counters, Sessions, ask_counters, ask_sessions, grown
from metrics.tables import Table

METRICS: Mapping[str, Metric] = {
    "pg.connections": Metric("Connections", "count", "sessions counted against the tightest limit"),
    "pg.usable": Metric(
        "Connections allowed", "count", "the tightest limit of the server (less what is reserved), role and database"
    ),
    "pg.usage": Metric("Connections, server", "ratio", "connections / allowed", 1.0, 0.8, headline=True),
    "pg.connect_failures": Metric(
        "New connections refused", "ratio", "tries to connect as an application does that the database failed",
        1.0, 0.5, headline=True,
    ),
    "pg.active": Metric("Sessions active", "count", "sessions at work on a statement", headline=True),
    "pg.idle": Metric("Sessions idle", "count", "sessions that wait for their client", headline=True),
    "pg.idle_in_transaction": Metric(
        "Idle in transaction", "count", "sessions, the aborted ones included", 10.0, headline=True
    ),
    "pg.blocked": Metric("Sessions blocked", "count", "sessions that wait for a lock", 10.0, 1.0, headline=True),
    "pg.longest_transaction": Metric("Longest transaction", "s", "age of the oldest one of another session"),
    "pg.longest_idle_in_transaction": Metric("Longest idle in transaction", "s", "how long the worst has been so"),
    "pg.transactions": Metric("Transactions", "1/s", "commits and rollbacks of this database, without our own"),
    "pg.rollbacks": Metric("Rolled back", "ratio", "rollbacks / transactions since the look before", 1.0),
    "pg.deadlocks": Metric("Deadlocks", "count", "since the look before", 5.0, 1.0),
    "pg.cache_hit": Metric("Cache hit", "ratio", "blocks found in memory / wanted, since the look before", 1.0),
    "pg.temp_bytes": Metric("Temporary files", "bytes", "written since the look before"),
    "pg.database_size": Metric("Database size", "bytes", "of this database; looked at once a minute"),
}  # fmt: skip
KEYS: Mapping[str, str] = {
    "url": "the database; needed",
    "interval": 'between two looks; "5s"',
    "timeout": 'of one look; "4s"',
    "probe_url": "where a new connection is tried; the url itself. Name the application's pooler here",
    "probe": "whether new connections are tried; true",
}
APPLICATION_NAME = "tminus-metrics"
SIZE_EVERY = 60.0  # seconds; the size of a database is looked up file by file
_PATIENCE = 0.8  # of an interval that a sample waits for the look
_COUNTED = ("pg.transactions", "pg.rollbacks", "pg.deadlocks", "pg.cache_hit", "pg.temp_bytes")


class PostgresSource:
    """Looks at URL (libpq's form) every INTERVAL seconds, each look within TIMEOUT seconds.

    pg.connections and pg.usable belong to the tightest limit (detail "limit"); pg.usage is their ratio. Where
    other roles' sessions hide their state, what depends on states is no data rather than too small a number.
    Nothing of the URL reaches an error: only the kind of it does.
    """

    name: str = "postgres"
    metrics = METRICS

    def __init__(
        self, url: str, *, interval: float = 5.0, timeout: float = 4.0, probe_url: str = "", probe: bool = True
    ) -> None:
        if interval <= 0 or timeout <= 0:
            raise ValueError("interval and timeout are over 0")
        self.interval, self._timeout, self._url = interval, timeout, url
        self._same_database = not probe_url or probe_url == url
        self._main = Looker("PostgreSQL", self._connect, timeout)
        self._probe = ConnectProbe(probe_url or url, interval, timeout) if probe else None
        self._looking: asyncio.Task[tuple[Measurement, ...]] | None = None
        self._before: Counters | None = None
        self._made = 0  # tries of the probe until the look before
        self._size: Measurement | None = None
        self._size_at = 0.0
        if not probe:
            self.metrics = {name: face for name, face in METRICS.items() if name != METRIC}

    def __repr__(self) -> str:
        return f"PostgresSource(interval={self.interval})"

    async def start(self) -> None:
        if self._probe is not None:
            self._probe.start()

    async def stop(self) -> None:
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)
        self._main.stop()
        if self._probe is not None:
            await self._probe.stop()

    async def sample(self) -> tuple[Measurement, ...]:
        """Every metric. A server that cannot be asked is an error of all but pg.connect_failures: of that one it is
        the value. A look that takes long is waited for over several samples, so that the tries are told meanwhile."""
        # Kept before it is waited for: whoever cancels the wait has to find it, or nobody ends it.
        looking = self._looking = self._looking or asyncio.create_task(self._main.look(self._look))
        await asyncio.wait([looking], timeout=min(self._timeout, _PATIENCE * self.interval))
        if looking.done():
            self._looking = None
        try:
            if not looking.done():
                raise SourceError("PostgreSQL: no answer yet")
            told = looking.result()
        except SourceError as error:
            at, why = utc_now(), str(error)
            told = tuple(Measurement(n, None, 0, METRICS[n].unit, at, error=why) for n in METRICS if n != METRIC)
        return (*told, *([self._probe.take()] if self._probe is not None else []))

    def _connect(self) -> Any:
        connection = connected(self._url, APPLICATION_NAME, self._timeout)
        connection.set_session(readonly=True)
        return connection

    def _look(self, connection: Any) -> tuple[Measurement, ...]:
        # One transaction: a pool may give another server to the next. After an error the connection goes.
        with connection.cursor() as cursor:
            cursor.execute("select set_config('statement_timeout', %s, true)", (f"{self._timeout * 1000:.0f}",))
            seen, applications = ask_sessions(cursor)
            counters = ask_counters(cursor, clock())
            size = self._asked_size(cursor)
        connection.commit()  # a rollback would count as one of the application's
        made = self._probe.done if self._probe is not None and self._same_database else 0
        ours, self._made = 1 + made - self._made, made
        told = (*_of_sessions(seen, applications), *_of_counters(self._before, counters, ours), size)
        self._before = counters
        return told

    def _asked_size(self, cursor: Any) -> Measurement:
        if not self._size_at or clock() - self._size_at >= SIZE_EVERY:
            self._size_at = clock()  # first: should it take too long, the looks after this one are not lost too
            cursor.execute("select pg_database_size(current_database())")
            self._size = Measurement("pg.database_size", float(cursor.fetchone()[0]), 1, "bytes", utc_now())
        if self._size is None:
            return Measurement(
                "pg.database_size", None, 0, "bytes", utc_now(), {"why": "it takes too long to add up"}
            )
        return self._size


def _of_sessions(seen: Sessions, applications: Mapping[str, float | str]) -> tuple[Measurement, ...]:
    at = utc_now()
    limit, used, usable = seen.tightest()
    detail: dict[str, float | str] = {
        "limit": limit,
        "max_connections": seen.max_connections,
        "all": seen.total,
        "hidden": seen.hidden,
        **applications,
    }
    hidden: dict[str, float | str] = {"why": f"{seen.hidden} sessions of other roles hide their state"}

    def gauge(metric: str, value: float, detail: Mapping[str, float | str] = detail) -> Measurement:
        return Measurement(metric, float(value), 1, METRICS[metric].unit, at, detail)

    def of_states(metric: str, value: float) -> Measurement:
        if seen.knows_states:
            return gauge(metric, value, {})
        return Measurement(metric, None, 0, METRICS[metric].unit, at, hidden)

    usage = divide(used, usable)
    return (
        gauge("pg.connections", used),
        gauge("pg.usable", usable),
        Measurement("pg.usage", 1.0 if usage is None and used else usage, 1, "ratio", at, detail),
        of_states("pg.active", seen.active),
        of_states("pg.idle", seen.idle),
        of_states("pg.idle_in_transaction", seen.idle_in_transaction + seen.aborted),
        of_states("pg.longest_transaction", seen.longest),
        of_states("pg.longest_idle_in_transaction", seen.longest_idle),
        gauge("pg.blocked", seen.blocked, {}),
    )


def _of_counters(before: Counters | None, after: Counters, ours: int) -> tuple[Measurement, ...]:
    at, by = utc_now(), grown(before, after, ours)
    if by is None:
        why: dict[str, float | str] = {"why": "first look" if before is None else "the counters were reset"}
        return tuple(Measurement(name, None, 0, METRICS[name].unit, at, why) for name in _COUNTED)
    done = by.commits + by.rollbacks
    return (
        Measurement("pg.transactions", divide(done, by.seconds), 1, "1/s", at),
        Measurement("pg.rollbacks", divide(by.rollbacks, done), done, "ratio", at, bad=float(by.rollbacks)),
        Measurement("pg.deadlocks", float(by.deadlocks), 1, "count", at),
        Measurement("pg.cache_hit", by.cache_hit, by.hits + by.reads, "ratio", at),
        Measurement("pg.temp_bytes", float(by.temp_bytes), 1, "bytes", at),
    )


def build(table: Table) -> Source:
    """The source of `[metrics.postgres]`."""
    url = table.url("postgresql", "postgres")
    return PostgresSource(
        url,
        interval=table.seconds("interval", 5.0),
        timeout=table.seconds("timeout", 4.0),
        probe_url=table.url("postgresql", "postgres", name="probe_url", default=url),
        probe=table.flag("probe", True),
    )
