"""Lines of styled text as plain data: what every pane draws, and what the tests read. Nothing of Textual here.

A `Span` is (text, style); a style is words from `tui.theme.STYLES` joined by spaces. Text from outside goes
through `plain`, which leaves nothing that a terminal or a markup language would act on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import overload

from rich.cells import cell_len, chop_cells, set_cell_size

from state.clean import clean

Span = tuple[str, str]
Line = tuple[Span, ...]


class Drawn(Sequence[Line]):
    """LENGTH lines, each drawn by DRAW when it is first asked for: of thousands, a pane shows forty."""

    def __init__(self, length: int, draw: Callable[[int], Line]) -> None:
        self._length = length
        self._draw = draw
        self._kept: dict[int, Line] = {}

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, place: int) -> Line: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Line]: ...
    def __getitem__(self, place: int | slice) -> Line | Sequence[Line]:
        if isinstance(place, slice):
            return [self[n] for n in range(*place.indices(self._length))]
        if not -self._length <= place < self._length:
            raise IndexError(place)
        place %= self._length
        if place not in self._kept:
            self._kept[place] = self._draw(place)
        return self._kept[place]


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
    """TEXT from outside to the letter, its spaces kept, cut into lines where it is too long: behind a space if there
    is one in the second half of a line."""
    room = max(width - indent, 1)
    pieces, rest = [], plain(text)
    while cell_len(rest) > room:
        piece = chop_cells(rest, room)[0] or rest[0]
        behind = piece.rfind(" ") + 1
        if behind > len(piece) // 2 and not rest[len(piece)].isspace():
            piece = piece[:behind]
        pieces.append(piece)
        rest = rest[len(piece) :]
    return [((" " * indent, ""), (piece, style)) for piece in (*pieces, rest)]


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


def differing(before: Line, after: Line) -> tuple[int, int]:
    """(first, behind) of the cells in which AFTER differs from BEFORE; (0, 0) when it does not.

    >>> differing((("at 20:45:01", "dim"),), (("at 20:45:02", "dim"),))
    (10, 11)
    >>> differing((("a", ""), ("bc", "")), (("a", ""), ("b", "")))
    (2, 3)
    """
    if before == after:
        return 0, 0
    left = _alike(before, after)
    wide, old = width_of(after), width_of(before)
    if wide != old:
        return left, max(wide, old)
    right = _alike(_mirrored(before), _mirrored(after))
    return left, max(wide - right, left)


def _alike(one: Line, other: Line) -> int:
    """Cells from the left that look the same in both."""
    cells = 0
    for (a, style), (b, other_style) in zip(one, other, strict=False):
        if style != other_style:
            return cells
        if a == b:
            cells += cell_len(a)
            continue
        if a.isascii() and b.isascii():  # in others a letter may join the one before it
            cells += next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
        return cells
    return cells


def _mirrored(line: Line) -> Line:
    return tuple((text[::-1], style) for text, style in reversed(line))
