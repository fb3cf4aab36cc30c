"""What PostgreSQL's catalogue says of the target: tables, columns, keys, sequences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from transfer.types import Type, type_of

if TYPE_CHECKING:  # the process that reads SQLite again knows tables, and needs no driver for PostgreSQL
    from transfer.postgres import Cursor


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    type: Type
    not_null: bool
    generated: bool


@dataclass(frozen=True, slots=True)
class Table:
    """One ordinary table of the current schema; PARTITIONED ones are listed but cannot be filled yet."""

    oid: int
    schema: str
    name: str
    partitioned: bool
    columns: tuple[Column, ...]
    key: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SequenceOf:
    """A sequence that feeds a column: owned by it (SERIAL, IDENTITY) or named in its default."""

    schema: str
    name: str
    table: str
    column: str


@dataclass(frozen=True, slots=True)
class Trigger:
    """A trigger that a copy sets off. CHANGES_ROWS: it may alter or drop what is sent (BEFORE, for each row)."""

    table: str
    name: str
    on: str
    changes_rows: bool

    @property
    def text(self) -> str:
        does = "may change or drop the rows that are sent" if self.changes_rows else "runs when rows are sent"
        return f"trigger {self.name} ({self.on}) {does}"


# A domain over a domain over ... is followed to its base type, and the first typmod met on the way holds.
_COLUMNS = """
WITH RECURSIVE base(oid, typname, typtype, typbasetype, typmod) AS (
    SELECT oid, typname, typtype, typbasetype, CASE WHEN typtype = 'd' THEN typtypmod ELSE -1 END FROM pg_type
  UNION ALL
    SELECT b.oid, t.typname, t.typtype, t.typbasetype,
           CASE WHEN b.typmod >= 0 THEN b.typmod WHEN t.typtype = 'd' THEN t.typtypmod ELSE -1 END
    FROM base b JOIN pg_type t ON t.oid = b.typbasetype WHERE b.typtype = 'd')
SELECT c.oid, n.nspname, c.relname, c.relkind = 'p', a.attname, b.typname,
       format_type(a.atttypid, a.atttypmod),
       CASE WHEN a.atttypmod >= 0 THEN a.atttypmod ELSE b.typmod END, a.attnotnull, a.attgenerated <> ''
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN base b ON b.oid = a.atttypid AND b.typtype <> 'd'
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname = current_schema()
ORDER BY c.relname, a.attnum
"""
_KEYS = """
SELECT i.indrelid, a.attname
FROM pg_index i
CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, place)
JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
WHERE i.indisprimary AND k.place <= i.indnkeyatts
ORDER BY i.indrelid, k.place
"""
_SEQUENCES = """
SELECT DISTINCT sn.nspname, s.relname, t.relname, a.attname
FROM pg_class s
JOIN pg_namespace sn ON sn.oid = s.relnamespace
JOIN (
    SELECT objid AS sequence, refobjid AS tab, refobjsubid AS attnum FROM pg_depend
    WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass AND deptype IN ('a', 'i')
  UNION
    SELECT d.refobjid, def.adrelid, def.adnum FROM pg_depend d JOIN pg_attrdef def ON def.oid = d.objid
    WHERE d.classid = 'pg_attrdef'::regclass AND d.refclassid = 'pg_class'::regclass
) feeds ON feeds.sequence = s.oid
JOIN pg_class t ON t.oid = feeds.tab
JOIN pg_namespace tn ON tn.oid = t.relnamespace
JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = feeds.attnum
WHERE s.relkind = 'S' AND tn.nspname = current_schema() AND t.relkind IN ('r', 'p')
ORDER BY 3, 4, 2
"""
# tgtype, as in pg_trigger.h: 1 row, 2 before, 4 insert, 32 truncate. Only "origin" and "always" ones fire here.
_TRIGGERS = """
SELECT c.relname, t.tgname,
       concat_ws(' ', CASE WHEN t.tgtype::int & 2 <> 0 THEN 'BEFORE' ELSE 'AFTER' END,
                 concat_ws(' OR ', CASE WHEN t.tgtype::int & 4 <> 0 THEN 'INSERT' END,
                           CASE WHEN t.tgtype::int & 32 <> 0 THEN 'TRUNCATE' END),
                 CASE WHEN t.tgtype::int & 1 <> 0 THEN 'FOR EACH ROW' ELSE 'FOR EACH STATEMENT' END),
       t.tgtype::int & 7 = 7
FROM pg_trigger t
JOIN pg_class c ON c.oid = t.tgrelid
WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND t.tgtype::int & 36 <> 0
  AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relnamespace = current_schema()::regnamespace
ORDER BY 1, 2
"""


def tables(cur: Cursor) -> tuple[Table, ...]:
    """Every table of the current schema, with its columns in their order and its primary key."""
    cur.execute(_KEYS)
    keys: dict[int, list[str]] = {}
    for oid, column in cur.fetchall():
        keys.setdefault(oid, []).append(column)
    cur.execute(_COLUMNS)
    columns: dict[tuple[int, str, str, bool], list[Column]] = {}
    for (
        oid,
        schema,
        name,
        partitioned,
        column,
        typname,
        formatted,
        typmod,
        not_null,
        generated,
    ) in cur.fetchall():
        of_table = columns.setdefault((oid, schema, name, partitioned), [])
        if column is not None:
            of_table.append(Column(column, type_of(typname, formatted, typmod), not_null, generated))
    return tuple(
        Table(oid, schema, name, partitioned, tuple(found), tuple(keys.get(oid, ())))
        for (oid, schema, name, partitioned), found in columns.items()
    )


def sequences(cur: Cursor) -> tuple[SequenceOf, ...]:
    cur.execute(_SEQUENCES)
    return tuple(SequenceOf(*row) for row in cur.fetchall())


def triggers(cur: Cursor) -> tuple[Trigger, ...]:
    """The triggers of the current schema's tables that an INSERT, a COPY or a TRUNCATE would set off."""
    cur.execute(_TRIGGERS)
    return tuple(Trigger(*row) for row in cur.fetchall())
