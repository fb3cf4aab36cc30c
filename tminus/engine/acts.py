"""What people may do, and why not: the rules between a request and an event. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from state.clean import clean, shorten
from state.crew import same_person
from state.definition import Checklist, Item
from state.events import Actor, Event, utc_text
from state.recurring import is_next_come_early
from state.replaying import next_round
from state.run import ItemState, RunState, verdict_key
from state.settled import current_phase, due_again, settled, shown_verdict
from state.verdicts import Mark, Verdict
from tminus.client.requests import DecideGate

REASON_CHARS = 10


class Refusal(Exception):
    """A request that is against the rules. The message says why, and what would be right."""


def event(kind: str, actor: Actor, **fields: Any) -> Event:
    """An event of KIND by ACTOR, now. Its place in the chain is given when it is written."""
    return Event(
        seq=0,
        utc=utc_text(datetime.now(UTC)),
        kind=kind,
        actor=actor.name,
        uid=actor.uid,
        login=actor.login,
        origin=actor.origin,
        prev="",
        **fields,
    )


def find(checklist: Checklist, item_id: str) -> Item:
    """The item of that id. Raises Refusal with a hint at the nearest one."""
    if item_id not in checklist.items:
        from state.schema import did_you_mean

        raise Refusal(f"no item {item_id!r}: {did_you_mean(item_id, list(checklist.items))}")
    return checklist.items[item_id]


def why_blocked(checklist: Checklist, run: RunState, item: Item, now: datetime) -> str:
    """Why ITEM cannot be settled now, and what to do about it; empty when it can."""
    if run.closed:
        return "the run is closed"
    phase, current = checklist.phase_of(item.id), current_phase(checklist, run)
    if phase.branch == "rollback" and not run.rollback_decided:
        return "the rollback opens when somebody decides to roll back"
    order = [p.id for p in checklist.phase if p.branch == phase.branch]
    if phase.branch == current.branch and order.index(phase.id) > order.index(current.id):
        return f"{current.title!r} comes first: settle it and give GO"
    if run.open_holds:
        hold = run.open_holds[0]
        return f"held by {hold.actor}: {hold.reason}"
    for need in item.needs:
        if not settled(checklist.items[need], run.item(need), now):
            return f"needs {need!r} first"
    if phase.mode == "read-do" and phase.id not in run.gone:
        for earlier in phase.items:
            if earlier.id == item.id:
                break
            if not settled(earlier, run.item(earlier.id), now):
                return f"in this order: {earlier.text!r} comes first"
    return ""


def require_open(run: RunState) -> None:
    """Raises Refusal when the run is closed."""
    if run.closed:
        raise Refusal("the run is closed; nothing more is recorded")


def require_driver(run: RunState, actor: Actor) -> None:
    """Only the driver acts. Raises Refusal for anybody else."""
    require_open(run)
    if run.driver and run.driver_uid != actor.uid:
        raise Refusal(f"{run.driver} drives; you may hold, challenge, co-sign and leave notes, or ask for control")


def require_reason(reason: str, what: str) -> None:
    """Raises Refusal unless REASON says something."""
    if len(reason.strip()) < REASON_CHARS:
        raise Refusal(f"{what} needs a reason of {REASON_CHARS} characters or more")


def mark(checklist: Checklist, run: RunState, actor: Actor, request: Any, now: datetime) -> Event:
    """The event of a MarkItem request. Raises Refusal when the item is not ready for that mark."""
    item = find(checklist, request.item)
    state = run.item(item.id)
    try:
        wanted = Mark(request.mark)
    except ValueError:
        raise Refusal(f"no mark {request.mark!r}: one of {', '.join(Mark)}") from None
    anew = wanted is not Mark.OPEN and begins_round(item, state, now, again=wanted is Mark.CONFIRMED)
    if anew:
        if item.needs_check and wanted is Mark.CONFIRMED:
            raise Refusal("its next round begins with a look: run its check first")
        state = next_round(state)
    co_sign = wanted is Mark.CONFIRMED and item.pair and state.mark is Mark.CONFIRMED
    if not co_sign or run.closed:
        require_driver(run, actor)
    if item.out_of_scope:
        raise Refusal(f"left out of this rehearsal: {item.out_of_scope}")
    if state.status == "running":
        raise Refusal("its check is running: wait for it, or cancel it")
    if wanted is not Mark.OPEN and (blocked := why_blocked(checklist, run, item, now)):
        raise Refusal(blocked)
    if wanted.needs_reason:
        require_reason(request.reason, f"{wanted!s}")
    if wanted is Mark.SKIPPED and item.critical:
        raise Refusal("a critical item may not be skipped: settle it, or waive it with your name")
    if wanted is Mark.OPEN and state.mark is Mark.OPEN and not state.confirmations:
        raise Refusal("nobody marked it: nothing to undo")
    if wanted is Mark.CONFIRMED:
        _may_confirm(item, state, actor, request, now, co_sign=co_sign)
    data: dict[str, Any] = {"round": len(state.rounds) + 1} if anew else {}
    if state.outcome is not None:
        data["evidence"] = state.outcome.digest
    if request.value:
        data["value"] = request.value
    if witness := shorten(clean(request.witness).strip(), 60):
        if wanted is not Mark.CONFIRMED:
            raise Refusal("a witness is named with a confirmation")
        data["witness"] = witness
    if wanted is Mark.WAIVED:
        data["waives"] = verdict_key(state.outcome)
        if request.until:
            data["until"] = _time_ahead(request.until, "a waiver")
    return event(
        "mark", actor, item=item.id, from_=str(state.mark), to=str(wanted), reason=request.reason.strip(), data=data
    )


def begins_round(item: Item, state: ItemState, now: datetime, *, again: bool = False) -> bool:
    """Whether an act on ITEM now begins its next round: the last one is done, and this one is due.

    AGAIN: a person says once more what they said; that is the next round also when it comes somewhat early.
    """
    if due_again(item, state, now):
        return True
    # Where a check looks, saying it again is about the same look, and no round of its own.
    return again and not item.needs_check and is_next_come_early(item, state, now) and settled(item, state, now)


def _may_confirm(item: Item, state: ItemState, actor: Actor, request: Any, now: datetime, *, co_sign: bool) -> None:
    if not item.needs_human:
        raise Refusal("the check settles this item; nobody confirms it")
    if item.signed_by:
        raise Refusal(f"it is signed by every role: {', '.join(item.signed_by)}")
    if co_sign and any(same_person(said, actor) for said in state.confirmations):
        raise Refusal(
            "this item needs a second person: another login, not the one who confirmed it first. "
            "Who stands beside you may be named as a witness, and is no second person"
        )
    if item.ask:
        _says_what_it_asks(item, state, request.value.strip(), co_sign=co_sign)
    if state.outcome is None:
        if item.needs_check:
            raise Refusal("nobody has looked yet: run its check first")
        return
    if request.evidence != state.outcome.digest:
        raise Refusal("the evidence is not the one you saw: look again, then confirm")
    if not item.needs_check:
        return
    verdict = shown_verdict(item, state, now)
    if verdict is Verdict.WARN:
        require_reason(request.reason, "confirming a warning")
    elif verdict is not Verdict.PASS:
        raise Refusal(f"the check says {verdict}: run it again, or waive it with a reason")


def _says_what_it_asks(item: Item, state: ItemState, value: str, *, co_sign: bool) -> None:
    """Raises Refusal unless VALUE is said, by the second of two the same; one that the check compared was said."""
    if not value and not (item.needs_check and state.value):
        raise Refusal(f"it asks for a value, read anew: {item.ask}")
    if value and co_sign and state.value and value != state.value.strip():
        # What was said before is not told: it would be typed instead of read.
        raise Refusal(f"that is not the value that was confirmed first. Look again, or open it again: {item.ask}")


def _moment(text: str) -> str:
    from state.durations import parse_duration

    try:
        return utc_text(datetime.fromtimestamp(datetime.now(UTC).timestamp() + parse_duration(text), UTC))
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Refusal(f"{text!r} is no moment: write 30m, 2h, or 2026-11-22T23:30:00Z") from None
    return utc_text(moment if moment.tzinfo else moment.astimezone())


def _time_ahead(text: str, what: str) -> str:
    moment = _moment(text)
    if moment <= utc_text(datetime.now(UTC)):
        raise Refusal(f"{text!r} is in the past: {what} needs a time ahead")
    return moment


def raise_hold(run: RunState, actor: Actor, reason: str) -> Event:
    """The event of a hold. Anybody may hold, at any time before the run is closed."""
    require_open(run)
    if len(reason.strip()) < 3:
        raise Refusal("say why, in a few words: the others must know what to look at")
    return event("hold.raised", actor, reason=reason.strip(), data={"id": len(run.holds) + 1})


def release_hold(run: RunState, actor: Actor, hold_id: int, reason: str) -> Event:
    """The event of a release: by the one who held, or by the driver."""
    if not run.open_holds:
        raise Refusal("nothing is held")
    if hold_id == 0 and len(run.open_holds) > 1:
        raise Refusal("several holds: name one of " + ", ".join(f"{h.id} ({h.actor})" for h in run.open_holds))
    hold = next((h for h in run.open_holds if hold_id in (0, h.id)), None)
    if hold is None:
        raise Refusal(f"no open hold {hold_id}")
    if hold.uid != actor.uid and run.driver_uid not in (-1, actor.uid):
        raise Refusal(f"{hold.actor} holds; they or the driver may release it")
    return event("hold.released", actor, reason=reason.strip(), data={"id": hold.id})


def decide_gate(run: RunState, actor: Actor, request: DecideGate) -> Event:
    """The event of a named person's answer to a gate that has tripped, or sees nothing."""
    require_driver(run, actor)
    record = run.gates.get(request.gate)
    if record is None or record.state not in ("tripped", "blind"):
        raise Refusal(f"gate {request.gate!r} has not tripped")
    if record.decision in ("continue", "extend"):
        raise Refusal(f"{record.decided_by} decided on {request.gate!r} already: {record.decision}")
    if request.decision not in ("roll-back", "continue", "extend"):
        raise Refusal("decide roll-back, continue or extend")
    require_reason(request.reason, "a decision")
    data: dict[str, Any] = {}
    if request.until:
        if request.decision != "extend":
            raise Refusal("only an extension has an end")
        data["until"] = _time_ahead(request.until, "an extension")
    return event(
        "gate.decided", actor, item=request.gate, to=request.decision, reason=request.reason.strip(), data=data
    )


def note(checklist: Checklist, run: RunState, actor: Actor, item_id: str, text: str) -> Event:
    """The event of a note, about an item or (with no id) the run."""
    require_open(run)
    if not text.strip():
        raise Refusal("an empty note says nothing")
    return event("note", actor, item=find(checklist, item_id).id if item_id else "", reason=text.strip())
