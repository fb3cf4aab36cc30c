"""What only the text of a CREATE TABLE or CREATE INDEX tells: CHECK, names of constraints, COLLATE, DEFERRABLE,
expressions and predicates. The pragmas tell the rest, and what both tell is held against each other by the reader.

SQLite keeps the text as it was written, comments and all, and takes care to keep it in step with ALTER TABLE.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

# https://sqlite.org/lang_keywords.html and tokenize.c: a quote inside a name or a text is doubled.
_TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*|/\*.*?(?:\*/|$))
      | (?P<text>'(?:[^']|'')*')
      | (?P<quoted>"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\])
      | (?P<word>[^\W\d][\w$]*)
      | (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
      | (?P<mark>.)""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Token:
    kind: str
    text: str
    start: int
    end: int

    @property
    def word(self) -> str:
        """A keyword in upper case; "" for what cannot be one."""
        return self.text.upper() if self.kind == "word" else ""

    @property
    def name(self) -> str:
        """As an identifier; SQLite takes 'a text' for one too."""
        if self.kind not in ("quoted", "text"):
            return self.text
        close = self.text[-1]
        return self.text[1:-1].replace(close * 2, close)


@dataclass(frozen=True, slots=True)
class Reference:
    """One foreign key in the order of the text."""

    name: str | None
    columns: tuple[str, ...]
    deferrable: str


@dataclass(slots=True)
class TableClauses:
    """What was found so far; keys by lower-case column name."""

    checks: list[tuple[str | None, str]] = field(default_factory=list)
    collations: dict[str, str] = field(default_factory=dict)
    generated: dict[str, str] = field(default_factory=dict)
    key_name: str | None = None
    uniques: dict[tuple[str, ...], str | None] = field(default_factory=dict)
    references: list[Reference] = field(default_factory=list)


def tokens(sql: str) -> list[Token]:
    found = []
    for m in _TOKEN.finditer(sql):
        if m.lastgroup != "space":
            found.append(Token(m.lastgroup or "mark", m.group(), m.start(), m.end()))
    return found


def _closing(of: Sequence[Token], at: int) -> int:
    """The place of the parenthesis that closes the one at AT."""
    depth = 0
    for i in range(at, len(of)):
        depth += (of[i].text == "(") - (of[i].text == ")")
        if depth == 0:
            return i
    raise ValueError("a parenthesis is not closed")


def _split(of: Sequence[Token]) -> list[list[Token]]:
    """At the commas outside of any parenthesis."""
    items: list[list[Token]] = [[]]
    depth = 0
    for token in of:
        depth += (token.text == "(") - (token.text == ")")
        if token.text == "," and depth == 0:
            items.append([])
        else:
            items[-1].append(token)
    return [i for i in items if i]


def _between(sql: str, of: Sequence[Token], at: int, end: int) -> str:
    return sql[of[at].end : of[end].start].strip()


def table_clauses(sql: str) -> TableClauses:
    """Reads a CREATE TABLE. Raises ValueError when it is none."""
    of = tokens(sql)
    start = next((i for i, t in enumerate(of) if t.text == "("), None)
    if start is None:
        raise ValueError("no list of columns")
    found = TableClauses()
    for item in _split(of[start + 1 : _closing(of, start)]):
        of_table = item[0].word in ("CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN")
        _Reader(sql, item, None if of_table else item[0].name, found).read(0 if of_table else 1)
    return found


class _Reader:
    """Walks over the clauses of one column or of one table constraint."""

    def __init__(self, sql: str, item: Sequence[Token], column: str | None, found: TableClauses) -> None:
        self.sql, self.of, self.column, self.found = sql, item, column, found
        self.at, self.name = 0, None  # type: int, str | None
        self.listed: tuple[str, ...] = ()

    def word(self, ahead: int = 0) -> str:
        return self.of[self.at + ahead].word if self.at + ahead < len(self.of) else ""

    def opens(self) -> bool:
        return self.at < len(self.of) and self.of[self.at].text == "("

    def read(self, at: int) -> None:
        self.at = at
        while self.at < len(self.of):
            word = self.word()
            if word == "CONSTRAINT":
                self.name, self.at = self.of[self.at + 1].name, self.at + 2
                continue
            self.at += 1
            match word:
                case "CHECK":
                    self.found.checks.append((self._named(), self._expression()))
                case "PRIMARY":
                    self.at += 1
                    self._columns()
                    self.found.key_name = self._named()
                case "UNIQUE":
                    columns = self._columns()
                    self.found.uniques.setdefault(_folded(columns), self._named())
                case "COLLATE" if self.column is not None:
                    self.found.collations[self.column.lower()] = self.of[self.at].name.upper()
                    self.at += 1
                case "DEFAULT":
                    self._default()
                case "AS" if self.column is not None:
                    self.found.generated[self.column.lower()] = self._expression()
                case "FOREIGN":
                    self.at += 1
                    self.listed = self._columns()
                case "REFERENCES":
                    self._reference()
                case _ if self.of[self.at - 1].text == "(":
                    self.at = _closing(self.of, self.at - 1) + 1

    def _named(self) -> str | None:
        name, self.name = self.name, None
        return name

    def _expression(self) -> str:
        if not self.opens():
            raise ValueError("an expression without parentheses")
        end = _closing(self.of, self.at)
        text = _between(self.sql, self.of, self.at, end)
        self.at = end + 1
        return text

    def _columns(self) -> tuple[str, ...]:
        """The names in parentheses, if there are any; else the column that is being read."""
        if not self.opens():
            return (self.column,) if self.column is not None else ()
        end = _closing(self.of, self.at)
        names = tuple(item[0].name for item in _split(self.of[self.at + 1 : end]))
        self.at = end + 1
        return names

    def _default(self) -> None:
        """Stepped over, since a default may be called CHECK; the pragma gives its text."""
        if self.opens():
            self.at = _closing(self.of, self.at) + 1
        else:
            self.at += 2 if self.of[self.at].text in "+-" else 1

    def _reference(self) -> None:
        columns = self.listed or ((self.column,) if self.column is not None else ())
        self.at += 1
        if self.opens():
            self.at = _closing(self.of, self.at) + 1
        deferrable = ""
        while self.word() in ("ON", "MATCH", "NOT", "DEFERRABLE"):
            match self.word():
                case "ON":
                    self.at += 4 if self.word(2) in ("SET", "NO") else 3
                case "MATCH":
                    self.at += 2
                case "NOT" if self.word(1) != "DEFERRABLE":
                    break
                case _:
                    negated = self.word() == "NOT"
                    self.at += 2 if negated else 1
                    deferrable = "" if negated else "DEFERRABLE"
                    if self.word() == "INITIALLY":
                        if self.word(1) == "DEFERRED" and not negated:
                            deferrable += " INITIALLY DEFERRED"
                        self.at += 2
        self.found.references.append(Reference(self._named(), columns, deferrable))


def _folded(columns: Sequence[str]) -> tuple[str, ...]:
    return tuple(c.lower() for c in columns)


def index_clauses(sql: str) -> tuple[tuple[str, ...], str]:
    """Of a CREATE INDEX: the text of each key, without COLLATE, ASC and DESC; and the predicate, "" = none."""
    of = tokens(sql)
    start = next((i for i, t in enumerate(of) if t.text == "("), None)
    if start is None:
        raise ValueError("no list of columns")
    end = _closing(of, start)
    keys = []
    for item in _split(of[start + 1 : end]):
        last = len(item)
        if item[last - 1].word in ("ASC", "DESC"):
            last -= 1
        if last > 2 and item[last - 2].word == "COLLATE":
            last -= 2
        keys.append(sql[item[0].start : item[last - 1].end])
    predicate = sql[of[end + 1].end :] if end + 1 < len(of) and of[end + 1].word == "WHERE" else ""
    return tuple(keys), predicate.strip().rstrip(";").strip()
