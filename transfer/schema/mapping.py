"""Which PostgreSQL type a column of SQLite becomes: by its declared type, or else by its values."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from transfer.schema.model import Column, Schema, Table
from transfer.schema.reading import text_as_str
from transfer.schema.terms import ANY, Columns
from transfer.sqlite import quoted
from transfer.types import Kind, Type

BIGINT = Type(Kind.INTEGER, "bigint", size=8)
DOUBLE = Type(Kind.FLOAT, "double precision", size=8)
TEXT = Type(Kind.TEXT, "text")
BYTEA = Type(Kind.BYTES, "bytea")
BOOLEAN = Type(Kind.BOOLEAN, "boolean")
NUMERIC = Type(Kind.NUMERIC, "numeric")
DATE = Type(Kind.DATE, "date")
TIMESTAMP = Type(Kind.TIMESTAMP, "timestamp without time zone")
TIMESTAMPTZ = Type(Kind.TIMESTAMPTZ, "timestamp with time zone")
TIME = Type(Kind.TIME, "time without time zone")
JSON = Type(Kind.JSON, "json")
JSONB = Type(Kind.JSONB, "jsonb")
UUID = Type(Kind.UUID, "uuid")

_BY_NAME: dict[str, Type] = {
    **dict.fromkeys(("BOOLEAN", "BOOL"), BOOLEAN),
    **dict.fromkeys(("REAL", "FLOAT", "DOUBLE", "DOUBLE PRECISION", "FLOAT8", "FLOAT4"), DOUBLE),
    **dict.fromkeys(("NUMERIC", "DECIMAL", "DEC", "NUMBER"), NUMERIC),
    "DATE": DATE,
    **dict.fromkeys(("DATETIME", "TIMESTAMP", "TIMESTAMP WITHOUT TIME ZONE"), TIMESTAMP),
    **dict.fromkeys(("TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE"), TIMESTAMPTZ),
    **dict.fromkeys(("TIME", "TIME WITHOUT TIME ZONE"), TIME),
    **dict.fromkeys(("BYTEA", "BINARY", "VARBINARY", "IMAGE"), BYTEA),
    "JSON": JSON,
    "JSONB": JSONB,
    **dict.fromkeys(("UUID", "GUID", "UNIQUEIDENTIFIER"), UUID),
}
_INTEGER_WORDS = frozenset(
    ("INT", "INTEGER", "TINYINT", "SMALLINT", "MEDIUMINT", "BIGINT", "INT2", "INT4", "INT8", "BIG", "UNSIGNED")
)
_LONGEST = 10_485_760  # characters of varchar(n), at most (PostgreSQL, htup_details.h: MaxAttrSize)
_DECLARED = re.compile(r"([^()]*)(?:\(\s*\+?(\d+)\s*(?:,\s*\+?(\d+)\s*)?\))?([^()]*)")


@dataclass(frozen=True, slots=True)
class Mapped:
    """A column's type in PostgreSQL, and what a person should know of the choice; "" = nothing."""

    type: Type
    note: str = ""


def affinity(declared: str) -> str:
    """What SQLite does to values on their way into the column (https://sqlite.org/datatype3.html, 3.1)."""
    name = declared.upper()
    if "INT" in name:
        return "INTEGER"
    if any(part in name for part in ("CHAR", "CLOB", "TEXT")):
        return "TEXT"
    if "BLOB" in name or not name:
        return "BLOB"
    return "REAL" if any(part in name for part in ("REAL", "FLOA", "DOUB")) else "NUMERIC"


def declared_type(declared: str) -> Mapped | None:
    """By the declared type alone; None when it says nothing that SQLite or PostgreSQL would keep to."""
    m = _DECLARED.fullmatch(declared.strip())
    if m is None:
        return None
    base = " ".join(f"{m[1]} {m[4]}".upper().split())
    first, second = (int(g) if g else None for g in (m[2], m[3]))
    words = set(base.split())
    if base and words <= _INTEGER_WORDS:
        return Mapped(BIGINT)
    if _is_character(base):
        return _character(base, first)
    if base.endswith("BLOB"):
        return Mapped(BYTEA)
    known = _BY_NAME.get(base)
    if known is NUMERIC and first is not None:
        scale = second or 0
        return Mapped(Type(Kind.NUMERIC, f"numeric({first},{scale})", scale=scale, precision=first))
    return Mapped(known) if known else None


