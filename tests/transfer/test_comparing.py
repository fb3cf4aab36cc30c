from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bench import sample
from transfer import differing, digests
from transfer.comparing import compare
from transfer.copying import copy
from transfer.digests import Part
from transfer.errors import CouldNotLook, Refused
from transfer.rules import Rules

Run = Callable[..., list[tuple[object, ...]]]

MUTATIONS = {
    "last bit of a float": (
        "UPDATE articles SET rating = rating * (1 + 2.3e-16)"
        " WHERE id = (SELECT min(id) FROM articles WHERE rating > 2)",
        "rating",
    ),
    "trailing blank": ("UPDATE authors SET name = name || ' ' WHERE id = 5", "name"),
    "NULL to empty": (
        "UPDATE ballots SET note = '' WHERE id = (SELECT min(id) FROM ballots WHERE note IS NULL)",
        "note",
    ),
    "boolean flipped": ("UPDATE ballots SET fraud = NOT fraud WHERE id = 99", "fraud"),
    "one microsecond": (
        "UPDATE logins SET created_at = created_at + '1 microsecond' WHERE id = (SELECT min(id) FROM logins)",
        "created_at",
    ),
    "one cent": ("UPDATE authors SET balance = balance + 0.01 WHERE id = 7", "balance"),
    "one byte of a blob": (
        "UPDATE authors SET avatar = set_byte(avatar, 0, (get_byte(avatar, 0) + 1) % 256)"
        " WHERE id = (SELECT min(id) FROM authors WHERE length(avatar) > 3)",
        "avatar",
    ),
    "two values swapped": (
        "UPDATE articles p SET body ="
        " (SELECT body FROM articles o WHERE o.id = CASE p.id WHEN 10 THEN 11 ELSE 10 END)"
        " WHERE id IN (10, 11)",
        "body",
    ),
    "a row replaced by a duplicate": (
        "UPDATE ballots v SET author_id = o.author_id, article_id = o.article_id, value = o.value,"
        " created_at = o.created_at, note = o.note FROM ballots o WHERE v.id = 3 AND o.id = 4",
        "created_at",
    ),
    "CRLF to LF": ("UPDATE articles SET body = replace(body, E'\\r\\n', E'\\n') WHERE id = 7", "body"),
    "NFC to NFD": ("UPDATE articles SET body = normalize(body, NFD) WHERE id = 7", "body"),
    "JSON worded anew": ("UPDATE authors SET settings = settings::jsonb::json WHERE id = 9", "settings"),
    "a row deleted": ("DELETE FROM ballots WHERE id = 500", None),
}


@pytest.fixture(scope="module")
def moved(postgres_url: str, tmp_path_factory: pytest.TempPathFactory, run: Run) -> tuple[Path, str]:
    """One copy for the whole module; each mutation is applied to a clone of it."""
    path = tmp_path_factory.mktemp("moved") / "app.db"
    sample.write(path, 950)
    run(postgres_url, "CREATE DATABASE moved")
    url = postgres_url.removesuffix("postgres") + "moved"
    run(url, sample.POSTGRES)
    copy(path, url)
    return path, url


@pytest.fixture
def clone(moved: tuple[Path, str], postgres_url: str, run: Run) -> tuple[Path, str]:
    run(postgres_url, "DROP DATABASE IF EXISTS clone WITH (FORCE)", "CREATE DATABASE clone TEMPLATE moved")
    return moved[0], postgres_url.removesuffix("postgres") + "clone"


def test_a_copy_compares_equal(moved: tuple[Path, str]) -> None:
    seen = compare(*moved)
    assert seen.equal
    assert {t.table: t.rows_postgres for t in seen.tables} == {
        "authors": 50,
        "logins": 150,
        "articles": 250,
        "ballots": 500,
    }
    assert len(seen.sequences) == 3
    assert len(seen.foreign_keys) == 5


@pytest.mark.parametrize("what", MUTATIONS)
def test_one_small_change_is_noticed_and_named(clone: tuple[Path, str], run: Run, what: str) -> None:
    change, column = MUTATIONS[what]
    run(clone[1], change)
    seen = compare(*clone)
    assert not seen.equal
    assert column in {d.column for d in seen.differences}
    assert all(d.kind in ("value", "missing") and d.key.startswith("id=") for d in seen.differences)
    assert len(seen.differences) <= 6
    assert [t.table for t in seen.tables if not t.equal] == [seen.differences[0].table]


