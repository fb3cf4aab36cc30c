"""SQLite's expressions in PostgreSQL's words, where both mean the same to the last row; anything else is refused.

The tree is sqlglot's. Its own translation is not used: it keeps SQLite's names with PostgreSQL's meanings (LIKE that
minds case, a division by zero that fails, 1 for true), where a check must go on to accept what it accepted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from transfer.schema.binding import ambiguous
from transfer.schema.terms import Columns, Term, Untranslatable, alike, as_number, literal, text_only, truth
from transfer.types import Kind


def translated(text: str, columns: Columns, *, in_index: bool = False) -> Term:
    """An expression over COLUMNS (by lower-case name). IN_INDEX: lower() and upper() as queries will write them.

    Raises Untranslatable.
    """
    import sqlglot
    from sqlglot.errors import SqlglotError

    if ambiguous(text):
        raise Untranslatable("it has two comparisons without parentheses between them")

    try:
        # Inside of a SELECT: at the very beginning words such as replace() would begin a statement.
        tree = sqlglot.parse_one(f"SELECT ({text}\n)", read="sqlite")
    except (SqlglotError, RecursionError):
        raise Untranslatable("it cannot be read") from None
    if not isinstance(tree, sqlglot.exp.Select) or len(tree.expressions) != 1:
        raise Untranslatable("it is no single expression")
    return Translator(columns, in_index).term(tree.expressions[0])


def condition(text: str, columns: Columns) -> str:
    """An expression as a boolean, for CHECK and WHERE. Raises Untranslatable."""
    return truth(translated(text, columns))


class Translator:
    """Walks over a tree of sqlglot's; knows the columns it may meet."""

    def __init__(self, columns: Columns, in_index: bool) -> None:
        from transfer.schema import functions

        self.columns, self.in_index = columns, in_index
        self.functions: Mapping[str, Callable[[Translator, Any], Term]] = functions.BY_NODE

    def term(self, node: Any) -> Term:
        name = type(node).__name__
        method = getattr(self, f"_{name.lower()}", None)
        function = self.functions.get(name)
        if name not in _COMPARISONS and name not in _ARITHMETIC and method is None and function is None:
            said = node.name if name == "Anonymous" else node.sql_name() if hasattr(node, "sql_name") else name
            said = _SAID.get(said.lower(), said.lower())
            raise Untranslatable(f"{said} has no equal in PostgreSQL")
        self.check_read(node)
        if method is not None:
            return method(node)  # type: ignore[no-any-return]
        if name in _COMPARISONS:
            return self._compared(node, _COMPARISONS[name])
        if name in _ARITHMETIC:
            return self._calculated(node, name)
        assert function is not None
        return function(self, node)

    def check_read(self, node: Any) -> None:
        """Raises Untranslatable when a node says more than is read of it here: NOT, DISTINCT, a window ..."""
        name = type(node).__name__
        said = {k for k, v in node.args.items() if v not in (None, False, [])}
        more = said - {"this", "expression"} - _READ.get(name, frozenset())
        if more:
            raise Untranslatable(f"{name.lower()} with {', '.join(sorted(more))}")

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
        inner = as_number(self.term(node.this), "a sign")
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
        a, b = alike(self.term(node.this), self.term(node.expression), operator)
        return Term(f"({a} {operator} {b})", Kind.BOOLEAN)

    def _between(self, node: Any) -> Term:
        of = self.term(node.this)
        low = alike(of, self.term(node.args["low"]), ">=")
        high = alike(of, self.term(node.args["high"]), "<=")
        return Term(f"({low[0]} >= {low[1]} AND {high[0]} <= {high[1]})", Kind.BOOLEAN)

    def _in(self, node: Any) -> Term:
        of, listed = self.term(node.this), node.args.get("expressions")
        if not listed:
            raise Untranslatable("IN without a list of values")
        both = [alike(of, self.term(e), "=") for e in listed]
        lefts = {a for a, _ in both}
        if len(lefts) != 1:
            raise Untranslatable("IN with values of several kinds")
        return Term(f"({lefts.pop()} IN ({', '.join(b for _, b in both)}))", Kind.BOOLEAN)

    def _calculated(self, node: Any, name: str) -> Term:
        sign = _ARITHMETIC[name]
        a, b = (as_number(self.term(n), f"the {sign}") for n in (node.this, node.expression))
        whole = Kind.FLOAT not in (a.kind, b.kind)
        if sign in "%&|<<>>" and not whole:
            raise Untranslatable(f"the {sign} of a double")
        if sign in ("<<", ">>") and not (isinstance(b.value, str) and 0 <= int(b.value) < 64):
            raise Untranslatable(f"{sign} by anything but a constant")
        right = f"nullif({b.sql}, 0)" if sign in "/%" else b.sql
        # A constant, a length and the like have four bytes in PostgreSQL, and would overflow where SQLite does not.
        left = f"({a.sql})::bigint" if whole and not a.sql.startswith('"') else a.sql
        return Term(f"({left} {sign} {right})", Kind.INTEGER if whole else Kind.FLOAT)

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
        return [text_only(self.term(n), what).sql for n in nodes]

    def number(self, node: Any, what: str) -> Term:
        return as_number(self.term(node), what)


# What the parser calls otherwise than SQLite does.
_SAID = {
    "time_to_str": "strftime",
    "rand": "random",
    "greatest": "max",
    "least": "min",
    "regexp_like": "regexp",
    "json_extract": "->",
    "json_extract_scalar": "->>",
    "bitwisenot": "~",
    "tuple": "a row of values",
}
_READ: Mapping[str, frozenset[str]] = {
    name: frozenset(more.split())
    for name, more in {
        "Like": "negate",
        "DPipe": "safe",
        "Div": "typed safe",
        "Case": "ifs default",
        "Cast": "to",
        "Trim": "position",
        "Substring": "start length",
        "StrPosition": "substr",
        "Replace": "replacement",
        "In": "expressions",
        "If": "true false",
        "Coalesce": "expressions",
        "Literal": "is_string",
        "Column": "table",
        "Anonymous": "expressions",
        "Between": "low high",
    }.items()
}
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


__all__ = ["Columns", "Term", "Untranslatable", "condition", "literal", "translated", "truth"]
