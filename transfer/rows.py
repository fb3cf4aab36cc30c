"""A SQLite table as COPY text: canonical values, tab between them, \\N for NULL, escaped as PostgreSQL does.

Formatting a value at a time in Python costs six times what it costs to join whole rows of bytes and escape a
chunk at once; so values are joined by bytes that are then looked for. A chunk whose values hold such a byte
themselves is formatted value by value instead.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

from transfer.expressions import NULL, on_sqlite, sqlite_order
from transfer.pairing import ColumnPair, TablePair
from transfer.sqlite import quoted

FIELD, ROW = b"\x1f", b"\x1e"
# As CopyAttributeOutText escapes (PostgreSQL, copyto.c); the backslash has to come first.
_ESCAPES = tuple(
    zip(
        (b"\\", b"\b", b"\f", b"\n", b"\r", b"\t", b"\v"),
        (b"\\\\", b"\\b", b"\\f", b"\\n", b"\\r", b"\\t", b"\\v"),
        strict=True,
    )
)
# Below the socket's buffer, so that server and client work at the same time instead of in turns.
_CHUNK_BYTES = 48_000
_MOST_ROWS = 200


def escape(chunk: bytes) -> bytes:
    for byte, escaped in _ESCAPES:
        if byte in chunk:
            chunk = chunk.replace(byte, escaped)
    return chunk


def select(pair: TablePair, columns: Sequence[ColumnPair], order: str = "", *, sending: bool = False) -> str:
    """SQL for the canonical texts of COLUMNS of the source table, or for those to send."""
    values = ", ".join(on_sqlite(c.source, c.type, sending=sending) for c in columns)
    return f"SELECT {values} FROM {quoted(pair.source)} {order}"  # noqa: S608 - names are quoted


def key_order(pair: TablePair, *, utf8: bool) -> str:
    """By the target's primary key; without one by all columns, which sorts equal contents equally too."""
    by = pair.key or pair.columns
    return "ORDER BY " + ", ".join(sqlite_order(c.source, c.type, utf8=utf8) for c in by)


def is_utf8(con: sqlite3.Connection) -> bool:
    found = con.execute("PRAGMA encoding").fetchone()[0]
    return (found if isinstance(found, bytes) else found.encode()) == b"UTF-8"


def copy_text(con: sqlite3.Connection, sql: str) -> Iterator[tuple[int, bytes]]:
    """The rows of SQL, a chunk at a time: how many, and their COPY text. CON must hand out text as bytes."""
    cursor = con.execute(sql)
    size = 50
    while rows := cursor.fetchmany(size):
        chunk = encode(rows)
        yield len(rows), chunk
        size = max(1, min(_MOST_ROWS, _CHUNK_BYTES * len(rows) // len(chunk)))


def encode(rows: Sequence[Sequence[bytes]]) -> bytes:
    chunk = ROW.join(map(FIELD.join, rows))
    if chunk.count(FIELD) != len(rows) * (len(rows[0]) - 1) or chunk.count(ROW) != len(rows) - 1:
        return b"".join(b"\t".join(map(_value, row)) + b"\n" for row in rows)
    return escape(chunk).replace(NULL, b"\\N").replace(ROW, b"\n").replace(FIELD, b"\t") + b"\n"


def _value(value: bytes) -> bytes:
    return b"\\N" if value == NULL else escape(value)
