"""A pane: lines in, and only the lines that changed go out to the terminal.

Textual sends a refreshed widget whole. A pane compares what it drew with what it draws now and refreshes the
changed lines alone, so a clock that ticks costs a few bytes and a scene that did not change costs none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region, Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.lines import Line, fit, width_of
from tui.scene import Scene
from tui.theme import STYLES


def _component_css() -> str:
    return "\n".join(f".pane--{name} {{ {rule} }}" for name, rule in STYLES.items())


class Pane(ScrollView, can_focus=False):
    """The base of everything on the screen: `draw` turns a scene into lines of at most `width` cells."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"pane--{name}" for name in STYLES}
    DEFAULT_CSS = f"""
    Pane {{
        background: $background;
        scrollbar-size: 0 0;
        overflow-x: hidden;
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
        if self.scene.glyphs.ascii:
            # What comes from outside may hold more than this terminal can be sent.
            lines = [
                tuple((text.encode("ascii", "replace").decode(), style) for text, style in line) for line in lines
            ]
        fresh = [fit(line, width, self.scene.glyphs.ellipsis) for line in lines]
        before, self.lines = self.lines, fresh
        if len(before) != len(fresh):
            self._resize_to(width, len(fresh))
        for first, count in changed_runs(before, fresh):
            self.refresh_lines(first, count)

    def _resize_to(self, width: int, height: int) -> None:
        self.virtual_size = Size(width, height)
        if self.GROWS:
            self.styles.height = min(height, int(self.app.size.height * self.most))
            self.display = height > 0

    def on_resize(self) -> None:
        """A new width is a new drawing."""
        self.redraw()

    def refresh_lines(self, y_start: int, line_count: int = 1) -> None:
        """Refresh lines, those on the screen alone."""
        top = y_start - self.scroll_offset.y
        region = Region(0, top, self.size.width, line_count).intersection(self.size.region)
        if region:
            self.refresh(region)

    def render_line(self, y: int) -> Strip:
        """The line at screen row Y."""
        width = self.size.width
        base = self.rich_style
        index = y + self.scroll_offset.y
        if index >= len(self.lines):
            return Strip.blank(width, base)
        line = self.lines[index]
        # A line whose first span is styled "cursor" is the cursor's line: its colour runs to the edge.
        under = base + self.style_named("cursor") if line and "cursor" in line[0][1].split() else base
        segments = [Segment(text, under + self.style_named(style)) for text, style in line if text]
        segments.append(Segment(" " * max(width - width_of(line), 0), under))
        return Strip(segments, width)

    def style_named(self, words: str) -> Style:
        """The Rich style of the style words WORDS."""
        style = Style.null()
        for word in words.split():
            style += self.get_component_rich_style(f"pane--{word}", partial=True)
        return style


def changed_runs(before: Sequence[Line], after: Sequence[Line]) -> list[tuple[int, int]]:
    """(first, count) of each run of lines that differ between BEFORE and AFTER.

    >>> a, b, c = (("a", ""),), (("b", ""),), (("c", ""),)
    >>> changed_runs([a, b, c], [a, c, b]), changed_runs([a], [a, b]), changed_runs([a], [a])
    ([(1, 2)], [(1, 1)], [])
    """
    runs: list[tuple[int, int]] = []
    for y in range(max(len(before), len(after))):
        if y < len(before) and y < len(after) and before[y] == after[y]:
            continue
        if runs and sum(runs[-1]) == y:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((y, 1))
    return runs
