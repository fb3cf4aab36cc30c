"""The app's migrations go up, down and up again, and say what its models say."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg2
import pytest

from rehearsal.postgres import Postgres, create_database


def alembic(project: Path, url: str, *words: str) -> str:
    env = {**os.environ, "DATABASE_URL": url}
    done = subprocess.run(
        [sys.executable, "-m", "alembic", *words],
        cwd=project,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def tables(url: str) -> set[str]:
    connection = psycopg2.connect(url)
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        found = {row[0] for row in cursor.fetchall()}
    connection.close()
    return found


@pytest.mark.parametrize("scheme", ["postgres://", "postgresql://"])
def test_up_down_and_up_again_on_postgresql(postgres: Postgres, project: Path, scheme: str) -> None:
    name = "migrations_" + scheme.rstrip(":/")
    create_database(postgres.superuser_url, name)
    url = postgres.url.rsplit("/", 1)[0] + f"/{name}"
    given = url.replace("postgresql://", scheme, 1)
    alembic(project, given, "upgrade", "head")
    up = tables(url)
    assert {"users", "user_sessions", "posts", "votes", "mod_lists", "api_keys", "password_resets"} <= up
    assert "No new upgrade operations" in alembic(project, given, "check")
    alembic(project, given, "downgrade", "base")
    assert tables(url) == {"alembic_version"}
    alembic(project, given, "upgrade", "head")
    assert tables(url) == up


def test_up_down_and_up_again_on_sqlite(tmp_path: Path, project: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"
    for words in (("upgrade", "head"), ("check",), ("downgrade", "base"), ("upgrade", "head"), ("check",)):
        alembic(project, url, *words)
