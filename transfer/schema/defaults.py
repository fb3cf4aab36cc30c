"""DEFAULT: a constant by what SQLite itself makes of it, and the present moment, which is UTC there."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing

from transfer.canonical import sendable
from transfer.schema.clauses import tokens
from transfer.schema.mapping import affinity
from transfer.schema.model import Column
from transfer.schema.translating import Untranslatable, literal
from transfer.types import Kind, Type
from transfer.values import Unfit, Value

_NOW = "now() AT TIME ZONE 'UTC'"
# How SQLite writes each of them, in the letters of to_char() (https://sqlite.org/lang_datefunc.html).
_WRITTEN = {"datetime": "YYYY-MM-DD HH24:MI:SS", "date": "YYYY-MM-DD", "time": "HH24:MI:SS"}
_MOMENTS = {
    **dict.fromkeys(("current_timestamp", "datetime('now')", "datetime()"), "datetime"),
    **dict.fromkeys(("current_date", "date('now')", "date()"), "date"),
    **dict.fromkeys(("current_time", "time('now')", "time()"), "time"),
    **dict.fromkeys(("unixepoch()", "unixepoch('now')"), "epoch"),
    **dict.fromkeys(("strftime('%s','now')", "strftime('%s')", "cast(strftime('%s','now')asinteger)"), "epoch"),
}
_STRFTIME = re.compile(r"strftime\('((?:[^']|'')*)'(?:,'now')?\)")
_CODES = {"Y": "YYYY", "m": "MM", "d": "DD", "H": "HH24", "M": "MI", "S": "SS", "f": "SS.MS", "j": "DDD", "%": '"%"'}
_MOMENT_SHAPE = re.compile(r"%Y-%m-%d[ T]%H:%M(:%S|:%f)?")


def default(column: Column, of: Type) -> str | None:
    """The DEFAULT of a column as it is in PostgreSQL; None when there is none. Raises Untranslatable."""
    if column.default is None or _bare(column.default) == "null":
        return None
    value, fixed = constant(column)
    if fixed:
        return _written(value, of)
    return _moment(_bare(column.default), of)


def _bare(text: str) -> str:
    """Without blanks and outer parentheses, in lower case but for what stands in quotes."""
    of = tokens(text)
    while len(of) > 2 and of[0].text == "(" and of[-1].text == ")" and _encloses([t.text for t in of]):
        of = of[1:-1]
    return "".join(t.text if t.kind in ("text", "quoted") else t.text.lower() for t in of)


def _encloses(texts: list[str]) -> bool:
    depth = 0
    for i, text in enumerate(texts):
        depth += (text == "(") - (text == ")")
        if depth == 0:
            return i == len(texts) - 1
    return False


def constant(column: Column) -> tuple[Value, bool]:
    """The value that SQLite stores for the default, and whether it always is the same.

    Asked of SQLite in a database of its own: a generated column refuses whatever is not deterministic.
    """
    of = affinity(column.declared)
    for text in (f"({column.default})", column.default):  # a bare word is a text, but only without parentheses
        with closing(sqlite3.connect(":memory:")) as con:
            try:
                con.execute(f"CREATE TABLE d (x, c {of} DEFAULT {text})")
                con.execute("INSERT INTO d (x) VALUES (1)")
                value = con.execute("SELECT c FROM d").fetchone()[0]
            except sqlite3.Error:
                continue
            try:
                con.execute(f"CREATE TABLE g (x, c AS ({column.default}))")
                con.execute("INSERT INTO g (x) VALUES (1)")
                con.execute("SELECT c FROM g").fetchone()
            except sqlite3.Error as e:
                if "no such column" not in str(e):
                    return value, False
            return value, True
    raise Untranslatable("SQLite itself cannot compute it by itself")


def _written(value: Value, of: Type) -> str | None:
    try:
        text = sendable(value, of)
    except Unfit as e:
        raise Untranslatable(f"{value!r} is {e}") from None
    if text is None:
        return None
    if of.kind is Kind.BOOLEAN:
        return "true" if text == "1" else "false"
    if of.kind is Kind.INTEGER or (of.kind is Kind.NUMERIC and re.fullmatch(r"-?[\d.]+", text)):
        return text
    if of.kind is Kind.FLOAT and re.fullmatch(r"-?[\d.]+", text):
        return text
    return f"{literal(text)}::{of.name}"


def _moment(text: str, of: Type) -> str:
    kind = _MOMENTS.get(text)
    match kind, of.kind:
        case ("datetime", Kind.TIMESTAMP):
            return f"({_NOW})"
        case ("datetime", Kind.TIMESTAMPTZ):
            return "now()"
        case ("date", Kind.DATE):
            return f"({_NOW})::date"
        case ("date", Kind.TIMESTAMP):
            return f"date_trunc('day', {_NOW})"
        case ("time", Kind.TIME):
            return f"({_NOW})::time(0)"
        case ("epoch", Kind.INTEGER):
            return "floor(extract(epoch FROM now()))::bigint"
        case ("epoch", Kind.TEXT):
            return "floor(extract(epoch FROM now()))::bigint::text"
        case (str(), Kind.TEXT) if kind in _WRITTEN:
            return f"to_char({_NOW}, {literal(_WRITTEN[kind])})"
    if kind is not None:
        raise Untranslatable(f"{text} in a column of type {of.name}")
    shaped = _STRFTIME.fullmatch(text)
    if shaped is not None:
        return _shaped(shaped[1].replace("''", "'"), of)
    raise Untranslatable("it is neither a constant nor the present moment in UTC")


def _shaped(shape: str, of: Type) -> str:
    """strftime() of the present moment, in the letters of to_char(), or as a timestamp when it is one."""
    if of.kind is Kind.TIMESTAMP and _MOMENT_SHAPE.fullmatch(shape):
        return f"({_NOW})"
    if of.kind is not Kind.TEXT:
        raise Untranslatable(f"strftime({shape!r}) in a column of type {of.name}")
    parts = re.findall(r"%(.)|([^%\"\\]+)|(.)", shape, re.DOTALL)
    if any(other or (code and code not in _CODES) for code, _, other in parts):
        raise Untranslatable(f"strftime({shape!r}) has a code that PostgreSQL's to_char() does not")
    made = "".join(_CODES[code] if code else f'"{plain}"' for code, plain, _ in parts)
    return f"to_char({_NOW}, {literal(made)})"
