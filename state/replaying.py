"""A run as the replay of its events. `apply` is the only place where an event becomes state."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from state.crew import follow
from state.events import KINDS, Event
from state.run import Confirmation, GateRecord, Hold, ItemState, Look, Note, Round, RunState, verdict_key
from state.verdicts import Mark, Outcome, Verdict

replace = msgspec.structs.replace

KEPT_LOOKS = 10  # of an item: the record's journal has them all


class UnknownEvent(Exception):
    """An event of a kind that this version does not know."""


def replay(events: Iterable[Event]) -> RunState:
    """The state after EVENTS, from nothing."""
    state = RunState()
    for event in events:
        state = apply(state, event)
    return state


def apply(state: RunState, event: Event) -> RunState:
    """STATE after EVENT. Pure. Raises UnknownEvent for a kind from another version."""
    if event.kind not in KINDS:
        raise UnknownEvent(f"event {event.seq} is of the kind {event.kind!r}, which this version does not know")
    step = _STEPS.get(event.kind)
    return replace(step(state, event) if step else state, crew=follow(state.crew, event), last=event)


def _with_item(state: RunState, event: Event, **changes: Any) -> RunState:
    before = state.item(event.item)
    item = replace(before, touched_at=before.touched_at or event.utc, **changes)
    return replace(state, items={**state.items, event.item: item})


def _created(state: RunState, event: Event) -> RunState:
    return replace(state, meta={**event.data, "started": event.utc})


def _engine_started(state: RunState, event: Event) -> RunState:
    # Whatever was running when the engine died was cut off: nobody knows how it ended.
    cut_off = Look(event.utc, "interrupted")
    items = {
        key: replace(item, status="interrupted", outcome=None, looks=_with_look(item, cut_off))
        if item.status == "running"
        else item
        for key, item in state.items.items()
    }
    return replace(state, items=items)


def _with_look(item: ItemState, look: Look) -> tuple[Look, ...]:
    return (*item.looks, look)[-KEPT_LOOKS:]


def next_round(item: ItemState) -> ItemState:
    """ITEM at the beginning of its next round: what was said of the last one is kept, and nobody said anything yet.

    The last look stays until the next one: it is what was seen last.
    """
    times = [utc for utc in (item.marked_at if item.mark is not Mark.OPEN else "", item.finished_at) if utc]
    over = Round(
        utc=min(times, default=item.touched_at),
        mark=str(item.mark) if item.mark is not Mark.OPEN else "",
        by=tuple(said.said_by for said in item.confirmations),
        reason=item.reason,
        value=item.value,
        verdict=str(item.outcome.verdict) if item.outcome else "",
        actual=item.outcome.actual if item.outcome else "",
    )
    return replace(
        item,
        rounds=(*item.rounds, over),
        mark=Mark.OPEN,
        confirmations=(),
        reason="",
        value="",
        marked_at="",
        waiver_until="",
        waiver_evidence="",
    )


def _with_round(state: RunState, event: Event) -> RunState:
    """STATE with the item's next round begun, if EVENT says that it begins one."""
    if "round" not in event.data:
        return state
    return replace(state, items={**state.items, event.item: next_round(state.item(event.item))})


def _check_started(state: RunState, event: Event) -> RunState:
    state = _with_round(state, event)
    before = state.item(event.item)
    return _with_item(
        state,
        event,
        status="running",
        attempts=before.attempts + 1,
        started_at=event.utc,
        value=str(event.data.get("answer", before.value)),
    )


def _check_finished(state: RunState, event: Event) -> RunState:
    outcome = outcome_of(event)
    before = state.item(event.item)
    changes: dict[str, Any] = {}
    if before.mark is Mark.WAIVED and before.waiver_evidence != verdict_key(outcome):
        # The waiver was for what was seen then; this is something else.
        changes = {"mark": Mark.OPEN, "confirmations": (), "reason": "", "waiver_until": "", "waiver_evidence": ""}
    elif before.mark is Mark.CONFIRMED and outcome.verdict is not Verdict.PASS:
        changes = {"mark": Mark.OPEN, "confirmations": ()}
    seconds = float(event.data.get("seconds", 0.0))
    return _with_item(
        state,
        event,
        status="idle",
        outcome=outcome,
        seconds=seconds,
        looks=_with_look(before, Look(event.utc, str(outcome.verdict), outcome.actual, seconds)),
        finished_at=event.utc,
        **changes,
    )


