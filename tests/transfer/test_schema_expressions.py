"""A translated expression says of every row what SQLite says of it; what cannot be said so is not translated."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import psycopg2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from transfer.schema.defaults import default
from transfer.schema.mapping import declared_type
from transfer.schema.model import Column
from transfer.schema.translating import Untranslatable, condition, translated, truth
from transfer.types import Kind

KINDS = {
    "a": Kind.INTEGER,
    "c": Kind.INTEGER,
    "b": Kind.BOOLEAN,
    "s": Kind.TEXT,
    "u": Kind.TEXT,
    "f": Kind.FLOAT,
    "n": Kind.NUMERIC,
    "d": Kind.DATE,
    "ts": Kind.TIMESTAMP,
    "x": Kind.BYTES,
    "e": Kind.TEXT,
    "m": Kind.TEXT,
}
COLLATIONS = {"e": "NOCASE", "m": "ANY"}
COLUMNS = {k: (k, v, COLLATIONS.get(k, "BINARY")) for k, v in KINDS.items()}
LITE = (
    "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, c INT, b BOOLEAN, s TEXT, u TEXT, f REAL, n NUMERIC, d DATE,"
    " ts DATETIME, x BLOB, e TEXT COLLATE NOCASE, m INTEGER_OR_TEXT)"
)
POSTGRES = (
    "CREATE TABLE t (id bigint, a bigint, c bigint, b boolean, s text, u text, f float8, n numeric, d date,"
    " ts timestamp, x bytea, e text, m text)"
)
# a, c, b, s, u, f, n, d, ts, x, e; m holds what is in a, or else what is in s
ROWS = [
    (None, None, None, None, None, None, None, None, None, None, None),
    (0, 0, 0, "", "", 0.0, 0, "2020-01-01", "2020-01-01 00:00:00", b"", ""),
    (1, 0, 1, "a", "A", 1.5, 0.5, "2019-12-31", "2020-01-01 00:00:00.000001", b"\xff", "A"),
    (-3, 2, 0, "Abc", "abc", -2.25, -1, "2024-02-29", "2024-02-29 12:00:00", b"abc", "x"),
    (7, -2, 1, "https://X.org/y", "x.org", 0.1, 10, "2020-01-02", "1999-12-31 23:59:59", b"\x00", "X"),
    (-8, 3, 1, "Äöü ß", "äÖÜ SS", 3.0, 2.5, None, None, None, "é"),
    (5, None, None, " b ", "b", 1e300, 1e20, "2020-01-01", "2020-01-01 00:00:00", b"ab", "É"),
    (2**40, 1, 0, "a%b_c\\", "z", -0.5, 0.1, "0001-01-01", "2020-06-01 01:02:03.5", b"ABC", "a"),
    (None, 4, 1, "10", "9", None, None, "2020-01-01", None, b"", "10"),
]  # fmt: skip


@pytest.fixture(scope="module")
def ask(postgres_url: str) -> Iterator[Callable[[str, str], tuple[list[Any], list[Any]]]]:
    """ask(SQLite's expression, PostgreSQL's): what each says of every row."""
    with closing(sqlite3.connect(":memory:")) as con, closing(psycopg2.connect(postgres_url)) as conn:
        con.execute(LITE)
        con.executemany(
            f"INSERT INTO t VALUES ({','.join('?' * 13)})",
            [(i, *r, r[3] if r[0] is None else r[0]) for i, r in enumerate(ROWS)],
        )
        with conn.cursor() as cur:
            cur.execute("CREATE TEMP TABLE t" + POSTGRES.removeprefix("CREATE TABLE t"))
            for i, r in enumerate(ROWS):
                row = [
                    None if v is None else bool(v) if k == "b" else v
                    for k, v in zip(KINDS, (*r, _text(r[3] if r[0] is None else r[0])), strict=True)
                ]
                cur.execute(f"INSERT INTO t VALUES ({','.join(['%s'] * 13)})", [i, *row])
            conn.commit()

            def both(ours: str, theirs: str) -> tuple[list[Any], list[Any]]:
                left = [v for (v,) in con.execute(f"SELECT ({ours}\n) FROM t ORDER BY id")]
                try:
                    cur.execute(f"SELECT {theirs} FROM t ORDER BY id")
                    return left, [_plain(v) for (v,) in cur.fetchall()]
                finally:
                    conn.rollback()

            yield both


def _text(value: Any) -> Any:
    return None if value is None else str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    return bytes(value) if isinstance(value, memoryview) else value


CARRIED = """
length(s) = 3 ; length(x) >= 1 ; length(a) > 1 ; b IN (0, 1) ; b = 1 ; 1 = b ; b <> 0 ; b > 0 ; b < 1 ; 1 > b ; NOT b
b = 2 ; b = a ; a = b ; (a > 0) + (b > 0) = 1 ; b IS TRUE ; b IS NOT TRUE ; b IS 1 ; b = TRUE ; a = TRUE ; TRUE = a
a ; NOT a ; a AND b ; f ; a / 2 > 1 ; a / c ; a % c ; a % 3 = 1 ; 7 / a > 1 ; a * 2 + c ; a - c * 2 ; -a > -1 ; - -a
a << 2 ; a >> 1 ; a & 3 = 1 ; a | c ; a BETWEEN 1 AND 6 ; a NOT BETWEEN c AND 3 ; f BETWEEN -1 AND 1.5 ; f * 1.5 > a
f + a ; f / 2 ; n > 0.5 ; n = 0.1 ; n >= c ; n IN (0.1, 10) ; a IN (1, 5, NULL) ; a NOT IN (1, 5) ; s IN ('a', 'Abc')
s NOT IN ('a') ; s LIKE 'A%' ; s NOT LIKE '%B_' ; s LIKE 'HTTPS://x.org/%' ; s LIKE '%ö%' ; s LIKE 'äöü%' ; s LIKE '%@%'
s LIKE 'a\\%%' ; s LIKE 'a!%%' ESCAPE '!' ; s NOT LIKE '%!_c%' ESCAPE '!' ; s LIKE '%\\' ; s > 'a' ; s <= u ; s < 'B'
s BETWEEN 'A' AND 'b' ; s = u ; s <> '' ; s == 'a' ; s != u ; s IS u ; s IS NOT u ; s IS NOT 'a' ; a IS c ; a IS NOT c
s IS NULL ; a NOTNULL ; a ISNULL ; d >= '2020-01-01' ; d < '2020-01-02' ; '2020-01-01' <= d ; '2020-01-01' > d
d = '2020-01-01' ; d <> '2020-01-01' ; d BETWEEN '2020-01-01' AND '2020-12-31' ; ts >= '2020-01-01 00:00:00'
'2020-01-01 00:00:00' > ts ; ts < '2020-01-01 00:00:00' ; s || u ; 'n' || a ; s || b ; 'a' || 'b' || c
substr(s, 1, 2) ; substr(s, 2) ; instr(s, 'b') > 0 ; instr(s, u) ; trim(s) <> '' ; ltrim(s, 'aA') ; rtrim(s)
replace(s, 'b', 'xx') = u ; lower(s) ; upper(u) = u ; iif(a > 1, 1, 2) ; iif(b, s, u) ; CASE WHEN a > 1 THEN 'x' ELSE s END
CASE WHEN a > 1 THEN 1 WHEN b THEN 2 END ; CAST(a AS TEXT) ; abs(a) > 2 ; abs(f) ; coalesce(a, c, 0) ; ifnull(s, u)
nullif(s, 'a') ; x = x'ff' ; x < x'41' ; a = 0x7 ; a == 1 AND c <> 2 OR b ; NOT a = 1 ; NOT (s = 'a' OR u IS NULL)
a + c * 2 - 1 ; (a + c) * 2 ; a - (c - 1) ; a * c % 3 ; NULL OR length(s) = 1 ; a > 1 -- why not
"s" IN ("zz", "Abc") ; s = "zz" ; [s] = 'a' ; `s` = 'a' ; t.s = 'a' ; a IS NULL OR a > 0 ; TRUE ; 1 ; a IN (1) ; s COLLATE BINARY = u
m = 'Abc' ; m NOT IN ('a', 'WKT') ; length(m) = 1 ; m IS NULL ; m <> 'x' ; m LIKE '1%' ; 'n' || m ; substr(m, 1, 1)
"""
EXPRESSIONS = [e for line in CARRIED.strip().splitlines() for e in line.split(" ; ")]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_it_says_the_same_of_every_row(
    expression: str, ask: Callable[[str, str], tuple[list[Any], list[Any]]]
) -> None:
    term = translated(expression, COLUMNS)
    ours, theirs = ask(expression, term.sql)
    assert theirs == ours, term.sql
    if term.kind is not Kind.TEXT:
        with_truth = [None if v is None else int(v != 0) for v in ours] if term.kind is not Kind.BYTES else ours
        if term.kind is not Kind.BYTES:
            assert ask("1", truth(term))[1] == with_truth


@pytest.mark.parametrize(
    "expression",
    [
        "typeof(a) = 'integer'",
        "s GLOB 'a*'",
        "s REGEXP 'a'",
        "s MATCH 'a'",
        "e = 'x'",  # NOCASE
        "nullif(e, 'x') IS NULL",
        "m = '5'",  # and 5
        "m < 'a'",
        "m = s",
        "m BETWEEN '1' AND '2'",
        "m IN ('a', '10')",
        "s COLLATE NOCASE = 'x'",
        "a = 'x'",
        "s = 5",
        "s",  # a text as a condition
        "n * 2 > 1",  # exact there, a double's here
        "d >= '2020'",  # compared as texts
        "ts > '2020-01-01'",
        "ts > '2020-01-01 00:00:00'",  # .000000 comes after nothing
        "ts = '2020-01-01 00:00:00'",
        "substr(s, -1) = 'a'",
        "substr(s, a) = 'a'",
        "max(a, 3) > 1",  # NULL there, ignored here
        "min(a, c)",
        "round(f, 1) > 1",
        "CAST(s AS INTEGER) > 1",
        "CAST(f AS INTEGER) > 1",
        "CASE a WHEN 1 THEN 2 END",
        "CASE WHEN a THEN 'x' ELSE 1 END = 1",
        "random() > 1",
        "date('now') > d",
        "strftime('%Y', ts) > '2000'",
        "a > 9223372036854775808",
        "~a",
        "a << c",
        "f % 2",
        "f || 'x'",
        "length(d) = 10",
        "length(f) = 3",
        "(a, c) = (1, 2)",
        "a IN (SELECT 1)",
        "EXISTS (SELECT 1)",
        "rowid > 1",
        "nothing_of_this_name > 1",
        "likely(a)",
        "s LIKE u",
        "a LIKE '1%'",
        "s LIKE 'a' ESCAPE 'a'",
        "s -> '$.x'",
        "printf('%d', a) = '1'",
        "hex(x) = 'FF'",
        "b = s LIKE 'a%'",  # (b = s) LIKE 'a%' there
        "a = c NOT IN (1, 2)",
        "a BETWEEN 1 AND 2 = b",
        "a = NOT b = c",
        "a IS b = c",
        "a = c NOT NULL",
        "NOT s NOT NULL + b",  # NOT ((s NOT NULL) + b) there
        "a IN (1) + 1",
        "a ISNULL + 1",
        "a, c",
        "count(DISTINCT a)",
        "sum(a) OVER ()",
        "it's",
        "",
    ],
)
def test_what_postgresql_would_understand_otherwise_is_not_translated(expression: str) -> None:
    with pytest.raises(Untranslatable):
        condition(expression, COLUMNS)


_NUMBERS = st.sampled_from(["a", "c", "1", "2", "0", "-3", "length(s)", "b"])
_TEXTS = st.sampled_from(["s", "u", "'a'", "'Abc'", "lower(s)", "s || u", "trim(u)"])
_TESTS = st.one_of(
    st.tuples(_NUMBERS, st.sampled_from(["=", "<>", "<", ">=", "IS"]), _NUMBERS).map(" ".join),
    st.tuples(_TEXTS, st.sampled_from(["=", "!=", "<", ">=", "IS"]), _TEXTS).map(" ".join),
    st.tuples(_TEXTS, st.sampled_from(["LIKE 'a%'", "IS NULL", "NOT LIKE '%B%'", "NOT NULL", "IN ('a', '')"])).map(
        " ".join
    ),
    st.tuples(_NUMBERS, st.sampled_from(["IS NOT NULL", "IN (1, 2)", "BETWEEN 0 AND 3", "NOT IN (0, 5)"])).map(
        " ".join
    ),
    st.sampled_from(["b", "NOT b", "b = 0", "a", "NULL"]),
)


def _deeper(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Without parentheses as often as with: what binds stronger is a part of the meaning."""
    joined = st.tuples(inner, st.sampled_from(["AND", "OR", "AND NOT", "OR NOT", "=", "+", "<", "IS"]), inner).map(
        " ".join
    )
    return st.one_of(joined, inner.map(lambda e: f"NOT {e}"), inner.map(lambda e: f"({e})"))


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.recursive(_TESTS, _deeper, max_leaves=5))
def test_any_combination_says_the_same_or_is_not_translated(
    ask: Callable[[str, str], tuple[list[Any], list[Any]]], expression: str
) -> None:
    try:
        sql = condition(expression, COLUMNS)
        ours, theirs = ask(expression, sql)
    except (Untranslatable, psycopg2.ProgrammingError):  # PostgreSQL's own refusal becomes a finding, too
        return
    assert theirs == [None if v is None else int(v != 0) for v in ours], sql


