"""A report as one HTML file: no network, printable, light and dark, readable without colour. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from importlib import resources
from itertools import count

from state.clean import clean
from tminus.report.document import Block, Figure, Listing, Report, Section, Table, Words
from tminus.report.plots import describe, svg

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
_STYLE = resources.files("tminus.report").joinpath("page.css").read_text(encoding="utf-8")


def html(report: Report) -> str:
    """REPORT as a page of its own."""
    numbers = count(1)
    named = [(f"s{next(numbers)}", section) for section in report.sections]
    contents = "".join(f'<li><a href="#{key}">{_text(one.title)}</a></li>' for key, one in named if one.level == 2)
    body = "".join(_section(key, one) for key, one in named)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{_text(report.title)}</title><style>\n{_STYLE}</style></head>\n<body><main>\n"
        f"<h1>{_text(report.title)}</h1>\n"
        f'<p class="verdict"><b>{_text(report.word)}</b> {_text(report.verdict)}</p>\n'
        f'<nav aria-label="Contents"><ul>{contents}</ul></nav>\n{body}</main></body></html>\n'
    )


def _text(words: str) -> str:
    return escape(clean(words))


def _section(key: str, section: Section) -> str:
    blocks = "\n".join(part for block in section.blocks for part in _block(block))
    return f'<h{section.level} id="{key}">{_text(section.title)}</h{section.level}>\n{blocks}\n'


def _block(block: Block) -> Iterator[str]:
    match block:
        case Words():
            yield f"<p>{_text(block.text)}</p>"
        case Listing():
            if block.lines:
                yield "<ul>" + "".join(f"<li>{_text(line)}</li>" for line in block.lines) + "</ul>"
            elif block.none:
                yield f'<p class="none">{_text(block.none)}</p>'
        case Table():
            yield _table(block)
        case Figure():
            caption = f"<b>{_text(block.course.metric)}</b> {_text(describe(block))}"
            yield f"<figure>{svg(block)}<figcaption>{caption}</figcaption></figure>"


def _table(block: Table) -> str:
    if not block.rows:
        return f'<p class="none">{_text(block.none)}</p>'
    head = "".join(f'<th scope="col">{_text(cell)}</th>' for cell in block.head)
    rows = "".join(
        f'<tr><th scope="row">{_text(row[0])}</th>{"".join(f"<td>{_text(cell)}</td>" for cell in row[1:])}</tr>\n'
        for row in block.rows
    )
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>\n{rows}</tbody></table></div>'
