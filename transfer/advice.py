"""What a person can do about what libpq or the server said. By SQLSTATE where there is one, else by its words.

The words are libpq's, or those of a server that speaks English; in another language the advice is left out, never
the message.
"""

from __future__ import annotations

import re

import psycopg2

_BY_STATE = {
    "25006": "The server or the role is read-only (a standby, or default_transaction_read_only): use the primary.",
    "53100": "The server's disk is full: make room there, then try again.",
    "53200": "The server is out of memory: try again when it has less to do.",
    "57014": "The statement was cancelled on the server (by an administrator, or a timeout): try again.",
    "57P01": "An administrator ended the session, or the server is going down: see why, then try again.",
    "42501": "Connect as the owner of the tables (the role that ran the migrations).",
}
_BY_WORDS = {
    "certificate verify failed": (
        "The server's certificate is not signed by the CA that was given: set sslrootcert=<the provider's CA file>"
        " in the URL (sslrootcert=system for a public CA). Do not lower sslmode."
    ),
    "root certificate file .* does not exist": "Set sslrootcert=<the provider's CA file> in the URL.",
    "does not match host name": "Use the host name that the certificate is for, with sslmode=verify-full.",
    "server does not support SSL": "The URL asks for TLS, which the server has not: is it the right host and port?",
    "no encryption": "The server wants TLS: add sslmode=require to the URL.",
    "password authentication failed": "See the role and its password in the URL; special characters are %-encoded.",
    "no password supplied": "The URL holds no password, and the server asks for one.",
    'database ".*" does not exist': "Create the database, or correct its name at the end of the URL.",
    'role ".*" does not exist': "Create the role, or correct it in the URL.",
    "no pg_hba.conf entry": "The server admits no such role, database and address: see its pg_hba.conf.",
    "the database system is (starting up|not yet accepting connections)|consistent recovery state": (
        "The server is starting: wait until it is up, then try again."
    ),
    "the database system is (shutting down|in recovery mode)": "Wait until the server is up again, then try again.",
    "too many clients|too many connections|remaining connection slots|connection limit exceeded": (
        "Every connection is taken: stop what is idle (the app's workers, open consoles), then try again."
    ),
    "[Uu]nsupported startup parameter": (
        "A pooler is in between that refuses this: take it out of the URL, or use the server's direct address."
    ),
    "server closed the connection unexpectedly|could not receive data|SSL SYSCALL error|Connection reset": (
        "The server, or something in between, ended the session: its log says why."
    ),
    "Connection refused": "Nothing listens there: see the host, the port, and that the server is up.",
    "could not translate host name": "See the host in the URL, and that this machine can resolve names.",
    "timeout expired": "No answer: see the host, the port, and what a firewall lets through.",
    "No such file or directory": "No such Unix socket: see the folder and the port, and that the server is up.",
    "row-level security policy": (
        "A policy hides rows of this table from the role, so that nothing could be proven: connect as the tables'"
        " owner, or as a role with BYPASSRLS."
    ),
    "while recovery is in progress|during recovery": "The server is a standby, which is read-only: use the primary.",
}
_PATTERNS = [(re.compile(words), advice) for words, advice in _BY_WORDS.items()]


def advice(error: psycopg2.Error) -> str:
    """One sentence, or "" when there is none that would help."""
    said = str(error)
    by_words = next((text for pattern, text in _PATTERNS if pattern.search(said)), "")
    return by_words or _BY_STATE.get(error.pgcode or "", "")
