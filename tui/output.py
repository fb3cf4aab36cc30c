"""What a check prints while it runs: its last lines, following the end until somebody scrolls up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType

from tui.lines import Drawn, Line, plain
from tui.pane import Pane
from tui.scene import Scene


class Output(Pane, can_focus=True):
    """The output of the focused item's check; not there when it printed nothing."""

    DEFAULT_CSS = """
    Output { height: 40%; max-height: 14; border-top: solid $rule; border-title-color: $dim; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "step(-1)", show=False),
        Binding("down", "step(1)", show=False),
        Binding("pageup", "step(-10)", show=False),
        Binding("pagedown", "step(10)", show=False),
        Binding("home", "step(-100000)", show=False),
        Binding("end", "step(100000)", show=False),
    ]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.following = True
        self.add_class("-empty")

    def show(self, scene: Scene) -> None:
        """Appear with the first line; another item's output is followed from its end."""
        if scene.focus != self.scene.focus:
            self.following = True
        self.scene = scene
        self.set_class(not scene.view.output.get(scene.focus), "-empty")
        title = "output" if self.following else "output (scrolled back; end follows again)"
        if self.border_title != title:
            self.border_title = title
        super().show(scene)

    def redraw(self) -> None:
        """Draw, and stay at the end unless the person scrolled away from it."""
        super().redraw()
        if self.following:
            self.scroll_to(
                y=max(len(self.lines) - self.scrollable_content_region.height, 0), animate=False, force=True
            )

    def action_step(self, lines: int) -> None:
        """Scroll; at the end it follows again."""
        last = max(len(self.lines) - self.scrollable_content_region.height, 0)
        place = min(max(int(self.scroll_y) + lines, 0), last)
        self.following = place == last
        self.scroll_to(y=place, animate=False, force=True)
        self.show(self.scene)

    def draw(self, scene: Scene, width: int) -> Sequence[Line]:
        """The lines as plain text."""
        lines = scene.view.output.get(scene.focus, ())
        return Drawn(len(lines), lambda y: ((plain(lines[y]), "dim"),))
