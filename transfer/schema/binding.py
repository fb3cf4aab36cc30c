"""Where SQLite and the parser might not agree on what binds stronger: `b = s LIKE 'a%'` is `(b = s) LIKE 'a%'` there.

Two comparisons side by side, NOT inside of one, or sums with the outcome of one hardly ever are meant; with
parentheses they are clear to all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from transfer.schema.clauses import Token, tokens

_COMPARE = frozenset(("IS", "IN", "LIKE", "GLOB", "MATCH", "REGEXP", "BETWEEN", "ISNULL", "NOTNULL"))
_SIGNS = frozenset(("=", "<", ">", "!"))
_APART = frozenset(("AND", "OR", "CASE", "WHEN", "THEN", "ELSE", "END"))
_AFTER_NOT = frozenset(("IN", "LIKE", "GLOB", "MATCH", "REGEXP", "BETWEEN", "NULL"))


@dataclass(slots=True)
class _Stretch:
    """What stands between two AND or OR, on one level: COMPARISONS so far, an open BETWEEN, and whether it is DONE,
    so that nothing may follow. LIST: the parentheses of IN."""

    comparisons: int = 0
    between: bool = False
    done: bool = False
    list: bool = False


def ambiguous(text: str) -> bool:
    """Whether there is anything in TEXT whose meaning hangs on the precedence of comparisons and NOT."""
    of = tokens(text)
    levels = [_Stretch()]
    for i, token in enumerate(of):
        now, word, before = levels[-1], token.word, of[i - 1].word if i else ""
        if token.text == ")" and len(levels) > 1:
            inner = levels.pop()
            levels[-1].done = inner.list
        elif word == "AND" and now.between:
            now.between = False
        elif word in _APART or token.text == ",":
            now.comparisons, now.between, now.done = 0, False, False
        elif now.done:
            return True
        elif token.text == "(":
            levels.append(_Stretch(list=before == "IN"))
        elif word == "NOT":
            if before != "IS" and (of[i + 1].word if i + 1 < len(of) else "") not in _AFTER_NOT and now.comparisons:
                return True
        elif word == "NULL":
            now.comparisons += before == "NOT" and of[i - 2].word != "IS"
            now.done = before in ("IS", "NOT")
        elif word in _COMPARE or (token.text in _SIGNS and not _continues(of, i)):
            now.comparisons += 1
            now.between = now.between or word == "BETWEEN"
            now.done = word in ("ISNULL", "NOTNULL")
        if levels[-1].comparisons > 1:
            return True
    return False


def _continues(of: Sequence[Token], at: int) -> bool:
    """The second character of ==, <=, <> and the like."""
    return at > 0 and of[at - 1].text in _SIGNS and of[at - 1].end == of[at].start
