"""The server's side of the pool: connections against what the server would still give this role.

One connection of its own, in a thread of its own. Sessions are counted by `datname is not null`: to a role
without pg_monitor, state and backend_type of other roles' sessions are NULL, and counting by them would
silently undercount (PostgreSQL docs, pg_stat_activity; tried on 15 and 18).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import psycopg2
import psycopg2.extensions

from metrics.samples import Measurement, divide, utc_now
from metrics.sources import Metric, Source, SourceError
from metrics.tables import Table

METRICS: Mapping[str, Metric] = {
    "pg.connections": Metric("Connections", "count", "sessions counted against the tightest limit"),
    "pg.usable": Metric("Connections allowed", "count", "the tightest limit of server, role and database"),
    "pg.usage": Metric("Connections, server", "ratio", "connections / allowed", 1.0, 0.8, headline=True),
    "pg.idle_in_transaction": Metric("Idle in transaction", "count", "sessions", 10.0, headline=True),
    "pg.blocked": Metric("Sessions blocked", "count", "sessions that wait for a lock", 10.0, 1.0, headline=True),
}
KEYS: Mapping[str, str] = {
    "url": "the database; needed",
    "interval": 'between two looks; "5s"',
    "timeout": 'of one look; "4s"',
}

APPLICATION_NAME = "tminus-metrics"
_NO_LIMIT = -1
_SQL = """
with mine as (
  select rolconnlimit, rolsuper, pg_has_role(current_user, 'pg_monitor', 'member') as sees_all
    from pg_roles where rolname = current_user
), here as (select datconnlimit from pg_database where datname = current_database()),
sessions as (
  select datname, usename, state, pid from pg_stat_activity where datname is not null
)
select current_setting('max_connections')::int,
       current_setting('superuser_reserved_connections')::int,
       coalesce(nullif(current_setting('reserved_connections', true), ''), '0')::int,
       mine.rolconnlimit, here.datconnlimit, mine.rolsuper or mine.sees_all,
       count(*),
       count(*) filter (where usename = current_user),
       count(*) filter (where sessions.datname = current_database()),
       count(*) filter (where state like 'idle in transaction%'),
       count(*) filter (where state = 'active'),
       count(*) filter (where state = 'idle'),
       count(*) filter (where state is null),
       count(*) filter (where cardinality(pg_blocking_pids(pid)) > 0)
  from mine, here left join sessions on true
 group by 1, 2, 3, 4, 5, 6
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """One look at pg_stat_activity and at the limits; the counts are sessions of all databases."""

    max_connections: int
    superuser_reserved: int
    reserved: int
    role_limit: int
    database_limit: int
    sees_all: bool
    total: int
    of_role: int
    of_database: int
    idle_in_transaction: int
    active: int
    idle: int
    hidden: int
    blocked: int

    def tightest(self) -> tuple[str, int, int]:
        """The limit nearest to being reached: (whose, connections counted, connections allowed)."""
        server = self.max_connections - self.superuser_reserved - self.reserved
        limits = [("server", self.total, server)]
        if self.role_limit != _NO_LIMIT:
            limits.append(("role", self.of_role, self.role_limit))
        if self.database_limit != _NO_LIMIT:
            limits.append(("database", self.of_database, self.database_limit))
        return min(limits, key=lambda limit: limit[2] - limit[1])


class PostgresSource:
    """Looks at URL (libpq's form) every INTERVAL seconds, each look within TIMEOUT seconds.

    pg.connections and pg.usable belong to the tightest limit (detail "limit"); pg.usage is their ratio. Where
    other roles' sessions hide their state, pg.idle_in_transaction is no data rather than too small a number.
    Nothing of the URL reaches an error: only the kind of it does.
    """

    name: str = "postgres"
    metrics = METRICS

    def __init__(self, url: str, *, interval: float = 5.0, timeout: float = 4.0) -> None:
        if interval <= 0 or timeout <= 0:
            raise ValueError("interval and timeout are over 0")
        self.interval, self._timeout, self._url = interval, timeout, url
        self._thread: ThreadPoolExecutor | None = None
        self._connection: Any = None
        self._look_under_way: Future[Seen] | None = None

    def __repr__(self) -> str:
        return f"PostgresSource(interval={self.interval})"

    async def start(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="metrics-postgres")

    async def stop(self) -> None:
        if self._thread is not None:
            thread, self._thread = self._thread, None
            closed = thread.submit(self._close)
            thread.shutdown(wait=False)
            with contextlib.suppress(TimeoutError):  # a look that hangs ends by its own deadlines
                await asyncio.wait_for(asyncio.wrap_future(closed), self._timeout)

    async def sample(self) -> tuple[Measurement, ...]:
        """Raises SourceError, with the kind of the failure alone, when the server could not be asked."""
        if self._thread is None:
            raise SourceError("the source is not started")
        if self._look_under_way is not None and not self._look_under_way.done():
            raise SourceError("PostgreSQL: the look before has not come back yet")
        self._look_under_way = self._thread.submit(self._look)
        return _measurements(await asyncio.wrap_future(self._look_under_way))

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _connect(self) -> Any:
        wait = max(round(self._timeout), 2)  # libpq takes whole seconds, two at the least
        connection = psycopg2.connect(
            self._url,
            application_name=APPLICATION_NAME,
            connect_timeout=wait,
            tcp_user_timeout=int(wait * 1000),  # a peer that vanished is noticed
        )
        connection.autocommit = True
        connection.set_client_encoding("UTF8")
        with connection.cursor() as cursor:
            cursor.execute("set default_transaction_read_only = on")
            cursor.execute("select set_config('statement_timeout', %s, false)", (f"{self._timeout * 1000:.0f}",))
        return connection

    def _look(self) -> Seen:
        try:
            if self._connection is None:
                self._connection = self._connect()
            with self._connection.cursor() as cursor:
                cursor.execute(_SQL)
                row = cursor.fetchone()
        except psycopg2.Error as error:
            self._close()
            raise SourceError(_kind(error)) from None
        return Seen(*row)


def _kind(error: psycopg2.Error) -> str:
    code = error.pgcode
    name = type(error).__name__
    return f"PostgreSQL: {name} ({code})" if code else f"PostgreSQL: {name}, no answer from the server"


def _measurements(seen: Seen) -> tuple[Measurement, ...]:
    at = utc_now()
    limit, used, usable = seen.tightest()
    detail: dict[str, float | str] = {
        "limit": limit,
        "max_connections": seen.max_connections,
        "active": seen.active,
        "idle": seen.idle,
        "hidden": seen.hidden,
        "all": seen.total,
    }
    knows = seen.sees_all or seen.hidden == 0
    idle = float(seen.idle_in_transaction) if knows else None
    return (
        Measurement("pg.connections", used, 1, "count", at, detail),
        Measurement("pg.usable", usable, 1, "count", at, detail),
        Measurement("pg.usage", divide(used, usable), 1, "ratio", at, detail),
        Measurement("pg.idle_in_transaction", idle, 1, "count", at, detail),
        Measurement("pg.blocked", seen.blocked, 1, "count", at, detail),
    )


def build(table: Table) -> Source:
    """The source of `[metrics.postgres]`."""
    return PostgresSource(
        table.url("postgresql", "postgres"),
        interval=table.seconds("interval", 5.0),
        timeout=table.seconds("timeout", 4.0),
    )
