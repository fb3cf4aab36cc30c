"""Changed rows put into a SQLite file: all that go are taken out first, so that none stands in another's way.

A row that changes is taken out and put in again in its own place, with the columns that nobody changed exactly as
they were. What SQLite does not take is a conflict: the row stays as it was in the backup, and whatever had taken
its place meanwhile gives way.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from transfer.differing import Placed, Row, named
from transfer.errors import CouldNotLook
from transfer.pairing import TablePair
from transfer.progress import Pace, Watch
from transfer.salvage.changes import Change, Changes, Values
from transfer.salvage.places import Place, Places, given
from transfer.salvage.storing import Style, require, stored
from transfer.sqlite import quoted
from transfer.values import Stored, Unfit


@dataclass(frozen=True, slots=True)
class Conflict:
    """What could not be carried, and why. KEY names the row, "" for a whole table or column; COLUMN when it is
    one value's fault."""

    table: str
    key: str
    column: str | None
    text: str


@dataclass(frozen=True, slots=True)
class TableSalvage:
    """Rows carried, by what had happened to them in PostgreSQL; UNCHANGED ones are the same on both sides."""

    table: str
    inserted: int
    updated: int
    deleted: int
    unchanged: int


class _RefusedBySqlite(Exception):
    """The row cannot stand in the file; COLUMN when one value is why."""

    def __init__(self, text: str, column: str | None = None) -> None:
        super().__init__(text)
        self.column = column


