"""The columns of a table on both sides: types, NOT NULL, defaults, generated ones, collations, sequences."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation

from transfer.canonical import canonical
from transfer.schema.defaults import constant, default
from transfer.schema.line import CARRIED, DIFFERS, NOT_CARRIED, Held, SchemaLine, State, plain
from transfer.schema.mapping import Mapped
from transfer.schema.model import Column
from transfer.schema.target import Target, TargetColumn
from transfer.schema.translating import Untranslatable, translated
from transfer.types import Kind, Type
from transfer.values import Unfit, Value

# Bytes that an integer may have by its declared name; SQLite itself keeps eight for each.
_WIDTHS = {2: ("SMALLINT", "INT2", "TINYINT"), 8: ("BIGINT", "INT8", "UNSIGNED BIG INT")}
_SAME_MEANING = {
    (Kind.JSON, Kind.JSONB): "blanks and the order of keys are not kept",
    (Kind.TIMESTAMP, Kind.TIMESTAMPTZ): "values are taken as UTC",
    (Kind.TEXT, Kind.UUID): "written with hyphens, in lower case",
}
_LITERAL = re.compile(r"\(?(?:'((?:[^']|'')*)'(?:::[^()']+(?:\([\d, ]+\))?)?|\(?(-?[\d.]+)\)?(?:::[\w ]+)?)\)?")
_PRESENT = re.compile(r"\b(now\(\)|current_timestamp|\w+_timestamp\(\))", re.IGNORECASE)
_UTC = re.compile(r"at time zone 'utc'|timezone\('utc'", re.IGNORECASE)


def lines(held: Held, target: Target) -> Iterator[SchemaLine]:
    theirs = {c.name: c for c in target.columns if c.table == held.pair.oid}
    types = {c.name: c for c in held.target.columns}
    for c in held.source.columns:
        name = held.named(c.name)
        if name is None:
            yield held.line("generated" if c.generated else "column", c.name, NOT_CARRIED, "only in SQLite")
            continue
        there, of = theirs[name], types[name]
        state, text = _type(c, held.types[held.source.name, c.name], of.type)
        yield held.line("column", c.name, state, text)
        if c.name not in held.source.key:
            yield from _not_null(held, c, of.not_null)
        if c.name == held.source.rowid:
            yield _sequence(held, c, there)
        elif c.generated or there.generated:
            yield _generated(held, c, there)
        else:
            yield from _default(held, c, there, of.type)
        if c.collation != "BINARY":
            folds = there.folds and c.collation == "NOCASE"
            said = f"{c.collation} in SQLite" + (", case does not matter here either" if folds else "")
            yield held.line("collation", c.name, CARRIED if folds else NOT_CARRIED, said)
    taken = {c.target for c in held.pair.columns}
    for of in held.target.columns:
        if of.name not in taken:
            yield held.line("column", of.name, DIFFERS, "only in PostgreSQL")


def _type(c: Column, mapped: Mapped, there: Type) -> tuple[State, str]:
    wanted, both = mapped.type, f"{c.declared or 'no type'} in SQLite, {there.name} in PostgreSQL"
    if wanted.kind is not there.kind:
        meaning = _SAME_MEANING.get((wanted.kind, there.kind))
        return (CARRIED, f"{both}: {meaning}") if meaning else (DIFFERS, both)
    match there.kind:
        case Kind.INTEGER:
            width = next((w for w, names in _WIDTHS.items() if c.declared.upper().split("(")[0] in names), 4)
            same = (there.size or 8) >= width and there.name != "oid"
            both = f"{both}: up to {there.range[1]}"
        case Kind.TEXT:
            same = wanted.length == there.length
        case Kind.NUMERIC:
            same = (wanted.precision, wanted.scale) == (there.precision, there.scale)
        case Kind.FLOAT:
            same = there.size == 8
        case Kind.TIMESTAMP | Kind.TIMESTAMPTZ | Kind.TIME:
            same = there.scale in (None, 6)
        case _:
            same = True
    return (CARRIED if same else DIFFERS), both


def _not_null(held: Held, c: Column, there: bool) -> Iterator[SchemaLine]:
    if c.not_null and there:
        yield held.line("not null", c.name, CARRIED)
    elif c.not_null:
        yield held.line("not null", c.name, NOT_CARRIED, "PostgreSQL takes NULL")
    elif there:
        yield held.line("not null", c.name, DIFFERS, "only in PostgreSQL: NULL is refused there")


def _sequence(held: Held, c: Column, there: TargetColumn) -> SchemaLine:
    if there.identity:
        return held.line("sequence", c.name, CARRIED, "an identity column")
    if there.default is not None and "nextval(" in there.default:
        return held.line("sequence", c.name, CARRIED, there.default)
    return held.line("sequence", c.name, NOT_CARRIED, "nothing gives ids: the first INSERT without one fails")


def _generated(held: Held, c: Column, there: TargetColumn) -> SchemaLine:
    if not c.generated:
        return held.line("generated", c.name, DIFFERS, f"only in PostgreSQL: {there.default}")
    if not there.generated:
        return held.line("generated", c.name, NOT_CARRIED, f"AS ({c.expression}) in SQLite, an ordinary column here")
    try:
        same = plain(translated(c.expression, held.columns).sql) == plain(there.default or "")
    except Untranslatable:
        same = False
    both = f"({c.expression}) in SQLite, ({there.default}) in PostgreSQL"
    return held.line("generated", c.name, CARRIED if same else DIFFERS, both)


def _default(held: Held, c: Column, there: TargetColumn, of: Type) -> Iterator[SchemaLine]:
    ours = c.default if c.default is not None and c.default.strip("() ").upper() != "NULL" else None
    theirs = there.default if there.default is not None and not there.default.upper().startswith("NULL") else None
    if ours is None and theirs is None:
        return
    if theirs is None:
        yield held.line("default", c.name, NOT_CARRIED, f"{ours} in SQLite")
    elif ours is None:
        yield held.line("default", c.name, DIFFERS, f"only in PostgreSQL: {theirs}")
    else:
        state, why = _same_default(c, theirs, of)
        yield held.line("default", c.name, state, f"{ours} in SQLite, {theirs} in PostgreSQL{why}")


def _same_default(c: Column, theirs: str, of: Type) -> tuple[State, str]:
    try:
        value, fixed = constant(c)
        if fixed:
            return (CARRIED if _same_constant(value, theirs, of) else DIFFERS), ""
        ours = default(c, of)
    except Untranslatable:
        return DIFFERS, ""
    if ours is not None and plain(ours) == plain(theirs):
        return CARRIED, ""
    if _PRESENT.search(theirs) and of.kind in (Kind.TIMESTAMP, Kind.TIMESTAMPTZ):
        utc = of.kind is Kind.TIMESTAMPTZ or _UTC.search(theirs)
        return (CARRIED, "") if utc else (DIFFERS, ": in the time zone of the session, SQLite's is UTC")
    return DIFFERS, ""


def _same_constant(value: Value, theirs: str, of: Type) -> bool:
    """Whether a constant of SQLite's is the one that PostgreSQL words as THEIRS."""
    try:
        ours = canonical(value, of)
    except Unfit:
        return False
    if of.kind is Kind.BOOLEAN:
        return {"true": "1", "false": "0"}.get(theirs) == ours
    m = _LITERAL.fullmatch(theirs)
    if m is None or ours is None:
        return False
    text = m[1].replace("''", "'") if m[1] is not None else m[2]
    if of.kind in (Kind.INTEGER, Kind.FLOAT, Kind.NUMERIC) and isinstance(value, int | float):
        try:
            return Decimal(repr(value)) == Decimal(text)
        except InvalidOperation:
            return False
    return ours == text
