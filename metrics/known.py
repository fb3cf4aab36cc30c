"""The one table of what PostgreSQL, its drivers, SQLAlchemy's pool and PgBouncer write when something is wrong.

The texts are those of PostgreSQL 15 and 18, psycopg2, psycopg 3, SQLAlchemy 2 and PgBouncer. Errors of connecting
carry no SQLSTATE in either driver, so the text is all there is. A server whose lc_messages is not English says
it otherwise, and is not recognised.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

# By name, what a line is known by: each text with a plain piece of it that stands in every match. The pieces are
# searched for first, all at once; only lines that hold one are looked at by pattern. A line has the first name
# that fits, so the order counts. Every pattern does a bounded amount of work, whatever the line.
_TEXTS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "pool exhausted": ((r"QueuePool limit of size \d+ overflow -?\d+ reached", "QueuePool limit of size "),),
    "too many connections": (
        (r"sorry, too many clients already", "too many clients already"),
        (r"remaining connection slots are reserved", "remaining connection slots"),
        (r"too many connections for (?:role|database)", "too many connections for "),
        (r"no more connections allowed", "no more connections allowed"),
    ),
    "connection lost": (
        (r"server closed the connection unexpectedly", "server closed the connection"),
        (r"SSL connection has been closed unexpectedly", "SSL connection has been closed"),
        (r"SSL SYSCALL error: EOF detected", "SSL SYSCALL error"),
        (r"SSL error: unexpected eof", "SSL error: unexpected"),
        (r"terminating connection due to", "terminating connection due"),
        (r"connection already closed", "connection already closed"),
        (r"the connection is closed", "the connection is closed"),
        (r"server conn crashed\?", "server conn crashed"),
        (r"client_idle_timeout", "client_idle_timeout"),
    ),
    "cannot connect": (
        (r"connection to server at .{0,400}? failed", "connection to server at "),
        (r"could not translate host name", "could not translate host name"),
        (r"the database system is (?:starting|shutting)", "the database system is "),
    ),
    "timeout": (
        (r"canceling statement due to (?:statement|lock) timeout", "canceling statement due to "),
        (r"query_wait_timeout", "query_wait_timeout"),
        (r"query timeout", "query timeout"),
        (r"idle transaction timeout", "idle transaction timeout"),
    ),
    "deadlock": ((r"deadlock detected", "deadlock detected"),),
    "sqlite still used": (
        (r"sqlite3\.(?:Operational|Integrity|Programming|Database)Error", "sqlite3."),
        (r"database is locked", "database is locked"),
    ),
}
_PATTERNS = {name: "|".join(pattern for pattern, _ in texts) for name, texts in _TEXTS.items()}
KNOWN: Mapping[str, re.Pattern[str]] = {name: re.compile(pattern) for name, pattern in _PATTERNS.items()}
_BYTES = {name: re.compile(pattern.encode()) for name, pattern in _PATTERNS.items()}

# The database cannot be reached, or has no room: what a rollback for "database connection failures" is about.
CONNECTION = ("pool exhausted", "too many connections", "connection lost", "cannot connect")

SEVERITY = re.compile(r"\b(PANIC|FATAL|CRITICAL|ERROR|WARNING|Traceback)\b")
BAD = ("PANIC", "FATAL", "CRITICAL", "ERROR", "Traceback")
_BAD_BYTES = re.compile(rb"\b(?:PANIC|FATAL|CRITICAL|ERROR|Traceback)\b")

PIECES: tuple[bytes, ...] = tuple(piece.encode() for texts in _TEXTS.values() for _, piece in texts)
TOKENS: tuple[bytes, ...] = (*(word.encode() for word in BAD), *PIECES)


def known_in(line: bytes) -> str | None:
    """The name of the first known text in LINE."""
    return next((name for name, pattern in _BYTES.items() if pattern.search(line)), None)


def is_bad(line: bytes) -> bool:
    """Whether LINE bears a severity of ERROR or worse, or begins a traceback."""
    return _BAD_BYTES.search(line) is not None