def _is_character(base: str) -> bool:
    words = base.split()
    return bool(words) and (
        words[-1] in ("TEXT", "CLOB", "TINYTEXT", "MEDIUMTEXT", "LONGTEXT", "VARCHAR", "NVARCHAR", "VARCHAR2")
        or words[-1] in ("NVARCHAR2", "CHARACTER", "CHAR", "NCHAR", "BPCHAR", "VARYING")
    )


def _character(base: str, length: int | None) -> Mapped:
    if length is None:
        return Mapped(TEXT)
    if not 1 <= length <= _LONGEST:
        return Mapped(TEXT, f"{base}({length}) became text: PostgreSQL has no such length")
    padded = base in ("CHAR", "NCHAR", "BPCHAR")
    note = f"{base}({length}) became varchar({length}): char({length}) would pad with blanks" if padded else ""
    return Mapped(Type(Kind.TEXT, f"character varying({length})", length=length), note)


Place = tuple[str, str]


def known_to(columns: Iterable[tuple[Column, str, Kind]]) -> Columns:
    """What expressions may name: of each column of SQLite its name and kind in PostgreSQL."""
    return {
        c.name.lower(): (name, kind, ANY if kind is Kind.TEXT and affinity(c.declared) != "TEXT" else c.collation)
        for c, name, kind in columns
    }


def column_types(con: sqlite3.Connection, schema: Schema) -> dict[Place, Mapped]:
    """Of every (table, column). Columns that a foreign key ties together get one type."""
    found: dict[Place, Mapped] = {}
    unknown: dict[Place, frozenset[str]] = {}
    declared: dict[Place, str] = {}
    for table in schema.tables:
        silent = []
        for c in table.columns:
            known = declared_type(c.declared)
            if known is None:
                silent.append(c)
                declared[table.name, c.name] = c.declared
            else:
                found[table.name, c.name] = known
        unknown |= _classes(con, table, silent)
    for group in _tied(schema, unknown):
        classes = frozenset().union(*(unknown.get(p, frozenset()) for p in group))
        beside = [found[p] for p in group - unknown.keys()]
        for place in group & unknown.keys():
            found[place] = _by_values(declared[place], unknown[place], classes, beside)
    return found


def _classes(con: sqlite3.Connection, table: Table, columns: Sequence[Column]) -> dict[Place, frozenset[str]]:
    """The storage classes that stand in each column, but for NULL."""
    if not columns:
        return {}
    asked = ", ".join(f"group_concat(DISTINCT typeof({quoted(c.name)}))" for c in columns)
    with text_as_str(con):
        row = con.execute(f"SELECT {asked} FROM {quoted(table.name)}").fetchone()  # noqa: S608 - names are quoted
    return {
        (table.name, c.name): frozenset((said or "").split(",")) - {"", "null"}
        for c, said in zip(columns, row, strict=True)
    }


def _tied(schema: Schema, unknown: Mapping[Place, frozenset[str]]) -> list[frozenset[Place]]:
    """The columns of unknown type in groups: those that reference each other, directly or not, stand together."""
    groups: dict[Place, set[Place]] = {p: {p} for p in unknown}
    for table in schema.tables:
        for f in table.foreign_keys:
            for child, parent in zip(f.columns, f.parent_columns, strict=False):
                a, b = (table.name, child), (f.parent, parent)
                if a in unknown or b in unknown:
                    merged = groups.setdefault(a, {a}) | groups.setdefault(b, {b})
                    for place in merged:
                        groups[place] = merged
    return list({frozenset(g) for g in groups.values()})


_OF_CLASS = {"integer": BIGINT, "real": DOUBLE, "text": TEXT, "blob": BYTEA}
_ARTICLES = {"integer": "integers", "real": "reals", "text": "texts", "blob": "blobs"}


def _by_values(declared: str, own: frozenset[str], classes: frozenset[str], beside: Sequence[Mapped]) -> Mapped:
    """OWN: what stands in this column; CLASSES: in all that are tied to it; BESIDE: those of a known type."""
    said = f"declared type {declared!r} is unknown" if declared else "no declared type"
    held = " and ".join(_ARTICLES[c] for c in sorted(own)) or "nothing"
    if beside:
        chosen, why = beside[0].type, "as the column it references"
    elif len(classes) == 1:
        chosen, why = _OF_CLASS[next(iter(classes))], "by its values"
    else:
        chosen, why = TEXT, "which takes any of them as text" if classes else "since it is empty"
    mixed = sorted(c for c in own if _OF_CLASS[c].kind is not chosen.kind)
    needs = f"; its {', '.join(_ARTICLES[c] for c in mixed)} need a rule: cast" if mixed else ""
    return Mapped(chosen, f"{said}, it holds {held}: became {chosen.name}, {why}{needs}")
