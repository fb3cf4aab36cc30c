from __future__ import annotations

import json
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from transfer.comparing import compare
from transfer.copying import copy
from transfer.errors import CouldNotLook, Refused
from transfer.rules import KNOWN, Rules, explained, read_rules

Run = Callable[..., list[tuple[Any, ...]]]


def lite(path: Path, script: str) -> Path:
    with closing(sqlite3.connect(path)) as con:
        con.executescript(script)
    return path


def one_value(path: Path, value: str) -> Path:
    return lite(path, f"CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, NULL), (2, {value})")


# rule(s), the target's type, the value in SQLite, how PostgreSQL prints what arrives
CASES = [
    ("cast", "integer", "'12'", "12"),
    ("cast", "integer", "3.0", "3"),
    ("cast", "boolean", "'Yes'", "true"),
    ("cast", "boolean", "'f'", "false"),
    ("cast", "double precision", "'1.5e3'", "1500"),
    ("cast", "text", "42", "42"),
    ("cast", "text", "0.1", "0.1"),
    ("cast", "text", "X'C3A9'", "é"),
    ("cast", "bytea", "'QUJD'", "\\x51554a44"),
    ("strip-nul", "text", "'a' || char(0) || 'b'", "ab"),
    ("replace-nul", "text", "'a' || char(0) || 'b'", "a\ufffdb"),
    ("replace-invalid-utf8", "text", "CAST(X'61FF62' AS TEXT)", "a\ufffdb"),
    ("latin-1", "text", "CAST(X'63E974E9' AS TEXT)", "cété"),
    ("epoch-seconds", "timestamp", "1700000000", "2023-11-14 22:13:20"),
    ("epoch-seconds", "timestamp", "1700000000.25", "2023-11-14 22:13:20.25"),
    ("epoch-seconds", "timestamptz", "-1", "1969-12-31 23:59:59+00"),
    ("epoch-seconds", "date", "86400", "1970-01-02"),
    ("epoch-milliseconds", "timestamp", "1700000000123", "2023-11-14 22:13:20.123"),
    ("julian-day", "timestamp", "2460310.5", "2024-01-01 00:00:00"),
    ("to-utc", "timestamp", "'2024-01-01T00:00:00+05:30'", "2023-12-31 18:30:00"),
    ("round", "numeric(10,2)", "'12.345'", "12.35"),
    ("round", "numeric(10,2)", "-12.345", "-12.35"),
    ("round", "integer", "1.5", "2"),
    ("round", "real", "0.1", "0.1"),
    ("truncate", "varchar(3)", "'éééé'", "ééé"),
    ("empty-to-null", "date", "''", None),
    ("null", "integer", "'abc'", None),
    ("null", "date", "'2024-02-30'", None),
    ("null", "jsonb", "'{bad'", None),
    (["strip-nul", "truncate"], "varchar(2)", "'a' || char(0) || 'bc'", "ab"),
    (["cast", "null"], "integer", "'12x'", None),
]


@pytest.mark.parametrize(("rule", "type_", "value", "arrives"), CASES)
def test_a_rule_settles_what_is_refused_without_it(
    tmp_path: Path, database: str, run: Run, *, rule: Any, type_: str, value: str, arrives: str | None
) -> None:
    path = one_value(tmp_path / "a.db", value)
    run(database, f"CREATE TABLE t (id int PRIMARY KEY, v {type_})")
    with pytest.raises(Refused, match=r"t, id=2|t id=2"):
        copy(path, database)
    rules = read_rules({"t.v": rule})
    report = copy(path, database, rules=rules)
    run(database, "SET TimeZone = 'UTC'")
    assert run(database, "SELECT v::text FROM t ORDER BY id") == [(None,), (arrives,)]
    assert [(u.column, u.count) for u in report.rules] == [("t.v", 1)] * (
        1 if isinstance(rule, str) else len(report.rules)
    )
    assert report.rules[-1].rule in ([rule] if isinstance(rule, str) else rule)
    assert compare(path, database, rules=rules).equal
    assert not compare(path, database).equal


