"""Files that the screen leaves for the person: copies and pictures, in their own state folder, never in the run's."""

from __future__ import annotations

import asyncio
import os
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from platformdirs import user_state_path

T = TypeVar("T")
KEPT = 50  # files of a kind; the oldest go


def shelf() -> Path:
    """Where they lie."""
    return user_state_path("tminus")


def put(folder: Path, name: str, text: str) -> Path:
    """Write TEXT to a new file NAME in FOLDER, which nobody else may read, and let the oldest of the folder go.

    Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / safe_name(name)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    kept = sorted((one for one in folder.iterdir() if one.is_file()), key=lambda one: one.stat().st_mtime_ns)
    for old in kept[:-KEPT]:
        with suppress(OSError):
            old.unlink()
    return path


def safe_name(name: str) -> str:
    r"""NAME as the name of a file: what comes from outside leads to no other folder.

    >>> safe_name("20261122T204500Z ../../etc/x.svg")
    '20261122T204500Z-etc-x.svg'
    """
    words = re.findall(r"[A-Za-z0-9._-]*[A-Za-z0-9]", name)
    return "-".join(word.lstrip(".-") for word in words)[-120:] or "screen"


def home_short(path: Path) -> str:
    """PATH as a person reads it, from ~ on."""
    try:
        return f"~/{path.relative_to(Path.home())}"
    except ValueError:
        return str(path)


async def aside(work: Callable[[], T]) -> T:
    """What WORK gives or raises, done in a thread of its own: a hung disk holds up neither the keys nor the exit."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]

    def body() -> None:
        result, failed = None, None
        try:
            result = work()
        except Exception as error:
            failed = error
        with suppress(RuntimeError):  # the screen is closed
            loop.call_soon_threadsafe(settle, result, failed)

    threading.Thread(target=body, name="shelf", daemon=True).start()
    return await done
