"""docs/keys.md from the action table. `python -m tui.keysdoc > docs/keys.md`; a test keeps the two alike."""

from __future__ import annotations

import sys

from tui.actions import ACTIONS
from tui.glyphs import SIGN_TABLES, Sign

_DANGER = {"none": "", "record": "writes the record", "world": "acts on the system"}


def keys_page() -> str:
    """The page."""
    out = [
        "# Keys",
        "",
        "Generated from the action table in `tui/actions.py`. Nothing needs Ctrl, and nothing is only on Esc, which",
        "is slow inside tmux. A key that cannot be pressed now stays in sight, greyed; pressing it says why.",
        "Arrows, page up and down, home and end move; enter and space fold a phase or open an item; tab changes the",
        'pane. Remap keys by action id in the settings: `[keys]`, `run = "F5"`.'.replace("F5", "f5"),
        "",
        "| key | id | what it does | where | danger | on the command line |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for action in ACTIONS:
        keys = ", ".join(f"`{key}`" for key in (action.shown_key, *action.more_keys))
        twin = f"`{action.twin}`" if action.twin else ""
        row = (keys, f"`{action.id}`", action.description, action.scope, _DANGER[action.danger], twin)
        out.append(f"| {' | '.join(row)} |")
    for title, signs in SIGN_TABLES.items():
        out += ["", f"## {title}", "", "| sign | in ASCII | meaning |", "| --- | --- | --- |"]
        out += [_row(sign) for sign in signs.values()]
    return "\n".join(out) + "\n"


def _row(sign: Sign) -> str:
    return f"| `{sign.glyph} {sign.word}` | `{sign.ascii} {sign.word}` | {sign.meaning} |"


if __name__ == "__main__":
    sys.stdout.write(keys_page())
