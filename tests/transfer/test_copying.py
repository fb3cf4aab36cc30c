from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from bench import sample
from transfer import constraints, target
from transfer.comparing import compare
from transfer.copying import copy
from transfer.errors import Cancelled, CouldNotLook, Refused
from transfer.progress import Progress

Run = Callable[..., list[tuple[Any, ...]]]

CATALOGUE = """
SELECT c.conrelid::regclass::text, c.conname, c.contype::text, pg_get_constraintdef(c.oid), c.convalidated,
       c.condeferrable, c.condeferred, obj_description(c.oid) FROM pg_constraint c WHERE c.conrelid <> 0
UNION ALL
SELECT i.indrelid::regclass::text, i.indexrelid::regclass::text, 'i', pg_get_indexdef(i.indexrelid),
       i.indisvalid, i.indisclustered, i.indisreplident, obj_description(i.indexrelid) FROM pg_index i
WHERE i.indrelid >= 16384
ORDER BY 1, 2, 3
"""
STATE = "SELECT relname, relfilenode, reltuples FROM pg_class WHERE oid >= 16384 ORDER BY oid"


@pytest.fixture
def app(tmp_path: Path) -> Path:
    path = tmp_path / "app.db"
    sample.write(path, 950)
    return path


@pytest.fixture
def schema(database: str, run: Run) -> str:
    run(database, sample.POSTGRES)
    return database


def lite(path: Path, script: str) -> Path:
    with closing(sqlite3.connect(path)) as con:
        con.executescript(script)
    return path


def test_everything_arrives_and_is_read_back_equal_by_other_means(app: Path, schema: str, run: Run) -> None:
    report = copy(app, schema)
    assert report.proof.equal
    assert report.rows == 950
    rest = "born, score, bio, avatar"
    with closing(sqlite3.connect(app)) as con:
        ours = con.execute(f"SELECT id, email, name, active, joined_at, {rest} FROM authors").fetchall()
    theirs = run(
        schema,
        "SELECT id, email, name, active::int, to_char(joined_at, 'YYYY-MM-DD HH24:MI:SS.US'), born::text,"
        " score, bio, avatar FROM authors ORDER BY id",
    )
    assert [(*row[:-1], None if row[-1] is None else bytes(row[-1])) for row in theirs] == ours
    assert run(schema, "SELECT version_num FROM alembic_version") == [("postgres-head",)]


