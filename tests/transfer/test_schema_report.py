"""Two schemas held against each other: every loss and every difference has its line, and nothing else has one."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from bench import sample
from transfer.comparing import source
from transfer.postgres import Cursor, connect
from transfer.schema import SchemaLine, create, report


@pytest.fixture(scope="module")
def cur(postgres_url: str) -> Iterator[Cursor]:
    with closing(connect(postgres_url)) as conn, conn.cursor() as cursor:
        yield cursor


@pytest.fixture
def held(cur: Cursor) -> Iterator[Callable[[str, str], tuple[SchemaLine, ...]]]:
    """held(SQLite's script, PostgreSQL's): all lines."""
    cur.execute("CREATE SCHEMA held; SET LOCAL search_path = held, public")

    def lines(ours: str, theirs: str) -> tuple[SchemaLine, ...]:
        with closing(sqlite3.connect(":memory:")) as con:
            con.executescript(ours)
            cur.execute(theirs)
            return report(con, cur)

    yield lines
    cur.connection.rollback()


P = "CREATE TABLE p (id INTEGER PRIMARY KEY, n TEXT); "
P_PG = "CREATE TABLE p (id serial PRIMARY KEY, n text); "
T = "CREATE TABLE t (id INTEGER PRIMARY KEY, c {})"
T_PG = "CREATE TABLE t (id serial PRIMARY KEY, c {})"

# what it is about, SQLite, PostgreSQL, the lines that are not "carried": (thing, name, state, a part of the text)
CASES = [
    ("the same", T.format("INT"), T_PG.format("bigint"), []),
    ("no table", P, "CREATE TABLE q (id serial PRIMARY KEY)",
     [("table", "p", "not carried", "no such table"), ("table", "q", "differs", "only in PostgreSQL")]),
    ("another case", P, 'CREATE TABLE "P" (id serial PRIMARY KEY, n text)', [("table", "p", "differs", "named P")]),
    ("no column", P, "CREATE TABLE p (id serial PRIMARY KEY, m text)",
     [("column", "n", "not carried", "only in SQLite"), ("column", "m", "differs", "only in PostgreSQL")]),
    ("a type", T.format("INT"), T_PG.format("text"), [("column", "c", "differs", "INT in SQLite, text in PostgreSQL")]),
    ("a shorter integer", T.format("BIGINT"), T_PG.format("int"), [("column", "c", "differs", "up to 2147483647")]),
    ("the usual integer", T.format("INTEGER"), T_PG.format("int"), []),
    ("too short an integer", T.format("INTEGER"), T_PG.format("smallint"), [("column", "c", "differs", "up to 32767")]),
    ("a length", T.format("VARCHAR(9)"), T_PG.format("varchar(8)"), [("column", "c", "differs", "character varying(8)")]),
    ("no length", T.format("VARCHAR(9)"), T_PG.format("text"), [("column", "c", "differs", "VARCHAR(9) in SQLite, text")]),
    ("a padded text", T.format("CHAR(9)"), T_PG.format("char(9)"), [("column", "c", "differs", "character(9)")]),
    ("decimals", T.format("DECIMAL(9,2)"), T_PG.format("numeric(9,3)"), [("column", "c", "differs", "numeric(9,3)")]),
    ("single precision", T.format("REAL"), T_PG.format("real"), [("column", "c", "differs", "REAL in SQLite, real")]),
    ("seconds alone", T.format("DATETIME"), T_PG.format("timestamp(0)"), [("column", "c", "differs", "timestamp(0)")]),
    ("json as jsonb", T.format("JSON"), T_PG.format("jsonb"), []),
    ("times as UTC", T.format("DATETIME"), T_PG.format("timestamptz"), []),
    ("no NOT NULL", T.format("INT NOT NULL"), T_PG.format("int"), [("not null", "c", "not carried", "takes NULL")]),
    ("NOT NULL", T.format("INT NOT NULL"), T_PG.format("int NOT NULL"), []),
    ("NOT NULL there alone", T.format("INT"), T_PG.format("int NOT NULL"), [("not null", "c", "differs", "is refused there")]),
    ("no default", T.format("INT DEFAULT 5"), T_PG.format("int"), [("default", "c", "not carried", "5 in SQLite")]),
    ("a default", T.format("INT DEFAULT 5"), T_PG.format("int DEFAULT 5"), []),
    ("a negative default", T.format("INT DEFAULT -5"), T_PG.format("int DEFAULT -5"), []),
    ("a text by default", T.format("TEXT DEFAULT 'it''s'"), T_PG.format("varchar DEFAULT 'it''s'"), []),
    ("a boolean by default", T.format("BOOLEAN DEFAULT 1"), T_PG.format("boolean DEFAULT true"), []),
    ("the other boolean", T.format("BOOLEAN DEFAULT 1"), T_PG.format("boolean DEFAULT false"),
     [("default", "c", "differs", "1 in SQLite, false in PostgreSQL")]),
    ("a double by default", T.format("REAL DEFAULT 1.5"), T_PG.format("float8 DEFAULT 1.5"), []),
    ("another default", T.format("INT DEFAULT 5"), T_PG.format("int DEFAULT 6"),
     [("default", "c", "differs", "5 in SQLite, 6 in PostgreSQL")]),
    ("a default there alone", T.format("INT"), T_PG.format("int DEFAULT 6"), [("default", "c", "differs", "only in PostgreSQL: 6")]),
    ("NULL by default", T.format("INT DEFAULT NULL"), T_PG.format("int"), []),
    ("now in UTC", T.format("DATETIME DEFAULT CURRENT_TIMESTAMP"),
     T_PG.format("timestamp DEFAULT timezone('utc', now())"), []),
    ("now in the session's zone", T.format("DATETIME DEFAULT CURRENT_TIMESTAMP"),
     T_PG.format("timestamp DEFAULT now()"), [("default", "c", "differs", "in the time zone of the session")]),
    ("now with a zone", T.format("DATETIME DEFAULT CURRENT_TIMESTAMP"), T_PG.format("timestamptz DEFAULT now()"), []),
    ("a default of another function", T.format("TEXT DEFAULT (hex(randomblob(4)))"),
     T_PG.format("text DEFAULT md5(random()::text)"), [("default", "c", "differs", "md5(")]),
    ("no CHECK", T.format("INT CHECK (c > 0)"), T_PG.format("int"), [("check", "c", "not carried", "(c > 0)")]),
    ("a CHECK", T.format("INT CHECK (c > 0)"), T_PG.format("int CHECK (c > 0)"), []),
    ("a CHECK by name", T.format("TEXT CONSTRAINT k CHECK (c GLOB 'a*')"), T_PG.format("text CONSTRAINT k CHECK (c ~ '^a')"), []),
    ("a CHECK there alone", T.format("INT"), T_PG.format("int CHECK (c > 0)"), [("check", "t_c_check", "differs", "only in PostgreSQL")]),
    ("a CHECK that the type makes needless", T.format("BOOLEAN CHECK (c IN (0, 1))"), T_PG.format("boolean"), []),
    ("a CHECK that the type does not make needless", T.format("INT CHECK (c IN (0, 1))"), T_PG.format("int"),
     [("check", "c", "not carried", "IN (0, 1)")]),
    ("no primary key", "CREATE TABLE t (k TEXT PRIMARY KEY)", "CREATE TABLE t (k text)", [("primary key", "k", "not carried", "none")]),
    ("another primary key", "CREATE TABLE t (k TEXT, l TEXT, PRIMARY KEY (k, l))", "CREATE TABLE t (k text, l text PRIMARY KEY)",
     [("primary key", "k, l", "differs", "l")]),
    ("UNIQUE for a primary key", "CREATE TABLE t (k TEXT PRIMARY KEY)", "CREATE TABLE t (k text UNIQUE)",
     [("primary key", "k", "differs", "UNIQUE alone")]),
    ("a primary key there alone", "CREATE TABLE t (k TEXT)", "CREATE TABLE t (k text PRIMARY KEY)",
     [("primary key", "k", "differs", "only in PostgreSQL"), ("not null", "k", "differs", "")]),
    ("no sequence", "CREATE TABLE t (id INTEGER PRIMARY KEY)", "CREATE TABLE t (id bigint PRIMARY KEY)",
     [("sequence", "id", "not carried", "the first INSERT without one fails")]),
    ("an identity", "CREATE TABLE t (id INTEGER PRIMARY KEY)",
     "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY)", []),
    ("a sequence that is owned but not used", "CREATE TABLE t (id INTEGER PRIMARY KEY)",
     "CREATE TABLE t (id serial PRIMARY KEY); ALTER TABLE t ALTER id DROP DEFAULT", [("sequence", "id", "not carried", "")]),
    ("no UNIQUE", T.format("TEXT UNIQUE"), T_PG.format("text"), [("unique", "c", "not carried", "duplicates are possible")]),
    ("UNIQUE", T.format("TEXT UNIQUE"), T_PG.format("text UNIQUE"), []),
    ("a plain index for UNIQUE", T.format("TEXT UNIQUE"), T_PG.format("text") + "; CREATE INDEX i ON t (c)",
     [("unique", "c", "not carried", "duplicates")]),
    ("UNIQUE there alone", T.format("TEXT"), T_PG.format("text UNIQUE"), [("unique", "t_c_key", "differs", "only in PostgreSQL")]),
    ("partial UNIQUE", T.format("TEXT, d BOOLEAN") + "; CREATE UNIQUE INDEX i ON t (c) WHERE d = 0",
     T_PG.format("text, d boolean") + "; CREATE UNIQUE INDEX i ON t (c) WHERE d = false", []),
    ("partial UNIQUE made whole", T.format("TEXT, d BOOLEAN") + "; CREATE UNIQUE INDEX i ON t (c) WHERE d = 0",
     T_PG.format("text, d boolean") + "; CREATE UNIQUE INDEX i ON t (c)", [("unique", "i", "differs", "WHERE d = 0 in SQLite")]),
    ("partial UNIQUE on the other half", T.format("TEXT, d BOOLEAN") + "; CREATE UNIQUE INDEX i ON t (c) WHERE d = 0",
     T_PG.format("text, d boolean") + "; CREATE UNIQUE INDEX i ON t (c) WHERE d", [("unique", "i", "differs", "WHERE d")]),
    ("UNIQUE under NOCASE", T.format("TEXT COLLATE NOCASE UNIQUE"), T_PG.format("text") + "; CREATE UNIQUE INDEX i ON t (lower(c))",
     [("collation", "c", "not carried", "NOCASE")]),
    ("UNIQUE under NOCASE that minds case now", T.format("TEXT COLLATE NOCASE UNIQUE"), T_PG.format("text UNIQUE"),
     [("collation", "c", "not carried", "NOCASE"), ("unique", "c", "differs", "case does not matter in SQLite")]),
    ("no index", T.format("INT") + "; CREATE INDEX i ON t (c)", T_PG.format("int"), [("index", "i", "not carried", "no such index")]),
    ("an index under another name", T.format("INT") + "; CREATE INDEX i ON t (c)", T_PG.format("int") + "; CREATE INDEX j ON t (c)", []),
    ("another direction", T.format("INT") + "; CREATE INDEX i ON t (c DESC)", T_PG.format("int") + "; CREATE INDEX i ON t (c)",
     [("index", "i", "differs", "direction")]),
    ("another order", T.format("INT, d INT") + "; CREATE INDEX i ON t (c, d)", T_PG.format("int, d int") + "; CREATE INDEX i ON t (d, c)",
     [("index", "i", "differs", "the order of its keys")]),
    ("an expression", T.format("TEXT") + "; CREATE INDEX i ON t (lower(c))", T_PG.format("varchar") + "; CREATE INDEX i ON t (lower(c))", []),
    ("another expression", T.format("TEXT") + "; CREATE INDEX i ON t (lower(c))", T_PG.format("text") + "; CREATE INDEX i ON t (upper(c))",
     [("index", "i", "differs", "upper(c)")]),
    ("no foreign key", P + T.format("INT REFERENCES p"), P_PG + T_PG.format("int"), [("foreign key", "(c) to p", "not carried", "")]),
    ("a foreign key", P + T.format("INT REFERENCES p ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED"),
     P_PG + T_PG.format("int REFERENCES p ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED"), []),
    ("another action", P + T.format("INT REFERENCES p ON DELETE CASCADE"), P_PG + T_PG.format("int REFERENCES p"),
     [("foreign key", "(c) to p", "differs", "ON DELETE CASCADE in SQLite, ON DELETE NO ACTION in PostgreSQL")]),
    ("no longer deferred", P + T.format("INT REFERENCES p DEFERRABLE INITIALLY DEFERRED"), P_PG + T_PG.format("int REFERENCES p"),
     [("foreign key", "(c) to p", "differs", "NOT DEFERRABLE in PostgreSQL")]),
    ("a foreign key there alone", P + T.format("INT"), P_PG + T_PG.format("int REFERENCES p"),
     [("foreign key", "t_c_fkey", "differs", "only in PostgreSQL: (c) to p")]),
    ("generated", T.format("INT AS (id * 2) STORED"), T_PG.format("int GENERATED ALWAYS AS (id * 2) STORED"), []),
    ("no longer generated", T.format("INT AS (id * 2)"), T_PG.format("int"), [("generated", "c", "not carried", "an ordinary column here")]),
    ("generated otherwise", T.format("INT AS (id * 2)"), T_PG.format("int GENERATED ALWAYS AS (id * 3) STORED"),
     [("generated", "c", "differs", "(id * 3)")]),
    ("generated there alone", T.format("INT"), T_PG.format("int GENERATED ALWAYS AS (id * 3) STORED"),
     [("generated", "c", "differs", "only in PostgreSQL")]),
    ("views and triggers", P + "CREATE VIEW v AS SELECT 1; CREATE VIEW w AS SELECT 2; "
     "CREATE TRIGGER g AFTER INSERT ON p BEGIN SELECT 1; END",
     P_PG + "CREATE VIEW w AS SELECT 3",
     [("trigger", "g", "not carried", ""), ("view", "v", "not carried", ""), ("view", "w", "differs", "was not looked at")]),
    ("a virtual table", P + "CREATE VIRTUAL TABLE f USING fts5 (x)", P_PG, [("virtual table", "f", "not carried", "")]),
    ("what migrations keep", P + "CREATE TABLE alembic_version (version_num TEXT)",
     P_PG + "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)", []),
]  # fmt: skip


@pytest.mark.parametrize(("ours", "theirs", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_each_difference_has_its_line_and_nothing_else_has(
    ours: str,
    theirs: str,
    expected: list[tuple[str, str, str, str]],
    held: Callable[[str, str], tuple[SchemaLine, ...]],
) -> None:
    lines = held(ours, theirs)
    lost = [x for x in lines if x.state != "carried"]
    assert sorted((x.thing, x.name, x.state) for x in lost) == sorted(e[:3] for e in expected), lost
    for thing, name, _, part in expected:
        assert part in next(x.text for x in lost if (x.thing, x.name) == (thing, name))
    if not expected:
        assert {x.thing for x in lines} > {"table"}


def test_the_schema_that_is_made_of_a_file_is_found_to_be_all_there(cur: Cursor, tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    sample.write(path, 60)
    with source(path) as con:  # rows as bytes, as a copy reads them
        cur.execute("CREATE SCHEMA own; SET LOCAL search_path = own")
        assert not [f for f in create(con, cur) if f.blocks]
        lines = report(con, cur)
        assert con.text_factory is bytearray
    cur.connection.rollback()
    assert {x.state for x in lines} == {"carried"}
    assert {"table", "column", "not null", "primary key", "sequence", "foreign key", "unique", "index"} <= {
        x.thing for x in lines
    }


def test_the_samples_own_migrations_are_found_to_differ_where_they_do(cur: Cursor, tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    sample.write(path, 60)
    cur.execute("CREATE SCHEMA migrated; SET LOCAL search_path = migrated")
    cur.execute(sample.POSTGRES)
    with source(path) as con:
        lost = [(x.table, x.thing) for x in report(con, cur) if x.state != "carried"]
    cur.connection.rollback()
    assert lost == [("articles", "foreign key"), ("logins", "foreign key")]  # DEFERRABLE, ON DELETE CASCADE
