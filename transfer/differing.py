"""The search for the rows and values that differ, once digests have said that something does."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

from transfer.canonical import canonical, readable
from transfer.digesting import digest
from transfer.digests import Part, ordered_by
from transfer.expressions import ALIAS, postgres_order, sqlite_order
from transfer.pairing import ColumnPair, TablePair
from transfer.postgres import Connection
from transfer.progress import Watch
from transfer.proving import canonical_values, postgres_digest, target_name
from transfer.rows import select
from transfer.rules import Apply, applying
from transfer.sqlite import quoted
from transfer.types import Kind, Type
from transfer.values import Stored, Unfit, value_of

SHOWN = 80
# Fewer rows than this are walked; more are halved first, and only the halves that differ are looked into.
_FEW = 2_000


@dataclass(frozen=True, slots=True)
class Difference:
    """One value, or one row (COLUMN None), that is not the same. None on a side: NULL, or no such row.

    KIND: "value", "missing" (not in PostgreSQL), "extra" (not in SQLite), "unexplained". Values are shortened, and
    of private columns nothing but their length is said.
    """

    table: str
    key: str
    column: str | None
    sqlite: str | None
    postgres: str | None
    kind: str


def differences(
    con: sqlite3.Connection,
    conn: Connection,
    pair: TablePair,
    part: Part,
    watch: Watch,
    *,
    limit: int,
) -> tuple[Difference, ...]:
    """The first LIMIT differences of a PART that is known to differ."""
    found: list[Difference] = []
    for few in _narrowed(con, conn, pair, part, watch):
        for difference in _walk(con, conn, pair, few):
            watch.go_on()
            found.append(difference)
            if len(found) >= limit:
                return tuple(found)
    return tuple(found) or (Difference(pair.target, "", None, None, None, "unexplained"),)


def _narrowed(con: sqlite3.Connection, conn: Connection, pair: TablePair, part: Part, watch: Watch) -> Iterator[Part]:
    """PART in halves of halves that still differ, in the order of the key; as it is where it cannot be halved."""
    middle = _middle(con, conn, pair, part)
    if middle is None:
        yield part
        return
    for half in (Part(part.place, part.low, middle), Part(part.place, middle, part.high)):
        watch.tell("search", pair.target, 0, 0, "rows")
        with conn.cursor() as cur:
            theirs = postgres_digest(cur, pair, half, watch)
        ours = digest(con, pair, half)
        if ours.sha256 is None or ours != theirs:
            yield from _narrowed(con, conn, pair, half, watch)


def _middle(con: sqlite3.Connection, conn: Connection, pair: TablePair, part: Part) -> int | None:
    """A key that halves the rows of PART on the side that has more of them; None: few rows, or no such key."""
    key = ordered_by(pair)
    if len(key) != 1:
        return None
    name, target = quoted(key[0].source), quoted(key[0].target)
    ours = f"FROM {quoted(pair.source)} WHERE {part.where(name) or '1'}"
    theirs = f"FROM {target_name(pair)} WHERE {part.where(target) or 'true'}"
    with conn.cursor() as cur:
        n = con.execute(f"SELECT count(*) {ours}").fetchone()[0]
        cur.execute(f"SELECT count(*) {theirs}")
        m = _number(cur.fetchone())
        if max(n, m) <= _FEW:
            return None
        if n >= m:
            found = con.execute(f"SELECT {name} {ours} ORDER BY {name} LIMIT 1 OFFSET {n // 2:d}").fetchone()[0]
        else:
            cur.execute(f"SELECT {target} {theirs} ORDER BY {target} LIMIT 1 OFFSET {m // 2:d}")
            found = _number(cur.fetchone())
    # A key that is no integer, or the same for all rows, halves nothing.
    return found if isinstance(found, int) and found != part.low else None


def _number(row: tuple[int, ...] | None) -> int:
    assert row is not None
    return row[0]


Row = tuple[str | None, ...]
# A row in canonical form, and where it stands in SQLite: its rowid, or its key.
Placed = tuple[Row, tuple[Stored, ...]]


def _walk(con: sqlite3.Connection, conn: Connection, pair: TablePair, part: Part) -> Iterator[Difference]:
    for ours, theirs in walk(con, conn, pair, part):
        a, b = ours and ours[0], theirs
        if a is None and b is not None:
            yield Difference(pair.target, named(pair, b), None, None, _whole(pair, b), "extra")
        elif a is not None and b is None:
            yield Difference(pair.target, named(pair, a), None, _whole(pair, a), None, "missing")
        elif a is not None and b is not None:
            for column, x, y in zip(pair.columns, a, b, strict=True):
                if x != y:
                    yield Difference(pair.target, named(pair, a), column.target, *_both(x, y, column), "value")


def walk(
    con: sqlite3.Connection, conn: Connection, pair: TablePair, part: Part, places: Sequence[str] = ()
) -> Iterator[tuple[Placed | None, Row | None]]:
    """Both sides, row by row, in an order that is the same: the rows that differ, None where there is none.

    PLACES: SQL for where a row of SQLite stands, to come along with it.
    """
    by = pair.key or pair.columns
    bounded = ordered_by(pair)
    where = part.where(f"{ALIAS}.{quoted(bounded[0].target)}") if bounded else ""
    with conn.cursor(name="tminus_differences") as cur:
        cur.itersize = 2000
        cur.execute(
            f"SELECT {canonical_values(pair, '::text')} FROM {target_name(pair)} AS {ALIAS}"  # noqa: S608 - quoted
            f"{' WHERE ' + where if where else ''} ORDER BY {', '.join(map(postgres_order, by))}"
        )
        where = part.where(f"{ALIAS}.{quoted(bounded[0].source)}") if bounded else ""
        order = f"ORDER BY {', '.join(map(sqlite_order, by))}"
        with closing(con.execute(select(pair, pair.columns, where=where, order=order, beside=places))) as ours:
            yield from _unequal(pair, _texts(pair, ours), iter(cur))


def _unequal(
    pair: TablePair, ours: Iterator[Placed], theirs: Iterator[Row]
) -> Iterator[tuple[Placed | None, Row | None]]:
    columns = [pair.columns.index(c) for c in pair.key or pair.columns]
    types = [pair.columns[i].type for i in columns]

    def key(row: Row) -> tuple[tuple[int, int, bytes], ...]:
        return tuple(_rank(row[i], t) for i, t in zip(columns, types, strict=True))

    a, b = next(ours, None), next(theirs, None)
    while a is not None or b is not None:
        if a is not None and a[0] == b:
            a, b = next(ours, None), next(theirs, None)
        elif b is None or (a is not None and key(a[0]) < key(b)):
            yield a, None
            a = next(ours, None)
        elif a is None or key(b) < key(a[0]):
            yield None, b
            b = next(theirs, None)
        else:
            yield a, b
            a, b = next(ours, None), next(theirs, None)


def named(pair: TablePair, row: Row) -> str:
    """A row by its key, for a person."""
    places = [pair.columns.index(c) for c in pair.key or pair.columns]
    return ", ".join(f"{pair.columns[i].target}={_shown(row[i], pair.columns[i])}" for i in places[:6])


def _whole(pair: TablePair, row: Row) -> str:
    return _short(", ".join(_shown(v, c) for v, c in zip(row, pair.columns, strict=True)))


def _texts(pair: TablePair, rows: sqlite3.Cursor) -> Iterator[Placed]:
    rules: list[Apply | None] = [applying(c.rules, c.type) for c in pair.columns]
    width = len(pair.columns)
    for row in rows:
        values = zip(row[:width], pair.columns, rules, strict=True)
        texts = tuple(None if v is None and not r else _text(value_of(v), c.type, r) for v, c, r in values)
        yield texts, row[width:]


def _text(value: int | float | str | bytes | None, of: Type, apply: Apply | None) -> str | None:
    try:
        return canonical(apply(value) if apply else value, of)
    except Unfit as why:
        return f"{value!r} ({why})"


def _rank(value: str | None, of: Type) -> tuple[int, int, bytes]:
    """Sorts like both ORDER BYs: NULL, then integers by size, then anything else by its bytes."""
    if value is None:
        return 0, 0, b""
    if of.kind is Kind.INTEGER:
        try:
            return 1, int(value), b""
        except ValueError:
            return 2, 0, value.encode("utf-8", "surrogateescape")
    return 1, 0, value.encode("utf-8", "surrogateescape")


def _shown(value: str | None, column: ColumnPair) -> str:
    if value is None:
        return "NULL"
    if column.private:
        return f"(private, {len(value)} characters)"
    return _short(readable(value, column.type))


def _short(value: str) -> str:
    return value if len(value) <= SHOWN else value[: SHOWN - 1] + "…"


def _both(x: str | None, y: str | None, column: ColumnPair) -> tuple[str | None, str | None]:
    """Both values, cut to where they begin to differ when they are long."""
    if column.private or x is None or y is None:
        return tuple(v if v is None else _shown(v, column) for v in (x, y))  # type: ignore[return-value]
    x, y = readable(x, column.type), readable(y, column.type)
    if max(len(x), len(y)) <= SHOWN:
        return x, y
    same = next((i for i, (p, q) in enumerate(zip(x, y, strict=False)) if p != q), min(len(x), len(y)))
    start = max(0, same - SHOWN // 4)
    lead = "…" if start else ""
    return lead + _short(x[start:]), lead + _short(y[start:])
