"""Opening SQLite files without touching them: no lock that a writer waits for, no -wal and no -shm left beside them.

A file in WAL mode that nobody has open lies there alone, and a connection that only reads (mode=ro) would make a -wal
and a -shm for it and, as it may not write, leave them. So what lies there alone is read as a file that nobody changes
(immutable=1), and looked at again afterwards. https://sqlite.org/wal.html#read_only_databases
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote as percent_encode

from transfer.errors import CouldNotLook, Refused

MAGIC = b"SQLite format 3\x00"
# Where SQLite's locks lie in the file (os_unix.c): a byte that is pending, one reserved, and those that are shared.
LOCKS, LOCK_BYTES = 0x40000000, 512
_SHARED, _SHARED_BYTES = LOCKS + 2, LOCK_BYTES - 2
_TRIES, _PAUSE = 50, 0.02  # about a second
_WRITTEN = "was written while it was read. Try again, or take a backup and use that."


@dataclass(frozen=True, slots=True)
class Header:
    """What the first bytes of a file say (https://sqlite.org/fileformat2.html, 1.3): whether it is in WAL mode, and
    how often it was changed (in WAL mode that moves with checkpoints alone)."""

    wal: bool
    change_counter: int


def header(path: Path) -> Header:
    """Raises CouldNotLook unless PATH is a readable SQLite file (an empty file is none)."""
    try:
        # To open and close it once more would let go of the locks that a connection of this process holds on it.
        if (ours := _open_here(path)) is not None:
            head = os.pread(ours, 100, 0)
        else:
            with path.open("rb") as file:
                head = file.read(100)
    except OSError as error:
        raise CouldNotLook(f"{path}: {error.strerror or error}") from error
    if len(head) < 100 or not head.startswith(MAGIC):
        raise CouldNotLook(f"{path}: not a SQLite database.")
    return Header(head[18] == 2, int.from_bytes(head[24:28], "big"))


@contextmanager
def reading(path: Path, *, settled: bool = False) -> Iterator[sqlite3.Connection]:
    """One read-only snapshot of PATH, with every row that was committed. SETTLED: a backup that nobody writes.

    Raises CouldNotLook (no such file, not SQLite, torn) and Refused (a settled file that is live after all).
    """
    found = header(path)
    if settled:
        for tail in ("-wal", "-journal"):
            if _bytes(beside := _beside(path, tail)):
                raise Refused(f"{path.name} is in use: {beside.name} lies beside it. Take a backup, use that.")
        with _unchanged(path), _snapshot(path, immutable=True) as con:
            yield con
        return
    shm = _beside(path, "-shm")
    if found.wal and not (shm.exists() and _open_here(path) is not None):
        with _sharing(path) as shared:
            if shared and not _bytes(_beside(path, "-wal")):
                with _unchanged(path), _snapshot(path, immutable=True) as con:
                    yield con
                return
            if shared and not shm.exists():
                with _copied(path) as copy, _snapshot(copy) as con:
                    yield con
                return
    with _snapshot(path) as con:
        yield con


@contextmanager
def _snapshot(path: Path, *, immutable: bool = False) -> Iterator[sqlite3.Connection]:
    uri = f"file:{percent_encode(str(path.absolute()))}?mode=ro{'&immutable=1' if immutable else ''}"
    try:
        with closing(sqlite3.connect(uri, uri=True, isolation_level=None, timeout=10)) as con:
            con.execute("BEGIN")
            con.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            yield con
    except sqlite3.DatabaseError as error:
        raise CouldNotLook(f"{path}: cannot be read: {error}") from error


@contextmanager
def _sharing(path: Path) -> Iterator[bool]:
    """SQLite's SHARED lock on PATH, which all who have a file in WAL mode open hold; False where it is not to be had.

    While it is held, who opens the file and closes it again leaves his rows in the -wal, and the file as it is.
    """
    with path.open("rb") as file:
        yield _locked(file.fileno())


def _locked(file: int) -> bool:
    for _ in range(_TRIES):
        try:
            fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB, _SHARED_BYTES, _SHARED)
        except (BlockingIOError, PermissionError):  # somebody is alone with it: to close it, mostly
            time.sleep(_PAUSE)
        except OSError:  # no locks here
            return False
        else:
            return True
    return False


@contextmanager
def _unchanged(path: Path) -> Iterator[None]:
    """Raises CouldNotLook when PATH was written meanwhile, whatever else its reader stumbled over by then."""
    before = _state(path)
    try:
        yield
    except CouldNotLook:
        if _state(path) != before:
            raise CouldNotLook(f"{path.name} {_WRITTEN}") from None
        raise
    if _state(path) != before:
        raise CouldNotLook(f"{path.name} {_WRITTEN}")


@contextmanager
def _copied(path: Path) -> Iterator[Path]:
    """A copy of PATH and of the -wal that a crash, or a copy, left beside it without its -shm: whoever opened them
    there would make one."""
    wal = _beside(path, "-wal")
    with tempfile.TemporaryDirectory(prefix="tminus-sqlite-") as folder:
        copy = Path(folder) / path.name
        try:
            with _unchanged(wal), _unchanged(path):
                shutil.copyfile(wal, _beside(copy, "-wal"))
                shutil.copyfile(path, copy)
        except OSError as error:
            raise CouldNotLook(f"{error.filename or path}: {error.strerror or error}") from error
        yield copy


def _open_here(path: Path) -> int | None:
    """A descriptor by which this process can read PATH already. Raises OSError when there is no such file."""
    wanted = path.stat()
    with suppress(OSError):  # a system without /dev/fd
        for name in Path("/dev/fd").iterdir():
            with suppress(OSError):
                found = int(name.name)
                if os.path.samestat(os.fstat(found), wanted) and os.pread(found, 1, 0):
                    return found
    return None


def _state(path: Path) -> tuple[int, int, int] | None:
    try:
        info = path.stat()
    except OSError:
        return None
    return info.st_ino, info.st_size, info.st_mtime_ns


def _bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _beside(path: Path, tail: str) -> Path:
    return path.with_name(path.name + tail)
