"""Changed rows put into a SQLite file: all that go are taken out first, so that none stands in another's way.

A row that changes is taken out and put in again under its own rowid, with the columns that nobody changed exactly as
they were. What SQLite does not take is a conflict: the row stays as it was in the backup.
"""

from __future__ import annotations

import pickle
import sqlite3
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO

from transfer.differing import Placed, Row, named
from transfer.pairing import TablePair
from transfer.salvage.storing import Style, stored
from transfer.sqlite import quoted
from transfer.values import Stored, Unfit, Value


@dataclass(frozen=True, slots=True)
class Conflict:
    """A row that could not be carried, and why; COLUMN when it is one value's fault."""

    table: str
    key: str
    column: str | None
    text: str


@dataclass(frozen=True, slots=True)
class TableSalvage:
    """Rows carried, by what had happened to them in PostgreSQL; UNCHANGED ones were not touched."""

    table: str
    inserted: int
    updated: int
    deleted: int
    unchanged: int


# By column of SQLite.
Values = dict[str, "Stored | str"]


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A row to be put in: VALUES by column of SQLite; OLD as it stood there, None for a new row."""

    key: str
    values: Values
    old: Values | None


class Table:
    """One table of the file that is being made."""

    def __init__(
        self, con: sqlite3.Connection, pair: TablePair, styles: Sequence[Style], places: Sequence[str]
    ) -> None:
        self._con, self._pair, self._styles, self._places = con, pair, styles, places
        rows = con.execute("SELECT name, hidden FROM pragma_table_xinfo(?)", (pair.source,)).fetchall()
        self._columns = [_name(n) for n, hidden in rows if not hidden]
        # A rowid that no column shows has to be kept too: other rows of the file may lie by it.
        self._kept = [*self._columns, *(p for p in places if p not in map(quoted, self._columns))]
        self._waiting: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        self.inserted = self.updated = self.deleted = 0
        self.conflicts: list[Conflict] = []

    def close(self) -> None:
        self._waiting.close()

    def take(self, ours: Placed | None, theirs: Row | None) -> None:
        """Takes out what changed or is gone, and keeps for later what is to be put in."""
        row = theirs if theirs is not None else ours[0] if ours is not None else ()
        key = named(self._pair, row)
        values: Values = {}
        if theirs is not None:
            for i, (c, style) in enumerate(zip(self._pair.columns, self._styles, strict=True)):
                if c.generated or c.source not in self._columns or (ours is not None and ours[0][i] == theirs[i]):
                    continue
                try:
                    values[c.source] = stored(theirs[i], style)
                except Unfit as why:
                    self.conflicts.append(Conflict(self._pair.target, key, c.target, f"SQLite cannot hold it: {why}"))
                    return
        old = self._out(ours) if ours is not None else None
        if theirs is None:
            self.deleted += 1
        else:
            pickle.dump(_Waiting(key, values, old), self._waiting)

    def _out(self, placed: Placed) -> Values:
        where = " AND ".join(f"{p} IS ?" for p in self._places)
        at = [bytes(v).decode() if isinstance(v, bytearray) else v for v in placed[1]]
        names = [n if n in self._places else quoted(n) for n in self._kept]
        table = quoted(self._pair.source)
        row = self._con.execute(f"SELECT {', '.join(names)} FROM {table} WHERE {where}", at).fetchone()  # noqa: S608
        self._con.execute(f"DELETE FROM {table} WHERE {where}", at)  # noqa: S608
        return dict(zip(self._kept, row, strict=True))

    def put(self) -> None:
        """Puts in everything that waits: changed rows, those that have to stay as they were, new ones. In this order,
        because a new row without an id takes the next rowid that is free."""
        back: list[tuple[str, Values]] = []
        for w in self._all():
            if w.old is not None and not self._refused(w.key, w.old | w.values):
                self.updated += 1
            elif w.old is not None:
                back.append((w.key, w.old))
        for key, old in back:
            why = self._insert(old)
            if why is not None:
                text = f"and as it was it does not fit any more: {why}; it is not in the file"
                self.conflicts.append(Conflict(self._pair.target, key, None, text))
        for w in self._all():
            if w.old is None and not self._refused(w.key, w.values):
                self.inserted += 1

    def _refused(self, key: str, values: Values) -> bool:
        why = self._insert(values)
        if why is not None:
            self.conflicts.append(Conflict(self._pair.target, key, None, f"SQLite refuses it: {why}"))
        return why is not None

    def _all(self) -> Iterator[_Waiting]:
        self._waiting.seek(0)
        while True:
            try:
                yield pickle.load(self._waiting)  # noqa: S301 - written above, by this process
            except EOFError:
                return

    def _insert(self, values: Values) -> str | None:
        names = [n if n in self._places else quoted(n) for n in values]
        given = [_given(v) for v in values.values()]
        marks = ["CAST(? AS TEXT)" if text else "?" for _, text in given]
        sql = f"INSERT INTO {quoted(self._pair.source)} ({', '.join(names)}) VALUES ({', '.join(marks)})"  # noqa: S608
        try:
            self._con.execute(sql, [v for v, _ in given])
        except (sqlite3.IntegrityError, sqlite3.DataError, OverflowError) as e:
            return str(e)
        return None


def _given(value: Stored | str) -> tuple[Value, bool]:
    """As sqlite3 takes it; and whether it is bytes to be stored as a text, one that is no UTF-8."""
    if not isinstance(value, bytearray):
        return value, False
    try:
        return value.decode(), False
    except UnicodeDecodeError:
        return bytes(value), True


@contextmanager
def triggers_off(con: sqlite3.Connection) -> Iterator[None]:
    """Inside a transaction: triggers are for what applications do; they come back word for word."""
    found = con.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' ORDER BY rowid").fetchall()
    for name, _ in found:
        con.execute(f"DROP TRIGGER {quoted(_name(name))}")
    yield
    for _, sql in found:
        con.execute(_name(sql))


def _name(value: str | bytes | bytearray) -> str:
    return value if isinstance(value, str) else value.decode()
