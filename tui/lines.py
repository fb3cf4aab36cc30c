"""Lines of styled text as plain data: what every pane draws, and what the tests read. Nothing of Textual here.

A `Span` is (text, style); a style is words from `tui.theme.STYLES` joined by spaces. Text from outside goes
through `plain`, which leaves nothing that a terminal or a markup language would act on.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.cells import cell_len, chop_cells, set_cell_size

from state.clean import clean

Span = tuple[str, str]
Line = tuple[Span, ...]


def plain(text: object) -> str:
    r"""TEXT as one harmless line.

    >>> plain("a\x1b[2Jb [bold]c[/bold]")
    'ab [bold]c[/bold]'
    """
    return clean(str(text))


def width_of(line: Iterable[Span]) -> int:
    """Cells that LINE takes."""
    return sum(cell_len(text) for text, _ in line)


def text_of(line: Iterable[Span]) -> str:
    """LINE without its styles."""
    return "".join(text for text, _ in line)


def cut(text: str, width: int, ellipsis: str = "…") -> str:
    """TEXT in at most WIDTH cells, ending with ELLIPSIS when something is missing.

    >>> cut("abcdef", 4), cut("abc", 4), cut("abc", 0)
    ('abc…', 'abc', '')
    """
    if cell_len(text) <= width:
        return text
    if width <= cell_len(ellipsis):
        return ellipsis[: max(width, 0)]
    return set_cell_size(text, width - cell_len(ellipsis)).rstrip() + ellipsis


def pad(text: str, width: int, ellipsis: str = "…") -> str:
    """TEXT in exactly WIDTH cells."""
    return set_cell_size(cut(text, width, ellipsis), max(width, 0))


def fit(line: Iterable[Span], width: int, ellipsis: str = "…") -> Line:
    """LINE cut to WIDTH cells; shorter lines stay as they are."""
    kept: list[Span] = []
    left = width
    spans = list(line)
    if width_of(spans) <= width:
        return tuple(spans)
    for text, style in spans:
        size = cell_len(text)
        if size >= left:
            kept.append((cut(text + " " * (size == left), left, ellipsis), style))
            break
        kept.append((text, style))
        left -= size
    return tuple(kept)


def spread(left: Iterable[Span], right: Iterable[Span], width: int, ellipsis: str = "…") -> Line:
    """LEFT at the left and RIGHT at the right of WIDTH cells; LEFT gives way."""
    tail = fit(right, width, ellipsis)
    room = width - width_of(tail)
    head = fit(left, max(room - 1, 0), ellipsis)
    return (*head, (" " * (room - width_of(head)), ""), *tail)


def joined(parts: Iterable[Sequence[Span]], between: Span) -> Line:
    """PARTS in one line with BETWEEN between them; empty parts are left out."""
    out: list[Span] = []
    for part in parts:
        if part:
            out += [between] * bool(out) + list(part)
    return tuple(out)


def merged(cells: Iterable[Span]) -> Line:
    """CELLS with neighbours of one style in one span: each span costs the wire a colour.

    >>> merged([("a", "x"), ("b", "x"), ("c", "")])
    (('ab', 'x'), ('c', ''))
    """
    out: list[Span] = []
    for text, style in cells:
        if out and out[-1][1] == style:
            out[-1] = (out[-1][0] + text, style)
        else:
            out.append((text, style))
    return tuple(out)


def flowed(parts: Iterable[Sequence[Span]], width: int) -> list[Line]:
    """PARTS beside each other, two cells between, on as many lines of WIDTH cells as they need.

    >>> [text_of(line) for line in flowed([[("one", "")], [("two", "")], [("three", "")]], 9)]
    ['one  two', 'three']
    """
    lines: list[list[Span]] = []
    for part in parts:
        if lines and width_of(lines[-1]) + 2 + width_of(part) <= width:
            lines[-1] += [("  ", ""), *part]
        elif part:
            lines.append(list(part))
    return [fit(line, width) for line in lines]


def wrap(text: str, width: int) -> list[str]:
    """TEXT in lines of at most WIDTH cells, broken at spaces; longer words are cut.

    >>> wrap("one two three", 8)
    ['one two', 'three']
    """
    width = max(width, 1)
    lines: list[str] = []
    current = ""
    for word in text.split():
        for piece in chop_cells(word, width) if cell_len(word) > width else [word]:
            joined_up = f"{current} {piece}" if current else piece
            if cell_len(joined_up) <= width:
                current = joined_up
            else:
                lines.append(current)
                current = piece
    return [*lines, current] if current else lines or [""]


def wrapped(text: str, width: int, style: str = "", indent: int = 0) -> list[Line]:
    """TEXT from outside, wrapped into lines of one style."""
    return [((" " * indent, ""), (line, style)) for line in wrap(plain(text), width - indent)]


def chopped(text: str, width: int, style: str = "", indent: int = 0) -> list[Line]:
    """TEXT from outside to the letter, its spaces kept, cut into lines where it is too long."""
    pieces = chop_cells(plain(text), max(width - indent, 1)) or [""]
    return [((" " * indent, ""), (piece, style)) for piece in pieces]


def columns(left: Sequence[str], right: Sequence[str], width: int, rule: Span, styles: tuple[str, str]) -> list[Line]:
    """Two texts side by side with RULE between them, each already wrapped to its half (see `halves`)."""
    a, _ = halves(width, rule)
    rows = max(len(left), len(right))
    return [
        (
            (pad(left[i] if i < len(left) else "", a), styles[0]),
            rule,
            (right[i] if i < len(right) else "", styles[1]),
        )
        for i in range(rows)
    ]


def halves(width: int, rule: Span) -> tuple[int, int]:
    """How WIDTH splits around RULE."""
    inner = max(width - cell_len(rule[0]), 2)
    return inner // 2, inner - inner // 2
