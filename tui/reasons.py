"""Why an action cannot be done now: one function an action, from the scene alone; empty means that it can."""

from __future__ import annotations

from tui import crew, sign_off
from tui.glyphs import SIGNS
from tui.lines import plain
from tui.scene import ARM_SECONDS, Scene

OUT_OF_SIGHT = "its evidence is not on the screen: read it first, then confirm"


def never(_: Scene) -> str:
    """Nothing stands against it, ever."""
    return ""


def replaying(scene: Scene) -> str:
    """It moves a replay, and this is one."""
    return "" if scene.view.replay is not None else "only in a replay: tminus replay RECORD"


def connected(scene: Scene) -> str:
    """It needs an engine that answers, and a run that is not over."""
    if not scene.connected:
        return "the engine has gone: nothing can be recorded until it is back"
    return "the run is closed" if scene.view.run.closed else ""


def driver(scene: Scene) -> str:
    """It needs the driver's lease. While nobody drives, whoever acts first takes it by acting."""
    if why := connected(scene):
        return why
    name = scene.view.run.driver
    if not name or scene.drives:
        return ""
    return f"{plain(name)} drives: only the driver may; {scene.key('drive')} asks for control"


def _item(scene: Scene) -> str:
    if scene.face is None:
        return "no item is under the cursor"
    return "left out of this rehearsal: nothing is to be done" if scene.face.out_of_scope else ""


def _driver_on_item(scene: Scene) -> str:
    return _item(scene) or driver(scene)


def run(scene: Scene) -> str:
    """Run the check: there is one, it is not running, and nothing blocks it."""
    if why := _driver_on_item(scene):
        return why
    face, item = scene.face, scene.item
    if face is None or not face.check:
        return "no check behind this item: a person settles it"
    if item.status == "running":
        return "its check is running"
    # Looking may run ahead of its turn; changing may not.
    return item.blocked if face.effect == "change" else ""


def confirm(scene: Scene) -> str:
    """Confirm: a person is asked, the evidence holds, it is on the screen, and this person did not yet.

    The driver confirms; whoever else is there may be the second of two.
    """
    if why := _item(scene) or connected(scene):
        return why
    face, item = scene.face, scene.item
    if face is None or face.marks == "check":
        return "its check settles this item: nobody has to confirm it"
    if item.blocked:
        return item.blocked
    if face.signed_by:
        return _sign(scene) or _shown(scene)
    if scene.read_only and not (item.said and face.pair):
        return "read-only: you may co-sign what the driver confirmed before you"
    if item.status == "running":
        return "its check is running: wait for what it sees"
    if face.marks == "both" and item.verdict not in ("pass", "warn"):
        word = SIGNS[item.verdict].word if item.verdict in SIGNS else "not looked at yet"
        return f"its check says {word}: run it again, or waive it with a reason"
    if any(said.uid == scene.uid for said in item.said):
        return "you confirmed it already" + (": a second person has to" if not item.settled else "")
    if not (item.said and face.pair) and (why := driver(scene)):
        return why
    return _shown(scene)


def _sign(scene: Scene) -> str:
    face = scene.face
    if face is None or not sign_off.open_roles(face, scene.item):
        return "every role has signed"
    if sign_off.roles_for(scene):
        return ""
    return f"{sign_off.told_roles(face, scene)} signs by that name; the driver may attest who cannot be here"


def _shown(scene: Scene) -> str:
    face = scene.face
    if not scene.detail_visible:
        return OUT_OF_SIGHT
    if face is not None and face.critical and scene.shown_for < ARM_SECONDS:
        return "critical: read its evidence first, then confirm"
    return ""


def fail(scene: Scene) -> str:
    """Mark failed."""
    return _driver_on_item(scene) or ("it is marked failed" if scene.item.mark == "failed" else "")


def skip(scene: Scene) -> str:
    """Skip: never a critical item."""
    if why := _driver_on_item(scene):
        return why
    if scene.face is not None and scene.face.critical:
        return "critical: may not be skipped; waive it, or settle it"
    return _not_running(scene)


def waive(scene: Scene) -> str:
    """Waive."""
    return _driver_on_item(scene) or _not_running(scene)


def not_applicable(scene: Scene) -> str:
    """Mark not applicable."""
    return _driver_on_item(scene) or _not_running(scene)


def _not_running(scene: Scene) -> str:
    return "its check is running" if scene.item.status == "running" else ""


def undo(scene: Scene) -> str:
    """Open again: there is a mark to take back."""
    if why := _driver_on_item(scene):
        return why
    return "" if scene.item.mark != "open" or scene.item.said else "nobody marked it: nothing to undo"


def cancel(scene: Scene) -> str:
    """Stop the check: it runs."""
    if why := _driver_on_item(scene):
        return why
    return "" if scene.item.status == "running" else "its check is not running"


def next_open(scene: Scene) -> str:
    """There is an item that is not settled."""
    return "" if any(not scene.state(name).settled for name in scene.faces) else "every item is settled"


def copy(scene: Scene) -> str:
    """There is something to copy."""
    return "" if scene.view.phases else "nothing is shown yet"


def plot(scene: Scene) -> str:
    """There is a metric."""
    return "" if scene.view.metrics else "no metric is watched"


def blockers(scene: Scene) -> str:
    """There is something that stands against GO."""
    return "" if scene.view.standing.blockers else "nothing stands against GO"


def go(scene: Scene) -> str:
    """Pass the pause point: the verdict is GO. Where a second person says it too, the driver says it first."""
    if why := connected(scene):
        return why
    call = crew.waiting_call(scene)
    if call is not None and call.kind == "phase" and call.uid == scene.uid:
        return "your GO is said: a second person says theirs, from another login"
    if not crew.second_go(scene):
        if scene.read_only:
            return "this screen only watches: the driver says GO first, then a second person may"
        if why := driver(scene):
            return why
    standing = scene.view.standing
    if standing.go == "GO" or _rolling(scene):
        return "every phase is passed" if scene.view.run.complete else ""
    first = "the engine does not say GO"
    if standing.blockers:
        first = f"{standing.blockers[0].id}: {standing.blockers[0].why}"
    more = f" (+{len(standing.blockers) - 1} more)" if len(standing.blockers) > 1 else ""
    return f"{standing.go}: {first}{more}"


def _rolling(scene: Scene) -> bool:
    """Whether a phase of the rollback can be passed: the verdict stays ROLL BACK until all of it is done."""
    phase, standing = scene.phase, scene.view.standing
    if standing.go != "ROLL BACK" or phase is None or phase.branch != "rollback" or scene.view.holds:
        return False
    asked = any(blocker.kind == "challenge" for blocker in standing.blockers)
    return not asked and all(scene.state(face.id).settled for face in phase.items)


def release(scene: Scene) -> str:
    """Release: there is a hold, and it is one's own, or one drives."""
    if why := connected(scene):
        return why
    if not scene.view.holds:
        return "nothing is on hold"
    if (scene.drives and not scene.read_only) or any(hold.uid == scene.uid for hold in scene.view.holds):
        return ""
    return f"{plain(scene.view.holds[0].actor)} holds: they or the driver may release it"


def decide(scene: Scene) -> str:
    """Decide: a gate waits for a person."""
    if why := driver(scene):
        return why
    return "" if scene.undecided else "no gate waits for a decision"
