"""What is in a SQLite file."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass


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
