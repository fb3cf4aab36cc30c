"""What the clients are shown, made from what the record says. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

import msgspec

from state.definition import Checklist, Item, Phase, offset_seconds
from state.durations import parse_duration
from state.run import ItemState, RunState
from state.settled import GateLight, Standing, as_it_stands, shown_verdict, standing, why_open
from state.sign_off import above_the_line, digest_above, told_above
from state.verdicts import Mark, Outcome, Verdict
from tminus.client.messages import (
    Attempt,
    BlockerView,
    HoldView,
    ItemFace,
    ItemView,
    PhaseFace,
    PhaseTimes,
    RoleView,
    Said,
    StandingView,
    StepFace,
    Update,
    View,
)
from tminus.client.people import AskView, CallView, ChallengeView, CrewView, RefusalView
from tminus.engine.acts import why_blocked

EffectOf = Callable[[str], str]
LooksOf = Callable[[Item], tuple[str, ...]]


def _no_looks(_: Item) -> tuple[str, ...]:
    return ()


def phase_faces(checklist: Checklist, effect_of: EffectOf, looks_of: LooksOf = _no_looks) -> tuple[PhaseFace, ...]:
    """The phases, steps and items, as they stay while the engine runs."""
    return tuple(
        PhaseFace(
            id=phase.id,
            title=phase.title,
            mode=phase.mode,
            branch=phase.branch,
            pair=phase.pair,
            at=phase.at or "",
            offset=offset_seconds(phase.at) if phase.at else None,
            steps=tuple(
                StepFace(step.title, tuple(_item_face(item, effect_of, looks_of) for item in step.item))
                for step in phase.step
            ),
        )
        for phase in checklist.phase
    )


def _item_face(item: Item, effect_of: EffectOf, looks_of: LooksOf) -> ItemFace:
    both = item.needs_check and item.needs_human
    return ItemFace(
        id=item.id,
        text=item.text,
        how=item.how,
        check=item.check,
        effect=effect_of(item.check) if item.check else "",
        marks="both" if both else "check" if item.needs_check else "human",
        pair=item.pair,
        signed_by=tuple(item.signed_by),
        critical=item.critical,
        point_of_no_return=item.point_of_no_return,
        expect=parse_duration(item.expect) if item.expect else 0.0,
        ask=item.ask,
        role=item.role,
        out_of_scope=item.out_of_scope,
        looks=looks_of(item) if item.check else (),
    )


def role_views(checklist: Checklist) -> tuple[RoleView, ...]:
    """The contact list."""
    return tuple(
        RoleView(id=role.id, title=role.title, name=role.name, contact=role.contact) for role in checklist.role
    )


def item_view(checklist: Checklist, run: RunState, item: Item, now: datetime) -> ItemView:
    """Where one item stands at NOW."""
    open_because = why_open(item, run.item(item.id), now)
    state = as_it_stands(item, run.item(item.id), now)
    verdict = shown_verdict(item, state, now)
    outcome = state.outcome
    above = above_the_line(checklist, run, now) if item.signed_by else None
    view = ItemView(
        id=item.id,
        status=state.status,
        verdict=str(verdict) if verdict else "",
        mark=str(state.mark),
        settled=not open_because,
        why_open=open_because,
        expected=outcome.expected if outcome else "",
        actual=outcome.actual if outcome else "",
        evidence=dict(outcome.evidence) if outcome else {},
        evidence_digest=outcome.digest if outcome else "",
        hint=outcome.hint if outcome else "",
        observed_at=outcome.observed_at.isoformat() if outcome else "",
        seconds=state.seconds,
        attempts=state.attempts,
        tries=tuple(Attempt(one.utc, one.verdict, one.actual, one.seconds) for one in state.looks),
        started_at=state.started_at,
        said=tuple(Said(said.said_by, said.utc, said.uid, said.role, said.evidence) for said in state.confirmations),
        reason=state.reason,
        value=state.value,
        until=state.waiver_until,
        blocked=why_blocked(checklist, run, item, now),
    )
    if above is None:
        return view
    told, digest = told_above(above), digest_above(above)
    return msgspec.structs.replace(view, actual=told, evidence=dict(above), evidence_digest=digest)


def crew_view(checklist: Checklist, run: RunState, gone_since: str) -> CrewView:
    """The people among each other; the driver was last heard of at GONE_SINCE, if they are not here."""
    crew = run.crew
    call = crew.call
    return CrewView(
        asking=tuple(AskView(actor=one.actor, uid=one.uid, utc=one.utc, reason=one.reason) for one in crew.asking),
        refused=RefusalView(actor=no.actor, uid=no.uid, utc=no.utc, reason=no.reason)
        if (no := crew.refused) is not None
        else None,
        call=CallView(
            kind=call.kind,
            id=call.id,
            actor=call.actor,
            uid=call.uid,
            utc=call.utc,
            plan=call.plan,
            agreed_by=call.agreed_by,
        )
        if call is not None
        else None,
        challenges=tuple(
            ChallengeView(id=one.id, item=one.item, actor=one.actor, uid=one.uid, utc=one.utc, text=one.text)
            for one in crew.open_challenges
        ),
        gone_since=gone_since if crew.driver else "",
        patience=parse_duration(checklist.take_over_after),
    )


def phase_times(checklist: Checklist, run: RunState) -> dict[str, PhaseTimes]:
    """When each phase really began, and was passed. It began with the first act in it, or with the pause point
    before it, whichever was earlier; the first one of the way forward with the run at the latest."""
    times: dict[str, PhaseTimes] = {}
    before = {"main": str(run.meta.get("started", ""))}
    for phase in checklist.phase:
        touched = [run.items[item.id].touched_at for item in phase.items if item.id in run.items]
        known = [utc for utc in (*touched, before.get(phase.branch, "")) if utc]
        passed = run.gone.get(phase.id, "")
        if known or passed:
            times[phase.id] = PhaseTimes(began=min(known, default=""), passed=passed)
        before[phase.branch] = passed
    return times


def standing_view(found: Standing) -> StandingView:
    """The verdict bar."""
    blockers = tuple(BlockerView(b.kind, b.id, b.why) for b in found.blockers)
    return StandingView(go=str(found.go), phase=found.phase, blockers=blockers)


def run_sections(
    checklist: Checklist, run: RunState, lights: Mapping[str, GateLight], now: datetime, gone_since: str = ""
) -> Update:
    """The sections of a view that follow from the record (and from who is here: GONE_SINCE), whole."""
    return Update(
        crew=crew_view(checklist, run, gone_since),
        items={item.id: item_view(checklist, run, item, now) for item in checklist.items.values()},
        holds=tuple(HoldView(id=h.id, actor=h.actor, uid=h.uid, utc=h.utc, reason=h.reason) for h in run.open_holds),
        gone=tuple(run.gone),
        times=phase_times(checklist, run),
        standing=standing_view(standing(checklist, run, lights, now)),
    )


def changes(before: View, after: Update) -> Update:
    """AFTER without what BEFORE says already."""
    return msgspec.structs.replace(
        after,
        run=after.run if after.run != before.run else None,
        items={key: item for key, item in after.items.items() if before.items.get(key) != item},
        gates={key: gate for key, gate in after.gates.items() if before.gates.get(key) != gate},
        crew=after.crew if after.crew != before.crew else None,
        holds=after.holds if after.holds != before.holds else None,
        gone=after.gone if after.gone != before.gone else None,
        times={key: times for key, times in after.times.items() if before.times.get(key) != times},
        standing=after.standing if after.standing != before.standing else None,
    )


def is_complete(checklist: Checklist, run: RunState, now: datetime) -> bool:
    """Whether every pause point of the branch being flown is passed and every item of it is settled."""
    branch = "rollback" if run.rollback_decided else "main"
    phases: list[Phase] = [phase for phase in checklist.phase if phase.branch == branch]
    return bool(phases) and all(
        phase.id in run.gone and not any(why_open(item, run.item(item.id), now) for item in phase.items)
        for phase in phases
    )


def evidence(checklist: Checklist, run: RunState, now: datetime) -> dict[str, Outcome]:
    """What a check may read of the other items: their outcomes, and a person's word where no check looked.

    An item that is not settled never shows a pass here, whatever its check said.
    """
    found: dict[str, Outcome] = {}
    for item in checklist.items.values():
        state = run.item(item.id)
        open_because = why_open(item, state, now)
        if open_because:
            if state.outcome is not None and state.outcome.verdict is not Verdict.PASS:
                found[item.id] = state.outcome
            elif state.outcome is not None and item.needs_human:
                found[item.id] = msgspec.structs.replace(
                    state.outcome, verdict=Verdict.UNKNOWN, actual=f"{open_because} ({state.outcome.actual})"
                )
            continue
        found[item.id] = _left_out(item, now) if item.out_of_scope else _settled_outcome(state)
    return found


def _left_out(item: Item, now: datetime) -> Outcome:
    return Outcome.of(Verdict.PASS, f"left out: {item.out_of_scope}", observed_at=now)


def _settled_outcome(state: ItemState) -> Outcome:
    if state.outcome is not None and state.mark in (Mark.OPEN, Mark.CONFIRMED):
        return state.outcome
    who = " and ".join(said.actor for said in state.confirmations)
    verdict = Verdict.WARN if state.mark in (Mark.WAIVED, Mark.SKIPPED) else Verdict.PASS
    said = f"{state.mark} by {who}" + (f": {state.reason}" if state.reason else "")
    return Outcome.of(verdict, said, observed_at=datetime.fromisoformat(state.marked_at))
