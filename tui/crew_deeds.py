"""What goes on between people, as deeds: the lease, challenges, agreeing, signing, correcting."""

from __future__ import annotations

from collections.abc import Mapping

from tminus.client.requests import (
    Agree,
    AnswerChallenge,
    AskLease,
    Correct,
    GrantLease,
    RaiseChallenge,
    RefuseLease,
    ReleaseLease,
    Request,
    SignOff,
    TakeLease,
)
from tui import crew, crew_lines, sign_off, wording
from tui.choosing import Choice
from tui.desk import REASON, Deed, Desk, plan_of
from tui.dialogs import Question
from tui.lines import Line, plain
from tui.scene import Scene


async def drive(desk: Desk) -> Request | None:
    """Take control where one may; else ask the driver for it. A screen that only watches drives from then on."""
    scene = desk.scene
    if scene.drives and scene.view.run.driver == scene.me:
        title = "Drive from this screen"
        if await desk.ask(Question(title, wording.from_here, yes="Drive from here")) is not None:
            desk.drive_here()
        return None
    if scene.drives or crew.may_take(scene):
        question = Question("Take control", lambda width: crew_lines.taking(scene, width), yes="I have control")
        return None if await desk.ask(question) is None else TakeLease()
    reason = await desk.ask(
        Question(
            f"Ask {plain(scene.view.run.driver)} for control",
            lambda width: crew_lines.asking(scene, width),
            yes="Ask",
            field="why, or nothing",
            optional=True,
        )
    )
    return None if reason is None else AskLease(reason=reason)


async def hand_over(desk: Desk) -> Request | None:
    """Hand control to who asked for it, or to another who is here."""
    scene = desk.scene
    found = _candidates(scene)
    uid = next(iter(found))
    if len(found) > 1:
        chosen = await desk.pick(
            Choice("Hand control to whom?", [("", (("nobody", ""), ("  keep it", "dim"))), *_options(found, scene)])
        )
        if not chosen:
            return None
        uid = int(chosen)
    name, reason = found[uid]
    said = await desk.ask(
        Question(
            f"Hand control to {name}",
            lambda width: crew_lines.handing(name, reason, scene, width),
            yes=f"{name} has control",
        )
    )
    return None if said is None else GrantLease(uid=uid)


def _candidates(scene: Scene) -> dict[int, tuple[str, str]]:
    """Whom control may be handed to, by uid: name and what they asked with; who asked first stands first."""
    found = {ask.uid: (plain(ask.actor), plain(ask.reason)) for ask in scene.view.crew.asking}
    for one in crew.others(scene):
        found.setdefault(one.uid, (plain(one.name), ""))
    return found


def _options(found: Mapping[int, tuple[str, str]], scene: Scene) -> list[tuple[str, Line]]:
    here = {one.uid: one for one in crew.others(scene)}
    asks = {ask.uid for ask in scene.view.crew.asking}
    return [
        (str(uid), crew_lines.person_line(here[uid], uid in asks) if uid in here else ((name, "strong"),))
        for uid, (name, _) in found.items()
    ]


async def keep(desk: Desk) -> Request | None:
    """Keep control, with a word to who asked for it."""
    asking = desk.scene.view.crew.asking
    ask = asking[0]
    if len(asking) > 1:
        options = [
            (str(one.uid), ((plain(one.actor), "strong"), (f"  {plain(one.reason)}", "dim"))) for one in asking
        ]
        chosen = await desk.pick(Choice("Keep control: answer whom?", options))
        if not chosen:
            return None
        ask = next(one for one in asking if str(one.uid) == chosen)
    words = await desk.ask(
        Question(
            "Keep control",
            lambda width: crew_lines.keeping(ask.actor, width),
            yes="Keep it",
            no="Not now",
            field=f"a word to {plain(ask.actor)}, or nothing",
            optional=True,
        )
    )
    return None if words is None else RefuseLease(uid=ask.uid, reason=words)


async def let_go(desk: Desk) -> Request | None:
    """Drive no longer."""
    said = await desk.ask(Question("Drive no longer", crew_lines.letting_go, yes="Let go", no="Keep driving"))
    return None if said is None else ReleaseLease()


