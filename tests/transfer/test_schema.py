"""A PostgreSQL schema made from a SQLite file: everything that PostgreSQL can keep is kept, the rest is told."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from transfer.errors import Refused
from transfer.postgres import Cursor, connect
from transfer.schema import create, statements

Run = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture(scope="module")
def cur(postgres_url: str) -> Iterator[Cursor]:
    with closing(connect(postgres_url)) as conn, conn.cursor() as cursor:
        yield cursor


@pytest.fixture
def make(cur: Cursor) -> Iterator[Callable[[str], list[str]]]:
    """make(SQLite's script): the findings as "table.column: text"; all of it is taken back after the test."""
    cur.execute("CREATE SCHEMA made; SET LOCAL search_path = made")

    def made(script: str) -> list[str]:
        with closing(lite(script)) as con:
            return [
                f"{f.table}{'.' + f.column if f.column else ''}: {f.text}" for f in create(con, cur) if not f.blocks
            ]

    yield made
    cur.connection.rollback()


def lite(script: str) -> sqlite3.Connection:
    con = sqlite3.connect(":memory:")
    con.executescript(script)
    return con


def definitions(cur: Cursor, kinds: str = "cfpu") -> list[str]:
    cur.execute(
        "SELECT conrelid::regclass || ': ' || pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE connamespace = current_schema()::regnamespace AND contype = ANY(%s) ORDER BY 1",
        (list(kinds),),
    )
    return [text for (text,) in cur.fetchall()]


def indexes(cur: Cursor) -> list[str]:
    cur.execute(
        "SELECT replace(indexdef, 'made.', '') FROM pg_indexes WHERE schemaname = current_schema() ORDER BY 1"
    )
    return [text for (text,) in cur.fetchall()]


@pytest.mark.parametrize(
    ("declared", "made"),
    [
        ("INTEGER", "bigint"),
        ("int(11)", "bigint"),
        ("UNSIGNED BIG INT", "bigint"),
        ("tinyint", "bigint"),
        ("BOOLEAN", "boolean"),
        ("VARCHAR(7)", "character varying(7)"),
        ("NVARCHAR(7)", "character varying(7)"),
        ("CHARACTER VARYING (7)", "character varying(7)"),
        ("VARCHAR", "text"),
        ("VARCHAR(99999999)", "text"),
        ("CHAR(7)", "character varying(7)"),
        ("TEXT", "text"),
        ("clob", "text"),
        ("REAL", "double precision"),
        ("FLOAT(24)", "double precision"),
        ("DOUBLE PRECISION", "double precision"),
        ("NUMERIC", "numeric"),
        ("DECIMAL(12, 2)", "numeric(12,2)"),
        ("NUMERIC(5)", "numeric(5,0)"),
        ("DATE", "date"),
        ("DATETIME", "timestamp without time zone"),
        ("TIMESTAMP", "timestamp without time zone"),
        ("timestamp with time zone", "timestamp with time zone"),
        ("TIME", "time without time zone"),
        ("BLOB", "bytea"),
        ("VARBINARY(16)", "bytea"),
        ("JSON", "json"),
        ("UUID", "uuid"),
        ("POINT", "text"),
        ("STRING", "text"),
        ("", "text"),
    ],
)
def test_a_declared_type_becomes_one_that_holds_all_of_it(
    declared: str, made: str, make: Callable[[str], list[str]], cur: Cursor
) -> None:
    findings = make(f"CREATE TABLE t (id INTEGER PRIMARY KEY, c {declared})")
    cur.execute(
        "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'c'"
    )
    assert cur.fetchall() == [(made,)]
    assert bool(findings) == (declared in ("CHAR(7)", "VARCHAR(99999999)", "POINT", "STRING", ""))


def test_a_column_of_no_known_type_takes_that_of_its_values_and_of_what_it_references(
    make: Callable[[str], list[str]], cur: Cursor
) -> None:
    findings = make(
        """
        CREATE TABLE p (code CODE PRIMARY KEY, i, r, b, n, m);
        CREATE TABLE c (code CODE REFERENCES p (code), pid REFERENCES o (id));
        CREATE TABLE o (id INTEGER PRIMARY KEY);
        INSERT INTO p VALUES (1, 1, 1.5, x'00', NULL, 1), ('a', 2, 2.5, x'01', NULL, 2.5);
        INSERT INTO c VALUES (1, NULL);
        """
    )
    cur.execute(
        "SELECT attrelid::regclass || '.' || attname, format_type(atttypid, atttypmod) FROM pg_attribute"
        " WHERE attrelid IN ('p'::regclass, 'c'::regclass) AND attnum > 0"
    )
    assert dict(cur.fetchall()) == {
        "p.code": "text",
        "p.i": "bigint",
        "p.r": "double precision",
        "p.b": "bytea",
        "p.n": "text",
        "p.m": "text",
        "c.code": "text",
        "c.pid": "bigint",
    }
    assert len(findings) == 8
    said = next(f for f in findings if f.startswith("p.code"))
    assert said.endswith(
        "it holds integers and texts: became text, which takes any of them as text; its integers need a rule: cast"
    )
    assert len(definitions(cur, "f")) == 2


def test_foreign_keys_come_last_with_actions_and_deferrability(make: Callable[[str], list[str]], cur: Cursor) -> None:
    findings = make(
        """
        CREATE TABLE a (id INTEGER PRIMARY KEY, up INT REFERENCES A ON DELETE SET NULL, x INT DEFAULT 1, y INT,
            z INT CONSTRAINT fk_z REFERENCES b MATCH FULL ON DELETE CASCADE DEFERRABLE INITIALLY IMMEDIATE NOT NULL,
            FOREIGN KEY (x, Y) REFERENCES b (y, x) ON UPDATE RESTRICT ON DELETE SET DEFAULT
                DEFERRABLE INITIALLY DEFERRED);
        CREATE TABLE b (id INTEGER PRIMARY KEY, x INT, y INT, a INT NOT NULL REFERENCES a NOT DEFERRABLE,
            UNIQUE (y, x));
        """
    )
    assert not findings
    assert definitions(cur, "f") == [
        "a: FOREIGN KEY (up) REFERENCES a(id) ON DELETE SET NULL",
        "a: FOREIGN KEY (x, y) REFERENCES b(y, x) ON UPDATE RESTRICT ON DELETE SET DEFAULT DEFERRABLE INITIALLY DEFERRED",
        "a: FOREIGN KEY (z) REFERENCES b(id) ON DELETE CASCADE DEFERRABLE",
        "b: FOREIGN KEY (a) REFERENCES a(id)",
    ]


def test_a_foreign_key_that_postgresql_cannot_hold_is_told(make: Callable[[str], list[str]], cur: Cursor) -> None:
    findings = make(
        """
        CREATE TABLE p (id INTEGER PRIMARY KEY, name TEXT COLLATE NOCASE UNIQUE);
        CREATE TABLE c (a INT REFERENCES nowhere, b TEXT REFERENCES p (id), n TEXT REFERENCES p (name), d INT, e INT,
            FOREIGN KEY (d, e) REFERENCES p);
        """
    )
    told = sorted(f for f in findings if "foreign key" in f)
    assert [t.split(" is not carried: ")[0] for t in told] == [
        "c: foreign key (a) to nowhere",
        "c: foreign key (b) to p",
        "c: foreign key (d, e) to p",
        "c: foreign key (n) to p",
    ]
    assert "cannot be implemented" in told[1]
    assert "no unique constraint" in told[3]
    assert not definitions(cur, "f")


def test_indexes_keep_predicate_expression_direction_and_uniqueness(
    make: Callable[[str], list[str]], cur: Cursor
) -> None:
    findings = make(
        """
        CREATE TABLE t (a INT, b TEXT, gone BOOLEAN, e TEXT COLLATE NOCASE, j JSON);
        CREATE UNIQUE INDEX u1 ON t (b COLLATE BINARY, a DESC) WHERE gone = 0 AND b IS NOT NULL; -- ended
        CREATE UNIQUE INDEX u2 ON t (e);
        CREATE INDEX i1 ON t (lower(b) DESC, a + 1, "a");
        CREATE INDEX i2 ON t (b COLLATE NOCASE) WHERE NOT gone /* no; */;
        CREATE INDEX i3 ON t (b COLLATE RTRIM);
        CREATE INDEX i4 ON t (b) WHERE b GLOB 'a*';
        CREATE INDEX i5 ON t (typeof(b));
        CREATE INDEX i6 ON t (j);
        """
    )
    assert indexes(cur) == [
        "CREATE INDEX i1 ON t USING btree (lower(b) DESC, ((a + 1)), a)",
        "CREATE INDEX i2 ON t USING btree (lower(b)) WHERE (NOT gone)",
        "CREATE INDEX i3 ON t USING btree (rtrim(b))",
        "CREATE UNIQUE INDEX u1 ON t USING btree (b, a DESC) WHERE ((gone = false) AND (NOT (b IS NULL)))",
        "CREATE UNIQUE INDEX u2 ON t USING btree (lower(e))",
    ]
    told = sorted(f for f in findings if "index" in f)
    assert [t.split(":")[1] for t in told] == [
        " index i4 is not carried",
        " index i5 is not carried",
        " index i6 is not carried",
        ' unique index u2 became one on (lower("e"))',
    ]


def test_the_text_is_read_as_sqlite_reads_it(make: Callable[[str], list[str]], cur: Cursor) -> None:
    findings = make(
        """
        CREATE TABLE IF NOT EXISTS [t] ( -- a comment, with (a parenthesis and 'a quote
            "check" INTEGER CHECK ("check" > 0) /* , PRIMARY KEY (nothing) */,
            `un ique` TEXT DEFAULT 'a, ''b'' (' NOT NULL ON CONFLICT IGNORE UNIQUE ON CONFLICT REPLACE,
            [c] varchar ( 5 ) DEFAULT abc CONSTRAINT five CHECK (length([c]) <= 5) COLLATE BINARY,
            d INT DEFAULT -1 CHECK (d IN (-1, (2), 3)),
            PRIMARY KEY ("check" ASC, d) ON CONFLICT ABORT
            CONSTRAINT both UNIQUE (d, c) CHECK (d <> "check"),
            CONSTRAINT "it's" CHECK (d >= -1)
        );
        ALTER TABLE t ADD COLUMN late DATE CHECK (late > '2000-01-01');
        ALTER TABLE t RENAME COLUMN d TO "De""e";
        """
    )
    assert not findings
    assert definitions(cur) == [
        "t: CHECK ((\"De\"\"e\" <> \"check\"))",
        "t: CHECK ((\"De\"\"e\" = ANY (ARRAY[('-1'::integer)::bigint, (2)::bigint, (3)::bigint])))",
        "t: CHECK ((\"De\"\"e\" >= '-1'::integer))",
        "t: CHECK ((\"check\" > 0))",
        "t: CHECK ((late > '2000-01-01'::date))",
        "t: CHECK ((length((c)::text) <= 5))",
        "t: PRIMARY KEY (\"check\", \"De\"\"e\")",
        "t: UNIQUE (\"De\"\"e\", c)",
        "t: UNIQUE (\"un ique\")",
    ]  # fmt: skip
    cur.execute("SELECT conname FROM pg_constraint WHERE conname IN ('five', 'both', 'it''s')")
    assert len(cur.fetchall()) == 3
    cur.execute(
        """SELECT column_default FROM information_schema.columns WHERE table_name = 't' AND column_name = 'un ique'"""
    )
    assert cur.fetchall() == [("'a, ''b'' ('::text",)]


def test_what_cannot_be_said_in_postgresql_is_told_and_the_rest_is_kept(
    make: Callable[[str], list[str]], cur: Cursor
) -> None:
    findings = make(
        """
        CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT CHECK (a GLOB '[0-9]*') CHECK (length(a) = 3),
            k TEXT DEFAULT (lower(hex(randomblob(4)))), g TEXT AS (strftime('%Y', a)) STORED, h INT AS (id * 2));
        CREATE VIEW v AS SELECT 1;
        CREATE TRIGGER w AFTER INSERT ON t BEGIN SELECT 1; END;
        """
    )
    assert findings == [
        "t.k: DEFAULT lower(hex(randomblob(4))) is not carried: it is neither a constant nor the present moment in UTC",
        "t.g: GENERATED AS (strftime('%Y', a)) is not carried: strftime has no equal in PostgreSQL;"
        " an ordinary column with its values",
        "t.h: generated, VIRTUAL in SQLite: STORED in PostgreSQL",
        "t: CHECK (a GLOB '[0-9]*') is not carried: glob has no equal in PostgreSQL",
        "v: view: not carried",
        "t: trigger w: not carried",
    ]
    assert definitions(cur, "c") == ["t: CHECK ((length(a) = 3))"]


def test_a_table_that_postgresql_refuses_as_it_is_is_made_without_what_it_refuses(
    make: Callable[[str], list[str]], cur: Cursor
) -> None:
    findings = make(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a INT DEFAULT 7 CHECK (a > 0), g INT AS (a * 2) STORED, h INT AS (g + 1) STORED)"
    )
    assert [f.split(" is not carried")[0] for f in findings] == [
        "t.g: GENERATED AS (a * 2)",
        "t.h: GENERATED AS (g + 1)",
    ]
    assert "generated column" in findings[0]
    cur.execute("INSERT INTO t (g, h) VALUES (1, 2) RETURNING id, a")
    assert cur.fetchall() == [(1, 7)]
    assert definitions(cur, "c") == ["t: CHECK ((a > 0))"]


