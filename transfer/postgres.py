"""Reaching PostgreSQL, and saying what went wrong there without ever saying a password."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg2
import psycopg2.errors
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from psycopg2.extensions import make_dsn

from transfer import pooler, pulse
from transfer.advice import advice
from transfer.blockers import described, holders
from transfer.errors import Cancelled, CouldNotLook, Refused, TransferError
from transfer.progress import Asked
from transfer.urls import describe_url, parameters, without_secret

# What the canonical form of a value relies on, whatever the server's or the role's own settings are.
_SESSION = {
    "client_encoding": "UTF8",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "default_transaction_isolation": "read committed",
    # A role's or a database's own settings that would end a long transaction, or move an index that is put back.
    "idle_in_transaction_session_timeout": "0",
    "default_tablespace": "",
    # Rows that a policy hides make an error, instead of a proof about the rest.
    "row_security": "off",
    "transaction_timeout": "0",  # since PostgreSQL 17
    "idle_session_timeout": "0",  # since PostgreSQL 14
}
_SET = """
SELECT set_config(name, value, false) FROM unnest(%s::text[], %s::text[]) AS s(name, value)
WHERE current_setting(name, true) IS NOT NULL
"""
GRACE = 10.0  # seconds


def connect(
    url: str,
    *,
    application_name: str = "tminus transfer",
    connect_timeout: int = 5,
    statement_timeout: float = 0,
    lock_timeout: float = 10,
) -> Connection:
    """A session whose output is the same on every server. Timeouts in seconds, 0 = none.

    A server that falls silent is noticed within about half a minute. Raises CouldNotLook, and Refused when a
    pooler lends the session for a transaction at a time: what is set here would be lost, and meet others.
    """
    wanted = parameters(url) | {
        "application_name": application_name,
        "connect_timeout": str(connect_timeout),
        "keepalives": "1",
        "keepalives_idle": "5",
        "keepalives_interval": "3",
        "keepalives_count": "3",
        # Longer than the pulse needs: a server that is busy writing may leave a COPY unread for a while.
        "tcp_user_timeout": "60000",
    }
    timeouts = {
        "statement_timeout": f"{round(statement_timeout * 1000)}ms",
        "lock_timeout": f"{round(lock_timeout * 1000)}ms",
    }
    with speaking_of(url):
        conn = psycopg2.connect(make_dsn(**wanted), connection_factory=pulse.Watched)
        try:
            pulse.watch(conn)
            _refuse_pooling(conn, wanted, url)
            # Not as start-up options: a pooler such as PgBouncer refuses those. In one statement outside of a
            # transaction, for a role's own timeouts hold until then.
            conn.autocommit = True
            settings = _SESSION | timeouts
            with conn.cursor() as cur:
                cur.execute(_SET, (list(settings), list(settings.values())))
            conn.autocommit = False
        except BaseException:
            conn.close()
            raise
    return conn


def look(url: str, *, application_name: str, connect_timeout: int = 5, statement_timeout: float) -> Connection:
    """A connection in the middle of one read-only transaction, whose settings end with it: any pooler will do.

    STATEMENT_TIMEOUT in seconds. Raises CouldNotLook.
    """
    wanted = parameters(url) | {"application_name": application_name, "connect_timeout": str(connect_timeout)}
    with speaking_of(url):
        conn = psycopg2.connect(make_dsn(**wanted), connection_factory=pulse.Watched)
        try:
            pulse.watch(conn)
            with conn.cursor() as cur:
                cur.execute("SET TRANSACTION READ ONLY")
                milliseconds = f"{round(statement_timeout * 1000)}ms"
                cur.execute("SELECT set_config('statement_timeout', %s, true)", (milliseconds,))
        except BaseException:
            conn.close()
            raise
    return conn


def _refuse_pooling(conn: Connection, wanted: dict[str, str], url: str) -> None:
    found = pooler.look(conn, lambda: psycopg2.connect(make_dsn(**wanted), async_=1))
    if found in {pooler.Pooling.TRANSACTION, pooler.Pooling.UNKNOWN}:
        raise Refused(
            f"{describe_url(url)}: this leads to {found.value}, where a session's settings and locks are not its own."
            " Use the server's direct address, or a pool in session mode."
        )


@contextmanager
def speaking_of(url: str, conn: Connection | None = None) -> Iterator[None]:
    """Turns the driver's errors into ours: not there or died -> CouldNotLook, else -> Refused."""
    try:
        yield
    except psycopg2.Error as e:
        raise _worded(e, url, conn) from None


