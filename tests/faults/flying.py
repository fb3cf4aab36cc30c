"""A flight by somebody who does anything at any time, with a ledger of what they were told of each act."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from state.events import Event
from tests.engine.conftest import CHECKLIST
from tminus.client import AddNote, Client, EngineGone, MarkItem, RaiseHold, Refused, ReleaseHold, RunCheck
from tminus.client.connection import NotKnown
from tminus.client.requests import DecideGate, PassPhase, Request, ShowPlan

GATED = (
    CHECKLIST.replace('["touch", "done"]', '["sh", "-c", "echo done >> done"]')
    + """
[[gate]]
id = "memory"
text = "Memory in use"
metric = "host.memory"
mode = "consecutive"
count = 1
when = "> 0%"
interval = "1s"
min_volume = 1
arm_at = "pair"
then = "rollback"

[metrics.host]
interval = "1s"
"""
)


@dataclass
class Ledger:
    """What was asked, and what came back. Each act carries words that no other has."""

    told: dict[str, int] = field(default_factory=dict)  # words → the number of the event, as the reply said
    unknown: set[str] = field(default_factory=set)  # no answer came
    refused: dict[str, str] = field(default_factory=dict)  # words → why
    started: Counter[str] = field(default_factory=Counter)  # looks that were acknowledged, by item
    perhaps: Counter[str] = field(default_factory=Counter)  # looks that got no answer
    number: int = 0
    passed: int = 0  # pause points

    def words(self) -> str:
        """Words that no other act has."""
        self.number += 1
        return f"act number {self.number:06d}"

    def holds(self, events: Sequence[Event]) -> None:
        """Assert that EVENTS are what was acknowledged, each once, and of the rest none that was refused and none
        twice."""
        times = Counter(event.reason for event in events if event.reason.startswith("act number"))
        assert all(events[seq - 1].reason == words and times[words] == 1 for words, seq in self.told.items())
        assert all(times[words] <= 1 for words in self.unknown)
        wrong = {words: why for words, why in self.refused.items() if words in times}
        assert not wrong, wrong
        began = Counter(event.item for event in events if event.kind == "check.started")
        for item in began | self.started:
            assert self.started[item] <= began[item] <= self.started[item] + self.perhaps[item]
        passed = Counter(event.item for event in events if event.kind == "phase.go")
        self.passed = passed.total()
        assert all(count == 1 for count in passed.values())


@dataclass
class Somebody:
    """Acts as CLIENT until the engine has gone."""

    client: Client
    ledger: Ledger
    draw: random.Random

    async def fly(self) -> None:
        """One act after the other."""
        acts: list[Callable[[], object]] = [
            self.note, self.note, self.hold, self.release, self.look, self.slow, self.mark, self.change, self.waive,
            self.go, self.decide,
        ]  # fmt: skip
        try:
            while True:
                await self.draw.choice(acts)()  # type: ignore[misc]
        except EngineGone:
            return

    async def _say(self, words: str, request: Request) -> None:
        try:
            reply = await self.client.ask(request)
        except NotKnown:
            self.ledger.unknown.add(words)
            raise
        except (Refused, EngineGone) as error:
            self.ledger.refused[words] = repr(error)
            if isinstance(error, EngineGone):
                raise
        else:
            self.ledger.told[words] = reply.data["seq"]

    async def note(self) -> None:
        words = self.ledger.words()
        await self._say(words, AddNote(text=words))

    async def hold(self) -> None:
        if not self.client.view.holds and self.draw.random() < 0.3:
            words = self.ledger.words()
            await self._say(words, RaiseHold(reason=words))

    async def release(self) -> None:
        words = self.ledger.words()
        for hold in self.client.view.holds[:1]:
            await self._say(words, ReleaseHold(hold=hold.id, reason=words))

    async def mark(self) -> None:
        words = self.ledger.words()
        await self._say(words, MarkItem(item=self.draw.choice(("say", "pair")), mark="n/a", reason=words))

    async def waive(self) -> None:
        words = self.ledger.words()
        await self._say(words, MarkItem(item="change", mark="waived", reason=words))

    async def decide(self) -> None:
        words = self.ledger.words()
        await self._say(words, DecideGate(gate="memory", decision="continue", reason=words))

    async def go(self) -> None:
        try:
            await self.client.ask(PassPhase(phase="one"))
        except Refused:
            await asyncio.sleep(0)

    async def look(self) -> None:
        await self._run("look")

    async def slow(self) -> None:
        await self._run("slow")

    async def change(self) -> None:
        try:
            plan = await self.client.ask(ShowPlan(item="change"))
        except Refused:
            return
        await self._run("change", plan.data["digest"])

    async def _run(self, item: str, go: str = "") -> None:
        try:
            await self.client.ask(RunCheck(item=item, go=go))
        except NotKnown:
            self.ledger.perhaps[item] += 1
            raise
        except Refused:
            return
        self.ledger.started[item] += 1