def column(declared: str, text: str) -> tuple[Column, Any]:
    mapped = declared_type(declared)
    assert mapped is not None
    return Column("c", declared, False, text, "", "", "BINARY"), mapped.type


@pytest.mark.parametrize(
    ("declared", "text"),
    [
        ("INTEGER", "5"),
        ("INTEGER", "'7'"),
        ("INTEGER", "-1"),
        ("INTEGER", "(abs(-3) * 2)"),
        ("INTEGER", "0x10"),
        ("INTEGER", "true"),
        ("TEXT", "5"),
        ("TEXT", "1.50"),
        ("TEXT", "'it''s'"),
        ("TEXT", '"quoted"'),
        ("TEXT", "bare_word"),
        ("TEXT", "''"),
        ("VARCHAR(5)", "(upper('abc'))"),
        ("REAL", "1"),
        ("REAL", "1e300"),
        ("REAL", "-0.5"),
        ("NUMERIC(6,2)", "1.25"),
        ("NUMERIC", "'3.5'"),
        ("DATE", "'2020-01-31'"),
        ("DATETIME", "'2020-01-31 10:00:00'"),
        ("TIME", "'10:00:00'"),
        ("BLOB", "x'00ff'"),
        ("JSON", "'{\"a\": [1]}'"),
        ("UUID", "'6f9619ff-8b86-d011-b42d-00cf4fc964ff'"),
    ],
)
def test_a_constant_default_is_the_value_that_sqlite_stores(declared: str, text: str, postgres_url: str) -> None:
    made = default(*column(declared, text))
    with closing(sqlite3.connect(":memory:")) as con:
        con.execute(f"CREATE TABLE t (id, c {declared} DEFAULT {text})")
        con.execute("INSERT INTO t (id) VALUES (1)")
        ours = con.execute("SELECT c FROM t").fetchone()[0]
    with closing(psycopg2.connect(postgres_url)) as conn, conn.cursor() as cur:
        cur.execute(f"CREATE TEMP TABLE d (id int, c {column(declared, text)[1].name} DEFAULT {made})")
        cur.execute("INSERT INTO d (id) VALUES (1) RETURNING c")
        theirs = _plain(cur.fetchone()[0])
    if declared == "JSON":
        theirs = '{"a": [1]}' if theirs == {"a": [1]} else theirs
    assert str(theirs) == str(ours) or theirs == ours


