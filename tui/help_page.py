"""Help by context: the first minute, what can be done here and now, then every key and what each sign means. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tui.actions import Action, why_not
from tui.glyphs import SIGN_TABLES, Sign
from tui.lines import Line, pad, plain, wrapped
from tui.replay import offered
from tui.scene import Scene

HERE: Mapping[str, tuple[str, str]] = {
    "list": ("the checklist", "arrows, page up and down move; enter opens an item or folds a phase; tab: next pane"),
    "detail": ("challenge and response", "arrows and page up and down scroll; tab: next pane"),
    "output": ("the output of a check", "it follows the end until you scroll up; end follows again; tab: next pane"),
    "live": ("live metrics and gates", "arrows and page up and down scroll; tab: next pane"),
}  # fmt: skip
"""Pane → its name, and the keys that are its own."""

FIRST = (
    ("run", "look at the real system: run the check of the item under the cursor"),
    ("confirm", "say yes to what you see, with your name"),
    ("next", "go to the next open item"),
    ("blockers", "see why this is not GO, and jump there"),
    ("go", "pass the pause point at the end of a phase"),
    ("quit", "leave; the run goes on without this screen"),
)
"""What somebody needs in their first minute."""

SCOPES = (
    ("item", "THE ITEM UNDER THE CURSOR"),
    ("run", "THE RUN"),
    ("people", "BETWEEN PEOPLE"),
    ("screen", "THE SCREEN"),
    ("replay", "THE REPLAY"),
)


def help_page(actions: Sequence[Action], scene: Scene, width: int, pane: str = "list") -> list[Line]:
    """The help as it is now: PANE has the keys, SCENE says what can be done."""
    there = offered(actions, scene)
    lines: list[Line] = []
    if scene.view.replay is None:
        lines += [(("IN THE FIRST MINUTE", "head"),)]
        for name, what in FIRST:
            lines += _row(scene.key(name), "", what, width, 9)
        lines.append(())
    title, keys = HERE.get(pane, HERE["list"])
    lines += [((f"HERE: {title.upper()}", "head"),), *wrapped(keys, width, indent=2), ()]
    for scope, title in SCOPES:
        own = [action for action in there if action.scope == scope]
        if own:
            about = f": {plain(scene.face.text)}" if scope == "item" and scene.face else ""
            lines += [*wrapped(title + about, width, "head"), *_actions(own, scene, width), ()]
    for title, signs in SIGN_TABLES.items():
        lines += [((title.upper(), "head"),), *(_sign_line(sign, scene) for sign in signs.values()), ()]
    told = "__ a mark that is missing, AL one that was given, auto: its check settles it; ! critical"
    told += f"; {scene.glyphs.arrow} the item whose turn it is"
    return [*lines, (("MARKS", "head"),), *wrapped(told, width, "dim", indent=2)]


def _actions(actions: Sequence[Action], scene: Scene, width: int) -> list[Line]:
    """A block of keys: those that can be pressed now first, the others with the reason."""
    wide = max(len(action.label) for action in actions)
    lines: list[Line] = []
    for action in sorted(actions, key=lambda one: bool(why_not(one, scene))):
        why = why_not(action, scene)
        lines += _row(action.shown_key, action.label, action.description, width, wide + 9, off=bool(why))
        if why:
            lines += wrapped(f"not now: {why}", width, "warn", indent=wide + 9)
        if action.twin:
            lines += wrapped(action.twin, width, "info", indent=wide + 9)
    return lines


def _row(key: str, label: str, what: str, width: int, indent: int, *, off: bool = False) -> list[Line]:
    told = wrapped(what, width, "dim" if label else "", indent=indent)
    head = ((f" {key:>5} ", "off" if off else "key"), (pad(label, indent - 7), "off" if off else ""))
    return [(*head, *told[0][1:]), *told[1:]]


def _sign_line(sign: Sign, scene: Scene) -> Line:
    return (("  ", ""), (pad(f"{scene.glyphs.mark(sign)} {sign.word}", 12), sign.style), (sign.meaning, "dim"))
