"""The app's migrations go up, down and up again, and say what its models say."""

import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from rehearsal.postgres import Postgres, create_database

pytestmark = pytest.mark.long


def alembic(project: Path, url: str, *commands: str) -> str:
    """Run the COMMANDS one after the other (in one process: starting it is most of the work)."""
    script = f"from alembic.config import main\nfor words in {commands!r}: main(words.split())"
    env = {**os.environ, "DATABASE_URL": url}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=project, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def tables(url: str) -> set[str]:
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return {row[0] for row in cursor.fetchall()}


def test_up_down_and_up_again_on_postgresql(postgres: Postgres, project: Path) -> None:
    create_database(postgres.superuser_url, "migrations")
    url = postgres.url.rsplit("/", 1)[0] + "/migrations"
    given = url.replace("postgresql://", "postgres://", 1)  # as older platforms write it
    assert "No new upgrade operations" in alembic(project, given, "upgrade head", "check")
    up = tables(url)
    assert {"users", "user_sessions", "posts", "votes", "mod_lists", "api_keys", "password_resets"} <= up
    alembic(project, given, "downgrade base")
    assert tables(url) == {"alembic_version"}
    alembic(project, given, "upgrade head")
    assert tables(url) == up


def test_up_down_and_up_again_on_sqlite(tmp_path: Path, project: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"
    done = alembic(project, url, "upgrade head", "check", "downgrade base", "upgrade head", "check")
    assert done.count("No new upgrade operations") == 2
