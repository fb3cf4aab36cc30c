"""What each action that changes nothing but the screen does: it moves about, opens something to read, or leaves.

Those that ask the engine for something are deeds (`tui.deeds`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from tui import wording
from tui.dialogs import Choice, Pick, Question, Read
from tui.lines import Line
from tui.plot_screen import PlotScreen
from tui.rows import next_open

if TYPE_CHECKING:
    from tui.app import Cockpit

Move = Callable[["Cockpit"], object]


def go_next(app: Cockpit) -> None:
    """To the next item that is not settled."""
    if name := next_open(app.bridge.scene.view, app.bridge.scene.focus):
        app.bridge.list.go_to(name)


def blockers(app: Cockpit) -> None:
    """What stands against GO; the one that is taken is jumped to."""

    def jump(key: str | None) -> None:
        kind, _, name = (key or "").partition(":")
        if kind in ("item", "phase"):
            app.bridge.list.go_to(name)
        elif kind == "gate":
            app.bridge.turn_to("metrics")

    app.push_screen(Pick(Choice("What stands against GO", wording.blockers(app.scene)), app.scene), jump)


def contacts(app: Cockpit) -> None:
    """Who to call."""
    scene = app.scene
    app.push_screen(Read("Contacts", lambda width: wording.contacts(scene, width), scene))


def show_help(app: Cockpit) -> None:
    """The keys and what everything means."""
    scene = app.scene
    app.push_screen(Read("Help", lambda width: wording.help_page(app.actions, scene, width), scene))


def filter_items(app: Cockpit) -> None:
    """Ask for words, and show only the items that match."""

    async def ask() -> None:
        question = Question("Filter", _filter_lines, yes="Show", field="words")
        words = await app.ask(question)
        if words is not None:
            app.bridge.list.search(words)

    app.run_worker(ask(), group="deeds", exit_on_error=False)


def _filter_lines(_: int) -> list[Line]:
    return [(("words in the id, text or check; empty shows all", "dim"),)]


def plot(app: Cockpit) -> None:
    """One metric over the whole screen."""
    keys = {action.id: action for action in app.actions}

    def decide(wanted: bool | None) -> None:
        if wanted:
            app.press("decide")

    app.push_screen(PlotScreen(lambda: app.bridge.scene, lambda: app.client, keys), decide)


def palette(app: Cockpit) -> None:
    """Everything by name."""
    app.action_command_palette()


def leave(app: Cockpit) -> None:
    """Close the screen; the run goes on."""
    if app.bridge.scene.view.replay is not None:
        app.exit(0)
    else:
        app.exit(0, message="The screen is closed; the run goes on. Open it again with: tminus run")


MOVES: Mapping[str, Move] = {
    "next": go_next,
    "blockers": blockers,
    "contacts": contacts,
    "help": show_help,
    "filter": filter_items,
    "plot": plot,
    "palette": palette,
    "quit": leave,
}
