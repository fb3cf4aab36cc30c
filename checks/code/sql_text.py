"""Raw SQL as SQLite takes it and PostgreSQL does not: a look at its tokens, without strings and comments.

Tokens and not trees: half of what stands in a program is a piece of a statement, or has a gap in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from checks.code.finding import Rule

PRAGMA = Rule(
    "sql/pragma", "error", "PRAGMA", "PRAGMA is SQLite's own; PostgreSQL answers with a syntax error.",
)  # fmt: skip
PARAMETERS = Rule(
    "sql/qmark-parameters", "error", "A ? as a parameter",
    "psycopg2 takes %s, SQLAlchemy's text() takes :name; a ? reaches PostgreSQL as it is and is a syntax error.",
)  # fmt: skip
AUTOINCREMENT = Rule(
    "sql/autoincrement", "error", "AUTOINCREMENT in raw SQL",
    "PostgreSQL has no AUTOINCREMENT: the table is not created. There it is an identity column.",
)  # fmt: skip
INSERT_OR = Rule(
    "sql/insert-or", "error", "INSERT OR REPLACE, INSERT OR IGNORE, REPLACE INTO",
    "PostgreSQL says ON CONFLICT … DO UPDATE or DO NOTHING; SQLite's words are a syntax error there. REPLACE also "
    "deletes the old row first, which ON CONFLICT does not.",
)  # fmt: skip
FUNCTION = Rule(
    "sql/function", "error", "A function that only SQLite has",
    "strftime, datetime('now'), ifnull, group_concat and others do not exist in PostgreSQL: the statement fails when "
    "it is reached, which may be on a page that nobody tests.",
)  # fmt: skip
ROWID = Rule(
    "sql/rowid", "error", "rowid", "A table of PostgreSQL has no rowid; use its primary key.",
)  # fmt: skip
GLOB = Rule("sql/glob", "error", "GLOB", "PostgreSQL has no GLOB: it is LIKE or ~ there.")
DOUBLE_QUOTES = Rule(
    "sql/double-quoted-string", "warning", "Text in double quotes",
    "SQLite takes \"text\" for a string when no column is called so. PostgreSQL always takes it for a column: "
    "column \"text\" does not exist.",
)  # fmt: skip
QUOTES = Rule(
    "sql/foreign-quotes", "error", "Names in `backticks` or [brackets]",
    "PostgreSQL quotes names with double quotes alone.",
)  # fmt: skip
EQUALS = Rule(
    "sql/double-equals", "error", "== in SQL", "PostgreSQL has no operator ==; it is = there.",
)  # fmt: skip
LIMIT = Rule(
    "sql/limit-comma", "error", "LIMIT offset, count",
    "PostgreSQL answers: LIMIT #,# syntax is not supported. It is LIMIT count OFFSET offset there.",
)  # fmt: skip
NOCASE = Rule(
    "sql/nocase", "error", "COLLATE NOCASE",
    "PostgreSQL has no collation of that name; compare lower(…), with an index on it, or use citext.",
)  # fmt: skip
MASTER = Rule(
    "sql/sqlite-master", "error", "SQLite's own tables",
    "sqlite_master and its like do not exist in PostgreSQL; ask SQLAlchemy's inspect(), or information_schema.",
)  # fmt: skip
TYPE = Rule(
    "sql/type", "error", "A column type that PostgreSQL does not have",
    "SQLite takes any word for a type. PostgreSQL knows no DATETIME, BLOB, TINYINT, NVARCHAR or DOUBLE.",
)  # fmt: skip
BOOLEAN = Rule(
    "sql/boolean-default", "error", "A boolean with the default 0 or 1",
    'A BOOLEAN of PostgreSQL takes no number: column is of type boolean but default expression is of type integer.',
)  # fmt: skip
RULES = (
    PRAGMA, PARAMETERS, AUTOINCREMENT, INSERT_OR, FUNCTION, ROWID, GLOB, DOUBLE_QUOTES, QUOTES, EQUALS, LIMIT, NOCASE,
    MASTER, TYPE, BOOLEAN,
)  # fmt: skip

# What only SQLite has → what to write instead.
FUNCTIONS: Mapping[str, str] = {
    "strftime": "to_char(…), date_trunc(…) or extract(…)",
    "datetime": "now(), or CAST(… AS timestamp)",
    "julianday": "extract(epoch from …) / 86400",
    "unixepoch": "extract(epoch from …)",
    "ifnull": "coalesce(…)",
    "iif": "CASE WHEN … THEN … ELSE … END",
    "group_concat": "string_agg(…, ',')",
    "last_insert_rowid": "INSERT … RETURNING id",
    "changes": "the cursor's rowcount",
    "total_changes": "the cursor's rowcount",
    "randomblob": "gen_random_bytes(…) of pgcrypto",
    "zeroblob": "a bytea of that length",
    "printf": "format(…)",
    "instr": "position(… in …) or strpos(…)",
    "hex": "encode(…, 'hex')",
    "unicode": "ascii(…)",
    "char": "chr(…)",
    "typeof": "pg_typeof(…)",
    "json_extract": "->, ->> or jsonb_path_query",
    "json_each": "jsonb_each or jsonb_array_elements",
    "json_group_array": "json_agg(…)",
    "json_group_object": "json_object_agg(…)",
    "total": "coalesce(sum(…), 0)",
    "sqlite_version": "version()",
}
_TYPES = {
    "DATETIME": "TIMESTAMP", "BLOB": "BYTEA", "TINYINT": "SMALLINT", "NVARCHAR": "VARCHAR", "CLOB": "TEXT",
    "DOUBLE": "DOUBLE PRECISION", "LONGTEXT": "TEXT", "MEDIUMTEXT": "TEXT", "TINYBLOB": "BYTEA",
}  # fmt: skip
_TABLES = {"sqlite_master", "sqlite_schema", "sqlite_sequence", "sqlite_stat1", "sqlite_temp_master"}
_OPERANDS = {"VAR", "IDENTIFIER", "R_PAREN", "STRING", "R_BRACKET", "PARAMETER"}
_COMPARES = {"EQ", "NEQ", "LIKE", "ILIKE", "LT", "GT", "LTE", "GTE"}
_LOOKS_LIKE_SQL = re.compile(
    r"\s*(?:--[^\n]*\n\s*)*(?:SELECT\b.{1,4000}?\bFROM\b|SELECT\s+\w+\s*\(|INSERT\s+(?:OR\s+\w+\s+)?INTO\b"
    r"|REPLACE\s+INTO\b|UPDATE\b.{1,400}?\bSET\b|DELETE\s+FROM\b|ALTER\s+TABLE\b|DROP\s+(?:TABLE|INDEX|VIEW)\b"
    r"|CREATE\s+(?:TEMP\w*\s+|UNIQUE\s+|VIRTUAL\s+)?(?:TABLE|INDEX|VIEW|TRIGGER)\b"
    r"|WITH\b.{1,400}?\bAS\s*\(|PRAGMA\s+\w+\s*(?:[=(;]|$))",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Seen:
    """RULE at the character AT of a statement."""

    rule: Rule
    at: int
    message: str
    mend: str


def looks_like_sql(text: str) -> bool:
    """Whether TEXT starts as a statement does, in capitals or not, and not as a sentence that begins with a verb."""
    first = text.split(None, 1)[0] if text.split() else ""
    return bool(_LOOKS_LIKE_SQL.match(text) or (first.islower() and _LOOKS_LIKE_SQL.match(text.upper())))


def read_sql(text: str) -> tuple[Seen, ...]:
    """What in TEXT PostgreSQL would not take. Text that is no SQL has none."""
    import sqlglot
    from sqlglot.errors import SqlglotError

    try:
        tokens = sqlglot.tokenize(text[:100_000], read="sqlite")
    except (SqlglotError, RecursionError, ValueError):
        return ()
    words = tuple(_Token(t.token_type.name, t.text, t.start, text[t.start : t.start + 1]) for t in tokens)
    if not words:
        return ()
    found = [seen for look in _LOOKS for seen in look(words)]
    return tuple(sorted(found, key=lambda one: one.at))


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int
    first: str

    @property
    def word(self) -> str:
        return self.text.upper()


Tokens = Sequence[_Token]
_END = _Token("END", "", 0, "")


def _after(tokens: Tokens, number: int, steps: int = 1) -> _Token:
    return tokens[number + steps] if 0 <= number + steps < len(tokens) else _END


def _words(tokens: Tokens) -> Iterator[Seen]:
    for number, token in enumerate(tokens):
        before, after = _after(tokens, number, -1), _after(tokens, number)
        if token.kind == "PRAGMA" and before.kind in ("END", "SEMICOLON"):
            yield Seen(PRAGMA, token.at, "PRAGMA", "let it run on SQLite alone: if dialect.name == 'sqlite'")
        elif token.kind == "IDENTIFIER" or after.kind == "L_PAREN":
            continue
        elif token.word == "AUTOINCREMENT":
            yield Seen(AUTOINCREMENT, token.at, "AUTOINCREMENT", "write GENERATED BY DEFAULT AS IDENTITY")
        elif token.word == "GLOB":
            yield Seen(GLOB, token.at, "GLOB", "write LIKE, or ~ with a regular expression")


def _parameters(tokens: Tokens) -> Iterator[Seen]:
    for number, token in enumerate(tokens):
        # After an operand it is the operator of jsonb.
        if token.kind == "PLACEHOLDER" and token.text == "?" and _after(tokens, number, -1).kind not in _OPERANDS:
            yield Seen(PARAMETERS, token.at, "? as a parameter", "write :name in text(), %s for psycopg2")
            return


def _insert_or(tokens: Tokens) -> Iterator[Seen]:
    for number, token in enumerate(tokens):
        following = [_after(tokens, number, step).word for step in (1, 2)]
        if token.word in ("INSERT", "UPDATE") and following[0] == "OR":
            yield Seen(INSERT_OR, token.at, f"{token.word} OR {following[1]}", "write INSERT … ON CONFLICT (…) DO …")
        # At the start sqlglot takes it for a command, and all that follows for one text.
        elif token.word == "REPLACE" and following[0].startswith("INTO") and _after(tokens, number, -1).word != "OR":
            yield Seen(INSERT_OR, token.at, "REPLACE INTO", "write INSERT … ON CONFLICT (…) DO UPDATE SET …")


def _functions(tokens: Tokens) -> Iterator[Seen]:
    for number, token in enumerate(tokens):
        name, before = token.text.lower(), _after(tokens, number, -1)
        if _after(tokens, number).kind != "L_PAREN" or token.kind in ("IDENTIFIER", "STRING") or before.kind == "DOT":
            continue
        if before.word in ("TABLE", "INTO", "ON", "VIEW", "INDEX", "EXISTS", "FUNCTION"):
            continue
        if name == "char" and before.kind in ("VAR", "IDENTIFIER"):
            continue  # the type of a column
        if name in FUNCTIONS:
            yield Seen(FUNCTION, token.at, f"{name}(…)", f"write {FUNCTIONS[name]}")
        elif name in ("max", "min") and _commas(tokens, number + 1):
            yield Seen(FUNCTION, token.at, f"{name}(…, …)", f"write {'greatest' if name == 'max' else 'least'}(…, …)")
        elif name in ("date", "time") and _commas(tokens, number + 1):
            yield Seen(FUNCTION, token.at, f"{name}(…, …)", "write (now() - interval '1 day')::date and the like")


def _commas(tokens: Tokens, opening: int) -> int:
    """Commas between the parenthesis OPENING and its end, deeper ones not counted."""
    depth = found = 0
    for token in tokens[opening:]:
        depth += (token.kind == "L_PAREN") - (token.kind == "R_PAREN")
        found += token.kind == "COMMA" and depth == 1
        if depth == 0:
            break
    return found


def _names(tokens: Tokens) -> Iterator[Seen]:
    for number, token in enumerate(tokens):
        before, after = _after(tokens, number, -1), _after(tokens, number)
        if token.kind == "IDENTIFIER" and token.first in ("`", "["):
            yield Seen(QUOTES, token.at, f"{token.first}{token.text}", f'write "{token.text}"')
        elif token.kind == "IDENTIFIER" and token.first == '"' and after.kind != "DOT" and _is_value(tokens, number):
            yield Seen(DOUBLE_QUOTES, token.at, f'"{token.text}"', f"write '{token.text}'")
        elif token.kind == "VAR" and token.word in ("ROWID", "_ROWID_") and before.word not in ("AS", "COLUMN"):
            yield Seen(ROWID, token.at, token.text, "use the primary key")
        elif token.text.lower() in _TABLES and token.kind in ("VAR", "IDENTIFIER"):
            yield Seen(MASTER, token.at, token.text, "use sqlalchemy.inspect(engine), or information_schema")
        elif token.word == "NOCASE" and before.word == "COLLATE":
            yield Seen(NOCASE, before.at, "COLLATE NOCASE", "compare lower(…), or make the column citext")
        elif token.text == "==" and token.kind == "EQ":
            yield Seen(EQUALS, token.at, "==", "write =")


def _is_value(tokens: Tokens, number: int) -> bool:
    before = _after(tokens, number, -1)
    if before.kind in _COMPARES:
        # Of "a" = "b" both are quoted names; in a name = "text" the left one is not.
        return _after(tokens, number, -2).kind != "IDENTIFIER"
    depth = 0
    for token in reversed(tokens[:number]):
        depth += (token.kind == "R_PAREN") - (token.kind == "L_PAREN")
        if depth < 0:
            where = tokens.index(token)
            return _after(tokens, where, -1).word in ("VALUES", "IN") and before.kind in ("COMMA", "L_PAREN")
        if depth == 0 and token.kind not in (
            "COMMA",
            "STRING",
            "NUMBER",
            "IDENTIFIER",
            "R_PAREN",
            "L_PAREN",
            "NULL",
            "PLACEHOLDER",
            "COLON",
            "VAR",
        ):
            return False
    return False


def _limit(tokens: Tokens) -> Iterator[Seen]:
    for number, token in enumerate(tokens):
        if token.word != "LIMIT" or token.kind == "IDENTIFIER":
            continue
        for later in tokens[number + 1 : number + 5]:
            if later.kind in ("R_PAREN", "SEMICOLON", "OFFSET"):
                break
            if later.kind == "COMMA":
                yield Seen(LIMIT, token.at, "LIMIT …, …", "write LIMIT count OFFSET offset")
                break


def _columns(tokens: Tokens) -> Iterator[Seen]:
    words = {token.word for token in tokens[:3]}
    if not ({"CREATE", "ALTER"} & words and "TABLE" in {token.word for token in tokens[:5]}):
        return
    for number, token in enumerate(tokens):
        before, after = _after(tokens, number, -1), _after(tokens, number)
        named = before.kind in ("VAR", "IDENTIFIER") or before.word in ("TYPE", "NAME")
        if token.word in _TYPES and named and after.word != "PRECISION" and token.kind != "IDENTIFIER":
            yield Seen(TYPE, token.at, f"the type {token.word}", f"write {_TYPES[token.word]}")
        elif token.word in ("BOOLEAN", "BOOL") and named:
            yield from _boolean(tokens, number)


def _boolean(tokens: Tokens, number: int) -> Iterator[Seen]:
    for offset, token in enumerate(tokens[number + 1 :], number + 1):
        if token.kind in ("COMMA", "SEMICOLON"):
            return
        if token.word == "DEFAULT":
            value = next((t for t in tokens[offset + 1 :] if t.kind != "L_PAREN"), _END)
            if value.kind == "NUMBER" and value.text in ("0", "1"):
                written = "TRUE" if value.text == "1" else "FALSE"
                yield Seen(BOOLEAN, token.at, f"BOOLEAN DEFAULT {value.text}", f"write DEFAULT {written}")
            return


_LOOKS: Sequence[Callable[[Tokens], Iterator[Seen]]] = (
    _words, _parameters, _insert_or, _functions, _names, _limit, _columns,
)  # fmt: skip
__all__ = ["FUNCTIONS", "RULES", "Seen", "looks_like_sql", "read_sql"]
