"""The canonical form of a value: the text PostgreSQL itself gives for it, made from what SQLite holds.

Two values are the same exactly when their canonical texts are. What cannot be carried into the target's
type without changing it raises Unfit. The type always is the TARGET column's, from pg_catalog.
"""

from __future__ import annotations

import math
import re
import struct
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation

from transfer.jsons import jsonb_text, parsed
from transfer.types import Kind, Type
from transfer.values import Unfit, Value


def canonical(value: Value, of: Type) -> str | None:
    """The canonical text of a SQLite value in a column of type OF; None for NULL. Raises Unfit."""
    return None if value is None else _FORMS[of.kind](value, of)


def sendable(value: Value, of: Type) -> str | None:
    """What is sent to PostgreSQL: the canonical text but for floating point. Raises Unfit."""
    if of.kind is Kind.FLOAT and value is not None:
        return float_text(_double(value, of))
    return canonical(value, of)


def _class(value: Value) -> str:
    names: dict[type, str] = {int: "an integer", float: "a real", str: "a text", bytes: "a blob"}
    return names[type(value)]


def _wrong(value: Value, of: Type) -> Unfit:
    return Unfit(f"{_class(value)} in a column of type {of.name}")


def _integer(value: Value, of: Type) -> str:
    if not isinstance(value, int):
        raise _wrong(value, of)
    least, most = of.range
    if not least <= value <= most:
        raise Unfit(f"out of range for type {of.name}")
    return str(value)


def _boolean(value: Value, of: Type) -> str:
    if isinstance(value, int):
        if value in (0, 1):
            return str(value)
        raise Unfit("an integer other than 0 and 1 in a column of type boolean")
    raise _wrong(value, of)


def float_text(x: float) -> str:
    """A text that PostgreSQL reads as exactly X: the shortest that reads back the same."""
    if math.isinf(x):
        return "Infinity" if x > 0 else "-Infinity"
    return repr(x)


def _double(value: Value, of: Type) -> float:
    if not isinstance(value, int | float):
        raise _wrong(value, of)
    number = float(value)
    if isinstance(value, int) and int(number) != value:
        raise Unfit("an integer that a double cannot hold exactly")
    if of.size == 4 and as_float4(number) != number:
        raise Unfit(f"more digits than {of.name} keeps")
    return number


def as_float4(number: float) -> float | None:
    try:
        return float(struct.unpack("f", struct.pack("f", number))[0])
    except OverflowError:
        return None


def _float(value: Value, of: Type) -> str:
    """The eight bytes, as float8send gives them: of two texts that read back the same, each side has its own
    favourite (5.373972492337566e+16 here, 5.3739724923375664e+16 there)."""
    return struct.pack(">d", _double(value, of)).hex()


def readable(text: str, of: Type) -> str:
    """A canonical text as a person reads it."""
    if of.kind is Kind.FLOAT and re.fullmatch("[0-9a-f]{16}", text):
        return float_text(struct.unpack(">d", bytes.fromhex(text))[0])
    return text


def _plain(number: Decimal) -> str:
    """Without exponent and without trailing zeros, as trim_scale() prints; numeric knows no -0."""
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


_DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?")


def _numeric(value: Value, of: Type) -> str:
    if isinstance(value, float):
        if math.isinf(value):
            if of.precision is not None:
                raise Unfit(f"an infinity in a column of type {of.name}")
            return float_text(value)
        text = _plain(Decimal(repr(value)))
    elif isinstance(value, int):
        text = str(value)
    elif isinstance(value, str) and _DECIMAL.fullmatch(value):
        try:
            text = _plain(Decimal(value))
        except InvalidOperation:
            raise _wrong(value, of) from None
    else:
        raise _wrong(value, of)
    whole, _, decimals = text.lstrip("-").partition(".")
    if of.scale is not None and len(decimals) > of.scale:
        raise Unfit(f"more decimals than {of.name} keeps; it would be rounded")
    if of.precision is not None and of.scale is not None and len(whole.lstrip("0")) > of.precision - of.scale:
        raise Unfit(f"out of range for type {of.name}")
    return text


def _keeps_fraction(text: str, of: Type) -> None:
    kept = 6 if of.scale is None else of.scale
    if re.search(rf"\.\d{{{kept}}}\d*[1-9]", text):
        raise Unfit(f"finer than {of.name} keeps; it would be rounded")