def _mark(state: RunState, event: Event) -> RunState:
    mark = Mark(event.to)
    until = str(event.data.get("until", ""))
    if until and datetime.fromisoformat(until).tzinfo is None:
        raise ValueError(f"a waiver until {until!r}: say in which time zone")
    seen = str(event.data.get("evidence", ""))
    said = Confirmation(
        actor=event.actor,
        uid=event.uid,
        login=event.login,
        utc=event.utc,
        evidence=seen,
        role=str(event.data.get("role", "")),
        signer=str(event.data.get("signer", "")),
        witness=str(event.data.get("witness", "")),
    )
    state = _with_round(state, event)
    before = state.item(event.item)
    confirmations: tuple[Confirmation, ...] = ()
    if mark is Mark.CONFIRMED:
        # A second person adds to the first; the same person saying it again replaces themselves. One person may
        # sign for several roles, each role once.
        kept = before.confirmations if before.mark is Mark.CONFIRMED else ()
        again = [c for c in kept if (c.role == said.role if said.role else c.uid == event.uid)]
        confirmations = (*(c for c in kept if c not in again), said)
    elif mark is not Mark.OPEN:
        confirmations = (said,)
    return _with_item(
        state,
        event,
        mark=mark,
        confirmations=confirmations,
        reason=event.reason,
        value=str(event.data.get("value", before.value)),
        marked_at=event.utc,
        waiver_until=until if mark is Mark.WAIVED else "",
        waiver_evidence=str(event.data.get("waives", "")) if mark is Mark.WAIVED else "",
    )


def _hold_raised(state: RunState, event: Event) -> RunState:
    hold = Hold(id=event.data["id"], actor=event.actor, uid=event.uid, utc=event.utc, reason=event.reason)
    return replace(state, holds=(*state.holds, hold))


def _hold_released(state: RunState, event: Event) -> RunState:
    return replace(
        state,
        holds=tuple(
            replace(hold, released_at=event.utc, released_by=event.actor) if hold.id == event.data["id"] else hold
            for hold in state.holds
        ),
    )


def _gate(run: RunState, event: Event, **changes: Any) -> RunState:
    record = replace(run.gates.get(event.item, GateRecord()), changed_at=event.utc, **changes)
    return replace(run, gates={**run.gates, event.item: record})


def _gate_changed(state: RunState, event: Event) -> RunState:
    trips = state.gates.get(event.item, GateRecord()).trips + (event.to == "tripped")
    asks = event.to in ("tripped", "blind")
    undecided = {"decision": "", "decided_by": "", "decided_because": ""} if asks else {}
    return _gate(state, event, state=event.to, why=event.reason, trips=trips, **undecided)


def _gate_decided(state: RunState, event: Event) -> RunState:
    state = _gate(state, event, decision=event.to, decided_by=event.actor, decided_because=event.reason)
    return replace(state, rollback_decided=True) if event.to == "roll-back" else state


_STEPS: Mapping[str, Callable[[RunState, Event], RunState]] = {
    "run.created": _created,
    "run.closed": lambda s, e: replace(s, closed=True),
    "engine.started": _engine_started,
    "phase.go": lambda s, e: replace(s, gone={**s.gone, e.item: e.utc}),
    "check.started": _check_started,
    "check.finished": _check_finished,
    "mark": _mark,
    "hold.raised": _hold_raised,
    "hold.released": _hold_released,
    "gate.armed": lambda s, e: _gate(s, e, armed=True),
    "gate.disarmed": lambda s, e: _gate(s, e, armed=False, state="unarmed"),
    "gate.changed": _gate_changed,
    "gate.decided": _gate_decided,
    "note": lambda s, e: replace(s, notes=(*s.notes, Note(utc=e.utc, actor=e.actor, item=e.item, text=e.reason))),
    "summary": lambda s, e: replace(s, summaries=(*s.summaries, e.data)),
    "drift": lambda s, e: replace(s, drift=(*s.drift, e.data)),
}


def outcome_data(outcome: Outcome, seconds: float) -> dict[str, Any]:
    """OUTCOME as the `data` of a `check.finished` event; what is empty is left out."""
    data: dict[str, Any] = {
        "expected": outcome.expected,
        "actual": outcome.actual,
        "evidence": dict(outcome.evidence),
        "hint": outcome.hint,
    }
    kept = {key: value for key, value in data.items() if value}
    return kept | {"observed_at": outcome.observed_at.isoformat(), "seconds": round(seconds, 3)}


def outcome_of(event: Event) -> Outcome:
    """The outcome that a `check.finished` event holds."""
    data = event.data
    return Outcome(
        verdict=Verdict(event.to),
        expected=data.get("expected", ""),
        actual=data.get("actual", ""),
        evidence=data.get("evidence", {}),
        hint=data.get("hint", ""),
        observed_at=datetime.fromisoformat(data["observed_at"]),
    )
