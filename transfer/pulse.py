"""Whether the server is still there while a connection waits for it.

TCP alone does not tell: a proxy or a stopped host acknowledges what it never reads, and a long CREATE INDEX is
as silent as a dead server. So a second connection is tried every few seconds. When several in a row are left
without any answer, and the first moved no byte meanwhile, the first is shut down: what waits on it fails.
"""

from __future__ import annotations

import socket
import struct
import threading
import time
import weakref
from dataclasses import dataclass
from typing import Any

import psycopg2
from psycopg2.extensions import connection

# struct tcp_info of Linux: tcpi_bytes_acked and tcpi_bytes_received (since 4.1).
_ACKED_AND_RECEIVED = slice(120, 136)


class Watched(connection):
    """A connection that looks after itself from watch() on. SILENT: seconds without an answer, when it gave up."""

    silent: float = 0.0
    ended: threading.Event | None = None

    def close(self) -> None:
        if self.ended is not None:
            self.ended.set()
        super().close()


@dataclass(frozen=True, slots=True)
class Rhythm:
    """A try EVERY so many seconds, which gets PATIENCE seconds; given up after so many SILENCES in a row."""

    every: float = 5.0
    patience: float = 5.0
    silences: int = 3


RHYTHM = Rhythm()


def watch(conn: Watched) -> None:
    """Looks after CONN until it is closed; it is shut down when the server has fallen silent."""
    if conn.info.host.startswith("/"):
        return  # a Unix socket has no network to fall silent
    ended = conn.ended = threading.Event()
    threading.Thread(
        target=_beat, args=(weakref.ref(conn), ended, _way_of(conn), RHYTHM), name="transfer-pulse", daemon=True
    ).start()


def _beat(ref: weakref.ref[Watched], ended: threading.Event, wanted: dict[str, Any], rhythm: Rhythm) -> None:
    moved, silent, since = b"", 0, time.monotonic()
    while not ended.wait(rhythm.every):
        conn = ref()
        if conn is None or conn.closed:
            return
        now = _moved(conn)
        del conn
        if (now and now != moved) or _tried(wanted, rhythm.patience):
            moved, silent, since = now, 0, time.monotonic()
            continue
        silent += 1
        conn = ref()
        if silent >= rhythm.silences and conn is not None and not ended.is_set():
            conn.silent = time.monotonic() - since
            shut_down(conn)
            return


def answers(conn: connection, patience: float) -> bool:
    """Whether the server of CONN says anything at all to another connection within PATIENCE seconds (2 or more)."""
    return _tried(_way_of(conn), patience)


def _way_of(conn: connection) -> dict[str, Any]:
    """The parameters of another connection to the host, of several maybe, that CONN has got through to."""
    way: dict[str, Any] = conn.info.dsn_parameters | {
        "host": conn.info.host,
        "port": str(conn.info.port),
        "password": conn.info.password,
        "application_name": "tminus pulse",
    }
    if "," in conn.info.dsn_parameters.get("host", ""):
        way.pop("hostaddr", None)  # a list too, and no longer as long
    return way


def _tried(way: dict[str, Any], patience: float) -> bool:
    """Any answer counts, a refusal too; only silence for PATIENCE seconds does not."""
    started = time.monotonic()
    try:
        psycopg2.connect(**way | {"connect_timeout": str(round(patience))}).close()
    except psycopg2.Error:
        return time.monotonic() - started < patience - 0.5
    return True


def _socket(conn: connection) -> socket.socket | None:
    """The connection's own socket, by a second descriptor; to be detached or closed by the caller."""
    try:
        return socket.fromfd(conn.fileno(), socket.AF_INET, socket.SOCK_STREAM)
    except (psycopg2.Error, OSError):
        return None


def _moved(conn: connection) -> bytes:
    """Changes when bytes went through, either way; empty where the system does not tell."""
    at = _socket(conn)
    if at is None or not hasattr(socket, "TCP_INFO"):
        return b""
    with at:
        try:
            info = at.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192)
        except OSError:
            return b""
    told = info[_ACKED_AND_RECEIVED]
    return told if len(told) == struct.calcsize("QQ") else b""


def shut_down(conn: connection) -> None:
    """Ends the connection's socket, from any thread: whoever waits on it gets an error at once."""
    at = _socket(conn)
    if at is not None:
        with at:
            try:
                at.shutdown(socket.SHUT_RDWR)
            except OSError:
                return
