"""One real PostgreSQL for what looks at a server's health; a database of its own for each test."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import ExitStack, closing
from typing import Any, Protocol

import psycopg2
import pytest

from rehearsal.postgres import Postgres, create_database, running_postgres

_NAMES = itertools.count(1)


class Connect(Protocol):
    """A session on a database, closed with the test."""

    def __call__(self, url: str, *, name: str = "an app", autocommit: bool = False) -> Any: ...


@pytest.fixture(scope="session")
def server() -> Iterator[Postgres]:
    with running_postgres(fsync=False, settings={"max_connections": "40", "max_prepared_transactions": "2"}) as found:
        yield found


@pytest.fixture
def admin(server: Postgres) -> str:
    """An empty database owned by the role `app`; the superuser's URL."""
    return create_database(server.superuser_url, f"health{next(_NAMES)}")


@pytest.fixture
def database(server: Postgres, admin: str) -> str:
    """The same database; the URL of `app`."""
    return f"{server.url.rpartition('/')[0]}/{admin.rpartition('/')[2]}"


@pytest.fixture
def connect() -> Iterator[Connect]:
    with ExitStack() as open_ones:

        def made(url: str, *, name: str = "an app", autocommit: bool = False) -> Any:
            connection = psycopg2.connect(url, application_name=name)
            connection.autocommit = autocommit
            return open_ones.enter_context(closing(connection)).cursor()

        yield made


@pytest.fixture
def run(connect: Connect):
    """Statements of one session that is gone afterwards."""

    def ran(url: str, *statements: str) -> None:
        with closing(psycopg2.connect(url)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)

    return ran
