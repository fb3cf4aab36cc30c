"""The picture of a plot: a course as a line of dots with its band, over axes, threshold and events. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from tminus.client.axes import Scale, in_unit, moments, scale_of
from tminus.client.course import Bucket, Course, Happened
from tui.clock import short_clock
from tui.glyphs import Glyphs
from tui.lines import Line, Span, cut, pad, plain, width_of

_DOTS = ((0x40, 0x80), (0x04, 0x20), (0x02, 0x10), (0x01, 0x08))
"""The dots of a braille cell, from its lowest row up, left and right."""

_GUTTER = 12  # cells at the left, for "limit 500ms"
_LIST = 2  # lines for the labels of events that have no room of their own


@dataclass(frozen=True)
class Frame:
    """What a course is drawn in: the seconds since 1970 that it goes from and to, T0 among them if there is one, the
    metric's unit and threshold, what happened, and the style of the line."""

    begin: float
    end: float
    zero: float | None = None
    unit: str = ""
    threshold: float | None = None
    events: tuple[Happened, ...] = ()
    style: str = "info"


@dataclass
class _Cells:
    """What is drawn, by (row from the bottom, column)."""

    dots: dict[tuple[int, int], int] = field(default_factory=dict)
    over: set[tuple[int, int]] = field(default_factory=set)
    band: set[tuple[int, int]] = field(default_factory=set)


