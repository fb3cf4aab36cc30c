"""Flying a run unattended: a client like any other, whose name in the record is never a person's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress

import msgspec

from tminus.client.connection import Client, EngineGone, Refused
from tminus.client.messages import GateView, ItemFace, ItemView, View
from tminus.client.requests import DecideGate, MarkItem, PassPhase, Plan, RunCheck, ShowPlan

ACTOR = "rehearsal"
TRIES = 4  # looks at one item before the flight gives up: an interrupted or failed look is repeated
PAUSE = 4.0  # seconds before the first repetition, twice that before the second …: what just restarted comes up
PATIENCE = 90.0  # seconds to wait for GO once every item is settled, while a gate recovers

WEIGHED = "rehearsal: noted, and nobody weighed it"  # of a warning: its confirmation needs a reason


class NoGo(Exception):
    """The flight cannot go on; the message says at which item, and why."""


class Pilot:
    """Settles every item of every phase in order, and passes each pause point on GO.

    `answers` gives the value for an item that asks one; `say` is told each step.
    """

    def __init__(self, client: Client, answers: Mapping[str, Callable[[], str]], say: Callable[[str], None]) -> None:
        self._client = client
        self._answers = answers
        self._say = say

    async def fly(self, until: str = "") -> View:
        """Fly to the end, or until the phase of the item UNTIL is passed. Returns the last view.

        Raises NoGo, or EngineGone when the engine died under us.
        """
        await self._wait(lambda view: bool(view.phases))
        while not self._client.view.run.complete and not self._passed(until):
            phase_id = self._client.view.standing.phase
            phase = next(p for p in self._client.view.phases if p.id == phase_id)
            self._say(f"— {phase.title}")
            for face in phase.items:
                await self._settle(face)
            await self._go(phase_id)
        return self._client.view

    async def roll_back(self, reason: str) -> View:
        """Wait for a gate that demands it, decide for the rollback because of REASON, and fly that to its end."""
        if not self._rolling():
            try:
                async with asyncio.timeout(PATIENCE):
                    await self._wait(lambda view: bool(_demanding(view)))
            except TimeoutError:
                raise NoGo("no gate has tripped that demands a rollback") from None
            gate = _demanding(self._client.view)[0]
            self._say(f"  TRIPPED   {gate.id}: {gate.why}")
            await self._client.ask(DecideGate(gate=gate.id, decision="roll-back", reason=reason))
            await self._wait(lambda _: self._rolling())
        return await self.fly()

    def _rolling(self) -> bool:
        view = self._client.view
        return any(phase.id == view.standing.phase and phase.branch == "rollback" for phase in view.phases)

    def _passed(self, item: str) -> bool:
        view = self._client.view
        return any(phase.id in view.gone for phase in view.phases if any(one.id == item for one in phase.items))

    def _state(self, item: str) -> ItemView:
        return self._client.view.items[item]

    async def _settle(self, face: ItemFace) -> None:
        for turn in range(TRIES):
            if self._state(face.id).settled:
                return
            if self._state(face.id).verdict in ("fail", "error", "unknown"):
                await asyncio.sleep(PAUSE * turn)
            if face.check and self._state(face.id).verdict not in ("pass", "warn"):
                await self._look(face)
            state = self._state(face.id)
            # A warning is settled by a person who has seen it; on a rehearsal's own machine there are a few.
            seen = not face.check or state.verdict in ("pass", "warn") or face.marks == "human"
            if face.marks != "check" and seen:
                await self._mark(face, "confirmed", WEIGHED if state.verdict == "warn" else "")
            await self._wait(lambda view: view.items[face.id].status != "running")
        state = self._state(face.id)
        if not state.settled:
            raise NoGo(f"{face.id} ({face.text}): {state.why_open}{'. ' + state.hint if state.hint else ''}")

    async def _look(self, face: ItemFace) -> None:
        before = self._state(face.id).attempts
        if self._state(face.id).status == "running":
            before -= 1  # somebody began it already, maybe ourselves before the engine was restarted
        else:
            go = ""
            if face.effect == "change":
                reply = await self._client.ask(ShowPlan(item=face.id))
                go = msgspec.convert(reply.data, Plan).digest
            answer = self._answers[face.id]() if face.id in self._answers else ""
            await self._client.ask(RunCheck(item=face.id, answer=answer, go=go))
        await self._wait(lambda v: v.items[face.id].status != "running" and v.items[face.id].attempts > before)
        state = self._state(face.id)
        self._say(f"  {state.verdict.upper():<9} {face.id:<26}{state.seconds:7.1f} s  {state.actual}")

    async def _mark(self, face: ItemFace, mark: str, reason: str = "") -> None:
        seen = self._state(face.id).evidence_digest
        try:
            await self._client.ask(MarkItem(item=face.id, mark=mark, evidence=seen, reason=reason))
        except Refused as refused:
            raise NoGo(f"{face.id} ({face.text}): {refused}") from refused
        await self._wait(lambda view: view.items[face.id].mark == mark)
        if not face.check or mark != "confirmed":
            self._say(f"  {mark:<9} {face.id:<26}{'':7}    {reason}".rstrip())

    async def _go(self, phase_id: str) -> None:
        """Give GO once the verdict is GO: a gate that was armed just now may still have to see its first data."""
        try:
            async with asyncio.timeout(PATIENCE):
                while phase_id not in self._client.view.gone:
                    await self._wait(lambda v: v.standing.go in ("GO", "ROLL BACK") or phase_id in v.gone)
                    if self._client.view.standing.go == "ROLL BACK" and not self._rolling():
                        break
                    with suppress(Refused):  # a gate changed its mind between the verdict and our GO
                        await self._client.ask(PassPhase(phase=phase_id, values=self._values(phase_id)))
                        await self._wait(lambda view: phase_id in view.gone)
        except TimeoutError:
            pass
        if phase_id not in self._client.view.gone:
            standing = self._client.view.standing
            why = "; ".join(f"{b.id}: {b.why}" for b in standing.blockers[:3])
            raise NoGo(f"{standing.go} at {phase_id}: {why}")

    def _values(self, phase_id: str) -> dict[str, str]:
        """What the critical items of a phase were told, read back: nobody looks again in an unattended flight."""
        view = self._client.view
        phase = next(phase for phase in view.phases if phase.id == phase_id)
        return {face.id: view.items[face.id].value for face in phase.items if face.critical and face.ask}

    async def _wait(self, until: Callable[[View], bool]) -> None:
        if until(self._client.view):
            return
        async for view in self._client.updates():
            if until(view):
                return
        raise EngineGone("the engine has gone")


def _demanding(view: View) -> list[GateView]:
    return [gate for gate in view.gates.values() if gate.state == "tripped" and gate.then == "rollback"]
