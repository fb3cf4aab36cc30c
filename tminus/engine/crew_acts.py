"""What the people of a run may do among each other, and why not: the lease, challenges, corrections. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from state.crew import LeaseAsk, same_person
from state.definition import Checklist
from state.durations import format_duration, parse_duration
from state.events import Actor, Event
from state.run import RunState
from tminus.client.people import Presence
from tminus.client.requests import AnswerChallenge, Correct, GrantLease, RaiseChallenge, RefuseLease
from tminus.engine.acts import Refusal, event, find, require_driver, require_open, require_reason


def take_lease(checklist: Checklist, run: RunState, actor: Actor, gone_for: float | None, now: datetime) -> Event:
    """The event of becoming the driver: when nobody drives, or the one who does is gone or does not answer.

    GONE_FOR is how long nobody heard of the driver, in seconds; None while a screen of theirs is open.
    """
    require_open(run)
    crew, patience = run.crew, parse_duration(checklist.take_over_after)
    if not crew.driver:
        return event("lease.taken", actor, reason="nobody drove")
    if crew.drives(actor):
        if crew.driver == actor.name:
            raise Refusal("you drive already")
        return event("lease.taken", actor, reason=f"after {crew.driver}, from the same login")
    if gone_for is not None and gone_for >= patience:
        return event("lease.taken", actor, reason=f"{crew.driver} was gone for {format_duration(int(gone_for))}")
    ask = next((one for one in crew.asking if one.uid == actor.uid), None)
    waited = (now - datetime.fromisoformat(ask.utc)).total_seconds() if ask else 0.0
    if waited >= patience:
        told = format_duration(int(waited))
        return event("lease.taken", actor, reason=f"{crew.driver} was asked, and did not answer for {told}")
    after = format_duration(patience)
    if ask is not None:
        raise Refusal(f"{crew.driver} was asked {format_duration(int(waited))} ago: after {after} you may take over")
    if gone_for is not None:
        raise Refusal(
            f"{crew.driver} has been gone for {format_duration(int(gone_for))}: after {after} you may take over"
        )
    raise Refusal(
        f"{crew.driver} drives and is here: ask for control; without an answer for {after} you may take over"
    )


def first_to_act(run: RunState, actor: Actor) -> Event:
    """The event by which the first one who acts becomes the driver. Raises Refusal if somebody was quicker."""
    if run.driver:
        raise Refusal(f"{run.driver} drives")
    return event("lease.taken", actor, reason="first to act")


def ask_lease(run: RunState, actor: Actor, reason: str) -> Event:
    """The event of asking the driver for control."""
    require_open(run)
    if not run.driver:
        raise Refusal("nobody drives: take control")
    if run.crew.drives(actor):
        raise Refusal("you drive already")
    if any(one.uid == actor.uid for one in run.crew.asking):
        raise Refusal(f"you asked already: {run.driver} is to answer")
    return event("lease.asked", actor, reason=reason.strip())


def grant_lease(run: RunState, actor: Actor, request: GrantLease, people: Iterable[Presence]) -> Event:
    """The event of handing control over: to who asked for it, or to another of the PEOPLE who are here."""
    _require_lease(run, actor)
    here = next((one for one in people if one.uid == request.uid and one.uid != actor.uid), None)
    if here is not None and all(one.uid != here.uid for one in run.crew.asking):
        return event("lease.granted", actor, to=here.name, data={"uid": here.uid, "login": here.login})
    ask = _ask(run, request.uid)
    return event("lease.granted", actor, to=ask.actor, data={"uid": ask.uid, "login": ask.login})


def refuse_lease(run: RunState, actor: Actor, request: RefuseLease) -> Event:
    """The event of keeping control though somebody asked for it."""
    _require_lease(run, actor)
    ask = _ask(run, request.uid)
    return event("lease.refused", actor, to=ask.actor, reason=request.reason.strip(), data={"uid": ask.uid})


def release_lease(run: RunState, actor: Actor) -> Event:
    """The event of driving no longer."""
    _require_lease(run, actor)
    return event("lease.released", actor)


def raise_challenge(checklist: Checklist, run: RunState, actor: Actor, request: RaiseChallenge) -> Event:
    """The event of a challenge: anybody's, about an item or the run."""
    require_open(run)
    if len(request.text.strip()) < 3:
        raise Refusal("say what is to be answered, in a few words")
    item = find(checklist, request.item).id if request.item else ""
    data = {"id": len(run.crew.challenges) + 1}
    return event("challenge.raised", actor, item=item, reason=request.text.strip(), data=data)


def answer_challenge(run: RunState, actor: Actor, request: AnswerChallenge) -> Event:
    """The event of an answer: the driver's, or the word of who challenged and takes it back."""
    require_open(run)
    waiting = run.crew.open_challenges
    if not waiting:
        raise Refusal("no challenge waits for an answer")
    if request.challenge == 0 and len(waiting) > 1:
        named = ", ".join(f"{one.id} ({one.actor} on {one.item or 'the run'})" for one in waiting)
        raise Refusal(f"several challenges: name one of {named}")
    found = next((one for one in waiting if request.challenge in (0, one.id)), None)
    if found is None:
        raise Refusal(f"no open challenge {request.challenge}")
    own = same_person(found, actor)
    if not own:
        require_driver(run, actor)
    require_reason(request.text, "an answer")
    data = {"id": found.id, "withdrawn": True} if own else {"id": found.id}
    return event("challenge.answered", actor, item=found.item, reason=request.text.strip(), data=data)


def correct(run: RunState, actor: Actor, request: Correct) -> Event:
    """The event of a correction: words about an earlier event, which stays as it is."""
    require_open(run)
    last = run.last.seq if run.last is not None else 0
    if not 1 <= request.seq <= last:
        raise Refusal(f"no event {request.seq}: the record holds 1 to {last}")
    require_reason(request.text, "a correction")
    return event("correction", actor, reason=request.text.strip(), data={"seq": request.seq})


def _require_lease(run: RunState, actor: Actor) -> None:
    require_open(run)
    if not run.crew.drives(actor):
        raise Refusal(f"{run.driver} drives, not you" if run.driver else "nobody drives")


def _ask(run: RunState, uid: int) -> LeaseAsk:
    asking = run.crew.asking
    if not asking:
        raise Refusal("nobody asks for control")
    if uid == -1 and len(asking) > 1:
        raise Refusal("several ask: name one of " + ", ".join(f"{one.uid} ({one.actor})" for one in asking))
    found = next((one for one in asking if uid in (-1, one.uid)), None)
    if found is None:
        raise Refusal(f"uid {uid} does not ask for control, and is not here")
    return found
