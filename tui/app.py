"""The cockpit as a Textual application: it joins the screen, the engine's voice, and the person's hands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from textual.app import App
from textual.command import Provider
from textual.screen import Screen
from textual.theme import BUILTIN_THEMES, Theme
from textual.timer import Timer

from tminus.client import Client, EngineGone, Play, Refused
from tui import theme
from tui.actions import BY_ID, remapped, why_not
from tui.bridge import Bridge
from tui.choosing import Choice, Pick
from tui.crew import notices, told
from tui.deeds import DEEDS
from tui.dialogs import Ask, Question
from tui.glyphs import ASCII, UNICODE
from tui.leaving import Leaving
from tui.lines import plain
from tui.link import Lost, Told, follow
from tui.looking import Looking
from tui.moves import MOVES
from tui.palette import Commands
from tui.replay import screen_time
from tui.scene import TABS, Scene
from tui.settings import Settings

REST = 0.15  # seconds without another resize

BECAME = {
    "call.made": "A second person is called: the others see it now",
    "lease.asked": "Asked: they hand it over, or keep it",
}
"""What became of a request that is not yet what was asked for, by the event that was written."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Cockpit(App[int]):
    """A screen on a run. It keeps no truth of its own: what it shows is what the engine said last."""

    TITLE = "tminus"
    CSS_PATH = "bridge.tcss"
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {Commands}
    ENABLE_COMMAND_PALETTE = True
    CSS = """
    Toast { width: auto; max-width: 90%; }
    CommandPalette > Vertical { width: 90%; max-width: 100; }
    """

    def __init__(
        self,
        socket: Path,
        *,
        name: str,
        read_only: bool = False,
        settings: Settings | None = None,
        look: theme.Look | None = None,
        now: Callable[[], datetime] = _utc_now,
        farewell: str = "",
    ) -> None:
        self.look = look or theme.Look("tminus-dark", False, False)
        super().__init__(ansi_color=True if self.look.ansi else None)
        for shade in house_themes():
            self.register_theme(shade)
        self.theme = self.look.theme
        self.settings = settings or Settings()
        self.actions = remapped(self.settings.keys)
        self.socket = socket
        self.farewell = farewell or "The screen is closed; the run goes on. Open it again with: tminus run"
        self.now = now
        self.client: Client | None = None
        keys = tuple((action.id, action.shown_key) for action in self.actions)
        glyphs = ASCII if self.look.ascii else UNICODE
        scene = Scene(now=now(), me=name, read_only=read_only, glyphs=glyphs, keys=keys)
        self.bridge = Bridge(scene, self.actions)
        self._asking = asyncio.Lock()
        self._leaving = Leaving()
        self._repaint: Timer | None = None
        self._rung: frozenset[str] = frozenset()
        self._offered: frozenset[str] = frozenset()
        self._asked: frozenset[str] = frozenset()  # what somebody waits for, as it was when it last rang
        self._looking = Looking(self, self._listening, lambda: self.bridge.scene.focus)
        for action in (one for one in self.actions if one.scope != "replay"):  # the bridge takes a replay's keys
            for key in (action.key, *action.more_keys):
                self.bind(key, f"press('{action.id}')", description=action.label, show=False)

    def get_default_screen(self) -> Screen[Any]:
        """The bridge is the only screen that stays."""
        return self.bridge

    @property
    def scene(self) -> Scene:
        """The scene as it is now."""
        return self.bridge.look()

    async def on_mount(self) -> None:
        """Follow the engine, tick, and leave the terminal clean whoever ends us."""
        self._leaving.begin(asyncio.get_running_loop(), lambda: self.exit(0))
        self.run_worker(self._follow(), group="link", exit_on_error=False)
        self.set_interval(1.0, self._tick)

    def on_unmount(self) -> None:
        """The screen is closed in good order."""
        self._leaving.end()

    async def _follow(self) -> None:
        kind = "watcher" if self.bridge.scene.read_only else "cockpit"
        await follow(self.socket, self.bridge.scene.me, kind, self.post_message)

    def on_resize(self) -> None:
        """Paint all of the screen once the sizes have come to rest.

        A terminal that was smaller for a moment has lost its text, though its size may be what it was; and what was
        on its way to the terminal while it changed was laid out for another size. Textual repaints for neither.
        """
        if self._repaint is not None:
            self._repaint.stop()
        self._repaint = self.set_timer(REST, self._paint_all)

    def _paint_all(self) -> None:
        if self.screen_stack:  # none when we are about to end
            self.screen.refresh()

    def on_told(self, message: Told) -> None:
        """A new state of the run."""
        self.client = message.client
        welcome = message.client.welcome
        who = {"me": welcome.name, "uid": welcome.uid} if welcome else {}
        now = screen_time(message.view, self.now())
        before = self.bridge.scene
        self.bridge.update(view=message.view, now=now, connected=True, lost_at=None, lost_why="", **who)
        self._attend_gates()
        self._attend_people(before)
        if not before.connected:
            self._looking.moved()

    def on_lost(self, message: Lost) -> None:
        """The engine has gone: say so, and since when."""
        self.client = None
        since = self.bridge.scene.lost_at or self.now()
        self.bridge.update(
            connected=False, lost_at=since, lost_why=message.why, lost_what=message.what, now=self.now()
        )

    def _tick(self) -> None:
        self.bridge.tick(screen_time(self.bridge.scene.view, self.now()))
        self._attend_gates()

    def _attend_gates(self) -> None:
        """Ring for a gate that trips or loses sight, open the rollback phase for one that demands it, and offer the
        decision once, when no other question is open."""
        asking = self.bridge.scene.undecided
        names = frozenset(gate.id for gate in asking)
        if names - self._rung and self.settings.bell and self.bridge.scene.view.replay is None:
            self.bell()
        self._rung = names
        fresh = names - self._offered
        self._offered &= names
        if fresh and self.screen is self.bridge and not self._asking.locked() and not self._why_not("decide"):
            self._offered |= fresh
            if any(gate.id in fresh and gate.state == "tripped" and gate.then == "rollback" for gate in asking):
                self._open_rollback()
            self.press("decide")

    def _attend_people(self, before: Scene) -> None:
        """Ring when somebody asks this person for something, and say what became of the lease since BEFORE."""
        scene = self.bridge.scene
        news = told(before, scene)
        for text, _ in news:
            self.say(text)
        asked = frozenset(one.key for one in notices(scene) if one.rings)
        if (asked - self._asked or any(rings for _, rings in news)) and self.settings.bell:
            self.bell()
        if scene.connected:
            self._asked = asked

    def on_item_list_moved(self) -> None:
        """The cursor stands somewhere else: the others may know, once it has come to rest."""
        if self.bridge.scene.view.replay is None:
            self._looking.moved()

    def _open_rollback(self) -> None:
        phases = self.bridge.scene.view.phases
        items = [item.id for phase in phases if phase.branch == "rollback" for item in phase.items]
        if items:
            self.bridge.list.go_to(items[0])

    # --- actions -------------------------------------------------------------------------------------------

    def _why_not(self, name: str) -> str:
        return why_not(BY_ID[name], self.scene)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """None greys the key of an action that cannot be done now."""
        if action == "press" and parameters and str(parameters[0]) in BY_ID:
            return None if self._why_not(str(parameters[0])) else True
        return True

    def action_press(self, name: str) -> None:
        """A key of the table."""
        self.press(name)

    def press(self, name: str) -> None:
        """Do the action NAME, or say why not."""
        if why := self._why_not(name):
            self.say(f"{BY_ID[name].label}: {why}", "warning")
        elif name in DEEDS:
            if name == "decide":  # it is asked now, whoever began it: once is enough
                self._offered |= {gate.id for gate in self.bridge.scene.undecided}
            self.run_worker(self._deed(name), group="deeds", exit_on_error=False)
        elif name in TABS:
            self.bridge.turn_to(name)
        elif BY_ID[name].scope == "replay":
            self.run_worker(self._play(name), group="replay", exit_on_error=False)
        else:
            MOVES[name](self)

    async def _deed(self, name: str) -> None:
        """Ask the person, then the engine. One question at a time: none may slip over another."""
        if self._asking.locked():
            self.say("one thing at a time: a question is open, or the engine is still answering", "warning")
            return
        try:
            async with self._asking:
                request = await DEEDS[name](self)
            if request is None:
                return
            if self.client is None:
                raise EngineGone("the engine has gone: nothing was recorded")
            reply = await self.client.ask(request)
            if words := self._became(reply.data):
                self.say(words)
        except (Refused, EngineGone) as error:
            self.say(f"{BY_ID[name].label}: {error}", "error")
        except Exception as error:  # a deed must never take the cockpit down with it
            self.say(f"{BY_ID[name].label} went wrong: {type(error).__name__}: {error}", "error")

    def _became(self, data: dict[str, Any]) -> str:
        """What became of a request, where the screen does not show it anyway."""
        match data.get("kind"):
            case "phase.go":
                return f"GO is recorded. {self.scene.key('commit')} commits the record to git"
            case "record.committed":
                done = "committed" if data.get("new") else "committed already"
                return f"{done}: {str(data.get('sha', ''))[:12]} {data.get('subject', '')}"
            case kind:
                return BECAME.get(str(kind), "")

    def on_bridge_played(self, message: Bridge.Played) -> None:
        """A key of the replay."""
        self.press(message.move)

    async def _play(self, move: str) -> None:
        """Move the replay; it answers with the picture there."""
        try:
            if self.client is not None:
                await self.client.ask(Play(do=move))
        except (Refused, EngineGone) as error:
            self.say(f"{BY_ID[move].label}: {error}", "error")

    async def ask(self, question: Question) -> str | None:
        """Ask the person; None is no."""
        return await self.push_screen_wait(Ask(question, self.scene))

    async def pick(self, choice: Choice) -> str:
        """Let the person choose; empty is none."""
        return await self.push_screen_wait(Pick(choice, self.scene))

    def drive_here(self) -> None:
        """This screen only watched: from now on it drives."""
        self.bridge.update(read_only=False)

    def _listening(self) -> Client | None:
        """Who is to know where this person looks: nobody, in a replay."""
        return self.client if self.bridge.scene.view.replay is None else None

    def notify(self, message: str, **more: Any) -> None:
        """Show a toast, unless the same words are in sight already: a key that is held must not bury the screen."""
        if not any(one.message == message for one in self._notifications):
            super().notify(message, **more)

    def say(self, text: str, severity: Any = "information") -> None:
        """Tell the person something, for a while."""
        self.notify("\n".join(plain(line) for line in text.splitlines()), severity=severity, markup=False, timeout=8)


def house_themes() -> list[Theme]:
    """Our dark and light theme, and the 16-colour ones with the names that our style sheets use."""
    ours = [
        Theme(name="tminus-dark", dark=True, variables=theme.DARK_VARIABLES, **theme.DARK),  # type: ignore[arg-type]
        Theme(name="tminus-light", dark=False, variables=theme.LIGHT_VARIABLES, **theme.LIGHT),  # type: ignore[arg-type]
    ]
    for name in ("ansi-dark", "ansi-light"):
        stock = BUILTIN_THEMES[name]
        ours.append(replace(stock, variables={**stock.variables, **theme.ANSI_VARIABLES}))
    return ours
