"""What the engine notices by itself, once a second: its files in other hands, another checklist, another time."""

from __future__ import annotations

import asyncio
import logging

from state.events import Actor
from tminus.engine import acts
from tminus.engine.drifting import DefinitionFile
from tminus.engine.heartbeat import Heartbeat
from tminus.engine.session import NotRecorded, Session

EVERY = 1.0  # seconds

log = logging.getLogger("tminus.engine")


class Vigil:
    """Looks, says what it found as trouble, and writes it down.

    A file in other hands is a hold: somebody has to compare. A clock that was set and a time of standing still are
    notes: they explain the times around them, and what they make stale or unknown is so by itself.
    """

    def __init__(self, session: Session, actor: Actor, definition: DefinitionFile, heartbeat: Heartbeat) -> None:
        self._session = session
        self._actor = actor
        self._definition = definition
        self._heartbeat = heartbeat
        self._holds: list[str] = []
        self._notes: list[str] = []

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(EVERY)
            try:
                await self.look()
            except Exception:  # what goes wrong with looking must not end it
                log.exception("the engine could not look after itself")

    async def look(self) -> None:
        """Look once."""
        self._notes += self._heartbeat.beat()
        self._holds += await self._session.look_after_files()
        self._session.trouble(await asyncio.to_thread(self._definition.look), of="checklist")
        if self._holds or self._notes:
            self._session.trouble("; ".join((*self._holds, *self._notes)), of="vigil")
        try:
            while self._notes:
                await self._session.act(
                    lambda run, _: acts.note(self._session.checklist, run, self._actor, "", self._notes[0])
                )
                del self._notes[0]
            while self._holds:
                reason = f"{self._holds[0]}. Compare, then release"
                await self._session.act(lambda run, _, why=reason: acts.raise_hold(run, self._actor, why))  # type: ignore[misc]
                del self._holds[0]
        except (NotRecorded, acts.Refusal):
            return  # the disk refuses, which is said already, and it is tried again; or the run is closed
        self._session.trouble("", of="vigil")
