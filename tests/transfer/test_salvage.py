# ruff: noqa: DTZ001 - moments without a zone are what is stored
from __future__ import annotations

import hashlib
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy import orm

from bench import sample
from transfer.backup import backup
from transfer.copying import copy
from transfer.errors import Cancelled, CouldNotLook, Refused
from transfer.rules import Rules, read_rules
from transfer.salvage import salvage

Run = Callable[..., list[tuple[Any, ...]]]


def lite(path: Path, script: str) -> Path:
    with closing(sqlite3.connect(path)) as con:
        con.executescript(script)
    return path


def rows(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as con:
        con.text_factory = bytes
        return con.execute(sql).fetchall()


def dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as con:
        return sorted(con.iterdump())


@pytest.fixture
def moved(tmp_path: Path, database: str, run: Run) -> tuple[Path, str]:
    """The sample, copied; the application goes on in PostgreSQL."""
    sample.write(tmp_path / "app.db", 950)
    made = backup(tmp_path / "app.db", tmp_path / "backups").path
    run(database, sample.POSTGRES)
    copy(made, database)
    return made, database


def test_nothing_changed_gives_the_same_file_again(moved: tuple[Path, str], tmp_path: Path) -> None:
    path, url = moved
    back = salvage(path, url, tmp_path / "back.db")
    assert back.equal
    assert back.path == tmp_path / "back.db"
    assert {(t.inserted, t.updated, t.deleted) for t in back.tables} == {(0, 0, 0)}
    assert sum(t.unchanged for t in back.tables) == 950
    assert dump(back.path) == dump(path)
    assert stat.S_IMODE(back.path.stat().st_mode) == 0o600


def test_rows_written_since_the_cutover_are_in_the_file_and_the_others_untouched(
    moved: tuple[Path, str], tmp_path: Path, run: Run
) -> None:
    path, url = moved
    before = hashlib.sha256(path.read_bytes()).hexdigest()
    run(
        url,
        "INSERT INTO authors (email, name, active, joined_at, balance)"
        " VALUES ('new@example.org', 'Ünï', true, '2026-01-02 03:04:05', 1.10)",
        "UPDATE articles SET body = E'tab\\there', created_at = '2026-01-01 00:00:00.5' WHERE id = 7",
        "UPDATE articles SET slug = CASE id WHEN 10 THEN 'swap' ELSE slug END WHERE id = 10",
        "DELETE FROM ballots WHERE id IN (5, 6)",
    )
    back = salvage(path, url, tmp_path / "back.db")
    assert back.equal
    assert {t.table: (t.inserted, t.updated, t.deleted) for t in back.tables} == {
        "authors": (1, 0, 0),
        "articles": (0, 2, 0),
        "ballots": (0, 0, 2),
        "logins": (0, 0, 0),
    }
    assert back.path is not None
    assert rows(
        back.path, "SELECT name, active, joined_at, balance FROM authors WHERE email = 'new@example.org'"
    ) == [("Ünï".encode(), 1, b"2026-01-02 03:04:05.000000", 1.1)]
    assert rows(back.path, "SELECT body, created_at FROM articles WHERE id = 7") == [
        (b"tab\there", b"2026-01-01 00:00:00.500000")
    ]
    assert [(n,) for n in run(url, "SELECT max(id) FROM authors")[0]] == rows(
        back.path, "SELECT seq FROM sqlite_sequence WHERE name = 'authors'"
    )
    others = "SELECT * FROM articles WHERE id NOT IN (7, 10)"
    assert rows(back.path, others) == rows(path, others)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == before


def test_values_that_change_places_under_a_unique_key_are_no_conflict(
    tmp_path: Path, database: str, run: Run
) -> None:
    path = lite(
        tmp_path / "a.db",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, u TEXT UNIQUE, odd);"
        "INSERT INTO t VALUES (1, 'a', CAST(X'FF' AS TEXT)), (2, 'b', X'00'), (3, 'c', 1.0)",
    )
    run(database, "CREATE TABLE t (id int PRIMARY KEY, u text UNIQUE DEFERRABLE, odd text)")
    rules = read_rules({"t.odd": "null"})
    copy(path, database, rules=rules)
    run(database, "UPDATE t SET u = CASE u WHEN 'a' THEN 'b' WHEN 'b' THEN 'a' ELSE u END")
    back = salvage(path, database, tmp_path / "back.db", rules=rules)
    assert back.equal
    assert rows(tmp_path / "back.db", "SELECT id, u, odd, typeof(odd) FROM t ORDER BY id") == [
        (1, b"b", b"\xff", b"text"),
        (2, b"a", b"\x00", b"blob"),
        (3, b"c", 1.0, b"real"),
    ]


