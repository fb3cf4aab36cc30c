"""The schema of a SQLite file, by its pragmas and by its own text."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from transfer.errors import Refused
from transfer.schema.clauses import TableClauses, index_clauses, table_clauses
from transfer.schema.model import Check, Column, ForeignKey, Index, Part, Schema, Table
from transfer.sqlite import quoted


@contextmanager
def text_as_str(con: sqlite3.Connection) -> Iterator[None]:
    """A schema is text, whatever form CON hands out rows in."""
    factory, con.text_factory = con.text_factory, str
    try:
        yield
    finally:
        con.text_factory = factory


def read(con: sqlite3.Connection) -> Schema:
    """All of it; SQLite's own tables (sqlite_*) left out. Raises Refused: a text that cannot be read."""
    with text_as_str(con):
        listed = con.execute(
            "SELECT l.name, l.type, s.sql FROM pragma_table_list l LEFT JOIN sqlite_schema s ON s.name = l.name"
            " AND s.type IN ('table', 'view') WHERE l.schema = 'main' AND l.name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
            " ORDER BY l.name"
        ).fetchall()
        tables = [_table(con, name, sql) for name, kind, sql in listed if kind == "table"]
        triggers = con.execute("SELECT tbl_name, name FROM sqlite_schema WHERE type = 'trigger' ORDER BY 1, 2")
        return Schema(
            tables=_resolved(tables),
            views=tuple(n for n, kind, _ in listed if kind == "view"),
            triggers=tuple((t, n) for t, n in triggers),
            virtual=tuple(n for n, kind, _ in listed if kind == "virtual"),
            shadows=tuple(n for n, kind, _ in listed if kind == "shadow"),
        )


def _table(con: sqlite3.Connection, name: str, sql: str) -> Table:
    try:
        said = table_clauses(sql)
        columns, key = _columns(con, name, said)
        indexes = _indexes(con, name, said)
        foreign = _foreign_keys(con, name, said)
    except (ValueError, IndexError) as e:
        raise Refused(f"{name}: its CREATE TABLE or one of its indexes cannot be read: {e}") from None
    # A key that is the rowid itself needs no index; every other one has one, or is the table (WITHOUT ROWID).
    bare = con.execute(
        "SELECT NOT l.wr AND NOT EXISTS (SELECT 1 FROM pragma_index_list(l.name) WHERE origin = 'pk')"
        " FROM pragma_table_list l WHERE l.schema = 'main' AND l.name = ?",
        (name,),
    ).fetchone()[0]
    return Table(
        name=name,
        columns=columns,
        key=key,
        key_name=said.key_name,
        rowid=key[0] if bare and len(key) == 1 else None,
        checks=tuple(Check(*c) for c in said.checks),
        indexes=indexes,
        foreign_keys=foreign,
    )


def _columns(con: sqlite3.Connection, table: str, said: TableClauses) -> tuple[tuple[Column, ...], tuple[str, ...]]:
    found = con.execute(
        'SELECT name, type, "notnull", dflt_value, pk, hidden FROM pragma_table_xinfo(?) WHERE hidden <> 1', (table,)
    ).fetchall()
    columns = []
    for name, declared, not_null, default, _, hidden in found:
        generated = {2: "VIRTUAL", 3: "STORED"}.get(hidden, "")
        expression = said.generated.get(name.lower(), "")
        if bool(generated) != bool(expression):
            raise ValueError(f"how {name} is generated")
        collation = said.collations.get(name.lower(), "BINARY")
        # A generated column's own text stands where others have their default.
        columns.append(
            Column(name, declared, bool(not_null), None if generated else default, generated, expression, collation)
        )
    key = tuple(row[0] for row in sorted(found, key=lambda row: row[4]) if row[4])
    return tuple(columns), key


