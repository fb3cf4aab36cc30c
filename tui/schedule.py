"""When each phase was, is and will be: planned times, real ones, and where the run is heading. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tminus.client.messages import ItemView, PhaseFace, View
from tui.clock import age_of, moment


@dataclass(frozen=True)
class Slot:
    """A phase in time: `planned` start, when it `begins` (or began), when it `ends` (or was passed); None: not known.

    `begun` and `over`: that it began, and was passed, is a fact. `needs` is how many planned seconds it still needs.
    """

    planned: datetime | None
    begins: datetime | None
    ends: datetime | None
    begun: bool = False
    over: bool = False
    needs: float = 0.0

    @property
    def drift(self) -> float | None:
        """Seconds that it begins late (below zero: early); None when no start is planned or known."""
        if self.planned is None or self.begins is None:
            return None
        return (self.begins - self.planned).total_seconds()


@dataclass(frozen=True)
class Projection:
    """Where the run is heading.

    `finish` is when the last phase would be settled if every open item took its planned time; None when no
    open item has one. `drift` is how many seconds the next planned start would be late (below zero: to spare);
    None when nothing with a planned start is ahead. `then` is that phase's title.
    """

    finish: datetime | None = None
    drift: float | None = None
    then: str = ""


def schedule(view: View, now: datetime) -> dict[str, Slot]:
    """The slot of every phase of VIEW at NOW, by id.

    What is ahead begins at its planned time or when the phase before it ends, whichever is later. What is settled
    takes no more time; what runs takes the rest of its plan. Phases of a branch that is not flown have no times but
    their plan.
    """
    ahead = [] if view.run.closed else [phase.id for phase in _ahead(view)]
    slots: dict[str, Slot] = {}
    cursor = now
    for phase in view.phases:
        planned = planned_start(view, phase)
        times = view.times.get(phase.id)
        began = moment(times.began) if times else None
        if phase.id not in ahead:
            passed = moment(times.passed) if times else None
            slots[phase.id] = Slot(planned, began, passed, began is not None, phase.id in view.gone)
            continue
        if began is None and planned is not None:
            cursor = max(cursor, planned)
        needs, begins = remaining(phase, view.items, now), began or cursor
        cursor = later(cursor, needs)
        slots[phase.id] = Slot(planned, begins, cursor, began is not None, needs=needs)
    return slots


def projection(view: View, now: datetime) -> Projection:
    """The projected finish and drift of VIEW at NOW, from planned offsets and expected durations (see `schedule`)."""
    slots = schedule(view, now)
    ahead = [(phase, slots[phase.id]) for phase in _ahead(view)]
    if not ahead or view.run.closed:
        return Projection()
    drift, then, cursor = None, "", ahead[0][1].ends
    for phase, slot in ahead[1:]:
        if slot.planned is not None and cursor is not None:
            drift, then = (cursor - slot.planned).total_seconds(), phase.title
            break
        cursor = slot.ends
    planned = any(slot.needs > 0 for _, slot in ahead)
    return Projection(ahead[-1][1].ends if planned else None, drift, then)


def planned_start(view: View, phase: PhaseFace) -> datetime | None:
    """When PHASE is planned to begin; None without a T0 or an offset, and in a rehearsal, which waits for none."""
    zero = None if view.run.rehearsal else moment(view.run.t0)
    return None if zero is None or phase.offset is None else later(zero, phase.offset)


def later(at: datetime, seconds: float) -> datetime:
    """AT and SECONDS more, a life's time at the most: no plan may run off the calendar."""
    return at + timedelta(seconds=min(max(seconds, -_FAR), _FAR))


_FAR = 100 * 365 * 86400.0


def _ahead(view: View) -> Sequence[PhaseFace]:
    """The phases not passed yet of the branch that the current phase belongs to."""
    current = next((phase for phase in view.phases if phase.id == view.standing.phase), None)
    branch = current.branch if current else "main"
    return [phase for phase in view.phases if phase.branch == branch and phase.id not in view.gone]


def remaining(phase: PhaseFace, items: Mapping[str, ItemView], now: datetime) -> float:
    """Planned seconds that PHASE still needs: the sum over its unsettled items, less what the running ones had."""
    total = 0.0
    for face in phase.items:
        item = items.get(face.id)
        if item is not None and item.settled:
            continue
        spent = 0.0
        if item is not None and item.status == "running":
            spent = max(age_of(item.started_at, now) or 0.0, 0.0)
        total += max(face.expect - spent, 0.0)
    return total
