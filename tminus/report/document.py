"""What a report is made of, before it is Markdown or HTML: sections of plain blocks. Nothing in them is markup."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tminus.client.course import Course, Happened


@dataclass(frozen=True)
class Words:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Listing:
    """Lines that belong together; `none` is said when there are none."""

    lines: tuple[str, ...]
    none: str = ""


@dataclass(frozen=True)
class Table:
    """A table. Every row has as many cells as the head; `none` is said when there are no rows."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    none: str = ""

    def __post_init__(self) -> None:
        assert all(len(row) == len(self.head) for row in self.rows), self.head


@dataclass(frozen=True)
class Figure:
    """One metric over the run, with what happened meanwhile and the limits of the gates over it (in its unit)."""

    course: Course
    unit: str
    until: float
    events: tuple[Happened, ...] = ()
    limits: tuple[tuple[str, float], ...] = ()  # of a gate: its words, its threshold


Block = Words | Listing | Table | Figure


@dataclass(frozen=True)
class Section:
    """A heading with what is under it; `level` 2 is the highest, since the report itself has the first."""

    title: str
    blocks: tuple[Block, ...]
    level: int = 2


@dataclass(frozen=True)
class Report:
    """The whole page: its title, the verdict in one line, and its sections in order."""

    title: str
    verdict: str
    word: str  # of the verdict alone: GO, ROLLED BACK, HELD, OPEN
    sections: tuple[Section, ...]


def table(head: Sequence[str], rows: Sequence[Sequence[object]], none: str = "") -> Table:
    """A table whose cells are made text; columns that say nothing in any row are left out."""
    texts = [["" if cell is None else str(cell) for cell in row] for row in rows]
    kept = [n for n in range(len(head)) if not texts or any(row[n] for row in texts)]
    return Table(tuple(head[n] for n in kept), tuple(tuple(row[n] for n in kept) for row in texts), none)