def test_every_rule_is_explained_and_tried_here() -> None:
    assert {name for name, about in explained() if about} == set(KNOWN)
    tried = {r for rule, *_ in CASES for r in ([rule] if isinstance(rule, str) else rule)}
    assert set(KNOWN) - tried == {"skip-row", "skip-orphan", "null-orphan", "skip-table"}


def test_a_rule_leaves_alone_what_it_is_not_about(tmp_path: Path, database: str, run: Run) -> None:
    path = lite(
        tmp_path / "a.db",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES (1, 7), (2, '8'), (3, 'x'), (4, '')",
    )
    run(database, "CREATE TABLE t (id int PRIMARY KEY, v int)")
    with pytest.raises(Refused, match="t, id=3, column v: 'x'"):
        copy(path, database, rules=read_rules({"t.v": ["cast", "truncate"]}))


def test_rows_that_a_rule_skips_are_in_the_reject_file_and_the_totals_add_up(
    tmp_path: Path, database: str, run: Run
) -> None:
    path = lite(
        tmp_path / "a.db",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n, s VARCHAR(3) NOT NULL);"
        "INSERT INTO t VALUES (1, 1, 'a'), (2, 'abc', 'b'), (3, 99999999999, 'c'), (4, 4, 'long'),"
        " (5, NULL, 'e'), (6, X'00FF', CAST(X'FF' AS TEXT))",
    )
    run(database, "CREATE TABLE t (id int PRIMARY KEY, n int, s varchar(3) NOT NULL)")
    rules = read_rules({"t.n": "skip-row", "t.s": "skip-row"})
    with pytest.raises(Refused, match="no file is named"):
        copy(path, database, rules=rules)
    rejects = tmp_path / "rejects.jsonl"
    report = copy(path, database, rules=rules, rejects=rejects)
    assert (report.rows, report.rejected, report.rejects) == (2, 4, rejects)
    assert [(t.rows, t.rejected) for t in report.tables] == [(2, 4)]
    assert run(database, "SELECT id FROM t ORDER BY id") == [(1,), (5,)]
    lines = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert [(x["table"], x["key"], x["column"], x["value"]) for x in lines] == [
        ("t", {"id": 2}, "n", "abc"),
        ("t", {"id": 3}, "n", 99999999999),
        ("t", {"id": 4}, "s", "long"),
        ("t", {"id": 6}, "n", {"blob as hex": "00ff"}),
    ]
    assert [x["reason"] for x in lines[:3]] == [
        "a text in a column of type integer",
        "out of range for type integer",
        "4 characters, too long for type character varying(3)",
    ]
    assert stat.S_IMODE(rejects.stat().st_mode) == 0o600
    assert compare(path, database, rules=rules).equal
    assert {d.kind for d in compare(path, database).differences} == {"missing"}


def test_a_reject_file_is_never_written_over_and_not_left_by_a_failure(
    tmp_path: Path, database: str, run: Run
) -> None:
    path = one_value(tmp_path / "a.db", "'x'")
    run(database, "CREATE TABLE t (id int PRIMARY KEY, v int)")
    there = tmp_path / "there.jsonl"
    there.write_text("mine")
    rules = read_rules({"t.v": "skip-row"})
    with pytest.raises(CouldNotLook, match=r"there\.jsonl"):
        copy(path, database, rules=rules, rejects=there)
    assert there.read_text() == "mine"
    run(database, "ALTER TABLE t ADD CHECK (id > 1)")
    with pytest.raises(Refused, match="check"):
        copy(path, database, rules=rules, rejects=tmp_path / "new.jsonl")
    assert not (tmp_path / "new.jsonl").exists()


