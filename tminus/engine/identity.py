"""Who is at the other end of a socket, as far as the kernel vouches for it."""

from __future__ import annotations

import contextlib
import pwd
import socket
import struct
from pathlib import Path

from state.clean import clean, shorten
from state.events import Actor

_UCRED = struct.Struct("3i")  # struct ucred of unix(7): pid, uid, gid


def peer(connection: socket.socket, claimed: str) -> Actor:
    """The actor behind CONNECTION: the uid by SO_PEERCRED, the name that they CLAIMED or that the uid has."""
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    pid, uid, _ = _UCRED.unpack(raw)
    return Actor(name=shorten(clean(claimed), 60) or login_name(uid), uid=uid, origin=_origin(pid))


def login_name(uid: int) -> str:
    """The name of UID in the password file, or the number."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def _origin(pid: int) -> str:
    """Where the session of PID comes from. SSH says so in its environment; who may not read that is local."""
    with contextlib.suppress(OSError, ValueError):
        for entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
            if entry.startswith(b"SSH_CONNECTION="):
                return "ssh " + clean(entry.partition(b"=")[2].decode(errors="replace").split(" ")[0])
    return "local"
