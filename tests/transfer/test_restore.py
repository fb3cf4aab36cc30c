from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bench import sample
from transfer.backup import Backup, backup
from transfer.errors import CouldNotLook
from transfer.restore import export_dump, export_schema, restore_test

HARD = """
CREATE TABLE plain (id INTEGER PRIMARY KEY, a, b REAL, c BLOB);
CREATE TABLE "odd ""na me" (k TEXT PRIMARY KEY, twice INTEGER AS (length(k) * 2), v) WITHOUT ROWID;
CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT, s TEXT);
INSERT INTO counted VALUES (90, 'gone'); DELETE FROM counted;
CREATE VIEW seen AS SELECT a FROM plain; CREATE INDEX half ON plain (lower(a)) WHERE b > 0;
CREATE TRIGGER loud AFTER INSERT ON counted BEGIN UPDATE counted SET s = s || '!;' WHERE id = new.id; END;
INSERT INTO "odd ""na me" VALUES ('a;\nb;', 1), ('', NULL);
CREATE VIRTUAL TABLE words USING fts5 (title);
INSERT INTO words VALUES ('hello world');
"""
VALUES = [
    "a\0b",
    "it's; --\n;",
    "",
    None,
    2**63 - 1,
    -(2**63),
    0.1 + 0.2,
    1e15,
    float("inf"),
    -1e308,
    5e-324,
    "🚀\r\n",
]


@pytest.fixture
def hard(tmp_path: Path) -> Path:
    path = tmp_path / "hard.db"
    with closing(sqlite3.connect(path)) as con:
        con.executescript(HARD)
        con.executemany("INSERT INTO plain (a, b, c) VALUES (?, ?, ?)", [(v, v, b"\0'\xff") for v in VALUES])
        con.execute("INSERT INTO plain (a) VALUES (CAST(X'61FF62' AS TEXT))")
        con.commit()
    return path


@pytest.fixture
def made(tmp_path: Path) -> Backup:
    path = tmp_path / "app.db"
    sample.write(path, 950)
    return backup(path, tmp_path / "backups")


def test_both_forms_come_back_equal(made: Backup, tmp_path: Path) -> None:
    seen = restore_test(made.path, tmp_path / "restored")
    assert seen.equal, seen.forms
    assert [f.form for f in seen.forms] == ["backup", "dump"]
    assert (seen.tables, seen.rows) == (5, 951)


def test_the_hardest_contents_come_back_equal(hard: Path, tmp_path: Path) -> None:
    seen = restore_test(backup(hard, tmp_path / "backups").path, tmp_path / "restored")
    assert seen.equal, seen.forms
    with closing(sqlite3.connect(tmp_path / "restored" / "restored-dump.db")) as con:
        assert con.execute("SELECT a FROM plain WHERE id <= 12 ORDER BY id").fetchall() == [(v,) for v in VALUES]
        assert con.execute("SELECT title FROM words WHERE words MATCH 'world'").fetchall() == [("hello world",)]
        con.execute("INSERT INTO counted (s) VALUES ('next')")
        assert con.execute("SELECT id, s FROM counted").fetchall() == [(91, "next!;")]


@pytest.mark.parametrize("field", ["rows", "sha256"])
def test_a_manifest_that_says_otherwise_fails_the_test(made: Backup, tmp_path: Path, field: str) -> None:
    of = json.loads(made.manifest_path.read_text())
    of["tables"][1][field] = 1 if field == "rows" else "0" * 64
    made.manifest_path.write_text(json.dumps(of))
    seen = restore_test(made.path, tmp_path / "restored")
    assert not seen.equal
    assert [f.equal for f in seen.forms] == [False, False]
    assert of["tables"][1]["table"] in seen.forms[0].problems[0]


def test_a_restore_overwrites_nothing(made: Backup, tmp_path: Path) -> None:
    restore_test(made.path, tmp_path / "restored", dump=False)
    with pytest.raises(CouldNotLook):
        restore_test(made.path, tmp_path / "restored", dump=False)


def test_exports_are_files_that_reload(hard: Path, tmp_path: Path) -> None:
    data = export_dump(hard, tmp_path / "out" / "data.sql")
    schema = export_schema(hard, tmp_path / "out" / "schema.sql")
    assert (data.rows > 13, schema.rows) == (True, 0)
    assert 'INSERT INTO "plain"' in data.path.read_text()
    assert 'INSERT INTO "plain"' not in schema.path.read_text()
    assert data.path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(CouldNotLook):
        export_schema(hard, schema.path)
