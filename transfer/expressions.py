"""The canonical form as SQL, on both sides, so that whole tables come out in it at the speed of C.

On SQLite the usual shapes are handled by SQL itself and everything else by canonical.canonical() as a
function of the connection; on PostgreSQL the server's own output is the canonical form, or nearly.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
import string
from collections.abc import Callable
from dataclasses import asdict
from functools import partial

from transfer.canonical import Unfit, Value, canonical, sendable
from transfer.sqlite import quoted
from transfer.types import Kind, Type

# A NULL inside a row of bytes; drawn anew in each process, so that no data can hold it.
NULL = b"\x1d" + "".join(secrets.choice(string.ascii_letters) for _ in range(9)).encode()

# What the table is called in PostgreSQL's queries: ORDER BY "id" alone would mean the output called id.
ALIAS = "source"

_FAST: dict[Kind, str] = {
    Kind.INTEGER: "WHEN typeof({c}) = 'integer' THEN CAST({c} AS TEXT)",
    Kind.BOOLEAN: "WHEN typeof({c}) = 'integer' AND {c} IN (0, 1) THEN CAST({c} AS TEXT)",
    Kind.NUMERIC: "WHEN typeof({c}) = 'integer' THEN CAST({c} AS TEXT)",
    # Anything of this shape that is no moment is refused by the server; none is changed by it.
    Kind.TIMESTAMP: "WHEN typeof({c}) = 'text' AND {c} GLOB '????-??-?? ??:??:??.??????'"
    " THEN rtrim(rtrim({c}, '0'), '.')",
    Kind.DATE: "WHEN typeof({c}) = 'text' AND {c} GLOB '????-??-??' THEN {c}",
    Kind.TIME: "WHEN typeof({c}) = 'text' AND {c} GLOB '??:??:??.??????' THEN rtrim(rtrim({c}, '0'), '.')",
    Kind.BYTES: "WHEN typeof({c}) = 'blob' THEN '\\x' || lower(hex({c}))",
    Kind.TEXT: "WHEN typeof({c}) = 'text' THEN {c}",
    Kind.PADDED: "WHEN typeof({c}) = 'text' THEN {c}",
    Kind.JSON: "WHEN typeof({c}) IN ('text', 'integer') THEN CAST({c} AS TEXT)",
    Kind.OTHER: "WHEN typeof({c}) IN ('text', 'integer') THEN CAST({c} AS TEXT)",
}
_FAST[Kind.TIMESTAMPTZ] = _FAST[Kind.TIMESTAMP]


def on_sqlite(column: str, of: Type, *, sending: bool = False) -> str:
    """SQL for the canonical text of a column (a plain name), or the text to send; NULL as the bytes NULL."""
    function = "tminus_sendable" if sending else "tminus_canonical"
    c = quoted(column)
    encoded = json.dumps(asdict(of)).replace("'", "''")
    return (
        f"CASE WHEN {c} IS NULL THEN '{NULL.decode()}' {_FAST.get(of.kind, '').format(c=c)}"
        f" ELSE {function}({c}, '{encoded}') END"
    )


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


def sqlite_order(column: str, of: Type, *, utf8: bool) -> str:
    """SQL that sorts by a column exactly as postgres_order does, NULL first. UTF8: the file is."""
    c = quoted(column)
    if of.kind in (Kind.INTEGER, Kind.BYTES):
        return c
    if of.kind is Kind.TEXT and utf8:
        return f"{c} COLLATE BINARY"
    return f"{c} IS NOT NULL, tminus_utf8({on_sqlite(column, of)})"


def postgres_order(column: str, of: Type) -> str:
    c = f"{ALIAS}.{quoted(column)}"
    if of.kind in (Kind.INTEGER, Kind.BYTES):
        return f"{c} NULLS FIRST"
    if of.kind is Kind.TEXT:
        return f'{c} COLLATE "C" NULLS FIRST'
    return f'({on_postgres(column, of)})::text COLLATE "C" NULLS FIRST'


def install(con: sqlite3.Connection, *, unfit: Callable[[Value, Unfit], str] | None = None) -> None:
    """Gives CON the functions that the expressions call. UNFIT: what stands for a value that does not fit.

    Without it such a value ends the statement with sqlite3.OperationalError.
    """
    types: dict[str, Type] = {}

    def apply(form: Callable[[Value, Type], str | None], value: Value, encoded: str) -> str | None:
        of = types.get(encoded)
        if of is None:
            given = json.loads(encoded)
            of = types[encoded] = Type(**given | {"kind": Kind(given["kind"])})
        try:
            return form(value, of)
        except Unfit as e:
            if unfit is None:
                raise
            return unfit(value, e)

    con.create_function("tminus_canonical", 2, partial(apply, canonical), deterministic=True)
    con.create_function("tminus_sendable", 2, partial(apply, sendable), deterministic=True)
    con.create_function("tminus_utf8", 1, lambda v: v.encode() if isinstance(v, str) else v, deterministic=True)
