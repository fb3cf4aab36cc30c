"""Where the older part of a log is found after a rotation: under another name, maybe compressed."""

from __future__ import annotations

import gzip
import os
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

FINGERPRINT = 256  # bytes at a file's beginning by which it is known again
_BLOCK = 1024 * 1024
# What logrotate and Python's handlers put behind the name: .1  .2.gz  -20261122  -20261122-1763841600  .2026-11-22_10
_SUFFIX = re.compile(r"[.-]\d[\d_T:-]*(?:\.gz)?")
_BROKEN = (OSError, EOFError, zlib.error)  # gzip says all of these of a file that is none, or not finished


def siblings(path: Path) -> list[Path]:
    """The older files of the log PATH, in no order. Of app.log also app-20261122.log, as logrotate's
    `extension` makes it."""
    stem, suffix = path.stem, path.suffix
    found = []
    try:
        entries = list(os.scandir(path.parent))
    except OSError:  # a folder that may not be listed: its log can be followed all the same
        return []
    for entry in entries:
        behind = entry.name.removeprefix(path.name)
        inside = entry.name.removesuffix(".gz").removesuffix(suffix).removeprefix(stem) if suffix else ""
        named = behind != entry.name and _SUFFIX.fullmatch(behind)
        if (named or (entry.name.startswith(stem) and _SUFFIX.fullmatch(inside))) and entry.is_file():
            found.append(Path(entry.path))
    return found


def head(path: Path) -> bytes:
    """The first bytes of the log in PATH, b"" where they cannot be read."""
    try:
        with _open(path) as file:
            return file.read(FINGERPRINT)
    except _BROKEN:
        return b""


def heads(path: Path) -> tuple[bytes, ...]:
    """How the older files of the log PATH begin."""
    return tuple(begins for one in siblings(path) if (begins := head(one)))


def newer(path: Path, known: tuple[bytes, ...], since_ns: int) -> list[bytes]:
    """How those of the older files of the log PATH begin that begin as none of KNOWN does and were written at
    SINCE_NS or later, oldest first."""
    found: dict[bytes, int] = {}
    for one in siblings(path):
        try:
            written = one.stat().st_mtime_ns
        except OSError:
            continue
        if written >= since_ns and (begins := head(one)) and not begins.startswith(known):
            found[begins] = min(written, found.get(begins, written))
    return sorted(found, key=lambda begins: found[begins])


def read(path: Path, begins: bytes, position: int, go_on: Callable[[], bool]) -> Iterator[bytes]:
    """That older file of the log PATH that BEGINS so, from POSITION, while GO_ON says so.

    POSITION counts uncompressed bytes. Raises OSError when there is none, and when it cannot be read to its end;
    while a log is being rotated both may be otherwise a moment later.
    """
    file = _opened(path, begins)
    if file is None:
        raise FileNotFoundError("no older file begins so")
    with file:
        try:
            file.seek(position)
            while go_on() and (block := file.read(_BLOCK)):
                yield block
        except (EOFError, zlib.error) as error:
            raise OSError(type(error).__name__) from None


def _opened(path: Path, begins: bytes) -> BinaryIO | None:
    """A name may stand for another file since it was listed: only what is open can be vouched for. The compressed
    one of a pair comes last, since it may not be complete while the plain one is still there."""
    for one in sorted(siblings(path), key=lambda one: (one.suffix == ".gz", one.name)) if begins else ():
        try:
            file = _open(one)
        except OSError:
            continue
        try:
            if file.read(FINGERPRINT).startswith(begins):
                return file
        except _BROKEN:
            pass
        file.close()
    return None


def _open(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")
