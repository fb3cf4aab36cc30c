"""Writing so that it is still there afterwards: fsync, atomic replace, fsync of the folder."""

from __future__ import annotations

import contextlib
import glob
import os
from collections.abc import Callable
from pathlib import Path


def write_atomically(
    path: Path, data: bytes, *, mode: int = 0o644, before: Callable[[], None] = lambda: None
) -> os.stat_result:
    """Replace PATH by DATA. After a crash at any moment the file is the old one or the new one, whole.

    BEFORE is called at the last moment at which the old file is there. Returns what `stat` says of the new one.
    Raises OSError (a full disk, a read-only folder) with the old file untouched.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, mode)
        try:
            write_all(handle, data)
            os.fsync(handle)
            written = os.fstat(handle)
        finally:
            os.close(handle)
        before()
        partial.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise
    fsync_folder(path.parent)
    return written


def remove_partials(path: Path) -> None:
    """Remove what `write_atomically` left of PATH where it was killed. Only while nobody else may write it."""
    for partial in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
        with contextlib.suppress(OSError):
            partial.unlink()


def write_all(handle: int, data: bytes) -> None:
    """Write DATA to HANDLE; `os.write` alone may stop half-way. Raises OSError."""
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def fsync_folder(folder: Path) -> None:
    """Make the entries of FOLDER durable: a new name is lost in a crash without it."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
