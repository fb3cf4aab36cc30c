"""Choosing one of several things: arrows and Enter, and a plain key that leaves it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen

from tui.dialogs import DIALOG_CSS, Draw, Words
from tui.lines import Line, plain
from tui.pane import Pane
from tui.scene import Scene


@dataclass(frozen=True)
class Choice:
    """A choice among several things: (key, line) each; the first is what a stray Enter takes."""

    title: str
    options: Sequence[tuple[str, Line]]
    draw: Draw | None = None
    danger: bool = False


class Options(Pane, can_focus=True):
    """The options of a choice, with a cursor."""

    GROWS = True
    DEFAULT_CSS = """
    Options { background: $surface; margin-top: 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,left", "move(-1)", show=False),
        Binding("down,right", "move(1)", show=False),
        Binding("pageup", "move(-10)", show=False),
        Binding("pagedown", "move(10)", show=False),
    ]

    def __init__(self, choice: Choice, scene: Scene) -> None:
        super().__init__()
        self.scene = scene
        self.choice = choice
        self.place = 0

    def draw(self, scene: Scene, width: int) -> Sequence[Line]:
        """A line an option."""
        lines: list[Line] = []
        for y, (_, line) in enumerate(self.choice.options):
            at = y == self.place
            lines.append(((f"{scene.glyphs.cursor} " if at else "  ", "cursor key" if at else "key"), *line))
        return lines

    def action_move(self, step: int) -> None:
        """Move the cursor."""
        self.place = min(max(self.place + step, 0), len(self.choice.options) - 1)
        self.redraw()
        top = min(max(int(self.scroll_y), self.place - self.size.height + 1), self.place)
        self.scroll_to(y=top, animate=False, force=True)


class Pick(ModalScreen[str]):
    """A choice. Its answer is the key of the option, or empty when it was left."""

    DEFAULT_CSS = f"Pick {{ {DIALOG_CSS} }}"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,n", "leave", show=False),
        Binding("enter", "take", show=False),
    ]

    def __init__(self, choice: Choice, scene: Scene) -> None:
        super().__init__()
        self.choice = choice
        self.scene = scene
        self.set_class(scene.glyphs.ascii, "-ascii")

    def compose(self) -> ComposeResult:
        """The text, then the options."""
        with Vertical(id="box", classes="-danger" if self.choice.danger else "") as box:
            box.border_title = plain(self.choice.title).replace("[", r"\[")
            if self.choice.draw:
                yield Words(self.choice.draw, self.scene)
            yield Options(self.choice, self.scene)
            yield Words(lambda _: [(("arrows move, enter takes, q leaves", "dim"),)], self.scene)

    def action_take(self) -> None:
        """Take what the cursor is on."""
        options = self.query_one(Options)
        self.dismiss(self.choice.options[options.place][0] if self.choice.options else "")

    def action_leave(self) -> None:
        """Take nothing."""
        self.dismiss("")