@pytest.mark.parametrize(
    "change",
    [
        "INSERT INTO authors SELECT 5000, 'new', name, active, joined_at, born, 0 FROM authors LIMIT 1",
        "ALTER SEQUENCE ballots_id_seq RESTART WITH 500",
        "SELECT setval('authors_id_seq', 49)",
        "CREATE TABLE more (id int)",
        "ALTER TABLE authors ADD COLUMN more int",
        "DROP TABLE ballots",
        "ALTER TABLE ballots DROP CONSTRAINT ballots_author_id_fkey;"
        "UPDATE ballots SET author_id = 4711 WHERE id = 3;"
        "ALTER TABLE ballots ADD CONSTRAINT again FOREIGN KEY (author_id) REFERENCES authors (id) NOT VALID",
    ],
)
def test_nothing_else_that_differs_is_called_equal(clone: tuple[Path, str], run: Run, change: str) -> None:
    run(clone[1], change)
    assert not compare(*clone).equal


def test_an_orphan_behind_a_foreign_key_never_validated_is_counted(clone: tuple[Path, str], run: Run) -> None:
    run(
        clone[1],
        "ALTER TABLE logins DROP CONSTRAINT logins_author_id_fkey",
        "UPDATE logins SET author_id = 4711 WHERE revoked",
        "ALTER TABLE logins ADD CONSTRAINT again FOREIGN KEY (author_id) REFERENCES authors (id) NOT VALID",
    )
    [state] = [f for f in compare(*clone).foreign_keys if f.name == "again"]
    assert not state.ok
    assert [(state.orphans,)] == run(clone[1], "SELECT count(*) FROM logins WHERE author_id = 4711")


def test_two_empty_databases_are_not_equal(tmp_path: Path, database: str) -> None:
    with closing(sqlite3.connect(tmp_path / "none.db")) as con:
        con.executescript("CREATE TABLE alembic_version (version_num TEXT)")
    seen = compare(tmp_path / "none.db", database)
    assert not seen.equal
    assert seen.tables == ()


def test_a_table_without_a_key_is_compared_row_by_row_whatever_its_order(
    tmp_path: Path, database: str, run: Run
) -> None:
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as con:
        con.executescript("CREATE TABLE t (a INTEGER, b TEXT); INSERT INTO t VALUES (2,'x'), (10,'x'), (NULL,'é')")
    run(database, "CREATE TABLE t (a int, b text)", "INSERT INTO t VALUES (NULL,'é'), (10,'x'), (2,'x')")
    assert compare(path, database).equal
    run(database, "UPDATE t SET b = 'y' WHERE a = 10")
    seen = compare(path, database)
    assert [d.kind for d in seen.differences] == ["missing", "extra"]


def test_a_file_in_use_is_refused(tmp_path: Path, database: str) -> None:
    path = tmp_path / "app.db"
    sample.write(path, 400)
    with closing(sqlite3.connect(path)) as con:
        con.execute("PRAGMA journal_mode = WAL")
        con.execute("DELETE FROM ballots")
        con.commit()
        with pytest.raises(Refused, match="in use"):
            compare(path, database)


