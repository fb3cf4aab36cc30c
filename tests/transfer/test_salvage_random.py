"""Whatever is written to PostgreSQL comes back, and what nobody touched stays to the bit what it was."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC
from pathlib import Path
from typing import Any

import psycopg2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transfer.copying import copy
from transfer.salvage import salvage

Run = Callable[..., list[tuple[Any, ...]]]

# Column, SQLite's type, PostgreSQL's type, what SQLite holds at first, what is written to PostgreSQL later.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
DOUBLES = st.floats(allow_nan=False).map(lambda x: x or 0.0)  # SQLite keeps no -0.0
MOMENTS = st.datetimes()
COLUMNS: list[tuple[str, str, str, st.SearchStrategy[Any], st.SearchStrategy[Any]]] = [
    ("i", "INTEGER", "bigint", st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1)),
    ("b", "BOOLEAN", "boolean", st.integers(0, 1), st.booleans()),
    ("f", "FLOAT", "double precision", DOUBLES, DOUBLES),
    (
        "n",
        "NUMERIC(12, 2)",
        "numeric(12, 2)",
        st.integers(-(10**9), 10**9).map(lambda n: n / 100),
        st.decimals(-999, 999, places=2),
    ),
    ("s", "TEXT", "text", TEXTS, TEXTS),
    ("t", "DATETIME", "timestamp", MOMENTS.map(str) | MOMENTS.map(lambda m: m.isoformat("T")), MOMENTS),
    ("z", "DATETIME", "timestamptz", MOMENTS.map(str), st.datetimes(timezones=st.just(UTC))),
    ("d", "DATE", "date", st.dates().map(str), st.dates()),
    ("c", "TIME", "time", st.times().map(str), st.times()),
    ("x", "BLOB", "bytea", st.binary(max_size=5), st.binary(max_size=5)),
    (
        "j",
        "JSON",
        "jsonb",
        st.sampled_from(['{"b":1,  "a":[null]}', "[]", '"x"']),
        st.sampled_from(['{"a": 1.50}', "[1, 2]", "null"]),
    ),
    ("u", "CHAR(32)", "uuid", st.uuids().map(lambda u: u.hex), st.uuids().map(str)),
]
NAMES = [c[0] for c in COLUMNS]
BASE = st.tuples(*(st.none() | c[3] for c in COLUMNS))
LATER = st.tuples(*(st.none() | c[4] for c in COLUMNS))
IDS = st.integers(1, 5)
WRITES = st.one_of(
    st.tuples(st.just("insert"), IDS, LATER),
    st.tuples(st.just("update"), IDS, LATER),
    st.tuples(st.just("touch"), IDS, LATER),
    st.tuples(st.just("delete"), IDS, st.just(())),
)
# With a key, and without one.
TABLES = ("k", "m")
Write = tuple[str, int, tuple[Any, ...]]


def write(cur: Any, table: str, n: int, what: Write) -> None:
    kind, at, values = what
    marks = ", ".join(["%s"] * len(NAMES))
    where = f"WHERE id = {at}" if table == "k" else f"WHERE ctid = (SELECT min(ctid) FROM {table} WHERE id = {at})"
    if kind == "insert":
        cur.execute(f"INSERT INTO {table} VALUES (%s, {marks})", (100 + n, *values))
    elif kind == "update":
        cur.execute(f"UPDATE {table} SET ({', '.join(NAMES)}) = ROW ({marks}) {where}", values)
    elif kind == "touch":
        name = NAMES[at % len(NAMES)]
        cur.execute(f"UPDATE {table} SET {name} = %s {where}", (values[at % len(NAMES)],))
    else:
        cur.execute(f"DELETE FROM {table} {where}")


def everything(url: str) -> dict[str, list[tuple[Any, ...]]]:
    conn = psycopg2.connect(url)
    with closing(conn), conn.cursor() as cur:
        found = {}
        for t in TABLES:
            cur.execute(f"SELECT id, {', '.join(f'{n}::text' for n in NAMES)} FROM {t} ORDER BY {t}::text")
            found[t] = cur.fetchall()
    return found


def stored(path: Path, where: str) -> list[tuple[Any, ...]]:
    classes = ", ".join(f"typeof({n}), {n}" for n in NAMES)
    with closing(sqlite3.connect(path)) as con:
        con.text_factory = bytes
        return con.execute(f"SELECT rowid, id, {classes} FROM k WHERE {where} ORDER BY id").fetchall()


def test_whatever_was_written_comes_back_and_what_nobody_touched_stays_to_the_bit(
    tmp_path: Path, database: str, run: Run
) -> None:
    path, back = tmp_path / "a.db", tmp_path / "back.db"
    seen = {"inserted": 0, "updated": 0, "deleted": 0, "unchanged": 0}

    @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        st.lists(BASE, min_size=2, max_size=5),
        st.lists(st.tuples(st.sampled_from(TABLES), WRITES), min_size=2, max_size=6),
    )
    def holds(base: list[tuple[Any, ...]], writes: list[tuple[str, Write]]) -> None:
        for each in (path, back):
            each.unlink(missing_ok=True)
        with closing(sqlite3.connect(path)) as con:
            of = ", ".join(f"{name} {declared}" for name, declared, *_ in COLUMNS)
            con.executescript(f"CREATE TABLE k (id INTEGER PRIMARY KEY, {of}); CREATE TABLE m (id INTEGER, {of})")
            for t in TABLES:
                marks = ", ".join("?" * len(NAMES))
                con.executemany(f"INSERT INTO {t} VALUES (?, {marks})", [(n, *r) for n, r in enumerate(base, 1)])
            con.commit()
        of = ", ".join(f"{name} {there}" for name, _, there, *_ in COLUMNS)
        run(
            database,
            "DROP TABLE IF EXISTS k, m",
            f"CREATE TABLE k (id int PRIMARY KEY, {of})",
            f"CREATE TABLE m (id int, {of})",
        )
        copy(path, database)
        before = everything(database)
        conn = psycopg2.connect(database)
        with closing(conn), conn.cursor() as cur:
            if len(writes) % 2:  # the last row of the least base: hardly any list deletes one by itself
                write(cur, "k", 0, ("delete", 2, ()))
            for n, (table, what) in enumerate(writes):
                write(cur, table, n, what)
            conn.commit()
        after = everything(database)
        found = salvage(path, database, back)
        assert found.conflicts == ()
        assert found.equal
        was, now = ({row[0]: row for row in side["k"]} for side in (before, after))
        same = [n for n in was if was[n] == now.get(n)]
        of_k = found.tables[0]
        counted = (of_k.inserted, of_k.updated, of_k.deleted, of_k.unchanged)
        assert counted == (
            len(now.keys() - was.keys()),
            len(was.keys() & now.keys()) - len(same),
            len(was.keys() - now.keys()),
            len(same),
        )
        untouched = f"id IN ({', '.join(map(str, same)) or 'NULL'})"
        assert stored(back, untouched) == stored(path, untouched)
        for name, count in zip(seen, counted, strict=True):
            seen[name] += count

    holds()
    assert min(seen.values()) > 0, seen
