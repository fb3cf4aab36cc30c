"""The PostgreSQL schema that migrations would have made for a database of bench/gen.py."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg2

_TYPES = {
    "INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT": "SERIAL PRIMARY KEY",
    "BOOLEAN NOT NULL DEFAULT 0": "BOOLEAN NOT NULL DEFAULT false",
    "DATETIME": "TIMESTAMP",
    "BLOB": "BYTEA",
    "FLOAT": "DOUBLE PRECISION",
}


def make(url: str, path: Path) -> None:
    """Empties the database at URL and makes the schema of the SQLite file at PATH in it."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as con:
        found = con.execute(
            "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
            " ORDER BY rowid"
        ).fetchall()
    conn = psycopg2.connect(url)
    with conn, conn.cursor() as cur:
        cur.execute("DROP SCHEMA public CASCADE")
        cur.execute("CREATE SCHEMA public")
        for (statement,) in found:
            for ours, theirs in _TYPES.items():
                statement = statement.replace(ours, theirs)  # noqa: PLW2901
            cur.execute(statement)
    conn.autocommit = True
    with conn.cursor() as cur:
        cur.execute("CHECKPOINT")
    conn.close()
