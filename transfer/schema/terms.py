"""Parts of an expression on their way to PostgreSQL, and how two of them are compared so that both sides agree."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from transfer.types import Kind

# What a column is to an expression: its name as made, its kind in PostgreSQL, its collation in SQLite.
Columns = Mapping[str, tuple[str, Kind, str]]

_NUMBERS = (Kind.INTEGER, Kind.FLOAT, Kind.NUMERIC)
_BYTEWISE = 'COLLATE "C"'
_ORDERINGS = ("<", "<=", ">", ">=")
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}


# The collation of a text that may be a number in SQLite: 9 comes before 10 there, '10' before '9' in PostgreSQL.
ANY = "ANY"


class Untranslatable(ValueError):
    """An expression that PostgreSQL would understand otherwise or not at all; the message says why."""


@dataclass(frozen=True, slots=True)
class Term:
    """SQL that stands safely inside any other, its KIND (None: NULL) and, of a constant, its VALUE."""

    sql: str
    kind: Kind | None
    value: str | bool | None = None
    collation: str = "BINARY"


def truth(term: Term) -> str:
    if term.kind in _NUMBERS:
        return f"({term.sql} <> 0)"
    if term.kind not in (Kind.BOOLEAN, None):
        raise Untranslatable(f"a {term.kind} as a condition")
    return term.sql


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def as_number(term: Term, what: str) -> Term:
    """For arithmetic: a boolean is 0 or 1; a decimal constant is a double, as it is in SQLite."""
    if term.kind is Kind.BOOLEAN:
        return Term(f"({term.sql})::int", Kind.INTEGER)
    if term.kind is Kind.NUMERIC:
        raise Untranslatable(f"{what} of a numeric, which is exact in PostgreSQL and a double's in SQLite")
    if term.kind is Kind.FLOAT and term.value is not None:
        return replace(term, sql=f"({term.sql})::double precision")
    if term.kind not in (Kind.INTEGER, Kind.FLOAT, None):
        raise Untranslatable(f"{what} of a {term.kind}")
    return term


def text_only(term: Term, what: str) -> Term:
    if term.kind not in (Kind.TEXT, None):
        raise Untranslatable(f"{what} of a {term.kind}")
    return term


_SHAPES = {
    Kind.DATE: ("%Y-%m-%d", "date"),
    Kind.TIMESTAMP: ("%Y-%m-%d %H:%M:%S", "timestamp"),
    Kind.TIME: ("%H:%M:%S", "time"),
}


def alike(a: Term, b: Term, operator: str) -> tuple[str, str]:
    """Two terms so written that PostgreSQL compares them as SQLite does. Raises Untranslatable."""
    ordering = operator in _ORDERINGS
    if a.kind is None or b.kind is None:
        return a.sql, b.sql
    left, right = _as_constant_of(a, b, _MIRRORED.get(operator, operator)), _as_constant_of(b, a, operator)
    if left is not None or right is not None:
        return left or a.sql, right or b.sql
    if a.kind in (*_NUMBERS, Kind.BOOLEAN) and b.kind in (*_NUMBERS, Kind.BOOLEAN):
        if a.kind is b.kind:
            return a.sql, b.sql
        return tuple(f"({t.sql})::int" if t.kind is Kind.BOOLEAN else t.sql for t in (a, b))  # type: ignore[return-value]
    if a.kind is not b.kind or a.kind in (Kind.JSON, Kind.JSONB, Kind.OTHER):
        raise Untranslatable(f"{a.kind} compared with {b.kind}")
    if a.kind is Kind.TEXT:
        if ANY in (a.collation, b.collation):
            _same_as_text(a, b, ordering=ordering)
        elif {a.collation, b.collation} != {"BINARY"}:
            raise Untranslatable(f"a comparison under {a.collation if a.collation != 'BINARY' else b.collation}")
        return (f"{a.sql} {_BYTEWISE}" if ordering else a.sql), b.sql
    if ordering and a.kind is Kind.UUID:
        raise Untranslatable("an order of UUIDs")
    return a.sql, b.sql


def _same_as_text(a: Term, b: Term, *, ordering: bool) -> None:
    """Raises Untranslatable unless a value of ANY kind is compared with a constant that looks like no number."""
    constant = next((t.value for t in (a, b) if t.collation != ANY and isinstance(t.value, str)), None)
    if ordering or constant is None or not re.match(r"\s*[^\s\d+.-]", constant):
        raise Untranslatable("a comparison of values that may be numbers as well as texts")


def _as_constant_of(constant: Term, beside: Term, operator: str) -> str | None:
    """A constant in the type of what stands left of OPERATOR, where that changes nothing; None: as it stands.

    SQLite compares times as texts: 12:00:00.000000 comes after 12:00:00 there, and is the same in PostgreSQL.
    """
    value = constant.value
    if beside.kind is Kind.BOOLEAN and beside.value is None and constant.kind is Kind.INTEGER and value in ("0", "1"):
        return "TRUE" if value == "1" else "FALSE"
    if isinstance(value, bool) and beside.kind in _NUMBERS:
        return "1" if value else "0"
    if constant.kind is Kind.TEXT and isinstance(value, str) and beside.kind in _SHAPES:
        shape, name = _SHAPES[beside.kind]
        try:
            same = datetime.strptime(value, shape).strftime(shape) == value  # noqa: DTZ007 - a shape, no moment
        except ValueError:
            same = False
        if not same or (beside.kind is not Kind.DATE and operator not in (">=", "<")):
            raise Untranslatable(f"{beside.kind} {operator} the text {value!r}")
        return f"{name} {literal(value)}"
    return None
