"""Live numbers: value, sparkline with its threshold, source, age and sample count; and the one-line strip."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from tminus.client.messages import MetricView
from tui.clock import age_of, ago
from tui.gates import FORMS, gate_section, troubled
from tui.glyphs import METRIC_SIGNS
from tui.lines import Line, Span, cut, fit, joined, pad, plain, spread, width_of
from tui.pane import Pane
from tui.scene import Scene
from tui.sparkline import sparkline

STALE_AFTER = 3.0
"""Seconds; a metric that is sampled less often is stale after three of its own intervals."""


class Metrics(Pane, can_focus=True):
    """Every metric of the view with its sparkline, and the gates under them."""

    DEFAULT_CSS = """
    Metrics { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "scroll_up", show=False),
        Binding("down", "scroll_down", show=False),
        Binding("pageup", "page_up", show=False),
        Binding("pagedown", "page_down", show=False),
    ]

    def draw(self, scene: Scene, width: int) -> Sequence[Line]:
        """See `live_lines`."""
        return live_lines(scene, width, self.size.height)


def live_lines(scene: Scene, width: int, height: int) -> list[Line]:
    """Metrics and gates in the roomiest form that HEIGHT allows. Where not even the briefest fits, gates that are not
    well stand first: what matters is then seen without scrolling."""
    gates = tuple(scene.view.gates.values())
    metrics: list[Line] = []
    section: list[Line] = []
    for rows, gap, form in _FORMS:
        metrics, section = _metrics(scene, width, rows, gap=gap), gate_section(gates, scene, width, form)
        if len(metrics) + len(section) <= height:
            return [*metrics, *section]
    return [*section, *metrics] if troubled(gates) else [*metrics, *section]


_FORMS = ((2, True, "full"), (2, False, "full"), (1, False, "full"), *((0, False, form) for form in FORMS))
"""Rows of a sparkline (0: one line a metric), whether an empty line follows it, and the form of the gates."""


def _metrics(scene: Scene, width: int, rows: int, *, gap: bool) -> list[Line]:
    """Every metric with a sparkline of ROWS rows (0: one line each, with it), an empty one between if GAP."""
    if not scene.view.metrics:
        return [(("no metric is watched", "dim"),), ()]
    lines: list[Line] = []
    for metric in scene.view.metrics.values():
        lines += metric_lines(metric, scene, width, rows) if rows else [metric_line(metric, scene, width)]
        lines += [()] * gap
    return lines


class Strip(Pane):
    """The metrics in one line, where there is no room for their pane."""

    DEFAULT_CSS = """
    Strip { height: 1; padding: 0 1; background: $panel; }
    """

    def draw(self, scene: Scene, width: int) -> Sequence[Line]:
        """See `strip_line`."""
        return [strip_line(scene, width)]


def status_of(metric: MetricView, scene: Scene) -> str:
    """ok, warn, bad, unknown or stale. Never better than what the engine says, and stale by age as well."""
    if not _is_number(metric.value):
        return "stale" if metric.status == "stale" else "unknown"
    age = age_of(metric.observed_at, scene.now)
    if age is None:
        return "unknown"
    limit = max(STALE_AFTER, 3 * dict(scene.cadence).get(metric.metric, 0.0))
    if age > limit or age < -STALE_AFTER:
        return "stale"
    return metric.status if metric.status in METRIC_SIGNS else "unknown"


def value_text(metric: MetricView) -> str:
    """The number with its unit; `?` when there is none."""
    if metric.value is None or not math.isfinite(metric.value):
        return "?"
    if metric.text:
        return plain(metric.text)
    size = abs(metric.value)
    digits = 0 if size >= 100 or metric.value == int(metric.value) else 1 if size >= 10 else 2
    return f"{metric.value:,.{digits}f}{' ' if metric.unit and metric.unit != '%' else ''}{plain(metric.unit)}"


def metric_lines(metric: MetricView, scene: Scene, width: int, rows: int) -> list[Line]:
    """METRIC in its lines: name and number, sparkline of ROWS rows, where it comes from."""
    old = status_of(metric, scene) in ("stale", "unknown")
    lines = [metric_head(metric, scene, width)]
    lines += sparkline(
        scene.view.series.get(metric.metric, ()),
        width,
        top=metric.scale_max,
        threshold=metric.threshold,
        glyphs=scene.glyphs,
        style="dim" if old else "info",
        rows=rows,
    )
    lines.append(((cut(source_text(metric, scene), width, scene.glyphs.ellipsis), "bad" if metric.error else "dim"),))
    return lines


