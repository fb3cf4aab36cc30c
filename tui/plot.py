"""A metric over the whole screen: its course with axes, threshold and events, and what is known of it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tminus.client.axes import in_unit
from tminus.client.course import Course, Courses
from tminus.client.messages import MetricView
from tui.canvas import Frame, canvas_lines
from tui.clock import moment, short_clock
from tui.gates import gate_lines
from tui.glyphs import METRIC_SIGNS
from tui.lines import Line, Span, joined, plain, spread, wrapped
from tui.metrics import WORST_FIRST, age_text, status_of, value_text
from tui.scene import Scene

ZOOMS: tuple[tuple[str, float], ...] = (("5m", 300.0), ("1h", 3600.0), ("24h", 86400.0), ("all", 0.0))
"""What each zoom is called, and how many seconds it shows; 0: all there is."""


@dataclass(frozen=True)
class Plot:
    """What is plotted: METRIC at one of the ZOOMS. ANSWER is the engine's, None until it came; WAITED the seconds
    since it was asked; WHY what stands against an answer."""

    metric: str = ""
    zoom: int = 0
    answer: Courses | None = None
    waited: float = 0.0
    why: str = ""

    @property
    def course(self) -> Course | None:
        """The course of the metric; None when the answer is of another one, or has not come."""
        return next((one for one in self.answer.courses if one.metric == self.metric), None) if self.answer else None


def first_metric(scene: Scene) -> str:
    """The metric that a plot begins with: the worst of those that have a number, or the first of several that are as
    bad; empty without any."""
    there = list(scene.view.metrics.values())
    seen = [one for one in there if status_of(one, scene) not in ("unknown", "stale")] or there
    return min(seen, key=lambda one: WORST_FIRST.index(status_of(one, scene))).metric if seen else ""


def neighbour(scene: Scene, metric: str, step: int) -> str:
    """The metric STEP places from METRIC, round and round."""
    names = list(scene.view.metrics)
    if metric not in names:
        return first_metric(scene)
    return names[(names.index(metric) + step) % len(names)]


def plot_page(plot: Plot, scene: Scene, width: int, height: int) -> list[Line]:
    """PLOT in exactly HEIGHT lines: what is known of the metric, its course, and the gates that watch it."""
    metric = scene.view.metrics.get(plot.metric)
    if metric is None:
        text = "this metric is not watched" if plot.metric else "no metric is watched"
        return _filled([((text, "dim"),)], height)
    head = [_title(metric, plot, scene, width), _facts(metric, plot, scene, width)]
    notes = [plain(text) for text in (metric.error, plot.why, plot.answer.note if plot.answer else "") if text]
    head += [((text, "warn"),) for text in notes[:1]]
    gates = _gates(plot.metric, scene, width, max(height // 4, 1))
    body = _body(metric, plot, scene, width, max(height - len(head) - len(gates), 5))
    return _filled([*head, *body, *gates], height)


def _filled(lines: list[Line], height: int) -> list[Line]:
    return [*lines, *[()] * (height - len(lines))][:height]


def _title(metric: MetricView, plot: Plot, scene: Scene, width: int) -> Line:
    status = status_of(metric, scene)
    sign, old = METRIC_SIGNS[status], status in ("stale", "unknown")
    left: list[Span] = [(plain(metric.label), "dim" if old else "head"), ("  ", "")]
    left += [
        (value_text(metric), "dim" if old else "strong"),
        (f"  {scene.glyphs.mark(sign)} {sign.word}", sign.style),
    ]
    right: list[Span] = []
    for place, (name, _) in enumerate(ZOOMS):
        # The one that is taken stands in brackets: it is told apart without colour.
        right.append((f"[{name}]", "key") if place == plot.zoom else (f" {name} ", "dim"))
    return spread(left, right, width, scene.glyphs.ellipsis)


def _facts(metric: MetricView, plot: Plot, scene: Scene, width: int) -> Line:
    parts = [plain(metric.source) or "source unknown", f"{age_text(metric, scene)} old", f"n={metric.samples:,}"]
    course = plot.course
    if course is not None and course.seen:
        parts += [
            f"{name} {in_unit(value, metric.unit)}"
            for name, value in (("min", course.low), ("mean", course.mean), ("max", course.high))
        ]
        parts += [f"95% of looks under {in_unit(course.p95, metric.unit)}"] * (course.p95 is not None)
        parts += [f"{course.seen:,} looks"]
    names = list(scene.view.metrics)
    place = f"{names.index(metric.metric) + 1}/{len(names)}"
    dot = f" {scene.glyphs.dot} "
    return spread(joined([((part, "dim"),) for part in parts], (dot, "rule")), [(place, "dim")], width)


def _gates(metric: str, scene: Scene, width: int, most: int) -> list[Line]:
    """The gates that watch METRIC in at most MOST lines; those that do not fit are counted."""
    gates = [gate for gate in scene.view.gates.values() if gate.metric == metric]
    gates.sort(key=lambda gate: (not gate.asks, gate.state != "tripped", -gate.progress))
    lines: list[Line] = []
    for place, gate in enumerate(gates):
        more = gate_lines(gate, scene, width)[:2]
        last = place == len(gates) - 1
        if len(lines) + len(more) > most - (not last):
            left = len(gates) - place
            return [*lines, ((f"{left} more gate{'s' * (left > 1)} on this metric", "dim"),)]
        lines += more
    return lines


def _body(metric: MetricView, plot: Plot, scene: Scene, width: int, height: int) -> list[Line]:
    course, answer = plot.course, plot.answer
    if course is None or answer is None:
        text = "no engine to ask" if not scene.connected else f"asking the engine {short_clock(plot.waited)}"
        return _filled([(), *wrapped(text, width, "dim", indent=2)], height)
    back = ZOOMS[plot.zoom][1]
    # What comes in meanwhile is added at the end, and pushes the beginning out.
    end = max(answer.until, course.begin + len(course.buckets) * course.step)
    begin = end - back if back else answer.begin
    zero = moment(scene.view.run.t0)
    frame = Frame(
        begin=begin,
        end=max(end, begin + 1.0),
        zero=zero.timestamp() if zero else None,
        unit=metric.unit,
        threshold=metric.threshold,
        events=answer.events,
        style="dim" if status_of(metric, scene) in ("stale", "unknown") else "info",
    )
    return _filled(canvas_lines(course, frame, scene.glyphs, width, height), height)


def footer(plot: Plot, scene: Scene, keys: dict[str, str], width: int) -> Sequence[Line]:
    """The keys of the plot in one line; KEYS are those of the action table as a person reads them, by action."""
    arrows = "left/right" if scene.glyphs.ascii else "← →"
    faces = [("1-4", "zoom"), ("+-", "closer, wider"), (f"{arrows} [ ]", "metric"), (f"{keys['plot']} q", "back")]
    if scene.undecided:
        faces.insert(0, (keys["decide"], "decide gate"))
    return [joined([((key, "key"), (f" {label}", "")) for key, label in faces], ("  ", ""))]
