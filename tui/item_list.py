"""The checklist: phases with their progress, items with their state and marks, and the cursor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message

from state.durations import format_duration
from tminus.client.messages import ItemFace, ItemView, View
from tui.clock import age_of, short_clock
from tui.crew import challenges_of, looking_at
from tui.glyphs import PEOPLE_SIGNS, SIGNS, state_of
from tui.guide import guided
from tui.kept import kept
from tui.lines import Drawn, Line, Span, cut, pad, plain, spread
from tui.pane import Pane
from tui.rows import Row, Rows, phase_of, rows_of
from tui.scene import Scene
from tui.sign_off import open_roles
from tui.sparkline import bar

_turn = kept(guided)
STATE_CELLS = 8  # glyph, space, word
MARK_CELLS = 5


class ItemList(Pane, can_focus=True):
    """The rows of the checklist. The cursor stands on a phase or an item; enter and space fold a phase."""

    DEFAULT_CSS = """
    ItemList { height: 1fr; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "move(-1)", show=False),
        Binding("down", "move(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("home", "move(-100000)", show=False),
        Binding("end", "move(100000)", show=False),
        Binding("enter", "open", show=False),
        Binding("space", "open", show=False),
        Binding("escape", "clear", show=False),
    ]

    class Moved(Message):
        """The cursor stands somewhere else."""

    class Opened(Message):
        """Enter or space on an item: its detail is wanted."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.key = ""
        self.words = ""
        self.folds: dict[str, bool] = {}
        self.rows = Rows()
        self._rows_of: tuple[object, ...] = ()

    @property
    def item(self) -> str:
        """The item under the cursor; empty on a phase."""
        row = self.rows.at(self.key)
        return self.key if row is not None and row.kind == "item" else ""

    def draw(self, scene: Scene, width: int) -> Sequence[Line]:
        """One line a row."""
        self._lay_out(scene.view)
        rows, here = self.rows.rows, self.rows.place.get(self.key)
        return Drawn(len(rows), lambda y: row_line(rows[y], scene, width, at=y == here))

    def _lay_out(self, view: View) -> None:
        """The rows anew, when anything has changed that they depend on."""
        marks = (view.standing.phase, view.gone, tuple(self.folds.items()), self.words)
        if self._rows_of[1:] != marks or self._rows_of[0] is not view.phases:
            self.rows = Rows(tuple(rows_of(view, self.folds, self.words)))
            self._rows_of = (view.phases, *marks)

    def go_to(self, key: str) -> None:
        """Put the cursor on the item or phase KEY, unfolding and unfiltering whatever hides it."""
        self._lay_out(self.scene.view)
        if self.rows.at(key) is None:
            self.words = ""
            if phase := phase_of(self.scene.view, key):
                self.folds[phase.id] = False
        self.key = key
        self.redraw()
        self.follow_cursor()
        self.post_message(self.Moved())

    def search(self, words: str) -> None:
        """Show only what matches WORDS; the cursor goes to the first match if its row is hidden."""
        self.words = words
        self.redraw()
        if self.rows.at(self.key) is None:
            self.key = next((row.key for row in self.rows.rows if row.kind == "item"), self.key)
            self.redraw()
        self.follow_cursor()
        self.post_message(self.Moved())

    def follow_cursor(self) -> None:
        """Scroll so that the cursor is in sight, with a line of its surroundings."""
        place = self.rows.place.get(self.key)
        height = self.size.height
        if place is None or not height:
            return
        top = int(self.scroll_y)
        margin = 2 if height > 8 else 0
        if place - margin < top:
            top = max(place - margin, 0)
        elif place + margin >= top + height:
            top = place + margin - height + 1
        self.scroll_to(y=min(top, max(len(self.rows.rows) - height, 0)), animate=False, force=True)

    def on_resize(self) -> None:
        """Keep the cursor in sight."""
        super().on_resize()
        self.follow_cursor()

    def action_move(self, step: int) -> None:
        """Move the cursor by STEP rows that take it."""
        if key := self.rows.beside(self.key, step):
            self.go_to(key)

    def action_page(self, direction: int) -> None:
        """Move the cursor by a page."""
        self.action_move(direction * max(self.size.height - 3, 1))

    def action_clear(self) -> None:
        """Show all again."""
        if self.words:
            self.search("")

    def action_open(self) -> None:
        """Fold or unfold the phase; ask for the item's detail."""
        row = self.rows.at(self.key)
        if row is None:
            return
        if row.kind == "phase":
            self.folds[row.key] = not row.folded
            self.redraw()
            self.follow_cursor()
        else:
            self.post_message(self.Opened())


def row_line(row: Row, scene: Scene, width: int, *, at: bool) -> Line:
    """ROW as a line of WIDTH cells; AT: the cursor stands on it."""
    pointer: Span = (scene.glyphs.cursor if at else " ", "cursor key" if at else "key")
    match row.kind:
        case "phase":
            return (pointer, *_phase(row, scene, width - 1))
        case "item" if row.face is not None:
            return (pointer, *_item(row.face, scene, width - 1, at=at))
        case "line":
            return _no_return(scene, width)
        case _:
            return (("   ", ""), (cut(plain(row.text), width - 3, scene.glyphs.ellipsis), "dim"))


