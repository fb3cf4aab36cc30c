"""Reading SQLite files: opening them without touching them, and what is in them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote as percent_encode

from transfer.errors import CouldNotLook, Refused

MAGIC = b"SQLite format 3\x00"


@dataclass(frozen=True, slots=True)
class Column:
    """One column. KEY is its place in the primary key, from 1; 0 = not part of it."""

    name: str
    declared: str
    key: int
    generated: bool


@dataclass(frozen=True, slots=True)
class Table:
    """One table that stores rows. KIND is "table" or "shadow" (storage of a virtual table)."""

    name: str
    kind: str
    without_rowid: bool
    columns: tuple[Column, ...]

    @property
    def key(self) -> tuple[str, ...]:
        return tuple(c.name for c in sorted(self.columns, key=lambda c: c.key) if c.key)


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@contextmanager
def reading(path: Path, *, settled: bool = False) -> Iterator[sqlite3.Connection]:
    """One read-only snapshot of PATH. SETTLED: a backup that nobody writes, read past all locks.

    Raises CouldNotLook (no such file, not SQLite, torn) and Refused (a settled file that is live after all).
    """
    look_at(path)
    uri = f"file:{percent_encode(str(path.absolute()))}?mode=ro"
    if settled:
        for tail in ("-wal", "-journal"):
            beside = path.with_name(path.name + tail)
            if beside.exists() and beside.stat().st_size:
                raise Refused(f"{path.name} is in use: {beside.name} lies beside it. Take a backup, use that.")
        uri += "&immutable=1"
    before = path.stat()
    try:
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None, timeout=10)) as con:
            con.execute("BEGIN")
            con.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            yield con
    except sqlite3.DatabaseError as e:
        raise CouldNotLook(f"{path}: cannot be read: {e}") from e
    after = path.stat()
    if settled and (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise CouldNotLook(f"{path.name} was written while it was read. Take a backup, use that.")


def look_at(path: Path) -> None:
    """Raises CouldNotLook unless PATH is a readable SQLite file (an empty file is none)."""
    try:
        with path.open("rb") as f:
            head = f.read(16)
    except OSError as e:
        raise CouldNotLook(f"{path}: {e.strerror or e}") from e
    if head != MAGIC:
        raise CouldNotLook(f"{path}: not a SQLite database.")


def change_counter(path: Path) -> int:
    """The file's change counter: bytes 24-27 of the header (https://sqlite.org/fileformat2.html, 1.3.7)."""
    with path.open("rb") as f:
        return int.from_bytes(f.read(28)[24:28], "big")


def tables(con: sqlite3.Connection) -> tuple[Table, ...]:
    """Every table that stores rows, by name; SQLite's own (sqlite_*) left out."""
    listed = con.execute(
        "SELECT name, type, wr FROM pragma_table_list WHERE schema = 'main' AND type IN ('table', 'shadow')"
        " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name"
    ).fetchall()
    return tuple(Table(_name(n), _name(k), bool(wr), _columns(con, _name(n))) for n, k, wr in listed)


def virtual_tables(con: sqlite3.Connection) -> tuple[str, ...]:
    found = con.execute("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'virtual'")
    return tuple(sorted(_name(n) for (n,) in found))


def sequences(con: sqlite3.Connection) -> dict[str, int]:
    """sqlite_sequence: the highest id that AUTOINCREMENT ever gave, by table."""
    if not con.execute("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'").fetchone():
        return {}
    found = con.execute("SELECT name, max(seq) FROM sqlite_sequence GROUP BY name ORDER BY name").fetchall()
    return {_name(name): int(seq or 0) for name, seq in found}


def row_order(table: Table) -> str:
    """The ORDER BY that gives a table's rows in the order they are stored, whatever its columns' names."""
    if table.without_rowid:
        return "ORDER BY " + ", ".join(quoted(k) for k in table.key)
    taken = {c.name.lower() for c in table.columns}
    alias = next((a for a in ("rowid", "_rowid_", "oid") if a not in taken), None)
    return f"ORDER BY {alias}" if alias else ""


def count(con: sqlite3.Connection, table: str) -> int:
    return int(con.execute(f"SELECT count(*) FROM {quoted(table)}").fetchone()[0])  # noqa: S608 - quoted


def _columns(con: sqlite3.Connection, table: str) -> tuple[Column, ...]:
    found = con.execute("SELECT name, type, pk, hidden FROM pragma_table_xinfo(?)", (table,)).fetchall()
    return tuple(Column(_name(n), _name(t), pk, hidden in (2, 3)) for n, t, pk, hidden in found if hidden != 1)


def _name(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode()