@pytest.mark.parametrize("text", ["1", "true", "(1)", "0", "false"])
def test_a_default_of_a_boolean_is_a_boolean(text: str) -> None:
    assert default(*column("BOOLEAN", text)) == ("true" if text in ("1", "true", "(1)") else "false")


@pytest.mark.parametrize(
    ("declared", "text", "made"),
    [
        ("DATETIME", "CURRENT_TIMESTAMP", "(now() AT TIME ZONE 'UTC')"),
        ("TIMESTAMP", "(datetime ( 'now' ))", "(now() AT TIME ZONE 'UTC')"),
        ("TEXT", "current_timestamp", "to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')"),
        ("DATE", "CURRENT_DATE", "(now() AT TIME ZONE 'UTC')::date"),
        ("DATE", "date('now')", "(now() AT TIME ZONE 'UTC')::date"),
        ("TIME", "CURRENT_TIME", "(now() AT TIME ZONE 'UTC')::time(0)"),
        ("INTEGER", "strftime('%s', 'now')", "floor(extract(epoch FROM now()))::bigint"),
        ("DATETIME", "strftime('%Y-%m-%d %H:%M:%f', 'now')", "(now() AT TIME ZONE 'UTC')"),
        ("TEXT", "NULL", None),
        ("INTEGER", "(null)", None),
    ],
)
def test_the_present_moment_is_that_of_utc(declared: str, text: str, made: str | None) -> None:
    assert default(*column(declared, text)) == made


