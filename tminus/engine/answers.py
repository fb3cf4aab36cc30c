"""What the engine does for each request: the rules say whether, the session writes it down."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

from metrics.history import history_path
from state.events import Actor, Event
from state.record_file import read_record
from state.run import RunState
from state.settled import unsigned_roles
from tminus.client.requests import (
    AddNote,
    Agree,
    AnswerChallenge,
    AskLease,
    CancelCheck,
    CommitRecord,
    Correct,
    DecideGate,
    GrantLease,
    Hello,
    MarkItem,
    PassPhase,
    RaiseChallenge,
    RaiseHold,
    ReadCourse,
    RefuseLease,
    ReleaseHold,
    ReleaseLease,
    Request,
    RunCheck,
    ShowPlan,
    SignOff,
    StopEngine,
    TakeLease,
)
from tminus.committing import Committed, NotCommitted, commit_record
from tminus.engine import acts, crew_acts, pause_acts
from tminus.engine.acts import Refusal
from tminus.engine.attendance import Attendance
from tminus.engine.checking import Checking
from tminus.engine.courses import CourseDesk
from tminus.engine.session import Session

Made = Callable[[RunState, datetime], Event]


class Answers:
    """Answers requests. Whoever acts first while nobody drives becomes the driver, and the record says so."""

    def __init__(
        self, session: Session, checking: Checking, attendance: Attendance, stop: Callable[[], None]
    ) -> None:
        self._session = session
        self._checking = checking
        self._attendance = attendance
        self._committing: asyncio.Task[None] | None = None
        self._stop = stop
        path, last = session.record_path, session.run.last
        changes = {item.id for phase in session.view.phases for item in phase.items if item.effect == "change"}
        self._courses = CourseDesk(
            history_path(path), lambda: read_record(path)[1], last.seq if last is not None else 0, changes
        )
        session.after_event(self._courses.heard)

    async def __call__(self, actor: Actor, request: Request) -> dict[str, Any]:
        """The data of the reply. Raises Refusal or NotRecorded."""
        match request:
            case RunCheck():
                await self._drive(actor)
                return _told(await self._checking.start(actor, request))
            case ShowPlan():
                return msgspec.to_builtins(await self._checking.plan(request.item))  # type: ignore[no-any-return]
            case ReadCourse():
                now, newest = datetime.now(UTC), self._session.view.metrics.values()
                return msgspec.to_builtins(await self._courses.answer(request, now, list(newest)))  # type: ignore[no-any-return]
            case CancelCheck():
                acts.require_driver(self._session.run, actor)
                self._checking.cancel(request.item)
            case CommitRecord():
                acts.require_driver(self._session.run, actor)
                return {"kind": "record.committed", **msgspec.to_builtins(await self._committed())}
            case StopEngine():
                await self._end(actor, close=request.close)
            case Hello():
                raise Refusal("one hello is enough")
            case _:
                if isinstance(request, MarkItem | PassPhase | DecideGate):
                    await self._drive(actor)
                made = self._among_people(actor, request) or self._made(actor, request)
                written = await self._session.act(made)
                if isinstance(request, SignOff) and self._is_to_be_committed(request.item):
                    self._committing = asyncio.create_task(self._commit_signed())
                return _told(written)
        return {}

    def _made(self, actor: Actor, request: Request) -> Made:
        checklist, lights = self._session.checklist, self._session.lights
        match request:
            case MarkItem():
                return lambda run, now: acts.mark(checklist, run, actor, request, now)
            case PassPhase():
                return lambda run, now: pause_acts.pass_phase(checklist, run, actor, request, lights, now)
            case SignOff():
                return lambda run, now: pause_acts.sign(checklist, run, actor, request, now)
            case Agree():
                return lambda run, _: pause_acts.agree(run, actor, request)
            case RaiseHold():
                return lambda run, _: acts.raise_hold(run, actor, request.reason)
            case ReleaseHold():
                return lambda run, _: acts.release_hold(run, actor, request.hold, request.reason)
            case DecideGate():
                return lambda run, _: acts.decide_gate(run, actor, request)
            case AddNote():
                return lambda run, _: acts.note(checklist, run, actor, request.item, request.text)
            case _:
                raise Refusal("the engine does not know that request")

    def _among_people(self, actor: Actor, request: Request) -> Made | None:
        checklist, crew = self._session.checklist, self._session.run.crew
        match request:
            case TakeLease():
                gone = self._attendance.gone_for(crew.driver_uid)
                return lambda run, now: crew_acts.take_lease(checklist, run, actor, gone, now)
            case AskLease():
                return lambda run, _: crew_acts.ask_lease(run, actor, request.reason)
            case GrantLease():
                people = self._session.view.run.people
                return lambda run, _: crew_acts.grant_lease(run, actor, request, people)
            case RefuseLease():
                return lambda run, _: crew_acts.refuse_lease(run, actor, request)
            case ReleaseLease():
                return lambda run, _: crew_acts.release_lease(run, actor)
            case RaiseChallenge():
                return lambda run, _: crew_acts.raise_challenge(checklist, run, actor, request)
            case AnswerChallenge():
                return lambda run, _: crew_acts.answer_challenge(run, actor, request)
            case Correct():
                return lambda run, _: crew_acts.correct(run, actor, request)
        return None

    async def _committed(self) -> Committed:
        """Commit the record as it is now. Raises Refusal with what mends it."""
        await self._session.save()
        try:
            # In a thread: hooks and signatures may take their time, and nobody else waits for them.
            return await asyncio.to_thread(commit_record, self._session.record_path)
        except NotCommitted as error:
            raise Refusal(str(error)) from error

    def _is_to_be_committed(self, signed: str) -> bool:
        """Whether the item SIGNED just now has its last signature, and the checklist commits the record then."""
        checklist = self._session.checklist
        said = self._session.run.item(signed).confirmations
        return checklist.commit == "at-sign-off" and not unsigned_roles(checklist.items[signed], said)

    async def _commit_signed(self) -> None:
        """Commit what was signed off; what stands against it is shown, and undoes no signature."""
        try:
            await self._committed()
            self._session.trouble("", of="commit")
        except Refusal as error:
            self._session.trouble(f"signed off, and not committed: {error}", of="commit")

    async def _drive(self, actor: Actor) -> None:
        if self._session.run.driver or self._session.run.closed:
            return
        try:
            await self._session.act(lambda run, _: crew_acts.first_to_act(run, actor))
        except Refusal:
            if not self._session.run.crew.drives(actor):  # it was not we ourselves who were quicker
                raise

    async def _end(self, actor: Actor, *, close: bool) -> None:
        acts.require_driver(self._session.run, actor)
        if self._checking.running:
            raise Refusal("still running: " + ", ".join(self._checking.running) + ". Cancel or wait, then stop")
        if self._committing is not None:
            await self._committing
        await self._session.act(lambda _run, _now: acts.event("engine.stopped", actor))
        if close:
            await self._session.act(lambda run, now: pause_acts.close(self._session.checklist, run, actor, now))
        self._stop()


def _told(event: Event) -> dict[str, Any]:
    """What a reply says of the EVENT that was written: where it stands, and what became of the request."""
    return {"seq": event.seq, "kind": event.kind}
