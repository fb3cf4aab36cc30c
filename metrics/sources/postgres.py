"""The server's side: its connections against what it would still give the application, its transactions, whether
somebody waits, and whether a new connection is given at all.

One connection of its own, named, with a deadline, in one read-only transaction a look, so that it works as any
role and through a transaction pool. A second, short one is made a moment each time, as an application would, for
`pg.connect_failures`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import psycopg2

from metrics.samples import Measurement, clock, divide, utc_now
from metrics.sources import Metric, Source, SourceError
from metrics.sources.connect_errors import failure_of, misuse_of
from metrics.sources.connecting import Aside, Looker, connected
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
    "pg.active": Metric("Sessions active", "count", "sessions at work on a statement"),
    "pg.idle": Metric("Sessions idle", "count", "sessions that wait for their client"),
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
APPLICATION_NAME, PROBE_NAME = "tminus-metrics", "tminus-probe"
SIZE_EVERY = 60.0  # seconds; the size of a database is looked up file by file
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
        self._probe_url = (probe_url or url) if probe else ""
        self._main = Looker("PostgreSQL", self._connect, timeout)
        self._probe = Aside("PostgreSQL")
        self._before: Counters | None = None
        self._ours = 0  # commits of our own since the counters before
        self._size: Measurement | None = None
        self._size_at = 0.0
        if not probe:
            self.metrics = {name: face for name, face in METRICS.items() if name != "pg.connect_failures"}

    def __repr__(self) -> str:
        return f"PostgresSource(interval={self.interval})"

    async def start(self) -> None:
        return None

    async def stop(self) -> None:
        self._main.stop()

    async def sample(self) -> tuple[Measurement, ...]:
        """Every metric. A server that cannot be asked is an error of all but pg.connect_failures: of that one it is
        the value."""
        try:
            told = await self._main.look(self._look)
        except SourceError as error:
            at, why = utc_now(), str(error)
            names = [name for name in METRICS if name != "pg.connect_failures"]
            told = tuple(Measurement(name, None, 0, METRICS[name].unit, at, error=why) for name in names)
        return (*told, *([await self._new_connection()] if self._probe_url else []))

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
        told = (*_of_sessions(seen, applications), *_of_counters(self._before, counters, self._ours), size)
        self._before, self._ours = counters, 1
        return told

    def _asked_size(self, cursor: Any) -> Measurement:
        if self._size is None or clock() - self._size_at >= SIZE_EVERY:
            cursor.execute("select pg_database_size(current_database())")
            self._size_at = clock()
            self._size = Measurement("pg.database_size", float(cursor.fetchone()[0]), 1, "bytes", utc_now())
        return self._size

    async def _new_connection(self) -> Measurement:
        """1 when the database gives no new connection, 0 when it does; an error when it was asked wrongly."""
        at = utc_now()
        try:
            failed = await self._probe.run(self._try, self._timeout)
        except SourceError:  # it did not come back within the time in which an application gives up too
            failed = "no answer"
        self._ours += 1
        if failed.startswith("?"):
            return Measurement("pg.connect_failures", None, 0, "ratio", at, error=f"PostgreSQL: {failed[1:]}")
        detail: dict[str, float | str] = {"why": failed} if failed else {}
        return Measurement(
            "pg.connect_failures", float(bool(failed)), 1, "ratio", at, detail, bad=float(bool(failed))
        )

    def _try(self) -> str:
        """Connect, ask, leave. How it failed; "?…" for what is wrong with the question; "" when it did not fail."""
        try:
            connection = connected(self._probe_url, PROBE_NAME, self._timeout)
            try:
                connection.autocommit = True
                connection.cursor().execute("select 1")
            finally:
                connection.close()
        except psycopg2.Error as error:
            text = str(error)
            return failure_of(text) or f"?{misuse_of(text) or f'{type(error).__name__}, of an unknown kind'}"
        return ""


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
