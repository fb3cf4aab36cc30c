"""What the target holds rows to: as PostgreSQL's catalogue says, or, without a database, as we would create it."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from transfer import catalog
from transfer.audit.conditions import NAME, unquoted
from transfer.pairing import TablePair
from transfer.postgres import Cursor
from transfer.schema.mapping import column_types
from transfer.schema.model import Index, Schema, Table
from transfer.schema.reading import unused_keys
from transfer.schema.target import TargetIndex, look
from transfer.types import Kind


@dataclass(frozen=True, slots=True)
class Part:
    """A column of a unique key, by its name in PostgreSQL. FOLD: "lower" or "rtrim" of it is unique, "" = itself."""

    column: str
    fold: str = ""


@dataclass(frozen=True, slots=True)
class Unique:
    """PARTS are unique among the rows for which WHERE (PostgreSQL's SQL, "" = all rows) holds.

    PARTS of None: expressions that cannot be computed here. NULLS_DISTINCT: two NULLs are not the same.
    """

    table: str
    name: str
    parts: tuple[Part, ...] | None
    where: str = ""
    nulls_distinct: bool = True


@dataclass(frozen=True, slots=True)
class Reference:
    """A foreign key; every name is PostgreSQL's."""

    table: str
    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """A CHECK that only PostgreSQL has; TEXT is its condition."""

    table: str
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Constraints:
    """Of all tables. MADE: they do not exist yet, so that PostgreSQL may still refuse to make one."""

    made: bool
    uniques: tuple[Unique, ...]
    references: tuple[Reference, ...]
    checks: tuple[Check, ...] = ()


def assumed(con: sqlite3.Connection, schema: Schema) -> tuple[catalog.Table, ...]:
    """For an audit without a database. OIDs are only places in the list."""
    types = column_types(con, schema)
    unused = unused_keys(con, schema)

    def table(n: int, t: Table) -> catalog.Table:
        # A key that no row has becomes UNIQUE, which takes NULL.
        key = () if t.name in unused else t.key
        columns = tuple(
            catalog.Column(c.name, types[t.name, c.name].type, c.not_null or c.name in key, c.generated == "STORED")
            for c in t.columns
        )
        return catalog.Table(n, "public", t.name, False, columns, key)

    return tuple(table(n, t) for n, t in enumerate(schema.tables))


def assumed_constraints(schema: Schema, pairs: Sequence[TablePair]) -> Constraints:
    """Of the tables that we would create, named alike on both sides."""
    by_source = {p.source: p for p in pairs}
    uniques: list[Unique] = []
    references: list[Reference] = []
    for t in schema.tables:
        if t.name not in by_source:
            continue
        kinds = {c.source: c.type.kind for c in by_source[t.name].columns}
        if t.key:
            uniques.append(Unique(t.name, "primary key", tuple(Part(c) for c in t.key)))
        uniques += [u for i in t.indexes if i.unique and (u := _unique(t, i, kinds)) is not None]
        references += [Reference(t.name, f.columns, f.parent, f.parent_columns) for f in t.foreign_keys]
    return Constraints(True, tuple(uniques), tuple(references))


_FOLDS = {"BINARY": "", "NOCASE": "lower", "RTRIM": "rtrim"}


def _unique(table: Table, index: Index, kinds: Mapping[str, Kind]) -> Unique | None:
    """None: not carried (a collation of the application's own), or kept by SQLite by the very same condition."""
    if index.predicate or any(p.column is None or p.collation not in _FOLDS for p in index.parts):
        return None
    parts = [
        Part(p.column, _FOLDS[p.collation] if kinds.get(p.column) is Kind.TEXT else "")
        for p in index.parts
        if p.column is not None
    ]
    name = index.name or f"({', '.join(p.column for p in parts)})"
    return Unique(table.name, name, tuple(parts))


# Since PostgreSQL 15; asked in this way of older ones too.
_NULLS_ALIKE = """
SELECT i.indrelid, c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE to_jsonb(i)->>'indnullsnotdistinct' = 'true'
"""


def target_constraints(cur: Cursor, pairs: Sequence[TablePair], carried: frozenset[tuple[str, str]]) -> Constraints:
    """As the catalogue says. CARRIED: (SQLite's table, name) of unique keys that SQLite keeps by the same words."""
    there, tables = look(cur), {p.oid: p for p in pairs}
    cur.execute(_NULLS_ALIKE)
    alike = set(cur.fetchall())
    folding = {(c.table, c.name) for c in there.columns if c.folds}
    uniques = [
        Unique(
            p.target,
            "primary key",
            tuple(Part(c.target, "lower" if (p.oid, c.target) in folding else "") for c in p.key),
        )
        for p in pairs
        if p.key
    ]
    for i in there.indexes:
        pair = tables.get(i.table)
        if pair is None or not i.unique:
            continue
        parts, where = _parts(i, folding), i.predicate
        if (parts is None or where) and (pair.source, i.name) in carried:
            continue
        uniques.append(Unique(pair.target, i.name, parts, where, (i.table, i.name) not in alike))
    return Constraints(
        False,
        tuple(uniques),
        tuple(
            Reference(tables[f.table].target, f.columns, f.parent, f.parent_columns)
            for f in there.foreign_keys
            if f.table in tables
        ),
        tuple(Check(tables[c.table].target, c.name, c.text) for c in there.checks if c.table in tables),
    )


_PART = re.compile(rf"{NAME}|(lower|rtrim)\((?:{NAME}|{NAME}::text|\({NAME}\)::text)\)")


def _parts(index: TargetIndex, folding: set[tuple[int, str]]) -> tuple[Part, ...] | None:
    parts = []
    for key in index.keys:
        m = _PART.fullmatch(key)
        if m is None:
            return None
        column = unquoted(m[1] or m[3] or m[4] or m[5])
        parts.append(Part(column, m[2] or ("lower" if (index.table, column) in folding else "")))
    return tuple(parts)