def _moment(text: str, of: Type) -> datetime:
    _keeps_fraction(text, of)
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        raise Unfit(f"not a date and time: a text in a column of type {of.name}") from None


def _without_zeros(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def _timestamp(value: Value, of: Type) -> str:
    if not isinstance(value, str):
        raise _wrong(value, of)
    moment = _moment(value, of)
    if moment.tzinfo is not None:
        raise Unfit(f"a time zone in a column of type {of.name}, which would drop it")
    return _without_zeros(moment.isoformat(" "))


def _timestamptz(value: Value, of: Type) -> str:
    """A value without a zone is UTC: SQLAlchemy writes no zone to SQLite."""
    if not isinstance(value, str):
        raise _wrong(value, of)
    moment = _moment(value, of)
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return _without_zeros(moment.isoformat(" "))


def _date(value: Value, of: Type) -> str:
    if not isinstance(value, str):
        raise _wrong(value, of)
    try:
        return date.fromisoformat(value).isoformat()
    except ValueError:
        raise Unfit("not a date") from None


def _time(value: Value, of: Type) -> str:
    if not isinstance(value, str):
        raise _wrong(value, of)
    _keeps_fraction(value, of)
    try:
        moment = time.fromisoformat(value)
    except ValueError:
        raise Unfit("not a time of day") from None
    if moment.tzinfo is not None:
        raise Unfit(f"a time zone in a column of type {of.name}, which would drop it")
    return _without_zeros(moment.isoformat())


def _bytes(value: Value, of: Type) -> str:
    if isinstance(value, bytes):
        return "\\x" + value.hex()
    raise _wrong(value, of)


def _text(value: Value, of: Type) -> str:
    if not isinstance(value, str):
        raise _wrong(value, of)
    _storable(value)
    if of.length is not None and len(value) > of.length:
        raise Unfit(f"{len(value)} characters, too long for type {of.name}")
    if of.name.startswith("character(") and value.endswith(" "):
        raise Unfit(f"blanks at the end, which {of.name} does not keep")
    return value


def _storable(text: str) -> None:
    """Of all texts PostgreSQL refuses two: with a NUL, and what is no UTF-8 (here: surrogates that stand for it)."""
    if "\0" in text:
        raise Unfit("a NUL character, which PostgreSQL cannot store in a text")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Unfit("not valid UTF-8") from None


def _json(value: Value, of: Type) -> str:
    """Text as it stands: json keeps blanks and key order. SQLite stores a bare number as a number."""
    text = _json_text(value, of)
    parsed(text)
    return text


def _json_text(value: Value, of: Type) -> str:
    if isinstance(value, str):
        _storable(value)
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        return repr(value)
    raise _wrong(value, of)


def _jsonb(value: Value, of: Type) -> str:
    """As jsonb prints: keys by byte length, then bytes; the last of equal keys wins; numbers are numerics."""
    try:
        text = jsonb_text(parsed(_json_text(value, of)))
        text.encode()
    except (RecursionError, UnicodeEncodeError):
        raise Unfit("JSON that jsonb does not take") from None
    if "\\u0000" in text:
        raise Unfit("JSON with a NUL character, which jsonb does not take")
    return text


def _uuid(value: Value, of: Type) -> str:
    try:
        if isinstance(value, str):
            return str(uuid.UUID(value))
        if isinstance(value, bytes) and len(value) == 16:
            return str(uuid.UUID(bytes=value))
    except ValueError:
        pass
    raise Unfit(f"not a UUID: {_class(value)}")


def _other(value: Value, of: Type) -> str:
    if isinstance(value, str):
        _storable(value)
        return value
    if isinstance(value, int):
        return str(value)
    raise _wrong(value, of)


_FORMS: dict[Kind, Callable[[Value, Type], str]] = {
    Kind.INTEGER: _integer,
    Kind.BOOLEAN: _boolean,
    Kind.FLOAT: _float,
    Kind.NUMERIC: _numeric,
    Kind.TIMESTAMP: _timestamp,
    Kind.TIMESTAMPTZ: _timestamptz,
    Kind.DATE: _date,
    Kind.TIME: _time,
    Kind.BYTES: _bytes,
    Kind.TEXT: _text,
    Kind.PADDED: _text,
    Kind.JSON: _json,
    Kind.JSONB: _jsonb,
    Kind.UUID: _uuid,
    Kind.OTHER: _other,
}
