"""What each action asks of the person before it asks the engine: a scene in, a request out (or nothing).

A deed never changes anything by itself. It returns the request for the engine, or None when the person said no.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Protocol

import msgspec

from state.durations import parse_duration
from state.events import utc_text
from tminus.client import Client
from tminus.client.requests import (
    AddNote,
    CancelCheck,
    DecideGate,
    MarkItem,
    PassPhase,
    Plan,
    RaiseHold,
    ReleaseHold,
    Request,
    RunCheck,
    ShowPlan,
    TakeLease,
)
from tui import wording
from tui.dialogs import Choice, Question
from tui.lines import plain
from tui.readback import readback_lines
from tui.scene import Scene

REASON = 10
"""Characters that a reason must have: shorter ones explain nothing afterwards."""


class Desk(Protocol):
    """Where a deed is done: what is on the screen, a person to ask, an engine to ask."""

    @property
    def scene(self) -> Scene: ...
    @property
    def client(self) -> Client | None: ...
    async def ask(self, question: Question) -> str | None: ...
    async def pick(self, choice: Choice) -> str: ...


Deed = Callable[[Desk], Awaitable[Request | None]]


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
    if desk.client is None:
        return None
    plan = msgspec.convert((await desk.client.ask(ShowPlan(item=face.id))).data, Plan)
    # A danger this version does not know is the worst one.
    one_way = plan.danger not in ("safe", "reversible")
    name = plain(plan.target) or face.id
    said = await desk.ask(
        Question(
            f"This changes {name}",
            lambda width: wording.plan(plan, face, width),
            yes="Go",
            field=f"type {name}" if one_way else "",
            exactly=name if one_way else "",
            danger=one_way,
        )
    )
    return None if said is None else RunCheck(item=face.id, answer=answer, go=plan.digest)


async def confirm(desk: Desk) -> Request | None:
    """Read the evidence back; a warning needs a reason, an item that asks needs its value."""
    scene, face, item = desk.scene, desk.scene.face, desk.scene.item
    if face is None:
        return None
    warned = item.verdict == "warn"
    value = face.ask if face.marks == "human" else ""
    question = Question(
        "Confirm",
        lambda width: wording.read_back(scene, width),
        yes="Confirm",
        field=f"the check warns: why is it good enough ({REASON} characters or more)" if warned else value,
        at_least=REASON if warned else 1 if value else 0,
    )
    said = await desk.ask(question)
    if said is None:
        return None
    reason, told = (said, "") if warned else ("", said)
    return MarkItem(item=face.id, mark="confirmed", evidence=item.evidence_digest, reason=reason, value=told)


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
    """Read the phase back and pass its pause point."""
    scene = desk.scene
    said = await desk.ask(Question("Phase complete?", lambda width: readback_lines(scene, width), yes="Go"))
    return None if said is None else PassPhase(phase=scene.view.standing.phase)


async def hold(desk: Desk) -> Request | None:
    """Stop the run."""
    question = Question("Hold the run", wording.hold, yes="Hold", field="why", at_least=3)
    reason = await desk.ask(question)
    return None if reason is None else RaiseHold(reason=reason)


async def release(desk: Desk) -> Request | None:
    """Let go of a hold; of which one is asked when there are several."""
    holds = desk.scene.view.holds
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


async def drive(desk: Desk) -> Request | None:
    """Take control."""
    scene = desk.scene
    said = await desk.ask(Question("Take control", lambda width: wording.lease(scene, width), yes="I have control"))
    return None if said is None else TakeLease()


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
    "hold": hold,
    "release": release,
    "decide": decide,
    "drive": drive,
    "note": note,
}
