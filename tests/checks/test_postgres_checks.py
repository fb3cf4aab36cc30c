"""A real PostgreSQL, real migrations, and a real move from SQLite."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from alembic.script import ScriptDirectory

from state.verdicts import Outcome, Verdict
from tests.cli.projects import flask_project

NOWHERE = "postgresql://app:canary-pass@127.0.0.1:1/app"
UNKNOWN_HOST = "postgresql://app:canary-pass@no-such-host.invalid/app"


def sql(url: str, *statements: str) -> None:
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cur:
        for statement in statements:
            cur.execute(statement)


async def test_a_server_that_fits_passes_and_says_what_it_is(look, database):
    outcome = await look("postgres.connect", {"database_url": database, "timezone": "Etc/UTC"})
    assert outcome.verdict in (Verdict.PASS, Verdict.WARN), outcome
    assert outcome.evidence["encoding"] == "UTF8"
    assert outcome.evidence["may_create"] is True
    assert outcome.evidence["latency_ms"] > 0
    assert outcome.evidence["tls"] is False


@pytest.mark.parametrize(
    ("with_", "said"),
    [
        ({"host": "db.example"}, "host 127.0.0.1, not db.example"),
        ({"database": "other"}, "not other"),
        ({"min_version": 99}, "older than 99"),
        ({"tls": "require"}, "not encrypted"),
    ],
)
async def test_another_server_than_expected_fails(look, database, with_, said):
    outcome = await look("postgres.connect", {"database_url": database, **with_})
    assert outcome.verdict is Verdict.FAIL
    assert said in outcome.actual


async def test_a_role_that_may_not_create_fails(look, server, database):
    sql(server.superuser_url.rpartition("/")[0] + "/" + database.rpartition("/")[2],
        "ALTER SCHEMA public OWNER TO postgres", "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
        "ALTER DATABASE " + database.rpartition("/")[2] + " OWNER TO postgres")  # fmt: skip
    outcome = await look("postgres.connect", {"database_url": database})
    assert outcome.verdict is Verdict.FAIL
    assert "may not create" in outcome.actual


async def test_a_scheme_that_sqlalchemy_refuses_and_a_strange_time_zone_are_warnings(look, database):
    sql(database, f"ALTER DATABASE {database.rpartition('/')[2]} SET timezone = 'Asia/Tokyo'")
    url = database.replace("postgresql://", "postgres://")
    outcome = await look("postgres.connect", {"database_url": url})
    assert outcome.verdict is Verdict.WARN
    assert "postgres://" in outcome.actual
    assert "Asia/Tokyo" in outcome.actual


@pytest.mark.parametrize(("url", "verdict"), [(NOWHERE, "fail"), (UNKNOWN_HOST, "error"), ("mysql://x", "fail")])
async def test_no_connection_is_never_green_and_tells_no_password(look, url, verdict):
    outcome = await look("postgres.connect", {"database_url": url})
    assert outcome.verdict == verdict, outcome
    assert "canary" not in repr(outcome)


async def test_a_setting_that_is_missing_is_unknown(look):
    outcome = await look("postgres.connect", {"database_url": "${db}"}, targets={"db": "${env:DATABASE_URL}"})
    assert outcome.verdict is Verdict.UNKNOWN


@pytest.fixture
async def backup(look, sample) -> Outcome:
    outcome = await look("sqlite.backup", {"source": str(sample.sqlite), "into": "backups"})
    assert outcome.verdict is Verdict.PASS, outcome
    return outcome


async def test_the_whole_way_from_migrations_to_the_proof(look, sample, database, backup):
    app = {"app": str(sample.app_dir), "python": sys.executable}
    evidence = {"final": backup}
    to = {"database_url": "${db}"}
    secret = {"targets": {"db": "${env:DB}"}, "environ": {"DB": database}, "evidence": evidence}

    early = await look("postgres.tables", to | app | {"sqlite": "final"}, **secret)
    assert early.verdict is Verdict.FAIL
    assert "users" in early.actual
    early = await look("transfer.compare", to | {"backup": "final"}, **secret)
    assert early.verdict is not Verdict.PASS

    plan = await look.plan("alembic.upgrade", to | app, **secret)
    assert "-m alembic upgrade head" in plan.lines[0]
    assert plan.target.endswith(" as app")
    upgraded = await look("alembic.upgrade", to | app, **secret)
    assert upgraded.verdict is Verdict.PASS, upgraded
    assert upgraded.evidence["before"] == "none"
    assert upgraded.evidence["after"] == upgraded.evidence["head"]

    tables = await look("postgres.tables", to | app | {"sqlite": "final"}, **secret)
    assert tables.verdict is Verdict.PASS, tables

    copied = await look("transfer.copy", to | {"backup": "final"}, **secret)
    assert copied.verdict is Verdict.PASS, copied
    # alembic_version is left alone, and its one row is not among those copied.
    assert copied.evidence["rows"] == backup.evidence["rows"] - 1
    assert any(step.unit == "rows" for step in look.steps)

    compared = await look("transfer.compare", to | {"backup": "final"}, **secret)
    assert compared.verdict is Verdict.PASS, compared

    again = await look("transfer.copy", to | {"backup": "final"}, **secret)
    assert again.verdict is Verdict.PASS, again
    assert "already" in again.actual

    sql(database, "UPDATE users SET display_name = 'changed' WHERE id = 5")
    differs = await look("transfer.compare", to | {"backup": "final"}, **secret)
    assert differs.verdict is Verdict.FAIL
    assert "users" in differs.actual
    assert "display_name" in repr(differs.evidence)
    occupied = await look("transfer.copy", to | {"backup": "final"}, **secret)
    assert occupied.verdict is Verdict.FAIL, occupied
    assert "rows" in occupied.actual
    password = database.split(":")[2].split("@")[0]
    assert password not in repr((early, plan, upgraded, tables, copied, compared, again, differs, look.lines))


async def test_a_copy_without_a_backup_or_a_server_cannot_look(look, database, backup):
    outcome = await look("transfer.copy", {"backup": "final", "database_url": database})
    assert outcome.verdict is Verdict.UNKNOWN
    for check in ("transfer.copy", "transfer.compare"):
        outcome = await look(check, {"backup": "f", "database_url": NOWHERE}, evidence={"f": backup})
        assert outcome.verdict is Verdict.ERROR
        assert "canary" not in repr(outcome)


async def test_a_cancelled_copy_leaves_the_target_as_it_was(look, sample, database, until):
    with closing(sqlite3.connect(look.project / "things.db")) as con:
        con.execute("CREATE TABLE things (id INTEGER PRIMARY KEY)")
        con.execute("INSERT INTO things VALUES (1)")
        con.commit()
    sql(database, "CREATE TABLE things (id int PRIMARY KEY)")
    backup = await look("sqlite.backup", {"source": "things.db", "into": "backups"})
    cancel = asyncio.Event()
    # Somebody holds the table, so that the copy stands still when it is cancelled.
    with closing(psycopg2.connect(database)) as holder, holder.cursor() as cur:
        cur.execute("LOCK TABLE things IN ACCESS SHARE MODE")

        def waits() -> bool:
            cur.execute("SELECT count(*) FROM pg_locks WHERE relation = 'things'::regclass AND NOT granted")
            return cur.fetchone() != (0,)

        call = {"backup": "final", "database_url": database}
        task = asyncio.create_task(look("transfer.copy", call, evidence={"final": backup}, cancel=cancel))
        await until(waits)
        cancel.set()
        outcome = await task
        assert outcome.verdict is Verdict.ERROR
        assert outcome.actual.startswith("cancelled")
        cur.execute("SELECT count(*) FROM things")
        assert cur.fetchone() == (0,)
    copied = await look("transfer.copy", call, evidence={"final": backup})
    assert copied.verdict is Verdict.PASS, copied


async def test_a_connection_that_is_cut_in_the_middle_of_a_copy_is_an_error_and_a_second_try_works(
    look, sample, database, until
):
    with closing(sqlite3.connect(look.project / "things.db")) as con:
        con.execute("CREATE TABLE things (id INTEGER PRIMARY KEY)")
        con.execute("INSERT INTO things VALUES (1)")
        con.commit()
    sql(database, "CREATE TABLE things (id int PRIMARY KEY)")
    backup = await look("sqlite.backup", {"source": "things.db", "into": "backups"})
    call = {"backup": "final", "database_url": database}
    with closing(psycopg2.connect(database)) as holder, holder.cursor() as cur:
        cur.execute("LOCK TABLE things IN ACCESS SHARE MODE")
        waiting = "SELECT pid FROM pg_locks WHERE relation = 'things'::regclass AND NOT granted"

        def waits() -> bool:
            cur.execute(waiting)
            return cur.fetchone() is not None

        task = asyncio.create_task(look("transfer.copy", call, evidence={"final": backup}))
        await until(waits)
        cur.execute(f"SELECT pg_terminate_backend(pid) FROM ({waiting}) AS w")
        outcome = await task
        assert outcome.verdict is Verdict.ERROR, outcome
        cur.execute("SELECT count(*) FROM things")
        assert cur.fetchone() == (0,)
    copied = await look("transfer.copy", call, evidence={"final": backup})
    assert copied.verdict is Verdict.PASS, copied


async def test_a_revision_that_fails_is_named_and_leaves_the_revision_before(look, sample, database, tmp_path):
    app = tmp_path / "app"
    shutil.copytree(sample.app_dir, app, ignore=shutil.ignore_patterns(".git", "instance"))
    (app / "migrations/versions/9999_bad.py").write_text(
        "from alembic import op\nrevision = '9999'\n"
        f"down_revision = {ScriptDirectory(str(app / 'migrations')).get_current_head()!r}\n"
        "def upgrade(): op.execute('CREATE TABLE x (a DATETIME)')\ndef downgrade(): ...\n"
    )
    with_ = {"app": str(app), "python": sys.executable, "database_url": database}
    outcome = await look("alembic.upgrade", with_)
    assert outcome.verdict is Verdict.FAIL, outcome
    assert "datetime" in outcome.actual.lower()
    (app / "migrations/versions/9998_fork.py").write_text(
        "revision = '9998'\ndown_revision = None\ndef upgrade(): ...\ndef downgrade(): ...\n"
    )
    outcome = await look("alembic.upgrade", with_)
    assert outcome.verdict is Verdict.FAIL
    assert "2 heads" in outcome.actual


@pytest.mark.parametrize("broken", [{"app": "nowhere"}, {"python": "no-such-python"}, {"database_url": NOWHERE}])
async def test_migrations_that_cannot_be_looked_at_are_an_error(look, sample, database, broken):
    with_ = {"app": str(sample.app_dir), "python": sys.executable, "database_url": database} | broken
    outcome = await look("alembic.upgrade", with_)
    assert outcome.verdict is Verdict.ERROR, outcome
    assert "canary" not in repr(outcome)


async def test_a_missing_column_and_an_invalid_constraint_are_named(look, database):
    path = Path(look.project) / "small.db"
    with closing(sqlite3.connect(path)) as con:
        con.execute("CREATE TABLE Things (id INTEGER PRIMARY KEY, label TEXT)")
    sql(database, "CREATE TABLE things (id int PRIMARY KEY)")
    with_ = {"database_url": database, "sqlite": "small.db"}
    outcome = await look("postgres.tables", with_)
    assert outcome.verdict is Verdict.FAIL
    assert "Things.label" in outcome.actual
    sql(database, "ALTER TABLE things ADD label text")
    assert (await look("postgres.tables", with_)).verdict is Verdict.PASS
    assert (await look("postgres.tables", with_ | {"head": "abc"})).verdict is Verdict.FAIL
    sql(database, "ALTER TABLE things ADD CONSTRAINT positive CHECK (id > 0) NOT VALID")
    outcome = await look("postgres.tables", with_)
    assert outcome.verdict is Verdict.FAIL
    assert "positive" in outcome.actual
    nothing = await look("postgres.tables", {"database_url": database})
    assert nothing.verdict is Verdict.UNKNOWN


async def test_a_look_at_postgres_shows_its_statement_which_runs_as_it_stands_and_holds_no_password(look, database):
    sql(database, "CREATE TABLE things (id int PRIMARY KEY, label text)")
    with closing(sqlite3.connect(Path(look.project) / "small.db")) as con:
        con.execute("CREATE TABLE things (id INTEGER PRIMARY KEY, label TEXT)")
    server = await look("postgres.connect", {"database_url": database})
    tables = await look("postgres.tables", {"database_url": database, "sqlite": "small.db"})
    with closing(psycopg2.connect(database)) as connection, connection.cursor() as cur:
        cur.execute(server.evidence["query"])
        assert cur.fetchall() == [(server.evidence["version"],)]
        cur.execute(tables.evidence["query"])
        assert sorted(cur.fetchall()) == [("things", "id"), ("things", "label")]
    assert "://" not in f"{server.evidence['query']} {tables.evidence['query']}"


async def test_migrations_that_flask_migrate_keeps_are_run_by_flask(look, database, tmp_path):
    app = flask_project(tmp_path / "site")
    with_ = {"app": str(app), "python": sys.executable, "database_url": database}
    plan = await look.plan("alembic.upgrade", with_)
    assert "-m flask db upgrade head" in plan.lines[0]
    outcome = await look("alembic.upgrade", with_)
    assert outcome.verdict is Verdict.PASS, outcome
    assert outcome.evidence["after"] == "0001"