def _worded(e: psycopg2.Error, url: str, conn: Connection | None) -> TransferError:
    lines = [line.strip() for line in str(e).splitlines() if line.strip()]
    said = without_secret(" ".join(lines) or type(e).__name__, url)
    where, hint = describe_url(url), advice(e)
    if isinstance(e, psycopg2.errors.LockNotAvailable):
        return Refused(
            f"{where}: a table is in use by another session ({said}). {_blockers(url, conn)} Stop it, try again."
        )
    if isinstance(e, psycopg2.errors.InsufficientPrivilege):
        return Refused(f"{where}: this role may not do that: {said}. {hint}")
    if isinstance(conn, pulse.Watched) and conn.silent:
        return CouldNotLook(
            f"{where}: the server did not answer for {conn.silent:.0f} s, so it was given up ({said})."
        )
    said = f"{said}. {hint}" if hint else said
    gone = conn is not None and conn.closed != 0
    # A standby says "no" as an OperationalError; it was looked at, and it does not hold.
    read_only = e.pgcode == "25006" or (e.pgcode == "55000" and "recovery" in said)
    too_much = (e.pgcode or "").startswith("54")  # an index row too long, too many columns: the data's own fault
    if gone or (not (read_only or too_much) and isinstance(e, psycopg2.OperationalError | psycopg2.InterfaceError)):
        return CouldNotLook(f"{where}: {said}")
    return Refused(f"{where}: {said}")


def _blockers(url: str, conn: Connection | None) -> str:
    """Who is in the way, asked of the server; a sentence in any case. The transaction of CONN has failed already."""
    try:
        if conn is not None and not conn.closed:
            conn.rollback()
            with conn.cursor() as cur:
                found = holders(cur)
        else:
            with closing(psycopg2.connect(make_dsn(**parameters(url)))) as other, other.cursor() as cur:
                found = holders(cur)
    except psycopg2.Error:
        return "Which one could not be seen."
    return f"In the way: {'; '.join(map(described, found))}." if found else "It is gone by now."


@contextmanager
def cancelling(conn: Connection, asked: Asked | None) -> Iterator[None]:
    """While inside, a running statement ends soon after ASKED says yes; that surfaces as Cancelled.

    A server that does not even take the wish to stop loses its connection after GRACE seconds.
    """
    if asked is None:
        yield
        return
    done, stopped = threading.Event(), threading.Event()

    def watch() -> None:
        while not done.wait(0.1):
            if asked():
                stopped.set()
                striker.start()
                if not done.wait(GRACE):
                    pulse.shut_down(conn)
                return

    def strike() -> None:
        while not done.wait(0.1):
            try:
                # cancel() waits for a silent server without end, and keeps every other thread waiting (the GIL).
                if pulse.answers(conn, 2):
                    conn.cancel()  # again and again: between two statements it meets nothing
            except psycopg2.Error:
                return

    striker = threading.Thread(target=strike, name="transfer-strike", daemon=True)
    watcher = threading.Thread(target=watch, name="transfer-cancel", daemon=True)
    watcher.start()
    try:
        yield
    except psycopg2.Error:
        if stopped.is_set():
            raise Cancelled("Stopped on request; the target is as it was.") from None
        raise
    finally:
        done.set()
        watcher.join()
        if stopped.is_set():
            striker.join(2)


__all__ = [
    "Connection",
    "Cursor",
    "cancelling",
    "connect",
    "describe_url",
    "look",
    "parameters",
    "speaking_of",
    "without_secret",
]
