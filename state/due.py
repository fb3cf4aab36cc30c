"""When recurring items are due: from the checklist, the run and the clock, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec

from state.definition import Checklist, Item, Phase, offset_seconds
from state.durations import parse_duration
from state.recurring import again_at, done_at
from state.run import RunState
from state.settled import due_again, why_open
from state.verdicts import Mark

# overdue: due for longer than it takes (`expect`; without one, than a whole round). later: its first round is to
# come. next: done, and due again at a known time. over: no more rounds. aside: n/a, waived or left out. untimed: its
# phase has no time, and has not begun.
Standing = Literal["overdue", "due", "next", "later", "untimed", "over", "aside"]
_ORDER: tuple[Standing, ...] = ("overdue", "due", "next", "later", "untimed", "over", "aside")


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """One recurring item at one moment. AT: since when it is due, or when it will be; LAST: when it was last done;
    ROUNDS: how many were done; WHY: what it needs now."""

    item: str
    text: str
    phase: str
    every: str
    standing: Standing
    at: datetime | None = None
    last: datetime | None = None
    rounds: int = 0
    role: str = ""
    why: str = ""

    @property
    def is_due(self) -> bool:
        """Whether somebody has to act now."""
        return self.standing in ("due", "overdue")


def due(checklist: Checklist, run: RunState, now: datetime) -> tuple[Due, ...]:
    """Every recurring item of CHECKLIST at NOW: what is due first, then what comes next, by time.

    A first round is due when its step or phase begins, by T0. Raises ValueError when that is needed, and the run
    has no T0. In a run that is closed nothing is due.
    """
    found = [_one(checklist, run, phase, item, now) for phase, item in _recurring(checklist, run)]
    return tuple(sorted(found, key=lambda one: (_ORDER.index(one.standing), one.at or now)))


def _recurring(checklist: Checklist, run: RunState) -> Iterator[tuple[Phase, Item]]:
    for phase in checklist.phase:
        if phase.branch == "rollback" and not run.rollback_decided:
            continue
        yield from ((phase, item) for item in phase.items if item.every)


def _one(checklist: Checklist, run: RunState, phase: Phase, item: Item, now: datetime) -> Due:
    state = run.item(item.id)
    why = why_open(item, state, now)
    again = again_at(item, state)
    done = not why or due_again(item, state, now)
    last = datetime.fromisoformat(state.rounds[-1].utc) if state.rounds else None
    rounds = len(state.rounds)
    if done and state.mark not in (Mark.NOT_APPLICABLE, Mark.WAIVED) and not item.out_of_scope:
        last, rounds = done_at(item, state), rounds + 1
    standing: Standing
    at: datetime | None = None
    if not why and (item.out_of_scope or state.mark in (Mark.NOT_APPLICABLE, Mark.WAIVED)):
        standing = "aside"
    elif run.closed:
        standing = "over"
    elif not why:
        standing, at = ("over", None) if again is None else ("next", again)
    else:
        at = again if done else _begins(checklist, run, phase, item, last)
        standing = _how_late(item, at, now)
    return Due(
        item=item.id,
        text=item.text,
        phase=phase.title,
        every=item.every or "",
        standing=standing,
        at=at,
        last=last,
        rounds=rounds,
        role=item.role,
        why=why if standing in ("due", "overdue") else "",
    )


def _how_late(item: Item, at: datetime | None, now: datetime) -> Standing:
    if at is None:
        return "untimed"
    if now < at:
        return "later"
    patience = parse_duration(item.expect or item.every or "0s")
    return "overdue" if now >= at + timedelta(seconds=patience) else "due"


def _begins(checklist: Checklist, run: RunState, phase: Phase, item: Item, last: datetime | None) -> datetime | None:
    """When the round that is open was due: so long after LAST, or with the first one, when its phase begins."""
    if last is not None:
        return last + timedelta(seconds=parse_duration(item.every or "0s"))
    step = next(step for step in phase.step if item in step.item)
    if offset := step.at or phase.at:
        return t0_of(run) + timedelta(seconds=offset_seconds(offset))
    before = [p for p in checklist.phase if p.branch == phase.branch]
    place = before.index(phase)
    begun = run.gone.get(before[place - 1].id) if place else str(run.meta.get("started", ""))
    return datetime.fromisoformat(begun) if begun else None


def t0_of(run: RunState) -> datetime:
    """T0 of RUN. Raises ValueError when it has none, or one without a time zone."""
    try:
        t0 = datetime.fromisoformat(str(run.meta.get("t0", "")))
    except ValueError:
        raise ValueError("the run has no T0: nobody can tell when its phases begin") from None
    if t0.tzinfo is None:
        raise ValueError(f"T0 is {t0.isoformat()}, without a time zone")
    return t0.astimezone(UTC)