def test_a_moment_in_a_text_is_written_as_sqlite_writes_it(postgres_url: str) -> None:
    for text in (
        "strftime('%Y-%m-%dT%H:%MZ', 'now')",
        "strftime('%d.%m.%Y', 'now')",
        "date('now')",
        "'on ' || date('now')",
    ):
        try:
            made = default(*column("TEXT", text))
        except Untranslatable:
            assert "||" in text
            continue
        with (
            closing(psycopg2.connect(postgres_url)) as conn,
            conn.cursor() as cur,
            closing(sqlite3.connect(":memory:")) as con,
        ):
            before = con.execute(f"SELECT {text}").fetchone()[0]
            cur.execute(f"SELECT {made}")
            assert cur.fetchone()[0] in (before, con.execute(f"SELECT {text}").fetchone()[0])


@pytest.mark.parametrize(
    ("declared", "text"),
    [
        ("TEXT", "lower(hex(randomblob(16)))"),
        ("INTEGER", "random()"),
        ("DATETIME", "datetime('now', 'localtime')"),
        ("DATETIME", "datetime('now', '+1 day')"),
        ("DATETIME", "strftime('%Y-%m-%dT%H:%M:%SZ', 'now')"),
        ("DATETIME", "'yesterday'"),
        ("DATE", "CURRENT_TIMESTAMP"),
        ("INTEGER", "'abc'"),
        ("BOOLEAN", "'true'"),
        ("VARCHAR(3)", "'toolong'"),
        ("TEXT", "strftime('%W', 'now')"),
        ("REAL", "julianday('now')"),
    ],
)
def test_any_other_default_is_not_carried(declared: str, text: str) -> None:
    with pytest.raises(Untranslatable):
        default(*column(declared, text))
