"""The functions, LIKE and CASE of SQLite that have an equal in PostgreSQL, and what that is."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from transfer.schema.terms import Term, Untranslatable, literal, truth
from transfer.types import Kind

if TYPE_CHECKING:
    from transfer.schema.translating import Translator


def _length(t: Translator, node: Any) -> Term:
    of = t.term(node.this)
    if of.kind is Kind.BYTES:
        return Term(f"length({of.sql})", Kind.INTEGER)
    return Term(f"length({t.as_text(of)})", Kind.INTEGER)


def _cased(name: str) -> Callable[[Translator, Any], Term]:
    """SQLite folds the letters of ASCII alone, which is what PostgreSQL does under the collation "C"."""

    def make(t: Translator, node: Any) -> Term:
        (of,) = t.texts(node.this, what=f"{name}()")
        return Term(f"{name}({of})" if t.in_index else f'{name}({of} COLLATE "C")', Kind.TEXT)

    return make


def _like(t: Translator, node: Any, escape: str = "") -> Term:
    """LIKE minds no case of ASCII letters in SQLite, and knows no escape that is not named."""
    of, pattern = t.term(node.this), t.term(node.expression)
    if of.kind is not Kind.TEXT or not isinstance(pattern.value, str):
        raise Untranslatable("LIKE with anything but a text and a constant pattern")
    if escape and (not re.fullmatch("[^A-Za-z]", escape) or pattern.value.endswith(escape)):
        raise Untranslatable(f"LIKE with the escape {escape!r}")
    letters = re.search("[A-Za-z]", pattern.value)
    folded = re.sub("[A-Z]", lambda m: m[0].lower(), pattern.value)
    left = f'lower({of.sql} COLLATE "C")' if letters else of.sql
    word = "NOT LIKE" if node.args.get("negate") else "LIKE"
    return Term(f"({left} {word} {literal(folded)} ESCAPE {literal(escape)})", Kind.BOOLEAN)


def _escape(t: Translator, node: Any) -> Term:
    if type(node.this).__name__ != "Like":
        raise Untranslatable("ESCAPE without LIKE")
    t.check_read(node.this)
    return _like(t, node.this, node.expression.name)


def _common(terms: list[Term], what: str) -> Kind | None:
    kinds = {x.kind for x in terms} - {None}
    if len(kinds) > 1:
        raise Untranslatable(f"{what} of several kinds")
    return next(iter(kinds), None)


def _coalesce(t: Translator, node: Any) -> Term:
    terms = [t.term(n) for n in (node.this, *node.expressions)]
    return Term(f"coalesce({', '.join(x.sql for x in terms)})", _common(terms, "coalesce()"))


def _nullif(t: Translator, node: Any) -> Term:
    terms = [t.term(n) for n in (node.this, node.expression)]
    if {x.collation for x in terms} != {"BINARY"}:
        raise Untranslatable("nullif() under a collation")
    return Term(f"nullif({terms[0].sql}, {terms[1].sql})", _common(terms, "nullif()"))


def _abs(t: Translator, node: Any) -> Term:
    of = t.number(node.this, "abs()")
    return Term(f"abs({of.sql})", of.kind)


def _trim(t: Translator, node: Any) -> Term:
    name = {"": "btrim", "LEADING": "ltrim", "TRAILING": "rtrim"}[str(node.args.get("position") or "").upper()]
    given = [n for n in (node.this, node.args.get("expression")) if n is not None]
    return Term(f"{name}({', '.join(t.texts(*given, what='trim()'))})", Kind.TEXT)


def _substring(t: Translator, node: Any) -> Term:
    """Only from a constant place on: below 1 and from the end SQLite counts otherwise."""
    (of,) = t.texts(node.this, what="substr()")
    asked = [node.args.get("start"), node.args.get("length")]
    numbers = [t.term(n).value for n in asked if n is not None]
    if not numbers or not all(isinstance(n, str) and re.fullmatch(r"\d+", n) for n in numbers) or numbers[0] == "0":
        raise Untranslatable("substr() at a place that is not constant, or counted from the end")
    return Term(f"substr({of}, {', '.join(str(n) for n in numbers)})", Kind.TEXT)


def _position(t: Translator, node: Any) -> Term:
    of, part = t.texts(node.this, node.args["substr"], what="instr()")
    return Term(f"strpos({of}, {part})", Kind.INTEGER)


def _replaced(t: Translator, node: Any) -> Term:
    given = t.texts(node.this, node.expression, node.args["replacement"], what="replace()")
    return Term(f"replace({', '.join(given)})", Kind.TEXT)


def _if(t: Translator, node: Any) -> Term:
    return _cases([(truth(t.term(node.this)), t.term(node.args["true"]))], t, node.args.get("false"))


def _case(t: Translator, node: Any) -> Term:
    if node.this is not None:
        raise Untranslatable("CASE with a value to compare")
    branches = [(truth(t.term(i.this)), t.term(i.args["true"])) for i in node.args["ifs"]]
    return _cases(branches, t, node.args.get("default"))


def _cases(branches: list[tuple[str, Term]], t: Translator, default: Any) -> Term:
    last = t.term(default) if default is not None else Term("NULL", None)
    kind = _common([x for _, x in branches] + [last], "CASE")
    whens = " ".join(f"WHEN {c} THEN {x.sql}" for c, x in branches)
    return Term(f"(CASE {whens} ELSE {last.sql} END)", kind)


def _cast(t: Translator, node: Any) -> Term:
    of, to = t.term(node.this), node.to.this.value.upper()
    if to in ("TEXT", "VARCHAR") and of.kind in (Kind.TEXT, Kind.INTEGER, Kind.BOOLEAN):
        return Term(t.as_text(of), Kind.TEXT)
    if to in ("INT", "BIGINT") and of.kind in (Kind.INTEGER, Kind.BOOLEAN):
        return t.number(node.this, "CAST")
    raise Untranslatable(f"CAST of a {of.kind} to {to}")


def _anonymous(t: Translator, node: Any) -> Term:
    name, given = node.name.lower(), node.expressions
    if name == "json_valid" and len(given) == 1:
        of = t.term(given[0])
        if of.kind in (Kind.TEXT, Kind.JSON, Kind.JSONB):
            return Term(f"({of.sql} IS JSON)", Kind.BOOLEAN)
    raise Untranslatable(f"{name}() has no equal in PostgreSQL")


BY_NODE: Mapping[str, Callable[[Translator, Any], Term]] = {
    "Length": _length,
    "Lower": _cased("lower"),
    "Upper": _cased("upper"),
    "Like": _like,
    "Escape": _escape,
    "Coalesce": _coalesce,
    "Nullif": _nullif,
    "Abs": _abs,
    "Trim": _trim,
    "Substring": _substring,
    "StrPosition": _position,
    "Replace": _replaced,
    "If": _if,
    "Case": _case,
    "Cast": _cast,
    "Anonymous": _anonymous,
}
