"""A metric over a run as inline SVG: band and line, gaps, limits of gates, and what happened. Pure, no library."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from html import escape

from tminus.client.axes import in_unit, moments, scale_of
from tminus.client.course import Bucket, Happened
from tminus.report.document import Figure

WIDTH, HEIGHT = 900.0, 220.0
LEFT, RIGHT, TOP, BOTTOM = 70.0, 12.0, 12.0, 46.0
_SIGNS = {"go": "G", "change": "C", "hold": "H", "gate": "!", "engine": "R"}
_MEANINGS = {
    "go": "pause point passed",
    "change": "a change",
    "hold": "hold",
    "gate": "gate",
    "engine": "engine restarted",
}


def svg(figure: Figure) -> str:
    """FIGURE as one <svg> element. Every point lies inside its viewBox; a gap in the samples is a gap in the line."""
    course = figure.course
    begin, end = course.begin, max(figure.until, course.begin + 1.0)
    looks = [bucket for bucket in course.buckets if bucket is not None]
    low, high = min((b[0] for b in looks), default=0.0), max((b[2] for b in looks), default=0.0)
    limit = max((value for _, value in figure.limits), default=None)
    scale = scale_of(low, high, limit, figure.unit, 4)
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM

    def x(at: float) -> float:
        return LEFT + min(max((at - begin) / (end - begin), 0.0), 1.0) * (right - LEFT)

    def y(value: float) -> float:
        return bottom - scale.part(value) * (bottom - TOP)

    title = escape(course.metric)
    told = escape(describe(figure))
    parts = [
        f'<svg class="plot" viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" role="img" aria-label="{title}">',
        f"<title>{title}</title><desc>{told}</desc>",
    ]
    for value, label in scale.ticks:
        at = y(value)
        parts.append(f'<line class="grid" x1="{LEFT:.1f}" x2="{right:.1f}" y1="{at:.1f}" y2="{at:.1f}"/>')
        parts.append(
            f'<text class="tick" x="{LEFT - 6:.1f}" y="{at + 4:.1f}" text-anchor="end">{escape(label)}</text>'
        )
    for at, label in moments(begin, end, 8, UTC):
        parts.append(
            f'<line class="grid" x1="{x(at):.1f}" x2="{x(at):.1f}" y1="{bottom:.1f}" y2="{bottom + 4:.1f}"/>'
        )
        parts.append(
            f'<text class="tick" x="{x(at):.1f}" y="{bottom + 17:.1f}" text-anchor="middle">{escape(label)}</text>'
        )
    for run in _runs(course.buckets):
        xs = [x(course.begin + (n + 0.5) * course.step) for n, _ in run]
        upper = [f"{a:.1f},{y(b[2]):.1f}" for a, (_, b) in zip(xs, run, strict=True)]
        lower = [f"{a:.1f},{y(b[0]):.1f}" for a, (_, b) in zip(xs, run, strict=True)]
        middle = [f"{a:.1f},{y(b[1]):.1f}" for a, (_, b) in zip(xs, run, strict=True)]
        if len(run) == 1:
            parts.append(f'<circle class="dot" cx="{xs[0]:.1f}" cy="{y(run[0][1][1]):.1f}" r="1.5"/>')
        else:
            parts.append(f'<polygon class="band" points="{" ".join([*upper, *reversed(lower)])}"/>')
            parts.append(f'<polyline class="mean" points="{" ".join(middle)}"/>')
    for words, value in figure.limits:
        parts.append(
            f'<line class="limit" x1="{LEFT:.1f}" x2="{right:.1f}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>'
        )
        place = f'x="{right - 4:.1f}" y="{max(y(value) - 4, 10):.1f}"'
        parts.append(f'<text class="limit-text" {place} text-anchor="end">{escape(words)}</text>')
    parts += _marks(figure.events, x, bottom)
    parts.append(
        f'<text class="tick" x="{LEFT:.1f}" y="{HEIGHT - 4:.1f}">UTC; {escape(_legend(figure.events))}</text>'
    )
    return "".join([*parts, "</svg>"])


def _runs(buckets: tuple[Bucket | None, ...]) -> Iterator[list[tuple[int, Bucket]]]:
    run: list[tuple[int, Bucket]] = []
    for number, bucket in enumerate(buckets):
        if bucket is None:
            if run:
                yield run
            run = []
        else:
            run.append((number, bucket))
    if run:
        yield run


def _marks(events: tuple[Happened, ...], x: Callable[[float], float], bottom: float) -> Iterator[str]:
    last = -20.0
    for event in events:
        at = x(event.at)
        kind = event.kind if event.kind in _SIGNS else "change"
        sign = _SIGNS[kind]
        yield (
            f'<line class="event {kind}" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP:.1f}" y2="{bottom:.1f}">'
            f"<title>{escape(event.label)}</title></line>"
        )
        if at - last >= 9.0:  # letters that would stand on each other are left to the line alone
            yield f'<text class="sign" x="{at:.1f}" y="{bottom + 30:.1f}" text-anchor="middle">{sign}</text>'
            last = at


def _legend(events: tuple[Happened, ...]) -> str:
    kinds = dict.fromkeys(event.kind for event in events if event.kind in _SIGNS)
    return ", ".join(f"{_SIGNS[kind]} {_MEANINGS[kind]}" for kind in kinds) or "nothing happened in this time"


def describe(figure: Figure) -> str:
    """FIGURE in words, for who does not see it."""
    course, unit = figure.course, figure.unit
    if not course.seen:
        return "no data"
    first, last = (datetime.fromtimestamp(at, UTC) for at in (course.begin, figure.until))
    words = f"{in_unit(course.low, unit)} to {in_unit(course.high, unit)}, mean {in_unit(course.mean, unit)}"
    words += f", p95 {in_unit(course.p95, unit)}" if course.p95 is not None else ""
    gaps = sum(bucket is None for bucket in course.buckets)
    words += f"; {course.seen:,} looks from {first:%H:%M:%S} to {last:%H:%M:%S} UTC"
    return words + (f"; {gaps * 100 // max(len(course.buckets), 1)}% of the time without data" if gaps else "")
