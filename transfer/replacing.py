"""Putting a backup in the place of a live SQLite file, so that at every moment the old one or the new one is there.

The order matters. What is replaced gets a second name first (hard links, of its -wal and -shm too); then SQLite
itself folds the -wal into the old file, which is whole by itself from there on; then the first names of the side
files go; then one rename puts the new file there. An old -wal beside a new file would be replayed into it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from transfer.backup import check, foreign_key_violations
from transfer.durable import sha256_of, sync
from transfer.errors import CouldNotLook, Refused
from transfer.opening import LOCK_BYTES, LOCKS, MAGIC, reading

SIDE = ("-wal", "-shm", "-journal")
_PATIENCE = 2.0  # seconds that SQLite waits for a lock
_CHUNK = 2**20
_INIT = 1  # the first process, which no other may look into


@dataclass(frozen=True, slots=True)
class Replaced:
    """DONE_BEFORE: the live file was the backup already. KEPT: the names of what was replaced, its -wal and -shm too.

    ORPHANS: rows without a parent in the new file, None when that cannot be said. UNSEEN: processes that may write
    the file and whose open files could not be listed; for them SQLite's lock spoke alone.
    """

    live: Path
    bytes: int
    sha256: str
    kept: tuple[Path, ...]
    done_before: bool
    orphans: int | None
    unseen: int


def replace(live: Path, backup: Path, sha256: str) -> Replaced:
    """Puts BACKUP, whose digest must be SHA256, in the place of LIVE; mode and owner stay, nothing is deleted.

    Raises Refused (BACKUP is not sound, somebody has LIVE open, LIVE was restored before and written to since) and
    CouldNotLook (unreadable, no room); then LIVE is as it was.
    """
    live = live.resolve()
    try:
        orphans = _sound(backup, sha256)
        size = backup.stat().st_size
        if _is_already(live, sha256):
            return Replaced(live, size, sha256, tuple(_kept_before(live, sha256)), True, orphans, 0)
        for old in _kept_before(live, sha256):
            if not (live.exists() and old.samefile(live)):
                raise Refused(
                    f"{live.name} was restored from this backup before and was written to since (what it replaced is"
                    f" {old.name}). Restoring again would drop those writes: to do so, rename {old.name} first."
                )
            _forget(old)  # a second name that an interrupted restore left
        users, unseen = open_by(live)
        if users:
            raise Refused(f"{live.name} is open in {', '.join(users[:4])}: stop the application first.")
        with _copied(backup, live, sha256) as new:
            kept = _swap(live, new, live.with_name(f"{live.name}.before-{sha256[:12]}-{_stamp()}"))
        if sha256_of(live) != sha256:
            raise Refused(f"{live.name} is not what was written to it: restore it again, and look at the disk.")
    except OSError as error:
        raise CouldNotLook(f"{error.filename or live}: {error.strerror or error}") from error
    return Replaced(live, size, sha256, kept, False, orphans, unseen)


def open_by(live: Path, but: int = 0) -> tuple[list[str], int]:
    """Who has LIVE or a side file of it open ("python3 (pid 7)"), by device and inode, but for the process BUT.

    And how many processes that may write the file did not let themselves be looked into: an idle connection holds no
    lock, so that of these nobody knows.
    """
    wanted, owner, all_may = set(), -1, False
    for path in (live, *(_beside(live, tail) for tail in SIDE)):
        with suppress(OSError):
            info = path.stat()
            wanted.add((info.st_dev, info.st_ino))
            owner, all_may = info.st_uid, all_may or bool(info.st_mode & 0o022)
    users, unseen = [], 0
    for process in psutil.process_iter(["name", "uids"]):
        if process.pid == but:
            continue
        try:
            held = {_identity(process.pid, f.fd, f.path) for f in process.open_files()}
        except psutil.AccessDenied:
            uid = process.info["uids"].effective if process.info["uids"] else owner
            unseen += bool(wanted) and process.pid != _INIT and (uid == owner or (all_may and uid != 0))
            continue
        except (psutil.Error, OSError):
            continue
        if held & wanted:
            users.append(f"{process.info['name']} (pid {process.pid})")
    return users, unseen


def _identity(pid: int, fd: int, path: str) -> tuple[int, int]:
    for name in (f"/proc/{pid}/fd/{fd}", path):  # the first also holds where another name or mount leads there
        with suppress(OSError):
            info = Path(name).stat()
            return info.st_dev, info.st_ino
    return 0, 0


def _sound(backup: Path, sha256: str) -> int | None:
    if (found := sha256_of(backup)) != sha256:
        raise Refused(f"{backup.name} is not what it was when it was made: sha256 {found[:12]}…, not {sha256[:12]}….")
    with reading(backup, settled=True) as con:
        if (said := check(con, "integrity_check")) != "ok":
            raise Refused(f"{backup.name} is damaged: {said}.")
        return foreign_key_violations(con)


def _is_already(live: Path, sha256: str) -> bool:
    # A -wal that holds something belongs to the file, which is then another one.
    sides = [_beside(live, tail) for tail in ("-wal", "-journal")]
    return live.exists() and sha256_of(live) == sha256 and not any(s.exists() and s.stat().st_size for s in sides)


def _kept_before(live: Path, sha256: str) -> list[Path]:
    found = live.parent.glob(f"{live.name}.before-{sha256[:12]}-*")
    return sorted(path for path in found if not path.name.endswith(SIDE))


def _forget(kept: Path) -> None:
    for path in (kept, *(_beside(kept, tail) for tail in SIDE)):
        # Only what has another name still: nothing is lost by it. A -wal that has none stays.
        with suppress(FileNotFoundError):
            if path.stat().st_nlink > 1:
                path.unlink()


@contextmanager
def _copied(backup: Path, live: Path, sha256: str) -> Iterator[Path]:
    """A copy of BACKUP beside LIVE, on disk and read back; it is gone at the end unless it was renamed."""
    free = shutil.disk_usage(live.parent).free
    if free < (size := backup.stat().st_size):
        raise CouldNotLook(f"{live.parent}: {free:,} bytes free, and the backup has {size:,}: make room first.")
    new = live.with_name(f".{live.name}.restoring")
    handle = os.open(new, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Refused(f"another restore of {live.name} is at work.") from None
        try:
            os.ftruncate(handle, 0)
            with backup.open("rb") as source, os.fdopen(os.dup(handle), "wb") as target:
                shutil.copyfileobj(source, target, _CHUNK)
            if live.exists():
                info = live.stat()
                os.fchown(handle, info.st_uid, info.st_gid)
                os.fchmod(handle, info.st_mode & 0o7777)
            os.fsync(handle)
            if sha256_of(new) != sha256:
                raise Refused(f"the copy of {backup.name} is not what was written: look at the disk.")
            yield new
        finally:
            new.unlink(missing_ok=True)
    finally:
        os.close(handle)


def _swap(live: Path, new: Path, kept: Path) -> tuple[Path, ...]:
    names = []
    try:
        for tail in ("", *SIDE):
            if (old := _beside(live, tail)).exists():
                os.link(old, _beside(kept, tail))
                names.append(_beside(kept, tail))
        sync(live.parent)
        whole = _settled(live)
        with _locked(live):
            if whole and any(_beside(live, tail).exists() for tail in ("-wal", "-journal")):
                raise Refused(f"{live.name} was opened just now: stop the application first.")
            if (users := open_by(live, but=os.getpid())[0]) and live.exists():
                raise Refused(
                    f"{live.name} was opened just now by {', '.join(users[:4])}: stop the application first."
                )
            for tail in SIDE:
                _beside(live, tail).unlink(missing_ok=True)  # each has its second name by now
            new.replace(live)
            sync(live.parent)
    except BaseException:
        if kept.exists() and live.exists() and kept.samefile(live):
            _forget(kept)
        raise
    return tuple(names)


def _settled(live: Path) -> bool:
    """Has SQLite fold the -wal, or roll the journal back, alone with the file; False where SQLite cannot read it.

    Raises Refused while somebody uses it.
    """
    if not live.exists() or _head(live) != MAGIC:
        return False  # nothing there, or nothing that SQLite could make whole: it is kept as it lies
    try:
        with closing(sqlite3.connect(live, isolation_level=None, timeout=_PATIENCE)) as con:
            con.execute("PRAGMA locking_mode = EXCLUSIVE")
            con.execute("BEGIN EXCLUSIVE")
            con.execute("COMMIT")
            busy, frames, folded = con.execute("PRAGMA wal_checkpoint(FULL)").fetchone()
            con.execute("PRAGMA locking_mode = NORMAL")  # and a last read, with which the journal's file goes
            con.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.OperationalError as error:
        if "locked" in str(error) or "busy" in str(error):
            raise Refused(f"{live.name} is in use ({error}): stop the application first.") from None
        raise CouldNotLook(f"{live.name}: {error}") from None
    except sqlite3.DatabaseError:
        return False  # damaged: that may be why it is replaced
    if busy or frames != folded:
        raise Refused(f"{live.name} is in use: its -wal cannot be folded. Stop the application first.")
    return True


@contextmanager
def _locked(live: Path) -> Iterator[None]:
    """SQLite's own EXCLUSIVE lock on LIVE, held past the rename: who opens the old file meanwhile finds it locked.

    Taken on the bytes themselves: a connection that is closed after the rename would remove the -wal of the new file.
    LIVE must not be opened and closed again in here: that would let go of the lock.
    """
    if not live.exists():
        yield
        return
    with live.open("r+b") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, LOCK_BYTES, LOCKS)
        except OSError:
            raise Refused(f"{live.name} is in use: stop the application first.") from None
        yield


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(len(MAGIC))


def _beside(path: Path, tail: str) -> Path:
    return path.with_name(path.name + tail)


def _stamp() -> str:
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
