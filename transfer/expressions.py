"""The canonical form as SQL: what PostgreSQL is asked to print, and by what both sides can be sorted alike."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from dataclasses import asdict
from functools import cache

from transfer.canonical import canonical
from transfer.pairing import ColumnPair
from transfer.rules import applying, reason_unfit
from transfer.sqlite import quoted
from transfer.types import Kind, Type
from transfer.values import Stored, Unfit, Value, value_of

# What the tables are called in queries on both sides: ORDER BY "id" alone would mean the output called id.
ALIAS = "source"


def on_postgres(column: str, of: Type) -> str:
    """SQL whose printed value is the canonical text of a column (a plain name) of ALIAS; NULL stays NULL."""
    c = f"{ALIAS}.{quoted(column)}"
    match of.kind:
        case Kind.BOOLEAN:
            return f"{c}::int"
        case Kind.FLOAT:
            return f"encode(float8send({c}::float8), 'hex')"
        case Kind.NUMERIC:
            return f"trim_scale({c})"
        case Kind.TIMESTAMPTZ:
            return f"({c} AT TIME ZONE 'UTC')"
        case Kind.PADDED | Kind.JSON | Kind.JSONB | Kind.OTHER:
            return f"{c}::text"
        case _:
            return c


def sqlite_order(column: ColumnPair) -> str:
    """SQL that sorts by a column exactly as postgres_order does, NULL first."""
    plain = f"{ALIAS}.{quoted(column.source)}"
    key = f"tminus_key({_arguments(column, ALIAS)})"
    if column.type.kind is Kind.INTEGER:
        key = f"CAST(CAST({key} AS TEXT) AS INTEGER)" if column.rules else plain
    return f"CASE WHEN {column.orphaned} THEN NULL ELSE {key} END" if column.orphaned else key


def postgres_order(column: ColumnPair) -> str:
    c = f"{ALIAS}.{quoted(column.target)}"
    if column.type.kind is Kind.INTEGER:
        return f"{c} NULLS FIRST"
    return f'({on_postgres(column.target, column.type)})::text COLLATE "C" NULLS FIRST'


def fits(column: ColumnPair, alias: str) -> str:
    """SQL that holds when the stored value, after the rules of its column, can be carried."""
    return f"tminus_fits({_arguments(column, alias)})"


def _arguments(column: ColumnPair, alias: str) -> str:
    """A text goes as its bytes: sqlite3 hands texts to functions as str alone, and fails on what is no UTF-8."""
    c = f"{alias}.{quoted(column.source)}"
    of = {"type": asdict(column.type), "rules": column.rules, "not_null": column.not_null}
    encoded = json.dumps(of).replace("'", "''")
    return f"CASE typeof({c}) WHEN 'text' THEN CAST({c} AS BLOB) ELSE {c} END, typeof({c}) = 'text', '{encoded}'"


def install(con: sqlite3.Connection) -> None:
    """Gives CON the functions that the expressions call."""
    found = con.execute("PRAGMA encoding").fetchone()[0]
    encoding = (found if isinstance(found, str) else found.decode()).lower()

    def value(stored: Stored, is_text: int) -> Value:
        if not is_text or not isinstance(stored, bytes):
            return value_of(stored)
        return stored.decode(encoding, "surrogateescape" if encoding == "utf-8" else "surrogatepass")

    def key(stored: Stored, is_text: int, encoded: str) -> bytes | None:
        of, apply, _ = _decoded(encoded)
        given = value(stored, is_text)
        try:
            text = canonical(apply(given) if apply else given, of)
        except Unfit:
            text = repr(given)
        return None if text is None else text.encode("utf-8", "surrogateescape")

    def fitting(stored: Stored, is_text: int, encoded: str) -> bool:
        of, apply, not_null = _decoded(encoded)
        return reason_unfit(value(stored, is_text), of, apply, not_null=not_null) is None

    con.create_function("tminus_key", 3, key, deterministic=True)
    con.create_function("tminus_fits", 3, fitting, deterministic=True)


@cache
def _decoded(encoded: str) -> tuple[Type, Callable[[Value], Value] | None, bool]:
    given = json.loads(encoded)
    of = Type(**given["type"] | {"kind": Kind(given["type"]["kind"])})
    return of, applying(given["rules"], of), given["not_null"]
