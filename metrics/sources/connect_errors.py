"""Why a connection could not be made: because the database fails, or because we do not know how to ask.

Connect-time failures carry no SQLSTATE in psycopg2, so the text tells (PostgreSQL 14 to 18, libpq, PgBouncer 1.18).
"""

from __future__ import annotations

import re

# The database, or the way to it, fails: an application that connects now meets the same.
_FAILS = {
    "refused": r"Connection refused|could not connect to server",
    "no slot is free": r"too many clients already|remaining connection slots are reserved|too many connections for"
    r"|no more connections allowed",
    "not ready": r"the database system is (?:starting up|shutting down|in recovery mode|not yet accepting)",
    "no answer": r"timeout expired|timed out|query_wait_timeout|server login has been failing|server_login_retry",
    "dropped": r"server closed the connection unexpectedly|Connection reset|terminating connection"
    r"|SSL SYSCALL error|SSL connection has been closed|server conn crashed|pgbouncer cannot connect to server",
    "no way there": r"No route to host|Network is unreachable|Host is unreachable",
}
# The question is wrong: the setting here, not the database.
_WRONG = {
    "the password or the user is not accepted": r"authentication failed|no password supplied"
    r"|role \".*\" does not exist|no such user|SASL",
    "there is no such database": r"database \".*\" does not exist|no such database",
    "this host is not allowed in": r"no pg_hba\.conf entry|not permitted to log in",
    "the name cannot be resolved": r"could not translate host name|Name or service not known",
    "TLS does not come about": r"certificate|does not support SSL|sslmode|SSL error",
    "the url is not understood": r"invalid (?:dsn|connection option|port|integer value)|missing \"=\"",
}


def failure_of(text: str) -> str:
    """What kind of failure of the database TEXT tells of, "" when it tells of none.

    >>> failure_of("FATAL:  sorry, too many clients already")
    'no slot is free'
    """
    if misuse_of(text):
        return ""
    return next((word for word, pattern in _FAILS.items() if re.search(pattern, text)), "")


def misuse_of(text: str) -> str:
    """What is wrong with the question, "" when nothing is.

    >>> misuse_of('FATAL:  password authentication failed for user "ada"')
    'the password or the user is not accepted'
    """
    return next((word for word, pattern in _WRONG.items() if re.search(pattern, text)), "")
