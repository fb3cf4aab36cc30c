"""What a PostgreSQL database holds, in a form that can be compared with another one's: rows, objects, sequences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from psycopg2 import sql

from transfer.postgres import Cursor

# Neither the server's own, nor what an extension brings along.
_OURS = (
    "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND NOT EXISTS (SELECT FROM pg_depend e"
    " WHERE e.classid = {catalog}::regclass AND e.objid = {oid} AND e.deptype = 'e')"
)


def _ours(catalog: str, oid: str) -> str:
    return _OURS.format(catalog=f"'{catalog}'", oid=oid)


# A materialized view is made anew by a restore: where it was out of date, it rightly holds other rows then.
_TABLES = f"""
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND {_ours("pg_class", "c.oid")} ORDER BY 1, 2
"""  # noqa: S608
# Names and not definitions: two versions of PostgreSQL write the same definition differently. pg_dump leaves invalid
# indexes out; a NOT NULL is a constraint since 18 and a mark of its column before.
_OBJECTS = f"""
SELECT CASE c.relkind WHEN 'i' THEN 'index' WHEN 'I' THEN 'index' WHEN 'v' THEN 'view'
       WHEN 'm' THEN 'materialized view' WHEN 'f' THEN 'foreign table' ELSE 'table' END, n.nspname || '.' || c.relname
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_index i ON i.indexrelid = c.oid
 WHERE c.relkind IN ('r', 'p', 'i', 'I', 'v', 'm', 'f') AND c.relpersistence <> 't' AND coalesce(i.indisvalid, true)
   AND {_ours("pg_class", "coalesce(i.indrelid, c.oid)")}
UNION ALL
SELECT 'constraint', n.nspname || '.' || r.relname || '.' || k.conname FROM pg_constraint k
  JOIN pg_class r ON r.oid = k.conrelid JOIN pg_namespace n ON n.oid = r.relnamespace
 WHERE k.contype IN ('c', 'f', 'p', 'u', 'x') AND {_ours("pg_class", "r.oid")}
UNION ALL
SELECT 'column', n.nspname || '.' || c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
       || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END
  FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped AND {_ours("pg_class", "c.oid")}
UNION ALL
SELECT 'trigger', n.nspname || '.' || c.relname || '.' || t.tgname FROM pg_trigger t
  JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE NOT t.tgisinternal AND {_ours("pg_class", "c.oid")}
UNION ALL
SELECT 'function', n.nspname || '.' || p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')'
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE {_ours("pg_proc", "p.oid")}
"""  # noqa: S608
_SEQUENCES = f"""
SELECT n.nspname || '.' || c.relname, s.last_value FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_sequences s ON s.schemaname = n.nspname AND s.sequencename = c.relname
 WHERE c.relkind = 'S' AND c.relpersistence <> 't' AND {_ours("pg_class", "c.oid")}
"""  # noqa: S608
# The order of the rows is no part of a table, so their digests are added up: 2 × 64 bits of the sha256 of each.
# ROW(r.*): a plain r would be the column of that name, where there is one.
_DIGEST = """
SELECT count(*), coalesce(sum(('x' || substr(h, 1, 16))::bit(64)::bigint::numeric), 0)::text || ':'
              || coalesce(sum(('x' || substr(h, 17, 16))::bit(64)::bigint::numeric), 0)::text
  FROM (SELECT encode(sha256(convert_to(ROW(r.*)::text, 'UTF8')), 'hex') AS h FROM ONLY {} AS r) AS hashed
"""


@dataclass(frozen=True, slots=True)
class Rows:
    """How many rows a table has, and the digest of them all, whatever their order."""

    count: int
    digest: str


@dataclass(frozen=True, slots=True)
class Contents:
    """TABLES by "schema.name"; OBJECTS as (kind, name): indexes, constraints, columns with their types, views, …;
    SEQUENCES with their last value, None for one that was never used."""

    tables: Mapping[str, Rows]
    objects: frozenset[tuple[str, str]]
    sequences: Mapping[str, int | None]

    def count(self, kind: str) -> int:
        """How many objects of KIND there are."""
        return sum(one == kind for one, _ in self.objects)

    @property
    def rows(self) -> int:
        """Of all tables."""
        return sum(table.count for table in self.tables.values())


def contents(cur: Cursor, tell: Callable[[int, int, str], None]) -> Contents:
    """Reads every row. TELL gets (tables done, tables, name) before each table. Raises psycopg2.Error."""
    cur.execute(_TABLES)
    names = [(str(schema), str(name)) for schema, name in cur.fetchall()]
    tables = {}
    for done, (schema, name) in enumerate(names):
        tell(done, len(names), name)
        cur.execute(sql.SQL(_DIGEST).format(sql.Identifier(schema, name)))
        found = cur.fetchone()
        assert found is not None
        tables[f"{schema}.{name}"] = Rows(*found)
    cur.execute(_OBJECTS)
    objects = frozenset((str(kind), str(name)) for kind, name in cur.fetchall())
    return Contents(tables, objects, sequences(cur))


def sequences(cur: Cursor) -> dict[str, int | None]:
    """The last value of each sequence. It is none of a snapshot's: what is told is of this moment."""
    cur.execute(_SEQUENCES)
    return dict(cur.fetchall())


def differences(
    source: Contents, restored: Contents, before: Mapping[str, int | None] | None = None
) -> tuple[str, ...]:
    """In which way RESTORED is not SOURCE, in words; empty when it is.

    A sequence may have gone on while the others were read: BEFORE is what they were at first.
    """
    wrong = []
    for name, rows in source.tables.items():
        other = restored.tables.get(name)
        if other is None:
            wrong.append(f"table {name} is missing")
        elif other.count != rows.count:
            wrong.append(f"table {name}: {other.count:,} rows, not {rows.count:,}")
        elif other.digest != rows.digest:
            wrong.append(f"table {name}: other contents in {rows.count:,} rows")
    wrong += [f"table {name} is too much" for name in sorted(restored.tables.keys() - source.tables.keys())]
    for name, after in source.sequences.items():
        begin = (before or source.sequences).get(name, after)
        if name not in restored.sequences:
            wrong.append(f"sequence {name} is missing")
        elif not _between(begin, restored.sequences[name], after):
            wrong.append(f"sequence {name} is at {restored.sequences[name]}, not {after}")
    extra = sorted(restored.sequences.keys() - source.sequences.keys())
    wrong += [f"sequence {name} is too much" for name in extra]
    # Tables with rows of their own are told above; one that is partitioned has none.
    told = {("table", name) for name in source.tables.keys() | restored.tables.keys()}
    wrong += [f"{kind} {name} is missing" for kind, name in sorted(source.objects - restored.objects - told)]
    wrong += [f"{kind} {name} is too much" for kind, name in sorted(restored.objects - source.objects - told)]
    return tuple(wrong)


def _between(begin: int | None, value: int | None, end: int | None) -> bool:
    if begin == end or value is None:
        return value in (begin, end)
    if begin is None or end is None:
        return abs(value) <= abs(end or begin or 0)
    return min(begin, end) <= value <= max(begin, end)
