"""The canonical form of a value: the text PostgreSQL itself gives for it, made from what SQLite holds.

Two values are the same exactly when their canonical texts are. What cannot be carried into the target's
type without changing it raises Unfit. The type always is the TARGET column's, from pg_catalog.
"""

from __future__ import annotations

import json
import math
import re
import struct
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from enum import StrEnum

Value = int | float | str | bytes | None


class Unfit(ValueError):
    """A value that the target's type cannot hold unchanged; the message says why."""


class Kind(StrEnum):
    """The families of PostgreSQL types that share one canonical form."""

    INTEGER = "integer"
    BOOLEAN = "boolean"
    FLOAT = "float"
    NUMERIC = "numeric"
    TIMESTAMP = "timestamp"
    TIMESTAMPTZ = "timestamptz"
    DATE = "date"
    TIME = "time"
    BYTES = "bytes"
    TEXT = "text"
    PADDED = "padded"  # text whose type compares or prints by rules of its own: char(n), citext, name
    JSON = "json"
    JSONB = "jsonb"
    UUID = "uuid"
    OTHER = "other"


_KINDS = {
    **dict.fromkeys(("int2", "int4", "int8", "oid"), Kind.INTEGER),
    **dict.fromkeys(("float4", "float8"), Kind.FLOAT),
    **dict.fromkeys(("text", "varchar"), Kind.TEXT),
    **dict.fromkeys(("bpchar", "citext", "name"), Kind.PADDED),
    "bool": Kind.BOOLEAN,
    "numeric": Kind.NUMERIC,
    "timestamp": Kind.TIMESTAMP,
    "timestamptz": Kind.TIMESTAMPTZ,
    "date": Kind.DATE,
    "time": Kind.TIME,
    "bytea": Kind.BYTES,
    "json": Kind.JSON,
    "jsonb": Kind.JSONB,
    "uuid": Kind.UUID,
}


@dataclass(frozen=True, slots=True)
class Type:
    """A target column's type: its kind, its name as PostgreSQL writes it, a numeric's scale if it has one."""

    kind: Kind
    name: str
    scale: int | None = None


def type_of(typname: str, formatted: str, typmod: int = -1) -> Type:
    """From pg_type.typname (of a domain: its base), format_type() and atttypmod.

    A numeric's typmod is ((precision << 16) | (scale & 0x7ff)) + 4 (PostgreSQL, numeric.c).
    """
    kind = _KINDS.get(typname, Kind.OTHER)
    scale = None
    if kind is Kind.NUMERIC and typmod >= 4:
        scale = (((typmod - 4) & 0x7FF) ^ 1024) - 1024
    return Type(kind, formatted, scale)


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
    if isinstance(value, int):
        return str(value)
    raise _wrong(value, of)


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
    if isinstance(value, float):
        return value
    if isinstance(value, int):
        if int(float(value)) == value:
            return float(value)
        raise Unfit("an integer that a double cannot hold exactly")
    raise _wrong(value, of)


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
    if of.scale is not None and of.scale >= 0 and len(text.partition(".")[2]) > of.scale:
        raise Unfit(f"more decimals than {of.name} keeps; it would be rounded")
    return text


def _moment(text: str, of: Type) -> datetime:
    if re.search(r"\.\d{7,}", text):
        raise Unfit("finer than a microsecond")
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
    if not isinstance(value, str) or re.search(r"\.\d{7,}", value):
        raise _wrong(value, of)
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
    if isinstance(value, str):
        return value
    raise _wrong(value, of)


def _json(value: Value, of: Type) -> str:
    """Text as it stands: json keeps blanks and key order. SQLite stores a bare number as a number."""
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        return repr(value)
    raise _wrong(value, of)


def _jsonb(value: Value, of: Type) -> str:
    """As jsonb prints: keys by byte length, then bytes; the last of equal keys wins; numbers are numerics."""
    try:
        return _jsonb_text(json.loads(_json(value, of), parse_float=Decimal, parse_constant=_no_constant))
    except (json.JSONDecodeError, RecursionError, InvalidOperation):
        raise Unfit("not JSON") from None


def _no_constant(name: str) -> None:
    raise Unfit(f"{name} is not JSON")


def _jsonb_text(value: object) -> str:
    match value:
        case dict():
            keys = sorted(
                value,
                key=lambda k: (len(k.encode("utf-8", "surrogatepass")), k.encode("utf-8", "surrogatepass")),
            )
            return "{" + ", ".join(f"{_jsonb_text(k)}: {_jsonb_text(value[k])}" for k in keys) + "}"
        case list():
            return "[" + ", ".join(map(_jsonb_text, value)) + "]"
        case Decimal():
            text = format(value, "f")
            return text.lstrip("-") if value == 0 else text
        case _:
            return json.dumps(value, ensure_ascii=False)


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
