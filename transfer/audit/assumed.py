"""The tables that we would create, as if PostgreSQL's catalogue held them already."""

from __future__ import annotations

import sqlite3

from transfer import catalog
from transfer.schema.mapping import column_types
from transfer.schema.model import Schema, Table


def assumed(con: sqlite3.Connection, schema: Schema) -> tuple[catalog.Table, ...]:
    """For an audit without a database. OIDs are only places in the list."""
    types = column_types(con, schema)

    def column(table: Table, place: int) -> catalog.Column:
        c = table.columns[place]
        not_null = c.not_null or c.name in table.key
        return catalog.Column(c.name, types[table.name, c.name].type, not_null, c.generated == "STORED")

    return tuple(
        catalog.Table(n, "public", t.name, False, tuple(column(t, i) for i in range(len(t.columns))), t.key)
        for n, t in enumerate(schema.tables)
    )
