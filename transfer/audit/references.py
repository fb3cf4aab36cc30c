"""Rows that lack a parent: of every foreign key of the target, and of those that SQLite alone has.

Asked of the rows and values as they arrive: a rule may take the parent away, or make two spellings of it one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from transfer.audit.assumed import Reference
from transfer.audit.findings import AuditFinding, Severity, rule_line
from transfer.audit.looking import ALIKE, Sides, arriving, bare, examples, named, named_in_sqlite, plain, rows
from transfer.pairing import ColumnPair, TablePair
from transfer.progress import Watch
from transfer.rules import NULL_ORPHAN, SKIP_ORPHAN


def orphans(sides: Sides, watch: Watch) -> Iterator[AuditFinding]:
    """PostgreSQL takes no foreign key that rows break."""
    for r in sides.to.references:
        watch.tell("references", r.table, 0, 0, "rows")
        pair, parent = sides.pairs.get(r.table), sides.pairs.get(r.parent)
        columns = named(pair, r.columns) if pair is not None else None
        if pair is None or columns is None:
            continue  # a table that is left out, or a column that is on one side only, which is told elsewhere
        there = named(parent, r.parent_columns) if parent is not None else None
        if parent is None or not there or len(there) != len(columns):
            yield from _no_parent(sides, r, pair, columns)
        elif sides.to.made and (why := _no_key(sides, r, columns, there)):
            yield _to_nothing(pair, columns, f"refers to ({', '.join(r.parent_columns)}) of {r.parent}, {why}")
        else:
            yield from _of_key(sides, r, pair, parent)
    yield from _not_held(sides, watch)


def _of_key(sides: Sides, r: Reference, pair: TablePair, parent: TablePair) -> Iterator[AuditFinding]:
    before = _lone(sides, bare(pair), bare(parent), r)
    after = _lone(sides, pair, parent, r) if _ruled(pair, parent) else before
    if not before and not after:
        return
    columns = named(pair, r.columns) or []
    text = f"rows whose parent in {parent.source} " + (
        "does not exist" if before else "is changed or left out by a rule"
    )
    yield AuditFinding(
        pair.target,
        columns[0].target,
        "orphan",
        Severity.BLOCKS,
        sides.number(f"SELECT count(*) {before or after}"),
        examples(sides.con, pair, columns, before or after),
        text,
        _rule(sides, pair, columns),
        settled=not after,
    )


def _ruled(*pairs: TablePair) -> bool:
    return any(p.keep or any(c.rules for c in p.columns) for p in pairs)


def _no_parent(sides: Sides, r: Reference, pair: TablePair, columns: Sequence[ColumnPair]) -> Iterator[AuditFinding]:
    tables = {t.name.casefold() for t in sides.schema.tables}
    if r.parent in sides.pairs or r.parent.casefold() not in tables or not r.parent_columns:
        missing = "which has no such key" if r.parent.casefold() in tables else "which does not exist"
        yield _to_nothing(pair, columns, f"refers to {r.parent}, {missing}")
        return
    # A rule leaves the parent's table out, and what PostgreSQL has there is not known.
    given = rows(pair, *(f"{arriving(c)} IS NOT NULL" for c in columns))
    if n := sides.number(f"SELECT count(*) {given}"):
        text = f"rows whose parents' table {r.parent} is left out"
        shown = examples(sides.con, pair, columns, given)
        yield AuditFinding(pair.target, columns[0].target, "orphan", Severity.BLOCKS, n, shown, text)


def _no_key(sides: Sides, r: Reference, own: Sequence[ColumnPair], there: Sequence[ColumnPair]) -> str:
    """Why PostgreSQL would not make the foreign key; "" = it would."""
    keys = [
        {p.column.casefold() for p in u.parts}
        for u in sides.to.uniques
        if u.table == r.parent and u.parts and not u.where and not any(p.fold for p in u.parts)
    ]
    if {c.casefold() for c in r.parent_columns} not in keys:
        return "which is no key there"
    differ = [(a, b) for a, b in zip(own, there, strict=True) if a.type.kind is not b.type.kind]
    return "".join(f"which is {b.type.name}, where {a.target} is {a.type.name}" for a, b in differ[:1])


def _not_held(sides: Sides, watch: Watch) -> Iterator[AuditFinding]:
    """Orphans under foreign keys that SQLite alone has: they are carried as they are."""
    by_source = {p.source.casefold(): p for p in sides.pairs.values()}
    have = {(r.table, frozenset(r.columns), r.parent) for r in sides.to.references}
    for t in sides.schema.tables:
        pair = by_source.get(t.name.casefold())
        for f in t.foreign_keys if pair is not None else ():
            parent = by_source.get(f.parent.casefold())
            if pair is None or parent is None:
                continue
            columns, there = named_in_sqlite(pair, f.columns), named_in_sqlite(parent, f.parent_columns)
            if not columns or not there or len(there) != len(columns):
                continue
            names = tuple(c.target for c in columns)
            if (pair.target, frozenset(names), parent.target) in have:
                continue
            watch.go_on()
            r = Reference(pair.target, names, parent.target, tuple(c.target for c in there))
            if lone := _lone(sides, bare(pair), bare(parent), r):
                text = f"rows whose parent in {parent.source} does not exist; PostgreSQL has no such foreign key"
                n, shown = sides.number(f"SELECT count(*) {lone}"), examples(sides.con, pair, columns, lone)
                yield AuditFinding(pair.target, names[0], "orphan", Severity.NOTE, n, shown, text)


def _lone(sides: Sides, pair: TablePair, parent: TablePair, r: Reference) -> str:
    """FROM and WHERE of the rows without a parent, "" = there are none."""
    columns, there = named(pair, r.columns) or [], named(parent, r.parent_columns) or []
    unruled = not any(c.rules for c in (*columns, *there))
    own, other = (pair, columns), (parent, there)
    found = _without(sides, own, other, plain) if unruled else ""
    if not unruled or (found and not all(c.type.kind in ALIKE for c in columns)):
        # A parent that is written otherwise may be the same one in PostgreSQL.
        return _without(sides, own, other, arriving)
    return found


_Side = tuple[TablePair, Sequence[ColumnPair]]


def _without(sides: Sides, own: _Side, other: _Side, key: Callable[[ColumnPair], str]) -> str:
    """Each key is looked up once, however many rows have it: of 1 M rows that is a fifth of the time."""
    (pair, columns), (parent, there) = own, other
    keys, theirs = [key(c) for c in columns], [key(c) for c in there]
    rowid = next((t.rowid for t in sides.schema.tables if t.name == parent.source), None)
    # A NULL among them would make every NOT IN unknown. A rowid is never NULL, and is looked up where it is stored.
    by_rowid = len(there) == 1 and there[0].source == rowid
    given = () if by_rowid else tuple(f"{k} IS NOT NULL" for k in theirs)
    parents = f"(SELECT {', '.join(theirs)} {rows(parent, *given)})"
    names = [f"k{i}" for i in range(len(keys))]
    distinct = ", ".join(f"{k} AS {n}" for k, n in zip(keys, names, strict=True))
    wanted = " AND ".join((*(f"{n} IS NOT NULL" for n in names), f"({', '.join(names)}) NOT IN {parents}"))
    if not sides.number(f"SELECT 1 FROM (SELECT DISTINCT {distinct} {rows(pair)}) WHERE {wanted} LIMIT 1"):  # noqa: S608
        return ""
    return rows(pair, *(f"{k} IS NOT NULL" for k in keys), f"({', '.join(keys)}) NOT IN {parents}")


def _rule(sides: Sides, pair: TablePair, columns: Sequence[ColumnPair]) -> str | None:
    """A rule about orphans is for a foreign key that SQLite has itself."""
    names = {c.source.casefold() for c in columns}
    keys = [f for t in sides.schema.tables if t.name == pair.source for f in t.foreign_keys]
    if not any({x.casefold() for x in f.columns} == names for f in keys):
        return None
    takes_null = next((c for c in columns if not c.not_null), None)
    if takes_null is None:
        return rule_line(f"{pair.target}.{columns[0].target}", [SKIP_ORPHAN])
    return rule_line(f"{pair.target}.{takes_null.target}", [NULL_ORPHAN])


def _to_nothing(pair: TablePair, columns: Sequence[ColumnPair], text: str) -> AuditFinding:
    return AuditFinding(pair.target, columns[0].target, "reference-to-nothing", Severity.CHANGES, None, (), text)
