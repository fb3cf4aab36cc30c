"""Files that are wholly there or not at all, readable by their owner alone."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def published(final: Path) -> Iterator[Path]:
    """A new, empty file (mode 0600) to be filled; at the end it is on disk under its name, or gone.

    Raises FileExistsError when FINAL is already there: nothing is ever overwritten.
    """
    final.parent.mkdir(parents=True, exist_ok=True)
    partial = final.with_name(final.name + ".partial")
    os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        yield partial
        sync(partial)
        os.link(partial, final)  # unlike a rename it fails when the name is taken
    finally:
        partial.unlink(missing_ok=True)
    sync(final.parent)


def sync(path: Path) -> None:
    """fsync of a file or a folder."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def sha256_of(path: Path) -> str:
    with path.open("rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()