def test_keys_and_indexes_come_back_exactly(
    app: Path, schema: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(
        schema,
        "CREATE UNIQUE INDEX half ON articles (lower(slug) DESC, id) INCLUDE (title) WHERE published",
        "COMMENT ON INDEX half IS 'half of it'",
        "COMMENT ON CONSTRAINT fk_parent ON articles IS 'a tree'",
        "CLUSTER logins USING ix_logins_author_id",
        "ALTER TABLE ballots ADD CONSTRAINT once UNIQUE NULLS NOT DISTINCT (id, note) DEFERRABLE",
    )
    before = run(schema, CATALOGUE)
    monkeypatch.setattr(target, "BIG", 10)
    copy(app, schema)
    assert run(schema, CATALOGUE) == before
    assert next(row for row in before if row[1] == "fk_parent")[5:] == (True, True, "a tree")


def test_a_key_that_does_not_come_back_is_refused(
    app: Path, schema: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = run(schema, STATE)
    monkeypatch.setattr(target, "BIG", 10)
    monkeypatch.setattr(constraints, "put_back", lambda cur, d: None)
    with pytest.raises(Refused, match="fk_parent"):
        copy(app, schema)
    assert run(schema, STATE) == before


def test_the_next_id_is_one_that_was_never_given(app: Path, schema: str, run: Run) -> None:
    lite(app, "UPDATE sqlite_sequence SET seq = 900 WHERE name = 'authors'; DELETE FROM ballots WHERE id = 500")
    copy(app, schema)
    assert run(schema, "SELECT nextval('authors_id_seq'), nextval('articles_id_seq'), nextval('ballots_id_seq')") == [
        (901, 251, 501)
    ]


def test_a_dry_run_and_a_failure_leave_the_target_untouched(app: Path, schema: str, run: Run) -> None:
    before = run(schema, STATE), run(schema, CATALOGUE), run(schema, "SELECT * FROM authors_id_seq")
    report = copy(app, schema, dry_run=True)
    assert report.dry_run
    assert report.proof.equal
    assert (run(schema, STATE), run(schema, CATALOGUE), run(schema, "SELECT * FROM authors_id_seq")) == before
    lite(app, "UPDATE ballots SET article_id = 4711 WHERE id = 400")
    with pytest.raises(Refused, match=r"ballots_article_id_fkey.*4711"):
        copy(app, schema)
    assert (run(schema, STATE), run(schema, CATALOGUE), run(schema, "SELECT * FROM authors_id_seq")) == before


def test_a_target_with_rows_is_refused_unless_named(app: Path, schema: str, run: Run) -> None:
    copy(app, schema)
    with pytest.raises(Refused, match="articles, authors, ballots, logins hold rows"):
        copy(app, schema)
    assert copy(app, schema, allow_rows_in=["articles", "authors", "ballots", "logins"]).proof.equal
    with pytest.raises(Refused, match="nowhere"):
        copy(app, schema, allow_rows_in=["nowhere"])


@pytest.mark.parametrize(
    ("type_", "value", "said"),
    [
        ("integer", "'abc'", r"t, id=2, column v: 'abc': a text in a column of type integer"),
        ("integer", "1.5", r"t, id=2, column v: 1.5: a real"),
        ("integer", "3000000000", r"t, id=2, column v: 3000000000: .*out of range"),
        ("boolean", "2", r"t, id=2, column v: 2: .*boolean"),
        ("varchar(3)", "'éééé'", r"t, id=2, column v: 'éééé': .*too long"),
        ("text", "'a' || char(0) || 'b'", r"t, id=2, column v: 'a\\x00b': "),
        ("text", "CAST(X'61ff62' AS TEXT)", r"t, id=2, column v: 'a\\udcffb': "),
        ("text", "X'6162'", r"t, id=2, column v: b'ab': a blob"),
        ("timestamp", "'0000-00-00 00:00:00.000000'", r"t, id=2, column v: '0000-00-00"),
        ("timestamp", "'2024-02-29T12:00:00+05:30'", r"t, id=2, .* a time zone"),
        ("timestamp", "1700000000", r"t, id=2, .*an integer in a column of type timestamp"),
        ("date", "'2024-02-30'", r"t, id=2, column v: '2024-02-30'"),
        ("numeric(10,2)", "'12.345'", r"t, id=2, column v: '12.345': more decimals"),
        ("json", "'{bad'", r"t, id=2, column v: '{bad': not JSON"),
        ("jsonb", "'{bad'", r"t, id=2, column v: '{bad': not JSON"),
        ("bytea", "'text'", r"t, id=2, column v: 'text': a text in a column of type bytea"),
        ("text NOT NULL", "NULL", r"t, id=2, column v: None: NULL in a column that is NOT NULL"),
        ("int CHECK (v > 0)", "-1", r"t, id=2: .*check constraint"),
    ],
)
def test_a_value_that_does_not_fit_is_named(
    tmp_path: Path, database: str, run: Run, *, type_: str, value: str, said: str
) -> None:
    path = lite(tmp_path / "a.db", f"CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (2, {value})")
    run(database, f"CREATE TABLE t (id int PRIMARY KEY, v {type_})")
    with pytest.raises(Refused, match=said):
        copy(path, database)
    assert run(database, "SELECT count(*) FROM t") == [(0,)]
    assert not compare(path, database).equal


def test_names_of_every_kind_and_case_are_found(tmp_path: Path, database: str, run: Run) -> None:
    path = lite(
        tmp_path / "a.db",
        'CREATE TABLE "Order" (Id INTEGER PRIMARY KEY, "group" TEXT, "User ""N% ame" TEXT, Made TEXT);'
        "INSERT INTO \"Order\" VALUES (10, 'a', 'b', 'c'), (9, 'd', NULL, '')",
    )
    run(database, 'CREATE TABLE "order" (made text, "group" text, "User ""N% ame" text, id int PRIMARY KEY)')
    assert copy(path, database).proof.equal
    assert run(database, 'SELECT id, made FROM "order" ORDER BY id') == [(9, ""), (10, "c")]


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        ("CREATE TABLE a (id INT); CREATE TABLE b (id INT)", "CREATE TABLE a (id int)", "b: only in SQLite"),
        (
            "CREATE TABLE a (id INT)",
            "CREATE TABLE a (id int); CREATE TABLE b (id int)",
            "b: only in PostgreSQL",
        ),
        ("CREATE TABLE a (id INT, x INT)", "CREATE TABLE a (id int)", "a.x: only in SQLite"),
        ("CREATE TABLE a (id INT)", "CREATE TABLE a (id int, y int)", "a.y: only in PostgreSQL"),
        (
            "CREATE TABLE alembic_version (v TEXT)",
            "CREATE TABLE alembic_version (v text)",
            "no table to copy",
        ),
    ],
)
def test_schemas_that_differ_are_refused(
    tmp_path: Path, database: str, run: Run, *, ours: str, theirs: str, said: str
) -> None:
    run(database, theirs)
    with pytest.raises(Refused, match=said):
        copy(lite(tmp_path / "a.db", ours), database)


