"""Rows that lack a parent, and rows that PostgreSQL's unique keys would not take together."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

from transfer.audit.findings import EXAMPLES, AuditFinding, Example, Severity, rule_line, shown
from transfer.expressions import ALIAS
from transfer.pairing import ColumnPair, TablePair
from transfer.postgres import Cursor
from transfer.progress import Watch
from transfer.rules import NULL_ORPHAN, SKIP_ORPHAN
from transfer.schema.model import ForeignKey, Schema
from transfer.sqlite import quoted
from transfer.values import value_of


def orphans(con: sqlite3.Connection, schema: Schema, pairs: Sequence[TablePair]) -> Iterator[AuditFinding]:
    """For every foreign key: rows whose parent does not exist. PostgreSQL takes no key that they break."""
    by_source = {p.source: p for p in pairs}
    names = {t.name.casefold(): t.name for t in schema.tables}
    for table in schema.tables:
        pair = by_source.get(table.name)
        for key in table.foreign_keys if pair is not None else ():
            assert pair is not None
            parent = names.get(key.parent.casefold())
            if parent is None or len(key.parent_columns) != len(key.columns):
                text = f"refers to {key.parent}, which {'has no such key' if parent else 'does not exist'}"
                yield AuditFinding(
                    pair.target, key.columns[0], "reference-to-nothing", Severity.CHANGES, None, (), text
                )
                continue
            yield from _of_key(con, pair, key, parent)


def _of_key(con: sqlite3.Connection, pair: TablePair, key: ForeignKey, parent: str) -> Iterator[AuditFinding]:
    given = [f"{ALIAS}.{quoted(c)} IS NOT NULL" for c in key.columns]
    both = zip(key.columns, key.parent_columns, strict=True)
    same = " AND ".join(f"p.{quoted(there)} = {ALIAS}.{quoted(here)}" for here, there in both)
    lone = f"{' AND '.join(given)} AND NOT EXISTS (SELECT 1 FROM {quoted(parent)} AS p WHERE {same})"  # noqa: S608
    found = f"FROM {quoted(pair.source)} AS {ALIAS} WHERE {lone}"
    n = con.execute(f"SELECT count(*) {found}").fetchone()[0]
    if not n:
        return
    columns = [c for c in pair.columns if c.source.casefold() in {x.casefold() for x in key.columns}]
    rules = [r for c in columns for r in c.rules]
    rule = SKIP_ORPHAN if any(c.not_null for c in columns) else NULL_ORPHAN
    yield AuditFinding(
        pair.target,
        columns[0].target if columns else None,
        "orphan",
        Severity.BLOCKS,
        n,
        _examples(con, pair, columns, found),
        f"rows whose parent in {parent} does not exist",
        rule_line(f"{pair.target}.{columns[0].target}", [rule]) if columns else None,
        SKIP_ORPHAN in rules or NULL_ORPHAN in rules,
    )


def _examples(
    con: sqlite3.Connection, pair: TablePair, columns: Sequence[ColumnPair], found: str
) -> tuple[Example, ...]:
    keys = list(pair.key) or list(columns)
    wanted = ", ".join(f"{ALIAS}.{quoted(c.source)}" for c in (*keys, *columns))
    examples = []
    for row in con.execute(f"SELECT {wanted} {found} LIMIT {EXAMPLES}"):
        values = [value_of(v) for v in row]
        key = ", ".join(f"{c.target}={shown(v, c)}" for c, v in zip(keys, values, strict=False))
        value = ", ".join(shown(v, c) for c, v in zip(columns, values[len(keys) :], strict=True))
        examples.append(Example(key, value))
    return tuple(examples)


_UNIQUE = """
SELECT i.indrelid, ic.relname, array(
    SELECT a.attname::text FROM unnest(i.indkey::int2[]) WITH ORDINALITY k(num, place)
    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.num
    WHERE k.place <= i.indnkeyatts ORDER BY k.place)
FROM pg_index i JOIN pg_class ic ON ic.oid = i.indexrelid
WHERE i.indrelid = ANY(%s) AND i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL
"""


def duplicates(
    con: sqlite3.Connection, pairs: Sequence[TablePair], cur: Cursor, watch: Watch
) -> Iterator[AuditFinding]:
    """Rows that a unique key of the target would not take together, where SQLite has no such key itself."""
    by_oid = {p.oid: p for p in pairs}
    cur.execute(_UNIQUE, (list(by_oid),))
    for oid, name, columns in cur.fetchall():
        pair = by_oid[oid]
        of = {c.target: c for c in pair.columns}
        key = [of[c] for c in columns if c in of]
        if len(key) != len(columns) or _unique_there(con, pair, key):
            continue
        watch.tell("keys", pair.target, 0, 0, "rows")
        by = ", ".join(f"{ALIAS}.{quoted(c.source)}" for c in key)
        given = " AND ".join(f"{ALIAS}.{quoted(c.source)} IS NOT NULL" for c in key)
        grouped = f"FROM {quoted(pair.source)} AS {ALIAS} WHERE {given} GROUP BY {by} HAVING count(*) > 1"
        n = con.execute(f"SELECT coalesce(sum(n), 0) FROM (SELECT count(*) AS n {grouped})").fetchone()[0]  # noqa: S608
        if n:
            examples = []
            for row in con.execute(f"SELECT count(*), {by} {grouped} LIMIT {EXAMPLES}"):
                both = zip(key, row[1:], strict=True)
                told = ", ".join(f"{c.target}={shown(value_of(v), c)}" for c, v in both)
                examples.append(Example(told, f"{row[0]} rows"))
            text = f"rows that are the same under the unique key {name}"
            column = key[0].target if len(key) == 1 else None
            yield AuditFinding(pair.target, column, "duplicate-key", Severity.BLOCKS, n, tuple(examples), text)


def _unique_there(con: sqlite3.Connection, pair: TablePair, key: Sequence[ColumnPair]) -> bool:
    """Whether SQLite keeps the same columns unique, in its plain collation and for all rows."""
    wanted = {c.source.casefold() for c in key}
    rows = con.execute("SELECT name, pk FROM pragma_table_info(?) WHERE pk", (pair.source,)).fetchall()
    if {_text(n).casefold() for n, _ in rows} == wanted:
        return True
    for index, partial in con.execute(
        'SELECT name, partial FROM pragma_index_list(?) WHERE "unique"', (pair.source,)
    ).fetchall():
        parts = con.execute("SELECT name, coll FROM pragma_index_xinfo(?) WHERE key", (_text(index),)).fetchall()
        columns = {_text(n).casefold() for n, _ in parts if n is not None}
        if columns == wanted and not partial and all(_text(c) == "BINARY" for _, c in parts):
            return True
    return False


def _text(value: str | bytes | bytearray) -> str:
    return value if isinstance(value, str) else value.decode()
