"""Questions to a person. Every one can be left by a plain key, and none is answered yes by a stray Enter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Input

from tui.lines import Line, plain
from tui.pane import Pane
from tui.scene import Scene

Draw = Callable[[int], Sequence[Line]]

DIALOG_CSS = """
    align: center middle;
    #box {
        width: 92%; max-width: 96; height: auto; max-height: 100%;
        border: round $border; border-title-color: $head; border-title-style: bold;
        padding: 0 1; background: $surface;
    }
    #box.-danger { border: heavy $error; }
    &.-alone { background: $background; }
    &.-ascii #box { border: ascii $border; }
    &.-ascii #box.-danger { border: ascii $error; }
    Words { background: $surface; }
    #buttons { height: 1; margin-top: 1; }
    Input { margin-top: 1; padding: 0 1; background: $panel; }
    Input:ansi { text-style: underline; }
    Button { min-width: 10; margin-right: 2; padding: 0 2; background: $panel; color: $foreground; }
    Button:focus { background: $primary; color: $on-block; text-style: bold; }
    #box.-danger #yes:focus { background: $error; color: $on-block; }
    Button:ansi { background: ansi_default; }
    Button:focus:ansi { background: ansi_default; color: ansi_default; text-style: bold reverse; }
"""


@dataclass(frozen=True)
class Question:
    """A question with yes and no. `field` names a text to type; empty: none is asked.

    The text must have `at_least` characters, or be `exactly` something (a target's name). `check` may refuse
    it with a reason. An `optional` text may be left empty: the focus is on No all the same. `danger` draws the box as
    one that can hurt; `alone` hides what is behind it, which might be typed off.
    """

    title: str
    draw: Draw
    yes: str = "Yes"
    no: str = "No"
    field: str = ""
    at_least: int = 0
    exactly: str = ""
    check: Callable[[str], str] | None = None
    optional: bool = False
    danger: bool = False
    alone: bool = False

    def wrong(self, text: str) -> str:
        """What is wrong with the typed TEXT; empty when it will do."""
        if self.exactly:
            return "" if text == self.exactly else f"type {self.exactly} to go on"
        missing = self.at_least - len(text.strip())
        if missing > 0:
            return f"{missing} more character{'s' * (missing != 1)}"
        return self.check(text) if self.check else ""


class Words(Pane, can_focus=True):
    """The text of a dialog: as tall as it is, scrolling where there is no room."""

    GROWS = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "scroll_up", show=False),
        Binding("down", "scroll_down", show=False),
        Binding("pageup", "page_up", show=False),
        Binding("pagedown", "page_down", show=False),
    ]

    def __init__(
        self, draw: Draw, scene: Scene, *, id: str | None = None, focus: bool = False, most: float = 0.5
    ) -> None:
        super().__init__(id=id)
        self.scene = scene
        self._draw = draw
        self.can_focus = focus
        self.most = most

    def draw(self, scene: Scene, width: int) -> Sequence[Line]:
        """What the dialog says."""
        return self._draw(width)

    def say(self, draw: Draw) -> None:
        """Say something else."""
        self._draw = draw
        self.redraw()


class Ask(ModalScreen[str | None]):
    """One question. Its answer is the typed text (empty when none is asked), or None for no.

    Without a field the focus is on No: y and n answer, arrows move. With a field, Enter sends a text that will do;
    where a name must be typed, or nothing need be, it only moves on to No, and yes takes one more key.
    """

    DEFAULT_CSS = f"Ask {{ {DIALOG_CSS} }}"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "no", show=False),
        Binding("pageup", "scroll_text(-1)", show=False),
        Binding("pagedown", "scroll_text(1)", show=False),
        Binding("y", "yes", show=False),
        Binding("n,q", "no", show=False),
        Binding("left,up,shift+tab", "app.focus_previous", show=False),
        Binding("right,down,tab", "app.focus_next", show=False),
    ]

    def __init__(self, question: Question, scene: Scene) -> None:
        super().__init__()
        self.question = question
        self.scene = scene
        self._read = 0  # lines of the text that were in sight
        self.set_class(question.alone, "-alone")
        self.set_class(scene.glyphs.ascii, "-ascii")

    def compose(self) -> ComposeResult:
        """The text, the field, what is wrong with it, and the buttons."""
        question = self.question
        with Vertical(id="box", classes="-danger" if question.danger else "") as box:
            box.border_title = plain(question.title).replace("[", r"\[")
            yield Words(question.draw, self.scene, id="text", focus=True)
            if question.field:
                field = Input(id="field", placeholder=plain(question.field), compact=True)
                field.cursor_blink = False
                yield field
                yield Words(lambda _: self._complaint(), self.scene, id="wrong")
            with Horizontal(id="buttons"):
                yield Button(f"{question.no} (n)", id="no", compact=True)
                yield Button(f"{question.yes} (y)", id="yes", compact=True)

    def on_mount(self) -> None:
        """Focus on the field, or on No."""
        self.query_one("#field" if self.question.field and not self.question.optional else "#no").focus()
        self._judge()

    def on_resize(self) -> None:
        """Say so when the text does not fit: nobody should answer what they could not read."""
        self.call_after_refresh(self._say_more)

    def _say_more(self) -> None:
        text = self.query_one("#text", Words)
        more = len(text.lines) > text.size.height
        self.query_one("#box").border_subtitle = "page down: there is more" if more else ""

    @property
    def typed(self) -> str:
        """What stands in the field."""
        return self.query_one("#field", Input).value if self.question.field else ""

    def _complaint(self) -> list[Line]:
        wrong = self.question.wrong(self.typed)
        # Where a name was typed, enter only leads to the buttons: yes takes one key more.
        ready = f"enter, then y: {self.question.yes}" if self.question.exactly else f"enter: {self.question.yes}"
        if self.question.optional:
            ready = f"up: to the words, or none; y: {self.question.yes}"
        return [((wrong, "warn"),) if wrong else ((ready, "dim"),)]

    def _judge(self) -> None:
        self.query_one("#yes", Button).disabled = bool(self.question.field and self.question.wrong(self.typed))
        if self.question.field:
            self.query_one("#wrong", Words).redraw()

    def on_input_changed(self) -> None:
        """Say at once whether the text will do."""
        self._judge()

    def on_input_submitted(self) -> None:
        """Enter in the field."""
        if self.question.wrong(self.typed):
            return
        if self.question.exactly or self.question.optional:
            self.query_one("#no").focus()
        elif self._unread():
            self.action_scroll_text(1)
        else:
            self.dismiss(self.typed.strip())

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Enter on a button."""
        if event.button.id == "yes":
            self.action_yes()
        else:
            self.action_no()

    def action_yes(self) -> None:
        """Yes, if what was typed will do, and everything was in sight: nobody answers what they did not read."""
        if self._unread():
            self.action_scroll_text(1)
        elif not self.question.wrong(self.typed) or not self.question.field:
            self.dismiss(self.typed.strip())

    def _unread(self) -> bool:
        text = self.query_one("#text", Words)
        seen = int(text.scroll_offset.y) + text.size.height
        self._read = max(self._read, seen)
        return self._read < len(text.lines)

    def action_scroll_text(self, direction: int) -> None:
        """Scroll what does not fit, wherever the focus is."""
        text = self.query_one("#text")
        text.scroll_relative(y=direction * max(text.size.height - 1, 1), animate=False)

    def action_no(self) -> None:
        """No."""
        self.dismiss(None)


class Read(ModalScreen[None]):
    """Something to read: the help, the contacts. Arrows scroll, most keys close it."""

    DEFAULT_CSS = f"Read {{ {DIALOG_CSS} }}"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,n,enter,space,question_mark", "leave", show=False)]

    def __init__(self, title: str, draw: Draw, scene: Scene) -> None:
        super().__init__()
        self.says = title
        self._draw = draw
        self.scene = scene
        self.set_class(scene.glyphs.ascii, "-ascii")

    def compose(self) -> ComposeResult:
        """The text, which scrolls."""
        with Vertical(id="box") as box:
            box.border_title = f"{self.says} (arrows scroll, q closes)"
            yield Words(self._draw, self.scene, id="text", focus=True, most=0.85)

    def on_mount(self) -> None:
        """Arrows scroll at once."""
        self.query_one("#text").focus()

    def action_leave(self) -> None:
        """Close it."""
        self.dismiss(None)
