"""When a value is refused: which row of SQLite it came from, in words for a person."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence

import psycopg2

from transfer.errors import Refused
from transfer.pairing import ColumnPair, TablePair
from transfer.rows import select
from transfer.rules import applying, reason_unfit
from transfer.values import Value, value_of

ADVICE = "Nothing was copied. Correct the value in SQLite, or the column's type, and try again."
_CONTEXT = re.compile(r"^COPY .*?, line (\d+)(?:, column (.+?): )?", re.MULTILINE)


def shown(value: Value, column: ColumnPair, longest: int = 80) -> str:
    """A value as a person reads it, shortened; of a private column only how long it is."""
    if column.private and value is not None:
        return f"(private, {len(value) if isinstance(value, str | bytes) else len(repr(value))} characters)"
    text = repr(value)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _said(error: psycopg2.Error, *, private: bool) -> str:
    """What the server said. Its words hold values of the row, so that of a PRIVATE one only its code is told."""
    if private:
        return f"{type(error).__name__} (SQLSTATE {error.pgcode})"
    detail = f" {error.diag.message_detail}" if error.diag.message_detail else ""
    return f"{(error.diag.message_primary or str(error)).strip()}.{detail}"


def not_kept(pairs: Sequence[TablePair], table_oid: int, what: str, error: psycopg2.Error) -> Refused:
    """The rows of a table do not keep a key, WHAT; the other table of a foreign key is told by the server."""
    private = any(c.private for p in pairs for c in p.columns if p.oid == table_oid)
    table = next((p.target for p in pairs if p.oid == table_oid), error.diag.table_name)
    said = _said(error, private=private)
    return Refused(f"{table}: the rows do not keep {what}: {said} Nothing was copied. Correct the rows in SQLite.")


def refused_by_server(
    con: sqlite3.Connection, pair: TablePair, columns: Sequence[ColumnPair], error: psycopg2.Error
) -> Refused:
    """COPY names the line it stumbled over; the same SELECT leads from there to the row in SQLite."""
    said = _said(error, private=any(c.private for c in columns))
    at = _CONTEXT.search(error.diag.context or "")
    if at is None:
        return Refused(f"{pair.target}: PostgreSQL refused the data: {said}")
    row = _row_at(con, pair, columns, int(at[1]) - 1)
    named = at[2] or error.diag.column_name
    bad = next((c for c in columns if c.target == named), None) or _suspect(row, columns)
    if bad and bad.source in row:
        apply = applying(bad.rules, bad.type)
        said = (
            reason_unfit(row[bad.source], bad.type, apply, not_null=bad.not_null) or f"PostgreSQL refused it: {said}"
        )
    else:
        said = f"PostgreSQL refused it: {said}"
    value = f", column {bad.target}: {shown(row[bad.source], bad)}" if bad and bad.source in row else ""
    return Refused(f"{pair.target}, {_key(pair, row, int(at[1]))}{value}: {said}. {ADVICE}".replace("..", "."))


def unfit(con: sqlite3.Connection, pair: TablePair, columns: Sequence[ColumnPair]) -> Refused | None:
    """Looks for the first value that has no canonical form, once something has gone wrong."""
    rules = [applying(c.rules, c.type) for c in columns]
    for at, stored in enumerate(con.execute(select(pair, columns)), 1):
        row = [value_of(v) for v in stored]
        for column, value, apply in zip(columns, row, rules, strict=True):
            why = reason_unfit(value, column.type, apply, not_null=False)
            if why is not None:
                named = dict(zip((c.source for c in columns), row, strict=True))
                where = f"{pair.target}, {_key(pair, named, at)}, column {column.target}"
                return Refused(f"{where}: {shown(value, column)}: {why}. {ADVICE}")
    return None


def _suspect(row: dict[str, Value], columns: Sequence[ColumnPair]) -> ColumnPair | None:
    """The column whose text no PostgreSQL takes: a NUL in it, or bytes that are not UTF-8."""
    for c in columns:
        value = row.get(c.source)
        if isinstance(value, str) and ("\0" in value or any("\ud800" <= ch <= "\udfff" for ch in value)):
            return c
    return None


def _row_at(con: sqlite3.Connection, pair: TablePair, columns: Sequence[ColumnPair], offset: int) -> dict[str, Value]:
    found = con.execute(f"{select(pair, columns)} LIMIT 1 OFFSET {offset:d}").fetchone()
    return dict(zip((c.source for c in columns), map(value_of, found), strict=True)) if found else {}


def _key(pair: TablePair, row: dict[str, Value], at: int) -> str:
    if pair.key and all(c.source in row for c in pair.key):
        return ", ".join(f"{c.target}={shown(row[c.source], c)}" for c in pair.key)
    return f"row {at}"
