"""The one table of actions. Bindings, footer, help, palette, docs/keys.md and remapping all come from it.

An action is pressed, refused with a reason, or done: `why_not` answers from the scene alone, so that a greyed
key and the notification that explains it can never disagree.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from tui import crew_reasons, reasons
from tui.scene import Scene

Predicate = Callable[[Scene], str]


@dataclass(frozen=True)
class Action:
    """One thing a person can do.

    `scope` is where it acts (item, run, screen, or replay: in none but one), `danger` what it can do to the world
    or the record (none, record, world), `twin` the command that does the same without a screen, `why_not` the
    reason why it cannot be done now (empty: it can).
    """

    id: str
    key: str
    label: str
    description: str
    scope: str
    danger: str = "none"
    twin: str = ""
    why_not: Predicate = reasons.never
    more_keys: tuple[str, ...] = ()

    @property
    def shown_key(self) -> str:
        """The key as a person reads it."""
        return KEY_FACES.get(self.key, self.key)


KEY_FACES = {
    "question_mark": "?", "colon": ":", "slash": "/", "space": "space", "enter": "enter", "plus": "+", "minus": "-",
    "left_square_bracket": "[", "right_square_bracket": "]", "left_curly_bracket": "{", "right_curly_bracket": "}",
    "dollar_sign": "$",
}  # fmt: skip
_KEY_NAMES = {face: name for name, face in KEY_FACES.items()}

ACTIONS: tuple[Action, ...] = (
    Action("run", "r", "run check", "Look at the real system; a change shows its plan first and asks", "item",
           "world", "tminus do ITEM", reasons.run),
    Action("confirm", "c", "confirm", "Confirm the item with its evidence on the screen", "item",
           "record", "tminus confirm ITEM", reasons.confirm),
    Action("fail", "f", "fail", "Mark the item failed, with a reason", "item",
           "record", "tminus fail ITEM --reason TEXT", reasons.fail),
    Action("skip", "s", "skip", "Leave the item out, with a reason; a critical one may not be", "item",
           "record", "tminus skip ITEM --reason TEXT", reasons.skip),
    Action("waive", "w", "waive", "Accept the item as it is, with a reason and perhaps an end", "item",
           "record", "tminus waive ITEM --reason TEXT", reasons.waive),
    Action("na", "x", "n/a", "Say that the item does not apply, with a reason", "item",
           "record", "tminus na ITEM --reason TEXT", reasons.not_applicable),
    Action("undo", "u", "undo", "Open the item again; the record keeps both marks", "item",
           "record", "tminus undo ITEM", reasons.undo),
    Action("cancel", "k", "cancel check", "Stop the check that is running", "item",
           "world", "tminus cancel ITEM", reasons.cancel),
    Action("next", "n", "next open", "Go to the next item that is not settled", "screen",
           twin="tminus status", why_not=reasons.next_open),
    Action("blockers", "b", "blockers", "Everything that stands against GO; enter jumps there", "run",
           twin="tminus status", why_not=reasons.blockers),
    Action("go", "g", "go", "Pass the pause point of this phase", "run",
           "record", "tminus go PHASE", reasons.go),
    Action("hold", "h", "hold", "Stop the run, with a reason; anybody may", "run",
           "record", "tminus hold REASON", reasons.connected),
    Action("release", "l", "release", "Let the run go on after a hold", "run",
           "record", "tminus release", reasons.release),
    Action("decide", "o", "decide gate", "Answer a tripped gate: roll back, continue because, extend", "run",
           "record", "tminus decide GATE DECISION --reason TEXT", reasons.decide),
    Action("drive", "d", "drive", "Take control where nobody has it or the driver is gone, else ask for it",
           "people", "record", "tminus drive --ask", crew_reasons.drive),
    Action("note", "t", "note", "Write words into the record, about the item or the run", "run",
           "record", "tminus note TEXT", reasons.connected),
    Action("contacts", "p", "contacts", "Who to call, by role", "run", twin="tminus status"),
    Action("hand-over", "D", "hand over", "Hand control to who asked for it, or to another who is here", "people",
           "record", "tminus hand-over", crew_reasons.hand_over),
    Action("keep", "K", "keep control", "Keep control, with a word to who asked for it", "people",
           "record", "tminus refuse --reason TEXT", crew_reasons.keep),
    Action("let-go", "L", "let go", "Drive no longer: nobody does until somebody takes control", "people",
           "record", "tminus drive --release", crew_reasons.let_go),
    Action("challenge", "C", "challenge", "Pin a question to the item or the run, to be answered; anybody may",
           "people", "record", "tminus challenge ITEM TEXT", reasons.connected),
    Action("answer", "R", "answer", "Answer a challenge, or take your own back", "people",
           "record", "tminus answer ID TEXT", crew_reasons.answer),
    Action("agree", "A", "agree", "Agree, as the second person, to cross the point of no return", "people",
           "record", "tminus agree ITEM", crew_reasons.agree),
    Action("correct", "T", "correct", "Write words about an earlier event, which stays as it is", "people",
           "record", "tminus correct SEQ TEXT", reasons.connected),
    Action("people", "P", "people", "Who is here, from where, as what, and where they look", "people",
           twin="tminus status"),
    Action("commit", "G", "commit record", "Commit the record, and nothing else, to the project's repository", "run",
           "record", "tminus record commit", reasons.driver),
    Action("filter", "slash", "filter", "Show only the items whose words match; empty shows all", "screen"),
    Action("items", "1", "items", "The checklist", "screen"),
    Action("detail", "2", "detail", "The challenge and its response", "screen"),
    Action("metrics", "3", "metrics", "Live metrics and gates", "screen", twin="tminus status"),
    Action("copy", "e", "copy", "Copy what the detail shows to your clipboard, and to a file", "screen",
           twin="tminus status --json", why_not=reasons.copy),
    Action("capture", "v", "save screen", "Save the screen as a picture (SVG) and as text", "screen"),
    Action("plot", "m", "plot", "A metric over the whole screen: its course, its gates, what happened", "screen",
           twin="tminus replay RECORD --print", why_not=reasons.plot),
    Action("palette", "colon", "commands", "Every action, item, phase and metric by name", "screen",
           more_keys=("ctrl+p",)),
    Action("help", "question_mark", "help", "Keys, states and what they mean", "screen", twin="tminus --help"),
    Action("quit", "q", "quit screen", "Close this screen; the run goes on without it", "screen"),
    Action("play", "space", "play/pause", "Let the replay go on, or stand still", "replay",
           twin="tminus replay RECORD", why_not=reasons.replaying),
    Action("faster", "plus", "faster", "Replay faster, up to 1000 seconds in one", "replay",
           twin="tminus replay RECORD --speed N", why_not=reasons.replaying),
    Action("slower", "minus", "slower", "Replay slower, down to the pace of the run", "replay",
           twin="tminus replay RECORD --speed N", why_not=reasons.replaying),
    Action("event-back", "left_square_bracket", "event back", "Go back to the event before", "replay",
           twin="tminus replay RECORD --at N", why_not=reasons.replaying),
    Action("event-next", "right_square_bracket", "next event", "Go on to the next event", "replay",
           twin="tminus replay RECORD --at N", why_not=reasons.replaying),
    Action("big-back", "left_curly_bracket", "big back",
           "Go back to a pause point, a trip, a hold or a failure", "replay",
           twin="tminus replay RECORD --print", why_not=reasons.replaying),
    Action("big-next", "right_curly_bracket", "next big",
           "Go on to the next pause point, trip, hold or failure", "replay",
           twin="tminus replay RECORD --print", why_not=reasons.replaying),
    Action("begin", "0", "begin", "Go to the beginning of the run", "replay",
           twin="tminus replay RECORD --at 1", why_not=reasons.replaying),
    Action("end", "dollar_sign", "end", "Go to the end of the run", "replay",
           twin="tminus replay RECORD --print", why_not=reasons.replaying),
)  # fmt: skip

BY_ID: Mapping[str, Action] = {action.id: action for action in ACTIONS}
READ_ONLY_MAY = frozenset(
    ("hold", "release", "note", "confirm", "go", "drive", "challenge", "answer", "agree", "correct")
)
"""What a screen that only watches may do, as a second person does: of confirm, go, release and answer only that part,
as their own reasons say."""


def why_not(action: Action, scene: Scene) -> str:
    """Why ACTION cannot be done in SCENE; empty when it can.

    A read-only screen does what a second person may, and what only changes the screen itself.
    """
    if scene.view.replay is not None and action.danger != "none":
        return "this is a replay: nothing can be done to a run of the past"
    if scene.read_only and action.danger != "none" and action.id not in READ_ONLY_MAY:
        more = "drives from here" if scene.drives else "asks for control"
        return f"this screen only watches: you may hold, challenge, co-sign; {scene.key('drive')} {more}"
    return action.why_not(scene)


class KeysClash(ValueError):
    """Keys that cannot be: an unknown action, one key for two actions, or a key a terminal may not deliver."""


def remapped(keys: Mapping[str, str]) -> tuple[Action, ...]:
    """The table with KEYS (action id → key) in place of the defaults. Raises KeysClash, naming every mistake."""
    wrong = [f"no action {name!r}: one of {', '.join(BY_ID)}" for name in keys if name not in BY_ID]
    wrong += [f"keys.{name}: {_refused(key)}" for name, key in keys.items() if not _may(key)]
    table = tuple(
        replace(action, key=_KEY_NAMES.get(keys[action.id], keys[action.id])) if action.id in keys else action
        for action in ACTIONS
    )
    taken: dict[str, str] = {}
    for action in table:
        if action.key in taken:
            wrong.append(
                f"the key {action.shown_key!r} is given to {taken[action.key]} and to {action.id}: "
                "give one of them another under keys"
            )
        taken[action.key] = action.id
    if wrong:
        raise KeysClash("; ".join(wrong))
    return table


_OF_THE_PANES = frozenset(
    ("space", "enter", "tab", "escape", "up", "down", "left", "right", "pageup", "pagedown", "home", "end")
)


def _refused(key: object) -> str:
    if isinstance(key, str) and key.lower() in _OF_THE_PANES:
        return f"{key!r} is used by the panes: take a letter, a digit or f1 to f12"
    if isinstance(key, str) and key.lower().startswith(("ctrl+", "alt+", "shift+", "cmd+")):
        return f"{key!r} does not come through every terminal: take a letter, a digit or f1 to f12"
    return f"{key!r} is not a letter, a digit or F1 to F12"


def _may(key: object) -> bool:
    if not isinstance(key, str):
        return False
    if len(key) == 1:
        return key.isascii() and (key.isalnum() or key in _KEY_NAMES)
    return key in {f"f{n}" for n in range(1, 13)}
