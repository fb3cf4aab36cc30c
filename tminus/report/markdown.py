"""A report as Markdown. What comes from the record is text: it makes no cell, heading, link or HTML. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from state.clean import clean
from tminus.report.document import Block, Figure, Listing, Report, Table, Words
from tminus.report.plots import describe

_SPECIAL = re.compile(r"([\\`*_\[\]<>|~&])")
_LEADING = re.compile(r"^(\s*)([-=+#]|\d+[.)](?=\s|$))")
_LINK = re.compile(r"(?i)\b(https?|ftp|mailto|www)(:|(?<=www)\.)")
BARS = "▁▂▃▄▅▆▇█"


def markdown(report: Report) -> str:
    """REPORT as CommonMark with tables."""
    lines = [f"# {text(report.title)}", "", f"**{text(report.word)}** {text(report.verdict)}"]
    for section in report.sections:
        lines += ["", f"{'#' * section.level} {text(section.title)}"]
        for block in section.blocks:
            lines += ["", *_block(block)]
    return "\n".join(lines) + "\n"


def text(words: str) -> str:
    r"""WORDS as text on one line, and nothing else.

    >>> text("a | b <b>c</b> [x](y)"), text("- item"), text("1. 1.3s")
    ('a \\| b \\<b\\>c\\</b\\> \\[x\\](y)', '\\- item', '1\\. 1.3s')
    >>> text("see https://example.org")
    'see https\\://example.org'
    """
    escaped = _SPECIAL.sub(r"\\\1", clean(words))
    escaped = _LINK.sub(r"\1\\\2", escaped)
    return _LEADING.sub(lambda found: f"{found[1]}{found[2][:-1]}\\{found[2][-1]}", escaped)


def _block(block: Block) -> Iterator[str]:
    match block:
        case Words():
            yield text(block.text)
        case Listing():
            yield from (f"- {text(line)}" for line in block.lines)
            if not block.lines:
                yield text(block.none)
        case Table():
            yield from _table(block)
        case Figure():
            yield f"- {text(block.course.metric)}: {text(describe(block))} {_bars(block)}".rstrip()


def _table(block: Table) -> Iterator[str]:
    if not block.rows:
        yield text(block.none)
        return
    yield f"| {' | '.join(text(cell) for cell in block.head)} |"
    yield f"| {' | '.join('---' for _ in block.head)} |"
    for row in block.rows:
        yield f"| {' | '.join(text(cell) for cell in row)} |"


def _bars(figure: Figure, width: int = 40) -> str:
    """The course as a line of bars; a gap is a space between dots."""
    course = figure.course
    if not course.seen or not course.high:
        return ""
    span = max(figure.until - course.begin, course.step) / width
    found = [course.at(course.begin + n * span, course.begin + (n + 1) * span) for n in range(width)]
    top = max(course.high, 1e-12)
    return "".join("·" if b is None else BARS[min(int(max(b[1], 0) / top * 8), 7)] for b in found)
