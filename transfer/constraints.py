"""Foreign keys, keys and indexes: taken down before a load, put back exactly, and checked that they are.

Foreign keys checked row by row are two thirds of a big load's time; indexes kept up row by row are most of the
rest. Both come back inside the same transaction. For a small table that costs more than it saves: its own stay up,
and tables are loaded parents first.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from transfer.errors import Refused
from transfer.postgres import Cursor
from transfer.sqlite import quoted


@dataclass(frozen=True, slots=True)
class Definition:
    """One constraint (TYPE as in pg_constraint.contype) or index ("i"), as PostgreSQL itself words it.

    PARENT_OID: the table that a foreign key refers to, else 0.
    SPECIAL: bound to something that its wording does not bring back (tablespace, CLUSTER, replica identity).
    """

    table_oid: int
    schema: str
    table: str
    type: str
    name: str
    text: str
    comment: str | None
    special: bool
    parent_oid: int = 0

    @property
    def on(self) -> str:
        return f"{quoted(self.schema)}.{quoted(self.table)}"


_DEFINITIONS = """
SELECT c.conrelid, n.nspname, t.relname, c.contype::text, c.conname, pg_get_constraintdef(c.oid),
       obj_description(c.oid, 'pg_constraint'),
       coalesce(i.indisclustered OR i.indisreplident OR ic.reltablespace <> 0
                OR obj_description(ic.oid, 'pg_class') IS NOT NULL, false),
       c.confrelid
FROM pg_constraint c
JOIN pg_class t ON t.oid = c.conrelid
JOIN pg_namespace n ON n.oid = t.relnamespace
LEFT JOIN pg_index i ON i.indexrelid = c.conindid AND c.contype IN ('p', 'u', 'x')
LEFT JOIN pg_class ic ON ic.oid = i.indexrelid
WHERE c.conparentid = 0 AND (c.conrelid = ANY(%(tables)s) OR c.confrelid = ANY(%(tables)s))
UNION ALL
SELECT i.indrelid, n.nspname, t.relname, 'i', ic.relname, pg_get_indexdef(i.indexrelid),
       obj_description(ic.oid, 'pg_class'),
       i.indisclustered OR i.indisreplident OR ic.reltablespace <> 0 OR NOT i.indisvalid, 0
FROM pg_index i
JOIN pg_class ic ON ic.oid = i.indexrelid
JOIN pg_class t ON t.oid = i.indrelid
JOIN pg_namespace n ON n.oid = t.relnamespace
WHERE i.indrelid = ANY(%(tables)s)
  AND NOT EXISTS (SELECT FROM pg_constraint c
                  WHERE c.conindid = i.indexrelid AND c.contype IN ('p', 'u', 'x'))
ORDER BY 2, 3, 4, 5
"""


def definitions(cur: Cursor, tables: Collection[int]) -> tuple[Definition, ...]:
    """Every constraint and index on TABLES (oids), and every foreign key that points at them."""
    cur.execute(_DEFINITIONS, {"tables": list(tables)})
    return tuple(Definition(*row) for row in cur.fetchall())


def loading_order(tables: Collection[int], found: Sequence[Definition]) -> tuple[int, ...]:
    """TABLES (oids), parents before their children; where tables refer to each other in a circle, as they come."""
    parents: dict[int, set[int]] = {t: set() for t in tables}
    for d in found:
        if d.type == "f" and d.table_oid in parents and d.parent_oid in parents and d.table_oid != d.parent_oid:
            parents[d.table_oid].add(d.parent_oid)
    order: dict[int, None] = {}
    while left := [t for t in parents if t not in order]:
        ready = [t for t in left if parents[t] <= order.keys()]
        order |= dict.fromkeys(ready or left[:1])
    return tuple(order)


def to_take_down(found: Sequence[Definition], big: Collection[int], order: Sequence[int]) -> tuple[Definition, ...]:
    """Of the BIG tables (oids) the keys and indexes that come back as they were; all foreign keys but those between
    small tables whose parent is loaded first, in ORDER."""
    place = {oid: i for i, oid in enumerate(order)}

    def stays(d: Definition) -> bool:
        small = d.table_oid not in big and d.parent_oid not in big
        return small and place.get(d.parent_oid, len(place)) <= place.get(d.table_oid, -1)

    foreign = [d for d in found if d.type == "f" and not stays(d)]
    others = [d for d in found if d.type in "puxi" and d.table_oid in big and not d.special]
    return (*foreign, *others)


def take_down(cur: Cursor, wanted: Sequence[Definition]) -> None:
    for d in wanted:
        if d.type == "i":
            cur.execute(f"DROP INDEX {quoted(d.schema)}.{quoted(d.name)}")
        else:
            cur.execute(f"ALTER TABLE {d.on} DROP CONSTRAINT {quoted(d.name)}")


def put_back(cur: Cursor, wanted: Definition) -> None:
    d = wanted
    if d.type == "i":
        cur.execute(d.text)
        where = f"INDEX {quoted(d.schema)}.{quoted(d.name)}"
    else:
        cur.execute(f"ALTER TABLE {d.on} ADD CONSTRAINT {quoted(d.name)} {d.text}")
        where = f"CONSTRAINT {quoted(d.name)} ON {d.on}"
    if d.comment is not None:
        cur.execute(f"COMMENT ON {where} IS %s", (d.comment,))


def check_same(before: Sequence[Definition], after: Sequence[Definition]) -> None:
    """Raises Refused, naming each, when a definition is not what it was."""
    changed = sorted({f"{d.table}.{d.name}" for d in set(before) ^ set(after)})
    if changed or len(before) != len(after):
        raise Refused(f"Keys or indexes did not come back as they were: {', '.join(changed)}. Nothing was kept.")
