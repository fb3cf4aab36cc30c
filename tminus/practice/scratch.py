"""Copies to practise on: a project's code without its secrets and data, its SQLite file, and the proof that neither
original was touched."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tminus.survey.found import is_others
from transfer.backup import Backup, backup
from transfer.errors import CouldNotLook
from transfer.progress import Pace, Watch

_BLOCK = 4 * 2**20  # bytes
_QUIET = Watch()
LARGEST = 20 * 2**20  # bytes of a file that may be code
_DATA = (".db", ".sqlite", ".sqlite3", ".db3", ".db-wal", ".db-shm", ".sqlite-wal", ".sqlite3-wal", ".dump", ".log")


@dataclass(frozen=True, slots=True)
class Trace:
    """What a file was: its sha256, when it was last written (ns), and what lay beside it as SQLite's own."""

    sha256: str
    mtime_ns: int
    beside: tuple[tuple[str, int, int], ...]


def trace(path: Path, watch: Watch = _QUIET) -> Trace:
    """What PATH is right now. Raises CouldNotLook, Cancelled."""
    try:
        digest = _sha256(path, watch)
        beside = [path.with_name(path.name + tail) for tail in ("-wal", "-shm", "-journal")]
        # Of the -shm its being there alone: every reader of a live database leaves a mark in it.
        found = [(p.name, s.st_size, s.st_mtime_ns) for p in beside if (s := _stat(p))]
        state = [(name, 0, 0) if name.endswith("-shm") else (name, size, at) for name, size, at in found]
        return Trace(digest, path.stat().st_mtime_ns, tuple(state))
    except OSError as error:
        raise CouldNotLook(f"{path}: {error.strerror or error}") from error


def _sha256(path: Path, watch: Watch) -> str:
    total, done, pace, digest = path.stat().st_size, 0, Pace(), hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            done += len(block)
            if pace.due():
                watch.tell("sha256 of the original", None, done >> 20, total >> 20, "MiB")
    return digest.hexdigest()


def _stat(path: Path) -> Any:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def sqlite_copy(
    source: Path, into: Path, *, progress: Callable[[Any], None], cancelled: Callable[[], bool]
) -> Backup:
    """A sound backup of SOURCE in the folder INTO. Raises what `transfer.backup` raises.

    A database in WAL mode that nobody has open is copied byte by byte first, with the log that a crash may have left:
    even a reader that may not write would leave a -wal and a -shm beside the original.
    """
    if _sleeps_in_wal(source):
        asleep = into / "asleep"
        asleep.mkdir()
        before = trace(source)
        wal = source.with_name(source.name + "-wal")
        for path in (source, wal) if wal.exists() else (source,):
            shutil.copyfile(path, asleep / path.name)
        if trace(source) != before or trace(asleep / source.name).sha256 != before.sha256:
            raise CouldNotLook(f"{source.name} was written while it was copied: try again")
        source = asleep / source.name
    return backup(source, into, progress=progress, cancelled=cancelled)


def _sleeps_in_wal(path: Path) -> bool:
    """Whether PATH is in WAL mode (bytes 18 and 19 of the header, https://sqlite.org/fileformat2.html, 1.3.3), and
    no connection has it open: each keeps a -shm."""
    try:
        with path.open("rb") as file:
            head = file.read(20)
    except OSError:
        return False
    return head[18:20] == b"\x02\x02" and not path.with_name(path.name + "-shm").exists()


def code_copy(project: Path, into: Path) -> Path:
    """The code of PROJECT in the new folder INTO: without .env, git, virtual environments, data and large files.

    What runs there cannot read a secret of the project, and writes into the copy.
    """

    def left_out(folder: str, names: list[str]) -> set[str]:
        return {name for name in names if _is_left_out(Path(folder) / name)}

    try:
        shutil.copytree(project, into, ignore=left_out, symlinks=True)
    except (OSError, shutil.Error) as error:
        raise CouldNotLook(f"the code could not be copied: {error}") from error
    return into


def _is_left_out(path: Path) -> bool:
    if path.is_symlink():  # it would lead back to the original
        return True
    if path.is_dir():
        return is_others(path)
    secret = path.name == ".env" or path.name.startswith(".env.")
    return secret or path.name.endswith(_DATA) or not path.is_file() or path.stat().st_size > LARGEST
