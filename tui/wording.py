"""What the dialogs say, as lines. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from state.durations import format_duration
from tminus.client.messages import GateView, HoldView, ItemFace
from tminus.client.requests import Plan
from tui.clock import local_time
from tui.evidence import evidence_lines
from tui.gates import gate_lines
from tui.lines import Line, chopped, fit, pad, plain, wrapped
from tui.scene import Scene

DECISIONS: Mapping[str, str] = {"roll-back": "Roll back", "continue": "Continue because", "extend": "Extend"}

DANGERS: Mapping[str, tuple[str, str]] = {
    "safe": ("safe: nothing that exists is changed", "good"),
    "reversible": ("reversible: it can be taken back", "warn strong"),
    "one-way": ("ONE-WAY: it cannot be taken back", "bad strong"),
}


def challenge(scene: Scene, width: int) -> list[Line]:
    """The focused item's text and how it is done."""
    face = scene.face
    if face is None:
        return []
    return [*wrapped(face.text, width, "head"), *wrapped(face.how, width), ((plain(face.id), "dim"),)]


def read_back(scene: Scene, width: int) -> list[Line]:
    """The focused item as the detail shows it: what is confirmed is what stands here."""
    return evidence_lines(scene, width)


def confirming(scene: Scene, width: int, *, witness: bool) -> list[Line]:
    """The focused item read back; where a WITNESS may be named, what one is."""
    if not witness:
        return read_back(scene, width)
    text = (
        "A second person confirms from a login of their own. Somebody who stands beside you may be named: "
        "you attest it, and they are no second person."
    )
    return [*read_back(scene, width), (), *wrapped(text, width, "dim")]


def plan(what: Plan, face: ItemFace, width: int) -> list[Line]:
    """Exactly what a change will do, its danger and its target."""
    danger, style = DANGERS.get(
        what.danger, (f"danger {plain(what.danger)!r} is not known: taken as one-way", "bad strong")
    )
    lines = [*wrapped(face.text, width, "head"), ((danger, style),)]
    if what.target:
        lines.append((("target ", "dim"), (plain(what.target), "strong")))
    lines += [(), (("it will", "dim"),)]
    for text in what.lines:
        lines += chopped(text, width, indent=2)
    if not what.lines:
        lines.append((("  the check does not say what it will do", "bad strong"),))
    if face.expect:
        lines += [(), (("planned ", "dim"), (format_duration(face.expect), ""))]
    return lines


def hold(width: int) -> list[Line]:
    """What a hold does."""
    return wrapped("A hold blocks all progress until it is released. Checks that run go on; metrics go on.", width)


def commit(width: int) -> list[Line]:
    """What committing the record does."""
    words = (
        "The record as it is now goes to the project's repository, by the driver's git: signed if git signs, with a "
        "message that sums up the run. Nothing else is committed; what is staged stays staged."
    )
    return wrapped(words, width)


def hold_line(held_by: HoldView) -> Line:
    """A hold in one line."""
    return ((plain(held_by.actor), "strong"), (f" {local_time(held_by.utc)} ", "dim"), (plain(held_by.reason), ""))


def held(what: HoldView, width: int) -> list[Line]:
    """A hold, and what releasing it means."""
    return [fit(hold_line(what), width), *wrapped("Released, it no longer stands against GO.", width, "dim")]


def gate(what: GateView, scene: Scene, width: int) -> list[Line]:
    """A tripped gate with its evidence."""
    return [*gate_lines(what, scene, width), *wrapped("Nothing rolls back by itself.", width, "dim")]


def asking(what: GateView) -> str:
    """What a gate that waits for a person has to say, in two words."""
    return "Gate tripped" if what.state == "tripped" else "Gate sees nothing"


def extension(what: GateView, width: int) -> list[Line]:
    """What an extension means."""
    text = "The gate is watched on and cannot trip before that time. What it has seen stays."
    return [*wrapped(what.why, width, "dim"), *wrapped(text, width)]


def from_here(width: int) -> list[Line]:
    """A screen that only watched, and drives from now on."""
    return wrapped("You have control. This screen only watches: from now on it drives.", width)


def correcting(width: int) -> list[Line]:
    """What a correction is."""
    text = "The event stays as it is; the record and the report show your words with it. tminus report numbers them."
    return wrapped(text, width)


def contacts(scene: Scene, width: int) -> list[Line]:
    """Who to call."""
    if not scene.view.roles:
        return wrapped("The checklist names no roles: add [[role]] tables to it.", width, "dim")
    wide = max(len(plain(role.title)) for role in scene.view.roles)
    return [
        ((pad(plain(role.title), wide), "head"), ("  ", ""),
         (plain(role.name) or "nobody named", "" if role.name else "warn"), ("  ", ""), (plain(role.contact), "info"))
        for role in scene.view.roles
    ]  # fmt: skip


def blockers(scene: Scene) -> Sequence[tuple[str, Line]]:
    """Everything against GO, as options: items jump, the others say what they are."""
    return [
        (
            f"{blocker.kind}:{blocker.id}",
            ((pad(plain(blocker.kind), 9), "dim"), (plain(blocker.id), "strong"), (f"  {plain(blocker.why)}", "")),
        )
        for blocker in scene.view.standing.blockers
    ]
