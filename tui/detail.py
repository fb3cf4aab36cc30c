"""Challenge and response for what is under the cursor: an item with its evidence and marks, or a phase."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message

from tminus.client.messages import ItemFace, ItemView
from tui.clock import age_of, ago, local_time
from tui.crew_lines import challenge_lines
from tui.evidence import asked, attempts, proof, stacked
from tui.guide import ways
from tui.lines import Line, Span, plain, wrap, wrapped
from tui.pane import Pane
from tui.phase_detail import phase_lines
from tui.scene import Scene
from tui.sign_off import signature_lines


class Detail(Pane, can_focus=True):
    """The focused item or phase, whole. Scrolls with the arrows once it has the focus (tab)."""

    DEFAULT_CSS = """
    Detail { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "scroll_up", show=False),
        Binding("down", "scroll_down", show=False),
        Binding("pageup", "page_up", show=False),
        Binding("pagedown", "page_down", show=False),
    ]

    def draw(self, scene: Scene, width: int) -> Sequence[Line]:
        """See `detail_lines`."""
        return detail_lines(scene, width)

    class Resized(Message):
        """There is more room for it, or less."""

    def on_resize(self) -> None:
        """What is below what is in sight is another count now."""
        super().on_resize()
        self.post_message(self.Resized())

    @property
    def more(self) -> int:
        """How many lines are below what is in sight."""
        return max(len(self.lines) - int(self.scroll_y) - self.size.height, 0)


def detail_lines(scene: Scene, width: int) -> list[Line]:
    """What is under the cursor of SCENE at WIDTH. Of an item: challenge, response, evidence, what was tried before,
    marks, and what stands in its way. An open challenge comes before all of it."""
    face = scene.face
    if face is None:
        return phase_lines(scene, width)
    item = scene.item
    return stacked(
        [
            challenge_lines(scene, face.id, width),
            *asked(face, item, scene, width),
            _stands(item, scene, width),  # before the proof, which may be long: it is what a person looks for
            *proof(face, item, scene, width),
            _marks(face, item, scene, width),
            attempts(item, scene, width),
        ]
    )


def _stands(item: ItemView, scene: Scene, width: int) -> list[Line]:
    """Why it is not done, and by which key to go on."""
    if item.settled and not item.blocked:
        return [(("SETTLED", "good strong"), (" nothing more is needed", "dim"))]
    if item.blocked:
        lines: list[Line] = [
            (("BLOCKED", "warn strong"),),
            *wrapped(item.blocked, width - 1, "warn strong", indent=1),
        ]
    elif item.why_open:
        lines = [(("STILL OPEN", "dim"),), *wrapped(item.why_open, width - 1, "warn", indent=1)]
    else:
        return []
    for action, what in ways(scene):
        lines += way_lines(scene.key(action), what, width)
    return lines


def way_lines(key: str, what: str, width: int) -> list[Line]:
    """A way on: the KEY, and WHAT it does."""
    head: Span = (f"  {key} ", "key")
    indent = len(head[0])
    first, *rest = wrap(plain(what), width - indent)
    return [(head, (first, "")), *(((" " * indent, ""), (line, "")) for line in rest)]


def _marks(face: ItemFace, item: ItemView, scene: Scene, width: int) -> list[Line]:
    if face.marks == "check":
        return [(("MARKS  ", "dim"), ("settled by its check alone", ""))]
    if face.signed_by:
        lines: list[Line] = [(("SIGNED", "dim"), ("  by every role, in their own names", "dim"))]
        return [*lines, *signature_lines(face, item, scene), *_words(face, item, width)]
    wanted = "two people confirm" if face.pair else "one person confirms"
    lines = [(("MARKS  ", "dim"), (wanted, "dim"))]
    word = "confirmed" if item.mark == "open" else item.mark
    for said in item.said:
        style = "good" if word == "confirmed" else "override" if word != "failed" else "bad"
        when = f" {local_time(said.utc)}, {ago(age_of(said.utc, scene.now))}"
        lines.append(((f" {plain(said.actor)}", "strong"), (f" {word}", style), (when, "dim")))
    if not item.said and item.mark != "open":
        lines.append(((f" {item.mark}", "override"),))
    return [*lines, *_missing(face, item), *_words(face, item, width)]


def _words(face: ItemFace, item: ItemView, width: int) -> list[Line]:
    """What was said with the mark, and what the item asks for."""
    lines: list[Line] = []
    if item.reason:
        lines += wrapped(f"because: {item.reason}", width - 1, "override", indent=1)
    if item.until:
        lines += wrapped(f"until: {item.until}", width - 1, "override", indent=1)
    if item.value:
        lines += wrapped(f"value: {item.value}", width - 1, indent=1)
    if face.ask:
        lines += wrapped(f"asks: {face.ask}", width - 1, "dim", indent=1)
    return lines


def _missing(face: ItemFace, item: ItemView) -> list[Line]:
    """A line for each mark that is still to be given."""
    if item.settled or item.mark not in ("open", "confirmed"):
        return []
    lines: list[Line] = []
    if not item.said:
        lines.append(((" __ ", "dim"), ("nobody yet", "dim")))
    if face.pair and len(item.said) < 2:
        other = f"a second person, not {plain(item.said[0].actor)}" if item.said else "and a second person"
        lines.append(((" __ ", "dim"), (other, "dim")))
    return lines
