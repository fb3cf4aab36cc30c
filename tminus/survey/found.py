"""One fact about a project and where it stands; and its files, read within bounds."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from state.clean import clean

LARGEST = 512 * 1024  # bytes of a file that is read
MOST = 2_000  # files that are looked at
# Folders that hold other people's code, or none.
OTHERS = frozenset({"node_modules", "site-packages", "__pycache__", "dist", "build", "backups", "deployments"})


@dataclass(frozen=True, slots=True)
class Found:
    """A VALUE and WHERE it was found: "render.yaml line 4", "config.py line 12"."""

    value: str
    where: str


def text_of(path: Path) -> str:
    """The text of PATH, cleaned of control characters; "" when it is not there, too large or no text."""
    try:
        if not path.is_file() or path.stat().st_size > LARGEST:
            return ""
        return clean(path.read_bytes().decode("utf-8"), keep="\n\t")
    except (OSError, UnicodeDecodeError):
        return ""


def is_others(folder: Path) -> bool:
    """Whether FOLDER is not the project's own: hidden, a virtual environment, or of packages."""
    return folder.name.startswith(".") or folder.name in OTHERS or (folder / "pyvenv.cfg").is_file()


def files(root: Path, *suffixes: str, depth: int = 6) -> Iterator[Path]:
    """The project's own files below ROOT with one of SUFFIXES, in a fixed order; links are not followed."""
    seen = 0
    for folder, names, found in os.walk(root):
        here = Path(folder)
        level = len(here.relative_to(root).parts)
        names[:] = sorted(n for n in names if level < depth and not is_others(here / n))
        for name in sorted(found):
            if name.endswith(suffixes):
                seen += 1
                if seen > MOST:
                    return
                yield here / name


def shown(path: Path, root: Path) -> str:
    """PATH as it is written in a checklist beside ROOT."""
    return str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