def test_rows_that_a_rule_left_out_stay_in_the_file(tmp_path: Path, database: str, run: Run) -> None:
    path = lite(
        tmp_path / "a.db",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n); INSERT INTO t VALUES (1, 1), (2, 'bad'), (3, 3)",
    )
    run(database, "CREATE TABLE t (id int PRIMARY KEY, n int)")
    rules = read_rules({"t.n": "skip-row"})
    copy(path, database, rules=rules, rejects=tmp_path / "rejects.jsonl")
    run(database, "DELETE FROM t WHERE id = 3")
    assert salvage(path, database, tmp_path / "back.db", rules=rules).equal
    assert rows(tmp_path / "back.db", "SELECT id, n FROM t ORDER BY id") == [(1, 1), (2, b"bad")]


def test_what_sqlite_does_not_take_is_listed_and_the_rest_is_carried(tmp_path: Path, database: str, run: Run) -> None:
    path = lite(
        tmp_path / "a.db",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, e TEXT COLLATE NOCASE UNIQUE, n NUMERIC, c INTEGER CHECK (c > 0));"
        "INSERT INTO t VALUES (1, 'a@x', 1, 1), (2, 'b@x', 2, 2), (3, 'c@x', 3, 3), (4, 'd@x', 4, 4);"
        "CREATE TABLE k (id INTEGER PRIMARY KEY, tid INTEGER REFERENCES t (id));",
    )
    run(
        database,
        "CREATE TABLE t (id int PRIMARY KEY, e text, n numeric, c int)",
        "CREATE TABLE k (id int PRIMARY KEY, tid int)",
    )
    copy(path, database)
    run(
        database,
        "INSERT INTO t VALUES (5, 'A@X', 5, 5)",
        "UPDATE t SET n = 0.12345678901234567890 WHERE id = 2",
        "UPDATE t SET c = -3 WHERE id = 3",
        "UPDATE t SET e = 'new' WHERE id = 4",
        "INSERT INTO k VALUES (1, 99)",
    )
    back = salvage(path, database, tmp_path / "back.db", rules=Rules(private=frozenset({"t.id"})))
    assert not back.equal
    assert [(c.table, c.key, c.column) for c in back.conflicts] == [
        ("k", "id=1", "tid"),
        ("t", "id=(private, 1 characters)", "n"),
        ("t", "id=(private, 1 characters)", None),
        ("t", "id=(private, 1 characters)", None),
    ]
    assert "parent in t" in back.conflicts[0].text
    assert "more digits than a double" in back.conflicts[1].text
    assert "CHECK" in back.conflicts[2].text
    assert "UNIQUE" in back.conflicts[3].text
    assert rows(tmp_path / "back.db", "SELECT id, e, n, c FROM t ORDER BY id") == [
        (1, b"a@x", 1, 1),
        (2, b"b@x", 2, 2),
        (3, b"c@x", 3, 3),
        (4, b"new", 4, 4),
    ]


