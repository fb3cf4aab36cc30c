"""What a replay changes on the screen: whose clock it shows, what can be pressed, and the line that says so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from tminus.client.messages import View
from tui.actions import Action
from tui.clock import moment, t_clock
from tui.lines import Line, fit, plain
from tui.scene import Scene


def screen_time(view: View, now: datetime) -> datetime:
    """What time it is on the screen: the replayed moment in a replay, NOW else."""
    return now if view.replay is None else moment(view.replay.moment) or now


def has_place(action: Action, scene: Scene) -> bool:
    """Whether ACTION means anything on this screen: a replay's keys do only in one."""
    return action.scope != "replay" or scene.view.replay is not None


def offered(actions: Sequence[Action], scene: Scene) -> list[Action]:
    """The actions that have a place on this screen: a replay's own keys stand first in a replay, and nowhere else;
    in a replay none that acts is there."""
    if scene.view.replay is None:
        return [action for action in actions if has_place(action, scene)]
    own = [action for action in actions if action.scope == "replay"]
    return own + [action for action in actions if action.scope != "replay" and action.danger == "none"]


def replay_lines(scene: Scene, width: int) -> list[Line]:
    """The banner of a replay: that it is one, where it stands, how fast it goes, and what is missing."""
    replay = scene.view.replay
    if replay is None:
        return []
    at = moment(replay.moment)
    when = at.astimezone().strftime("%Y-%m-%d %H:%M:%S") if at else "?"
    pace = f"{replay.speed:g}x" if replay.playing else f"paused ({replay.speed:g}x)"
    head = f" REPLAY {t_clock(scene.view.run.t0, scene.now)} "
    where = f" {when}  {pace}  event {replay.position} of {replay.total}  "
    lines = [fit(((head, "block-info"), (where, "head"), (plain(replay.event), "")), width, scene.glyphs.ellipsis)]
    lines += [fit(((" ", ""), (plain(note), "warn")), width, scene.glyphs.ellipsis) for note in replay.notes[:3]]
    return lines