def test_columns_the_server_generates_are_not_sent_but_compared(tmp_path: Path, database: str, run: Run) -> None:
    path = lite(
        tmp_path / "a.db",
        "CREATE TABLE t (a INTEGER PRIMARY KEY, b INTEGER AS (a * 2)); INSERT INTO t VALUES (4)",
    )
    run(database, "CREATE TABLE t (a int PRIMARY KEY, b int GENERATED ALWAYS AS (a * 2) STORED)")
    assert copy(path, database).proof.equal
    run(
        database,
        "DROP TABLE t",
        "CREATE TABLE t (a int PRIMARY KEY, b int GENERATED ALWAYS AS (a * 3) STORED)",
    )
    with pytest.raises(Refused, match="b: SQLite '8', PostgreSQL '12'"):
        copy(path, database)


def test_a_trigger_that_changes_rows_is_found_by_the_proof(app: Path, schema: str, run: Run) -> None:
    run(
        schema,
        "CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN new.value = 0; RETURN new; END$$",
        "CREATE TRIGGER meddle BEFORE INSERT ON ballots FOR EACH ROW WHEN (new.id = 77) EXECUTE FUNCTION meddle()",
    )
    with pytest.raises(Refused, match="ballots id=77 value"):
        copy(app, schema)


def test_a_constraint_that_would_only_be_looked_at_by_the_commit_fails_a_dry_run_too(
    tmp_path: Path, database: str, run: Run
) -> None:
    path = lite(
        tmp_path / "a.db",
        "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE t (id INTEGER PRIMARY KEY, p INTEGER);"
        "INSERT INTO t VALUES (1, 99)",
    )
    run(
        database,
        "CREATE TABLE p (id int PRIMARY KEY)",
        "CREATE TABLE t (id int PRIMARY KEY, p int CONSTRAINT late REFERENCES p DEFERRABLE INITIALLY DEFERRED)",
    )
    with pytest.raises(Refused, match=r"t: the rows do not keep late: .*\(p\)=\(99\)"):
        copy(path, database, dry_run=True)


@pytest.mark.parametrize("stage", ["copy", "index", "prove"])
def test_stopping_at_any_stage_leaves_the_target_untouched(
    app: Path, schema: str, run: Run, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    monkeypatch.setattr(target, "BIG", 10)
    before, told = run(schema, STATE), threading.Event()

    def tell(p: Progress) -> None:
        if p.stage == stage:
            told.set()

    with pytest.raises(Cancelled):
        copy(app, schema, progress=tell, cancelled=told.is_set)
    assert told.is_set()
    assert run(schema, STATE) == before


def test_a_statement_that_hangs_can_be_stopped(app: Path, schema: str, run: Run) -> None:
    blocker = psycopg2.connect(schema)
    with closing(blocker), blocker.cursor() as cur:
        cur.execute("LOCK TABLE authors")
        asked = iter([False] * 3)
        with pytest.raises(Cancelled):
            copy(app, schema, cancelled=lambda: next(asked, True))
    assert copy(app, schema).proof.equal


@pytest.mark.parametrize("how", ["terminate", "kill -9"])
def test_a_server_that_dies_midway_is_said_and_the_second_try_succeeds(
    app: Path, mortal: Any, run: Run, how: str
) -> None:
    run(mortal.url, sample.POSTGRES)
    before, struck = run(mortal.url, STATE), threading.Event()

    def strike(p: Progress) -> None:
        if p.stage == "copy" and p.table == "articles" and p.done == p.total and not struck.is_set():
            struck.set()
            if how == "kill -9":
                mortal.kill()
            else:
                run(
                    mortal.url,
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
                    " WHERE application_name = 'tminus transfer'",
                )

    with pytest.raises(CouldNotLook, match=f"127.0.0.1:{mortal.port}/postgres as postgres"):
        copy(app, mortal.url, progress=strike)
    assert struck.is_set()
    if how == "kill -9":
        mortal.start()
    assert run(mortal.url, STATE) == before
    assert copy(app, mortal.url).proof.equal
