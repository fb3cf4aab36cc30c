"""A mistake in a file, told so that it can be mended: where it is, what it is, what would be right."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

KeyPath = tuple[str | int, ...]


class Problem(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """One mistake. `line` is 1-based, 0 when the file as a whole is meant; `path` is the key path."""

    file: str
    line: int
    path: str
    message: str
    mend: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        said = ": ".join(part for part in (place, self.path, self.message) if part)
        return f"{said}\n    {self.mend}" if self.mend else said


class ChecklistError(Exception):
    """A checklist that cannot be used. `problems` names every mistake in it, not the first alone."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(sorted(problems))
        super().__init__("\n".join(map(str, self.problems)))


def dotted(path: Sequence[str | int]) -> str:
    """A key path as people write it.

    >>> dotted(("phase", 0, "step", 1, "title"))
    'phase[0].step[1].title'
    """
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text
