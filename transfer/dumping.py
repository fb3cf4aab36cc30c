"""A SQLite database as SQL text and back, without losing a bit.

Python's own iterdump() cuts text at a NUL and writes an infinity that cannot be read back.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from transfer.contents import lenient, rows_of
from transfer.errors import CouldNotLook
from transfer.progress import Pace, Watch
from transfer.sqlite import count, quoted, sequences, tables


def statements(con: sqlite3.Connection, watch: Watch, *, rows: bool = True) -> Iterator[str]:
    """The statements that make the database anew; ROWS=False: the schema alone."""
    encoding = con.execute("PRAGMA encoding").fetchone()[0]
    yield f"PRAGMA encoding = '{encoding}';"
    yield "PRAGMA foreign_keys = OFF;"
    yield "BEGIN TRANSACTION;"
    schema = con.execute(
        "SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE sql IS NOT NULL"
        " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY rowid"
    ).fetchall()
    virtual = [s for s in schema if s[3].upper().startswith("CREATE VIRTUAL")]
    plain = [s for s in schema if s not in virtual]
    yield from (f"{sql};" for kind, _, _, sql in plain if kind == "table")
    if rows:
        yield from _rows(con, watch)
        given = sequences(con)
        if given:
            yield "DELETE FROM sqlite_sequence;"
        yield from (f"INSERT INTO sqlite_sequence VALUES({literal(t)},{n});" for t, n in given.items())
    yield from (f"{sql};" for kind, _, _, sql in plain if kind != "table")
    if virtual:
        # Their storage is already there as ordinary tables; making them anew would clash with it.
        yield "PRAGMA writable_schema = ON;"
        for _, name, of_table, sql in virtual:
            values = ", ".join(map(literal, (name, of_table, sql)))
            columns = "name, tbl_name, sql, type, rootpage"
            yield f"INSERT INTO sqlite_schema ({columns}) VALUES({values},'table',0);"
        yield "PRAGMA writable_schema = OFF;"
    yield f"PRAGMA user_version = {con.execute('PRAGMA user_version').fetchone()[0]};"
    yield "COMMIT;"


def _rows(con: sqlite3.Connection, watch: Watch) -> Iterator[str]:
    utf8 = con.execute("PRAGMA encoding").fetchone()[0] == "UTF-8"
    factory, con.text_factory = con.text_factory, lenient
    try:
        for table in tables(con):
            total, done, pace = count(con, table.name), 0, Pace()
            names = ",".join(quoted(c.name) for c in table.columns if not c.generated)
            into = f"INSERT INTO {quoted(table.name)}({names}) VALUES"
            for some in rows_of(con, table):
                for row in some:
                    yield f"{into}({','.join([literal(v, utf8=utf8) for v in row])});"
                done += len(some)
                if pace.due():
                    watch.tell("dump", table.name, done, total, "rows")
    finally:
        con.text_factory = factory


def literal(value: object, *, utf8: bool = True) -> str:
    """A value as SQLite reads it back exactly."""
    match value:
        case None:
            return "NULL"
        case bytes():
            return f"X'{value.hex()}'"
        case float():
            return repr(value) if math.isfinite(value) else ("9e999" if value > 0 else "-9e999")
        case str():
            if "\0" in value or any("\ud800" <= ch <= "\udfff" for ch in value):
                data = value.encode("utf-8", "surrogateescape") if utf8 else value.encode("utf-16-le")
                return f"CAST(X'{data.hex()}' AS TEXT)"
            return "'" + value.replace("'", "''") + "'"
        case _:
            return str(value)


def write(con: sqlite3.Connection, path: Path, watch: Watch, *, rows: bool = True) -> int:
    """Writes the dump to PATH; how many statements."""
    n = 0
    with path.open("w", encoding="utf-8", newline="") as f:
        for statement in statements(con, watch, rows=rows):
            f.write(statement + "\n")
            n += 1
    return n


def load(path: Path, con: sqlite3.Connection, watch: Watch) -> None:
    """Runs a dump in an empty database. CON must be in autocommit mode. Raises CouldNotLook on bad SQL."""
    pace = Pace()
    with path.open(encoding="utf-8", newline="\n") as f:
        for n, statement in enumerate(_split(f), 1):
            try:
                con.execute(statement)
            except sqlite3.Error as e:
                raise CouldNotLook(f"{path.name}, statement {n}: {e}") from e
            if pace.due():
                watch.tell("reload", None, n, 0, "statements")


def _split(lines: TextIO) -> Iterator[str]:
    held: list[str] = []
    for line in lines:
        held.append(line)
        if line.rstrip().endswith(";") and sqlite3.complete_statement("".join(held)):
            yield "".join(held)
            held.clear()
    if "".join(held).strip():
        yield "".join(held)
