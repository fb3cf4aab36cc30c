"""What the audit of references and keys looks at, and the SQL for rows as they arrive in PostgreSQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from transfer.audit.assumed import Constraints
from transfer.audit.findings import EXAMPLES, Example, shown
from transfer.expressions import ALIAS, sqlite_order
from transfer.pairing import ColumnPair, TablePair
from transfer.schema.model import Schema
from transfer.sqlite import quoted
from transfer.types import Kind
from transfer.values import value_of

# Kinds whose values are the same in PostgreSQL if and only if they are in SQLite.
ALIKE = frozenset({Kind.INTEGER, Kind.BOOLEAN, Kind.TEXT, Kind.BYTES})


@dataclass(frozen=True, slots=True)
class Sides:
    """CON: a source whose functions are installed. PAIRS by the target's name. TO: what rows are held to."""

    con: sqlite3.Connection
    schema: Schema
    pairs: Mapping[str, TablePair]
    to: Constraints

    def number(self, sql: str) -> int:
        """The first value of the first row; 0 for NULL or no row."""
        row = self.con.execute(sql).fetchone()
        return int(row[0] or 0) if row else 0


def install_fold(con: sqlite3.Connection) -> None:
    """Gives CON tminus_fold(key, "lower" or "rtrim"): SQLite's own lower() knows ASCII alone."""
    con.create_function("tminus_fold", 2, _folded, deterministic=True)


def _folded(key: bytes | int | None, how: str) -> bytes | int | None:
    if not isinstance(key, bytes):
        return key
    text = key.decode("utf-8", "surrogateescape")
    return (text.lower() if how == "lower" else text.rstrip(" ")).encode("utf-8", "surrogateescape")


def bare(pair: TablePair) -> TablePair:
    """The table as it is without any rule."""
    return replace(pair, columns=tuple(replace(c, rules=(), orphaned="") for c in pair.columns), keep="")


def plain(column: ColumnPair) -> str:
    """The column as SQLite has it, told apart by bytes: a collation of SQLite's own is not carried."""
    return f"{ALIAS}.{quoted(column.source)}" + (" COLLATE BINARY" if column.type.kind is Kind.TEXT else "")


def arriving(column: ColumnPair, fold: str = "") -> str:
    """What of the column tells its values apart once they are in PostgreSQL, its rules applied."""
    if column.not_null and column.orphaned:
        column = replace(column, orphaned="")  # no NULL gets in there
    key = sqlite_order(column)
    fold = fold or ("lower" if column.type.name == "citext" else "")
    return f"tminus_fold({key}, '{fold}')" if fold else key


def rows(pair: TablePair, *conditions: str) -> str:
    """FROM and WHERE of the rows that are carried."""
    where = [f"({c})" for c in (pair.keep, *conditions) if c]
    return f"FROM {quoted(pair.source)} AS {ALIAS}" + (f" WHERE {' AND '.join(where)}" if where else "")


def named(pair: TablePair, names: Sequence[str]) -> list[ColumnPair] | None:
    """Columns by PostgreSQL's names; None when one is not there on both sides."""
    return _all(names, {c.target.casefold(): c for c in pair.columns})


def named_in_sqlite(pair: TablePair, names: Sequence[str]) -> list[ColumnPair] | None:
    return _all(names, {c.source.casefold(): c for c in pair.columns})


def _all(names: Sequence[str], of: Mapping[str, ColumnPair]) -> list[ColumnPair] | None:
    found = [of[n.casefold()] for n in names if n.casefold() in of]
    return found if len(found) == len(names) else None


def examples(
    con: sqlite3.Connection, pair: TablePair, columns: Sequence[ColumnPair], found: str
) -> tuple[Example, ...]:
    """The first rows of FOUND (FROM and WHERE), by their key, and what COLUMNS hold there."""
    keys = list(pair.key) or list(columns) or list(pair.columns[:1])
    wanted = ", ".join(f"{ALIAS}.{quoted(c.source)}" for c in (*keys, *columns))
    named_rows = []
    for row in con.execute(f"SELECT {wanted} {found} LIMIT {EXAMPLES}"):
        values = [value_of(v) for v in row]
        key = ", ".join(f"{c.target}={shown(v, c)}" for c, v in zip(keys, values, strict=False))
        value = ", ".join(shown(v, c) for c, v in zip(columns, values[len(keys) :], strict=True))
        named_rows.append(Example(key, value))
    return tuple(named_rows)
