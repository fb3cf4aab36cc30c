"""Pause points: passing one, crossing the point of no return by two, signing, closing; and why not. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from state.crew import Call, same_person
from state.definition import Checklist, Item, Phase
from state.events import Actor, Event
from state.run import RunState
from state.settled import GateLight, Go, current_phase, open_challenges, standing, unsigned_roles, why_open
from state.sign_off import above_the_line, digest_above
from state.verdicts import Mark
from tminus.client.requests import Agree, PassPhase, SignOff
from tminus.engine.acts import Refusal, event, find, require_driver, require_open, why_blocked


def pass_phase(
    checklist: Checklist,
    run: RunState,
    actor: Actor,
    request: PassPhase,
    lights: dict[str, GateLight],
    now: datetime,
) -> Event:
    """The event of passing a pause point: only for the current phase, and only on GO.

    Where the phase takes two, the driver's GO calls for the second person (`call.made`), whose own passes it.
    """
    require_open(run)
    current = current_phase(checklist, run)
    call = _called(run, "phase", current.id)
    if call is None or not current.pair:
        require_driver(run, actor)
    if request.phase != current.id:
        raise Refusal(f"the current phase is {current.id!r}, not {request.phase!r}")
    if current.id in run.gone:
        raise Refusal("every phase is behind you")
    _require_go(checklist, run, current, lights, now)
    _require_values(current, run, request.values)
    if not current.pair:
        return event("phase.go", actor, item=current.id)
    if call is None:
        return event("call.made", actor, item=current.id, to="phase")
    if same_person(call, actor):
        raise Refusal("your GO is said: a second person says theirs, from another login")
    return event("phase.go", actor, item=current.id, data={"called_by": call.actor})


def _require_go(
    checklist: Checklist, run: RunState, current: Phase, lights: dict[str, GateLight], now: datetime
) -> None:
    found = standing(checklist, run, lights, now)
    rolling = (
        run.rollback_decided
        and not any(why_open(item, run.item(item.id), now) for item in current.items)
        and not run.open_holds
        and not open_challenges(checklist, run, current)
    )
    if found.go is not Go.GO and not rolling:
        first = "; ".join(f"{b.id}: {b.why}" for b in found.blockers[:3])
        raise Refusal(f"{found.go}: {first}")


def asks_again(item: Item, run: RunState) -> bool:
    """Whether the value of ITEM is asked once more at its pause point: a critical one that a person gave a value."""
    state = run.item(item.id)
    done = state.mark in (Mark.OPEN, Mark.CONFIRMED) and not item.out_of_scope
    return item.critical and bool(item.ask) and bool(state.value) and done


def _require_values(phase: Phase, run: RunState, values: dict[str, str]) -> None:
    """Raises Refusal unless VALUES says of each item of PHASE that asks again what was said of it before."""
    for item in phase.items:
        if not asks_again(item, run):
            continue
        if item.id not in values:
            raise Refusal(f"read back {item.id}: {item.ask}")
        if values[item.id].strip() != run.item(item.id).value.strip():
            # What was said before is not told: it would be typed instead of read.
            raise Refusal(f"{item.id}: that is not the value that was confirmed. Look again: {item.ask}")


def cross(run: RunState, actor: Actor, item: Item, plan: str) -> Event | None:
    """The event that calls a second person to ITEM, the point of no return, with the digest of its PLAN.

    None when the crossing needs no call: one person may, or a second one has agreed to this very plan.
    """
    if not (item.point_of_no_return and item.pair):
        return None
    call = _called(run, "crossing", item.id)
    if call is None or call.plan != plan:
        return event("call.made", actor, item=item.id, to="crossing", data={"plan": plan})
    if not call.agreed_by:
        raise Refusal("the point of no return takes two: a second person is to agree first, from another login")
    return None


def agree(run: RunState, actor: Actor, request: Agree) -> Event:
    """The event of agreeing, as the second person, to cross the point of no return by the plan that was shown."""
    require_open(run)
    call = _called(run, "crossing", request.item)
    if call is None:
        raise Refusal(f"nobody called a second person to {request.item!r}")
    if same_person(call, actor):
        raise Refusal("you called it yourself: a second person agrees, from another login")
    if call.agreed_by:
        raise Refusal(f"{call.agreed_by} agreed already")
    if request.plan != call.plan:
        raise Refusal("the plan is not the one that was called: look again, then agree")
    return event("call.agreed", actor, item=request.item, data={"plan": call.plan})


def _called(run: RunState, kind: str, target: str) -> Call | None:
    call = run.crew.call
    return call if call is not None and (call.kind, call.id) == (kind, target) else None


def sign(checklist: Checklist, run: RunState, actor: Actor, request: SignOff, now: datetime) -> Event:
    """The event of a signature: of an item, for a role, by the person's own name, or attested by the driver."""
    require_open(run)
    item = find(checklist, request.item)
    if not item.signed_by:
        raise Refusal(f"{item.id} is not signed by roles: confirm it")
    if request.role not in item.signed_by:
        raise Refusal(f"{item.id} is signed by {', '.join(item.signed_by)}, not by {request.role!r}")
    if blocked := why_blocked(checklist, run, item, now):
        raise Refusal(blocked)
    state = run.item(item.id)
    said = state.confirmations if state.mark is Mark.CONFIRMED else ()
    if request.role not in unsigned_roles(item, said):
        name = next(one.said_by for one in said if one.role == request.role)
        raise Refusal(f"{request.role} has signed: {name}")
    signer = _signer(checklist, run, actor, request)
    above = above_the_line(checklist, run, now)
    if request.evidence != digest_above(above):
        raise Refusal("what stands above the line is not what you saw: look again, then sign")
    data: dict[str, Any] = {"evidence": request.evidence, "role": request.role, "above": above}
    if signer:
        data["signer"] = signer
    return event("mark", actor, item=item.id, from_=str(state.mark), to=str(Mark.CONFIRMED), data=data)


def _signer(checklist: Checklist, run: RunState, actor: Actor, request: SignOff) -> str:
    """Who signs by the hand of ACTOR; empty when it is ACTOR. Raises Refusal where that is nobody's to do."""
    role = next(role for role in checklist.role if role.id == request.role)
    name = request.name.strip() or actor.name
    if role.name and name.casefold() != role.name.strip().casefold():
        raise Refusal(f"the {role.title} is {role.name}: they sign by that name, or the driver attests it")
    if name == actor.name:
        return ""
    if not run.crew.drives(actor):
        raise Refusal(f"only the driver may attest that {name} signs; {name} signs from a session of their own")
    return name


def close(checklist: Checklist, run: RunState, actor: Actor, now: datetime) -> Event:
    """The event that ends a run for good; what is still open is named in it."""
    require_driver(run, actor)
    open_items = [
        item.id
        for phase in checklist.phase
        if phase.branch == ("rollback" if run.rollback_decided else "main")
        for item in phase.items
        if why_open(item, run.item(item.id), now)
    ]
    return event("run.closed", actor, data={"open": open_items} if open_items else {})
