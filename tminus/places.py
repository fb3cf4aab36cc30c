"""Where things of a run live outside of its record: the engine's socket and its log."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import msgspec


class Place(msgspec.Struct, frozen=True):
    """The meeting point of one checklist's engine and its clients."""

    socket: Path
    log: Path

    @property
    def lock(self) -> Path:
        """Locked by the engine as long as it lives; holds its process id."""
        return self.socket.with_suffix(".lock")


class UnsafePlace(Exception):
    """The folder for sockets belongs to somebody else, or others may write in it."""


def place_of(checklist: Path) -> Place:
    """The place for the engine that runs CHECKLIST: the same for everybody who names the same file.

    Raises UnsafePlace when the folder is not ours alone: another user could listen in our stead.
    """
    folder = _folder()
    name = hashlib.sha256(os.fsencode(checklist.resolve())).hexdigest()[:12]
    return Place(folder / f"{name}.sock", folder / f"{name}.log")


def _folder() -> Path:
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    # A Unix socket's path holds 107 bytes at the most, so never beside the checklist.
    folder = Path(runtime) / "tminus" if runtime else Path("/tmp") / f"tminus-{os.getuid()}"  # noqa: S108
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    info = folder.lstat()
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.getuid() or info.st_mode & 0o022:
        raise UnsafePlace(f"{folder} is not a folder of yours alone: remove it, or set XDG_RUNTIME_DIR")
    return folder
