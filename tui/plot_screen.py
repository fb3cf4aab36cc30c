"""The screen of a plot: it asks the engine for the course, keeps it going, and leaves what nobody may miss on top."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

import msgspec
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.widgets import Static

from tminus.client import Client, EngineGone, Refused
from tminus.client.course import Courses, gone_on
from tminus.client.requests import ReadCourse
from tui.actions import Action
from tui.banner import Banner
from tui.chrome import TOO_SMALL
from tui.clock import moment
from tui.lines import Line
from tui.pane import Pane
from tui.plot import ZOOMS, Plot, first_metric, footer, neighbour, plot_page
from tui.scene import Scene
from tui.verdict_bar import VerdictBar

AGAIN = 10.0
"""Seconds between two questions; between them what the engine tells anyway is added to the course."""

_LOOK = 0.25  # seconds: as often as the bridge takes in what the engine tells
_POINTS = 600


class Picture(Pane):
    """The plot itself, as tall as there is room."""

    DEFAULT_CSS = """
    Picture { height: 1fr; padding: 0 1; }
    """
    plot = Plot()

    def draw(self, scene: Scene, width: int) -> Sequence[Line]:
        """See `plot_page`."""
        return plot_page(self.plot, scene, width, self.size.height)


class Keys(Pane):
    """The keys of the plot."""

    DEFAULT_CSS = """
    Keys { height: 1; padding: 0 1; background: $panel; }
    """
    plot = Plot()
    faces: Mapping[str, str] = {}

    def draw(self, scene: Scene, width: int) -> Sequence[Line]:
        """See `footer`."""
        return footer(self.plot, scene, dict(self.faces), width)


class PlotScreen(ModalScreen[bool]):
    """One metric over the whole screen. Its answer is whether a gate is to be decided now.

    It is modal: a key that acts on an item must not act on one that is not in sight.
    """

    DEFAULT_CSS = """
    PlotScreen { layout: vertical; background: $background; }
    """
    HORIZONTAL_BREAKPOINTS = [(0, "-tiny"), (80, "-narrow")]  # noqa: RUF012 (an instance variable of Screen)
    VERTICAL_BREAKPOINTS = [(0, "-low"), (23, "-short")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "leave", show=False),
        Binding("right,right_square_bracket", "other(1)", show=False),
        Binding("left,left_square_bracket", "other(-1)", show=False),
        Binding("1", "zoom(0)", show=False),
        Binding("2", "zoom(1)", show=False),
        Binding("3", "zoom(2)", show=False),
        Binding("4", "zoom(3)", show=False),
        Binding("plus", "nearer(-1)", show=False),
        Binding("minus", "nearer(1)", show=False),
    ]

    def __init__(
        self,
        scene: Callable[[], Scene],
        client: Callable[[], Client | None],
        keys: Mapping[str, Action],
        metric: str = "",
    ) -> None:
        """SCENE and CLIENT give those of the moment; KEYS is the action table by id; METRIC is shown first."""
        super().__init__()
        self._scene = scene
        self._client = client
        self._keys = keys
        self.plot = Plot(metric=metric or first_metric(scene()))
        self._seen: tuple[object, ...] = ()
        self._asking: tuple[str, int] | None = None  # what is under way
        self._asked_at = 0.0  # seconds of the monotonic clock
        self._newest = ""  # the moment of the look that was added last

    def compose(self) -> ComposeResult:
        """What nobody may miss, the plot, its keys."""
        yield Static(TOO_SMALL, id="small", markup=False)
        yield VerdictBar()
        yield Banner()
        yield Picture()
        yield Keys()

    def on_mount(self) -> None:
        """Ask, and look for news from now on."""
        self.query_one(Keys).faces = {name: action.shown_key for name, action in self._keys.items()}
        self.set_interval(_LOOK, self.look)
        self.call_after_refresh(self.look)

    def on_resize(self) -> None:
        """Another size is another drawing."""
        self._seen = ()
        self.call_after_refresh(self.look)

    def look(self) -> None:
        """Take in what is new, ask again when it is time, and draw what differs."""
        scene = self._scene()
        if not self.plot.metric:
            self.plot = replace(self.plot, metric=first_metric(scene))
        self._take_newest(scene)
        self._ask_if_due(scene)
        if self._asking is not None and self.plot.course is None:
            self.plot = replace(self.plot, waited=float(int(time.monotonic() - self._asked_at)))
        seen = (scene, self.plot)
        if len(self._seen) == len(seen) and all(a is b for a, b in zip(seen, self._seen, strict=True)):
            return
        self._seen = seen
        self.query_one(Picture).plot = self.query_one(Keys).plot = self.plot
        with self.app.batch_update():
            for pane in self.query(Pane):
                pane.show(scene)

    def _take_newest(self, scene: Scene) -> None:
        """Add the newest look to the course; in a replay the player alone knows what comes next."""
        metric, answer, course = scene.view.metrics.get(self.plot.metric), self.plot.answer, self.plot.course
        if metric is None or answer is None or course is None or scene.view.replay is not None:
            return
        at = moment(metric.observed_at)
        if at is None or metric.observed_at == self._newest:
            return
        self._newest = metric.observed_at
        longer = gone_on(course, at.timestamp(), metric.value)
        if longer is not course:
            self.plot = replace(self.plot, answer=msgspec.structs.replace(answer, courses=(longer,)))

    def _ask_if_due(self, scene: Scene) -> None:
        wanted = (self.plot.metric, self.plot.zoom)
        client = self._client()
        if self._asking is not None or client is None or not self.plot.metric:
            return
        answer = self.plot.answer
        waited = time.monotonic() - self._asked_at
        # A replay may stand still, jump, or go a thousand times as fast: its own clock decides.
        moved = answer is None or abs(scene.now.timestamp() - answer.until) >= AGAIN
        if self.plot.course is None or (moved and waited >= (1.0 if scene.view.replay else AGAIN)):
            if self.plot.why and waited < 1.0:
                return  # it was refused just now
            self._asking, self._asked_at = wanted, time.monotonic()
            self.run_worker(self._ask(client, *wanted), group="course", exit_on_error=False)

    async def _ask(self, client: Client, metric: str, zoom: int) -> None:
        try:
            asked = ReadCourse(
                metrics=(metric,), back=ZOOMS[zoom][1], points=min(_POINTS, max(self.size.width * 2, 1))
            )
            answer = msgspec.convert((await client.ask(asked)).data, Courses)
            fits = (metric, zoom) == (self.plot.metric, self.plot.zoom)
            if fits:
                self.plot = replace(self.plot, answer=answer, waited=0.0, why="")
                self._newest = ""
        except (Refused, EngineGone, msgspec.ValidationError) as error:
            self.plot = replace(self.plot, why=str(error))
        finally:
            self._asking = None
        self.look()

    def on_key(self, event: events.Key) -> None:
        """The keys of the action table that mean something here."""
        if event.key == self._keys["plot"].key:
            event.stop()
            self.dismiss(False)
        elif event.key == self._keys["decide"].key and self._scene().undecided:
            event.stop()
            self.dismiss(True)

    def action_leave(self) -> None:
        """Back to where one was."""
        self.dismiss(False)

    def action_other(self, step: int) -> None:
        """The metric beside this one."""
        self._turn_to(neighbour(self._scene(), self.plot.metric, step), self.plot.zoom)

    def action_zoom(self, zoom: int) -> None:
        """Another span."""
        self._turn_to(self.plot.metric, zoom)

    def action_nearer(self, step: int) -> None:
        """The next narrower or wider span."""
        self._turn_to(self.plot.metric, min(max(self.plot.zoom + step, 0), len(ZOOMS) - 1))

    def _turn_to(self, metric: str, zoom: int) -> None:
        if (metric, zoom) != (self.plot.metric, self.plot.zoom):
            self.plot = Plot(metric=metric, zoom=zoom)
            self.look()
