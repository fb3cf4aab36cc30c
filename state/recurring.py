"""Rounds: an item with `every` is done again and again, and each round is kept. Pure.

A round is done when the item is settled. So long after that (`every`) the item is open again, until rounds would
begin later than `until` after the first one was done: `every = "4h"`, `until = "24h"` are six rounds.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from state.definition import Item
from state.durations import parse_duration
from state.run import ItemState
from state.verdicts import Mark


def done_at(item: Item, state: ItemState) -> datetime | None:
    """When the round that STATE is in was done, if it is settled; None when nothing was said or seen yet.

    With a check and a person, the older of the two counts: neither may be older than `every`.
    """
    times = [state.finished_at] if item.needs_check and state.mark in (Mark.OPEN, Mark.CONFIRMED) else []
    if item.needs_human or state.mark is not Mark.OPEN:
        times.append(state.marked_at)
    return min(map(datetime.fromisoformat, times)) if times and all(times) else None


def again_at(item: Item, state: ItemState) -> datetime | None:
    """When ITEM, settled as STATE says, is due again; None: it does not recur, does not apply, or was the last round.

    What is not applicable or waived stands for all rounds; what is skipped stands for this one.
    """
    if not item.every or state.mark in (Mark.NOT_APPLICABLE, Mark.WAIVED):
        return None
    done = done_at(item, state)
    if done is None:
        return None
    again = done + timedelta(seconds=parse_duration(item.every))
    ends = ends_at(item, state)
    return again if ends is None or again < ends else None


def ends_at(item: Item, state: ItemState) -> datetime | None:
    """The moment from which no more rounds begin; None: there is no such moment, or no round was done yet."""
    first = datetime.fromisoformat(state.rounds[0].utc) if state.rounds else done_at(item, state)
    if first is None or not item.until:
        return None
    return first + timedelta(seconds=parse_duration(item.until))


def is_next_come_early(item: Item, state: ItemState, now: datetime) -> bool:
    """Whether saying it once more at NOW is the next round come early, and not the last one said twice: the latter
    half of the time between the two."""
    again = again_at(item, state)
    return again is not None and now >= again - timedelta(seconds=parse_duration(item.every or "0s") / 2)
