"""The checklist's file, looked at while the run goes on: an edit is said, and taken up by nobody but a person."""

from __future__ import annotations

import tomllib
from contextlib import suppress
from pathlib import Path

from state.loader import Loaded, load_checklist
from state.problems import ChecklistError
from tminus.engine.records import differing_lines

MENDS = "`tminus stop` and `tminus run` take it up, the old file put back ends this"


class DefinitionFile:
    """What was read at the start, against what lies there now."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        self._files = _files(loaded.path)
        self._seen = self._stats()
        self._said = ""

    def look(self) -> str:
        """How the file differs from what the run goes by, and what to do; empty when it does not. Reads the file only
        when it was touched."""
        if (stats := self._stats()) != self._seen:
            self._seen = stats
            self._said = self._difference()
        return self._said

    def _stats(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_stat(path) for path in self._files)

    def _difference(self) -> str:
        name = self._loaded.path.name
        try:
            now = load_checklist(self._loaded.path)
        except ChecklistError as error:
            first = str(error.problems[0]).splitlines()[0]
            return f"{name} was changed and cannot be used: {first}. The run goes on by what it read at its start"
        except OSError as error:
            return f"{name} cannot be read any more: {error.strerror}. The run goes on by what it read at its start"
        if now.sha256 == self._loaded.sha256:
            return ""
        lines = differing_lines(dict(self._loaded.checklist.outline()), dict(now.checklist.outline()))
        more = f" and {len(lines) - 1} more" if len(lines) > 1 else ""
        return f"{name} was changed: {lines[0]}{more}. The run goes on by what it read at its start; {MENDS}"


def _files(path: Path) -> tuple[Path, ...]:
    """PATH, and what it extends."""
    with suppress(OSError, ValueError):
        base = tomllib.loads(path.read_text()).get("extends")
        if isinstance(base, str) and base:
            return path, path.parent / base
    return (path,)


def _stat(path: Path) -> tuple[int, int, int] | None:
    with suppress(OSError):
        info = path.stat()
        return info.st_ino, info.st_mtime_ns, info.st_size
    return None
