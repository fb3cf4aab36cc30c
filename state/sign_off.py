"""What stands above the line that people sign: everything of the run that was not simply done. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime

import msgspec

from state.definition import Checklist, Item
from state.durations import parse_duration
from state.run import ItemState, RunState
from state.settled import as_it_stands, shown_verdict, why_open
from state.verdicts import Mark, Verdict

Picks = Callable[[Item, ItemState, datetime], bool]


def above_the_line(checklist: Checklist, run: RunState, now: datetime) -> dict[str, str]:
    """What a signature covers and is no plain success: kind → ids of items, in the order of the checklist.

    Of the branch that is flown; what is signed itself is left out. Kinds with nothing in them are left out too.
    """
    branch = "rollback" if run.rollback_decided else "main"
    states = [
        (item, as_it_stands(item, run.item(item.id), now))
        for phase in checklist.phase
        if phase.branch == branch
        for item in phase.items
        if not item.signed_by
    ]
    found = {
        kind: ", ".join(item.id for item, state in states if picks(item, state, now))
        for kind, picks in _KINDS.items()
    }
    found["challenged"] = ", ".join(dict.fromkeys(one.item or "the run" for one in run.crew.challenges))
    found["corrected"] = ", ".join(f"event {one.seq}" for one in run.crew.corrections)
    found["gates tripped"] = ", ".join(f"{key} ({gate.trips}×)" for key, gate in run.gates.items() if gate.trips)
    return {kind: ids for kind, ids in found.items() if ids}


def digest_above(above: dict[str, str]) -> str:
    """The first 16 hex digits of the sha256 of ABOVE: what a person signs by name."""
    return hashlib.sha256(msgspec.json.encode(above, order="deterministic")).hexdigest()[:16]


def told_above(above: dict[str, str]) -> str:
    """ABOVE in one line.

    >>> told_above({"waived": "a, b", "late": "c"}), told_above({})
    ('2 waived, 1 late', 'nothing was waived, skipped, unknown or late')
    """
    counts = [f"{ids.count(', ') + 1} {kind}" for kind, ids in above.items()]
    return ", ".join(counts) or "nothing was waived, skipped, unknown or late"


def _marked(mark: Mark) -> Picks:
    return lambda _item, state, _now: state.mark is mark


def _unknown(item: Item, state: ItemState, now: datetime) -> bool:
    """Whether nobody knows: an error, nothing to see, too old; or never looked at and not left out."""
    verdict = shown_verdict(item, state, now)
    return not item.out_of_scope and item.needs_check and (verdict is None or not verdict.is_known)


def _failed(item: Item, state: ItemState, now: datetime) -> bool:
    return item.needs_check and shown_verdict(item, state, now) is Verdict.FAIL


def _warned(item: Item, state: ItemState, now: datetime) -> bool:
    return item.needs_check and shown_verdict(item, state, now) is Verdict.WARN


def _late(item: Item, state: ItemState, _now: datetime) -> bool:
    return bool(item.expect) and state.seconds > parse_duration(item.expect or "0s")


_KINDS: dict[str, Picks] = {
    "open": lambda item, state, now: bool(why_open(item, state, now)),
    "waived": _marked(Mark.WAIVED),
    "skipped": _marked(Mark.SKIPPED),
    "not applicable": _marked(Mark.NOT_APPLICABLE),
    "failed": _failed,
    "unknown": _unknown,
    "warned": _warned,
    "late": _late,
    "left out": lambda item, _state, _now: bool(item.out_of_scope),
}
