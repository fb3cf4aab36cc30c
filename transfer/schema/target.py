"""What PostgreSQL's catalogue says of the schema in current_schema(), beyond columns and their types."""

from __future__ import annotations

from dataclasses import dataclass

from transfer.postgres import Cursor


@dataclass(frozen=True, slots=True)
class TargetColumn:
    """DEFAULT as PostgreSQL words it, None = none; of a generated column it is the expression.

    IDENTITY: ids are given by the server. FOLDS: = does not mind case (citext, a nondeterministic collation).
    """

    table: int
    name: str
    default: str | None
    identity: bool
    generated: bool
    folds: bool


@dataclass(frozen=True, slots=True)
class TargetCheck:
    table: int
    name: str
    text: str
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TargetIndex:
    """KEYS as PostgreSQL words them, quoted where it must; PREDICATE "" = the whole table."""

    table: int
    name: str
    unique: bool
    keys: tuple[str, ...]
    descending: tuple[bool, ...]
    predicate: str


@dataclass(frozen=True, slots=True)
class TargetForeignKey:
    table: int
    name: str
    columns: tuple[str, ...]
    parent: str
    parent_columns: tuple[str, ...]
    on_update: str
    on_delete: str
    deferrable: str


@dataclass(frozen=True, slots=True)
class Target:
    """Each by the oid of its table; TRIGGERS as (oid, name), VIEWS by name."""

    columns: tuple[TargetColumn, ...]
    checks: tuple[TargetCheck, ...]
    indexes: tuple[TargetIndex, ...]
    foreign_keys: tuple[TargetForeignKey, ...]
    triggers: tuple[tuple[int, str], ...]
    views: frozenset[str]


_COLUMNS = """
SELECT a.attrelid, a.attname, pg_get_expr(d.adbin, d.adrelid), a.attidentity <> '', a.attgenerated <> '',
       t.typname = 'citext' OR NOT coalesce(l.collisdeterministic, true)
FROM pg_attribute a
JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p')
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_collation l ON l.oid = a.attcollation
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE a.attnum > 0 AND NOT a.attisdropped AND c.relnamespace = current_schema()::regnamespace
ORDER BY 1, a.attnum
"""
_NAMES = """array(SELECT a.attname::text FROM unnest({keys}) WITH ORDINALITY k(num, place)
      JOIN pg_attribute a ON a.attrelid = {table} AND a.attnum = k.num ORDER BY k.place)"""
_CHECKS = f"""
SELECT c.conrelid, c.conname, pg_get_constraintdef(c.oid), {_NAMES.format(keys="c.conkey", table="c.conrelid")}
FROM pg_constraint c
WHERE c.contype = 'c' AND c.conrelid <> 0 AND c.connamespace = current_schema()::regnamespace
ORDER BY 1, 2
"""  # noqa: S608 - constants
_INDEXES = """
SELECT i.indrelid, c.relname, i.indisunique,
       array(SELECT pg_get_indexdef(i.indexrelid, k, true) FROM generate_series(1, i.indnkeyatts) k ORDER BY k),
       array(SELECT i.indoption[k - 1] & 1 = 1 FROM generate_series(1, i.indnkeyatts) k ORDER BY k),
       coalesce(pg_get_expr(i.indpred, i.indrelid), '')
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE NOT i.indisprimary AND i.indisvalid AND c.relnamespace = current_schema()::regnamespace
ORDER BY 1, 2
"""
_FOREIGN_KEYS = f"""
SELECT c.conrelid, c.conname, {_NAMES.format(keys="c.conkey", table="c.conrelid")}, p.relname,
       {_NAMES.format(keys="c.confkey", table="c.confrelid")}, c.confupdtype::text, c.confdeltype::text,
       CASE WHEN c.condeferred THEN 'DEFERRABLE INITIALLY DEFERRED' WHEN c.condeferrable THEN 'DEFERRABLE' ELSE '' END
FROM pg_constraint c JOIN pg_class p ON p.oid = c.confrelid
WHERE c.contype = 'f' AND c.connamespace = current_schema()::regnamespace
ORDER BY 1, 2
"""  # noqa: S608 - constants
_TRIGGERS = """
SELECT t.tgrelid, t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE NOT t.tgisinternal AND c.relnamespace = current_schema()::regnamespace ORDER BY 1, 2
"""
_VIEWS = "SELECT relname FROM pg_class WHERE relkind IN ('v', 'm') AND relnamespace = current_schema()::regnamespace"
_ACTIONS = {"a": "NO ACTION", "r": "RESTRICT", "c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}


def look(cur: Cursor) -> Target:
    cur.execute(_COLUMNS)
    columns = tuple(TargetColumn(*row) for row in cur.fetchall())
    cur.execute(_CHECKS)
    checks = tuple(TargetCheck(oid, name, text, tuple(of)) for oid, name, text, of in cur.fetchall())
    cur.execute(_INDEXES)
    indexes = tuple(
        TargetIndex(oid, name, unique, tuple(keys), tuple(down), predicate)
        for oid, name, unique, keys, down, predicate in cur.fetchall()
    )
    cur.execute(_FOREIGN_KEYS)
    foreign = tuple(
        TargetForeignKey(oid, name, tuple(own), parent, tuple(theirs), _ACTIONS[u], _ACTIONS[d], deferrable)
        for oid, name, own, parent, theirs, u, d, deferrable in cur.fetchall()
    )
    cur.execute(_TRIGGERS)
    triggers = tuple((oid, name) for oid, name in cur.fetchall())
    cur.execute(_VIEWS)
    return Target(columns, checks, indexes, foreign, triggers, frozenset(name for (name,) in cur.fetchall()))