def canvas_lines(course: Course, frame: Frame, glyphs: Glyphs, width: int, height: int) -> list[Line]:
    """COURSE in FRAME: at most HEIGHT lines of WIDTH cells. Its scale holds every value and the threshold."""
    marks = [one for one in frame.events if frame.begin <= one.at <= frame.end]
    wide = max(width - _GUTTER - 2, 10)
    below = event_lines(marks, frame, wide, glyphs)[: 1 + min(height - 10, _LIST) if height > 10 else int(height > 5)]
    rows = max(height - 3 - len(below), 2)
    parts = 1 if glyphs.ascii else 2
    buckets = _columns(course, frame, wide * parts)
    seen = [one for one in buckets if one is not None]
    low, high = min((one[0] for one in seen), default=0.0), max((one[2] for one in seen), default=0.0)
    scale = scale_of(low, high, frame.threshold, frame.unit, max(min(rows // 2, 8), 1))
    cells = _drawn(buckets, scale, rows, frame.threshold, parts, 1 if glyphs.ascii else 4)
    labels = _labels(scale, rows, frame)
    verticals = {_place(one.at, frame, wide) for one in marks}
    limit = None if frame.threshold is None else _row(scale.part(frame.threshold), rows)
    lines: list[Line] = []
    for row in reversed(range(rows)):
        text, style = labels.get(row, ("", "dim"))
        spans = [_cell((row, x), cells, limit, verticals, glyphs, frame.style) for x in range(wide)]
        lines.append(
            ((f"{cut(text, _GUTTER, glyphs.ellipsis):>{_GUTTER}} ", style), (glyphs.bar, "rule"), *_merged(spans))
        )
    if not seen:
        lines[rows // 2] = (*lines[rows // 2][:2], (cut(" no data in this span", wide, glyphs.ellipsis), "warn"))
    inset = (" " * (_GUTTER + 1), "")
    lines += [(inset, *line) for line in _time_axis(frame, wide, glyphs)]
    return [*lines, *((inset, (" ", ""), *line) for line in below)]


def _columns(course: Course, frame: Frame, count: int) -> list[Bucket | None]:
    width = (frame.end - frame.begin) / count
    return [course.at(frame.begin + n * width, frame.begin + (n + 1) * width) for n in range(count)]


def _drawn(
    buckets: Sequence[Bucket | None], scale: Scale, rows: int, threshold: float | None, across: int, up: int
) -> _Cells:
    """The line through the means and the band from the lowest to the highest; ACROSS by UP dots a cell."""
    cells = _Cells()
    limit = math.inf if threshold is None else threshold
    before: int | None = None
    for x, one in enumerate(buckets):
        if one is None:
            before = None
            continue
        low, mean, high, _ = one
        y = _row(scale.part(mean), rows * up)
        begin = y if before is None else before + (y > before) - (y < before)
        for dot in range(min(begin, y), max(begin, y) + 1):
            at = (dot // up, x // across)
            cells.dots[at] = cells.dots.get(at, 0) | _DOTS[dot % up][x % across]
            # A dot on the way is where the line is; the dot of the look is what was seen.
            value = mean if dot == y else scale.low + (dot + 0.5) / (rows * up) * (scale.high - scale.low)
            if value > limit:
                cells.over.add(at)
        bottom, top = _row(scale.part(low), rows), _row(scale.part(high), rows)
        cells.band |= {(row, x // across) for row in range(bottom, top + 1)} if high > low else set()
        before = y
    return cells


def _row(part: float, rows: int) -> int:
    return min(int(part * rows), rows - 1)


def _cell(
    at: tuple[int, int], cells: _Cells, limit: int | None, verticals: set[int], glyphs: Glyphs, style: str
) -> Span:
    row, column = at
    if dots := cells.dots.get(at):
        return ("*" if glyphs.ascii else chr(0x2800 + dots)), "bad" if at in cells.over else style
    if column in verticals:
        return glyphs.bar, "override"
    if row == limit:
        return glyphs.threshold, "warn"
    if at in cells.band:
        over = limit is not None and row > limit
        return (":" if glyphs.ascii else glyphs.empty), "bad" if over else "rule"
    return " ", ""


def _labels(scale: Scale, rows: int, frame: Frame) -> dict[int, tuple[str, str]]:
    """What stands at the left of each row: round numbers, and the limit, which goes before them."""
    found: dict[int, tuple[str, str]] = {}
    for value, text in scale.ticks:
        # A tick on the line between two rows belongs to the one over it, the top tick to the top row.
        found.setdefault(_row(scale.part(value), rows), (text, "dim"))
    found[rows - 1] = (scale.ticks[-1][1], "dim")
    if frame.threshold is not None:
        found[_row(scale.part(frame.threshold), rows)] = (f"limit {in_unit(frame.threshold, frame.unit)}", "warn")
    return found


def _place(at: float, frame: Frame, wide: int) -> int:
    return min(int((at - frame.begin) / (frame.end - frame.begin) * wide), wide - 1)


def _time_axis(frame: Frame, wide: int, glyphs: Glyphs) -> list[Line]:
    """The line under the plot, the wall clock here, and the T-clock."""
    ticks = [(_place(at, frame, wide), at, text) for at, text in moments(frame.begin, frame.end, wide // 14)]
    corner, tick = ("+", "+") if glyphs.ascii else ("└", "┴")
    places = {place for place, _, _ in ticks}
    line = "".join(tick if x in places else glyphs.line for x in range(wide))
    clocks = _under([(place, text) for place, _, text in ticks], wide)
    zero = frame.zero
    counts = _under([(place, t_short(at - zero)) for place, at, _ in ticks], wide) if zero is not None else ""
    return [((corner + line, "rule"),), ((f" {clocks}", "dim"),), ((f" {counts or 'T not set'}", "dim"),)]


def _under(texts: Sequence[tuple[int, str]], wide: int) -> str:
    """TEXTS each with its middle at its place, as far as they do not run into each other."""
    out = ""
    for place, text in texts:
        begin = min(max(place - len(text) // 2, 0), wide - len(text))
        if begin >= len(out) + 2 * bool(out):
            out = out.ljust(begin) + text
    return out


def t_short(seconds: float) -> str:
    """SECONDS from T0 in few cells.

    >>> t_short(-900), t_short(0), t_short(5400), t_short(-180000)
    ('T-15:00', 'T+00:00', 'T+1:30:00', 'T-2d2h')
    """
    sign, left = "-" if round(seconds) < 0 else "+", abs(round(seconds))
    if left >= 86400:
        return f"T{sign}{left // 86400}d{left % 86400 // 3600}h"
    return f"T{sign}{short_clock(left)}"


def event_lines(marks: Sequence[Happened], frame: Frame, wide: int, glyphs: Glyphs) -> list[Line]:
    """What happened: labels under their lines, numbers where labels would run into each other, and what the numbers
    mean. The first line is the labels'; no line where nothing happened."""
    if not marks:
        return []
    places = [_place(one.at, frame, wide) for one in marks]
    row, numbered = "", list[str]()
    for n, one in enumerate(marks):
        text = plain(one.label)
        place = places[n]
        nearest = places[n + 1] if n + 1 < len(marks) else wide + 1
        fits = place >= len(row) + bool(row) and place + width_of([(text, "")]) < nearest and text.isascii()
        if fits and place + len(text) <= wide:
            row = row.ljust(place) + text
            continue
        # Those that fall on one place share the number of the first.
        number = str(len(numbered) + 1)
        if place >= len(row) + (bool(row) and row[-1] != " "):
            row = row.ljust(place) + cut(number, wide - place)
        numbered.append(f"{number} {text}")
    lines: list[Line] = [((row[:wide], "override"),)]
    listed = ""
    for text in numbered:
        if listed and len(listed) + len(text) + 2 > wide:
            lines.append(((pad(listed, wide, glyphs.ellipsis), "dim"),))
            listed = ""
        listed += ("  " if listed else "") + text
    return [*lines, ((cut(listed, wide, glyphs.ellipsis), "dim"),)] if listed else lines


def _merged(cells: Sequence[Span]) -> list[Span]:
    out: list[Span] = []
    for text, style in cells:
        if out and out[-1][1] == style:
            out[-1] = (out[-1][0] + text, style)
        else:
            out.append((text, style))
    return out
