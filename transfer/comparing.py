"""The proof: the same rows with the same contents on both sides, sequences ahead, foreign keys holding."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from transfer import catalog, pairing, sequencing
from transfer import sqlite as lite
from transfer.digesting import Digest, digesting
from transfer.errors import CouldNotLook
from transfer.expressions import install
from transfer.pairing import Finding, TablePair
from transfer.postgres import Connection, Cursor, cancelling, connect, speaking_of
from transfer.progress import Progress, Watch
from transfer.proving import Difference, differences, postgres_digest
from transfer.sequencing import SequenceState
from transfer.sqlite import quoted


@dataclass(frozen=True, slots=True)
class TableComparison:
    """Rows and sha256 of the canonical contents on both sides. A sha256 of None: it could not be made."""

    table: str
    rows_sqlite: int
    rows_postgres: int
    sha256_sqlite: str | None
    sha256_postgres: str | None
    equal: bool


@dataclass(frozen=True, slots=True)
class ForeignKeyState:
    """VALIDATED as the catalogue says; when it is not, ORPHANS is the number of rows without a parent."""

    name: str
    table: str
    validated: bool
    orphans: int
    ok: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """EQUAL only when there were tables and everything about all of them was looked at and holds."""

    equal: bool
    tables: tuple[TableComparison, ...]
    sequences: tuple[SequenceState, ...]
    foreign_keys: tuple[ForeignKeyState, ...]
    differences: tuple[Difference, ...]
    findings: tuple[Finding, ...]
    seconds: float


def compare(
    sqlite: Path,
    database_url: str,
    *,
    progress: Callable[[Progress], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    limit: int = 10,
) -> Comparison:
    """Compares a settled SQLite file (a backup) with a database; at most LIMIT differences named a table.

    Writes nothing. Raises CouldNotLook, Refused (the file is in use, no permission), Cancelled.
    """
    started, watch = time.monotonic(), Watch(progress, cancelled)
    with source(sqlite) as con:
        conn = connect(database_url)
        try:
            conn.set_session(isolation_level="REPEATABLE READ", readonly=True)
            with speaking_of(database_url, conn), cancelling(conn, cancelled), conn.cursor() as cur:
                pairs, findings = paired(con, cur)
                with digesting(sqlite, pairs) as pending:
                    theirs = [postgres_digest(cur, p, watch) for p in pairs]
                    ours = pending.result(watch)
                return judge(
                    con,
                    conn,
                    pairs,
                    ours,
                    theirs,
                    findings=findings,
                    watch=watch,
                    limit=limit,
                    started=started,
                )
        finally:
            conn.close()


@contextmanager
def source(path: Path) -> Iterator[sqlite3.Connection]:
    """A settled file with text as bytes and the canonical form at hand."""
    with lite.reading(path, settled=True) as con:
        con.text_factory = bytes
        install(con)
        yield con


def paired(con: sqlite3.Connection, cur: Cursor) -> tuple[tuple[TablePair, ...], tuple[Finding, ...]]:
    return pairing.pair(lite.tables(con), lite.virtual_tables(con), catalog.tables(cur))


def judge(
    con: sqlite3.Connection,
    conn: Connection,
    pairs: Sequence[TablePair],
    ours: Sequence[Digest],
    theirs: Sequence[Digest],
    *,
    findings: tuple[Finding, ...],
    watch: Watch,
    limit: int,
    started: float,
) -> Comparison:
    """What the digests of both sides, the sequences and the foreign keys together say."""
    if not len(pairs) == len(ours) == len(theirs):
        raise CouldNotLook("Not every table was read on both sides.")
    tables: list[TableComparison] = []
    found: list[Difference] = []
    for pair, a, b in zip(pairs, ours, theirs, strict=True):
        same = a.sha256 is not None and a == b
        rows = a.rows if a.sha256 is not None else lite.count(con, pair.source)
        tables.append(TableComparison(pair.target, rows, b.rows, a.sha256, b.sha256, same))
        if not same:
            watch.tell("search", pair.target, 0, rows, "rows")
            found += differences(con, conn, pair, watch, limit)
    with conn.cursor() as cur:
        sequences = sequencing.look(cur, pairs)
        foreign = foreign_keys(cur, pairs)
    equal = (
        bool(tables)
        and not found
        and all(t.equal for t in tables)
        and all(s.ok for s in sequences)
        and all(f.ok for f in foreign)
        and not any(f.blocks for f in findings)
    )
    seconds = time.monotonic() - started
    return Comparison(equal, tuple(tables), sequences, foreign, tuple(found), findings, seconds)


_FOREIGN_KEYS = """
SELECT c.conname, n.nspname, t.relname, c.convalidated, pn.nspname, p.relname,
       array(SELECT a.attname::text FROM unnest(c.conkey) WITH ORDINALITY k(num, place)
             JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.num ORDER BY k.place),
       array(SELECT a.attname::text FROM unnest(c.confkey) WITH ORDINALITY k(num, place)
             JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.num ORDER BY k.place)
FROM pg_constraint c
JOIN pg_class t ON t.oid = c.conrelid JOIN pg_namespace n ON n.oid = t.relnamespace
JOIN pg_class p ON p.oid = c.confrelid JOIN pg_namespace pn ON pn.oid = p.relnamespace
WHERE c.contype = 'f' AND c.conrelid = ANY(%s)
ORDER BY t.relname, c.conname
"""


def foreign_keys(cur: Cursor, pairs: Sequence[TablePair]) -> tuple[ForeignKeyState, ...]:
    """Every foreign key of the tables; one that was never validated is checked by looking for orphans."""
    cur.execute(_FOREIGN_KEYS, ([p.oid for p in pairs],))
    states = []
    for name, schema, table, validated, p_schema, p_table, columns, p_columns in cur.fetchall():
        orphans = 0
        if not validated:
            on = " AND ".join(f"p.{quoted(p)} = c.{quoted(c)}" for c, p in zip(columns, p_columns, strict=True))
            given = " AND ".join(f"c.{quoted(c)} IS NOT NULL" for c in columns)
            cur.execute(
                f"SELECT count(*) FROM {quoted(schema)}.{quoted(table)} c WHERE {given} AND NOT EXISTS"  # noqa: S608
                f" (SELECT FROM {quoted(p_schema)}.{quoted(p_table)} p WHERE {on})"
            )
            row = cur.fetchone()
            assert row is not None
            orphans = row[0]
        states.append(ForeignKeyState(name, table, validated, orphans, orphans == 0))
    return tuple(states)
