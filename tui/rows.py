"""The checklist as rows: which are there, what is folded, what matches the filter. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

from tminus.client.messages import ItemFace, PhaseFace, View


@dataclass(frozen=True)
class Row:
    """One row: `kind` is phase, step, item, line (the point of no return) or gap. `key` names phases and items."""

    kind: str
    key: str = ""
    phase: PhaseFace | None = None
    face: ItemFace | None = None
    text: str = ""
    folded: bool = False

    @property
    def takes_cursor(self) -> bool:
        """Whether the cursor may stand on it."""
        return self.kind in ("phase", "item")


@dataclass(frozen=True)
class Rows:
    """The rows in order. `place` is where a phase or an item stands, `stops` are the places that take the cursor."""

    rows: tuple[Row, ...] = ()

    @cached_property
    def place(self) -> Mapping[str, int]:
        return {self.rows[y].key: y for y in self.stops}

    @cached_property
    def stops(self) -> tuple[int, ...]:
        return tuple(y for y, row in enumerate(self.rows) if row.takes_cursor)

    def at(self, key: str) -> Row | None:
        """The row of the phase or the item KEY; None when it is not shown."""
        return self.rows[self.place[key]] if key in self.place else None

    def beside(self, key: str, step: int) -> str:
        """The phase or the item STEP stops after KEY, the first or the last at the ends; empty without any."""
        if not self.stops:
            return ""
        here = bisect_left(self.stops, self.place[key]) if key in self.place else 0
        return self.rows[self.stops[min(max(here + step, 0), len(self.stops) - 1)]].key


def folded_by_default(view: View, phase: PhaseFace) -> bool:
    """Whether PHASE starts folded: it is passed, or belongs to a branch that is not flown."""
    current = next((one for one in view.phases if one.id == view.standing.phase), None)
    branch = current.branch if current else "main"
    return phase.id in view.gone or phase.branch != branch


def rows_of(view: View, folds: Mapping[str, bool], words: str = "") -> list[Row]:
    """The rows of VIEW. FOLDS holds what the person folded or unfolded; WORDS filter items, and unfold."""
    rows: list[Row] = []
    wanted = words.lower().split()
    for phase in view.phases:
        matching = [face for face in phase.items if matches(face, wanted)]
        if wanted and not matching:
            continue
        folded = not wanted and folds.get(phase.id, folded_by_default(view, phase))
        rows.append(Row("phase", phase.id, phase=phase, folded=folded))
        if folded:
            continue
        for step in phase.steps:
            shown = [face for face in step.items if matches(face, wanted)]
            if shown and step.title and step.title != phase.title:
                rows.append(Row("step", phase=phase, text=step.title))
            for face in shown:
                if face.point_of_no_return:
                    rows.append(Row("line", phase=phase))
                rows.append(Row("item", face.id, phase=phase, face=face))
    return rows


def matches(face: ItemFace, words: list[str]) -> bool:
    """Whether every one of WORDS is in the item's id, text or check."""
    return not words or all(word in _hay(face.id, face.text, face.check) for word in words)


@lru_cache(maxsize=16384)
def _hay(name: str, text: str, check: str) -> str:
    return f"{name} {text} {check}".lower()


def next_open(view: View, after: str) -> str:
    """The next item that is not settled after the item AFTER: of the current branch first, then round again."""
    current = next((phase for phase in view.phases if phase.id == view.standing.phase), None)
    branch = current.branch if current else "main"
    order = [face.id for phase in view.phases if phase.branch == branch for face in phase.items]
    place = order.index(after) + 1 if after in order else 0
    if after not in order and current is not None and current.items:
        place = order.index(current.items[0].id)
    for name in order[place:] + order[:place]:
        item = view.items.get(name)
        if item is None or not item.settled:
            return name
    return ""


def phase_of(view: View, item: str) -> PhaseFace | None:
    """The phase that ITEM is in."""
    return next((phase for phase in view.phases if any(face.id == item for face in phase.items)), None)


def phase_at(view: View, key: str) -> str:
    """The phase that KEY, an item or a phase, is in or is; empty when there is none."""
    if any(phase.id == key for phase in view.phases):
        return key
    phase = phase_of(view, key)
    return phase.id if phase else ""