def test_a_key_that_no_row_has_becomes_unique_and_one_that_some_have_stays(
    make: Callable[[str], list[str]], cur: Cursor
) -> None:
    findings = make(
        """
        CREATE TABLE nobody (a TEXT, b TEXT, PRIMARY KEY (a, b)); INSERT INTO nobody VALUES (NULL, NULL);
        CREATE TABLE other (a TEXT PRIMARY KEY); INSERT INTO other VALUES (NULL), ('x');
        CREATE TABLE empty (a TEXT PRIMARY KEY);
        """
    )
    assert findings == ["nobody: no row has its primary key (a, b): became UNIQUE"]
    assert definitions(cur) == ["empty: PRIMARY KEY (a)", "nobody: UNIQUE (a, b)", "other: PRIMARY KEY (a)"]


def test_only_an_alias_of_the_rowid_gives_ids(make: Callable[[str], list[str]], cur: Cursor) -> None:
    make(
        """
        CREATE TABLE a (id INTEGER NOT NULL, PRIMARY KEY (id));
        CREATE TABLE b (id INTEGER PRIMARY KEY DESC);
        CREATE TABLE c (id INT PRIMARY KEY);
        CREATE TABLE d (id INTEGER PRIMARY KEY) WITHOUT ROWID;
        CREATE TABLE e (x TEXT, id INTEGER PRIMARY KEY AUTOINCREMENT);
        """
    )
    cur.execute("SELECT attrelid::regclass::text FROM pg_attribute WHERE attidentity = 'd' ORDER BY 1")
    assert cur.fetchall() == [("a",), ("e",)]


