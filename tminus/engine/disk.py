"""What a disk refused, in words that say what to do."""

from __future__ import annotations

import errno
from pathlib import Path


def remedy(error: OSError, path: Path) -> str:
    """Why PATH could not be written, and what to do about it.

    >>> remedy(OSError(28, "No space left on device"), Path("runs/today.toml"))
    'No space left on device. Free some space for runs/today.toml'
    """
    name = f"{path.parent.name}/{path.name}"
    match error.errno:
        case errno.ENOSPC | errno.EDQUOT | errno.EFBIG:
            what = f"Free some space for {name}"
        case errno.EROFS | errno.EACCES | errno.EPERM:
            what = f"Give this user the right to write {name}"
        case errno.ENOENT | errno.ENOTDIR:
            what = f"Put the folder {path.parent.name} back, or make it anew: the run is written there again, whole"
        case errno.EBUSY:
            what = "End one of the two"
        case _:
            what = f"Look at the disk of {name}"
    return f"{error.strerror or type(error).__name__}. {what}"
