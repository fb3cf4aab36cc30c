"""Where to go next, and how to get past what stands in the way. Pure.

A read-do phase is done in its order: it has one next item. A do-confirm phase is done in any.
"""

from __future__ import annotations

from tminus.client.messages import ItemFace, ItemView, PhaseFace, View
from tminus.client.people import CallView
from tui.crew import observes, waiting_call
from tui.rows import next_open, phase_of
from tui.scene import Scene
from tui.sign_off import roles_for


def next_in(view: View, phase: PhaseFace) -> str:
    """The first item of PHASE that is not settled; empty when all are."""
    for face in phase.items:
        item = view.items.get(face.id)
        if item is None or not item.settled:
            return face.id
    return ""


def guided(view: View) -> str:
    """The next item of the current phase if that is read-do; empty when it is not, or when all of it is settled."""
    phase = next((one for one in view.phases if one.id == view.standing.phase), None)
    return next_in(view, phase) if phase is not None and phase.mode == "read-do" else ""


def next_stop(view: View, focus: str) -> str:
    """Where "next" leads from the item FOCUS: the guided item, or from that one and elsewhere the next open one."""
    stop = guided(view)
    return stop if stop and stop != focus else next_open(view, focus)


def followed(before: View, after: View, focus: str) -> str:
    """The item that the cursor goes to by itself, from FOCUS: the next one of a read-do phase, once a person has
    settled the guided item under the cursor. Empty: it stays. What a check settled is still to be read."""
    if not focus or guided(before) != focus:
        return ""
    item = after.items.get(focus, ItemView(id=focus))
    return guided(after) if item.settled and item.mark != "open" else ""


Way = tuple[str, str]
"""A way on: the action's id (empty: none), and what it does here."""


def ways(scene: Scene) -> list[Way]:
    """What can be done about the focused item now, the likeliest first; empty when nothing is needed."""
    face, item = scene.face, scene.item
    if face is None or scene.view.run.closed or face.out_of_scope:
        return []
    if (call := waiting_call(scene)) is not None and call.id == face.id:
        return _crossing(call, scene)
    if item.blocked:
        return _past_block(face, scene)
    if item.settled:
        return []
    if observes(scene):
        return _as_second(face, item, scene)
    if item.status == "running":
        return [("cancel", "stops it; else wait for what it sees")]
    return _past_open(face, item)


def _crossing(call: CallView, scene: Scene) -> list[Way]:
    """Past the point of no return, which takes two."""
    if call.agreed_by:
        return [("run", f"runs it: {call.agreed_by} agreed")] if call.uid == scene.uid else []
    if call.uid != scene.uid:
        return [("agree", f"shows the plan, and agrees: {call.actor} calls you")]
    return [("people", "shows who is here: a second person is to agree")]


def _as_second(face: ItemFace, item: ItemView, scene: Scene) -> list[Way]:
    """What who does not drive can do about an item that is open."""
    own = any(said.uid == scene.uid for said in item.said)
    if face.signed_by and roles_for(scene):
        return [("confirm", "shows what stands above the line, and signs for a role")]
    if face.pair and item.said and not own and not face.signed_by:
        return [("confirm", f"confirms it as the second person, after {item.said[-1].actor}")]
    driver = scene.view.run.driver
    ask = [("drive", f"asks {driver} for control" if driver else "takes control")]
    return [("challenge", "asks about it, to be answered before the phase ends"), *ask]


def _past_block(face: ItemFace, scene: Scene) -> list[Way]:
    view = scene.view
    phase, current = phase_of(view, face.id), scene.phase
    if phase is not None and current is not None and phase.id != current.id:
        if phase.branch == "rollback" != current.branch:
            return [("decide", "rolls back, once a gate asks for a decision")]
        return [("blockers", f"shows what stands against GO of {current.title!r}"), ("go", "passes its pause point")]
    if view.holds:
        return [("release", f"releases the hold ({view.holds[0].actor}, or the driver)")]
    stop = guided(view)
    return (
        [("next", f"goes to {scene.faces[stop].text!r}")]
        if stop and stop in scene.faces
        else [("filter", "finds the item that it needs")]
    )


def _past_open(face: ItemFace, item: ItemView) -> list[Way]:
    waive = ("waive", "accepts it as it is, with a reason")
    if item.mark == "failed":
        return [("undo", "opens it again once it is mended"), waive]
    if face.check and face.effect == "change" and face.marks != "human" and item.verdict not in ("pass", "warn"):
        return [("run", "shows what it will do, and asks before it does it"), *([waive] if item.verdict else [])]
    if face.check and face.marks != "human" and item.verdict not in ("pass", "warn"):
        again = "looks again, once the cause is mended" if item.verdict in ("fail", "error") else "looks"
        return [("run", again), *([waive] if item.verdict else [])]
    if face.marks == "check":
        return [("run", "looks again: a warning alone does not settle it"), waive]
    if face.signed_by:
        return [("confirm", "shows what stands above the line, and signs for a role")]
    if item.said and face.pair:
        return [
            ("confirm", f"confirms it on the screen of a second person, not {item.said[-1].actor} (tminus watch)")
        ]
    return [("confirm", "confirms it in your name, once you read what was seen")]