def test_triggers_do_not_fire_and_come_back_word_for_word(tmp_path: Path, database: str, run: Run) -> None:
    path = lite(
        tmp_path / "a.db",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, s TEXT); INSERT INTO t VALUES (1, 'x');"
        "CREATE TRIGGER loud AFTER INSERT ON t BEGIN UPDATE t SET s = s || '!' WHERE id = new.id; END;"
        "CREATE VIRTUAL TABLE f USING fts5(s)",
    )
    run(database, "CREATE TABLE t (id int PRIMARY KEY, s text)")
    copy(path, database)
    run(database, "INSERT INTO t VALUES (2, 'y')")
    back = salvage(path, database, tmp_path / "back.db")
    assert back.equal
    assert any(f.table == "f" and "rebuild" in f.text for f in back.findings)
    assert rows(tmp_path / "back.db", "SELECT s FROM t ORDER BY id") == [(b"x",), (b"y",)]
    sql = "SELECT sql FROM sqlite_schema WHERE type = 'trigger'"
    assert rows(tmp_path / "back.db", sql) == rows(path, sql)


def test_tables_without_a_key_or_a_rowid_are_carried_too(tmp_path: Path, database: str, run: Run) -> None:
    path = lite(
        tmp_path / "a.db",
        "CREATE TABLE n (a INTEGER, b TEXT); INSERT INTO n VALUES (1, 'x'), (1, 'x'), (NULL, 'y');"
        "CREATE TABLE w (a TEXT, b INTEGER, v TEXT, PRIMARY KEY (a, b)) WITHOUT ROWID;"
        "INSERT INTO w VALUES ('p', 1, 'v'), ('é', 2, 'v');"
        "CREATE TABLE g (id INTEGER PRIMARY KEY, a INTEGER, d INTEGER AS (a * 2)); INSERT INTO g (id, a) VALUES (1, 1)",
    )
    run(
        database,
        "CREATE TABLE n (a int, b text)",
        "CREATE TABLE w (a text, b int, v text, PRIMARY KEY (a, b))",
        "CREATE TABLE g (id int PRIMARY KEY, a int, d int GENERATED ALWAYS AS (a * 2) STORED)",
    )
    copy(path, database)
    run(
        database,
        "DELETE FROM n WHERE ctid = (SELECT min(ctid) FROM n WHERE a = 1)",
        "INSERT INTO n VALUES (7, 'new')",
        "UPDATE w SET v = 'changed' WHERE a = 'é'",
        "UPDATE g SET a = 21",
    )
    assert salvage(path, database, tmp_path / "back.db").equal
    assert rows(tmp_path / "back.db", "SELECT a, b FROM n ORDER BY a") == [(None, b"y"), (1, b"x"), (7, b"new")]
    assert rows(tmp_path / "back.db", "SELECT v FROM w ORDER BY a") == [(b"v",), (b"changed",)]
    assert rows(tmp_path / "back.db", "SELECT d FROM g") == [(42,)]


class Base(orm.DeclarativeBase):
    pass


class Everything(Base):
    __tablename__ = "everything"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    flag: orm.Mapped[bool]
    number: orm.Mapped[float]
    money: orm.Mapped[Decimal] = orm.mapped_column(sa.Numeric(12, 2))
    text: orm.Mapped[str]
    at: orm.Mapped[datetime]
    day: orm.Mapped[date]
    clock: orm.Mapped[time]
    data: orm.Mapped[bytes] = orm.mapped_column(sa.LargeBinary)
    extra: orm.Mapped[dict[str, Any]] = orm.mapped_column(sa.JSON)
    token: orm.Mapped[UUID] = orm.mapped_column(sa.Uuid)


def something(n: int) -> Everything:
    return Everything(
        id=n,
        flag=bool(n % 2),
        number=0.1 * n,
        money=Decimal(n) / 4,
        text=f"naïve 🚀 {n}\n",
        at=datetime(2024, 2, 29, 12, 0, 0, 500_000 * (n % 2)),
        day=date(2024, 2, 29),
        clock=time(23, 59, n),
        data=bytes(range(n)),
        extra={"b": [1, 2.5, None], "a": "é"},
        token=UUID(int=n),
    )


