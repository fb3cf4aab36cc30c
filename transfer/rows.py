"""A SQLite table as COPY text: tab between values, \\N for NULL, escaped as PostgreSQL does.

Values are joined by bytes that occur in no UTF-8, so that a whole chunk is formatted and then escaped by a handful
of calls. A text that is no UTF-8 and holds such a byte falls apart into more values or rows than there are: COPY
refuses that, or the count of rows does, and so does a proof.

What is sent may be formed with less care than what is proven, for the proof is what decides: whatever slipped
through on the way there is not equal afterwards.
"""

from __future__ import annotations

import secrets
import sqlite3
import string
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from transfer.expressions import ALIAS
from transfer.forms import Lane, lane, trusting
from transfer.pairing import ColumnPair, TablePair
from transfer.rules import applying
from transfer.sqlite import quoted
from transfer.values import Stored

FIELD, ROW = b"\xff", b"\xfe"
_SEPARATORS = bytes.maketrans(FIELD + ROW, b"\t\n")
# As CopyAttributeOutText escapes (PostgreSQL, copyto.c); the backslash has to come first.
_ESCAPES = tuple(
    zip(
        (b"\\", b"\n", b"\r", b"\t", b"\b", b"\f", b"\v"),
        (b"\\\\", b"\\n", b"\\r", b"\\t", b"\\b", b"\\f", b"\\v"),
        strict=True,
    )
)


@dataclass(frozen=True, slots=True)
class Manner:
    """What the text is for. NULL stands for one inside a chunk; ESCAPES is what has to be escaped, and how."""

    sending: bool
    null: bytes
    escapes: tuple[tuple[bytes, bytes], ...]


# COPY reads the last three as they are. A text that is the one byte of this NULL would arrive as NULL: not equal.
SENT = Manner(True, b"\xfd", _ESCAPES[:4])
# Drawn anew in each process, so that no data can hold it.
PROVEN = Manner(False, b"\xfd" + "".join(secrets.choice(string.ascii_letters) for _ in range(9)).encode(), _ESCAPES)


def escape(chunk: bytes, escapes: Sequence[tuple[bytes, bytes]] = _ESCAPES) -> bytes:
    for byte, escaped in escapes:
        if byte in chunk:
            chunk = chunk.replace(byte, escaped)
    return chunk


def value_sql(column: ColumnPair) -> str:
    """The stored value, or NULL where a rule takes a reference to a parent that does not exist as NULL."""
    c = f"{ALIAS}.{quoted(column.source)}"
    return f"CASE WHEN {column.orphaned} THEN NULL ELSE {c} END" if column.orphaned else c


def select(
    pair: TablePair, columns: Sequence[ColumnPair], *, where: str = "", order: str = "", beside: Sequence[str] = ()
) -> str:
    """SQL for the stored values of COLUMNS, and BESIDE them other SQL, of the rows that are carried."""
    conditions = " AND ".join(f"({c})" for c in (pair.keep, where) if c)
    values = ", ".join((*map(value_sql, columns), *beside))
    return (
        f"SELECT {values} FROM {quoted(pair.source)} AS {ALIAS}"  # noqa: S608 - names are quoted
        f"{' WHERE ' + conditions if conditions else ''} {order}"
    )


def copy_text(
    con: sqlite3.Connection,
    sql: str,
    columns: Sequence[ColumnPair],
    manner: Manner,
    *,
    chunk_bytes: int,
    used: Counter[tuple[str, str]] | None = None,
) -> Iterator[tuple[int, bytes]]:
    """The rows of SQL, a chunk of about CHUNK_BYTES at a time: how many, and their text.

    CON must hand out text as bytearray. USED counts what the rules changed, by (column, rule). Raises Unfit.
    """
    counts: list[Counter[str]] = [Counter() for _ in columns]
    lanes = [
        lane(c.type, null=manner.null, sending=manner.sending, rules=applying(c.rules, c.type, n))
        for c, n in zip(columns, counts, strict=True)
    ]
    trusted = [trusting(c.type) if manner.sending and c.not_null and not c.rules else None for c in columns]
    cursor = con.execute(sql)
    size = 50
    while rows := cursor.fetchmany(size):
        chunk = encode(rows, lanes, trusted, manner)
        yield len(rows), chunk
        size = max(1, min(1000, chunk_bytes * len(rows) // len(chunk)))
    if used is not None:
        for c, n in zip(columns, counts, strict=True):
            used.update({(c.target, rule): times for rule, times in n.items()})


def encode(
    rows: Sequence[Sequence[Stored]], lanes: Sequence[Lane], trusted: Sequence[bytes | None], manner: Manner
) -> bytes:
    """TRUSTED: for each column how % prints it without a look at it, or None."""
    try:
        chunk = _joined(rows, lanes, trusted)
    except TypeError:  # something else than what was trusted in
        chunk = _joined(rows, lanes, [None] * len(lanes))
    chunk = escape(chunk, manner.escapes)
    if manner.null in chunk:
        chunk = chunk.replace(manner.null, b"\\N")
    return chunk.translate(_SEPARATORS)


def _joined(rows: Sequence[Sequence[Stored]], lanes: Sequence[Lane], trusted: Sequence[bytes | None]) -> bytes:
    width = len(lanes)
    values: list[object] = list(chain.from_iterable(rows))
    printed = []
    for i, (formed, how) in enumerate(zip(lanes, trusted, strict=True)):
        if how is None:
            column = values[i::width]
            how, texts = formed(column)  # type: ignore[arg-type]  # noqa: PLW2901 - what the rows hold
            if texts is not column:
                values[i::width] = texts
        printed.append(how)
    return (FIELD.join(printed) + ROW) * len(rows) % tuple(values)
