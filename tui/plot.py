"""The course of one metric as a plot: bars up to the mean, a thin line up to the highest, the threshold, and
what happened meanwhile. Pure: a course in, lines out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

from tminus.client.messages import Course, Happened
from tui.axes import amount, round_top, stroke_text, strokes, ticks
from tui.clock import t_clock
from tui.glyphs import Glyphs
from tui.lines import Line, Span, cut, fit, merged, pad, plain

LABEL = 10  # cells of the labels at the left
NAMES = "123456789abcdefghijklmnopqrstuvwxyz"
KINDS = {
    "go": ("GO", "good"), "trip": ("TRIP", "bad strong"), "hold": ("HOLD", "warn strong"),
    "decision": ("DECIDED", "override"), "change": ("CHANGE", "info strong"), "engine": ("ENGINE", "dim"),
}  # fmt: skip


def columns_of(width: int) -> int:
    """How many pieces a plot of WIDTH cells shows."""
    return max(width - LABEL - 1, 1)


def plot_lines(
    course: Course, threshold: float | None, width: int, height: int, glyphs: Glyphs, t0: str = ""
) -> list[Line]:
    """COURSE in HEIGHT lines of WIDTH cells, with its axes, the THRESHOLD, the clock, the T-clock of T0 and, under
    it, a list of what happened. A course without values is empty axes, and says so."""
    listed = min(len(course.happened), max((height - 8) // 3, 0))
    happened = list(enumerate(course.happened))[-listed:] if listed else []
    rows = max(height - 4 - listed, 3)
    columns = columns_of(width)
    top = _top(course, threshold)
    marks = {_column(one.at, course, columns): (NAMES[n % len(NAMES)], one) for n, one in happened}
    lines = [_row(row, rows, top, course, threshold, columns, set(marks), glyphs) for row in reversed(range(rows))]
    corner = "+" if glyphs.ascii else "└"
    lines.append(((pad(f"{amount(0, course.unit):>{LABEL - 1}} ", LABEL), "dim"), (corner, "rule"),
                  (glyphs.line * columns, "rule")))  # fmt: skip
    lines.append(_names(marks, columns))
    lines += _clocks(course, columns, t0)
    lines += [_told(NAMES[n % len(NAMES)], one, width, glyphs) for n, one in happened]
    return [fit(line, width, glyphs.ellipsis) for line in lines]


def _top(course: Course, threshold: float | None) -> float:
    values = [value for value in course.high if value is not None and math.isfinite(value)]
    return round_top(max([*values, (threshold or 0.0) * 1.15]))


def _column(at: float, course: Course, columns: int) -> int:
    return min(max(int((at - course.begin) / course.step), 0), columns - 1) if course.step > 0 else 0


def _row(
    row: int,
    rows: int,
    top: float,
    course: Course,
    threshold: float | None,
    columns: int,
    marked: set[int],
    glyphs: Glyphs,
) -> Line:
    """One line of the plot, ROW 0 the lowest."""
    steps = len(glyphs.levels) - 1
    limit = None if threshold is None else max(round(threshold / top * rows) - 1, 0)
    label = ""
    if row == limit and threshold is not None:
        label = amount(threshold, course.unit)
    elif tick := next((one for one in ticks(top) if round(one / top * rows) - 1 == row), None):
        label = amount(tick, course.unit)
    cells: list[Span] = []
    for column in range(columns):
        mean, high = _value(course.mean, column), _value(course.high, column)
        over = threshold is not None and high is not None and high > threshold
        bar = 0 if mean is None else _units(mean, top, rows, steps) - row * steps
        peak = 0 if high is None else _units(high, top, rows, steps) - row * steps
        if bar > 0:
            bad = over and mean is not None and threshold is not None and mean > threshold
            cells.append((glyphs.levels[min(bar, steps)], "bad" if bad else "info"))
        elif peak > 0:
            cells.append((glyphs.bar, "bad" if over else "dim"))
        elif mean is not None and row == 0:  # nothing at all, and seen to be so: not a gap
            cells.append(("_" if glyphs.ascii else "▁", "dim"))
        elif column in marked:
            cells.append((":" if glyphs.ascii else "┊", "override"))
        elif row == limit:
            cells.append((glyphs.threshold, "warn"))
        else:
            cells.append((glyphs.gap, ""))
    style = "warn" if row == limit else "dim"
    return ((f"{cut(label, LABEL - 1):>{LABEL - 1}} ", style), (glyphs.bar, "rule"), *merged(cells))


def _value(values: Sequence[float | None], column: int) -> float | None:
    value = values[column] if column < len(values) else None
    return value if value is not None and math.isfinite(value) else None


def _units(value: float, top: float, rows: int, steps: int) -> int:
    """VALUE in steps of a cell; a value above nothing is one at least."""
    units = round(min(max(value / top, 0.0), 1.0) * rows * steps)
    return max(units, 1) if value > 0 else 0


def _names(marks: dict[int, tuple[str, Happened]], columns: int) -> Line:
    """The line under the axis that names what happened, by the characters of the list below."""
    cells: list[Span] = [
        (marks[column][0], KINDS.get(marks[column][1].kind, ("", "dim"))[1]) if column in marks else (" ", "")
        for column in range(columns)
    ]
    return ((" " * (LABEL + 1), ""), *merged(cells))


def _clocks(course: Course, columns: int, t0: str) -> list[Line]:
    """The wall clock and the T-clock under the strokes of the time axis."""
    if not course.mean:
        return [(), ()]
    offset = datetime.fromtimestamp(course.begin).astimezone().utcoffset()
    shift = offset.total_seconds() if offset else 0.0
    span = course.end - course.begin
    wall, tee = [" "] * (LABEL + 1 + columns), [" "] * (LABEL + 1 + columns)
    for at in strokes(course.begin, course.end, max(columns // 14, 1), shift):
        place = LABEL + 1 + _column(at, course, columns)
        _write(wall, place, stroke_text(at, span))
        if t0:
            _write(tee, place, t_clock(t0, datetime.fromtimestamp(at).astimezone()))
    return [(("".join(wall).rstrip(), "dim"),), (("".join(tee).rstrip(), "dim"),)]


def _write(cells: list[str], place: int, text: str) -> None:
    """TEXT into CELLS from PLACE on, as far to the left as it must go to fit."""
    start = min(place, len(cells) - len(text))
    if start >= 0 and all(cell == " " for cell in cells[max(start - 1, 0) : start + len(text)]):
        cells[start : start + len(text)] = text


def _told(name: str, one: Happened, width: int, glyphs: Glyphs) -> Line:
    word, style = KINDS.get(one.kind, (one.kind.upper(), "dim"))
    at = datetime.fromtimestamp(one.at).astimezone()
    text = cut(plain(one.label), max(width - 24, 8), glyphs.ellipsis)
    return ((f" {name} ", style), (f"{at:%H:%M:%S}  ", "dim"), (pad(plain(word), 8), style), (text, ""))
