"""The migrations of a project, read and run there and back on a real PostgreSQL."""

from __future__ import annotations

import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from checks.code.migration_rules import migration_findings
from checks.code.sources import read_project
from state.verdicts import Verdict

PY = sys.executable
SAMPLE = Path(__file__).parents[3] / "rehearsal" / "app"
INI = "[alembic]\nscript_location = migrations\n"
ENV = """
import os
from alembic import context
from sqlalchemy import create_engine

with create_engine(os.environ["DATABASE_URL"]).connect() as connection:
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()
"""
FIRST = """
import sqlalchemy as sa
from alembic import op

revision = "a1"
down_revision = None

def upgrade():
    op.create_table("users", sa.Column("id", sa.Integer, primary_key=True), sa.Column("name", sa.Text))

def downgrade():
    op.drop_table("users")
"""


@pytest.fixture(scope="module", autouse=True)
def compiled(tmp_path_factory):
    """Alembic starts a dozen times here: what is compiled once is kept, whatever the environment says."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        patch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path_factory.mktemp("pycache")))
        yield


def revision(name: str, after: str, upgrade: str, downgrade: str = "pass") -> str:
    return f"""
import sqlalchemy as sa
from alembic import op

revision = "{name}"
down_revision = "{after}"

def upgrade():
    {upgrade}

def downgrade():
    {downgrade}