class Table:
    """One table of the file that is being made. CON with `text_factory = bytearray`, inside a transaction."""

    def __init__(
        self, con: sqlite3.Connection, changes: Changes, pair: TablePair, styles: Sequence[Style], places: Places
    ) -> None:
        self._con, self._changes, self.pair, self.places = con, changes, pair, places
        self._styles = {s.column.source: s for s in styles}
        self._name = f"main.{quoted(pair.source)}"
        rows = con.execute("SELECT name, hidden FROM pragma_table_xinfo(?, 'main')", (pair.source,)).fetchall()
        self._columns = [bytes(n).decode() for n, hidden in rows if not hidden]
        self._computed = [s.column.source for s in styles if s.column.source not in self._columns]
        # A rowid that no column shows has to be kept too: other rows of the file may lie by it.
        self._kept = [*map(quoted, self._columns), *(p for p in places.sql if p not in map(quoted, self._columns))]
        self._free = places.first_free(con, self._name)
        self._watched = False
        self.inserted = self.updated = self.deleted = self.differing = 0
        self.conflicts: list[Conflict] = []

    def take(self, ours: Placed | None, theirs: Row | None) -> None:
        """Takes out what changed or is gone, and keeps for later what is to be put in."""
        row = theirs if theirs is not None else ours[0] if ours is not None else ()
        key = named(self.pair, row)
        values: Values = {}
        wanted: dict[str, str | None] = {}
        self.differing += theirs is not None
        for i, c in enumerate(self.pair.columns if theirs is not None else ()):
            assert theirs is not None
            if ours is not None and ours[0][i] == theirs[i]:
                if c.source in self._computed:
                    wanted[c.source] = theirs[i]
                continue
            wanted[c.source] = theirs[i]
            if c.source in self._columns:
                try:
                    values[quoted(c.source)] = stored(theirs[i], self._styles[c.source])
                except Unfit as why:
                    self._conflict(key, f"SQLite cannot hold {why}", c.target)
                    return
        old = was = None
        if ours is not None:
            was = self.places.tag_of(self._con, self._name, ours[1])
            old = self._out(ours[1])
        self.deleted += theirs is None
        self._changes.keep(self.pair.source, Change(key, values, wanted, old, gone=theirs is None), was)

    def put(self, watch: Watch) -> None:
        """Puts in everything that waits: first what stood there already, whose place is known, then new rows."""
        pace = Pace()
        for new_rows in (False, True):
            for done, (n, change) in enumerate(self._changes.waiting(self.pair.source, new_rows=new_rows)):
                try:
                    self._changes.applied(n, *self._put(change))
                except _RefusedBySqlite as why:
                    self.revert(n, f"SQLite refuses it: {why}", why.column)
                else:
                    self.inserted += new_rows
                    self.updated += not new_rows
                if pace.due():
                    watch.tell("salvage", self.pair.target, done, 0, "changed rows")

    def revert(self, n: int, why: str, column: str | None = None) -> None:
        """Change N is not carried: the row is as it was again, and so is every row that this pushes out."""
        todo = [(n, why, column)]
        while todo:
            n, why, column = todo.pop()
            change, place, reverted = self._changes.get(n)
            if reverted:
                continue
            self._changes.reverted(n)
            self._conflict(change.key, why, column)
            self.deleted -= change.gone
            if place is not None:
                self.inserted -= change.old is None
                self.updated -= change.old is not None
                self._delete(place)
            if change.old is not None:
                reason = f"what it holds is taken by {change.key}, which stays as it was"
                todo += [(m, reason, None) for m in self._restore(change.old)]

    def _restore(self, old: Values) -> list[int]:
        """Puts a row back as it was; gives the changes that had to go for it, and are out of the file now."""
        self._watch_what_goes()
        try:
            self._insert(old, "REPLACE")
        except _RefusedBySqlite as why:
            raise CouldNotLook(f"{self.pair.source}: a row could not be put back as it was: {why}") from None
        pushed = self._changes.pushed_out()
        found = [self._changes.find(self.pair.source, now=tag) for tag in pushed]
        if None in found:
            raise CouldNotLook(f"{self.pair.source}: a row that nobody changed would have been lost.")
        return [m for m in found if m is not None]

    def _watch_what_goes(self) -> None:
        """INSERT OR REPLACE deletes whatever stands in its way, by any index; only a trigger is told of it."""
        if not self._watched:
            self._changes.log_deletes(self._name, self.places.tag("OLD."))
            self._watched = True
        self._changes.pushed_out()

    def _conflict(self, key: str, text: str, column: str | None = None) -> None:
        self.conflicts.append(Conflict(self.pair.target, key, column, text))

    def _out(self, at: tuple[Stored, ...]) -> Values:
        where, values = self.places.at(at)
        sql = f"SELECT {', '.join(self._kept)} FROM {self._name} WHERE {where}"  # noqa: S608 - names are quoted
        row = self._con.execute(sql, values).fetchone()
        if row is None:
            raise CouldNotLook(f"{self.pair.source}: a row of the backup is not in its copy.")
        self._delete(at)
        return dict(zip(self._kept, row, strict=True))

    def _delete(self, at: Place) -> None:
        where, values = self.places.at(at)
        self._con.execute(f"DELETE FROM {self._name} WHERE {where}", values)  # noqa: S608 - names are quoted

    def _put(self, change: Change) -> tuple[str, Place]:
        """Puts the row in, and makes sure that SQLite took every value as it is; gives its place, tag first."""
        values = (change.old or {}) | change.values
        if self._free is not None and change.old is None and self.places.sql[0] not in values:
            values[self.places.sql[0]] = self._free
            self._free = self._free + 1 if self._free < 2**63 - 1 else None
        last = self._insert(values, "ABORT")
        names = list(change.wanted)
        place = self.places.of(values, last)
        where, parameters = self.places.at(place)
        columns = ", ".join((self.places.tag(), *map(quoted, names)))
        tag, *held = self._con.execute(f"SELECT {columns} FROM {self._name} WHERE {where}", parameters).fetchone()  # noqa: S608
        for name, value in zip(names, held, strict=True):
            style = self._styles[name]
            try:
                require(value, change.wanted[name], style)
            except Unfit as why:
                self._delete(place)
                raise _RefusedBySqlite(str(why), style.column.target) from None
        return bytes(tag).decode(), place

    def _insert(self, values: Values, otherwise: str) -> int:
        """OTHERWISE overrides an ON CONFLICT clause of the table, which may leave rows out or others behind."""
        marks, parameters = given(values.values())
        sql = f"INSERT OR {otherwise} INTO {self._name} ({', '.join(values)}) VALUES ({', '.join(marks)})"  # noqa: S608
        try:
            return self._con.execute(sql, parameters).lastrowid or 0
        except (sqlite3.IntegrityError, sqlite3.DataError, OverflowError) as e:
            raise _RefusedBySqlite(str(e)) from None
