"""Whether an item needs nothing more, and whether the run may go on. In one place, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from itertools import combinations

import msgspec

from state.crew import Challenge, same_person
from state.definition import Checklist, Gate, Item, Phase
from state.events import utc_text
from state.recurring import again_at
from state.replaying import next_round
from state.run import Confirmation, GateRecord, ItemState, RunState, verdict_key
from state.verdicts import SHORTEST_REASON, Mark, Verdict


def why_open(item: Item, state: ItemState, now: datetime) -> str:
    """What ITEM still needs at NOW, as a person would say it; empty when it is settled.

    Only a pass settles the check's half of an item (a warning does once a person confirmed it with their eyes
    on it), and only a person settles the human half. Skipping, waiving and "not applicable" stand for both
    halves, with a reason; a critical item cannot be skipped. What a rehearsal's checklist leaves out, with its
    reason, needs nothing: no other checklist may leave anything out. A recurring item is open again when its next
    round is due.
    """
    if item.out_of_scope:
        return ""
    if why := _why_round_is_open(item, state, now):
        return why
    again = again_at(item, state)
    return f"due again since {utc_text(again)}" if again is not None and now >= again else ""


def _why_round_is_open(item: Item, state: ItemState, now: datetime) -> str:
    if state.status == "running":
        return "running"
    if state.status == "interrupted":
        return "interrupted: run it again"
    if state.mark is Mark.FAILED:
        return f"marked failed: {state.reason}"
    if state.mark.needs_reason and len(state.reason.strip()) < SHORTEST_REASON:
        return f"{state.mark} without a reason"
    if state.mark is Mark.NOT_APPLICABLE or (state.mark is Mark.SKIPPED and not item.critical):
        return ""
    if state.mark is Mark.SKIPPED:
        return "critical: may not be skipped; waive it, or settle it"
    if state.mark is Mark.WAIVED:
        return _why_waiver_is_over(state, now)
    return _why_check_is_open(item, state, now) or _why_human_is_open(item, state)


def settled(item: Item, state: ItemState, now: datetime) -> bool:
    """Whether ITEM needs nothing more."""
    return not why_open(item, state, now)


def due_again(item: Item, state: ItemState, now: datetime) -> bool:
    """Whether a round of ITEM was done, and the next one is due: what is said or looked at now begins it.

    However old the evidence is: a round that was done stays done.
    """
    again = again_at(item, state)
    if again is None or now < again:
        return False
    return not _why_round_is_open(msgspec.structs.replace(item, fresh_for=None), state, now)


def as_it_stands(item: Item, state: ItemState, now: datetime) -> ItemState:
    """STATE as people see it: when the next round is due, what was said in the last one is behind it."""
    return next_round(state) if due_again(item, state, now) else state


def shown_verdict(item: Item, state: ItemState, now: datetime) -> Verdict | None:
    """The verdict as it counts at NOW: stale when the evidence is too old; None when nobody looked yet."""
    if state.outcome is None:
        return None
    # What a person confirmed while it was fresh does not grow stale behind their back; a look since then does.
    at = now
    if state.mark is Mark.CONFIRMED and item.needs_human and state.marked_at >= state.finished_at:
        at = datetime.fromisoformat(state.marked_at)
    return state.outcome.as_seen_at(at, item.fresh_seconds)


def _why_check_is_open(item: Item, state: ItemState, now: datetime) -> str:
    if not item.needs_check:
        return ""
    match shown_verdict(item, state, now):
        case Verdict.PASS:
            return ""
        case Verdict.WARN if item.needs_human and state.mark is Mark.CONFIRMED:
            return ""
        case None:
            return "not checked yet"
        case Verdict.STALE:
            return "stale: run it again"
        case verdict:
            return f"{verdict}: {state.outcome.actual}" if state.outcome else str(verdict)


def _why_human_is_open(item: Item, state: ItemState) -> str:
    if not item.needs_human:
        return ""
    if state.mark is not Mark.CONFIRMED:
        return "not confirmed yet"
    # A mark from before there was anything to see is no mark on what a check saw.
    counted = [said for said in state.confirmations if said.evidence or not item.needs_check]
    if not counted:
        return "confirmed before there was anything to see: confirm again"
    if unsigned := unsigned_roles(item, counted):
        return "waits for the signature of " + ", ".join(unsigned)
    if item.pair and not two_people(counted):
        return "waits for a second person"
    return ""


def unsigned_roles(item: Item, said: Iterable[Confirmation]) -> list[str]:
    """The ids of the roles that ITEM wants signed by, and that signed in none of SAID."""
    signed = {one.role for one in said}
    return [role for role in item.signed_by if role not in signed]


def two_people(said: Iterable[Confirmation]) -> bool:
    """Whether SAID holds the words of two who cannot be the same person. Who was only attested is nobody here."""
    return any(not same_person(one, other) for one, other in combinations(said, 2))


def _why_waiver_is_over(state: ItemState, now: datetime) -> str:
    if state.waiver_until and now >= datetime.fromisoformat(state.waiver_until):
        return f"the waiver ended at {state.waiver_until}"
    if state.waiver_evidence != verdict_key(state.outcome):
        return "the evidence changed since the waiver"
    return ""


class Go(StrEnum):
    """The word in the verdict bar."""

    GO = "GO"
    HOLD = "HOLD"
    NO_GO = "NO-GO"
    ROLL_BACK = "ROLL BACK"


class Blocker(msgspec.Struct, frozen=True):
    """One thing that stands between the run and GO: an item, a gate, a hold, a challenge."""

    kind: str
    id: str
    why: str


class GateLight(msgspec.Struct, frozen=True):
    """A gate as it is right now: unarmed, clear, breaching, unknown, recovering or tripped, and why."""

    id: str
    state: str
    why: str = ""


class Standing(msgspec.Struct, frozen=True):
    """The verdict over the run, the phase it is about, and everything that stands against it."""

    go: Go
    phase: str
    blockers: tuple[Blocker, ...] = ()


def current_phase(checklist: Checklist, run: RunState) -> Phase:
    """The first phase of the branch being flown whose pause point is not passed; else its last one."""
    branch = "rollback" if run.rollback_decided else "main"
    phases = [phase for phase in checklist.phase if phase.branch == branch] or list(checklist.phase)
    return next((phase for phase in phases if phase.id not in run.gone), phases[-1])


def standing(checklist: Checklist, run: RunState, lights: Mapping[str, GateLight], now: datetime) -> Standing:
    """GO, HOLD, NO-GO or ROLL BACK, with the list of blockers. GO only when nothing at all stands against it."""
    phase = current_phase(checklist, run)
    gates = sorted(_gate_blockers(checklist, run, lights), key=lambda found: not found[1].why.startswith("tripped"))
    holds = [Blocker("hold", str(hold.id), f"{hold.actor}: {hold.reason}") for hold in run.open_holds]
    items = [
        *_blockers(_without_age(_passed(checklist, run, phase)), run, now),
        *_blockers(phase.items, run, now),
    ]
    challenges = [
        Blocker("challenge", one.item or str(one.id), f"{one.actor} challenges: {one.text}")
        for one in open_challenges(checklist, run, phase)
    ]
    blockers = (*(b for _, b in gates), *holds, *challenges, *items)
    if run.rollback_decided or any(then == "rollback" for then, _ in gates):
        return Standing(Go.ROLL_BACK, phase.id, blockers)
    if holds or any(then == "hold" for then, _ in gates):
        return Standing(Go.HOLD, phase.id, blockers)
    if blockers or not phase.items:
        return Standing(Go.NO_GO, phase.id, blockers or (Blocker("phase", phase.id, "there is nothing to settle"),))
    return Standing(Go.GO, phase.id)


def open_challenges(checklist: Checklist, run: RunState, phase: Phase) -> list[Challenge]:
    """The challenges that must be answered before PHASE ends: of the run, of its items, and of phases behind it.

    One of an item that the checklist no longer holds is one of the run.
    """
    behind = {item.id for item in _passed(checklist, run, phase)} | {item.id for item in phase.items}
    return [one for one in run.crew.open_challenges if one.item in behind or one.item not in checklist.items]


def _blockers(items: Iterable[Item], run: RunState, now: datetime) -> Iterator[Blocker]:
    for item in items:
        if why := why_open(item, run.item(item.id), now):
            yield Blocker("item", item.id, why)


def _passed(checklist: Checklist, run: RunState, current: Phase) -> Iterator[Item]:
    for phase in checklist.phase:
        if phase.branch == current.branch and phase.id in run.gone and phase is not current:
            yield from phase.items


def _without_age(items: Iterable[Item]) -> Iterator[Item]:
    # What was settled when its pause point was passed may grow old; it may not turn out wrong.
    return (msgspec.structs.replace(item, fresh_for=None) for item in items)


def _gate_blockers(
    checklist: Checklist, run: RunState, lights: Mapping[str, GateLight]
) -> Iterator[tuple[str, Blocker]]:
    """(what the gate demands, the blocker) for every armed gate that is not clear. No light at all is no sight."""
    for gate in checklist.gate:
        record = run.gates.get(gate.id, GateRecord(armed=gate.arm_at is None))
        if not record.armed:
            continue
        light = lights.get(gate.id, GateLight(gate.id, "unknown", "no data yet"))
        if record.state == "tripped" and record.decision not in ("continue", "extend"):
            yield gate.then, Blocker("gate", gate.id, f"tripped: {record.why.removeprefix(f'{gate.id} tripped: ')}")
        elif light.state != "clear":
            yield _demand_short_of_a_trip(gate), Blocker("gate", gate.id, f"{light.state}: {light.why}")


def _demand_short_of_a_trip(gate: Gate) -> str:
    # A gate that has not tripped never demands a rollback, however bad it looks: it only stands against GO.
    return "warn" if gate.then == "rollback" else "no-go"
