"""What must not be lost, and must not be passed over in silence, when rows go back to SQLite."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from transfer.copying import copy
from transfer.errors import Cancelled, CouldNotLook, Refused
from transfer.progress import Progress
from transfer.rules import Rules
from transfer.salvage import Salvage, salvage

Run = Callable[..., list[tuple[Any, ...]]]
Carry = Callable[..., Salvage]


def lite(path: Path, script: str) -> Path:
    with closing(sqlite3.connect(path)) as con:
        con.executescript(script)
    return path


def rows(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as con:
        return con.execute(sql).fetchall()


@pytest.fixture
def back(tmp_path: Path) -> Path:
    return tmp_path / "back.db"


@pytest.fixture
def carry(tmp_path: Path, database: str, run: Run, back: Path) -> Carry:
    """carry(SQLite's schema and rows, PostgreSQL's schema, what is written after the copy)."""

    def carried(sqlite: str, postgres: Sequence[str], then: Sequence[str], **more: Any) -> Salvage:
        path = lite(tmp_path / "a.db", sqlite)
        run(database, *postgres)
        copy(path, database)
        run(database, *then)
        return salvage(path, database, back, **more)

    return carried


PLAIN = "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t VALUES (1, 'a'), (2, 'b');"
PLAIN_THERE = ["CREATE TABLE t (id int PRIMARY KEY, v text)"]


def told(found: Salvage) -> list[tuple[str, str, str | None]]:
    return [(c.table, c.key, c.column) for c in found.conflicts]


@pytest.mark.parametrize(
    ("then", "conflict"),
    [
        (["CREATE TABLE added (id int)", "INSERT INTO added VALUES (1)"], ("added", "", None)),
        (["ALTER TABLE t ADD COLUMN phone text", "UPDATE t SET phone = '1'"], ("t", "", "phone")),
        (["ALTER TABLE t DROP COLUMN v"], ("t", "", "v")),
    ],
)
def test_a_migration_since_the_cutover_is_never_equal(carry: Carry, then: list[str], conflict: Any) -> None:
    found = carry(PLAIN, PLAIN_THERE, [*then, "INSERT INTO t (id) VALUES (3)"])
    assert not found.equal
    assert told(found) == [conflict]
    assert [(f.table, f.column, f.blocks) for f in found.findings] == [(conflict[0], conflict[2], True)]
    assert found.tables[0].inserted == 1


def test_a_row_whose_change_is_refused_is_as_it_was_even_if_another_took_its_unique_value(
    carry: Carry, back: Path
) -> None:
    found = carry(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, u TEXT COLLATE NOCASE UNIQUE, c INTEGER CHECK (c > 0));"
        "INSERT INTO t VALUES (1, 'a', 1), (2, 'b', 1), (3, 'c', 1), (9, 'other', 1);",
        ["CREATE TABLE t (id int PRIMARY KEY, u text UNIQUE DEFERRABLE, c int)"],
        [
            "UPDATE t SET u = 'z', c = -1 WHERE id = 3",
            "UPDATE t SET u = 'C' WHERE id = 2",
            "UPDATE t SET u = 'B' WHERE id = 1",
            "INSERT INTO t VALUES (4, 'A', 1), (5, 'new', 1)",
        ],
    )
    assert rows(back, "SELECT id, u FROM t ORDER BY id") == [(1, "a"), (2, "b"), (3, "c"), (5, "new"), (9, "other")]
    assert {key for _, key, _ in told(found)} == {"id=1", "id=2", "id=3", "id=4"}
    assert "CHECK" in found.conflicts[0].text
    assert "taken by id=3" in found.conflicts[1].text
    assert [(t.inserted, t.updated, t.unchanged) for t in found.tables] == [(1, 0, 1)]


def test_two_thousand_rows_that_moved_up_by_one_and_cannot_stay_there_all_come_back(
    carry: Carry, tmp_path: Path, back: Path
) -> None:
    found = carry(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, place INTEGER UNIQUE CHECK (place <= 2000));"
        "WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n WHERE i < 2000)"
        " INSERT INTO t SELECT i, i FROM n;",
        ["CREATE TABLE t (id int PRIMARY KEY, place int)"],
        ["UPDATE t SET place = place + 1"],
    )
    assert len(found.conflicts) == 2_000
    assert rows(back, "SELECT * FROM t") == rows(tmp_path / "a.db", "SELECT * FROM t")


def test_new_rows_without_a_rowid_of_their_own_push_out_none_that_comes_back(carry: Carry, back: Path) -> None:
    found = carry(
        "CREATE TABLE t (k TEXT PRIMARY KEY, c INTEGER CHECK (c > 0)); INSERT INTO t VALUES ('a', 1), ('z', 1);",
        ["CREATE TABLE t (k text PRIMARY KEY, c int)"],
        ["UPDATE t SET c = -1 WHERE k = 'z'", "INSERT INTO t VALUES ('m', 1)"],
    )
    assert told(found) == [("t", "k=z", None)]
    assert rows(back, "SELECT rowid, k, c FROM t ORDER BY 1") == [(1, "a", 1), (2, "z", 1), (3, "m", 1)]


def test_ids_change_places_where_postgresql_has_another_key(carry: Carry, back: Path) -> None:
    found = carry(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, k TEXT UNIQUE); INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c');",
        ["CREATE TABLE t (id int, k text PRIMARY KEY)"],
        ["UPDATE t SET id = 3 - id WHERE id < 3", "UPDATE t SET id = 77 WHERE id = 3"],
    )
    assert found.equal
    assert rows(back, "SELECT id, k FROM t ORDER BY k") == [(2, "a"), (1, "b"), (77, "c")]


FAMILY = (
    "CREATE TABLE p (id INTEGER PRIMARY KEY, e TEXT COLLATE NOCASE UNIQUE); INSERT INTO p VALUES (1, 'a'), (2, 'b');"
    "CREATE TABLE c (k TEXT PRIMARY KEY, pid INTEGER REFERENCES p, n INTEGER CHECK (n > 0)) WITHOUT ROWID;"
    "INSERT INTO c VALUES ('one', 1, 1), ('lost before', 77, 1);"
    "CREATE TABLE d (id INTEGER PRIMARY KEY, ck TEXT REFERENCES c (k) DEFERRABLE INITIALLY DEFERRED);"
)
FAMILY_THERE = [
    "CREATE TABLE p (id int PRIMARY KEY, e text)",
    "CREATE TABLE c (k text PRIMARY KEY, pid int, n int)",
    "CREATE TABLE d (id int PRIMARY KEY, ck text)",
]


def test_children_of_a_parent_that_is_refused_do_not_go_in_either(carry: Carry, back: Path) -> None:
    found = carry(
        FAMILY,
        FAMILY_THERE,
        [
            "INSERT INTO p VALUES (3, 'A')",
            "INSERT INTO c VALUES ('two', 3, 1), ('three', 2, 1)",
            "INSERT INTO d VALUES (1, 'two'), (2, 'three')",
        ],
    )
    assert sorted(told(found)) == [("c", "k=two", "pid"), ("d", "id=1", "ck"), ("p", "id=3", None)]
    assert rows(back, "SELECT k FROM c ORDER BY k") == [("lost before",), ("one",), ("three",)]
    assert rows(back, "SELECT * FROM d") == [(2, "three")]
    assert not found.equal


def test_a_parent_that_is_gone_comes_back_for_a_child_that_stays(carry: Carry, back: Path) -> None:
    found = carry(
        FAMILY, FAMILY_THERE, ["UPDATE c SET pid = 2, n = -1 WHERE k = 'one'", "DELETE FROM p WHERE id = 1"]
    )
    assert told(found) == [("c", "k=one", None), ("p", "id=1", None)]
    assert "refers to it" in found.conflicts[1].text
    assert rows(back, "SELECT * FROM p ORDER BY id") == [(1, "a"), (2, "b")]
    assert {t.table: t.deleted for t in found.tables} == {"c": 0, "d": 0, "p": 0}


def test_a_reference_that_was_broken_before_hides_none_that_is_broken_now(carry: Carry, back: Path) -> None:
    found = carry(FAMILY, FAMILY_THERE, ["INSERT INTO c VALUES ('new', 77, 1)", "UPDATE c SET n = 5 WHERE pid = 77"])
    assert told(found) == [("c", "k=new", "pid")]
    assert rows(back, "SELECT k, n FROM c ORDER BY k") == [("lost before", 5), ("one", 1)]


def test_a_foreign_key_to_what_is_no_key_does_not_keep_the_others_from_being_looked_at(
    carry: Carry, back: Path
) -> None:
    found = carry(
        "CREATE TABLE p (id INTEGER PRIMARY KEY, n TEXT); INSERT INTO p VALUES (1, 'x');"
        "CREATE TABLE odd (id INTEGER PRIMARY KEY, n TEXT REFERENCES p (n), m TEXT REFERENCES nowhere (m));"
        "CREATE TABLE c (id INTEGER PRIMARY KEY, pid INTEGER REFERENCES p (id));",
        [
            "CREATE TABLE p (id int PRIMARY KEY, n text)",
            "CREATE TABLE odd (id int PRIMARY KEY, n text, m text)",
            "CREATE TABLE c (id int PRIMARY KEY, pid int)",
        ],
        ["INSERT INTO c VALUES (1, 1), (2, 99)", "INSERT INTO odd VALUES (1, 'x', 'y'), (2, 'none', NULL)"],
    )
    assert told(found) == [("c", "id=2", "pid"), ("odd", "id=2", "n")]
    assert [(f.table, f.column, "nowhere" in f.text) for f in found.findings] == [("odd", "m", True)]
    assert rows(back, "SELECT id FROM c UNION ALL SELECT id FROM odd") == [(1,), (1,)]


def test_rows_that_refer_to_each_other_come_in_any_order(carry: Carry) -> None:
    found = carry(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, p INTEGER REFERENCES t (id)); INSERT INTO t VALUES (1, 2), (2, 1);",
        ["CREATE TABLE t (id int PRIMARY KEY, p int)"],
        ["INSERT INTO t VALUES (3, 4), (4, 3)", "UPDATE t SET p = 4 WHERE id = 1"],
    )
    assert found.equal


@pytest.mark.parametrize(
    ("declared", "there", "value", "said"),
    [
        ("DATE", "date", "infinity", "infinity"),
        ("DATE", "date", "0044-03-15 BC", "BC"),
        ("DATETIME", "timestamp", "12024-01-01", "12024-01-01"),
        ("TIME", "time", "24:00:00", "24:00"),
        ("STRING", "text", "007", "007, which would be"),
        ("UUID", "uuid", "00000000-0000-0000-0000-000000000001", "0001, which would be"),
        ("JSON", "json", "1.50", "1.50, which would be 1.5"),
        ("REAL", "numeric", "9007199254740993", "would be 9007199254740992"),
        ("NUMERIC", "numeric", "99999999999999999999", "more digits than a double"),
        ("FLOAT", "float", "NaN", "NaN"),
    ],
)
def test_a_value_that_sqlite_would_store_as_another_is_a_conflict_that_names_it(
    carry: Carry, back: Path, declared: str, there: str, value: str, said: str
) -> None:
    found = carry(
        f"CREATE TABLE t (id INTEGER PRIMARY KEY, v {declared}); INSERT INTO t VALUES (1, NULL)",
        [f"CREATE TABLE t (id int PRIMARY KEY, v {there})"],
        [f"UPDATE t SET v = '{value}'", f"INSERT INTO t VALUES (2, '{value}'), (3, NULL)"],
    )
    assert told(found) == [("t", "id=1", "v"), ("t", "id=2", "v")]
    assert said in found.conflicts[0].text
    assert rows(back, "SELECT * FROM t") == [(1, None), (3, None)]


def test_a_private_value_is_never_shown(carry: Carry) -> None:
    found = carry(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v STRING); INSERT INTO t VALUES (1, NULL)",
        ["CREATE TABLE t (id int PRIMARY KEY, v text)"],
        ["UPDATE t SET v = '000731300007313'"],
        rules=Rules(private=frozenset({"t.v"})),
    )
    assert told(found) == [("t", "id=1", "v")]
    assert "7313" not in str((found.conflicts, found.comparison and found.comparison.differences))


def test_a_conflict_clause_of_the_table_neither_drops_nor_replaces_a_row(carry: Carry, back: Path) -> None:
    found = carry(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT COLLATE NOCASE UNIQUE ON CONFLICT REPLACE,"
        " w TEXT COLLATE NOCASE UNIQUE ON CONFLICT IGNORE, n TEXT NOT NULL ON CONFLICT REPLACE DEFAULT 'made up');"
        "INSERT INTO t VALUES (1, 'a', 'q', 'n');",
        ["CREATE TABLE t (id int PRIMARY KEY, v text, w text, n text)"],
        ["INSERT INTO t VALUES (2, 'A', NULL, 'n'), (3, NULL, 'Q', 'n'), (4, NULL, NULL, NULL)"],
    )
    assert rows(back, "SELECT id FROM t") == [(1,)]
    assert told(found) == [("t", "id=2", None), ("t", "id=3", None), ("t", "id=4", None)]


def test_what_only_one_side_computes_is_written_or_is_a_conflict(carry: Carry, back: Path) -> None:
    found = carry(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, d INTEGER); INSERT INTO t VALUES (1, 1, 2);"
        "CREATE TABLE u (id INTEGER PRIMARY KEY, a INTEGER, d INTEGER AS (a * 2)); INSERT INTO u (id, a) VALUES (1, 1)",
        [
            "CREATE TABLE t (id int PRIMARY KEY, a int, d int GENERATED ALWAYS AS (a * 2) STORED)",
            "CREATE TABLE u (id int PRIMARY KEY, a int, d int)",
        ],
        ["UPDATE t SET a = 5", "UPDATE u SET a = 5"],
    )
    assert rows(back, "SELECT * FROM t UNION ALL SELECT * FROM u") == [(1, 5, 10), (1, 1, 2)]
    assert told(found) == [("u", "id=1", "d")]


def test_ids_of_rows_that_are_gone_are_not_given_again(carry: Carry, back: Path) -> None:
    found = carry(
        "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, v TEXT);"
        "CREATE TABLE plain (id INTEGER PRIMARY KEY, v TEXT /* not AUTOINCREMENT */)",
        ["CREATE TABLE t (id serial PRIMARY KEY, v text)", "CREATE TABLE plain (id serial PRIMARY KEY, v text)"],
        [
            "INSERT INTO t (v) VALUES ('x'), ('y')",
            "DELETE FROM t",
            "INSERT INTO plain (v) VALUES ('x')",
            "DELETE FROM plain",
        ],
    )
    assert found.equal
    assert rows(back, "SELECT name, seq FROM sqlite_sequence") == [("t", 2)]


def test_wal_files_and_utf16_files_are_carried_as_they_are(carry: Carry, tmp_path: Path, back: Path) -> None:
    found = carry(
        f"PRAGMA encoding = 'UTF-16'; PRAGMA journal_mode = WAL; {PLAIN}",
        PLAIN_THERE,
        ["UPDATE t SET v = 'é🚀' WHERE id = 1"],
    )
    assert found.equal
    assert rows(back, "SELECT v FROM t WHERE id = 1") == [("é🚀",)]
    with closing(sqlite3.connect(back)) as con:
        assert con.execute("PRAGMA encoding").fetchone() == ("UTF-16le",)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.db", "back.db"]


@pytest.mark.parametrize("stage", ["search", "salvage", "prove"])
def test_a_wish_to_stop_leaves_nothing_at_any_stage(carry: Carry, tmp_path: Path, stage: str) -> None:
    seen: list[str] = []

    def look(at: Progress) -> None:
        seen.append("done" if "salvage" in seen and at.stage == "prove" else at.stage)

    wanted = {"search": "search", "salvage": "salvage", "prove": "done"}[stage]
    with pytest.raises(Cancelled):
        carry(PLAIN, PLAIN_THERE, ["UPDATE t SET v = 'x'"], progress=look, cancelled=lambda: wanted in seen)
    assert wanted in seen
    assert [p.name for p in tmp_path.iterdir()] == ["a.db"]


KILLED = """
import os, signal, sys
from pathlib import Path
from transfer.salvage import salvage
def die(at):
    if at.stage == "salvage":
        os.kill(os.getpid(), signal.SIGKILL)
