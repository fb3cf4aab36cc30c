"""Where things of a run live outside of its record: the engine's socket and its log."""

from __future__ import annotations

import grp
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import msgspec


class Place(msgspec.Struct, frozen=True):
    """The meeting point of one checklist's engine and its clients. `group` is the id of the group that may come in
    too; -1: the owner alone."""

    socket: Path
    log: Path
    group: int = -1

    @property
    def lock(self) -> Path:
        """Locked by the engine as long as it lives; holds its process id."""
        return self.socket.with_suffix(".lock")


class UnsafePlace(Exception):
    """The folder for sockets belongs to somebody else, or others may write in it; or there is no such group."""


def place_of(checklist: Path, group: str = "") -> Place:
    """The place for our own engine of CHECKLIST: the same however the file is named, and another with a GROUP.

    Raises UnsafePlace when the folder is not ours alone, since another user could listen in our stead, and for a
    group that does not exist or that we are not in.
    """
    name = _name(checklist)
    if not group:
        folder = _own_folder()
        return Place(folder / f"{name}.sock", folder / f"{name}.log")
    gid = group_id(group)
    folder = _group_folder(gid)
    # What the engine says of itself is for its owner alone, as ever.
    return Place(folder / f"{name}.sock", _own_folder() / f"{name}.log", gid)


def places_of(checklist: Path) -> Iterator[Place]:
    """Every place where an engine of CHECKLIST may be met: our own, and those for the groups that we are in.

    Raises UnsafePlace as `place_of`; a group's folder that is not what it says is passed over.
    """
    yield place_of(checklist)
    name = _name(checklist)
    for folder, gid in _shared_folders():
        yield Place(folder / f"{name}.sock", _own_folder() / f"{name}.log", gid)


def left_for_a_group(checklist: Path) -> Place | None:
    """Where our own engine of CHECKLIST listened for a group until it was killed; None: it ended in order, or there
    was none. One that ends in order takes its socket away."""
    groups = {group.gr_gid for group in grp.getgrall()}
    own = (place for place in places_of(checklist) if place.group in groups and place.socket.exists())
    return next((place for place in own if place.socket.lstat().st_uid == os.getuid()), None)


def engines() -> Iterator[Place]:
    """Every place, of any checklist, where an engine that we may meet was started. Raises as `place_of`."""
    for folder, gid in ((_own_folder(), -1), *_shared_folders()):
        for socket in sorted(folder.glob("*.sock")):
            yield Place(socket, _own_folder() / f"{socket.stem}.log", gid)


def _shared_folders() -> Iterator[tuple[Path, int]]:
    """The folders for groups that we may enter, and the group of each."""
    # Our own for a group are ours to enter, whether or not we are in it: root need not be.
    folders = set(_SHARED.glob(f"tminus-{os.getuid()}-group-*"))
    folders.update(*(_SHARED.glob(f"tminus-*-group-{gid}") for gid in {os.getgid(), *os.getgroups()}))
    for folder in sorted(folders):
        gid = folder.name.rpartition("-")[2]
        if gid.isdecimal() and _is_groups(folder, int(gid)):
            yield folder, int(gid)


def group_id(group: str) -> int:
    """The id of GROUP. Raises UnsafePlace when there is none, or we are not in it."""
    try:
        gid = grp.getgrnam(group).gr_gid
    except KeyError:
        raise UnsafePlace(f"there is no group {group!r} on this machine") from None
    if os.getuid() != 0 and gid not in {os.getgid(), *os.getgroups()}:
        raise UnsafePlace(f"you are not in the group {group!r}: log in again after you were added to it")
    return gid


_SHARED = Path("/tmp")  # noqa: S108 (the same for every user, whatever their TMPDIR; the folders in it are checked)


def _name(checklist: Path) -> str:
    return hashlib.sha256(os.fsencode(checklist.resolve())).hexdigest()[:12]


def _own_folder() -> Path:
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    # A Unix socket's path holds 107 bytes at the most, so never beside the checklist.
    folder = Path(runtime) / "tminus" if runtime else _SHARED / f"tminus-{os.getuid()}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    info = folder.lstat()
    if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.getuid() or info.st_mode & 0o022:
        raise UnsafePlace(f"{folder} is not a folder of yours alone: remove it, or set XDG_RUNTIME_DIR")
    return folder


def _group_folder(gid: int) -> Path:
    """Our folder that the group GID may enter, and nobody else; only we may write in it."""
    folder = _SHARED / f"tminus-{os.getuid()}-group-{gid}"
    try:
        folder.mkdir(mode=0o700)
        os.chown(folder, -1, gid)
        folder.chmod(0o750)
    except FileExistsError:
        pass
    if not _is_groups(folder, gid) or folder.lstat().st_uid != os.getuid():
        raise UnsafePlace(f"{folder} is not a folder of yours and that group: remove it")
    return folder


def _is_groups(folder: Path, gid: int) -> bool:
    """Whether FOLDER is what its name says, and closed to everybody else: of that uid, which is in the group GID, or
    it could not have given the folder to it."""
    try:
        info = folder.lstat()
    except OSError:
        return False
    named = folder.name.removeprefix("tminus-").partition("-group-")[0]
    return (
        stat.S_ISDIR(info.st_mode) and named == str(info.st_uid) and info.st_gid == gid and not info.st_mode & 0o027
    )
