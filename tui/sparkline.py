"""A sparkline of fixed scale with its threshold drawn in. Pure: numbers to spans, runs of one style merged."""

from __future__ import annotations

import math
from collections.abc import Sequence

from tui.glyphs import Glyphs
from tui.lines import Line, Span, merged

ROWS = 2


def sparkline(
    series: Sequence[float | None],
    width: int,
    *,
    top: float | None,
    threshold: float | None,
    glyphs: Glyphs,
    style: str = "info",
    rows: int = ROWS,
) -> list[Line]:
    """The last WIDTH points of SERIES as ROWS lines, newest at the right.

    The scale is fixed: 0 to TOP, or, when TOP is None, to a round number over the threshold and the largest
    value. None and non-finite values are gaps. The threshold is a dashed line where no bar hides it, and a
    bar over the threshold takes the style `bad`.
    """
    points: list[float | None] = [_finite(value) for value in series[-width:]]
    points = [*[None] * (width - len(points)), *points]
    scale = top if top and math.isfinite(top) and top > 0 else _round_up(points, threshold)
    steps = len(glyphs.levels) - 1
    limit = None if threshold is None else min(threshold / scale, 1.0) * rows * steps
    out: list[Line] = []
    for row in reversed(range(rows)):
        has_limit = limit is not None and row == min(int(limit // steps), rows - 1)
        cells = [_cell(value, row, scale, steps, rows, threshold, has_limit, glyphs, style) for value in points]
        out.append(merged(cells))
    return out


def _cell(
    value: float | None,
    row: int,
    scale: float,
    steps: int,
    rows: int,
    threshold: float | None,
    has_limit: bool,
    glyphs: Glyphs,
    style: str,
) -> Span:
    over = value is not None and threshold is not None and value > threshold
    level = 0
    if value is not None:
        height = min(max(value / scale, 0.0), 1.0) * rows * steps
        # A value above nothing shows at least one step: "a little" must not look like "none".
        units = max(round(height), 1) if value > 0 else 0
        level = min(max(units - row * steps, 0), steps)
    if level:
        return glyphs.levels[level], "bad" if over else style
    if has_limit:
        return glyphs.threshold, "rule"
    if value is not None and row == 0:
        return glyphs.levels[1] if value > 0 else "_" if glyphs.ascii else "▁", "dim"
    return glyphs.gap, ""


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _round_up(points: Sequence[float | None], threshold: float | None) -> float:
    """The next 1, 2 or 5 times a power of ten over everything to be shown: it seldom moves."""
    largest = max([point for point in points if point is not None] + [(threshold or 0) * 1.25, 1e-9])
    power: float = 10.0 ** math.floor(math.log10(largest))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= largest * (1 - 1e-12))


def bar(part: float, width: int, glyphs: Glyphs, style: str) -> Line:
    """A progress bar of WIDTH cells: PART from 0 to 1; full only at 1."""
    part = part if math.isfinite(part) else 0.0
    full = width if part >= 1 else min(int(max(part, 0.0) * width), width - 1)
    return ((glyphs.full * full, style), (glyphs.empty * (width - full), "dim"))
