"""Starting an engine, and finding out that it is up."""

from __future__ import annotations

import fcntl
import grp
import os
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from tminus.places import Place

START_TIMEOUT = 20.0

_leashes: list[IO[bytes]] = []  # held as long as we live


class EngineFailed(Exception):
    """The engine did not come up; the message is what it said."""


def is_up(place: Place) -> bool:
    """Whether an engine answers at PLACE."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(place.socket))
        except OSError:
            return False
        return True


def comes_up(place: Place, within: float = START_TIMEOUT) -> bool:
    """Wait until the engine that somebody is starting at PLACE answers. False when none is, or not in time."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if is_up(place):
            return True
        if wait_until_ended(place, within=0.05):
            return False
    return False


def wait_until_ended(place: Place, within: float = 15.0) -> bool:
    """Wait until the engine at PLACE let go of its lock, which is the last thing it does. False when it did not."""
    if not place.lock.exists():
        return True
    deadline = time.monotonic() + within
    if not os.access(place.lock, os.R_OK):  # somebody else's engine: all we can see is whether it answers
        while is_up(place) and time.monotonic() < deadline:
            time.sleep(0.02)
        return not is_up(place)
    with place.lock.open("rb") as handle:
        while time.monotonic() < deadline:
            try:
                fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                time.sleep(0.02)
            else:
                return True
    return False


def start_engine(
    checklist: Path,
    place: Place,
    *,
    t0: str = "",
    anew: bool = False,
    leashed: bool = False,
    environ: Mapping[str, str] | None = None,
) -> int:
    """Start the engine of CHECKLIST in a session of its own and wait until it listens. Returns its process id.

    It survives the terminal it was started from; LEASHED, it ends with this process, however that ends. Raises
    EngineFailed with its own words when it ends at once or does not listen in time.
    """
    began = place.log.stat().st_size if place.log.exists() else 0
    handle = os.open(place.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tminus.engine", str(checklist)),
                *(("--t0", t0) if t0 else ()),
                *(("--anew",) if anew else ()),
                *(("--group", grp.getgrgid(place.group).gr_name) if place.group != -1 else ()),
                *(("--leashed",) if leashed else ()),
            ],
            stdin=subprocess.PIPE if leashed else subprocess.DEVNULL,
            stdout=handle,
            stderr=handle,
            start_new_session=True,
            env=dict(environ) if environ is not None else None,
        )
    finally:
        os.close(handle)
    if process.stdin is not None:
        _leashes.append(process.stdin)
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        # Another engine may answer there while ours is being refused: it is ours only if it holds the lock.
        if is_up(place) and place.lock.read_text() == str(process.pid):
            return process.pid
        time.sleep(0.03)
    with place.log.open("rb") as log:
        log.seek(began)
        said = log.read().decode(errors="replace").strip()
    process.kill()
    raise EngineFailed(said[-4000:] or f"the engine did not listen within {START_TIMEOUT:.0f} s")
