"""What SQLite takes in SQL and PostgreSQL does not, rule by rule, and the words by which it is known."""

from __future__ import annotations

from collections.abc import Mapping

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
TYPES: Mapping[str, str] = {
    "DATETIME": "TIMESTAMP", "BLOB": "BYTEA", "TINYINT": "SMALLINT", "NVARCHAR": "VARCHAR", "CLOB": "TEXT",
    "DOUBLE": "DOUBLE PRECISION", "LONGTEXT": "TEXT", "MEDIUMTEXT": "TEXT", "TINYBLOB": "BYTEA",
}  # fmt: skip
TABLES = {"sqlite_master", "sqlite_schema", "sqlite_sequence", "sqlite_stat1", "sqlite_temp_master"}
