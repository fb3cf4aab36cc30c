"""The session: one run, held by one process. It turns acts into events, writes them, and then tells everybody."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from state.definition import Checklist
from state.events import Event, plain
from state.record_file import RecordFile
from state.redact import Redactor
from state.run import RunState
from state.settled import GateLight
from tminus.client.messages import GateView, MetricView, ProgressView, RunInfo, Update, View
from tminus.client.people import Presence
from tminus.client.view import merge
from tminus.engine.disk import remedy
from tminus.engine.views import EffectOf, LooksOf, changes, is_complete, phase_faces, role_views, run_sections

log = logging.getLogger("tminus.engine")

Listener = Callable[[Update], None]

SHOW_PEOPLE_AFTER = 0.1  # seconds
SAVE_EVERY = 1.0  # seconds between two foldings of the log into the TOML file, at the least


class NotRecorded(Exception):
    """The disk refused an event: it did not happen, and nobody was shown that it did."""


class Session:
    """The state of a run and the only way to change it.

    All disk work happens in one thread of its own, in order, so that a slow disk delays acts but never the
    metrics or the screens. Listeners are told of an event only after it is on disk.
    """

    def __init__(
        self,
        checklist: Checklist,
        record: RecordFile,
        redact: Redactor,
        effect_of: EffectOf,
        looks_of: LooksOf = lambda _: (),
    ) -> None:
        self.checklist = checklist
        self.redact = redact
        self.lights: dict[str, GateLight] = {}
        self.listeners: list[Listener] = []
        self._after: list[Callable[[Event], None]] = []
        self._record = record
        self._disk = ThreadPoolExecutor(max_workers=1, thread_name_prefix="record")
        self._lock = asyncio.Lock()
        self._dirty = asyncio.Event()
        self._people: tuple[Presence, ...] = ()
        self._showing: asyncio.TimerHandle | None = None
        self.gone_since: Callable[[int], str] = lambda _: ""  # of a uid: when it was last heard of; set by who knows
        self._troubles: dict[str, str] = {}
        self.view = View(phases=phase_faces(checklist, effect_of, looks_of), roles=role_views(checklist))
        self.refresh()

    @property
    def run(self) -> RunState:
        """What the record says now."""
        return self._record.state

    @property
    def record_path(self) -> Path:
        """Where the record is."""
        return self._record.path

    async def act(self, make: Callable[[RunState, datetime], Event]) -> Event:
        """Write the event that MAKE makes of the run as it is now, then tell everybody.

        Raises what MAKE raises (a Refusal), and NotRecorded when the disk refuses. Acts never overlap: what one
        was allowed to do is still allowed when it is written.
        """
        # Shielded: a client that hangs up in the middle does not tear an event from what follows from it.
        return await asyncio.shield(asyncio.ensure_future(self._act(make)))

    async def _act(self, make: Callable[[RunState, datetime], Event]) -> Event:
        async with self._lock:
            event = make(self.run, datetime.now(UTC))
            # Cleaned first: a control character in the middle of a secret would hide it from the redactor.
            event = plain(event)
            event = msgspec.structs.replace(
                event,
                reason=self.redact(event.reason),
                actor=self.redact(event.actor),
                data=_table(self.redact.tree(event.data)),
            )
            try:
                event = await asyncio.get_running_loop().run_in_executor(self._disk, self._record.append, event)
            except OSError as error:
                self.trouble(f"not recorded: {remedy(error, self.record_path)}")
                raise NotRecorded(f"not recorded, so it did not happen: {remedy(error, self.record_path)}") from error
        self.trouble("")
        self._dirty.set()
        self.refresh()
        for hook in self._after:
            try:
                hook(event)
            except Exception:  # it has happened and is told so, whatever goes wrong with what follows from it
                log.exception("what follows from event %d failed", event.seq)
        return event

    def after_event(self, hook: Callable[[Event], None]) -> None:
        """Call HOOK with every event that was written."""
        self._after.append(hook)

    def trouble(self, text: str, of: str = "record") -> None:
        """Say what is wrong with a part of the tool itself; empty when nothing is."""
        if text != self._troubles.get(of, ""):
            self._troubles[of] = text
            self.refresh()

    def present(self, people: Iterable[Presence]) -> None:
        """Say who has a screen open, and where they look. Shown a moment later: a cursor that runs down a list, or a
        client that does nothing but look, costs no more than one that stands still."""
        self._people = tuple(people)
        if self._showing is None:
            self._showing = asyncio.get_running_loop().call_later(SHOW_PEOPLE_AFTER, self._show_people)

    def _show_people(self) -> None:
        self._showing = None
        self.refresh()

    def refresh(self) -> None:
        """Show what follows from the record and the clock: called after each event and once a second."""
        now = datetime.now(UTC)
        gone = self.gone_since(self.run.driver_uid) if self.run.driver else ""
        sections = run_sections(self.checklist, self.run, self.lights, now, gone)
        self.publish(changes(self.view, msgspec.structs.replace(sections, run=self._info(now))))

    def show_metrics(self, metrics: dict[str, MetricView]) -> None:
        """Show the newest values."""
        self.publish(Update(metrics=metrics))

    def show_gates(self, gates: dict[str, GateView], lights: dict[str, GateLight]) -> None:
        """Show the gates, and let them count toward the verdict."""
        self.lights = lights
        self.publish(changes(self.view, Update(gates=gates)))
        self.refresh()

    def show_output(self, item: str, lines: tuple[str, ...]) -> None:
        """Show lines that a running check printed."""
        self.publish(Update(output={item: lines}))

    def show_progress(self, item: str, progress: ProgressView) -> None:
        """Show how far a running check is."""
        self.publish(Update(progress={item: progress}))

    def publish(self, update: Update) -> None:
        """Merge UPDATE into the view and pass it on, unless it says nothing."""
        if update == _NOTHING:
            return
        self.view = merge(self.view, update)
        for listener in self.listeners:
            listener(update)

    async def keep(self) -> None:
        """Fold the log into the record as it grows, and let time pass for what grows stale. Runs until cancelled."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._dirty.wait(), timeout=1.0)
            if self._dirty.is_set():
                self._dirty.clear()
                await self.save()
                await asyncio.sleep(SAVE_EVERY)
            self.refresh()

    async def save(self) -> None:
        """Bring the TOML file up to date. A failure is shown; the log beside it still holds every event."""
        try:
            await asyncio.get_running_loop().run_in_executor(self._disk, self._record.checkpoint)
        except OSError as error:
            self.trouble(f"nothing is lost, but the record is behind: {remedy(error, self.record_path)}", of="saving")
            self._dirty.set()
        else:
            self.trouble("", of="saving")

    async def look_after_files(self) -> tuple[str, ...]:
        """Bring the record up to date where somebody else changed it; what they did, in words."""
        if not self._record.is_behind:  # what is behind is saved in its turn, and looked at then
            await self.save()
        return self._record.found()

    async def close(self) -> None:
        """Save the record and let go of it. Raises OSError when it could not be saved; the log then stays."""
        try:
            async with self._lock:
                await asyncio.get_running_loop().run_in_executor(self._disk, self._record.close)
        finally:
            self._disk.shutdown(wait=False)

    def _info(self, now: datetime) -> RunInfo:
        meta = self.run.meta
        return RunInfo(
            id=str(meta.get("id", "")),
            title=self.checklist.title,
            record=self.record_path.name,
            rehearsal=bool(meta.get("rehearsal", False)),
            t0=str(meta.get("t0", "")),
            started=str(meta.get("started", "")),
            driver=self.run.driver,
            driver_uid=self.run.driver_uid,
            people=self._people,
            closed=self.run.closed,
            trouble="; ".join(text for text in self._troubles.values() if text),
            complete=is_complete(self.checklist, self.run, now),
        )


_NOTHING = Update()


def _table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
