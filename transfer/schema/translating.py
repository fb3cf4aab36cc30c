"""SQLite's expressions in PostgreSQL's words, where both mean the same to the last row; anything else is refused.

The tree is sqlglot's. Its own translation is not used: it keeps SQLite's names with PostgreSQL's meanings (LIKE that
minds case, a division by zero that fails, 1 for true), where a check must go on to accept what it accepted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from transfer.types import Kind

# What a column is to an expression: its name as made, its kind in PostgreSQL, its collation in SQLite.
Columns = Mapping[str, tuple[str, Kind, str]]

_NUMBERS = (Kind.INTEGER, Kind.FLOAT, Kind.NUMERIC)
_UNICODE = 'COLLATE "C"'


class Untranslatable(ValueError):
    """An expression that PostgreSQL would understand otherwise or not at all; the message says why."""


@dataclass(frozen=True, slots=True)
class Term:
    """SQL that stands safely inside any other, its KIND (None: NULL) and, of a constant, its VALUE."""

    sql: str
    kind: Kind | None
    value: str | bool | None = None
    collation: str = "BINARY"


def translated(text: str, columns: Columns, *, in_index: bool = False) -> Term:
    """An expression over COLUMNS (by lower-case name). IN_INDEX: lower() and upper() as queries will write them.

    Raises Untranslatable.
    """
    import sqlglot
    from sqlglot.errors import SqlglotError

    try:
        # Inside of a SELECT: at the very beginning words such as replace() would begin a statement.
        tree = sqlglot.parse_one(f"SELECT ({text}\n)", read="sqlite")
    except (SqlglotError, RecursionError):
        raise Untranslatable("it cannot be read") from None
    if not isinstance(tree, sqlglot.exp.Select) or len(tree.expressions) != 1:
        raise Untranslatable("it is no single expression")
    return _Translator(columns, in_index).term(tree.expressions[0])


def condition(text: str, columns: Columns) -> str:
    """An expression as a boolean, for CHECK and WHERE. Raises Untranslatable."""
    return truth(translated(text, columns))


def truth(term: Term) -> str:
    if term.kind in _NUMBERS:
        return f"({term.sql} <> 0)"
    if term.kind not in (Kind.BOOLEAN, None):
        raise Untranslatable(f"a {term.kind} as a condition")
    return term.sql


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _number(term: Term, what: str) -> Term:
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


def _text(term: Term, what: str) -> Term:
    if term.kind not in (Kind.TEXT, None):
        raise Untranslatable(f"{what} of a {term.kind}")
    return term


_SHAPES = {
    Kind.DATE: ("%Y-%m-%d", "date"),
    Kind.TIMESTAMP: ("%Y-%m-%d %H:%M:%S", "timestamp"),
    Kind.TIME: ("%H:%M:%S", "time"),
}


def _alike(a: Term, b: Term, operator: str) -> tuple[str, str]:
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
        if {a.collation, b.collation} != {"BINARY"}:
            raise Untranslatable(f"a comparison under {a.collation if a.collation != 'BINARY' else b.collation}")
        return (f"{a.sql} {_UNICODE}" if ordering else a.sql), b.sql
    if ordering and a.kind is Kind.UUID:
        raise Untranslatable("an order of UUIDs")
    return a.sql, b.sql


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


class _Translator:
    """Walks over a tree of sqlglot's; knows the columns it may meet."""

    def __init__(self, columns: Columns, in_index: bool) -> None:
        from transfer.schema import functions

        self.columns, self.in_index = columns, in_index
        self.functions: Mapping[str, Callable[[_Translator, Any], Term]] = functions.BY_NODE

    def term(self, node: Any) -> Term:
        name = type(node).__name__
        method = getattr(self, f"_{name.lower()}", None)
        if method is not None:
            return method(node)  # type: ignore[no-any-return]
        if name in _COMPARISONS:
            return self._compared(node, _COMPARISONS[name])
        if name in _ARITHMETIC:
            return self._calculated(node, name)
        function = self.functions.get(name)
        if function is None:
            said = node.name if name == "Anonymous" else node.sql_name() if hasattr(node, "sql_name") else name
            raise Untranslatable(f"{said.lower()} has no equal in PostgreSQL")
        return function(self, node)

    def _paren(self, node: Any) -> Term:
        return self.term(node.this)

    def _column(self, node: Any) -> Term:
        known = self.columns.get(node.name.lower())
        if known is not None:
            name, kind, collation = known
            return Term('"' + name.replace('"', '""') + '"', kind, collation=collation)
        if node.this.args.get("quoted"):  # SQLite takes "no such column" for a text
            return Term(literal(node.name), Kind.TEXT, node.name)
        raise Untranslatable(f"{node.name} is no column")

    def _literal(self, node: Any) -> Term:
        value = node.this
        if node.is_string:
            return Term(literal(value), Kind.TEXT, value)
        if re.fullmatch(r"\d+", value):
            if int(value) >= 2**63:
                raise Untranslatable(f"{value} is beyond 64 bits")
            return Term(value, Kind.INTEGER, value)
        return Term(value, Kind.FLOAT, value)

    def _hexstring(self, node: Any) -> Term:
        return Term(f"'\\x{node.this.lower()}'::bytea", Kind.BYTES)

    def _boolean(self, node: Any) -> Term:
        return Term("TRUE" if node.this else "FALSE", Kind.BOOLEAN, bool(node.this))

    def _null(self, node: Any) -> Term:
        return Term("NULL", None)

    def _collate(self, node: Any) -> Term:
        name = node.expression.name.upper()
        return replace(self.term(node.this), collation=name)

    def _and(self, node: Any) -> Term:
        return self._joined(node, "AND")

    def _or(self, node: Any) -> Term:
        return self._joined(node, "OR")

    def _joined(self, node: Any, word: str) -> Term:
        a, b = truth(self.term(node.this)), truth(self.term(node.expression))
        return Term(f"({a} {word} {b})", Kind.BOOLEAN)

    def _not(self, node: Any) -> Term:
        return Term(f"(NOT {truth(self.term(node.this))})", Kind.BOOLEAN)

    def _neg(self, node: Any) -> Term:
        inner = _number(self.term(node.this), "a sign")
        value = f"-{inner.value}" if isinstance(inner.value, str) else None
        return Term(f"(-{inner.sql})", inner.kind, value)

    def _is(self, node: Any) -> Term:
        a, b = self.term(node.this), self.term(node.expression)
        if b.kind is None:
            return Term(f"({a.sql} IS NULL)", Kind.BOOLEAN)
        if isinstance(b.value, bool):
            return Term(f"({truth(a)} IS {b.sql})", Kind.BOOLEAN)
        return self._compared(node, "IS NOT DISTINCT FROM")

    def _compared(self, node: Any, operator: str) -> Term:
        a, b = _alike(self.term(node.this), self.term(node.expression), operator)
        return Term(f"({a} {operator} {b})", Kind.BOOLEAN)

    def _between(self, node: Any) -> Term:
        of = self.term(node.this)
        low = _alike(of, self.term(node.args["low"]), ">=")
        high = _alike(of, self.term(node.args["high"]), "<=")
        return Term(f"({low[0]} >= {low[1]} AND {high[0]} <= {high[1]})", Kind.BOOLEAN)

    def _in(self, node: Any) -> Term:
        of, listed = self.term(node.this), node.args.get("expressions")
        if not listed:
            raise Untranslatable("IN without a list of values")
        both = [_alike(of, self.term(e), "=") for e in listed]
        lefts = {a for a, _ in both}
        if len(lefts) != 1:
            raise Untranslatable("IN with values of several kinds")
        return Term(f"({lefts.pop()} IN ({', '.join(b for _, b in both)}))", Kind.BOOLEAN)

    def _calculated(self, node: Any, name: str) -> Term:
        sign = _ARITHMETIC[name]
        a, b = (_number(self.term(n), f"the {sign}") for n in (node.this, node.expression))
        whole = Kind.FLOAT not in (a.kind, b.kind)
        if sign in "%&|<<>>" and not whole:
            raise Untranslatable(f"the {sign} of a double")
        if sign in ("<<", ">>") and not (isinstance(b.value, str) and 0 <= int(b.value) < 64):
            raise Untranslatable(f"{sign} by anything but a constant")
        right = f"nullif({b.sql}, 0)" if sign in "/%" else b.sql
        return Term(f"({a.sql} {sign} {right})", Kind.INTEGER if whole else Kind.FLOAT)

    def _dpipe(self, node: Any) -> Term:
        a, b = (self.as_text(self.term(n)) for n in (node.this, node.expression))
        return Term(f"({a} || {b})", Kind.TEXT)

    def as_text(self, term: Term) -> str:
        match term.kind:
            case Kind.TEXT | None:
                return term.sql
            case Kind.INTEGER:
                return f"({term.sql})::text"
            case Kind.BOOLEAN:
                return f"({term.sql})::int::text"
        raise Untranslatable(f"a {term.kind} as text")

    def texts(self, *nodes: Any, what: str) -> list[str]:
        return [_text(self.term(n), what).sql for n in nodes]

    def number(self, node: Any, what: str) -> Term:
        return _number(self.term(node), what)


_ORDERINGS = ("<", "<=", ">", ">=")
_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_COMPARISONS = {
    "EQ": "=",
    "NEQ": "<>",
    "LT": "<",
    "LTE": "<=",
    "GT": ">",
    "GTE": ">=",
    "NullSafeEQ": "IS NOT DISTINCT FROM",
    "NullSafeNEQ": "IS DISTINCT FROM",
}
_ARITHMETIC = {
    "Add": "+",
    "Sub": "-",
    "Mul": "*",
    "Div": "/",
    "Mod": "%",
    "BitwiseAnd": "&",
    "BitwiseOr": "|",
    "BitwiseLeftShift": "<<",
    "BitwiseRightShift": ">>",
}