def _phase(row: Row, scene: Scene, width: int) -> Line:
    phase = row.phase
    if phase is None:
        return ()
    current = phase.id == scene.view.standing.phase
    done = scene.settled.get(phase.id, 0)
    total = len(phase.items)
    fold = scene.glyphs.shut if row.folded else scene.glyphs.unfolded
    style = "key" if current else "head"
    passed = phase.id in scene.view.gone
    tail: list[Span] = []
    if row.folded and (asked := sum(len(challenges_of(scene, face.id)) for face in phase.items)):
        sign = PEOPLE_SIGNS["challenge"]
        tail.append((f"{scene.glyphs.mark(sign)} {asked} ", sign.style))
    tail += [(f"{plain(phase.at)}  " if phase.at else "", "dim")]
    if passed:
        tail.append(("PASSED ", "good"))
    elif current:
        tail.append(("NOW ", "block-info"))
        tail.append((" ", ""))
    tail += [*bar(done / total if total else 0.0, 8, scene.glyphs, "good" if done == total else "info")]
    tail.append((f" {done:>2}/{total:<2}", "" if total else "dim"))
    mode = f"  {phase.mode}" if width >= 56 else ""
    branch = "ROLLBACK: " if phase.branch == "rollback" else ""
    head: list[Span] = [(f"{fold} {branch}{plain(phase.title)}", style), (mode, "dim")]
    return spread(head, tail, width, scene.glyphs.ellipsis)


def _item(face: ItemFace, scene: Scene, width: int, *, at: bool) -> Line:
    item = scene.state(face.id)
    sign = SIGNS[state_of(face, item)]
    quiet = "dim" if item.settled or face.out_of_scope else "strong" if at else ""
    state = pad(f"{scene.glyphs.mark(sign)} {sign.word}", STATE_CELLS)
    critical = ("!", "warn strong") if face.critical and not item.settled else (" ", "")
    tail: tuple[Span, ...] = (
        *_between(face, scene),
        (_time(face, item, scene), "info" if item.status == "running" else "dim"),
        (" ", ""),
    )
    tail += marks_of(face, item)
    # Whose turn it is in a phase that is done in order.
    turn = (scene.glyphs.arrow, "key") if face.id == _turn(scene.view) else (" ", "")
    return spread([turn, (state, sign.style), critical, (plain(face.text), quiet)], tail, width,
                  scene.glyphs.ellipsis)  # fmt: skip


def _between(face: ItemFace, scene: Scene) -> tuple[Span, ...]:
    """That somebody challenged the item, and who else looks at it."""
    spans: tuple[Span, ...] = ()
    if challenges_of(scene, face.id):
        sign = PEOPLE_SIGNS["challenge"]
        spans += ((f"{scene.glyphs.mark(sign)} {sign.word} ", sign.style),)
    if here := looking_at(scene, face.id):
        sign, more = PEOPLE_SIGNS["looks"], f"+{len(here) - 1}" if len(here) > 1 else ""
        spans += ((f"{scene.glyphs.mark(sign)}{initials(here[0].name)}{more} ", sign.style),)
    return spans


def _time(face: ItemFace, item: ItemView, scene: Scene) -> str:
    if item.status == "running":
        return f"{short_clock(age_of(item.started_at, scene.now) or 0.0):>6}"
    return f"{format_duration(face.expect) if face.expect and not item.settled else '':>6}"


def marks_of(face: ItemFace, item: ItemView) -> tuple[Span, ...]:
    """The marks column: initials of who confirmed, `__` for each mark that is missing, `auto` if none is asked; where
    several roles sign, how many did."""
    if face.marks == "check":
        return (("auto ", "dim"),)
    if len(face.signed_by) > 1 and item.mark in ("open", "confirmed"):
        signed = len(face.signed_by) - len(open_roles(face, item))
        told = f"{signed}/{len(face.signed_by)}".ljust(MARK_CELLS)
        return ((told, "good" if signed == len(face.signed_by) else "dim"),)
    given = [initials(said.actor) for said in item.said] if item.mark in ("open", "confirmed") else []
    wanted = 2 if face.pair else 1
    if item.mark not in ("open", "confirmed"):
        return (((initials(item.said[-1].actor) if item.said else "  ").ljust(MARK_CELLS), "override"),)
    slots: list[Span] = [(name, "good") for name in given[:2]]
    slots += [("__", "dim" if not item.settled else "rule")] * (wanted - len(slots))
    spans: list[Span] = []
    for slot in slots:
        spans += [(" ", "")] * bool(spans) + [slot]
    spans.append((" " * (MARK_CELLS - sum(len(text) for text, _ in spans)), ""))
    return tuple(spans)


def initials(name: str) -> str:
    """Two letters of a name: `anna lee` is AL, `bo` is BO."""
    words = [word for word in plain(name).replace("-", " ").replace(".", " ").replace("_", " ").split() if word]
    if not words:
        return "??"
    return (words[0][0] + words[1][0] if len(words) > 1 else words[0][:2].ljust(2, "_")).upper()


def _no_return(scene: Scene, width: int) -> Line:
    text = " POINT OF NO RETURN: from here the way back is a rollback "
    text = text if len(text) + 8 <= width else " POINT OF NO RETURN "
    side = max((width - len(text) - 2) // 2, 1)
    heavy = scene.glyphs.heavy
    return (("  ", ""), (heavy * (side - 1), "bad"), (text, "bad strong"), (heavy * side, "bad"))
