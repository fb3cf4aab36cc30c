"""The main screen: the panes, where they stand at each size, and the scene that all of them draw."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime
from typing import Any

from textual import events
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Static

from tminus.client.messages import View
from tui.actions import Action, why_not
from tui.banner import Banner
from tui.chrome import TOO_SMALL, KeyBar, Tabs
from tui.clock import moment
from tui.detail import Detail
from tui.guide import followed
from tui.item_list import ItemList
from tui.metrics import Metrics, Strip
from tui.output import Output
from tui.pane import Pane, Swatch
from tui.reasons import OUT_OF_SIGHT
from tui.replay import has_place
from tui.rows import next_open, phase_at
from tui.scene import ARM_SECONDS, Scene
from tui.verdict_bar import VerdictBar

CURTAIN = 0.3
"""Seconds at the most before the first paint, however long the engine says nothing."""


class Bridge(Screen[None]):
    """The cockpit's one screen. It keeps the scene and hands it to the panes; they draw what changed."""

    HORIZONTAL_BREAKPOINTS = [  # noqa: RUF012 (an instance variable of Screen)
        (0, "-tiny"),
        (80, "-narrow"),
        (100, "-medium"),
        (140, "-wide"),
    ]
    VERTICAL_BREAKPOINTS = [(0, "-low"), (23, "-short"), (40, "-tall")]  # noqa: RUF012

    class Played(Message):
        """A key of the replay: `move` is what it asks for."""

        def __init__(self, move: str) -> None:
            super().__init__()
            self.move = move

    def __init__(self, scene: Scene, actions: Sequence[Action]) -> None:
        super().__init__()
        self.scene = scene
        self.actions = actions
        self._shown: tuple[object, ...] = ()
        self._shown_since = time.monotonic()
        self._observed: dict[str, str] = {}
        self._lead: tuple[str, str] | tuple[()] = ()  # from which item the cursor is to be led, and to which
        self._curtain = ExitStack()
        self.set_class(scene.glyphs.ascii, "-ascii")
        self.add_class("-tab-items")

    def compose(self) -> ComposeResult:
        """The panes. Which of them are in sight is the style sheet's affair."""
        yield Static(TOO_SMALL, id="small", markup=False)
        yield Swatch()
        yield VerdictBar(id="verdict")
        yield Banner(id="banner")
        yield Tabs(id="tabs")
        with Horizontal(id="body"):
            with Vertical(id="left") as left:
                left.border_title = "checklist"
                yield ItemList(id="list")
            with Vertical(id="middle") as middle:
                middle.border_title = "challenge and response"
                yield Detail(id="detail")
                yield Output(id="output")
            with Vertical(id="side") as side:
                side.border_title = "live"
                yield Metrics(id="live")
        yield Strip(id="strip")
        yield KeyBar(id="keys")

    def on_mount(self) -> None:
        """The list has the keys from the start. Nothing is painted before the engine's first word, or its silence:
        each empty frame on the way there would be a whole screen on the wire."""
        self._curtain.enter_context(self.app.batch_update())
        self.set_timer(CURTAIN, self._curtain.close)
        for bar in (self.query_one(Tabs), self.query_one(KeyBar)):
            bar.actions = self.actions
        self.list.focus()
        self.update()

    @property
    def list(self) -> ItemList:
        """The checklist pane."""
        return self.query_one(ItemList)

    @property
    def _stands(self) -> bool:
        """Whether the panes are there: not yet at the start, and no more, one by one, while the screen is taken down
        and the clock still ticks."""
        return self.is_mounted and all(self.query(pane) for pane in (ItemList, Detail, "#left", "#middle"))

    def update(self, **changes: Any) -> None:
        """Take CHANGES into the scene and let every pane draw what differs."""
        if not self._stands:
            self.scene = replace(self.scene, **changes)
            return
        if "view" in changes:
            changes["cadence"] = self._cadence(changes["view"].metrics.values())
        before, self.scene = self.scene, replace(self.scene, **changes)
        if self.scene.connected or self.scene.lost_why:
            self._curtain.close()
        if not self.list.key and self.scene.view.phases:
            self.list.key = next_open(self.scene.view, "") or self.scene.view.phases[0].id
            self.list.show(self.scene)
            self.list.follow_cursor()
        self._guide(before.view)
        self.look()
        with self.app.batch_update():
            for pane in self.query(Pane):
                pane.show(self.scene)
        self._say_below()
        if filtered := self.list.words:
            self.query_one("#left").border_title = f"checklist: {filtered!r} (esc shows all)"
        elif self.query_one("#left").border_title != "checklist":
            self.query_one("#left").border_title = "checklist"

    def on_detail_resized(self) -> None:
        """The panes around it have changed: nobody else would say it again until something is told."""
        self._say_below()

    def _say_below(self) -> None:
        """Say that the detail goes on, where it does: what was never in sight was not read."""
        below = self.query_one(Detail).more
        if below != self.scene.below:
            self.scene = replace(self.scene, below=below)
            self.query_one(Tabs).show(self.scene)
            self.query_one("#middle").border_subtitle = f"{below} lines more: tab, arrows" if below else ""

    def _guide(self, before: View) -> None:
        """Read-do leads on: an item that is settled under the cursor hands it to the next one. Not under an open
        question, nor when the person went elsewhere meanwhile."""
        if to := followed(before, self.scene.view, self.list.item):
            self._lead = (self.list.item, to)
        if self._lead and self.app.screen is self:
            (since, to), self._lead = self._lead, ()
            if since == self.list.item and not self.list.words:
                self.list.go_to(to)

    def tick(self, now: datetime) -> None:
        """Another second: nothing is drawn where it changes nothing (a replay that stands still)."""
        before = self.scene
        self.scene = replace(before, now=now)
        if self._stands and self.look() != before:
            self.update()

    def look(self) -> Scene:
        """The scene as it is now: where the cursor is, and for how long this evidence has been in sight."""
        focus = self.list.item
        visible = bool(self.query_one("#middle").display) and not self.has_class("-tiny", "-low")
        seen = (focus, self.scene.state(focus).evidence_digest, visible)
        if seen != self._shown:
            self._shown, self._shown_since = seen, time.monotonic()
        self.scene = replace(
            self.scene,
            focus=focus,
            phase_focus=phase_at(self.scene.view, self.list.key),
            detail_visible=visible,
            # No more is asked of it than that it is long enough: from there on, a scene may be equal to the last.
            shown_for=min(time.monotonic() - self._shown_since, ARM_SECONDS) if visible else 0.0,
        )
        return self.scene

    def _cadence(self, metrics: Any) -> tuple[tuple[str, float], ...]:
        """How often each metric is sampled, from the times of its last two samples."""
        known = dict(self.scene.cadence)
        for metric in metrics:
            before, at = moment(self._observed.get(metric.metric, "")), moment(metric.observed_at)
            if before and at and at > before:
                known[metric.metric] = min((at - before).total_seconds(), 60.0)
            self._observed[metric.metric] = metric.observed_at
        return tuple(known.items())

    def turn_to(self, tab: str) -> None:
        """Bring the pane TAB to the front, and give it the keys where it stands beside the others."""
        for name in ("items", "detail", "metrics"):
            self.set_class(name == tab, f"-tab-{name}")
        target = {"items": "#list", "detail": "#detail", "metrics": "#live"}[tab]
        keep_list = tab == "detail" and not self.has_class("-narrow")
        self.query_one("#list" if keep_list else target).focus()
        self.scene = replace(self.scene, tab=tab)
        # The style sheet has its say first; only then is it known what is in sight.
        self.call_after_refresh(self.update)

    def on_resize(self) -> None:
        """Another size may show other panes."""
        self.call_after_refresh(self.update)

    def on_item_list_moved(self) -> None:
        """Another item: from its top."""
        self.query_one(Detail).scroll_home(animate=False, force=True)
        self.update()

    def on_item_list_opened(self) -> None:
        """Its detail is wanted."""
        self.turn_to("detail")

    def on_key(self, event: events.Key) -> None:
        """A greyed key says why it is grey. The keys that can be pressed go on to the bindings."""
        scene = self.look()
        # A key that has no place on this screen keeps what it means to the pane that has the focus.
        here = [one for one in self.actions if has_place(one, scene)]
        action = next((one for one in here if event.key in (one.key, *one.more_keys)), None)
        if action is not None and action.scope == "replay":
            event.stop()
            event.prevent_default()  # a replay's keys come before the panes': space plays and folds nothing
            self.post_message(self.Played(action.id))
        elif action is not None and (why := why_not(action, scene)):
            event.stop()
            event.prevent_default()
            self.notify(f"{action.label}: {why}", severity="warning", markup=False)
            if why == OUT_OF_SIGHT:
                self.turn_to("detail")  # here it is: who wants to confirm has to read it
