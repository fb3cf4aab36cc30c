"""The proof: the same rows with the same contents on both sides, sequences ahead, foreign keys holding."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from transfer import catalog, pairing, privileges, sequencing
from transfer import sqlite as lite
from transfer.differing import Difference, differences
from transfer.digesting import digesting, parts_of
from transfer.digests import Digest, Part, together
from transfer.errors import CouldNotLook
from transfer.expressions import install
from transfer.opening import reading
from transfer.pairing import Finding, TablePair
from transfer.postgres import Connection, Cursor, cancelling, connect, speaking_of
from transfer.progress import Progress, Watch
from transfer.proving import postgres_digest
from transfer.rules import NONE, Rules
from transfer.ruling import ruled
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
    rules: Rules = NONE,
) -> Comparison:
    """Compares a settled SQLite file (a backup) with a database; at most LIMIT differences named a table.

    RULES are those that the copy was made with: what they changed or left out is expected to be so.
    Writes nothing. Raises CouldNotLook, Refused (the file is in use, no permission), Cancelled.
    """
    started, watch = time.monotonic(), Watch(progress, cancelled)
    with source(sqlite) as con:
        conn = connect(database_url)
        try:
            conn.set_session(isolation_level="REPEATABLE READ", readonly=True)
            with speaking_of(database_url, conn), cancelling(conn, cancelled), conn.cursor() as cur:
                pairs, findings = paired(con, cur, rules)
                privileges.require(privileges.lacking_to_read(cur, [p.oid for p in pairs]))
                totals = [lite.count(con, p.source) for p in pairs]
                parts = parts_of(con, pairs, totals)
                with digesting(sqlite, pairs, parts, sum(totals)) as sharing:
                    theirs = [postgres_digest(cur, pairs[x.place], x, watch, totals[x.place]) for x in parts]
                    ours = sharing.finish(con, pairs, watch)
                proofs = Proofs(parts, ours, tuple(theirs))
                found = Sides(con, conn, pairs, findings)
                return judge(found, proofs, watch=watch, limit=limit, started=started)
        finally:
            conn.close()


@contextmanager
def source(path: Path) -> Iterator[sqlite3.Connection]:
    """A settled file with text as bytes and the canonical form at hand."""
    with reading(path, settled=True) as con:
        con.text_factory = bytearray
        install(con)
        yield con


def paired(
    con: sqlite3.Connection, cur: Cursor, rules: Rules = NONE
) -> tuple[tuple[TablePair, ...], tuple[Finding, ...]]:
    """What goes where, by which rules, and all that stands on one side only."""
    pairs, findings = pairing.pair(lite.tables(con), lite.virtual_tables(con), catalog.tables(cur))
    return ruled(pairs, findings, rules, con)


@dataclass(frozen=True, slots=True)
class Sides:
    """Both databases, and what goes where."""

    con: sqlite3.Connection
    conn: Connection
    pairs: tuple[TablePair, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Proofs:
    """The digests of PARTS on both sides, in the same order."""

    parts: tuple[Part, ...]
    ours: tuple[Digest, ...]
    theirs: tuple[Digest, ...]

    def by_table(self) -> Iterator[tuple[Digest, Digest, list[Part]]]:
        """Each table as a whole on both sides, and its parts that differ."""
        for _, of_table in groupby(range(len(self.parts)), key=lambda i: self.parts[i].place):
            yield self._of(list(of_table))

    def _of(self, here: list[int]) -> tuple[Digest, Digest, list[Part]]:
        differ = [self.parts[i] for i in here if self.ours[i].sha256 is None or self.ours[i] != self.theirs[i]]
        return together([self.ours[i] for i in here]), together([self.theirs[i] for i in here]), differ


def judge(sides: Sides, proofs: Proofs, *, watch: Watch, limit: int, started: float) -> Comparison:
    """What the digests of both sides, the sequences and the foreign keys together say."""
    whole = [place for place, _ in groupby(p.place for p in proofs.parts)] == list(range(len(sides.pairs)))
    if not whole or not len(proofs.parts) == len(proofs.ours) == len(proofs.theirs):
        raise CouldNotLook("Not every table was read on both sides.")
    tables: list[TableComparison] = []
    found: list[Difference] = []
    for pair, (a, b, differ) in zip(sides.pairs, proofs.by_table(), strict=True):
        rows = a.rows if a.sha256 is not None else lite.count(sides.con, pair.source)
        tables.append(TableComparison(pair.target, rows, b.rows, a.sha256, b.sha256, not differ))
        named = 0
        for part in differ:
            if named >= limit:
                break
            watch.tell("search", pair.target, 0, rows, "rows")
            of_part = differences(sides.con, sides.conn, pair, part, watch, limit=limit - named)
            named += len(of_part)
            found += of_part
    with sides.conn.cursor() as cur:
        sequences = sequencing.look(cur, sides.pairs)
        foreign = foreign_keys(cur, sides.pairs)
    equal = (
        bool(tables)
        and not found
        and all(t.equal for t in tables)
        and all(s.ok for s in sequences)
        and all(f.ok for f in foreign)
        and not any(f.blocks for f in sides.findings)
    )
    seconds = time.monotonic() - started
    return Comparison(equal, tuple(tables), sequences, foreign, tuple(found), sides.findings, seconds)


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
