"""What goes on between people as lines: who is here, what was challenged, what waits, what the dialogs say. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from tminus.client.messages import RoleView
from tminus.client.people import ChallengeView, Presence
from tminus.client.requests import Plan
from tui import crew
from tui.clock import age_of, ago, local_time
from tui.evidence import stacked
from tui.glyphs import PEOPLE_SIGNS
from tui.lines import Line, Span, fit, plain, width_of, wrapped
from tui.scene import Scene


def notice_lines(scene: Scene, width: int) -> list[Line]:
    """What concerns this person now, a line each, or two where one is too short."""
    lines: list[Line] = []
    for one in crew.notices(scene):
        head: Span = (f" {one.head} ", one.style)
        if width_of([head]) + 1 + width_of([(one.text, "")]) <= width:
            lines.append((head, (f" {one.text}", "strong")))
        else:
            lines += [fit(part, width, scene.glyphs.ellipsis) for part in ((head,), ((f" {one.text}", "strong"),))]
    return lines


def people_lines(scene: Scene, width: int) -> list[Line]:
    """Everybody who has a screen open: who, from where, as what, where they look; then what is between them."""
    blocks = [_person(one, scene, width) for one in crew.people(scene)]
    return stacked([_driver(scene, width), *blocks, _open(scene, width)])


def _driver(scene: Scene, width: int) -> list[Line]:
    run = scene.view.run
    if not run.driver:
        return wrapped(
            f"Nobody drives. {scene.key('drive')} takes control; so does whoever acts first.", width, "warn"
        )
    lines = wrapped(f"{run.driver} drives: one person does at a time.", width)
    if since := scene.view.crew.gone_since:
        told = f"No screen of theirs is open since {local_time(since)}; {crew.take_over(scene)}"
        lines += wrapped(told, width, "warn strong")
    return lines


def _person(one: Presence, scene: Scene, width: int) -> list[Line]:
    you = " (you)" if one.uid == scene.uid else ""
    drives = scene.view.run.driver_uid == one.uid and bool(scene.view.run.driver)
    role: Span = ("drives", "good strong") if drives else ("observes", "info")
    only = " (read-only screen)" if one.kind == "watcher" else ""
    lines = [fit(((plain(one.name), "head"), (you, "dim"), ("  ", ""), role, (only, "dim")), width)]
    login = f"{one.login}, " if one.login else ""
    since = f", since {local_time(one.since)}" if one.since else ""
    lines += wrapped(f"{login}uid {one.uid}, {one.origin}{since}", width - 1, "dim", indent=1)
    face = scene.faces.get(one.item)
    if one.item:
        lines += wrapped(f"looks at {face.text if face else one.item} ({one.item})", width - 1, indent=1)
    return lines


def _open(scene: Scene, width: int) -> list[Line]:
    lines: list[Line] = []
    for ask in scene.view.crew.asking:
        told = f"{ask.actor} asks for control since {local_time(ask.utc)}" + (f": {ask.reason}" if ask.reason else "")
        lines += wrapped(told, width, "warn")
    if (call := crew.waiting_call(scene)) is not None:
        what = "pass the pause point" if call.kind == "phase" else f"cross at {call.id}"
        agreed = f"; {call.agreed_by} agreed" if call.agreed_by else "; a second person is to agree"
        lines += wrapped(f"{call.actor} calls to {what} since {local_time(call.utc)}{agreed}", width, "warn")
    for one in scene.view.crew.challenges:
        lines += wrapped(f"{one.actor} challenges {one.item or 'the run'}: {one.text}", width, "warn")
    return lines


def challenge_lines(scene: Scene, item: str, width: int) -> list[Line]:
    """The open challenges of ITEM (empty: of the run), each with who answers it."""
    lines: list[Line] = []
    sign = PEOPLE_SIGNS["challenge"]
    for one in crew.challenges_of(scene, item):
        when = f" by {plain(one.actor)} {local_time(one.utc)}, {ago(age_of(one.utc, scene.now))}"
        lines += [((f"{scene.glyphs.mark(sign)} CHALLENGED", sign.style), (when, "dim"))]
        lines += wrapped(one.text, width - 1, "strong", indent=1)
        lines += _way(one, scene, width)
    return lines


def _way(one: ChallengeView, scene: Scene, width: int) -> list[Line]:
    if scene.view.replay is not None or scene.view.run.closed:
        return []
    key = scene.key("answer")
    if one.uid == scene.uid:
        told = f"{key} takes it back, with a reason"
    elif scene.drives and not scene.read_only:
        told = f"{key} answers it: the phase does not end before"
    else:
        told = f"{plain(scene.view.run.driver) or 'the driver'} answers it before the phase ends"
    return wrapped(told, width - 2, "dim", indent=2)


def challenge_line(one: ChallengeView, scene: Scene) -> Line:
    """A challenge in one line."""
    face = scene.faces.get(one.item)
    about = plain(face.text if face else one.item or "the run")
    return ((plain(one.actor), "strong"), (f" {local_time(one.utc)} ", "dim"), (plain(one.text), ""),
            (f"  {about}", "dim"))  # fmt: skip


def challenged(one: ChallengeView, scene: Scene, width: int) -> list[Line]:
    """A challenge, and what an answer to it means."""
    face = scene.faces.get(one.item)
    own = one.uid == scene.uid
    means = "It is taken back; the record keeps both." if own else "The record keeps the question and the answer."
    return [
        *wrapped(face.text if face else one.item or "the run", width, "head"),
        ((f"{plain(one.actor)} asks", "strong"), (f" {local_time(one.utc)}", "dim")),
        *wrapped(one.text, width - 1, "warn strong", indent=1),
        *wrapped(means, width, "dim"),
    ]


def challenging(scene: Scene, width: int) -> list[Line]:
    """What a challenge is about, and what it does."""
    face = scene.face
    about = wrapped(face.text, width, "head") if face else wrapped("the run as a whole", width, "head")
    text = "It must be answered before the phase ends. The others see it at once; checks that run go on."
    where = "" if face is None else " (With the cursor on a phase it is about the run.)"
    return [*about, *wrapped(text + where, width)]


def asking(scene: Scene, width: int) -> list[Line]:
    """Asking the driver for control."""
    run, patience = scene.view.run, int(scene.view.crew.patience)
    text = (
        f"{run.driver} drives. They are asked, and hand it over or keep it. "
        f"Without an answer for {patience} seconds you may take over."
    )
    return wrapped(text, width)


def taking(scene: Scene, width: int) -> list[Line]:
    """Taking the lease from a driver who is gone or does not answer, or from nobody."""
    name, gone = scene.view.run.driver, scene.view.crew.gone_since
    before = "Nobody drives."
    if scene.drives:
        before = f"{name} drives, from your own login."
    elif gone:
        before = f"{name} drove, and is gone since {local_time(gone)}."
    elif name:
        before = f"{name} drives, was asked and did not answer."
    return wrapped(f"{before} {scene.me} will drive: run checks, mark items, pass pause points.", width)


def handing(name: str, reason: str, scene: Scene, width: int) -> list[Line]:
    """Handing control over."""
    lines = wrapped(f"{name} asks for control: {reason}" if reason else f"{name} will drive.", width, "head")
    told = "From then on only they run checks, mark items and pass pause points. Say it aloud: you have control."
    return [*lines, *wrapped(told, width)]


def keeping(name: str, width: int) -> list[Line]:
    """Keeping control."""
    return wrapped(f"{name} asked for control, and is told that you keep it.", width)


def letting_go(width: int) -> list[Line]:
    """Driving no longer."""
    return wrapped("Nobody drives then, until somebody takes control or acts. Checks that run go on.", width)


def person_line(one: Presence, asks: bool) -> Line:
    """Somebody to hand control to."""
    told = " asks for it" if asks else ""
    return (
        (plain(one.name), "strong"),
        (told, "warn"),
        (f"  {plain(one.login or one.uid)}, {plain(one.origin)}", "dim"),
    )


def crossing(called: str, plan: Plan, lines: Sequence[Line], width: int) -> list[Line]:
    """The PLAN of a crossing as LINES, for the second person: what agreeing to it means."""
    told = f"{called} calls you: read the whole plan. Agreeing is to exactly this plan; {called} then runs it."
    head = wrapped(told, width, "warn strong")
    return stacked([head, lines, [(("plan ", "dim"), (plan.digest, "dim"))]])


def crosses(scene: Scene, digest: str, width: int) -> list[Line]:
    """What the driver is told under the plan of a crossing: that it calls somebody, or who agreed to it."""
    call = crew.waiting_call(scene)
    if call is None or call.id != scene.focus or call.kind != "crossing":
        told = "The point of no return takes two: this calls a second person. Nothing runs before they agree."
        return wrapped(told, width, "warn strong")
    if call.plan != digest:
        told = f"The plan is not the one that was called at {local_time(call.utc)}: this calls a second person anew."
        return wrapped(told, width, "warn strong")
    return wrapped(f"{call.agreed_by} agreed to this very plan. It runs now.", width, "good strong")


def reading_back(text: str, width: int) -> list[Line]:
    """Asking once more for a value: what it was is not told."""
    told = "Look again, and type what you see now. What was said before is not shown."
    return [*wrapped(text, width, "head"), *wrapped(told, width)]


def picked_role(role: RoleView) -> Line:
    """A role to sign for."""
    return ((plain(role.title), "strong"), (f"  {plain(role.name) or 'nobody is named'}", "dim"))