def metric_head(metric: MetricView, scene: Scene, width: int) -> Line:
    """METRIC's name, its number and the word for it."""
    status = status_of(metric, scene)
    sign = METRIC_SIGNS[status]
    old = status in ("stale", "unknown")
    word = pad(f"{scene.glyphs.mark(sign)} {sign.word}", 7)
    value = cut(value_text(metric), width // 2, scene.glyphs.ellipsis)  # a long one must not push out the word
    tail: list[Span] = [(value, "dim" if old else sign.style if status != "ok" else "strong"), ("  ", "")]
    tail.append((word, sign.style))
    return spread([(plain(metric.label), "dim" if old else "")], tail, width, scene.glyphs.ellipsis)


def metric_line(metric: MetricView, scene: Scene, width: int) -> Line:
    """METRIC in one line: its name, a short sparkline (or why it is not to be relied on), the number and the word."""
    status = status_of(metric, scene)
    sign, old = METRIC_SIGNS[status], status in ("stale", "unknown")
    why = _why(metric) or (age_text(metric, scene) if status == "stale" else "")
    value = cut(value_text(metric), width // 3, scene.glyphs.ellipsis)  # a long one must not push out name and word
    tail: list[Span] = [(f" {value:>7}", "dim" if old else sign.style if status != "ok" else "strong")]
    tail.append((f" {scene.glyphs.mark(sign)} {sign.word:<5}", sign.style))
    free = width - 2 - width_of(tail)
    label = plain(metric.label)
    name = min(_NAME, free - _SPARK)
    if width_of([(label, "")]) > name:  # said shorter before its course is made so
        label = shortened(label)
        name = max(name, min(width_of([(label, "")]), free - _READ), min(_LABEL, free - _READ))
    name = max(name, min(_TOLD, free - _LEAST))
    room = free - name
    if old and why and not _is_number(metric.value):
        room += width_of(tail[:1])  # where there is no number, the reason has its place
        del tail[0]
    middle: Line = ()
    if old and why and room > 0:
        middle = ((cut(why, room, scene.glyphs.ellipsis), "dim"),)
    elif room >= _LEAST:
        (middle,) = sparkline(
            scene.view.series.get(metric.metric, ()),
            room,
            top=metric.scale_max,
            threshold=metric.threshold,
            glyphs=scene.glyphs,
            style="dim" if old else "info",
            rows=1,
        )
    label = pad(label, name, scene.glyphs.ellipsis)
    return spread([(label, "dim" if old else ""), (" ", ""), *middle], tail, width, scene.glyphs.ellipsis)


_NAME, _LABEL, _TOLD = 26, 9, 5  # cells of a name: at the most, said shorter, and so that it is a name at all
_SPARK, _READ, _LEAST = 12, 10, 4  # cells of a course: where there is room, to be read, and to be one at all
_SHORT = (
    ("Pool usage", "Pool"), ("Connections", "Conns"), ("Error rate", "Err"), ("Response", "Resp"), ("Memory", "Mem"),
    ("Database errors", "DB errs"), ("Database", "DB"), ("Requests", "Reqs"), ("Sessions", "Sess"),
    ("Idle in transaction", "Idle in tx"), ("New connections refused", "Refused"), ("transaction", "tx"),
    (" of this ", " "), (", ", " "),
)  # fmt: skip


def shortened(label: str) -> str:
    """LABEL with its usual words said shorter; what tells it from the others stays.

    >>> shortened("Error rate, prober"), shortened("Memory of this host")
    ('Err prober', 'Mem host')
    """
    for word, short in _SHORT:
        label = label.replace(word, short)
    return label


def _is_number(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _why(metric: MetricView) -> str:
    """Why there is no number; empty when there is one, or nobody says."""
    if _is_number(metric.value):
        return plain(metric.error)
    return plain(metric.error or metric.text).removeprefix("?")


def source_text(metric: MetricView, scene: Scene) -> str:
    """Where METRIC is from, how old it is, from how many samples; or why there is no number."""
    if _why(metric):
        return _why(metric)
    parts = [plain(metric.source) or "source unknown", age_text(metric, scene)]
    parts += [f"n={metric.samples:,}"] * bool(metric.samples)
    if metric.threshold is not None:
        parts.append(f"limit {_number(metric.threshold, plain(metric.unit))}")
    return f" {scene.glyphs.dot} ".join(parts)


def age_text(metric: MetricView, scene: Scene) -> str:
    """How old METRIC is, in few cells; one from the future says so."""
    age = age_of(metric.observed_at, scene.now)
    return ago(age) if age is None or age < -STALE_AFTER else f"{int(max(age, 0))}s"


def _number(value: float, unit: str) -> str:
    """VALUE in UNIT as short as it can be said: a ratio is read in per cent, a count is a number alone.

    >>> _number(0.1, "ratio"), _number(500, "ms"), _number(1, "count")
    ('10%', '500ms', '1')
    """
    if unit == "ratio":
        return f"{value * 100:g}%"
    return f"{value:g}{unit if unit != 'count' else ''}"


def strip_line(scene: Scene, width: int) -> Line:
    """Every metric as glyph, label and number, the worst first when there is no room for all."""
    worst_first = sorted(scene.view.metrics.values(), key=lambda metric: WORST_FIRST.index(status_of(metric, scene)))
    parts: list[Sequence[Span]] = []
    used = 0
    for metric in worst_first:
        status = status_of(metric, scene)
        sign = METRIC_SIGNS[status]
        label, number = plain(metric.label), value_text(metric)
        size = len(label) + len(number) + 3 + 3 * bool(parts)
        if used + size > width - 4 and parts:
            parts.append((("…" if not scene.glyphs.ascii else "..", "dim"),))
            break
        used += size
        word = f" {sign.word}" if status in ("stale", "unknown") else ""
        parts.append(
            ((f"{scene.glyphs.mark(sign)} ", sign.style), (label, "dim"), (f" {number}{word}", sign.style)),
        )
    if not parts:
        return (("no metric is watched", "dim"),)
    return fit(joined(parts, (f" {scene.glyphs.bar} ", "rule")), width, scene.glyphs.ellipsis)


WORST_FIRST = ("bad", "unknown", "stale", "warn", "ok")
