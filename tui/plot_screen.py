"""A metric over the whole screen: its course with the run's events, its gates, and the span that is looked at."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from tminus.client.messages import Course
from tui.axes import amount
from tui.banner import Banner
from tui.clock import short_clock
from tui.gates import gate_lines
from tui.lines import Line, Span, flowed, plain, spread
from tui.metrics import ORDER, metric_head, source_text, status_of
from tui.pane import Pane
from tui.plot import columns_of, plot_lines
from tui.scene import Scene
from tui.verdict_bar import VerdictBar

ZOOMS = (("5m", 300.0, 2.0), ("1h", 3600.0, 5.0), ("24h", 86400.0, 30.0), ("all", 0.0, 30.0))
"""What is looked at: its name, seconds back (0: all), and seconds between two readings of the history."""

Fetch = Callable[[str, float, int], Awaitable[Course | str]]
"""The course of a metric, so many seconds back in so many pieces; or why there is none."""


@dataclass(frozen=True)
class Looked:
    """What the plot shows: METRIC at the zoom of that number, the COURSE as far as it came, WHY it did not."""

    metric: str
    zoom: int = 0
    course: Course | None = None
    why: str = ""
    asked: float = 0.0  # seconds that its first answer has been waited for


def first_metric(scene: Scene) -> str:
    """The metric that a plot opens with: the worst of those that have a number, or the first."""
    metrics = list(scene.view.metrics.values())
    seen = [one for one in metrics if status_of(one, scene) not in ("unknown", "stale")] or metrics
    return min(seen, key=lambda one: ORDER.index(status_of(one, scene))).metric if seen else ""


class Plot(Pane):
    """The head, the plot and the gates of the metric that is looked at."""

    DEFAULT_CSS = """
    Plot { height: 1fr; padding: 0 1; }
    """
    looked = Looked("")

    def draw(self, scene: Scene, width: int) -> Sequence[Line]:
        """See `screen_lines`."""
        return screen_lines(self.looked, scene, width, self.size.height)


class Foot(Pane):
    """The keys of the plot."""

    DEFAULT_CSS = """
    Foot { height: 1; padding: 0 1; background: $panel; }
    """

    def draw(self, scene: Scene, width: int) -> Sequence[Line]:
        """One line."""
        keys = (("left right", "metric"), ("1-4 or + -", "zoom"), (scene.key("decide"), "decide gate"), ("q", "back"))
        parts: list[Sequence[Span]] = [((key, "key"), (f" {what}", "")) for key, what in keys]
        return flowed(parts, width)[:1]


def screen_lines(looked: Looked, scene: Scene, width: int, height: int) -> list[Line]:
    """The plot of LOOKED in HEIGHT lines of WIDTH cells."""
    metric = scene.view.metrics.get(looked.metric)
    if metric is None:
        return [(("no metric is watched", "dim"),)]
    lines = [metric_head(metric, scene, width), ((source_text(metric, scene), "dim"),)]
    lines.append(spread(_span(looked), _zooms(looked.zoom), width, scene.glyphs.ellipsis))
    gates = [gate for gate in scene.view.gates.values() if gate.metric == looked.metric]
    under: list[Line] = [()] * bool(gates)
    for gate in gates:
        under += gate_lines(gate, scene, width)
    # The plot is what one came for: gates give way to it, not it to them.
    under = under[: max(height - len(lines) - 10, 0)]
    room = height - len(lines) - len(under)
    course = looked.course or Course(metric=looked.metric, unit=metric.unit)
    threshold = metric.threshold
    return [*lines, *plot_lines(course, threshold, width, room, scene.glyphs, scene.view.run.t0), *under]


def _span(looked: Looked) -> Line:
    """What was seen in the span, or why nothing is there."""
    course = looked.course
    if course is None:
        waited = f"reading the history {short_clock(looked.asked)}"
        return ((looked.why or waited, "warn" if looked.why else "dim"),)
    seen = [value for value in course.mean if value is not None]
    notes: list[Span] = [(f"  {plain(note)}", "warn") for note in (course.note, looked.why) if note]
    if not seen:
        return (("nothing was seen in this span", "warn"), *notes)
    low = min(value for value in course.low if value is not None)
    high = max(value for value in course.high if value is not None)
    gaps = course.looks - course.seen
    text = f"lowest {amount(low, course.unit)}  highest {amount(high, course.unit)}  {course.looks:,} looks"
    return ((text, ""), (f", {gaps:,} saw nothing" if gaps else "", "warn"), *notes)


def _zooms(zoom: int) -> Line:
    spans: list[Span] = []
    for number, (name, _, _) in enumerate(ZOOMS):
        spans.append((f" {number + 1} {name} ", "block-info" if number == zoom else "dim"))
    return tuple(spans)


class PlotScreen(ModalScreen[str]):
    """A plot of METRIC over the whole screen; FETCH reads its course. It ends with an action to do, or with nothing.

    The verdict and the banner stay in sight: nothing may trip behind a picture.
    """

    DEFAULT_CSS = """
    PlotScreen { layout: vertical; background: $background; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,n", "leave", show=False),
        Binding("left,left_square_bracket,up", "turn(-1)", show=False),
        Binding("right,right_square_bracket,down,tab", "turn(1)", show=False),
        *[Binding(str(number + 1), f"zoom({number})", show=False) for number in range(len(ZOOMS))],
        Binding("plus,equals_sign", "nearer(-1)", show=False),
        Binding("minus", "nearer(1)", show=False),
    ]

    def __init__(self, metric: str, scene: Scene, fetch: Fetch, keys: dict[str, str]) -> None:
        super().__init__()
        self.scene = scene
        self.looked = Looked(metric)
        self._fetch = fetch
        self._keys = keys  # a key of the keyboard → the action that ends the plot
        self._changed = asyncio.Event()

    def compose(self) -> ComposeResult:
        """The bars that are always there, and the plot."""
        yield VerdictBar()
        yield Banner()
        yield Plot()
        yield Foot()

    def on_mount(self) -> None:
        """Show what is known, and read the history."""
        self.show(self.scene)
        self.run_worker(self._read(), group="course", exit_on_error=False)

    def show(self, scene: Scene) -> None:
        """Draw SCENE."""
        self.scene = scene
        if not self.is_mounted or not self.query(Plot):
            return
        plot = self.query_one(Plot)
        plot.looked = self.looked
        with self.app.batch_update():
            for pane in self.query(Pane):
                pane.show(scene)

    def on_key(self, event: events.Key) -> None:
        """The key that opened it closes it; deciding a gate leads back to the question."""
        if event.key in self._keys:
            event.stop()
            event.prevent_default()
            self.dismiss(self._keys[event.key])

    def action_turn(self, step: int) -> None:
        """Another metric."""
        names = list(self.scene.view.metrics)
        if names:
            place = names.index(self.looked.metric) if self.looked.metric in names else 0
            self._look(Looked(names[(place + step) % len(names)], self.looked.zoom))

    def action_zoom(self, zoom: int) -> None:
        """Another span."""
        self._look(Looked(self.looked.metric, zoom))

    def action_nearer(self, step: int) -> None:
        """The next span, shorter or longer."""
        self.action_zoom(min(max(self.looked.zoom + step, 0), len(ZOOMS) - 1))

    def action_leave(self) -> None:
        """Back to the bridge."""
        self.dismiss("")

    def on_resize(self) -> None:
        """Another width is another number of pieces."""
        self._changed.set()

    def _look(self, looked: Looked) -> None:
        self.looked = looked
        self._changed.set()
        self.show(self.scene)

    async def _read(self) -> None:
        """Read the history again and again, at once when something else is looked at."""
        while True:
            self._changed.clear()
            looked = self.looked
            _, back, every = ZOOMS[looked.zoom]
            found = await self._fetched(looked, back)
            now = self.looked
            if (now.metric, now.zoom) == (looked.metric, looked.zoom):
                self.looked = (
                    Looked(now.metric, now.zoom, found)
                    if isinstance(found, Course)
                    else Looked(now.metric, now.zoom, now.course, found)
                )
                self.show(self.scene)
                await self._pause(every)

    async def _fetched(self, looked: Looked, back: float) -> Course | str:
        """One answer; while it does not come, the screen says for how long."""
        width = self.query_one(Plot).scrollable_content_region.width
        fetching = asyncio.ensure_future(self._fetch(looked.metric, back, columns_of(width)))
        began = asyncio.get_running_loop().time()
        try:
            while not (await asyncio.wait([fetching], timeout=1.0))[0]:
                if self.looked.course is None:
                    waited = asyncio.get_running_loop().time() - began
                    self.looked = Looked(self.looked.metric, self.looked.zoom, asked=waited)
                    self.show(self.scene)
            return fetching.result()
        finally:
            fetching.cancel()

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return