"""


def files(**versions: str) -> dict[str, str]:
    named = {f"migrations/versions/{name}.py": text for name, text in versions.items()}
    return {"alembic.ini": INI, "migrations/env.py": ENV, "migrations/versions/a1.py": FIRST, **named}


def rules(outcome) -> str:
    return " ".join(str(v) for k, v in outcome.evidence.items() if k[:2].isdigit())


@pytest.mark.long
async def test_the_sample_application_goes_there_and_back(look, server):
    shutil.copytree(SAMPLE, look.project, dirs_exist_ok=True)
    with closing(sqlite3.connect(look.project / "old.db")) as con:
        con.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, username TEXT)")
    with_ = {"python": PY, "database_url": server, "sqlite": "old.db"}
    outcome = await look("code.migrations", with_)
    assert outcome.verdict is Verdict.PASS, outcome
    assert outcome.evidence["squawk"] == "nothing to advise, .squawk.toml heeded"
    assert outcome.evidence["head"] == "0003"
    assert outcome.evidence["tables_compared"] == 1


async def test_a_small_project_is_advised_by_squawk_alone_and_leaves_nothing(look, write, server):
    folder = write(files())
    with closing(sqlite3.connect(folder / "app.db")) as con:
        con.execute("CREATE TABLE users (id INTEGER, name TEXT)")
    with_ = {"python": PY, "database_url": server, "sqlite": "app.db", "off": ["squawk/prefer-identity"]}
    outcome = await look("code.migrations", with_)
    assert outcome.verdict is Verdict.WARN, outcome
    assert rules(outcome).count("[") == 1
    assert rules(outcome).startswith("[squawk/prefer-bigint-over-int] revision a1: ")
    assert (outcome.evidence["head"], outcome.evidence["tables_compared"]) == ("a1", 1)
    with closing(psycopg2.connect(server.replace("+psycopg2", ""))) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_database WHERE datname LIKE 'tminus_scratch_%'")
        assert cursor.fetchone() == (0,)


async def test_what_postgresql_refuses_fails(look, write, server):
    write(files(b=revision("b", "a1", "op.execute('SELECT 1 ' + 'WHERE ' + 'name GLOB 1')")))
    outcome = await look("code.migrations", {"python": PY, "database_url": server, "off": ["sql/"]})
    assert outcome.verdict is Verdict.FAIL
    assert "alembic upgrade head failed" in outcome.actual


async def test_a_way_back_that_leaves_something_and_columns_that_only_sqlite_has_are_named(look, write, server):
    folder = write(files(b=revision("b", "a1", "op.create_table('kept', sa.Column('a', sa.Integer))")))
    with closing(sqlite3.connect(folder / "app.db")) as con:
        con.execute("CREATE TABLE users (id INTEGER, name TEXT, karma INTEGER)")
        con.execute("CREATE TABLE drafts (id INTEGER)")
    outcome = await look("code.migrations", {"python": PY, "database_url": server, "sqlite": "app.db"})
    assert outcome.verdict is Verdict.FAIL
    said = rules(outcome)
    assert "no migration makes users.karma" in said
    assert "no migration makes drafts" in said
    assert "downgrade base leaves kept" in said
    assert "[migrations/again] alembic upgrade head failed" in said


async def test_an_env_py_with_a_url_of_its_own_is_not_run(look, write, server):
    folder = write(files())
    own = f"sqlite:///{folder / 'precious.db'}"
    (folder / "migrations" / "env.py").write_text(ENV.replace('os.environ["DATABASE_URL"]', repr(own)))
    outcome = await look("code.migrations", {"python": PY, "database_url": server})
    assert outcome.verdict is Verdict.FAIL
    assert "nothing was run" in outcome.actual
    with closing(sqlite3.connect(folder / "precious.db")) as con:
        assert con.execute("SELECT name FROM sqlite_master").fetchall() == []


async def test_two_heads_and_a_gap_are_seen_without_a_database(look, write):
    write(files(b=revision("b", "a1", "pass"), c=revision("c", "a1", "pass"), d=revision("d", "lost", "pass")))
    outcome = await look("code.migrations", {"python": "no-such-python"})
    assert outcome.verdict is Verdict.FAIL
    assert "migrations/heads" in rules(outcome)
    assert "follows lost, which is not there" in rules(outcome)


async def test_what_cannot_be_looked_at_is_said(look, write, server):
    assert (await look("code.migrations")).verdict is Verdict.UNKNOWN
    folder = write(files())
    lost = await look("code.migrations", {"python": "no-such-python", "database_url": server})
    assert lost.verdict is Verdict.ERROR
    assert "interpreter" in lost.actual
    (folder / "migrations" / "env.py").write_text("import no_such_module")
    broken = await look("code.migrations", {"python": PY, "database_url": server})
    assert broken.verdict is Verdict.ERROR
    assert "no_such_module" in broken.actual
    away = {"python": PY, "database_url": "postgresql://a:canary77@127.0.0.1:1/b"}
    outcome = await look("code.migrations", away)
    assert outcome.verdict is Verdict.ERROR
    assert "canary77" not in repr(outcome)


def test_what_is_written_for_sqlite_is_found_by_line(write):
    folder = write(
        files(
            b=revision("b", "a1", "op.drop_constraint(None, 'users', type_='unique')"),
            c=revision("c", "b", "op.alter_column('users', 'name', type_=sa.Integer(), existing_type=sa.Text())"),
            d=revision("d", "c", "op.batch_alter_table('users', recreate='always')"),
            e=revision("e", "d", "op.add_column('users', sa.Column('on', sa.Boolean, server_default=sa.text('0')))"),
            f=revision("f", "e", "op.execute(\"UPDATE users SET at = strftime('%s', 'now')\")"),
            g=revision("g", "f", "op.add_column('users', sa.Column('o', sa.Boolean, server_default='0'))"),
            h=revision("h", "g", "if op.get_bind().dialect.name == 'sqlite': op.execute('PRAGMA foreign_keys=OFF')"),
        )
    )
    found = {(Path(one.file).name, one.line, one.rule) for one in migration_findings(read_project(folder))}
    assert found == {
        ("b.py", 9, "migrations/unnamed-constraint"),
        ("c.py", 9, "migrations/no-using"),
        ("d.py", 9, "migrations/recreate"),
        ("e.py", 9, "sql/boolean-default"),
        ("f.py", 9, "sql/function"),
    }
