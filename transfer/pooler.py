"""Whether a connection is one session of the server, or borrowed from a pooler for a transaction at a time.

A pooler such as PgBouncer answers the start-up itself and makes up the process id it tells; so that id differs
from pg_backend_pid(). Then two connections take turns in an irregular order. In session mode each keeps a process
of its own; in transaction or statement mode they share one, or are moved about.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from enum import Enum
from typing import Any

import psycopg2
from psycopg2.extensions import POLL_OK, POLL_READ, POLL_WRITE, connection

# Irregular, so that neither a stack (the process used last is given next) nor a ring of any size looks steady.
TURNS = "ABAABBABBBAAAB"


class Pooling(Enum):
    NONE = "no pooler"
    SESSION = "a pooler in session mode"
    TRANSACTION = "a pooler in transaction or statement mode"
    UNKNOWN = "a pooler whose mode could not be told"


def judged(told: int, seen: Sequence[tuple[str, int | None]]) -> Pooling:
    """From the process id TOLD at the start, and the ids SEEN by "A" (the connection) and "B" (another).

    None: no answer in time. B waiting before and after A was served, from the same process, is session mode with
    a full pool: in the other modes A would have had to wait behind it.
    """
    a = {pid for who, pid in seen if who == "A"}
    b = {pid for who, pid in seen if who == "B"}
    if a == {told}:
        return Pooling.NONE
    if None in a or not a or not b:
        return Pooling.UNKNOWN
    if len(a) > 1 or a & b or len(b - {None}) > 1:
        return Pooling.TRANSACTION
    if None in b:
        return Pooling.SESSION if b == {None} and _served_while_waiting(seen) else Pooling.UNKNOWN
    return Pooling.SESSION if len(seen) >= len(TURNS) else Pooling.UNKNOWN


def _served_while_waiting(seen: Sequence[tuple[str, int | None]]) -> bool:
    waits = [i for i, (who, pid) in enumerate(seen) if who == "B" and pid is None]
    return any(who == "A" and pid is not None for who, pid in seen[waits[0] : waits[-1]])


def look(conn: connection, another: Callable[[], connection], patience: float = 2.0) -> Pooling:
    """Asks CONN (idle; left idle), and, only when there is a pooler, ANOTHER connection, an asynchronous one.

    PATIENCE: seconds that the other one may take. Raises psycopg2.Error when CONN fails.
    """
    told, mine = conn.info.backend_pid, _pid(conn)
    if mine == told:
        return Pooling.NONE
    seen: list[tuple[str, int | None]] = [("A", mine)]
    deadline = time.monotonic() + patience
    try:
        with closing(another()) as other:
            if not _finish(other, deadline):
                return Pooling.UNKNOWN
            for who in TURNS:
                seen.append((who, _pid(conn) if who == "A" else _pid_of_other(other, deadline)))
                if seen[-1] == ("B", None):
                    seen.append(("A", _pid(conn)))
                    if not _finish(other, deadline):
                        seen.append(("B", None))
                    break
    except psycopg2.Error:
        return judged(told, seen)
    return judged(told, seen)


def _pid(conn: connection) -> int:
    conn.autocommit = True  # a pool by statement allows no BEGIN
    try:
        with conn.cursor() as cur:
            cur.execute("SELECT pg_backend_pid()")
            row = cur.fetchone()
    finally:
        if not conn.closed:
            conn.autocommit = False
    assert row is not None
    return int(row[0])


def _pid_of_other(other: connection, deadline: float) -> int | None:
    cur = other.cursor()
    cur.execute("SELECT pg_backend_pid()")
    if not _finish(other, deadline):
        return None
    row: Any = cur.fetchone()
    return int(row[0])


def _finish(other: connection, deadline: float) -> bool:
    """Lets an asynchronous connection do its work until DEADLINE (monotonic); whether it got done."""
    while (state := other.poll()) != POLL_OK:
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        reads = [other.fileno()] if state == POLL_READ else []
        writes = [other.fileno()] if state == POLL_WRITE else []
        select.select(reads, writes, [], left)
    return True