def test_an_unreachable_server_is_could_not_look_without_the_password(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    sample.write(path, 400)
    with pytest.raises(CouldNotLook) as e:
        compare(path, "postgres://someone:hunter2%21@127.0.0.1:1/app")
    assert "127.0.0.1:1/app as someone" in str(e.value)
    assert "hunter2" not in str(e.value)
    with pytest.raises(Refused) as r:
        compare(path, "postgresql://someone:hunter2@[::1/app?nonsense=hunter2")
    assert "hunter2" not in str(r.value)


def test_a_reader_of_one_table_alone_is_told_so(clone: tuple[Path, str], run: Run) -> None:
    run(clone[1], "DROP ROLE IF EXISTS half", "CREATE ROLE half LOGIN PASSWORD 'half-way'")
    as_half = re.sub(r"//postgres:[^@]+@", "//half:half-way@", clone[1])
    with pytest.raises(Refused, match="may not"):
        compare(clone[0], as_half)


def test_a_difference_among_many_rows_is_narrowed_down_by_halves(
    tmp_path: Path, database: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digests, "PART_ROWS", 2_000)
    monkeypatch.setattr(differing, "_FEW", 20)
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as con:
        con.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
        con.executemany("INSERT INTO t VALUES (?, ?)", [(i * i - 40_000, f"v{i}") for i in range(10_000)])
        con.commit()
    run(
        database,
        "CREATE TABLE t (id bigint PRIMARY KEY, v text)",
        "INSERT INTO t SELECT i * i - 40000, 'v' || i FROM generate_series(0, 9999) AS i",
    )
    assert compare(path, database).equal
    run(
        database,
        "UPDATE t SET v = 'other' WHERE v = 'v7'",
        "DELETE FROM t WHERE v = 'v5000'",
        "INSERT INTO t VALUES (9223372036854775807, 'beyond'), (-99999, 'before')",
    )
    walked: list[Part] = []
    walk = differing._walk

    def watched(con: Any, conn: Any, pair: Any, part: Part) -> Any:
        walked.append(part)
        return walk(con, conn, pair, part)

    monkeypatch.setattr(differing, "_walk", watched)
    found = compare(path, database).differences
    assert [(d.kind, d.key, d.postgres and d.postgres[-8:]) for d in found] == [
        ("extra", "id=-99999", ", before"),
        ("value", "id=-39951", "other"),
        ("missing", "id=24960000", None),
        ("extra", "id=9223372036854775807", ", beyond"),
    ]
    assert len(walked) == 3  # the first two are near each other
    assert compare(path, database, limit=2).differences == found[:2]
    assert compare(path, database, limit=0).differences == ()
    assert not compare(path, database, limit=0).equal


def test_values_of_private_columns_are_not_shown(clone: tuple[Path, str], run: Run) -> None:
    run(
        clone[1], "UPDATE authors SET name = 'canary', bio = 'shown' WHERE id = 5", "DELETE FROM ballots WHERE id = 7"
    )
    seen = compare(*clone, rules=Rules(private=frozenset({"authors.name", "ballots.id", "ballots.article_id"})))
    told = {d.column: (d.sqlite, d.postgres) for d in seen.differences}
    assert told["name"][1] == "(private, 6 characters)"
    assert told["bio"][1] == "shown"
    [missing] = [d for d in seen.differences if d.kind == "missing"]
    assert missing.key == "id=(private, 1 characters)"
    assert missing.sqlite is not None
    assert missing.sqlite.startswith("(private, 1 characters), ")
    assert "canary" not in repr(seen)


def test_rows_of_a_text_key_are_proven_in_any_order_and_counted_twice_when_they_are_there_twice(
    tmp_path: Path, database: str, run: Run
) -> None:
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as con:
        con.executescript(
            "CREATE TABLE k (id TEXT PRIMARY KEY, v TEXT); INSERT INTO k VALUES ('b', '1'), ('Ä', '2'), ('a', '3');"
            "CREATE TABLE n (v TEXT); INSERT INTO n VALUES ('x'), ('x'), ('y')"
        )
    run(
        database,
        "CREATE TABLE k (id text PRIMARY KEY, v text)",
        "INSERT INTO k VALUES ('Ä', '2'), ('a', '3'), ('b', '1')",
        "CREATE TABLE n (v text)",
        "INSERT INTO n VALUES ('y'), ('x'), ('x')",
    )
    assert compare(path, database).equal
    run(database, "UPDATE n SET v = 'y' WHERE ctid = (SELECT min(ctid) FROM n WHERE v = 'x')")
    run(database, "UPDATE k SET v = CASE v WHEN '1' THEN '2' ELSE '1' END WHERE v < '3'")
    seen = compare(path, database)
    assert [t.equal for t in seen.tables] == [False, False]
    assert [(d.table, d.kind, d.key) for d in seen.differences] == [
        ("k", "value", "id=b"),
        ("k", "value", "id=Ä"),
        ("n", "missing", "v=x"),
        ("n", "extra", "v=y"),
    ]
