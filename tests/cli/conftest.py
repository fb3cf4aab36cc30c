"""A SQLite application, its backup, and a real PostgreSQL with the schema that migrations would have made."""

from __future__ import annotations

import itertools
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg2
import pytest

from bench import sample
from rehearsal.postgres import running_postgres

_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """A superuser's URL."""
    with running_postgres(fsync=False) as running:
        yield running.superuser_url


@pytest.fixture
def run() -> Callable[..., list[tuple[Any, ...]]]:
    """run(url, *statements): outside of a transaction; the rows of the last statement."""

    def execute(url: str, *statements: str) -> list[tuple[Any, ...]]:
        with closing(psycopg2.connect(url)) as conn, conn.cursor() as cur:
            conn.autocommit = True
            for statement in statements:
                cur.execute(statement)
            return cur.fetchall() if cur.description else []

    return execute


@pytest.fixture
def target(server: str, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A fresh database with the sample's schema; its URL stands in the environment as TARGET_URL."""
    name = f"db_{os.getpid()}_{next(_numbers)}"
    run(server, f"CREATE DATABASE {name}")
    url = urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    run(url, sample.POSTGRES)
    monkeypatch.setenv("TARGET_URL", url)
    yield url
    run(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def live(tmp_path: Path) -> Path:
    """The application's file, with 950 rows."""
    path = tmp_path / "app.db"
    sample.write(path, 950)
    return path


@pytest.fixture
def change() -> Callable[[Path, str], None]:
    """change(path, sql): somebody writes to a SQLite file."""

    def write(path: Path, statement: str) -> None:
        with closing(sqlite3.connect(path)) as con:
            con.execute(statement)
            con.commit()

    return write
