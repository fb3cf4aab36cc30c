"""What each action that changes nothing but the screen does: it moves about, opens something to read, or leaves.

Those that ask the engine for something are deeds (`tui.deeds`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tui import clipboard, crew_lines, wording
from tui.capture import svg_of
from tui.capture import text_of as screen_text
from tui.choosing import Choice, Pick
from tui.detail import detail_lines
from tui.dialogs import Question, Read
from tui.guide import next_stop
from tui.help_page import help_page
from tui.lines import Line, plain
from tui.lines import text_of as line_text
from tui.plot_screen import PlotScreen
from tui.scene import Scene
from tui.shelf import aside, home_short, put, shelf

if TYPE_CHECKING:
    from tui.app import Cockpit

Move = Callable[["Cockpit"], object]


def go_next(app: Cockpit) -> None:
    """To the next item that is not settled; in a read-do phase to the one whose turn it is."""
    if name := next_stop(app.bridge.scene.view, app.bridge.scene.focus):
        app.bridge.list.go_to(name)


def blockers(app: Cockpit) -> None:
    """What stands against GO; the one that is taken is jumped to."""

    def jump(key: str | None) -> None:
        kind, _, name = (key or "").partition(":")
        if kind in ("item", "phase") or name in app.scene.faces:
            app.bridge.list.go_to(name)
        elif kind == "challenge":  # one of the run
            app.press("answer")
        elif kind == "gate":
            app.bridge.turn_to("metrics")

    app.push_screen(Pick(Choice("What stands against GO", wording.blockers(app.scene)), app.scene), jump)


def people(app: Cockpit) -> None:
    """Who is here, and where they look."""
    scene = app.scene
    app.push_screen(Read("People", lambda width: crew_lines.people_lines(scene, width), scene))


def contacts(app: Cockpit) -> None:
    """Who to call."""
    scene = app.scene
    app.push_screen(Read("Contacts", lambda width: wording.contacts(scene, width), scene))


def show_help(app: Cockpit) -> None:
    """The keys and what everything means."""
    scene = app.scene
    pane = str(app.bridge.focused.id) if app.bridge.focused else "list"
    app.push_screen(Read("Help", lambda width: help_page(app.actions, scene, width, pane), scene))


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


def plot(app: Cockpit, metric: str = "") -> None:
    """One metric over the whole screen: METRIC, or the worst."""
    keys = {action.id: action for action in app.actions}

    def decide(wanted: bool | None) -> None:
        if wanted:
            app.press("decide")

    app.push_screen(PlotScreen(lambda: app.bridge.scene, lambda: app.client, keys, metric), decide)


def palette(app: Cockpit) -> None:
    """Everything by name."""
    app.action_command_palette()


def copy_detail(app: Cockpit) -> None:
    """What the detail shows, to the clipboard and to a file."""
    scene = app.scene
    run, at = scene.view.run, f"{scene.now:%Y-%m-%d %H:%M:%S} UTC"
    lines = [f"{plain(run.title)}, {plain(run.record)}, {at}", "", *map(line_text, detail_lines(scene, COPY_WIDTH))]
    text = "\n".join(line.rstrip() for line in lines) + "\n"

    async def work() -> None:
        way = await clipboard.copy(text, os.environ, app.copy_to_clipboard)
        await _kept(app, f"copied {way}", {f"{_stamp(scene)}-{scene.focus or scene.phase_focus}.txt": text}, "copies")

    app.run_worker(work(), group="shelf", exit_on_error=False)


def save_screen(app: Cockpit) -> None:
    """The screen as a picture and as text."""
    name = f"{_stamp(app.scene)}-{app.scene.focus or app.scene.phase_focus}"
    files = {f"{name}.svg": svg_of(app, app.scene.view.run.title), f"{name}.txt": screen_text(app) + "\n"}
    app.run_worker(_kept(app, "saved", files, "screens"), group="shelf", exit_on_error=False)


def _stamp(scene: Scene) -> str:
    return f"{scene.now:%Y%m%dT%H%M%SZ}"


async def _kept(app: Cockpit, done: str, files: Mapping[str, str], folder: str) -> None:
    """Write FILES to the person's shelf and say where they are; a disk that refuses is said, and harms nothing."""

    def write() -> list[Path]:
        return [put(shelf() / folder, name, text) for name, text in files.items()]

    try:
        paths = await aside(write)
    except OSError as error:
        app.say(f"{done}; not written to a file: {error.strerror or error}", "warning")
        return
    app.say("\n".join([done, *(home_short(path) for path in paths)]))


COPY_WIDTH = 100


def leave(app: Cockpit) -> None:
    """Close the screen; the run goes on."""
    if app.bridge.scene.view.replay is not None:
        app.exit(0)
    else:
        app.exit(0, message=app.farewell)


MOVES: Mapping[str, Move] = {
    "next": go_next,
    "blockers": blockers,
    "contacts": contacts,
    "people": people,
    "help": show_help,
    "filter": filter_items,
    "plot": plot,
    "palette": palette,
    "copy": copy_detail,
    "capture": save_screen,
    "quit": leave,
}