def test_names_that_postgresql_would_share_are_given_once(make: Callable[[str], list[str]], cur: Cursor) -> None:
    findings = make(
        """
        CREATE TABLE a (x INT, y INT, CONSTRAINT k PRIMARY KEY (x), CONSTRAINT a_u UNIQUE (y));
        CREATE TABLE b (x INT, CONSTRAINT k PRIMARY KEY (x), CONSTRAINT c CHECK (x > 0), CONSTRAINT c CHECK (x > 1));
        CREATE INDEX a_u ON b (x);
        """
    )
    assert len(definitions(cur)) == 5
    assert sorted(f.split(" is given")[0] for f in findings) == ["a: the name a_u", "b: the name c", "b: the name k"]


@pytest.mark.parametrize(
    "script",
    [
        f'CREATE TABLE "{"t" * 64}" (a INT)',
        f'CREATE TABLE t ("{"é" * 32}" INT)',
        f"CREATE TABLE t (a INT); CREATE INDEX {'i' * 64} ON t (a)",
        f"CREATE TABLE t (a INT CONSTRAINT {'c' * 64} CHECK (a > 0))",
    ],
)
def test_a_name_that_postgresql_would_cut_off_is_refused(script: str, make: Callable[[str], list[str]]) -> None:
    with pytest.raises(Refused, match=r"the name (t{64}|é{32}|i{64}|c{64}) has 64 bytes, PostgreSQL keeps 63"):
        make(script)