PARENTS = """
CREATE TABLE p (id INTEGER PRIMARY KEY, n);
CREATE TABLE c (id INTEGER PRIMARY KEY, pid INTEGER REFERENCES p);
CREATE TABLE g (id INTEGER PRIMARY KEY, cid INTEGER REFERENCES c (id), up INTEGER REFERENCES g (id));
INSERT INTO p VALUES (1, 1), (2, 'bad');
INSERT INTO c VALUES (10, 1), (11, 2), (12, 99), (13, NULL);
INSERT INTO g VALUES (20, 10, NULL), (21, 11, NULL), (22, 12, NULL), (23, 13, 20), (24, 4711, 20);
"""
TARGETS = (
    "CREATE TABLE p (id int PRIMARY KEY, n int)",
    "CREATE TABLE c (id int PRIMARY KEY, pid int REFERENCES p)",
    "CREATE TABLE g (id int PRIMARY KEY, cid int REFERENCES c, up int REFERENCES g)",
)


def test_orphans_are_skipped_with_those_who_hang_on_them(tmp_path: Path, database: str, run: Run) -> None:
    path = lite(tmp_path / "a.db", PARENTS)
    run(database, *TARGETS)
    rules = read_rules({"p.n": "skip-row", "c.pid": "skip-orphan", "g.cid": "skip-orphan"})
    report = copy(path, database, rules=rules, rejects=tmp_path / "r.jsonl")
    assert run(database, "SELECT id FROM p") == [(1,)]
    assert run(database, "SELECT id FROM c ORDER BY id") == [(10,), (13,)]
    assert run(database, "SELECT id FROM g ORDER BY id") == [(20,), (23,)]
    assert report.rows + report.rejected == 11
    assert sum(u.count for u in report.rules) == report.rejected == 6
    assert compare(path, database, rules=rules).equal


def test_references_to_nothing_become_null(tmp_path: Path, database: str, run: Run) -> None:
    path = lite(tmp_path / "a.db", PARENTS + "UPDATE p SET n = 2 WHERE id = 2")
    run(database, *TARGETS)
    rules = read_rules({"c.pid": "null-orphan", "g.cid": "null-orphan"})
    report = copy(path, database, rules=rules)
    assert run(database, "SELECT id FROM c WHERE pid IS NULL ORDER BY id") == [(12,), (13,)]
    assert run(database, "SELECT id FROM g WHERE cid IS NULL") == [(24,)]
    assert {(u.column, u.rule, u.count) for u in report.rules} == {
        ("c.pid", "null-orphan", 1),
        ("g.cid", "null-orphan", 1),
    }
    assert compare(path, database, rules=rules).equal


def test_a_table_is_left_out_only_by_name(tmp_path: Path, database: str, run: Run) -> None:
    path = lite(tmp_path / "a.db", "CREATE TABLE old (x); CREATE TABLE t (id INTEGER); INSERT INTO t VALUES (1)")
    run(database, "CREATE TABLE t (id int)")
    report = copy(path, database, rules=read_rules({"old": "skip-table"}))
    assert [t.table for t in report.tables] == ["t"]
    assert any(f.table == "old" and "left out by a rule" in f.text for f in report.findings)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"t.v": "strip_nul"}, "'t.v': there is no rule 'strip_nul'; did you mean 'strip-nul'"),
        ({"t.v": 5}, "known are: cast"),
        ({"t": ["skip-table", "cast"]}, "stands alone"),
    ],
)
def test_a_mistake_in_a_rule_is_told_with_its_mend(given: dict[str, object], said: str) -> None:
    with pytest.raises(Refused, match=said):
        read_rules(given)


@pytest.mark.parametrize("key", ["t.w", "u.v", "u", "t"])
def test_a_rule_for_nothing_is_refused(tmp_path: Path, database: str, run: Run, key: str) -> None:
    path = one_value(tmp_path / "a.db", "1")
    run(database, "CREATE TABLE t (id int PRIMARY KEY, v int)")
    with pytest.raises(Refused, match=f"does not exist on both sides: {key}"):
        copy(path, database, rules=Rules({key: ("cast",)}))


def test_an_orphan_rule_of_a_column_that_refers_to_nothing_is_refused(
    tmp_path: Path, database: str, run: Run
) -> None:
    path = one_value(tmp_path / "a.db", "1")
    run(database, "CREATE TABLE t (id int PRIMARY KEY, v int)")
    with pytest.raises(Refused, match=r"t\.v: a rule about orphans"):
        copy(path, database, rules=read_rules({"t.v": "skip-orphan"}))
