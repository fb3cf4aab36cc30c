"""The types of PostgreSQL's columns, in families, with the limits that a value has to keep."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


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


_SIZES = {"int2": 2, "int4": 4, "int8": 8, "oid": 4, "float4": 4, "float8": 8}


@dataclass(frozen=True, slots=True)
class Type:
    """A target column's type: its kind, its name as PostgreSQL writes it, and its limits, None where it has none.

    SIZE: bytes of an integer or a float. LENGTH: characters of varchar(n) and char(n). PRECISION and SCALE:
    digits of numeric(p, s), all and after the point; of times, SCALE is the digits of the fraction.
    """

    kind: Kind
    name: str
    scale: int | None = None
    precision: int | None = None
    length: int | None = None
    size: int | None = None

    @property
    def range(self) -> tuple[int, int]:
        """The smallest and the greatest integer; oid is unsigned."""
        bits = 8 * (self.size or 8)
        return (0, 2**32 - 1) if self.name == "oid" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def type_of(typname: str, formatted: str, typmod: int = -1) -> Type:
    """From pg_type.typname (of a domain: its base), format_type() and atttypmod.

    A typmod is ((precision << 16) | (scale & 0x7ff)) + 4 for numeric (PostgreSQL, numeric.c), n + 4 for
    varchar(n) and char(n), the digits of the fraction for times, -1 for none.
    """
    kind, of = _KINDS.get(typname, Kind.OTHER), typmod - 4
    size = _SIZES.get(typname)
    if kind is Kind.NUMERIC and of >= 0:
        return Type(kind, formatted, scale=((of & 0x7FF) ^ 1024) - 1024, precision=(of >> 16) & 0xFFFF)
    if typname in ("varchar", "bpchar") and of >= 0:
        return Type(kind, formatted, length=of)
    if kind in (Kind.TIMESTAMP, Kind.TIMESTAMPTZ, Kind.TIME) and typmod >= 0:
        return Type(kind, formatted, scale=typmod)
    return Type(kind, "oid" if typname == "oid" else formatted, size=size)
