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
    for entry in os.scandir(path.parent):
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


def same(begins: bytes, path: Path) -> bool:
    """Whether PATH holds the log that BEGINS so."""
    return bool(begins) and head(path).startswith(begins)


def copy_of(path: Path, begins: bytes) -> Path | None:
    """The older file of the log PATH that BEGINS so; a plain one rather than a compressed one, which may not be
    complete while the plain one is still there."""
    candidates = sorted(siblings(path), key=lambda one: (one.suffix == ".gz", one.name))
    return next((one for one in candidates if same(begins, one)), None)


def heads(path: Path) -> tuple[bytes, ...]:
    """How the older files of the log PATH begin."""
    return tuple(begins for one in siblings(path) if (begins := head(one)))


def newer(path: Path, known: tuple[bytes, ...]) -> list[Path]:
    """The older files of the log PATH that begin as none of KNOWN does, oldest first."""
    found: dict[bytes, tuple[int, Path]] = {}
    for one in sorted(siblings(path), key=lambda one: one.suffix == ".gz", reverse=True):  # the plain of a pair stays
        try:
            written = one.stat().st_mtime_ns
        except OSError:
            continue
        begins = head(one)
        if begins and not begins.startswith(known):
            found[begins] = (written, one)
    return [one for _, one in sorted(found.values())]


def read(path: Path, position: int, go_on: Callable[[], bool]) -> Iterator[bytes]:
    """The log in PATH from POSITION, which counts uncompressed bytes, while GO_ON says so.

    Raises OSError when PATH cannot be read to its end."""
    try:
        with _open(path) as file:
            left = position if path.suffix == ".gz" else position - file.seek(position)
            while go_on():
                block = file.read(min(_BLOCK, left) if left else _BLOCK)
                if not block:
                    return
                if left:
                    left -= len(block)
                else:
                    yield block
    except (EOFError, zlib.error) as error:
        raise OSError(type(error).__name__) from None


def _open(path: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(path, "rb")) if path.suffix == ".gz" else path.open("rb")
