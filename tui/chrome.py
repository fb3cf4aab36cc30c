"""The two lines around the panes: which pane is in front, and the keys that can be pressed now."""

from __future__ import annotations

from collections.abc import Sequence

from tui.actions import ACTIONS, Action, why_not
from tui.lines import Line, Span, width_of
from tui.pane import Pane
from tui.replay import offered
from tui.scene import TABS, Scene


class Tabs(Pane):
    """Which of the panes is in front, with the key of each; where all are in sight it is not there."""

    DEFAULT_CSS = """
    Tabs { height: 1; padding: 0 1; }
    """
    actions: Sequence[Action] = ACTIONS

    def draw(self, scene: Scene, width: int) -> Sequence[Line]:
        """One line."""
        names = {action.id: action.shown_key for action in self.actions}
        spans: list[Span] = []
        for tab in TABS:
            on = tab == scene.tab
            spans += [(f" {names[tab]} {tab} ", "block-info" if on else "dim"), (" ", "")]
        if scene.tab == "detail" and scene.below:
            spans.append((f"{scene.below} lines more below ", "warn"))
        undecided = len(scene.undecided)
        if undecided:
            spans.append((f"{undecided} to decide", "bad strong"))
        return [tuple(spans)]


class KeyBar(Pane):
    """The keys of the action table, greyed while they cannot be pressed."""

    DEFAULT_CSS = """
    KeyBar { height: 1; padding: 0 1; background: $panel; }
    """
    actions: Sequence[Action] = ACTIONS

    def draw(self, scene: Scene, width: int) -> Sequence[Line]:
        """As many keys as there is room for, in the table's order; help, commands and quit are always there."""
        return keybar_lines(self.actions, scene, width, max(self.size.height, 1))


_ALWAYS = ("palette", "help", "quit")
_NOT_HERE = ("items", "detail", "metrics")


def keybar_lines(actions: Sequence[Action], scene: Scene, width: int, height: int) -> list[Line]:
    """The key bar of SCENE in HEIGHT lines of WIDTH cells."""
    actions = offered(actions, scene)
    tail = [_face(action, scene) for action in actions if action.id in _ALWAYS]
    room = width - sum(width_of(face) + 2 for face in tail)
    lines: list[list[Span]] = [[]]
    for action in actions:
        if action.id in _ALWAYS or action.id in _NOT_HERE:
            continue
        face = _face(action, scene)
        limit = room if len(lines) == height else width
        if width_of(lines[-1]) + width_of(face) + 2 > limit:
            if len(lines) == height:
                break
            lines.append([])
        lines[-1] += [*face, ("  ", "")]
    for face in tail:
        lines[-1] += [*face, ("  ", "")]
    return [tuple(line[:-1]) for line in lines]


def _face(action: Action, scene: Scene) -> tuple[Span, ...]:
    if why_not(action, scene):
        return ((f"{action.shown_key} {action.label}", "off"),)
    return ((action.shown_key, "key"), (f" {action.label}", ""))
