"""The two lines around the panes: which pane is in front, and the keys that can be pressed now."""

from __future__ import annotations

from collections.abc import Sequence

from tui.actions import ACTIONS, Action, why_not
from tui.crew import observes, wanted
from tui.lines import Line, Span, width_of
from tui.pane import Pane
from tui.replay import offered
from tui.scene import TABS, Scene

TOO_SMALL = "tminus needs 80x23. Make the window larger, or use: tminus status"


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
_NEEDED = ("run", "confirm")
_NOT_HERE = ("items", "detail", "metrics")


def keybar_lines(actions: Sequence[Action], scene: Scene, width: int, height: int) -> list[Line]:
    """The key bar of SCENE in HEIGHT lines of WIDTH cells."""
    there = offered(actions, scene)
    tail = [_face(action, scene) for action in there if action.id in _ALWAYS]
    grey = {action.id: bool(why_not(action, scene)) for action in there}
    shown = [action for action in there if action.id not in (*_ALWAYS, *_NOT_HERE)]
    # Who only observes needs other keys than who drives.
    needed = {*wanted(scene), *(() if observes(scene) else _NEEDED)}
    while True:
        lines = _filled([*(_face(action, scene) for action in shown), *tail], width)
        if len(lines) <= height or not shown:
            return lines[:height]
        # What cannot be pressed leaves first, and what everybody needs last; the order stays: the hand knows it.
        leaving = [action for action in reversed(shown) if action.id not in needed] or shown[::-1]
        shown.remove(next((action for action in leaving if grey[action.id]), leaving[0]))


def _filled(faces: Sequence[Line], width: int) -> list[Line]:
    """FACES on lines of WIDTH cells, two cells between them."""
    lines: list[list[Span]] = [[]]
    used = 0
    for face in faces:
        size = width_of(face)
        if lines[-1] and used + 2 + size > width:
            lines.append([])
            used = 0
        if lines[-1]:
            lines[-1].append(("  ", ""))
            used += 2
        lines[-1] += face
        used += size
    return [tuple(line) for line in lines]


def _face(action: Action, scene: Scene) -> tuple[Span, ...]:
    if why_not(action, scene):
        return ((f"{action.shown_key} {action.label}", "off"),)
    return ((action.shown_key, "key"), (f" {action.label}", ""))
