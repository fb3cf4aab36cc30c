"""SQL without what people wrote into it: a statement may be shown, its values may not."""

from __future__ import annotations

import re

# What PostgreSQL takes for a value or a comment (https://www.postgresql.org/docs/current/sql-syntax-lexical.html),
# and first what it takes for a name, so that a quote inside of one opens nothing. What is cut ends with the text.
_PART = re.compile(
    r"""
    (?P<name>(?:[Uu]&)?"(?:[^"]|"")*(?:"|\Z))
  | (?P<escaped>(?<![\w$])[Ee]'(?:[^'\\]|''|\\.)*(?:'|\\?\Z))
  | (?P<plain>'(?:[^']|'')*(?:'|\Z))
  | (?P<dollar>(?<![\w$])\$(?P<tag>[^\W\d]\w*)?\$.*?(?:\$(?P=tag)\$|\Z))
  | (?P<line>--[^\n]*)
  | (?P<block>/\*.*?(?:\*/|\Z))
  | (?P<number>(?<![\w$.])\.?\d[\w.]*)
    """,
    re.VERBOSE | re.DOTALL,
)
_EMPTY_TAG = re.compile(r"(?<![\w$])\$\$.*?(?:\$\$|\Z)", re.DOTALL)


def without_literals(sql: str) -> str:
    """SQL with "?" for every text and number in it, and without its comments; what it may be cut in is left out.

    >>> without_literals("SELECT a FROM t WHERE b = 'it''s' AND c > 7.5 -- ssn")
    'SELECT a FROM t WHERE b = ? AND c > ?'
    """
    pieces, at = [], 0
    while at < len(sql):
        found = _PART.search(sql, at)
        empty = _EMPTY_TAG.search(sql, at)
        if empty is not None and (found is None or empty.start() <= found.start()):
            pieces += [sql[at : empty.start()], "?"]
            at = empty.end()
            continue
        if found is None:
            pieces.append(sql[at:])
            break
        pieces.append(sql[at : found.start()])
        if found.lastgroup == "block" and "/*" in found[0][2:]:
            break  # comments in comments: where they end is not worth a guess
        if found["name"]:
            pieces.append(found[0])
        elif not found["line"] and not found["block"]:
            pieces.append("?")
        at = found.end()
    return " ".join("".join(pieces).split())
