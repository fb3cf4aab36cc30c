"""A scratch PostgreSQL: an empty database of a random name that is gone when it is no longer needed.

    with scratch(url, ctx) as database_url:
        …

With a URL the database is made on that server and dropped there; nothing else on it is touched. Without one it is a
throw-away server of its own (`scratch_server`).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import make_dsn

from checks.contract import Context
from checks.scratch_server import throw_away_server
from transfer.errors import CouldNotLook, Refused, TransferError
from transfer.postgres import speaking_of
from transfer.urls import describe_url, parameters

PREFIX = "tminus_scratch_"
_CONNECT = {"connect_timeout": "5", "application_name": "tminus scratch", "tcp_user_timeout": "15000"}


@contextmanager
def scratch(url: str | None, ctx: Context) -> Iterator[str]:
    """The URL of an empty database, on the server of URL (empty or None: on a throw-away server of its own).

    The role of URL needs CREATEDB; it owns the new database. It is dropped at the end with every session in it,
    after an error and a cancellation too. Raises CouldNotLook when none can be made.
    """
    if not url:
        with throw_away_server(ctx) as server, _database(server, ctx) as database_url:
            yield database_url
        return
    with _database(url, ctx) as database_url:
        yield database_url


@contextmanager
def _database(server: str, ctx: Context) -> Iterator[str]:
    name = PREFIX + secrets.token_hex(6)
    try:
        _run(server, sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
    except Refused as refused:
        raise CouldNotLook(f"{refused} A scratch database needs a role with CREATEDB.") from None
    try:
        ctx.log(f"scratch database {name} on {describe_url(server)}")
        yield _with_database(server, name)
    finally:
        try:
            _run(server, sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        except TransferError as error:
            ctx.log(f"the scratch database {name} is still there, drop it by hand: {error}")


def _run(server: str, statement: sql.Composed) -> None:
    with speaking_of(server):
        connection: Connection = psycopg2.connect(make_dsn(**(parameters(server) | _CONNECT)))
        with closing(connection):
            connection.autocommit = True  # a database is made outside of a transaction
            with connection.cursor() as cursor:
                cursor.execute("SET statement_timeout = '30s'")
                cursor.execute(statement)


def _with_database(url: str, name: str) -> str:
    """URL with the database NAME, its scheme (and so its driver) as it was."""
    parts = urlsplit(url)
    query = [(key, value) for key, value in parse_qsl(parts.query, keep_blank_values=True) if key != "dbname"]
    return urlunsplit(parts._replace(path=f"/{name}", query=urlencode(query)))