def _indexes(con: sqlite3.Connection, table: str, said: TableClauses) -> tuple[Index, ...]:
    listed = con.execute(
        "SELECT name, \"unique\", origin FROM pragma_index_list(?) WHERE origin <> 'pk' ORDER BY origin DESC, name",
        (table,),
    ).fetchall()
    found = []
    for name, unique, origin in listed:
        keys = con.execute(
            'SELECT cid, name, "desc", coll FROM pragma_index_xinfo(?) WHERE key ORDER BY seqno', (name,)
        ).fetchall()
        sql = con.execute("SELECT sql FROM sqlite_schema WHERE type = 'index' AND name = ?", (name,)).fetchone()[0]
        texts, predicate = index_clauses(sql) if sql else (("",) * len(keys), "")
        if len(texts) != len(keys):
            raise ValueError(f"the keys of {name}")
        parts = tuple(
            Part(column, text if column is None else "", bool(desc), (collation or "BINARY").upper())
            for (_, column, desc, collation), text in zip(keys, texts, strict=True)
        )
        constraint = origin == "u"
        named = said.uniques.get(tuple((p.column or "").lower() for p in parts)) if constraint else name
        found.append(Index(named, constraint, bool(unique), parts, predicate))
    return tuple(found)


def _foreign_keys(con: sqlite3.Connection, table: str, said: TableClauses) -> tuple[ForeignKey, ...]:
    rows = con.execute(
        'SELECT id, "table", "from", "to", on_update, on_delete FROM pragma_foreign_key_list(?)'
        " ORDER BY id DESC, seq",
        (table,),
    ).fetchall()
    by_id: dict[int, list[tuple[str, str, str | None, str, str]]] = {}
    for number, *row in rows:
        by_id.setdefault(number, []).append(tuple(row))
    # The pragma counts from the last one backwards.
    if len(by_id) != len(said.references):
        raise ValueError("its foreign keys")
    found = []
    for of, text in zip(by_id.values(), said.references, strict=True):
        columns = tuple(row[1] for row in of)
        if [c.lower() for c in columns] != [c.lower() for c in text.columns]:
            raise ValueError(f"the foreign key of {', '.join(columns)}")
        parent, _, _, on_update, on_delete = of[0]
        to = tuple(row[2] or "" for row in of)
        found.append(ForeignKey(text.name, columns, parent, to, on_update, on_delete, text.deferrable))
    return tuple(found)


def _resolved(tables: Sequence[Table]) -> tuple[Table, ...]:
    """Parents and their columns by the names they were made with; a reference without columns means the key."""
    by_name = {t.name.lower(): t for t in tables}

    def resolved(f: ForeignKey) -> ForeignKey:
        parent = by_name.get(f.parent.lower())
        if parent is None:
            return replace(f, parent_columns=tuple(c for c in f.parent_columns if c))
        if not all(f.parent_columns):
            fits = len(parent.key) == len(f.columns)
            return replace(f, parent=parent.name, parent_columns=parent.key if fits else ())
        columns = [parent.column(c) for c in f.parent_columns]
        whole = all(c is not None for c in columns)
        return replace(
            f, parent=parent.name, parent_columns=tuple(c.name for c in columns if c is not None) if whole else ()
        )

    return tuple(replace(t, foreign_keys=tuple(map(resolved, t.foreign_keys))) for t in tables)


def unused_keys(con: sqlite3.Connection, schema: Schema) -> frozenset[str]:
    """Tables with rows, none of which has a primary key: SQLite takes NULL for any but an INTEGER one."""

    def unused(t: Table) -> bool:
        nullable = t.key and t.rowid is None and not any(c.not_null for c in t.columns if c.name in t.key)
        if not nullable:
            return False
        given = " OR ".join(f"{quoted(k)} IS NOT NULL" for k in t.key)
        name = quoted(t.name)
        asked = f"SELECT EXISTS (SELECT 1 FROM {name}), EXISTS (SELECT 1 FROM {name} WHERE {given})"  # noqa: S608
        return bool(con.execute(asked).fetchone() == (1, 0))

    return frozenset(t.name for t in schema.tables if unused(t))
