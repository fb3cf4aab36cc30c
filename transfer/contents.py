"""What a SQLite file holds, in digests: of the schema, and of every row of every table."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from transfer.progress import Pace, Watch
from transfer.sqlite import Table, count, quoted, row_order, tables

# rowid order survives a backup, VACUUM and a dump; ascii() is the same in every Python and tells 1, 1.0, '1'
# and b'1' apart. Text that is no UTF-8 is taken as bytes by surrogateescape.
FORM = "sha256 of ascii(row) + newline, a row a line, in rowid order"


@dataclass(frozen=True, slots=True)
class TableContents:
    """ROWS and the digest (see FORM) of one table. KIND: "table", or "shadow" of a virtual table."""

    table: str
    kind: str
    rows: int
    sha256: str


def schema_digest(con: sqlite3.Connection) -> str:
    """sha256 of every object's own SQL, whatever order they were made in."""
    found = con.execute(
        "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE sql IS NOT NULL"
        " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY type, name"
    )
    return hashlib.sha256(b"".join(b"%a\n" % (row,) for row in found)).hexdigest()


def contents(con: sqlite3.Connection, watch: Watch, stage: str = "digest") -> tuple[TableContents, ...]:
    """Digests of every table that stores rows, of one snapshot. CON must hand out text as str."""
    return tuple(_of_table(con, table, watch, stage) for table in tables(con))


def rows_of(con: sqlite3.Connection, table: Table) -> Iterator[list[tuple[object, ...]]]:
    """A table's rows as stored, some at a time; text that is no UTF-8 with surrogates in it."""
    names = ", ".join(quoted(c.name) for c in table.columns if not c.generated)
    cursor = con.execute(f"SELECT {names} FROM {quoted(table.name)} {row_order(table)}")  # noqa: S608
    while rows := cursor.fetchmany(200):
        yield rows


def _of_table(con: sqlite3.Connection, table: Table, watch: Watch, stage: str) -> TableContents:
    total, factory = count(con, table.name), con.text_factory
    try:
        rows, digest = _digest(con, table, watch, stage, total)
    except sqlite3.OperationalError as e:
        if "decode" not in str(e).lower():
            raise
        con.text_factory = lenient
        try:
            rows, digest = _digest(con, table, watch, stage, total)
        finally:
            con.text_factory = factory
    return TableContents(table.name, table.kind, rows, digest)


def _digest(con: sqlite3.Connection, table: Table, watch: Watch, stage: str, total: int) -> tuple[int, str]:
    hasher, done, pace = hashlib.sha256(), 0, Pace()
    for rows in rows_of(con, table):
        hasher.update(b"".join([b"%a\n" % (row,) for row in rows]))
        done += len(rows)
        if pace.due():
            watch.tell(stage, table.name, done, total, "rows")
    return done, hasher.hexdigest()


def lenient(text: bytes) -> str:
    return text.decode("utf-8", "surrogateescape")