salvage(Path(sys.argv[1]), os.environ["URL"], Path(sys.argv[2]), progress=die)
"""


def test_a_salvage_that_was_killed_leaves_no_finished_file_and_the_next_one_says_what_to_remove(
    tmp_path: Path, database: str, run: Run, back: Path
) -> None:
    path = lite(tmp_path / "a.db", PLAIN)
    run(database, *PLAIN_THERE)
    copy(path, database)
    run(database, "UPDATE t SET v = 'x'")
    argv = [sys.executable, "-c", KILLED, str(path), str(back)]
    died = subprocess.run(argv, env=os.environ | {"URL": database}, check=False, capture_output=True)
    assert died.returncode == -signal.SIGKILL, died.stderr
    left = [p for p in tmp_path.iterdir() if p != path]
    assert sorted(p.name for p in left) == ["back.db.partial", "back.db.partial-journal"]
    for each in sorted(left):  # the journal alone would be played into the next file
        with pytest.raises(Refused, match=each.name):
            salvage(path, database, back)
        each.unlink()
    assert salvage(path, database, back).equal


def test_what_the_application_alone_can_compute_is_said_and_leaves_no_file(
    tmp_path: Path, database: str, run: Run, back: Path
) -> None:
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as con:
        con.create_function("slugify", 1, str, deterministic=True)
        con.executescript("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT CHECK (slugify(v) = v))")
    run(database, *PLAIN_THERE)
    copy(path, database)
    run(database, "INSERT INTO t VALUES (2, 'b')")
    with pytest.raises(CouldNotLook, match=r"back\.db\.partial could not be made: .*slugify"):
        salvage(path, database, back)
    assert list(tmp_path.iterdir()) == [path]