def test_what_cannot_be_made_at_all_is_refused_by_name(make: Callable[[str], list[str]], cur: Cursor) -> None:
    with pytest.raises(Refused, match=r"^t: PostgreSQL does not take this table: .*ctid"):
        make("CREATE TABLE t (ctid INT)")
    cur.execute("CREATE TABLE there (a int)")
    with pytest.raises(Refused, match=r"there.* already exists. Create the schema in an empty database"):
        make("CREATE TABLE there (a INT)")


def test_the_statements_that_are_shown_are_those_that_are_executed(
    cur: Cursor, make: Callable[[str], list[str]]
) -> None:
    script = """
        CREATE TABLE a (id INTEGER PRIMARY KEY, b INT REFERENCES b, n TEXT NOT NULL DEFAULT 'x' UNIQUE, CHECK (n <> ''));
        CREATE TABLE b (id INTEGER PRIMARY KEY, a INT REFERENCES a, when_ DATETIME DEFAULT CURRENT_TIMESTAMP);
        CREATE INDEX i ON a (b) WHERE b > 0;
    """
    with closing(lite(script)) as con:
        shown = statements(con)
    cur.execute("CREATE SCHEMA shown; SET LOCAL search_path = shown")
    for sql in (*shown.tables, *shown.after):
        cur.execute(sql)
    by_hand = definitions(cur), [i.replace("shown.", "") for i in indexes(cur)]
    cur.execute("SET LOCAL search_path = made")
    assert make(script) == []
    assert (definitions(cur), indexes(cur)) == by_hand
    assert shown.findings == ()
    assert len(by_hand[0]) == 6