def test_what_sqlalchemy_wrote_to_postgresql_it_reads_from_the_file(tmp_path: Path, database: str) -> None:
    path = tmp_path / "a.db"
    ours = sa.create_engine(f"sqlite:///{path}")
    theirs = sa.create_engine(database.replace("postgresql://", "postgresql+psycopg2://"))
    for engine in (ours, theirs):
        Base.metadata.create_all(engine)
    with orm.Session(ours) as s, s.begin():
        s.add_all([something(1), something(2)])
    ours.dispose()
    copy(path, database)
    with orm.Session(theirs) as s, s.begin():
        s.add_all([something(3), something(4)])
        changed = s.get_one(Everything, 2)
        changed.at, changed.flag = datetime(2030, 1, 1), True
    assert salvage(path, database, tmp_path / "back.db").equal
    columns = [c.key for c in Everything.__table__.columns]
    engines = [sa.create_engine(f"sqlite:///{tmp_path / 'back.db'}"), theirs]
    found = []
    for engine in engines:
        with orm.Session(engine) as s:
            everything = s.scalars(sa.select(Everything).order_by(Everything.id))
            found.append([[getattr(row, c) for c in columns] for row in everything])
        engine.dispose()
    assert found[0] == found[1]
    assert len(found[0]) == 4
    with closing(sqlite3.connect(path)) as a, closing(sqlite3.connect(tmp_path / "back.db")) as b:
        same = "SELECT * FROM everything WHERE id = 1"
        assert a.execute(same).fetchall() == b.execute(same).fetchall()
        classes = (
            "SELECT DISTINCT typeof(flag), typeof(number), typeof(at), typeof(token), length(at) FROM everything"
        )
        assert b.execute(classes).fetchall() == a.execute(classes).fetchall()


def test_a_dry_run_tells_and_makes_nothing(moved: tuple[Path, str], tmp_path: Path, run: Run) -> None:
    path, url = moved
    run(url, "DELETE FROM ballots WHERE id < 11")
    told = salvage(path, url, tmp_path / "back.db", dry_run=True)
    assert (told.path, told.equal, sum(t.deleted for t in told.tables)) == (None, True, 10)
    assert not (tmp_path / "back.db").exists()


def test_nothing_is_written_over_and_a_wish_to_stop_leaves_nothing(moved: tuple[Path, str], tmp_path: Path) -> None:
    path, url = moved
    there = tmp_path / "there.db"
    there.write_text("mine")
    with pytest.raises(Refused, match="there already"):
        salvage(path, url, there)
    assert there.read_text() == "mine"
    with pytest.raises(Cancelled):
        salvage(path, url, tmp_path / "back.db", cancelled=lambda: True)
    with pytest.raises(CouldNotLook, match="127"):
        salvage(path, "postgresql://nobody@127.0.0.1:1/x", tmp_path / "back.db")
    assert not [p for p in tmp_path.iterdir() if p.name.startswith("back.db")]


def test_moments_that_a_rule_read_from_seconds_go_back_as_seconds(tmp_path: Path, database: str, run: Run) -> None:
    path = lite(
        tmp_path / "a.db", "CREATE TABLE t (id INTEGER PRIMARY KEY, at); INSERT INTO t VALUES (1, 1700000000)"
    )
    run(database, "CREATE TABLE t (id int PRIMARY KEY, at timestamp)")
    rules = read_rules({"t.at": "epoch-seconds"})
    copy(path, database, rules=rules)
    run(database, "INSERT INTO t VALUES (2, '2023-11-14 22:13:21'), (3, '2023-11-14 22:13:21.5')")
    back = salvage(path, database, tmp_path / "back.db", rules=rules)
    assert rows(tmp_path / "back.db", "SELECT id, at FROM t") == [(1, 1700000000), (2, 1700000001)]
    assert [(c.key, c.column) for c in back.conflicts] == [("id=3", "at")]
