"""Reaching PostgreSQL, and saying what went wrong there without ever saying a password."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
import psycopg2.errors
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from psycopg2.extensions import make_dsn, parse_dsn

from transfer.errors import Cancelled, CouldNotLook, Refused
from transfer.progress import Asked

_SCHEME = re.compile(r"^(?:postgres|postgresql)(?:\+[a-z0-9_]+)?://", re.IGNORECASE)
# What the canonical form of a value relies on, whatever the server's or the role's own settings are.
_SESSION = {
    "client_encoding": "UTF8",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "default_transaction_isolation": "read committed",
}


def parameters(url: str) -> dict[str, str]:
    """The libpq parameters of a URL; postgres://, postgresql:// and SQLAlchemy's postgresql+driver://.

    Raises Refused, which says nothing of the URL, when it cannot be read.
    """
    if not _SCHEME.match(url):
        raise Refused("The database URL does not begin with postgresql:// (or postgres://).")
    try:
        return dict(parse_dsn(_SCHEME.sub("postgresql://", url, count=1)))
    except psycopg2.Error:
        raise Refused("The database URL cannot be read; is a special character not %-encoded?") from None


def describe_url(url: str) -> str:
    """Where a URL leads, as "host:port/database as role"; without the password and without options."""
    p = parameters(url)
    host, port = p.get("host", "local socket"), p.get("port", "5432")
    role = p.get("user", "the default role")
    return f"{host}:{port}/{p.get('dbname', p.get('user', ''))} as {role}"


def connect(
    url: str,
    *,
    application_name: str = "tminus transfer",
    connect_timeout: int = 5,
    statement_timeout: float = 0,
    lock_timeout: float = 10,
) -> Connection:
    """A connection whose output is the same on every server. Timeouts in seconds, 0 = none.

    A server that stops answering is noticed by TCP within about 15 seconds. Raises CouldNotLook.
    """
    wanted = parameters(url) | {
        "application_name": application_name,
        "connect_timeout": str(connect_timeout),
        "keepalives": "1",
        "keepalives_idle": "5",
        "keepalives_interval": "3",
        "keepalives_count": "3",
        "tcp_user_timeout": "15000",
    }
    timeouts = {
        "statement_timeout": f"{round(statement_timeout * 1000)}ms",
        "lock_timeout": f"{round(lock_timeout * 1000)}ms",
    }
    with speaking_of(url):
        conn: Connection = psycopg2.connect(make_dsn(**wanted))
        try:
            # Not as start-up options: a pooler such as PgBouncer refuses those.
            with conn.cursor() as cur:
                for name, value in (_SESSION | timeouts).items():
                    cur.execute("SELECT set_config(%s, %s, false)", (name, value))
            conn.commit()
        except BaseException:
            conn.close()
            raise
    return conn


def without_secret(text: str, url: str) -> str:
    """TEXT with the password of URL, plain or as written there, taken out."""
    password = parameters(url).get("password", "")
    written = re.search(r"://[^:/@]*:([^@/]*)@", url)
    for secret in (password, written.group(1) if written else ""):
        if secret:
            text = text.replace(secret, "***")
    return text


@contextmanager
def speaking_of(url: str, conn: Connection | None = None) -> Iterator[None]:
    """Turns the driver's errors into ours: not there or died -> CouldNotLook, else -> Refused."""
    try:
        yield
    except psycopg2.Error as e:
        lines = [line.strip() for line in str(e).splitlines() if line.strip()]
        said = without_secret(" ".join(lines) or type(e).__name__, url)
        where = describe_url(url)
        if isinstance(e, psycopg2.errors.LockNotAvailable):
            raise Refused(f"{where}: a table is in use by another session ({said}). Stop it, try again.") from None
        if isinstance(e, psycopg2.errors.InsufficientPrivilege):
            raise Refused(f"{where}: this role may not do that: {said}") from None
        gone = conn is not None and conn.closed != 0
        if gone or isinstance(e, psycopg2.OperationalError | psycopg2.InterfaceError):
            raise CouldNotLook(f"{where}: {said}") from None
        raise Refused(f"{where}: {said}") from None


@contextmanager
def cancelling(conn: Connection, asked: Asked | None) -> Iterator[None]:
    """While inside, a running statement ends soon after ASKED says yes; that surfaces as Cancelled."""
    if asked is None:
        yield
        return
    done, stopped = threading.Event(), threading.Event()

    def watch() -> None:
        while not done.wait(0.1):
            if asked():
                stopped.set()
                try:
                    conn.cancel()  # again and again: between two statements it meets nothing
                except psycopg2.Error:
                    return

    watcher = threading.Thread(target=watch, name="transfer-cancel", daemon=True)
    watcher.start()
    try:
        yield
    except psycopg2.Error:
        if stopped.is_set() and not conn.closed:
            raise Cancelled("Stopped on request; the target is as it was.") from None
        raise
    finally:
        done.set()
        watcher.join()


__all__ = [
    "Connection",
    "Cursor",
    "cancelling",
    "connect",
    "describe_url",
    "parameters",
    "speaking_of",
    "without_secret",
]
