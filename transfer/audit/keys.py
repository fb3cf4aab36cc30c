"""Rows that the target's unique keys would not take together, and those that break a CHECK of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from transfer.audit.assumed import Check, Unique
from transfer.audit.conditions import in_sqlite
from transfer.audit.findings import EXAMPLES, AuditFinding, Example, Severity, shown
from transfer.audit.looking import ALIKE, Sides, arriving, bare, examples, named, plain, rows
from transfer.expressions import ALIAS
from transfer.pairing import ColumnPair, TablePair
from transfer.progress import Watch
from transfer.sqlite import quoted
from transfer.types import Kind
from transfer.values import value_of

_TIMES = frozenset({Kind.DATE, Kind.TIME, Kind.TIMESTAMP, Kind.TIMESTAMPTZ})


def keys(sides: Sides, watch: Watch) -> Iterator[AuditFinding]:
    """Among the rows that the rules leave, by the values that they make; a doubt where that cannot be told."""
    for unique in sides.to.uniques:
        if (pair := sides.pairs.get(unique.table)) is not None:
            watch.tell("keys", pair.target, 0, 0, "rows")
            yield from _duplicates(sides, pair, unique)
    for check in sides.to.checks:
        if (pair := sides.pairs.get(check.table)) is not None:
            watch.tell("checks", pair.target, 0, 0, "rows")
            yield from _broken(sides, pair, check)


def _duplicates(sides: Sides, pair: TablePair, unique: Unique) -> Iterator[AuditFinding]:
    columns = named(pair, [p.column for p in unique.parts or ()])
    where = in_sqlite(unique.where, pair) if unique.where else ""
    if unique.parts is None or where is None:
        text = f"whether rows are the same under the unique index {unique.name} cannot be told here; a dry run tells"
        yield AuditFinding(pair.target, None, "not-looked-at", Severity.CHANGES, None, (), text)
        return
    if not columns:
        return  # a column of it is in PostgreSQL alone, which is told elsewhere
    before = _same(sides, bare(pair), unique, where)
    ruled = pair.keep or any(c.rules for c in columns)
    after = _same(sides, pair, unique, where) if ruled else before
    if found := before or after:
        text = f"rows that are the same under the unique key {unique.name}" + ("" if before else ", after the rules")
        yield AuditFinding(
            pair.target,
            columns[0].target if len(columns) == 1 else None,
            "duplicate-key",
            Severity.BLOCKS,
            sides.number(f"SELECT sum(n) FROM (SELECT count(*) AS n {found})"),  # noqa: S608
            _groups(sides, columns, found),
            text,
            settled=not after,
        )


def _groups(sides: Sides, columns: Sequence[ColumnPair], found: str) -> tuple[Example, ...]:
    """The value of one row of each group, and how many there are."""
    wanted = ", ".join(f"o{i}" for i in range(len(columns)))
    groups = []
    for row in sides.con.execute(f"SELECT count(*), {wanted} {found} LIMIT {EXAMPLES}"):
        both = zip(columns, row[1:], strict=True)
        told = ", ".join(f"{c.target}={shown(value_of(v), c)}" for c, v in both)
        groups.append(Example(told, f"{row[0]} rows"))
    return tuple(groups)


def _same(sides: Sides, pair: TablePair, unique: Unique, where: str) -> str:
    """FROM ... HAVING of the groups of rows that are the same, "" = there are none."""
    parts = unique.parts or ()
    columns = named(pair, [p.column for p in parts]) or []
    folded = [p.fold or c.type.name == "citext" for p, c in zip(parts, columns, strict=True)]
    unchanged = [not c.rules and not f and _alike(sides, pair, c) for c, f in zip(columns, folded, strict=True)]
    if all(unchanged) and not where and unique.nulls_distinct and _kept_by_sqlite(sides, pair, columns):
        return ""
    compared = [
        plain(c) if same else arriving(c, p.fold) for p, c, same in zip(parts, columns, unchanged, strict=True)
    ]
    names = [f"k{i}" for i in range(len(columns))]
    both = zip(compared, columns, strict=True)
    inner = ", ".join(f"{k} AS k{i}, {ALIAS}.{quoted(c.source)} AS o{i}" for i, (k, c) in enumerate(both))
    given = f"WHERE {' AND '.join(f'{n} IS NOT NULL' for n in names)} " if unique.nulls_distinct else ""
    sql = f"FROM (SELECT {inner} {rows(pair, where)}) {given}GROUP BY {', '.join(names)} HAVING count(*) > 1"
    return sql if sides.number(f"SELECT 1 {sql} LIMIT 1") else ""


def _alike(sides: Sides, pair: TablePair, c: ColumnPair) -> bool:
    """Whether values that differ in SQLite differ in PostgreSQL: always, or since all are written in one way."""
    kind, x = c.type.kind, f"{ALIAS}.{quoted(c.source)}"
    if kind in ALIKE or (kind is Kind.FLOAT and c.type.size == 8):
        return True
    if kind in _TIMES:
        odd = f"typeof({x}) <> 'text' OR substr({x}, 11) GLOB '*[^0-9 :.]*' OR substr({x}, 1, 10) GLOB '*[^0-9:.-]*'"
        lengths = f"SELECT min(length({x})) <> max(length({x})) {rows(pair)}"
        return not sides.number(lengths) and not sides.number(
            f"SELECT 1 {rows(pair, f'{x} IS NOT NULL', odd)} LIMIT 1"
        )
    if kind is Kind.UUID:
        odd = f"typeof({x}) <> 'text' OR length({x}) <> 36 OR {x} GLOB '*[^0-9a-f-]*'"
        return not sides.number(f"SELECT 1 {rows(pair, f'{x} IS NOT NULL', odd)} LIMIT 1")
    return False


def _kept_by_sqlite(sides: Sides, pair: TablePair, columns: Sequence[ColumnPair]) -> bool:
    """Whether some of the columns are unique in SQLite. A collation there only makes more values the same."""
    table = next(t for t in sides.schema.tables if t.name == pair.source)
    unique = [frozenset(table.key)]
    unique += [frozenset(p.column or "" for p in i.parts) for i in table.indexes if i.unique and not i.predicate]
    wanted = frozenset(c.source for c in columns)
    return any(u and u <= wanted for u in unique)


def _broken(sides: Sides, pair: TablePair, check: Check) -> Iterator[AuditFinding]:
    """One that cannot be asked here is left to the lines of the schema's report."""
    inner = check.text.removeprefix("CHECK ").removesuffix(" NOT VALID").removesuffix(" NO INHERIT")
    condition = in_sqlite(inner, pair)
    if condition is None:
        return
    before, after = (rows(p, f"NOT ({condition})") for p in (bare(pair), pair))
    if n := sides.number(f"SELECT count(*) {before}"):
        text = f"rows that do not keep the check {check.name}: {inner}"
        settled = not sides.number(f"SELECT 1 {after} LIMIT 1")
        shown_rows = examples(sides.con, pair, named(pair, _spoken_of(pair, condition)) or (), before)
        yield AuditFinding(pair.target, None, "check-broken", Severity.BLOCKS, n, shown_rows, text, None, settled)


def _spoken_of(pair: TablePair, condition: str) -> list[str]:
    return [c.target for c in pair.columns if f"{ALIAS}.{quoted(c.source)}" in condition]
