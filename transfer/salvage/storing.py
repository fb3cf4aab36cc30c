"""A value of PostgreSQL as SQLite stores it: the way back of transfer/canonical.py, in SQLAlchemy's formats."""

from __future__ import annotations

import math
import sqlite3
import struct
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from transfer.canonical import canonical, readable
from transfer.pairing import ColumnPair, TablePair
from transfer.rules import Apply, applying
from transfer.sqlite import quoted
from transfer.types import Kind
from transfer.values import Stored, Unfit, Value, value_of


@dataclass(frozen=True, slots=True)
class Style:
    """How the values that stand in a column are stored: SAMPLE is one of them, None when there is none.

    APPLY: what the rules of the copy make of a value, None when the column has none.
    """

    column: ColumnPair
    sample: Stored
    apply: Apply | None


def styles(con: sqlite3.Connection, pair: TablePair) -> tuple[Style, ...]:
    """Of every column, so that what comes back looks like what is there. CON with `text_factory = bytearray`."""
    found = []
    for c in pair.columns:
        name = quoted(c.source)
        row = con.execute(f"SELECT {name} FROM {quoted(pair.source)} WHERE {name} IS NOT NULL LIMIT 1").fetchone()  # noqa: S608
        found.append(Style(c, row[0] if row else None, applying(c.rules, c.type)))
    return tuple(found)


def stored(text: str | None, style: Style) -> Value:
    """What SQLite is to hold for a canonical text. Raises Unfit for what it cannot hold unchanged."""
    if text is None:
        return None
    try:
        value = _formed(text, style)
    except Unfit:
        raise
    except ValueError:  # what Python's own types do not know either: a year of five digits, an endless date
        raise Unfit(f"{shown(text, style.column)}, which SQLite's formats do not know") from None
    require(value, text, style)
    return value


def require(held: Stored | str, text: str | None, style: Style) -> None:
    """Raises Unfit unless HELD, read the way the copy reads it, is TEXT: then the application reads it too."""
    value = value_of(held) if not isinstance(held, str) else held
    try:
        read = canonical(style.apply(value) if style.apply else value, style.column.type)
    except Unfit as why:
        raise Unfit(f"{shown(text, style.column)}, which would be {why} there") from None
    if read != text:
        of = style.column
        raise Unfit(f"{shown(text, of)}, which would be {shown(read, of)} there")


def shown(text: str | None, column: ColumnPair, longest: int = 60) -> str:
    """A canonical text for a person; nothing of a private column's."""
    if text is None:
        return "NULL"
    if column.private:
        return "a private value"
    plain = readable(text, column.type)
    return plain if len(plain) <= longest else plain[: longest - 1] + "…"


def _formed(text: str, style: Style) -> Value:
    of = style.column.type
    match of.kind:
        case Kind.INTEGER:
            return int(text)
        case Kind.BOOLEAN:
            return int(text)
        case Kind.FLOAT:
            return _double(text)
        case Kind.NUMERIC:
            return _numeric(text, style)
        case Kind.TIMESTAMP | Kind.TIMESTAMPTZ:
            return _moment(text, style)
        case Kind.TIME:
            return _six_digits(text)
        case Kind.BYTES:
            return bytes.fromhex(text[2:])
        case Kind.UUID:
            return _uuid(text, style)
        case _:
            if "\0" in text:
                raise Unfit("a NUL character")
            return text


def _double(bits: str) -> float:
    number: float = struct.unpack(">d", bytes.fromhex(bits))[0]
    if math.isnan(number):
        raise Unfit("NaN, which SQLite stores as NULL")
    return number


def _numeric(text: str, style: Style) -> Value:
    """As a double, as SQLAlchemy's Numeric does; as text where texts stand already."""
    if isinstance(style.sample, bytearray):
        return text
    if text in ("NaN", "Infinity", "-Infinity"):
        raise Unfit(f"{text}, which is no number to SQLite")
    if "." not in text and abs(int(text)) < 2**63:
        return int(text)
    number = float(text)
    if Decimal(repr(number)) != Decimal(text):
        raise Unfit(f"{shown(text, style.column)}, which has more digits than a double holds")
    return number


def _six_digits(text: str) -> str:
    """SQLAlchemy always writes six digits of the fraction."""
    whole, _, fraction = text.partition(".")
    return f"{whole}.{fraction:0<6}"


def _moment(text: str, style: Style) -> Value:
    """A text, or, where rules read numbers as moments, such a number again."""
    if " BC" in text or text.endswith("infinity"):
        raise Unfit("a time that SQLite's formats do not know")
    rules = style.column.rules
    if isinstance(style.sample, int) and ("epoch-seconds" in rules or "epoch-milliseconds" in rules):
        a_second = 1 if "epoch-seconds" in rules else 1000
        since = datetime.fromisoformat(text).replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
        microseconds = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
        number, rest = divmod(microseconds * a_second, 1_000_000)
        if rest:
            raise Unfit(f"finer than the {'seconds' if a_second == 1 else 'milliseconds'} that the column holds")
        return number
    return _six_digits(text)


def _uuid(text: str, style: Style) -> Value:
    value = uuid.UUID(text)
    if isinstance(style.sample, bytes):
        return value.bytes
    return str(value) if isinstance(style.sample, bytearray) and len(style.sample) == 36 else value.hex
