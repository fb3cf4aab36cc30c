"""What PostgreSQL's statistics and catalogue say of one database; the questions, and the answers as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg2.errors
from psycopg2 import sql

from checks.literals import without_literals
from checks.postgres_asking import CLIENTS
from metrics.samples import divide
from state.clean import clean, shorten
from transfer.postgres import Cursor

_TEXT = 120  # characters of a statement that are shown
_MOST = 20
_USERS = "nspname !~ '^pg_' AND nspname <> 'information_schema'"
_DATABASE = """
SELECT blks_hit, blks_read, temp_files, temp_bytes, pg_database_size(datname),
       to_char(stats_reset AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
  FROM pg_stat_database WHERE datname = current_database()
"""
_TABLES = """
SELECT schemaname || '.' || relname, n_live_tup, n_dead_tup FROM pg_stat_user_tables ORDER BY n_dead_tup DESC
"""
# What keeps rows unique is of use without ever being read.
_UNUSED = """
SELECT s.schemaname || '.' || s.indexrelname, pg_relation_size(s.indexrelid) FROM pg_stat_user_indexes s
  JOIN pg_index i USING (indexrelid)
 WHERE s.idx_scan = 0 AND i.indisvalid AND NOT i.indisunique AND NOT i.indisexclusion
 ORDER BY 2 DESC, 1
"""
_INVALID = f"""
SELECT n.nspname || '.' || c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
  JOIN pg_namespace n ON n.oid = c.relnamespace WHERE (NOT i.indisvalid OR NOT i.indisready) AND {_USERS} ORDER BY 1
"""  # noqa: S608
_WITHOUT_KEY = f"""
SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't' AND {_USERS}
   AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)
   AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e') ORDER BY 1
"""  # noqa: S608
# The column that a sequence feeds may end before it does: a bigint sequence for an integer column.
_SEQUENCES = """
SELECT s.schemaname || '.' || s.sequencename,
       greatest(s.last_value::numeric - s.start_value, 0) / greatest(least(s.max_value, min(CASE a.atttypid
         WHEN 'int2'::regtype THEN 32767 WHEN 'int4'::regtype THEN 2147483647 END))::numeric - s.start_value, 1)
  FROM pg_sequences s JOIN pg_namespace n ON n.nspname = s.schemaname
  JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = s.sequencename AND c.relkind = 'S'
  LEFT JOIN pg_depend d ON d.objid = c.oid AND d.classid = 'pg_class'::regclass
    AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
  LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
 WHERE NOT s.cycle AND s.increment_by > 0 AND s.last_value IS NOT NULL
 GROUP BY s.schemaname, s.sequencename, s.last_value, s.start_value, s.max_value ORDER BY 2 DESC, 1
"""
_TRANSACTIONS = f"""
SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::float8,
       count(*) FILTER (WHERE state IS NULL)
  FROM pg_stat_activity WHERE {CLIENTS} AND datname = current_database() AND pid <> pg_backend_pid()
"""  # noqa: S608
_STATEMENTS = """
SELECT mean_exec_time / 1000, calls, left(query, 4096) FROM {}.pg_stat_statements
 WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND calls >= %s
 ORDER BY mean_exec_time DESC LIMIT %s
"""
_COUNTED = """
SELECT count(*) FROM {}.pg_stat_statements
 WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of a table, as autovacuum estimates them."""

    name: str
    live: int
    dead: int


@dataclass(frozen=True, slots=True)
class Sequence:
    """USED is the share of its range, or of its column's, that is gone."""

    name: str
    used: float


@dataclass(frozen=True, slots=True)
class Statistics:
    """Cumulative counters of this database SINCE their reset, and what its catalogue says. Sizes in bytes, times in
    seconds. HIDDEN: sessions whose transactions this role may not see."""

    since: str | None
    blocks: int
    hits: int
    temp_files: int
    temp_bytes: int
    size: int
    tables: int
    dead_rows: int
    dead: tuple[Table, ...]
    unused: tuple[tuple[str, int], ...]
    invalid: tuple[str, ...]
    without_key: tuple[str, ...]
    sequences: tuple[Sequence, ...]
    longest_transaction: float
    hidden: int

    @property
    def cache_hit(self) -> float | None:
        """Blocks found in memory / blocks wanted; None before the first."""
        return divide(self.hits, self.blocks)


@dataclass(frozen=True, slots=True)
class Statement:
    """MEAN seconds of CALLS; TEXT is cut, and holds no value that somebody wrote into it."""

    mean: float
    calls: int
    text: str


@dataclass(frozen=True, slots=True)
class Statements:
    """How many are COUNTED, and the SLOWEST in the mean."""

    counted: int
    slowest: tuple[Statement, ...]


def ask_statistics(cur: Cursor) -> Statistics:
    """All but the statements. Any role may ask. Raises psycopg2.Error."""
    (hits, read, files, temp, size, since), *_ = _rows(cur, _DATABASE)
    tables = [Table(*row) for row in _rows(cur, _TABLES)]
    (longest, hidden), *_ = _rows(cur, _TRANSACTIONS)
    return Statistics(
        since=since,
        blocks=hits + read,
        hits=hits,
        temp_files=files,
        temp_bytes=temp,
        size=size,
        tables=len(tables),
        dead_rows=sum(table.dead for table in tables),
        dead=tuple(tables[:_MOST]),
        unused=tuple((str(name), int(bytes_)) for name, bytes_ in _rows(cur, _UNUSED)),
        invalid=tuple(str(name) for (name,) in _rows(cur, _INVALID)),
        without_key=tuple(str(name) for (name,) in _rows(cur, _WITHOUT_KEY)),
        sequences=tuple(Sequence(str(name), float(used)) for name, used in _rows(cur, _SEQUENCES)),
        longest_transaction=longest,
        hidden=hidden,
    )


def ask_statements(cur: Cursor, calls: int) -> Statements | None:
    """The slowest statements with at least CALLS calls; None where pg_stat_statements is not there or not loaded."""
    extension = "SELECT nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE extname = %s"
    cur.execute(extension, ("pg_stat_statements",))
    if (found := cur.fetchone()) is None:
        return None
    schema = sql.Identifier(found[0])
    cur.execute("SAVEPOINT statements")
    try:
        cur.execute(sql.SQL(_COUNTED).format(schema))
        counted = cur.fetchone()
        assert counted is not None
        cur.execute(sql.SQL(_STATEMENTS).format(schema), (calls, _MOST))
        slowest = cur.fetchall()
    except (psycopg2.errors.ObjectNotInPrerequisiteState, psycopg2.errors.InsufficientPrivilege):
        cur.execute("ROLLBACK TO SAVEPOINT statements")
        return None
    return Statements(counted[0], tuple(Statement(mean, n, _shown(text)) for mean, n, text in slowest))


def _shown(text: str | None) -> str:
    """TEXT on one line, without values; what another role ran is hidden by the server itself."""
    return shorten(clean(without_literals(text or "(hidden)")), _TEXT)


def _rows(cur: Cursor, query: str) -> list[tuple[Any, ...]]:
    cur.execute(query)
    return cur.fetchall()
