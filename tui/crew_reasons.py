"""Why what goes on between people cannot be done now: one function an action, from the scene alone."""

from __future__ import annotations

from tui import crew
from tui.clock import local_time
from tui.lines import plain
from tui.reasons import connected
from tui.scene import Scene


def drive(scene: Scene) -> str:
    """Take the lease, or ask for it: not while one has it, nor while an answer may still come."""
    if why := connected(scene):
        return why
    run = scene.view.run
    if scene.drives:
        # Who drives by the same login under another name, or has a screen that only watches, may take it here.
        return "" if scene.read_only or run.driver != scene.me else "you drive already"
    if not run.driver or crew.may_take(scene):
        return ""
    ask = crew.my_ask(scene)
    if ask is not None:
        return f"you asked {plain(run.driver)} at {local_time(ask.utc)}: {crew.take_over(scene)}"
    if scene.view.crew.gone_since:
        since = local_time(scene.view.crew.gone_since)
        return f"{plain(run.driver)} is gone since {since}: {crew.take_over(scene)}"
    return ""


def _lease(scene: Scene) -> str:
    if why := connected(scene):
        return why
    if scene.drives:
        return ""
    return f"{plain(scene.view.run.driver)} drives, not you" if scene.view.run.driver else "nobody drives"


def hand_over(scene: Scene) -> str:
    """Hand control over: one has it, and somebody asks, or is here."""
    if why := _lease(scene):
        return why
    if scene.view.crew.asking or crew.others(scene):
        return ""
    return "nobody else is here: they open a screen with tminus watch"


def keep(scene: Scene) -> str:
    """Keep control: somebody asked for it."""
    return _lease(scene) or ("" if scene.view.crew.asking else "nobody asks for control")


def let_go(scene: Scene) -> str:
    """Drive no longer: one drives."""
    return _lease(scene)


def answer(scene: Scene) -> str:
    """Answer a challenge: the driver any, others take back their own."""
    if why := connected(scene):
        return why
    if not scene.view.crew.challenges:
        return "no challenge waits for an answer"
    if crew.answerable(scene):
        return ""
    return f"{plain(scene.view.run.driver) or 'the driver'} answers; you may take back what you challenged yourself"


def agree(scene: Scene) -> str:
    """Agree to cross the point of no return: somebody else called."""
    if why := connected(scene):
        return why
    call = crew.waiting_call(scene)
    if call is None or call.kind != "crossing":
        return "nobody calls a second person to the point of no return"
    if call.uid == scene.uid:
        return "you called it yourself: a second person agrees, from another login"
    return f"{plain(call.agreed_by)} agreed already" if call.agreed_by else ""