async def challenge(desk: Desk) -> Request | None:
    """Pin a question to the item under the cursor, or to the run."""
    scene = desk.scene
    text = await desk.ask(
        Question(
            "Challenge",
            lambda width: crew_lines.challenging(scene, width),
            yes="Challenge",
            field="what is to be answered",
            at_least=3,
        )
    )
    return None if text is None else RaiseChallenge(item=scene.focus, text=text)


async def answer(desk: Desk) -> Request | None:
    """Answer a challenge, or take one's own back; which one is asked when there are several."""
    scene = desk.scene
    found = crew.answerable(scene)
    one = found[0]
    if len(found) > 1:
        options = [(str(each.id), crew_lines.challenge_line(each, scene)) for each in found]
        chosen = await desk.pick(Choice("Answer which challenge?", options))
        if not chosen:
            return None
        one = next(each for each in found if str(each.id) == chosen)
    own = one.uid == scene.uid
    text = await desk.ask(
        Question(
            "Take the challenge back" if own else f"Answer {plain(one.actor)}",
            lambda width: crew_lines.challenged(one, scene, width),
            yes="Take it back" if own else "Answer",
            field=f"{'why' if own else 'the answer'} ({REASON} characters or more)",
            at_least=REASON,
        )
    )
    return None if text is None else AnswerChallenge(challenge=one.id, text=text)


async def agree(desk: Desk) -> Request | None:
    """Show the plan of the crossing that was called, whole, and agree to exactly that by the name of its target."""
    scene, call = desk.scene, crew.waiting_call(desk.scene)
    face = scene.faces.get(call.id) if call is not None else None
    if call is None or face is None:
        return None
    plan = await plan_of(desk, face.id)
    if plan.digest != call.plan:
        who = plain(call.actor)
        desk.say(f"The plan changed since {who} called: {who} looks at it again, and calls again", "warning")
        return None
    name = plain(plan.target) or face.id
    said = await desk.ask(
        Question(
            f"{plain(call.actor)} calls you to cross the point of no return",
            lambda width: crew_lines.crossing(call.actor, plan, wording.plan(plan, face, width), width),
            yes="I agree",
            field=f"type {name}",
            exactly=name,
            danger=True,
        )
    )
    return None if said is None else Agree(item=face.id, plan=plan.digest)


async def sign(desk: Desk) -> Request | None:
    """Sign the focused item for a role: one's own by one's name; as the driver another's, by attesting it."""
    scene = desk.scene
    roles = sign_off.roles_for(scene)
    role = roles[0]
    if len(roles) > 1:
        chosen = await desk.pick(
            Choice(
                "Sign off for which role?",
                [(one.id, crew_lines.picked_role(one)) for one in roles],
                draw=lambda width: sign_off.above_lines(scene, width),
            )
        )
        if not chosen:
            return None
        role = next(one for one in roles if one.id == chosen)
    named = "" if sign_off.is_mine(role, scene) else plain(role.name).strip()
    attests = scene.drives and not scene.read_only and not role.name.strip()
    typed = await desk.ask(
        Question(
            f"Sign off: {plain(role.title)}",
            lambda width: sign_off.signing_lines(role, named, scene, width),
            yes="Attest" if named else "Sign",
            field="your own name stands; or the name of who signs by your hand" if attests else "",
            optional=True,
        )
    )
    if typed is None:
        return None
    return SignOff(item=scene.focus, role=role.id, evidence=scene.item.evidence_digest, name=named or typed)


async def correct(desk: Desk) -> Request | None:
    """Words about an earlier event, which stays as it is."""
    number = await desk.ask(
        Question("Correct the record", wording.correcting, yes="On", field="number of the event", check=_bad_number)
    )
    if number is None:
        return None
    text = await desk.ask(
        Question(
            f"Correct event {number}",
            wording.correcting,
            yes="Write",
            field=f"what was really so ({REASON} characters or more)",
            at_least=REASON,
        )
    )
    return None if text is None else Correct(seq=int(number), text=text)


def _bad_number(text: str) -> str:
    return "" if text.strip().isascii() and text.strip().isdigit() else "a number, as tminus report tells it"


CREW_DEEDS: Mapping[str, Deed] = {
    "drive": drive,
    "hand-over": hand_over,
    "keep": keep,
    "let-go": let_go,
    "challenge": challenge,
    "answer": answer,
    "agree": agree,
    "correct": correct,
}
