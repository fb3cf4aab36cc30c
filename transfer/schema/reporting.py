"""Two schemas that exist held against each other: what of SQLite's is in PostgreSQL, what is not, what differs."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from transfer import catalog, pairing
from transfer import sqlite as lite
from transfer.pairing import LEFT_ALONE, TablePair
from transfer.postgres import Cursor
from transfer.schema import columns, keys
from transfer.schema.line import CARRIED, DIFFERS, NOT_CARRIED, Held, SchemaLine
from transfer.schema.mapping import column_types
from transfer.schema.model import Schema
from transfer.schema.reading import read, text_as_str
from transfer.schema.target import Target, look


def report(con: sqlite3.Connection, cur: Cursor) -> tuple[SchemaLine, ...]:
    """Each thing of SQLite's schema against current_schema(), and what stands in PostgreSQL alone.

    Reads both, writes neither. CHECKs are compared by name or columns, their texts are shown; views and triggers by
    name alone, so that they never count as carried. Raises Refused: a schema that cannot be read.
    """
    with text_as_str(con):
        schema, target = read(con), look(cur)
        types = column_types(con, schema)
        theirs = catalog.tables(cur)
        pairs, _ = pairing.pair(lite.tables(con), lite.virtual_tables(con), theirs)
    lines = list(_one_sided(schema, pairs, theirs))
    by_source = {p.source: p for p in pairs}
    for table in schema.tables:
        pair = by_source.get(table.name)
        if pair is not None:
            of = next(t for t in theirs if t.oid == pair.oid)
            held = Held(table, pair, of, by_source, types)
            lines += columns.lines(held, target)
            lines += keys.lines(held, target)
    lines += _beside(schema, by_source, target)
    return tuple(sorted(lines, key=lambda x: x.table))


def _one_sided(
    schema: Schema, pairs: tuple[TablePair, ...], theirs: tuple[catalog.Table, ...]
) -> Iterator[SchemaLine]:
    by_source = {p.source: p for p in pairs}
    for table in schema.tables:
        pair = by_source.get(table.name)
        if table.name in LEFT_ALONE:
            continue
        if pair is None:
            yield SchemaLine(table.name, "table", table.name, NOT_CARRIED, "PostgreSQL has no such table")
        else:
            text = "" if pair.target == table.name else f"named {pair.target} in PostgreSQL"
            yield SchemaLine(table.name, "table", table.name, DIFFERS if text else CARRIED, text)
    paired = {p.oid for p in pairs}
    for t in theirs:
        if t.oid not in paired and t.name not in LEFT_ALONE:
            yield SchemaLine(t.name, "table", t.name, DIFFERS, "only in PostgreSQL")


def _beside(schema: Schema, by_source: dict[str, TablePair], target: Target) -> Iterator[SchemaLine]:
    unseen = "one of that name is there; whether it does the same was not looked at"
    for view in schema.views:
        there = view in target.views
        yield SchemaLine(view, "view", view, DIFFERS if there else NOT_CARRIED, unseen if there else "")
    for table, name in schema.triggers:
        pair = by_source.get(table)
        there = pair is not None and (pair.oid, name) in target.triggers
        yield SchemaLine(table, "trigger", name, DIFFERS if there else NOT_CARRIED, unseen if there else "")
    for name in schema.virtual:
        yield SchemaLine(name, "virtual table", name, NOT_CARRIED, "its content is not carried")
