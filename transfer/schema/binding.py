"""Where SQLite and the parser might not agree on what binds stronger: `b = s LIKE 'a%'` is `(b = s) LIKE 'a%'` there.

Two comparisons side by side, or NOT inside of one, hardly ever are meant; with parentheses they are clear to all.
"""

from __future__ import annotations

from collections.abc import Sequence

from transfer.schema.clauses import Token, tokens

_COMPARE = frozenset(("IS", "IN", "LIKE", "GLOB", "MATCH", "REGEXP", "BETWEEN", "ISNULL", "NOTNULL"))
_SIGNS = frozenset(("=", "<", ">", "!"))
_APART = frozenset(("AND", "OR", "CASE", "WHEN", "THEN", "ELSE", "END"))
_AFTER_NOT = frozenset(("IN", "LIKE", "GLOB", "MATCH", "REGEXP", "BETWEEN", "NULL"))


def ambiguous(text: str) -> bool:
    """Whether there are two comparisons, or a NOT and a comparison before it, with nothing between them."""
    of = tokens(text)
    counts, between = [0], [False]
    for i, token in enumerate(of):
        word, before = token.word, of[i - 1] if i else None
        if token.text == "(":
            counts.append(0)
            between.append(False)
        elif token.text == ")" and len(counts) > 1:
            counts.pop()
            between.pop()
        elif word == "AND" and between[-1]:
            between[-1] = False
        elif word in _APART or token.text == ",":
            counts[-1], between[-1] = 0, False
        elif word == "NOT":
            after = of[i + 1].word if i + 1 < len(of) else ""
            if before is not None and before.word == "IS":
                continue
            if after == "NULL":
                counts[-1] += 1
            elif after not in _AFTER_NOT and counts[-1]:
                return True
        elif word in _COMPARE or (token.text in _SIGNS and not _continues(of, i)):
            counts[-1] += 1
            between[-1] = between[-1] or word == "BETWEEN"
        if counts[-1] > 1:
            return True
    return False


def _continues(of: Sequence[Token], at: int) -> bool:
    """The second character of ==, <=, <>, << and the like."""
    return at > 0 and of[at - 1].text in _SIGNS and of[at - 1].end == of[at].start
