"""A file of ours that somebody else may change at any time: noticing it before it is overwritten."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Known:
    """A file as we left it: by what `stat` says, which is cheap, and by its content, which is certain."""

    stat: os.stat_result
    sha256: str


def known(path: Path, before: Known | None = None) -> Known | None:
    """PATH as it is now; None when there is nothing. Not read when `stat` says what it said BEFORE. Raises OSError
    when it cannot be read."""
    try:
        info = path.lstat()
        if before is not None and _key(info) == _key(before.stat):
            return before
        return Known(info, _sha256(path))
    except FileNotFoundError:
        return None


def keep_aside(path: Path, moment: str) -> Path | None:
    """Keep what is at PATH under another name beside it, `NAME.found-MOMENT`; None when there is nothing.

    PATH itself stays. Raises OSError when it cannot be kept.
    """
    aside, number = path.with_name(f"{path.name}.found-{moment}"), 1
    while True:
        try:
            os.link(path, aside, follow_symlinks=False)
            return aside
        except FileNotFoundError:
            return None
        except FileExistsError:
            number += 1
            aside = path.with_name(f"{path.name}.found-{moment}-{number}")
        except OSError:  # a file system without hard links
            with contextlib.suppress(FileNotFoundError):
                shutil.copy2(path, aside)
                return aside
            return None


def _key(info: os.stat_result) -> tuple[int, int, int, int]:
    return info.st_dev, info.st_ino, info.st_mtime_ns, info.st_size


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
