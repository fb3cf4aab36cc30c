"""What each action asks of the person before it asks the engine: a scene in, a request out (or nothing).

A deed never changes anything by itself. It returns the request for the engine, or None when the person said no.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

import msgspec

from state.durations import parse_duration
from state.events import utc_text
from tminus.client.messages import ItemFace, ItemView
from tminus.client.requests import (
    AddNote,
    CancelCheck,
    CommitRecord,
    DecideGate,
    MarkItem,
    PassPhase,
    RaiseHold,
    ReleaseHold,
    Request,
    RunCheck,
)
from tui import crew, crew_deeds, crew_lines, wording
from tui.choosing import Choice
from tui.crew_deeds import CREW_DEEDS
from tui.desk import REASON, Deed, Desk, plan_of
from tui.dialogs import Question
from tui.lines import plain
from tui.readback import asked_again, readback_lines
from tui.scene import Scene


async def run(desk: Desk) -> Request | None:
    """Ask for the value the item wants, show what a change will do, and only then run."""
    scene, face = desk.scene, desk.scene.face
    if face is None:
        return None
    answer = ""
    if face.ask:
        typed = await desk.ask(
            Question(
                "Type the value", lambda width: wording.challenge(scene, width), yes="Run", field=face.ask, at_least=1
            )
        )
        if typed is None:
            return None
        answer = typed
    if face.effect != "change":
        return RunCheck(item=face.id, answer=answer)
    plan = await plan_of(desk, face.id)
    two = face.pair and face.point_of_no_return
    if two and _waits_for_second(scene, face.id, plan.digest):
        desk.say("It waits for a second person to agree: they see it on their screen", "warning")
        return None
    # A danger this version does not know is the worst one.
    one_way = plan.danger not in ("safe", "reversible")
    name = plain(plan.target) or face.id
    said = await desk.ask(
        Question(
            f"This changes {name}",
            lambda width: [
                *wording.plan(plan, face, width),
                *([(), *crew_lines.crosses(scene, plan.digest, width)] if two else []),
            ],
            yes="Go" if not two or _agreed(scene, plan.digest) else "Call the second person",
            field=f"type {name}" if one_way else "",
            exactly=name if one_way else "",
            danger=one_way,
        )
    )
    return None if said is None else RunCheck(item=face.id, answer=answer, go=plan.digest)


def _waits_for_second(scene: Scene, item: str, digest: str) -> bool:
    call = crew.waiting_call(scene)
    return call is not None and (call.id, call.plan, call.agreed_by) == (item, digest, "")


def _agreed(scene: Scene, digest: str) -> bool:
    call = crew.waiting_call(scene)
    return call is not None and (call.id, call.plan) == (scene.focus, digest) and bool(call.agreed_by)


async def confirm(desk: Desk) -> Request | None:
    """Read the evidence back; a warning needs a reason, an item that asks needs its value."""
    scene, face, item = desk.scene, desk.scene.face, desk.scene.item
    if face is None:
        return None
    if face.signed_by:
        return await crew_deeds.sign(desk)
    kind = _said_with(face, item)
    question = Question(
        "Confirm",
        lambda width: wording.confirming(scene, width, witness=kind == "witness"),
        yes="Confirm",
        field={
            "reason": f"the check warns: why is it good enough ({REASON} characters or more)",
            "value": face.ask,
            "witness": "who stands beside you, or nothing",
        }.get(kind, ""),
        at_least={"reason": REASON, "value": 1}.get(kind, 0),
        optional=kind == "witness",
    )
    said = await desk.ask(question)
    if said is None:
        return None
    made = MarkItem(item=face.id, mark="confirmed", evidence=item.evidence_digest)
    return msgspec.structs.replace(made, **{kind: said}) if kind else made


def _said_with(face: ItemFace, item: ItemView) -> str:
    """What is said with a confirmation: the reason of a warning, the value that is asked for, or, by the first of
    two, who stands beside them. Empty: nothing."""
    if item.verdict == "warn":
        return "reason"
    if face.ask and face.marks == "human":
        return "value"
    return "witness" if face.pair and not item.said else ""


def _override(mark: str, title: str) -> Deed:
    async def deed(desk: Desk) -> Request | None:
        scene, item = desk.scene, desk.scene.item
        question = Question(
            title,
            lambda width: wording.read_back(scene, width),
            yes=title.partition(" ")[0].rstrip(":"),
            field=f"why ({REASON} characters or more)",
            at_least=REASON,
        )
        reason = await desk.ask(question)
        if reason is None:
            return None
        until = await _until(desk) if mark == "waived" else ""
        if until is None:
            return None
        return MarkItem(item=item.id, mark=mark, evidence=item.evidence_digest, reason=reason, until=until)

    return deed


async def _until(desk: Desk) -> str | None:
    """When the waiver ends, as RFC 3339 UTC; empty for never, None for no."""
    typed = await desk.ask(
        Question(
            "Until when?",
            lambda _: [(("For how long the waiver holds; empty: until its evidence changes", ""),)],
            yes="Waive",
            field="30m, 4h, 2d",
            check=_bad_duration,
        )
    )
    if not typed:
        return typed
    return utc_text(desk.scene.now + timedelta(seconds=parse_duration(typed)))


def _bad_duration(text: str) -> str:
    try:
        return "" if not text.strip() or parse_duration(text.strip()) > 0 else "it must be longer than nothing"
    except (ValueError, OverflowError):
        return "write a number and a unit, as in 30m, 4h, 2d"


async def undo(desk: Desk) -> Request | None:
    """Open the item again."""
    scene = desk.scene
    said = await desk.ask(Question("Open again", lambda width: wording.read_back(scene, width), yes="Open it"))
    return None if said is None else MarkItem(item=scene.focus, mark="open")


async def cancel(desk: Desk) -> Request | None:
    """Stop the running check."""
    scene = desk.scene
    said = await desk.ask(
        Question("Stop the check", lambda width: wording.challenge(scene, width), yes="Stop it", no="Let it run")
    )
    return None if said is None else CancelCheck(item=scene.focus)


async def go(desk: Desk) -> Request | None:
    """Ask once more for each critical value, read the phase back, and pass its pause point."""
    scene = desk.scene
    values: dict[str, str] = {}
    for face in asked_again(scene):
        typed = await desk.ask(
            Question(
                "Read back",
                lambda width, face=face: crew_lines.reading_back(face.text, width),  # type: ignore[misc]
                yes="On",
                field=face.ask,
                at_least=1,
                alone=True,
            )
        )
        if typed is None:
            return None
        values[face.id] = typed
    question = Question("Phase complete?", lambda width: readback_lines(scene, width), yes="Go", alone=bool(values))
    said = await desk.ask(question)
    return None if said is None else PassPhase(phase=scene.view.standing.phase, values=values)


async def commit(desk: Desk) -> Request | None:
    """Commit the record to git, as it is now."""
    question = Question("Commit the record to git?", wording.commit, yes="Commit")
    return None if await desk.ask(question) is None else CommitRecord()


async def hold(desk: Desk) -> Request | None:
    """Stop the run."""
    question = Question("Hold the run", wording.hold, yes="Hold", field="why", at_least=3)
    reason = await desk.ask(question)
    return None if reason is None else RaiseHold(reason=reason)


async def release(desk: Desk) -> Request | None:
    """Let go of a hold; of which one is asked when there are several."""
    scene = desk.scene
    may_any = scene.drives and not scene.read_only
    holds = [hold for hold in scene.view.holds if may_any or hold.uid == scene.uid]
    number = holds[0].id
    if len(holds) > 1:
        chosen = await desk.pick(
            Choice("Release which hold?", [(str(hold.id), wording.hold_line(hold)) for hold in holds])
        )
        if not chosen:
            return None
        number = int(chosen)
    held = next(hold for hold in holds if hold.id == number)
    said = await desk.ask(
        Question("Release the hold", lambda width: wording.held(held, width), yes="Release", no="Keep holding")
    )
    return None if said is None else ReleaseHold(hold=number)


async def decide(desk: Desk) -> Request | None:
    """Answer a gate that tripped or lost sight, by name and with a reason. Leaving the choice leaves it as it is."""
    scene = desk.scene
    gate = scene.undecided[0]
    chosen = await desk.pick(
        Choice(
            f"{wording.asking(gate)}: {gate.text}",
            [
                ("", (("decide later", ""), ("  the gate stays as it is, the banner stays", "dim"))),
                ("roll-back", (("roll back", "bad strong"), ("  open the rollback phase", "dim"))),
                ("continue", (("continue because", "override"), ("  accept it, with a reason", "dim"))),
                ("extend", (("extend until", "warn"), ("  watch longer, with a reason", "dim"))),
            ],
            draw=lambda width: wording.gate(gate, scene, width),
            danger=True,
        )
    )
    if not chosen:
        return None
    reason = await desk.ask(
        Question(
            f"{wording.DECISIONS[chosen]}: {gate.text}",
            lambda width: wording.gate(gate, scene, width),
            yes=wording.DECISIONS[chosen],
            field=f"why ({REASON} characters or more), as {plain(scene.me)}",
            at_least=REASON,
            danger=chosen == "roll-back",
        )
    )
    if reason is None:
        return None
    until: str | None = ""
    if chosen == "extend":
        until = await desk.ask(
            Question(
                f"Extend until: {gate.text}",
                lambda width: wording.extension(gate, width),
                yes="Extend",
                field="how long, as in 30m; empty: one more of the gate's own time",
                check=_bad_duration,
            )
        )
    return None if until is None else DecideGate(gate=gate.id, decision=chosen, reason=reason, until=until)


async def note(desk: Desk) -> Request | None:
    """Write into the record."""
    scene = desk.scene
    about = scene.focus or "the run"
    question = Question(
        "Note", lambda _: [((f"about {plain(about)}", "dim"),)], yes="Write", field="words", at_least=1
    )
    text = await desk.ask(question)
    return None if text is None else AddNote(text=text, item=scene.focus)


DEEDS: Mapping[str, Deed] = {
    "run": run,
    "confirm": confirm,
    "fail": _override("failed", "Fail the item"),
    "skip": _override("skipped", "Skip the item"),
    "waive": _override("waived", "Waive the item"),
    "na": _override("n/a", "N/A: the item does not apply"),
    "undo": undo,
    "cancel": cancel,
    "go": go,
    "commit": commit,
    "hold": hold,
    "release": release,
    "decide": decide,
    "note": note,
    **CREW_DEEDS,
}
