"""The audit and the salvage as checks: what they make of what was found, and the real ones on real databases."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
import sys
import tomllib
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import psycopg2
import pytest

import transfer.backup
from checks.audit import audit
from checks.contract import Context
from checks.salvage import salvage
from state.verdicts import Verdict
from tminus.cli.db.lines import audit_lines, rule_lines, table

USERS = """
CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT, age INTEGER);
INSERT INTO users VALUES (1, 'ada@example.org', 36), (2, 'canary-4711@example.org', 40);
"""


def small(path: Path, script: str) -> None:
    with closing(sqlite3.connect(path)) as con:
        con.executescript(script)


def sql(url: str, *statements: str) -> None:
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cur:
        for statement in statements:
            cur.execute(statement)


@dataclass
class Finding:
    severity: str = "blocks"
    table: str = "users"
    column: str | None = "age"
    count: int | None = 2
    examples: tuple[Any, ...] = (SimpleNamespace(key="id=5", value="'abc'"),)
    text: str = "a text in a column of type integer"
    rule: str | None = '"users.age" = "cast"'
    settled: bool = False
    kind: str = "storage"


@dataclass
class Audit:
    findings: tuple[Finding, ...] = ()
    tables: int = 1
    rows: int = 9
    seconds: float = 0.1
    target: str | None = None

    @property
    def clean(self) -> bool:
        return not any(f.severity == "blocks" and not f.settled for f in self.findings)


@pytest.fixture
def context(tmp_path: Path) -> Context:
    small(tmp_path / "app.db", USERS)
    rules = {"private": ["users.email"], "rules": {"users.age": "cast"}}
    return Context(item="x", project=tmp_path, artefacts=tmp_path / "artefacts", transfer=rules)


def instead(monkeypatch: pytest.MonkeyPatch, name: str, function: Any) -> None:
    """Let `from transfer.NAME import NAME` find FUNCTION."""
    module = ModuleType(f"transfer.{name}")
    setattr(module, name, function)
    monkeypatch.setitem(sys.modules, f"transfer.{name}", module)


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        (Audit((Finding(),)), "fail"),
        (Audit((Finding(settled=True),)), "pass"),
        (Audit((Finding(), Finding(settled=True))), "fail"),
        (Audit((Finding(severity="changes"),)), "warn"),
        (Audit((Finding(severity="changes", settled=True),)), "pass"),
        (Audit((Finding(severity="note", rule=None),)), "pass"),
        (Audit(), "pass"),
        (Audit(tables=0, rows=0), "unknown"),
        (Audit((Finding(),), tables=0), "unknown"),
    ],
)
def test_what_blocks_and_has_no_rule_fails_and_what_would_be_changed_warns(monkeypatch, context, found, verdict):
    asked: dict[str, Any] = {}

    def look(path, url, **more):
        asked.update(more, path=path, url=url)
        return found

    instead(monkeypatch, "audit", look)
    outcome = audit(context, sqlite="app.db", database_url="postgresql://a/b")
    assert outcome.verdict == verdict
    assert (asked["path"], asked["url"]) == (context.project / "app.db", "postgresql://a/b")
    assert asked["rules"] == {"users.age": ("cast",)}
    assert asked["private"] == {"users.email"}
    if verdict in ("fail", "warn"):
        assert '"users.age" = "cast"' in outcome.hint
        (line,) = [v for k, v in outcome.evidence.items() if k in ("blocks 1", "changes 1")]
        assert line == "users.age (2): a text in a column of type integer: id=5: 'abc'"


def test_an_audit_that_says_it_is_not_clean_never_passes(monkeypatch, context):
    class Strange(Audit):
        clean = False  # for a reason that this version does not know

    instead(monkeypatch, "audit", lambda *args, **more: Strange())
    assert audit(context, sqlite="app.db").verdict is Verdict.FAIL


def test_a_private_column_that_does_not_exist_is_refused(monkeypatch, context):
    instead(monkeypatch, "audit", lambda *args, **more: Audit())
    misspelled = dataclasses.replace(context, transfer={"private": ["users.emial"]})
    outcome = audit(misspelled, sqlite="app.db")
    assert outcome.verdict is Verdict.FAIL
    assert "'users.email'" in outcome.actual


def test_the_lines_of_an_audit_name_everything_and_teach_the_rules_once():
    findings = (
        Finding(severity="note", column=None, text="a view: not carried", count=None, examples=(), rule=None),
        Finding(severity="changes", column="born", rule='"users.born" = "to-utc"'),
        Finding(),
        Finding(column="name", settled=True, rule='"users.name" = "strip-nul"'),
    )
    lines = audit_lines(Audit(findings))
    assert lines[0].startswith("NOT CLEAN: 9 rows of 1 tables")
    heads = [
        line.split("  ")[0].strip() for line in lines if line.startswith(("BLOCKS", "CHANGES", "note", "settled"))
    ]
    assert heads == ["BLOCKS", "CHANGES", "note", "settled"]
    assert lines[lines.index("[transfer.rules]") + 1 :] == ['"users.age" = "cast"', '"users.born" = "to-utc"']
    assert audit_lines(Audit())[0].startswith("CLEAN")
    assert audit_lines(Audit(tables=0))[0].startswith("NOTHING TO LOOK AT")


def test_rules_that_are_suggested_for_one_column_may_stand_together_in_a_file():
    lines = rule_lines(['"a.b" = "cast"', '"a.c\\"" = "null"', '"a.b" = "truncate"', '"a.b" = "cast"'])
    assert tomllib.loads("\n".join(lines)) == {"a.b": ["cast", "truncate"], 'a.c"': "null"}


def test_a_table_of_results_is_aligned_and_cleaned():
    assert table(("t", "n"), [("a\x1b[31mb", 1234), ("c", None)]) == ["t       n", "ab  1,234", "c       -"]


# --- salvage ------------------------------------------------------------------------------------------------------


@dataclass
class Count:
    table: str = "users"
    inserted: int = 1
    updated: int = 2
    deleted: int = 0
    unchanged: int = 5


@dataclass
class Salvage:
    path: Path | None
    tables: tuple[Count, ...] = (Count(),)
    conflicts: tuple[Any, ...] = ()
    equal: bool = True
    seconds: float = 0.1
    findings: tuple[Any, ...] = field(default_factory=tuple)


CONFLICT = SimpleNamespace(table="users", key="id=5", column="email", text="the same in another row")


@pytest.mark.parametrize(
    ("said", "dry_run", "verdict"),
    [
        ({}, False, "pass"),
        ({"conflicts": (CONFLICT,), "equal": False}, False, "fail"),
        ({"conflicts": (CONFLICT,)}, False, "fail"),
        ({"equal": False}, False, "fail"),
        ({"tables": ()}, False, "unknown"),
        ({"equal": False}, True, "pass"),
        ({"conflicts": (CONFLICT,), "equal": False}, True, "fail"),
    ],
)
def test_a_salvage_with_a_conflict_or_a_difference_fails_and_its_file_is_kept(
    monkeypatch, context, said, dry_run, verdict
):
    def carry(base, url, into, *, dry_run, progress, cancelled, **rules):
        assert base == context.project / "app.db"
        if dry_run:
            return Salvage(None, **said)
        with closing(sqlite3.connect(into)) as con:
            con.execute("CREATE TABLE users (id INTEGER PRIMARY KEY)")
        return Salvage(into, **said)

    instead(monkeypatch, "salvage", carry)
    into = context.project / "back"
    outcome = salvage(context, backup="app.db", database_url="postgresql://a/b", into=into, dry_run=dry_run)
    assert outcome.verdict == verdict
    assert not list(context.artefacts.iterdir())  # what it worked on is gone
    if dry_run:
        assert not into.exists()
        assert "path" not in outcome.evidence
    else:
        made = Path(outcome.evidence["path"])
        assert made.parent == into
        assert transfer.backup.verify_backup(made).ok  # a backup like any other, with its manifest
    if "conflicts" in said:
        assert outcome.evidence["conflict 1"] == "users id=5 email: the same in another row"


def test_a_backup_that_was_touched_is_no_base_for_a_salvage(monkeypatch, context):
    instead(monkeypatch, "salvage", lambda *args, **more: Salvage(None))
    made = transfer.backup.backup(context.project / "app.db", context.project)
    with closing(sqlite3.connect(made.path)) as con:
        con.execute("CREATE TABLE more (id INTEGER)")
    outcome = salvage(context, backup=str(made.path), database_url="postgresql://a/b", into=context.project)
    assert outcome.verdict is Verdict.FAIL
    assert "sha256" in outcome.actual


async def test_the_plan_of_a_salvage_names_the_file_and_stays_the_same(look):
    with_ = {"backup": "final", "database_url": "postgresql://a/b", "into": "back"}
    plan = await look.plan("transfer.salvage", with_)
    assert "back/salvaged-<UTC time>.db" in plan.lines[-1]
    assert plan.danger == "reversible"
    assert plan == await look.plan("transfer.salvage", with_)
    assert (await look.plan("transfer.salvage", with_ | {"dry_run": True})).danger == "safe"


# --- the real ones ------------------------------------------------------------------------------------------------


async def test_a_value_that_postgres_refuses_fails_the_audit_until_a_rule_settles_it(look, database):
    pytest.importorskip("transfer.audit", reason="the audit is not there yet")
    small(look.project / "app.db", USERS)
    sql(
        database,
        "CREATE TABLE users (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, email varchar(40), age int)",
    )
    with_ = {"sqlite": "app.db", "database_url": database}
    assert (await look("transfer.audit", with_)).verdict is Verdict.PASS
    small(look.project / "app.db", "UPDATE users SET age = 'canary-age' WHERE id = 2")
    found = await look("transfer.audit", with_)
    assert found.verdict is Verdict.FAIL
    assert "users.age" in found.actual
    assert "canary-age" in repr(found.evidence)
    hidden = await look("transfer.audit", with_, transfer={"private": ["users.age"]})
    assert hidden.verdict is Verdict.FAIL
    assert "canary" not in repr((hidden, look.steps))
    settled = await look("transfer.audit", with_, transfer={"rules": {"users.age": "null"}})
    assert settled.verdict is Verdict.PASS, settled
    gone = await look("transfer.audit", with_ | {"database_url": "postgresql://app:canary-pass@127.0.0.1:1/app"})
    assert gone.verdict is Verdict.ERROR
    assert "canary" not in repr(gone)


async def test_what_was_written_since_the_copy_comes_back_and_a_conflict_fails(look, database):
    pytest.importorskip("transfer.salvage", reason="the salvage is not there yet")
    small(look.project / "app.db", USERS + "CREATE UNIQUE INDEX one ON users (email COLLATE NOCASE)")
    sql(database, "CREATE TABLE users (id int PRIMARY KEY, email text, age int)")
    made = await look("sqlite.backup", {"source": "app.db", "into": "backups"})
    to = {"backup": "f", "database_url": database}
    assert (await look("transfer.copy", to, evidence={"f": made})).verdict is Verdict.PASS
    sql(database, "UPDATE users SET age = 41 WHERE id = 2", "INSERT INTO users VALUES (3, 'new@example.org', 1)")
    back = await look("transfer.salvage", to | {"into": "back"}, evidence={"f": made})
    assert back.verdict is Verdict.PASS, back
    with closing(sqlite3.connect(look.project / back.evidence["path"])) as con:
        assert con.execute("SELECT id, age FROM users ORDER BY id").fetchall() == [(1, 36), (2, 41), (3, 1)]
    small(look.project / "app.db", "SELECT 1")
    same = await look("transfer.compare", {"backup": "b", "database_url": database}, evidence={"b": back})
    assert same.verdict is Verdict.PASS, same
    sql(database, "INSERT INTO users VALUES (4, 'ADA@example.org', 1)")  # the same to SQLite's index
    clash = await look("transfer.salvage", to | {"into": "back"}, evidence={"f": made})
    assert clash.verdict is Verdict.FAIL, clash
    assert clash.evidence["conflicts"] == 1
    assert json.loads(Path(str(look.project / clash.evidence["path"]) + ".json").read_text())["sha256"]
    with_ = {"live": "app.db", "backup": "s", "otherwise": "f"}
    for salvaged, verdict in ((back, Verdict.PASS), (clash, Verdict.WARN)):
        put = await look("sqlite.restore", with_, evidence={"s": salvaged, "f": made})
        assert put.verdict is verdict, put
        with closing(sqlite3.connect(look.project / "app.db")) as con:
            assert con.execute("SELECT age FROM users WHERE id = 2").fetchone() == (41,)


async def test_rows_that_a_rule_left_out_of_the_copy_are_not_taken_for_deleted_ones(look, database):
    small(look.project / "app.db", USERS + "UPDATE users SET age = 'no number' WHERE id = 2")
    sql(database, "CREATE TABLE users (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, email text, age int)")
    made = await look("sqlite.backup", {"source": "app.db", "into": "backups"})
    to = {"backup": "f", "database_url": database}
    rules = {"rules": {"users.age": "skip-row"}}
    assert (await look("transfer.copy", to, evidence={"f": made}, transfer=rules)).verdict is Verdict.PASS
    found = await look("transfer.salvage", to | {"into": "back"}, evidence={"f": made}, transfer=rules)
    assert found.verdict is Verdict.PASS, found
    assert (found.evidence["deleted"], found.evidence["conflicts"]) == (0, 0)
    [file] = (look.project / "back").glob("*.db")
    with closing(sqlite3.connect(file)) as con:
        assert con.execute("SELECT age FROM users WHERE id = 2").fetchall() == [("no number",)]
