"""Where a row stands in a SQLite table: its rowid, or its key in a table that has none."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from transfer import sqlite as lite
from transfer.errors import Refused
from transfer.sqlite import quoted
from transfer.values import Stored, Value

Place = tuple["Stored | str", ...]


@dataclass(frozen=True, slots=True)
class Places:
    """SQL: names that together tell one row from every other. ROWID: it is one name, for the rowid."""

    sql: tuple[str, ...]
    rowid: bool

    def at(self, place: Place) -> tuple[str, list[Value]]:
        """A condition that holds for the row at PLACE, and its parameters."""
        marks, values = given(place)
        return " AND ".join(f"{p} IS {m}" for p, m in zip(self.sql, marks, strict=True)), values

    def of(self, values: Mapping[str, Stored | str], last: int) -> Place:
        """The place of a row that was put in with VALUES, LAST being the rowid it got."""
        return (last,) if self.rowid else tuple(values.get(p) for p in self.sql)

    def tag(self, prefix: str = "") -> str:
        """SQL for a text that no two rows have in common. Not hex() of a real: that is 15 digits of it."""
        one = (
            f"typeof({prefix}{p}) || CASE typeof({prefix}{p}) WHEN 'real' THEN printf('%!.18g', {prefix}{p})"
            f" ELSE hex({prefix}{p}) END"
            for p in self.sql
        )
        return "'' || " + " || ',' || ".join(one)

    def tag_of(self, con: sqlite3.Connection, table: str, place: Place) -> str:
        """Of the row at PLACE; "" when there is none."""
        where, values = self.at(place)
        row = con.execute(f"SELECT {self.tag()} FROM {table} WHERE {where}", values).fetchone()  # noqa: S608
        return bytes(row[0]).decode() if row else ""

    def first_free(self, con: sqlite3.Connection, table: str) -> int | None:
        """A rowid beyond all others, so that a new row does not take the one of a row that is out for a moment."""
        if not self.rowid:
            return None
        highest: int | None = con.execute(f"SELECT max({self.sql[0]}) FROM {table}").fetchone()[0]  # noqa: S608
        return (highest or 0) + 1 if highest != 2**63 - 1 else None


def places_of(con: sqlite3.Connection, table: lite.Table) -> Places:
    """Raises Refused for a table whose own columns hide its rowid and that has no key."""
    if table.without_rowid:
        return Places(tuple(map(quoted, table.key)), rowid=False)
    if len(table.key) == 1 and _is_rowid(con, table):
        return Places((quoted(table.key[0]),), rowid=True)
    taken = {c.name.casefold() for c in table.columns}
    alias = next((a for a in ("rowid", "_rowid_", "oid") if a not in taken), None)
    if alias is None and not table.key:
        raise Refused(f"{table.name}: its columns hide the rowid and it has no key: its rows cannot be told apart.")
    return Places((alias,), rowid=True) if alias else Places(tuple(map(quoted, table.key)), rowid=False)


def _is_rowid(con: sqlite3.Connection, table: lite.Table) -> bool:
    """An INTEGER PRIMARY KEY is the rowid by another name; one that has an index of its own (DESC) is none."""
    declared = next(c.declared for c in table.columns if c.key)
    own = con.execute("SELECT 1 FROM pragma_index_list(?) WHERE origin = 'pk'", (table.name,)).fetchone()
    return declared.upper() == "INTEGER" and own is None


def given(values: Iterable[Stored | str]) -> tuple[list[str], list[Value]]:
    """Parameter marks and what goes there; a text that is no UTF-8 goes as bytes, and is made a text again."""
    marks: list[str] = []
    parameters: list[Value] = []
    for value in values:
        mark, parameter = "?", value
        if isinstance(value, bytearray):
            try:
                parameter = value.decode()
            except UnicodeDecodeError:
                mark, parameter = "CAST(? AS TEXT)", bytes(value)
        marks.append(mark)
        parameters.append(parameter)  # type: ignore[arg-type]  # no bytearray is left
    return marks, parameters
