"""When a value is refused: which row of SQLite it came from, in words for a person."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence

import psycopg2

from transfer.canonical import Unfit, Value, canonical
from transfer.errors import Refused
from transfer.pairing import ColumnPair, TablePair
from transfer.sqlite import quoted

ADVICE = "Nothing was copied. Correct the value in SQLite, or the column's type, and try again."
_CONTEXT = re.compile(r"^COPY .*?, line (\d+)(?:, column (.+?): )?", re.MULTILINE)


def shown(value: Value, longest: int = 80) -> str:
    text = repr(value)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def refused_by_server(
    con: sqlite3.Connection, pair: TablePair, columns: Sequence[ColumnPair], error: psycopg2.Error
) -> Refused:
    """COPY names the line it stumbled over; the same SELECT leads from there to the row in SQLite."""
    said = (error.diag.message_primary or str(error)).strip()
    detail = f" {error.diag.message_detail}" if error.diag.message_detail else ""
    at = _CONTEXT.search(error.diag.context or "")
    if at is None:
        return Refused(f"{pair.target}: PostgreSQL refused the data: {said}.{detail}")
    row = _row_at(con, pair, int(at[1]) - 1)
    named = at[2] or error.diag.column_name
    bad = next((c for c in columns if c.target == named), None) or _suspect(row, columns)
    value = f", column {bad.target}: {shown(row[bad.source])}" if bad and bad.source in row else ""
    return Refused(
        f"{pair.target}, {_key(pair, row, int(at[1]))}{value}: PostgreSQL refused it: {said}.{detail} {ADVICE}"
    )


def unfit(con: sqlite3.Connection, pair: TablePair, columns: Sequence[ColumnPair]) -> Refused:
    """Looks for the value that has no canonical form, now that there is known to be one."""
    names = ", ".join(quoted(c.source) for c in columns)
    con.text_factory = _decoded
    try:
        for at, row in enumerate(con.execute(f"SELECT {names} FROM {quoted(pair.source)}"), 1):  # noqa: S608
            for column, value in zip(columns, row, strict=True):
                why = _why_unfit(value, column)
                if why is not None:
                    values = dict(zip((c.source for c in columns), row, strict=True))
                    return Refused(
                        f"{pair.target}, {_key(pair, values, at)}, column {column.target}: {shown(value)}:"
                        f" {why}. {ADVICE}"
                    )
    finally:
        con.text_factory = bytes
    return Refused(f"{pair.target}: a value does not fit its column, and it could not be found again.")


def _why_unfit(value: Value, column: ColumnPair) -> str | None:
    if isinstance(value, str) and not _is_utf8(value):
        return "not valid UTF-8"
    try:
        canonical(value, column.type)
    except Unfit as e:
        return str(e)
    return None


def _suspect(row: dict[str, Value], columns: Sequence[ColumnPair]) -> ColumnPair | None:
    """The column whose text no PostgreSQL takes: a NUL in it, or bytes that are not UTF-8."""
    for c in columns:
        value = row.get(c.source)
        if isinstance(value, str) and ("\0" in value or not _is_utf8(value)):
            return c
    return None


def _is_utf8(text: str) -> bool:
    return not any("\ud800" <= ch <= "\udfff" for ch in text)


def _row_at(con: sqlite3.Connection, pair: TablePair, offset: int) -> dict[str, Value]:
    names = [c.source for c in pair.columns]
    con.text_factory = _decoded
    try:
        row = con.execute(
            f"SELECT {', '.join(map(quoted, names))} FROM {quoted(pair.source)} LIMIT 1 OFFSET ?",  # noqa: S608
            (offset,),
        ).fetchone()
    finally:
        con.text_factory = bytes
    return dict(zip(names, row, strict=True)) if row else {}


def _decoded(text: bytes) -> str:
    return text.decode("utf-8", "surrogateescape")


def _key(pair: TablePair, row: dict[str, Value], at: int) -> str:
    if pair.key and all(c.source in row for c in pair.key):
        return ", ".join(f"{c.target}={shown(row[c.source])}" for c in pair.key)
    return f"row {at}"
