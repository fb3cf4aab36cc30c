"""Conditions that PostgreSQL holds rows to, asked of SQLite: only where both are sure to mean the same."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from transfer.expressions import ALIAS
from transfer.pairing import ColumnPair, TablePair
from transfer.sqlite import quoted
from transfer.types import Kind

NAME = r'("(?:[^"]|"")+"|[a-z_][a-z0-9_$]*)'  # as PostgreSQL prints one, quoted where it must be


def unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


_LITERAL = re.compile(r"(?<![A-Za-z0-9_])'(?:[^']|'')*'")
_TEXTS = r"(?:character varying|text|bpchar)(?:\(\d+\))?"
_NUMBERS = r"(?:smallint|integer|bigint|numeric|double precision|real)"
# How PostgreSQL words a condition -> how SQLite takes the same; literals are taken out before, as ¤n¤.
_REWORDED = (
    (re.compile(rf"\((-?\d+(?:\.\d+)?)\)::{_NUMBERS}"), r"\1"),
    (re.compile(rf"::(?:{_TEXTS}(?:\[\])?|numeric|double precision)"), ""),
    (re.compile(r"\((ARRAY\[[^\[\]]*\])\)"), r"\1"),
    (re.compile(r"= ANY ?ARRAY\[([^\[\]]*)\]"), r"IN (\1)"),
    (re.compile(r"<> ALL ?ARRAY\[([^\[\]]*)\]"), r"NOT IN (\1)"),
)
_TOKEN = re.compile(
    rf"\s+|(?P<literal>¤\d+¤)|(?P<number>\d+(?:\.\d+)?)|(?P<mark><>|<=|>=|[=<>(),-])|(?P<name>{NAME})|(?P<word>[A-Z]+)"
)
_WORDS = frozenset({"AND", "OR", "NOT", "IS", "NULL", "IN"})
_PLAIN = frozenset({Kind.INTEGER, Kind.BOOLEAN, Kind.FLOAT, Kind.NUMERIC})


def in_sqlite(condition: str, pair: TablePair) -> str | None:
    """A condition of PostgreSQL's as SQL over ALIAS; None when it may not mean the same to SQLite.

    Only what both read alike: numbers, booleans and NULL compared, texts equal or not. A column with rules is out of
    reach, for they are applied on the way.
    """
    literals: list[str] = []

    def taken_out(m: re.Match[str]) -> str:
        literals.append(m[0])
        return f"¤{len(literals) - 1}¤"

    if "¤" in condition:
        return None
    number = re.compile(rf"'(-?\d+(?:\.\d+)?)'::{_NUMBERS}")
    text = _LITERAL.sub(taken_out, number.sub(r"\1", condition))
    for pattern, instead in _REWORDED:
        while (reworded := pattern.sub(instead, text)) != text:
            text = reworded
    columns = {c.target: c for c in pair.columns}
    made = list(_tokens(text, columns, literals))
    ordered = any(t in ("<", ">", "<=", ">=") for t in made if t is not None)
    if None in made or (ordered and (literals or any(_is_text(t, columns) for t in _names(text)))):
        return None
    return " ".join(t for t in made if t is not None)


def _names(text: str) -> list[str]:
    return [unquoted(m["name"]) for m in _TOKEN.finditer(text) if m["name"]]


def _is_text(name: str, columns: Mapping[str, ColumnPair]) -> bool:
    return name in columns and columns[name].type.kind is Kind.TEXT


def _tokens(text: str, columns: Mapping[str, ColumnPair], literals: Sequence[str]) -> Iterator[str | None]:
    """Word by word; None for one that is not known to mean the same."""
    at = 0
    while at < len(text):
        m = _TOKEN.match(text, at)
        if m is None:
            yield None
            return
        at = m.end()
        if m["literal"]:
            yield literals[int(m["literal"].strip("¤"))]
        elif m["name"] in ("true", "false"):
            yield m["name"].upper()
        elif m["name"]:
            c = columns.get(unquoted(m["name"]))
            only_null = text.startswith((" IS NULL", " IS NOT NULL"), at)
            known = c is not None and not c.rules and (only_null or c.type.kind in _PLAIN or c.type.kind is Kind.TEXT)
            binary = " COLLATE BINARY" if c is not None and c.type.kind is Kind.TEXT else ""
            yield f"{ALIAS}.{quoted(c.source)}{binary}" if known and c is not None else None
        elif m["word"]:
            yield m["word"] if m["word"] in _WORDS else None
        elif m["number"] or m["mark"]:
            yield m[0]
