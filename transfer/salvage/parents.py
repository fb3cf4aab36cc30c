"""Foreign keys of the file that is being made: no row may have lost its parent on the way back.

A row that was carried and finds no parent is taken back; a parent that is gone while a row that stays refers to it
comes back. References that were broken in the backup already are no fault of the way back.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from transfer import sqlite as lite
from transfer.pairing import Finding
from transfer.progress import Watch
from transfer.salvage.applying import Conflict, Table
from transfer.salvage.changes import Changes
from transfer.salvage.places import Places, given, places_of
from transfer.sqlite import quoted
from transfer.values import Stored


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key: columns FROM_ of CHILD refer to TO of PARENT. PLACES tell rows of CHILD, PARENTS of PARENT."""

    child: str
    from_: tuple[str, ...]
    parent: str
    to: tuple[str, ...]
    places: Places
    parents: Places

    def join(self, schema: str) -> str:
        """The parent's column stands left: its collation decides, as it does in SQLite's own check."""
        on = " AND ".join(f"p.{quoted(t)} = c.{quoted(f)}" for f, t in zip(self.from_, self.to, strict=True))
        given_ = " AND ".join(f"c.{quoted(f)} IS NOT NULL" for f in self.from_)
        return (
            f"FROM {schema}.{quoted(self.child)} AS c LEFT JOIN {schema}.{quoted(self.parent)} AS p ON {on}"
            f" WHERE {given_} AND p.{quoted(self.to[0])} IS NULL"
        )


def references(con: sqlite3.Connection) -> tuple[tuple[Reference, ...], tuple[Finding, ...]]:
    """Every foreign key of the file, and those that refer to what is not there and so can hold for no row."""
    tables = {t.name.casefold(): t for t in lite.tables(con)}
    found, findings = [], []
    for child in tables.values():
        listed: dict[int, list[tuple[str, str, str | None]]] = {}
        rows = con.execute(
            'SELECT id, "table", "from", "to" FROM pragma_foreign_key_list(?) ORDER BY id, seq', (child.name,)
        )
        for n, parent, from_, to in rows:
            listed.setdefault(n, []).append((_text(parent), _text(from_), None if to is None else _text(to)))
        for columns in listed.values():
            parent_name, of = columns[0][0], tables.get(columns[0][0].casefold())
            to = tuple(t for _, _, t in columns if t is not None) or (of.key if of else ())
            own = {c.name.casefold() for c in of.columns} if of else set()
            if of is None or len(to) != len(columns) or not {t.casefold() for t in to} <= own:
                text = f"a foreign key refers to {parent_name}, which has no such key: it was not looked at"
                findings.append(Finding(child.name, columns[0][1], text, blocks=False))
                continue
            from_ = tuple(f for _, f, _ in columns)
            found.append(Reference(child.name, from_, of.name, to, places_of(con, child), places_of(con, of)))
    return tuple(found), tuple(findings)


def settle(
    con: sqlite3.Connection,
    changes: Changes,
    tables: Mapping[str, Table],
    wanted: Sequence[Reference],
    changed: Collection[str],
    watch: Watch,
) -> list[Conflict]:
    """Takes changes back until no row of main has lost its parent against the attached schema was.

    CHANGED: the tables that anything was done to. Gives the rows that could not be helped.
    """
    helpless: dict[tuple[Reference, tuple[object, ...]], Conflict] = {}
    looked = [r for r in wanted if {r.child, r.parent} & set(changed)]
    again = True
    while again:
        again = False
        for r in looked:
            while lone := [at for at in _lone(con, r, watch) if (r, _hashable(at)) not in helpless]:
                for at in lone:
                    if not _is_lone(con, r, "main", at):  # another one's help was its own
                        continue
                    if _helped(con, changes, tables, r, at):
                        again = True
                    else:
                        place = ", ".join(str(v) for v in at[: len(r.places.sql)])
                        text = f"its parent in {r.parent} is not there"
                        helpless[r, _hashable(at)] = Conflict(r.child, f"row {place}", r.from_[0], text)
    return list(helpless.values())


Lone = tuple[Stored, ...]


def _lone(con: sqlite3.Connection, r: Reference, watch: Watch) -> list[Lone]:
    """Rows without a parent, (place, reference): those that were not so in the backup."""
    watch.go_on()
    what = ", ".join((*(f"c.{p}" for p in r.places.sql), *(f"c.{quoted(f)}" for f in r.from_)))
    return [row for row in con.execute(f"SELECT {what} {r.join('main')}") if not _is_lone(con, r, "was", row)]


def _is_lone(con: sqlite3.Connection, r: Reference, schema: str, row: Lone) -> bool:
    marks, values = given(row)
    names = [*(f"c.{p}" for p in r.places.sql), *(f"c.{quoted(f)}" for f in r.from_)]
    same = " AND ".join(f"{n} IS {m}" for n, m in zip(names, marks, strict=True))
    return con.execute(f"SELECT 1 {r.join(schema)} AND {same}", values).fetchone() is not None


def _helped(con: sqlite3.Connection, changes: Changes, tables: Mapping[str, Table], r: Reference, row: Lone) -> bool:
    at, refers = row[: len(r.places.sql)], row[len(r.places.sql) :]
    child, parent = tables.get(r.child), tables.get(r.parent)
    if child is not None:
        n = changes.find(r.child, now=r.places.tag_of(con, f"main.{quoted(r.child)}", at))
        if n is not None:
            child.revert(n, f"its parent in {r.parent} is not there", _target(child, r.from_))
            return True
    if parent is None:
        return False
    marks, values = given(refers)
    where = " AND ".join(f"{quoted(t)} = {m}" for t, m in zip(r.to, marks, strict=True))
    sql = f"SELECT {r.parents.tag()} FROM was.{quoted(r.parent)} WHERE {where}"  # noqa: S608 - quoted
    found = [changes.find(r.parent, was=bytes(tag).decode()) for (tag,) in con.execute(sql, values).fetchall()]
    for n in found:
        if n is not None:
            parent.revert(n, f"a row of {r.child} that stays as it was refers to it")
    return any(n is not None for n in found)


def _target(table: Table, names: Sequence[str]) -> str | None:
    folded = names[0].casefold()
    return next((c.target for c in table.pair.columns if c.source.casefold() == folded), None)


def _hashable(row: Lone) -> tuple[object, ...]:
    return tuple(bytes(v) if isinstance(v, bytearray) else v for v in row)


def _text(value: str | bytes | bytearray) -> str:
    return value if isinstance(value, str) else value.decode()
