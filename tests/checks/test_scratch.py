"""A scratch PostgreSQL: made, used, gone; after a cancellation and a sudden end of the process too."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from checks.contract import Context, Stopped
from checks.scratch import PREFIX, scratch
from rehearsal.postgres import Postgres, running_postgres
from transfer.errors import CouldNotLook
from transfer.urls import parameters


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with running_postgres(fsync=False) as running:
        yield running


def context(tmp_path: Path, lines: list[str] | None = None, **others: object) -> Context:
    kept = [] if lines is None else lines
    return Context(item="i", project=tmp_path, artefacts=tmp_path, on_log=kept.append, **others)


def rows(url: str, query: str) -> list[tuple[object, ...]]:
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall() if cursor.description else []


def databases(url: str) -> set[str]:
    return {str(row[0]) for row in rows(url, "SELECT datname FROM pg_database")}


def home_of(url: str) -> Path:
    """The folder of the server of URL, by the port that its postmaster.pid names."""
    found = (p for p in Path(tempfile.gettempdir()).glob("tminus-pg-*") if (p / "data" / "postmaster.pid").is_file())
    port = parameters(url)["port"]
    return next(p for p in found if port in (p / "data" / "postmaster.pid").read_text().split())


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        threading.Event().wait(0.02)


def test_a_database_on_a_given_server_is_made_and_dropped_and_nothing_else_touched(server, tmp_path):
    before = databases(server.superuser_url)
    lines: list[str] = []
    with scratch(server.superuser_url, context(tmp_path, lines)) as url:
        (name,) = databases(url) - before
        assert name.startswith(PREFIX)
        rows(url, "CREATE TABLE t (a int)")
        left_open = psycopg2.connect(url)  # as an application that is still connected
    left_open.close()
    assert databases(server.superuser_url) == before
    assert name in " ".join(lines)
    with pytest.raises(ZeroDivisionError), scratch(server.superuser_url, context(tmp_path)):
        _ = 1 / 0
    assert databases(server.superuser_url) == before


def test_the_driver_of_the_url_stays(server, tmp_path):
    given = server.superuser_url.replace("postgresql://", "postgresql+psycopg2://") + "?sslmode=prefer"
    with scratch(given, context(tmp_path)) as url:
        assert url.startswith("postgresql+psycopg2://")
        assert url.endswith("?sslmode=prefer")


def test_a_role_that_may_not_create_databases_is_told_so(server, tmp_path):
    with pytest.raises(CouldNotLook, match="CREATEDB"), scratch(server.url, context(tmp_path)):
        pass


def test_a_server_that_is_not_there_could_not_be_looked_at(tmp_path):
    with pytest.raises(CouldNotLook) as told, scratch("postgresql://a:canary9@127.0.0.1:1/b", context(tmp_path)):
        pass
    assert "canary9" not in str(told.value)


def test_without_a_server_there_is_one_of_its_own_that_leaves_nothing(tmp_path):
    with scratch(None, context(tmp_path)) as url:
        assert rows(url, "SELECT inet_server_addr()::text, rolsuper FROM pg_roles WHERE rolname = current_user") == [
            ("127.0.0.1/32", False)
        ]
        home = home_of(url)
        assert home.stat().st_mode & 0o077 == 0
    assert not home.exists()
    with pytest.raises(psycopg2.OperationalError):
        psycopg2.connect(url)


def test_a_cancelled_start_leaves_nothing(tmp_path, monkeypatch):
    mkdtemp = tempfile.mkdtemp
    cancelled = threading.Event()
    cancelled.set()
    made: list[str] = []
    monkeypatch.setattr(tempfile, "mkdtemp", lambda **how: made.append(mkdtemp(**how)) or made[-1])
    with pytest.raises(Stopped), scratch("", context(tmp_path, cancelled=cancelled)):
        pass
    assert [Path(one).exists() for one in made] == [False]


def test_a_process_that_is_killed_takes_its_server_along(tmp_path):
    code = (
        "import sys, time; from pathlib import Path; from checks.contract import Context; "
        "from checks.scratch import scratch; p = Path(sys.argv[1]); c = Context(item='i', project=p, artefacts=p)\n"
        "with scratch(None, c) as url: print(url, flush=True); time.sleep(60)"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        url = child.stdout.readline().strip()
        home = home_of(url)
        assert home.stat().st_mode & 0o077 == 0
        os.kill(child.pid, signal.SIGKILL)
        until(lambda: not home.exists())
    finally:
        child.kill()
        child.wait()
