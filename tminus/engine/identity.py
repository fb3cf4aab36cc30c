"""Who is at the other end of a socket, as far as the kernel vouches for it."""

from __future__ import annotations

import contextlib
import pwd
import socket
import struct
from pathlib import Path

from state.clean import clean, shorten
from state.events import Actor
from tminus.client.origin import ssh_origin

_NOBODY_LOGGED_IN = 2**32 - 1  # what the kernel answers for a process that no login began

_UCRED = struct.Struct("3i")  # struct ucred of unix(7): pid, uid, gid


def peer(connection: socket.socket, claimed: str, origin: str = "") -> Actor:
    """The actor behind CONNECTION: the uid by SO_PEERCRED, the name that they CLAIMED or that the uid has.

    Where the session comes from is read from the process itself; of another user's process, which hides it, it is the
    ORIGIN that the client said, and told as said.
    """
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    pid, uid, _ = _UCRED.unpack(raw)
    said = shorten(clean(origin), 60)
    found = _origin(pid) or (f"{said} (said)" if said else "unknown")
    login = login_of(pid, uid)
    return Actor(name=shorten(clean(claimed), 60) or login_name(uid), uid=uid, origin=found, login=login)


def login_name(uid: int) -> str:
    """The name of UID in the password file, or the number."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def login_of(pid: int, uid: int) -> str:
    """The name that the person behind PID logged in with: the kernel keeps it through sudo and su. Where no login
    began the process, the name of its UID."""
    with contextlib.suppress(OSError, ValueError):
        login = int(Path(f"/proc/{pid}/loginuid").read_text(encoding="ascii"))
        if login != _NOBODY_LOGGED_IN:
            return login_name(login)
    return login_name(uid)


def _origin(pid: int) -> str:
    """Where the session of PID comes from: SSH says so in its environment. Empty where that may not be read."""
    try:
        entries = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return ""
    for entry in entries:
        if entry.startswith(b"SSH_CONNECTION="):
            return ssh_origin(entry.partition(b"=")[2].decode(errors="replace"))
    return "local"
