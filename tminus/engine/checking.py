"""Running the checks of a run: what is going on, what it prints, and the outcome that goes into the record."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from checks import contract
from checks.registry import Registry
from checks.runner import Call, plan_check, run_check
from metrics.live import Live
from metrics.samples import clock
from state.definition import Item
from state.events import Actor, Event
from state.redact import Redactor
from state.replaying import outcome_data
from state.run import RunState
from state.targets import Targets
from state.verdicts import Outcome
from tminus.client.messages import ProgressView
from tminus.client.requests import Plan, RunCheck
from tminus.client.view import OUTPUT_LINES
from tminus.engine import acts
from tminus.engine.acts import Refusal
from tminus.engine.heartbeat import Heartbeat
from tminus.engine.pause_acts import cross
from tminus.engine.session import NotRecorded, Session
from tminus.engine.views import evidence

RETRY = 1.0  # seconds between two tries to write an outcome that the disk refused
LINES_AT_ONCE = 0.25  # seconds of output that go out together

log = logging.getLogger("tminus.engine")


class Checking:
    """Starts checks, one at a time an item, and sees to it that each ends in the record."""

    def __init__(
        self,
        session: Session,
        registry: Registry,
        targets: Targets,
        redact: Redactor,
        project: Path,
        artefacts: Path,
        live: Live,
        heartbeat: Heartbeat,
    ) -> None:
        self._heartbeat = heartbeat
        self._session = session
        self._registry = registry
        self._targets = targets
        self._redact = redact
        self._project = project
        self._artefacts = artefacts
        self._live = live
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._cancels: dict[str, asyncio.Event] = {}

    @property
    def running(self) -> tuple[str, ...]:
        """The items whose checks are at work."""
        return tuple(self._tasks)

    async def plan(self, item_id: str) -> Plan:
        """What the check of an item would do. Raises Refusal when it changes nothing, or cannot say."""
        item = self._item(item_id)
        # Part of the digest: a go is for one time, and not for what somebody else ran meanwhile once more.
        attempts = str(self._session.run.item(item.id).attempts)
        said = await plan_check(self._registry, self._call(item, answer=None))
        if isinstance(said, Outcome):
            raise Refusal(f"{said.actual}. {said.hint}".strip())
        digest = hashlib.sha256(
            "\n".join((item.id, attempts, *said.lines, said.danger, said.target)).encode()
        ).hexdigest()
        return Plan(lines=said.lines, danger=said.danger, target=said.target, digest=digest[:16])

    async def start(self, actor: Actor, request: RunCheck) -> Event:
        """Begin the check of an item; it goes on when this returns. At the point of no return it first calls a second
        person instead. Returns the event that tells which.

        Raises Refusal when it may not run: a change only after its plan was shown and answered with a go.
        """
        item = self._item(request.item)
        plan: Plan | None = None
        attempts = self._session.run.item(item.id).attempts
        if self._registry.effect_of(item.check) == "change":
            plan = await self.plan(item.id)
            if not request.go:
                raise Refusal(f"{item.check} changes something: look at its plan, then say go")
            if request.go != plan.digest:
                raise Refusal("the plan is not the one you saw: look again, then say go")

        def started(run: RunState, now: datetime) -> Event:
            if plan is not None and run.item(item.id).attempts != attempts and run.item(item.id).status != "running":
                raise Refusal("somebody else ran it just now: look again, then say go")
            return self._started(actor, item, request.answer, plan, run, now)

        event = await self._session.act(started)
        if event.kind != "check.started":
            return event  # a second person was called: nothing runs yet
        self._cancels[item.id] = asyncio.Event()
        self._tasks[item.id] = asyncio.create_task(self._look(actor, item, request.answer or None, bool(plan)))
        return event

    def cancel(self, item_id: str) -> None:
        """Ask a running check to end. Raises Refusal when it is not running."""
        if item_id not in self._cancels:
            raise Refusal(f"{item_id!r} is not running")
        self._cancels[item_id].set()

    async def end(self) -> None:
        """Cancel what is running and wait for it to be recorded."""
        for cancel in self._cancels.values():
            cancel.set()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    def _started(
        self, actor: Actor, item: Item, answer: str, plan: Plan | None, run: RunState, now: datetime
    ) -> Event:
        acts.require_driver(run, actor)
        if run.item(item.id).status == "running":
            raise Refusal("it is running already")
        if item.out_of_scope:
            raise Refusal(f"left out of this run: {item.out_of_scope}")
        data: dict[str, Any] = {"answer": answer} if answer else {}
        if plan is not None:
            # Looking may run ahead; changing waits for its turn.
            if blocked := acts.why_blocked(self._session.checklist, run, item, now):
                raise Refusal(blocked)
            if (call := cross(run, actor, item, plan.digest)) is not None:
                return call
            data |= {"plan": list(plan.lines), "danger": plan.danger, "target": plan.target}
            if run.crew.call is not None and run.crew.call.id == item.id:
                data["agreed_by"] = run.crew.call.agreed_by
        if acts.begins_round(item, run.item(item.id), now):
            data["round"] = len(run.item(item.id).rounds) + 2
        return acts.event("check.started", actor, item=item.id, data=data)

    async def _look(self, actor: Actor, item: Item, answer: str | None, go: bool) -> None:
        began, began_at = time.monotonic(), clock()
        output = _Lines(lambda lines: self._session.show_output(item.id, lines))

        def on_progress(progress: contract.Progress) -> None:
            shown = ProgressView(done=progress.done, total=progress.total, unit=progress.unit, what=progress.what)
            self._session.show_progress(item.id, shown)

        call = dataclasses.replace(
            self._call(item, answer), go=go, cancel=self._cancels[item.id], on_log=output, on_progress=on_progress
        )
        try:
            outcome = await run_check(self._registry, call)
        except Exception as error:  # the runner promises an outcome; should it break its word, that is an error too
            log.exception("the runner failed on %s", item.id)
            outcome = Outcome.error(f"the runner failed: {type(error).__name__}")
        output.flush()
        if seen := self._heartbeat.seen_no_later_than(began_at):
            # The answer waited while the engine stood still: it is as old as the moment before.
            outcome = msgspec.structs.replace(outcome, observed_at=min(outcome.observed_at, seen))
        seconds = time.monotonic() - began
        del self._cancels[item.id]
        # The check looked, not the person who sent it: no name of theirs stands beside a verdict.
        looker = Actor(name=item.check, uid=actor.uid, origin="check")

        def finished(run: RunState, now: datetime) -> Event:
            data = outcome_data(outcome, seconds)
            return acts.event("check.finished", looker, item=item.id, to=str(outcome.verdict), data=data)

        try:
            while True:
                try:
                    await self._session.act(finished)
                    break
                except NotRecorded:
                    await asyncio.sleep(RETRY)  # the item stays running until its outcome is on disk
                except ValueError as error:  # an outcome that a record cannot hold says nothing
                    log.error("the outcome of %s cannot be recorded: %s", item.id, error)
                    outcome = Outcome.error(f"its outcome cannot be recorded: {error}")
        finally:
            del self._tasks[item.id]

    def _item(self, item_id: str) -> Item:
        item = acts.find(self._session.checklist, item_id)
        if not item.check:
            raise Refusal("this item has no check: do it, then confirm it")
        return item

    def _call(self, item: Item, answer: str | None) -> Call:
        now = datetime.now(UTC)
        return Call(
            item=item,
            project=self._project,
            artefacts=self._artefacts,
            targets=self._targets,
            redact=self._redact,
            answer=answer,
            evidence=evidence(self._session.checklist, self._session.run, now),
            transfer=msgspec.to_builtins(self._session.checklist.transfer),
            live=self._live,
        )


def shown_of(lines: Sequence[str], left_out: int = 0) -> tuple[str, ...]:
    """What is sent of LINES, before which LEFT_OUT more were printed: no more than a screen keeps, and how many are
    missing.

    >>> shown_of([str(n) for n in range(600)])[:2]
    ('… 101 lines not shown', '101')
    """
    left_out += max(len(lines) - OUTPUT_LINES, 0)
    if not left_out:
        return tuple(lines)
    kept = tuple(lines[-(OUTPUT_LINES - 1) :])
    left_out += min(len(lines), OUTPUT_LINES) - len(kept)
    return (f"… {left_out:,} lines not shown", *kept)


class _Lines:
    """Gathers output so that a check which prints thousands of lines a second sends four messages a second, and in
    each no more lines than a screen keeps."""

    def __init__(self, send: Callable[[tuple[str, ...]], None]) -> None:
        self._send = send
        self._lines: deque[str] = deque(maxlen=OUTPUT_LINES)
        self._count = 0
        self._timer: asyncio.TimerHandle | None = None

    def __call__(self, line: str) -> None:
        self._lines.append(line)
        self._count += 1
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(LINES_AT_ONCE, self.flush)

    def flush(self) -> None:
        """Send what is there."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._lines:
            shown = shown_of(tuple(self._lines), self._count - len(self._lines))
            self._lines.clear()
            self._count = 0
            self._send(shown)
