"""A robot at the keyboard: it knows where the run stands as a command would, and acts by keys alone."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from terminal import Tmux, until

from tminus.client import Client, EngineGone
from tminus.client.messages import ItemFace, PhaseFace, View
from tminus.places import place_of

AT_LEAST = 0.5  # seconds between two keys of a person where the first moves the focus
BETWEEN = 2.0  # seconds between looks at an item that did not pass
TRIES = 60


class Eyes:
    """Where the run of CHECKLIST stands, as a command that follows it sees it."""

    def __init__(self, checklist: Path) -> None:
        self._socket = place_of(checklist).socket
        self._view: View | None = None
        self._closed = False
        self._thread = threading.Thread(target=lambda: asyncio.run(self._follow()), daemon=True)
        self._thread.start()

    def look(self) -> View:
        """The run as it is. Raises EngineGone."""
        if (view := self._view) is None:
            raise EngineGone("nobody answers")
        return view

    def close(self) -> None:
        """Look away."""
        self._closed = True
        self._thread.join(timeout=10)

    async def _follow(self) -> None:
        while not self._closed:
            try:
                async with Client(self._socket, watch=True) as client:
                    async for view in client.updates():
                        self._view = view
                        if self._closed:
                            return
            except EngineGone:
                self._view = None
                await asyncio.sleep(0.05)


class Robot:
    """Flies the run of CHECKLIST on the cockpit in SESSION, phase by phase.

    `answers` gives the value for an item that asks one. `after` is called with each item and phase that was
    settled; `recover` when the engine has gone.
    """

    def __init__(
        self,
        tmux: Tmux,
        session: str,
        checklist: Path,
        answers: Mapping[str, Callable[[], str]],
        after: Callable[[str], None],
        recover: Callable[[], None],
    ) -> None:
        self.tmux = tmux
        self.session = session
        self.passed: set[str] = set()
        self.steps: list[str] = []
        self._answers = answers
        self._after = after
        self._recover = recover
        self.eyes = Eyes(checklist)
        self._began = time.monotonic()

    def fly(self) -> View:
        """Fly to the end; the last view."""
        while not (view := self._view()).run.complete:
            phase = next(one for one in view.phases if one.id == view.standing.phase)
            try:
                self._fly_phase(phase)
            except EngineGone:
                self._tell("the engine has gone")
                self._recover()
        return view

    def seen(self) -> View | None:
        """The run as it is; None while no engine answers."""
        try:
            return self.eyes.look()
        except EngineGone:
            return None

    def screen(self) -> str:
        """What the cockpit shows."""
        return self.tmux.screen(self.session)

    def _view(self) -> View:
        while True:
            try:
                return self._look()
            except EngineGone:
                self._recover()

    def _look(self) -> View:
        view = self.eyes.look()
        self.passed |= {name for name, item in view.items.items() if item.verdict == "pass" and item.attempts}
        return view

    def _tell(self, step: str) -> None:
        self.steps.append(f"{time.monotonic() - self._began:7.1f}  {step}")

    def _fly_phase(self, phase: PhaseFace) -> None:
        self._tell(f"phase {phase.id}")
        for _ in range(TRIES):
            view = self._look()
            open_ = [face for face in phase.items if not view.items[face.id].settled]
            if not open_:
                break
            self._settle(open_[0])
        self._go(phase)
        self._after(phase.id)

    def _settle(self, face: ItemFace) -> None:
        self._focus(face.id)
        item = self._look().items[face.id]
        if item.verdict in ("fail", "error", "unknown"):
            self._tell(f"{face.id} {item.verdict}: {item.actual}")
            time.sleep(BETWEEN)
        if face.check and item.verdict not in ("pass", "warn") and item.status != "running":
            self._run(face)
        if face.check:
            until(lambda: self._look().items[face.id].status != "running", f"the check of {face.id} to end")
        item = self._look().items[face.id]
        seen = not face.check or item.verdict in ("pass", "warn") or face.marks == "human"
        if not item.settled and face.marks != "check" and seen:
            self._confirm(face, item.verdict == "warn")
        item = self._look().items[face.id]
        self._tell(f"{face.id} {item.verdict} {item.mark} {'' if item.settled else item.why_open}")
        if item.settled:
            self._after(face.id)

    def _focused(self, names: set[str]) -> str:
        """The item under the cursor: the one whose id the detail shows."""
        for line in self.screen().splitlines():
            cells = line.split("││")
            if len(cells) > 1 and (words := cells[1].split()) and words[0] in names:
                return words[0]
        return ""

    def _focus(self, item: str) -> None:
        view = self._look()
        names = {face.id for phase in view.phases for face in phase.items}
        if self._focused(names) == item:
            time.sleep(0.15)  # a key that is still on its way may move the cursor
            if self._focused(names) == item:
                return  # going there anew would begin the second again that a critical item wants to be read
        for _ in range(TRIES):
            # From the top, `n` is the first that is open in the phase the verdict is about.
            self.tmux.keys(self.session, "Home", "n")
            end = time.monotonic() + 0.5
            while time.monotonic() < end:
                if self._focused(names) == item:
                    return
                time.sleep(0.05)
            self._look()
        raise AssertionError(f"`n` never came to {item}\n{self.screen()}")

    def _dialog(self, key: str, title: str, item: str = "") -> str:
        """Press KEY until a question whose title matches TITLE is open: a critical item arms after a second."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            self._look()
            self.decide()
            if item:
                self._focus(item)
            self.tmux.keys(self.session, key)
            soon = time.monotonic() + 0.6
            while time.monotonic() < soon:
                if re.search(title, screen := self.screen()):
                    return screen
                time.sleep(0.05)
        raise AssertionError(f"no question {title!r} after {key}\n{self.screen()}")

    def _yes(self, title: str, key: str = "y") -> None:
        """Say yes by KEY: a text that is longer than its question is paged through first."""
        end = time.monotonic() + 60
        while re.search(title, self.screen()):
            assert time.monotonic() < end, f"{title!r} does not take y\n{self.screen()}"
            self._look()
            self.tmux.keys(self.session, key)
            soon = time.monotonic() + 0.6
            while time.monotonic() < soon and re.search(title, self.screen()):
                time.sleep(0.05)

    def _closed(self, title: str) -> None:
        def gone() -> bool:
            self._look()
            return not re.search(title, self.screen())

        until(gone, f"{title!r} to close")

    def _run(self, face: ItemFace) -> None:
        before = self._look().items[face.id].attempts
        if face.ask:
            self._dialog("r", "[─━] Type the value", face.id)
            self.tmux.type(self.session, self._answers[face.id]())
            self.tmux.keys(self.session, "Enter")
            self._closed("[─━] Type the value")
        elif face.effect == "change":
            self._dialog("r", "[─━] This changes", face.id)
            # Its frame may be there before its words are.
            danger = until(lambda: re.search(r"(safe|reversible|ONE-WAY): ", self.screen()), "the plan's danger")
            if danger[1] == "ONE-WAY":
                named = until(lambda: re.search(r"type (\S+) to go on", self.screen()), "the name to be asked for")
                self.tmux.type(self.session, named[1])
                until(lambda: "enter, then y" in self.screen(), "the name to be taken")
                self.tmux.keys(self.session, "Enter")
                time.sleep(AT_LEAST)  # the keys follow the focus to the buttons
            self._yes("[─━] This changes")
        else:
            self.tmux.keys(self.session, "r")
        until(lambda: self._began_or_over(face.id, before), f"the check of {face.id} to begin")

    def _began_or_over(self, item: str, before: int) -> bool:
        state = self._look().items[item]
        return state.status == "running" or state.attempts > before

    def _confirm(self, face: ItemFace, warned: bool) -> None:
        self._dialog("c", "[─━] Confirm", face.id)
        if warned:
            self.tmux.type(self.session, "as expected on a stage")
            until(lambda: "enter: Confirm" in self.screen(), "the reason to be taken")
        self._yes("[─━] Confirm", "Enter" if warned else "y")
        until(lambda: self._look().items[face.id].mark == "confirmed", f"{face.id} to be confirmed", 10)

    def _go(self, phase: PhaseFace) -> None:
        def cleared() -> bool:
            self.decide()
            return self._look().standing.go == "GO"

        until(cleared, f"GO at {phase.id}")

        def passed() -> bool:
            # The screen may be a quarter of a second behind, and ask about the phase before: the engine refuses that.
            self._read_back(phase)
            self._yes("[─━] Phase complete")
            try:
                return until(lambda: phase.id in self._look().gone, "the answer", 2)
            except AssertionError:
                return False

        until(passed, f"{phase.id} to be passed")
        self._tell(f"passed {phase.id}")

    def _read_back(self, phase: PhaseFace) -> None:
        """Press g; type the values that critical items ask for once more, until the phase is read back."""
        asked = [face for face in phase.items if face.critical and face.ask]
        title = "[─━] Read back"
        for number, face in enumerate(asked):
            if number == 0:
                self._dialog("g", title)
            until(lambda face=face: face.ask[:20] in self.screen(), "the value to be asked for")
            self.tmux.type(self.session, self._look().items[face.id].value)
            self.tmux.keys(self.session, "Enter")
        if asked:
            until(lambda: re.search("[─━] Phase complete", self.screen()), "the phase to be read back")
        else:
            self._dialog("g", "[─━] Phase complete")

    def decide(self) -> None:
        """Answer a gate that asks: go on, with a reason. The cockpit offers the question by itself."""
        if not any(gate.asks for gate in self._look().gates.values()):
            return
        self._tell("a gate asks")
        until(lambda: re.search("arrows move, enter takes", self.screen()), "the offer to decide", 10)
        self.tmux.keys(self.session, "Down", "Down", "Enter")
        until(lambda: "why (" in self.screen(), "the question why", 10)
        self.tmux.type(self.session, "seen, and it is the rehearsal's own doing")
        self.tmux.keys(self.session, "Enter")
        until(lambda: not any(gate.asks for gate in self._look().gates.values()), "the decision to be taken")
