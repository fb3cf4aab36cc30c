"""Whether rows vanish: the rows of each table against the most that was ever counted there since the watch began.

Rows may be deleted in the ordinary way of things, so a gate on it names how many are too many. What it is for is the
table that is suddenly empty, the application that writes to another database, the job that deletes too much.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg2
from psycopg2 import sql

from metrics.samples import Measurement, utc_now
from metrics.sources import Metric, Source, SourceError
from metrics.sources.connecting import Looker, connected
from metrics.tables import Table
from state.clean import clean, shorten

METRICS: Mapping[str, Metric] = {
    "rows.lost": Metric("Rows vanished", "count", "rows fewer than the most ever counted, over all tables"),
    "rows.lost_share": Metric(
        "Rows vanished, worst table", "ratio", "of the table that lost the largest part", 1.0, 0.01
    ),
    "rows.total": Metric("Rows", "count", "of all tables that are counted"),
}
KEYS: Mapping[str, str] = {
    "url": "the database; needed",
    "tables": 'which to count, as in ["users", "posts"]; all of the current schema',
    "interval": 'between two counts; "30s"',
    "timeout": 'of one count; "8s". Large tables take their time: name the few that matter',
}
APPLICATION_NAME = "tminus-rows"
MOST_TABLES = 200
_ALL = """
select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
 where n.nspname = current_schema() and c.relkind in ('r', 'p') and not c.relispartition
   and c.relname <> 'alembic_version' order by 1 limit %s
"""


class RowsSource:
    """Counts the rows of TABLES (none: all) behind URL every INTERVAL seconds, each time within TIMEOUT seconds."""

    name: str = "rows"
    metrics = METRICS

    def __init__(self, url: str, *, tables: Sequence[str] = (), interval: float = 30.0, timeout: float = 8.0) -> None:
        self.interval, self._timeout, self._url, self._tables = interval, timeout, url, tuple(tables)
        self._looker = Looker("PostgreSQL", self._connect, timeout)
        self._most: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"RowsSource(interval={self.interval})"

    async def start(self) -> None:
        return None

    async def stop(self) -> None:
        self._looker.stop()

    async def sample(self) -> tuple[Measurement, ...]:
        """Raises SourceError when the tables could not be counted. A table that is gone has lost all of its rows."""
        counts, at = await self._looker.look(self._count), utc_now()
        now = counts | {table: 0 for table in self._most if table not in counts}
        self._most = {table: max(count, self._most.get(table, 0)) for table, count in now.items()}
        lost = {table: self._most[table] - count for table, count in now.items()}
        shares = {table: gone / self._most[table] for table, gone in lost.items() if self._most[table]}
        worst = max(shares, key=lambda table: shares[table], default="")
        detail: dict[str, float | str] = {"tables": len(now)}
        if not shares:
            detail["why"] = "there is no row yet"
        elif lost[worst]:
            detail |= {"worst": shorten(clean(worst), 40), "rows": now[worst], "of": self._most[worst]}
        return (
            Measurement("rows.lost", float(sum(lost.values())), 1, "count", at, detail),
            Measurement("rows.lost_share", shares.get(worst), len(shares), "ratio", at, detail),
            Measurement("rows.total", float(sum(now.values())), 1, "count", at, detail),
        )

    def _connect(self) -> Any:
        connection = connected(self._url, APPLICATION_NAME, self._timeout)
        connection.set_session(readonly=True)
        return connection

    def _count(self, connection: Any) -> dict[str, int]:
        with connection.cursor() as cursor:
            cursor.execute("select set_config('statement_timeout', %s, true)", (f"{self._timeout * 900:.0f}",))
            tables = self._tables
            if not tables:
                cursor.execute(_ALL, (MOST_TABLES,))
                tables = tuple(name for (name,) in cursor.fetchall())
            if not tables:
                connection.commit()
                return {}
            one = sql.SQL("(select count(*) from {})")
            counts = [one.format(sql.Identifier(name)) for name in tables]
            try:
                cursor.execute(sql.SQL("select {}").format(sql.SQL(", ").join(counts)))
            except psycopg2.errors.QueryCanceled:
                raise SourceError("counting took too long: name fewer tables, or a longer timeout") from None
            except psycopg2.errors.UndefinedTable:
                connection.rollback()
                if not self._most:
                    raise SourceError("a table of the list is not there (yet)") from None
                return {}
            found = dict(zip(tables, cursor.fetchone(), strict=True))
        connection.commit()  # a rollback would count as one of the application's
        return found


def build(table: Table) -> Source:
    """The source of `[metrics.rows]`."""
    return RowsSource(
        table.url("postgresql", "postgres"),
        tables=table.texts("tables", ()),
        interval=table.seconds("interval", 30.0),
        timeout=table.seconds("timeout", 8.0),
    )
