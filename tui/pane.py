"""A pane: lines in, and only the cells that changed go out to the terminal.

Textual sends a refreshed widget whole. A pane compares what it drew with what it draws now and refreshes the
changed cells alone, so a clock that ticks costs a few bytes and a scene that did not change costs none. Lines out of
sight are not drawn: a list of thousands costs what its forty rows on the screen cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip
from textual.widget import Widget

from tui.lines import Drawn, Line, differing, fit, width_of
from tui.scene import Scene
from tui.theme import STYLES


def _component_css() -> str:
    return "\n".join(f".pane--{name} {{ {rule} }}" for name, rule in STYLES.items())


class Swatch(Widget):
    """Shows nothing: it holds what every style word looks like, once for all the panes of the application.

    Were each pane to hold them, Textual would work out twenty styles a pane at every change of the screen's form:
    a third of the time until the first paint.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"pane--{name}" for name in STYLES}
    DEFAULT_CSS = f"""
    Swatch {{
        display: none;
        {_component_css()}
        &:ansi {{
            .pane--block-good {{ background: ansi_default; color: $success; text-style: bold reverse; }}
            .pane--block-warn {{ background: ansi_default; color: $warning; text-style: bold reverse; }}
            .pane--block-bad {{ background: ansi_default; color: $error; text-style: bold reverse; }}
            .pane--block-info {{ background: ansi_default; color: $primary; text-style: bold reverse; }}
            .pane--off {{ text-style: dim; }}
            .pane--cursor {{ background: ansi_default; text-style: reverse; }}
        }}
    }}
    """

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[str, Style] = {}

    def notify_style_update(self) -> None:
        """The style sheet was read again."""
        super().notify_style_update()
        self._known.clear()

    def named(self, words: str) -> Style:
        """The Rich style of the style words WORDS."""
        if words not in self._known:
            style = Style.null()
            for word in words.split():
                style += self.get_component_rich_style(f"pane--{word}", partial=True)
            self._known[words] = style
        return self._known[words]


class Pane(ScrollView, can_focus=False):
    """The base of everything on the screen: `draw` turns a scene into lines of at most `width` cells."""

    DEFAULT_CSS = """
    Pane {
        background: $background;
        scrollbar-size: 0 0;
        overflow-x: hidden;
    }
    Pane.-empty { display: none; }  /* by a class, so that the smallest size can hide what is not empty */
    """
    GROWS = False
    """Whether the pane is as tall as its lines (bars), rather than scrolling them (panes)."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.most = 1.0  # of a growing pane: the share of the screen's height that it may take
        self.scene = Scene()
        self.lines: Sequence[Line] = ()

    def draw(self, scene: Scene, width: int) -> Sequence[Line]:
        """SCENE as lines. Pure but for what the pane itself keeps (a scroll, a fold)."""
        raise NotImplementedError

    def show(self, scene: Scene) -> None:
        """Draw SCENE, and refresh the lines that differ from what is there."""
        self.scene = scene
        self.redraw()

    def redraw(self) -> None:
        """Draw the scene again at the present width."""
        width = self.scrollable_content_region.width
        if not self.is_mounted or width <= 0 or not self.display:
            return
        lines = self.draw(self.scene, width)
        before, self.lines = self.lines, Drawn(len(lines), lambda y: self._fitted(lines[y], width))
        if len(before) != len(lines):
            self._resize_to(width, len(lines))
        top = self.scroll_offset.y
        # Lines out of sight are not even drawn: a scroll refreshes the pane whole.
        for y in range(top, min(top + self.size.height, max(len(before), len(lines)))):
            old, new = (before[y] if y < len(before) else ()), (self.lines[y] if y < len(lines) else ())
            if old != new:
                self._refresh_cells(y - top, old, new)

    def _fitted(self, line: Line, width: int) -> Line:
        if self.scene.glyphs.ascii:
            # What comes from outside may hold more than this terminal can be sent.
            line = tuple((text.encode("ascii", "replace").decode(), style) for text, style in line)
        return fit(line, width, self.scene.glyphs.ellipsis)

    def _refresh_cells(self, row: int, old: Line, new: Line) -> None:
        """Refresh the cells of ROW that differ between OLD and NEW; under a cursor that comes or goes, all."""
        first, behind = differing(old, new) if is_cursor(old) == is_cursor(new) else (0, self.size.width)
        region = Region(first, row, behind - first, 1).intersection(self.size.region)
        if region:
            self.refresh(region)

    def _resize_to(self, width: int, height: int) -> None:
        self.virtual_size = Size(width, height)
        if self.GROWS:
            self.styles.height = min(height, int(self.app.size.height * self.most))
            self.set_class(not height, "-empty")

    def on_resize(self) -> None:
        """A new width is a new drawing."""
        self.redraw()

    def render_line(self, y: int) -> Strip:
        """The line at screen row Y."""
        width = self.size.width
        base, named = self.rich_style, self.app.screen_stack[0].query_one(Swatch).named
        index = y + self.scroll_offset.y
        if index >= len(self.lines):
            return Strip.blank(width, base)
        line = self.lines[index]
        # A line whose first span is styled "cursor" is the cursor's line: its colour runs to the edge.
        under = base + named("cursor") if is_cursor(line) else base
        segments = [Segment(text, under + named(style)) for text, style in line if text]
        segments.append(Segment(" " * max(width - width_of(line), 0), under))
        return Strip(segments, width)


def is_cursor(line: Line) -> bool:
    """Whether LINE is the cursor's: its first span is styled so.

    >>> is_cursor((("x", "cursor key"),)), is_cursor(())
    (True, False)
    """
    return bool(line) and "cursor" in line[0][1].split()
