"""PostgreSQL's side of a proof, and the search for the rows that differ."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from transfer.canonical import Unfit, Value, readable
from transfer.digesting import Digest
from transfer.expressions import ALIAS, NULL, install, on_postgres, postgres_order
from transfer.pairing import TablePair
from transfer.postgres import Connection, Cursor
from transfer.progress import Pace, Watch
from transfer.rows import is_utf8, key_order, select
from transfer.sqlite import quoted
from transfer.types import Kind, Type

SHOWN = 80


@dataclass(frozen=True, slots=True)
class Difference:
    """One value, or one row (COLUMN None), that is not the same. None on a side: NULL, or no such row.

    KIND: "value", "missing" (not in PostgreSQL), "extra" (not in SQLite), "unexplained".
    """

    table: str
    key: str
    column: str | None
    sqlite: str | None
    postgres: str | None
    kind: str


class _Hashing:
    """Takes COPY's output a row at a time and hashes it in larger pieces."""

    def __init__(self, watch: Watch, table: str, total: int) -> None:
        self.rows = 0
        self._hasher = hashlib.sha256()
        self._buffer: list[bytes] = []
        self._watch, self._table, self._total = watch, table, total
        self._pace = Pace()

    def write(self, data: bytes) -> int:
        self._buffer.append(data)
        if len(self._buffer) >= 500:
            self._flush()
        return len(data)

    def _flush(self) -> None:
        piece = b"".join(self._buffer)
        self._buffer.clear()
        self._hasher.update(piece)
        self.rows += piece.count(b"\n")
        if self._pace.due():
            self._watch.tell("prove", self._table, self.rows, self._total, "rows")

    def digest(self) -> Digest:
        self._flush()
        return Digest(self.rows, self._hasher.hexdigest())


def target_name(pair: TablePair) -> str:
    return f"{quoted(pair.schema)}.{quoted(pair.target)}"


def _ordered(pair: TablePair, cast: str = "") -> str:
    values = ", ".join(f"({on_postgres(c.target, c.type)}){cast}" for c in pair.columns)
    by = ", ".join(postgres_order(c.target, c.type) for c in pair.key or pair.columns)
    return f"SELECT {values} FROM {target_name(pair)} AS {ALIAS} ORDER BY {by}"  # noqa: S608 - names are quoted


def postgres_digest(cur: Cursor, pair: TablePair, watch: Watch, total: int = 0) -> Digest:
    """The counterpart of digesting.digest: the same text, made by the server."""
    sink = _Hashing(watch, pair.target, total)
    cur.copy_expert(f"COPY ({_ordered(pair)}) TO STDOUT", sink)
    return sink.digest()


def differences(
    con: sqlite3.Connection, conn: Connection, pair: TablePair, watch: Watch, limit: int
) -> tuple[Difference, ...]:
    """The first LIMIT differences of a table, found by walking both sides in key order."""
    install(con, unfit=_shown_unfit)
    found: list[Difference] = []
    with conn.cursor(name="tminus_differences") as cur:
        cur.itersize = 2000
        cur.execute(_ordered(pair, "::text"))
        ours = con.execute(select(pair, pair.columns, key_order(pair, utf8=is_utf8(con))))
        for difference in _merge(pair, _texts(ours), iter(cur)):
            watch.go_on()
            found.append(difference)
            if len(found) >= limit:
                break
        ours.close()
    install(con)
    return tuple(found) or (Difference(pair.target, "", None, None, None, "unexplained"),)


Row = tuple[str | None, ...]


def _texts(rows: sqlite3.Cursor) -> Iterator[Row]:
    for row in rows:
        yield tuple(None if v == NULL else v.decode("utf-8", "backslashreplace") for v in row)


def _shown_unfit(value: Value, why: Unfit) -> str:
    return f"{value!r} ({why})"


def _merge(pair: TablePair, ours: Iterator[Row], theirs: Iterator[Row]) -> Iterator[Difference]:
    places = [pair.columns.index(c) for c in pair.key or pair.columns]
    types = [pair.columns[i].type for i in places]

    def key(row: Row) -> tuple[tuple[int, int, bytes], ...]:
        return tuple(_rank(row[i], t) for i, t in zip(places, types, strict=True))

    def named(row: Row) -> str:
        return ", ".join(
            f"{pair.columns[i].target}={_short(row[i] and readable(row[i] or '', pair.columns[i].type))}"
            for i in places[:6]
        )

    a, b = next(ours, None), next(theirs, None)
    while a is not None or b is not None:
        if b is None or (a is not None and key(a) < key(b)):
            assert a is not None
            yield Difference(pair.target, named(a), None, _row(pair, a), None, "missing")
            a = next(ours, None)
        elif a is None or key(b) < key(a):
            yield Difference(pair.target, named(b), None, None, _row(pair, b), "extra")
            b = next(theirs, None)
        else:
            for column, x, y in zip(pair.columns, a, b, strict=True):
                if x != y:
                    x_at, y_at = _around(*(v and readable(v, column.type) for v in (x, y)))
                    yield Difference(pair.target, named(a), column.target, x_at, y_at, "value")
            a, b = next(ours, None), next(theirs, None)


def _rank(value: str | None, of: Type) -> tuple[int, int, bytes]:
    """Sorts like both ORDER BYs: NULL, then integers by size, then anything else by its bytes."""
    if value is None:
        return 0, 0, b""
    if of.kind is Kind.INTEGER:
        try:
            return 1, int(value), b""
        except ValueError:
            return 2, 0, value.encode()
    return 1, 0, value.encode()


def _short(value: str | None) -> str:
    if value is None:
        return "NULL"
    return value if len(value) <= SHOWN else value[: SHOWN - 1] + "…"


def _row(pair: TablePair, row: Row) -> str:
    values = zip(row, pair.columns, strict=True)
    return _short(", ".join("NULL" if v is None else readable(v, c.type) for v, c in values))


def _around(x: str | None, y: str | None) -> tuple[str | None, str | None]:
    """Both values, cut to where they begin to differ when they are long."""
    if x is None or y is None or max(len(x), len(y)) <= SHOWN:
        return (x if x is None else _short(x)), (y if y is None else _short(y))
    same = next((i for i, (p, q) in enumerate(zip(x, y, strict=False)) if p != q), min(len(x), len(y)))
    start = max(0, same - SHOWN // 4)
    lead = "…" if start else ""
    return lead + _short(x[start:]), lead + _short(y[start:])
