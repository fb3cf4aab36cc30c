"""What a check prints while it runs: its last lines, following the end until somebody scrolls up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from tui.lines import Line, plain
from tui.pane import Pane
from tui.scene import Scene


class Output(Pane, can_focus=True):
    """The output of the focused item's check; not there when it printed nothing."""

    DEFAULT_CSS = """
    Output { height: 40%; max-height: 14; border-top: solid $rule; border-title-color: $dim; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "scroll_up", show=False),
        Binding("down", "scroll_down", show=False),
        Binding("pageup", "page_up", show=False),
        Binding("pagedown", "page_down", show=False),
        Binding("end", "scroll_end", show=False),
        Binding("home", "scroll_home", show=False),
    ]

    def show(self, scene: Scene) -> None:
        """Appear with the first line, and stay at the end unless the person scrolled away from it."""
        self.scene = scene
        wanted = bool(scene.view.output.get(scene.focus))
        following = self.scroll_y >= self.max_scroll_y - 1
        if self.display != wanted:
            self.display = wanted
        title = "output" if following else "output (scrolled: end follows again)"
        if self.border_title != title:
            self.border_title = title
        super().show(scene)
        if following and wanted:
            self.scroll_end(animate=False, force=True, immediate=True)

    def draw(self, scene: Scene, width: int) -> Sequence[Line]:
        """The lines as plain text."""
        return [((plain(line), "dim"),) for line in scene.view.output.get(scene.focus, ())]
