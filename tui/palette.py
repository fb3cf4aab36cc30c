"""The command palette: every action, item, phase and metric by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from heapq import nlargest
from typing import TYPE_CHECKING

from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.content import Content
from textual.markup import escape

from tui import moves
from tui.actions import Action, why_not
from tui.fuzzy import score
from tui.glyphs import METRIC_SIGNS, SIGNS, state_of
from tui.lines import plain
from tui.metrics import status_of, value_text
from tui.replay import offered
from tui.scene import Scene

if TYPE_CHECKING:
    from tui.app import Cockpit

MOST = 50  # hits; who sees more of them types another letter


@dataclass(frozen=True)
class Entry:
    """Something that can be chosen: an action, item, phase or metric (`kind`) of the id KEY. LABEL is its name, TOLD
    what stands under it, WORDS what it is found by."""

    kind: str
    key: str
    label: str
    told: str
    words: str


def entries(actions: Sequence[Action], scene: Scene) -> Iterator[Entry]:
    """Everything that can be chosen in SCENE: the actions, then phases, metrics and items."""
    for action in offered(actions, scene):
        if action.id != "palette":
            why = why_not(action, scene)
            told = f"not now: {why}" if why else action.description
            label = f"{action.label}  ({action.shown_key})"
            yield Entry("action", action.id, label, told, f"{action.label} {action.description} {action.id}")
    for phase in scene.view.phases:
        title = plain(phase.title)
        done = sum(scene.state(face.id).settled for face in phase.items)
        told = f"phase {plain(phase.at)}: {done} of {len(phase.items)} settled"
        yield Entry("phase", phase.id, title, told, f"{title} {phase.id} phase")
    for metric in scene.view.metrics.values():
        label = plain(metric.label)
        told = f"metric {metric.metric}: {value_text(metric)} {METRIC_SIGNS[status_of(metric, scene)].word}"
        yield Entry("metric", metric.metric, label, told, f"{label} {metric.metric} metric plot")
    for face in scene.faces.values():
        text, sign = plain(face.text), SIGNS[state_of(face, scene.state(face.id))]
        told = f"item {face.id}: {sign.word} {sign.meaning}"
        yield Entry("item", face.id, text, told, f"{text} {face.id} {face.check}")


def found(query: str, actions: Sequence[Action], scene: Scene) -> list[tuple[float, Entry]]:
    """The best of what matches QUERY, with their scores."""
    scored = ((score(query, entry.words), number, entry) for number, entry in enumerate(entries(actions, scene)))
    # The number breaks ties by the order of the list, and keeps entries from being compared.
    best = nlargest(MOST, (one for one in scored if one[0] > 0), key=lambda one: (one[0], -one[1]))
    return [(points, entry) for points, _, entry in best]


class Commands(Provider):
    """What the palette offers."""

    @property
    def _cockpit(self) -> Cockpit:
        from tui.app import Cockpit

        assert isinstance(self.app, Cockpit)
        return self.app

    def _chosen(self, entry: Entry) -> Callable[[], None]:
        if entry.kind == "action":
            return partial(self._cockpit.press, entry.key)
        if entry.kind == "metric":
            return partial(moves.plot, self._cockpit, entry.key)
        return partial(self._cockpit.bridge.list.go_to, entry.key)

    async def discover(self) -> Hits:
        """The actions, before anything is typed."""
        for entry in entries(self._cockpit.actions, self._cockpit.scene):
            if entry.kind == "action":
                yield DiscoveryHit(Content(entry.label), self._chosen(entry), entry.label, escape(entry.told))

    async def search(self, query: str) -> Hits:
        """What matches. Names come from outside: none of them is read as markup."""
        for points, entry in found(query, self._cockpit.actions, self._cockpit.scene):
            yield Hit(points, Content(entry.label), self._chosen(entry), entry.label, escape(entry.told))
