"""A SQLite table as COPY text: tab between values, \\N for NULL, escaped as PostgreSQL does.

Values are joined by bytes that occur in no UTF-8, so that a whole chunk is formatted and then escaped by a handful
of calls. A text that is no UTF-8 and holds such a byte falls apart into more values or rows than there are: COPY
refuses that, or the count of rows does, and so does a proof.
"""

from __future__ import annotations

import secrets
import sqlite3
import string
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain

from transfer.canonical import Stored
from transfer.expressions import ALIAS
from transfer.forms import Lane, lane
from transfer.pairing import ColumnPair, TablePair
from transfer.rules import applying
from transfer.sqlite import quoted

FIELD, ROW = b"\xff", b"\xfe"
# A NULL inside a chunk; drawn anew in each process, so that no data can hold it.
NULL = b"\xfd" + "".join(secrets.choice(string.ascii_letters) for _ in range(9)).encode()
# As CopyAttributeOutText escapes (PostgreSQL, copyto.c); the backslash has to come first.
_ESCAPES = tuple(
    zip(
        (b"\\", b"\b", b"\f", b"\n", b"\r", b"\t", b"\v"),
        (b"\\\\", b"\\b", b"\\f", b"\\n", b"\\r", b"\\t", b"\\v"),
        strict=True,
    )
)
_SEPARATORS = bytes.maketrans(FIELD + ROW, b"\t\n")


def escape(chunk: bytes) -> bytes:
    for byte, escaped in _ESCAPES:
        if byte in chunk:
            chunk = chunk.replace(byte, escaped)
    return chunk


def value_sql(column: ColumnPair) -> str:
    """The stored value, or NULL where a rule takes a reference to a parent that does not exist as NULL."""
    c = f"{ALIAS}.{quoted(column.source)}"
    return f"CASE WHEN {column.orphaned} THEN NULL ELSE {c} END" if column.orphaned else c


def select(pair: TablePair, columns: Sequence[ColumnPair], *, where: str = "", order: str = "") -> str:
    """SQL for the stored values of COLUMNS, of the rows that are carried."""
    conditions = " AND ".join(f"({c})" for c in (pair.keep, where) if c)
    values = ", ".join(map(value_sql, columns))
    return (
        f"SELECT {values} FROM {quoted(pair.source)} AS {ALIAS}"  # noqa: S608 - names are quoted
        f"{' WHERE ' + conditions if conditions else ''} {order}"
    )


def copy_text(
    con: sqlite3.Connection,
    sql: str,
    columns: Sequence[ColumnPair],
    *,
    sending: bool,
    chunk_bytes: int,
    used: Counter[tuple[str, str]] | None = None,
) -> Iterator[tuple[int, bytes]]:
    """The rows of SQL, a chunk of about CHUNK_BYTES at a time: how many, and their text.

    CON must hand out text as bytearray. SENDING: as COPY takes it, else in canonical form. USED counts what the
    rules changed, by (column, rule). Raises Unfit.
    """
    counts: list[Counter[str]] = [Counter() for _ in columns]
    lanes = [
        lane(c.type, null=NULL, sending=sending, rules=applying(c.rules, c.type, n))
        for c, n in zip(columns, counts, strict=True)
    ]
    cursor = con.execute(sql)
    size = 50
    while rows := cursor.fetchmany(size):
        chunk = encode(rows, lanes)
        yield len(rows), chunk
        size = max(1, min(1000, chunk_bytes * len(rows) // len(chunk)))
    if used is not None:
        for c, n in zip(columns, counts, strict=True):
            used.update({(c.target, rule): times for rule, times in n.items()})


def encode(rows: Sequence[Sequence[Stored]], lanes: Sequence[Lane]) -> bytes:
    width, height = len(lanes), len(rows)
    values: list[object] = list(chain.from_iterable(rows))
    printed = []
    for i, formed in enumerate(lanes):
        column = values[i::width]
        how, texts = formed(column)  # type: ignore[arg-type]  # what the rows hold
        if texts is not column:
            values[i::width] = texts
        printed.append(how)
    chunk = escape((FIELD.join(printed) + ROW) * height % tuple(values))
    return chunk.replace(NULL, b"\\N").translate(_SEPARATORS)
