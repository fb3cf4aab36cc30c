"""Running a check so that it can neither hang, nor crash, nor leak: an Outcome comes back, whatever happens.

Every check runs in a daemon thread of its own, an async one on an event loop of its own there: one that blocks
starves neither its neighbours nor the screen. CPU-heavy ones run in a worker process.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from checks.body import AGAIN, OUT_OF_TIME, answer_of, cause_of
from checks.border import LogGate, ProgressGate, safe, safe_outcome, safe_plan
from checks.contract import CheckSpec, Context, Plan, Progress
from checks.params import Misfit, bind
from checks.processes import supervise
from checks.registry import Registry
from checks.wire import CANCEL, Advanced, Answered, Crashed, Message, Request, Said, encode, read_message
from state.definition import Item
from state.durations import format_duration, parse_duration
from state.redact import Redactor
from state.schema import did_you_mean
from state.targets import MissingTarget, Targets
from state.verdicts import Outcome

if TYPE_CHECKING:
    from metrics.live import Live

GRACE = 3.0  # seconds a check has to clean up after its deadline or a cancellation; then it is left behind
PLAN_TIMEOUT = 10.0
_PATIENCE = 2.0
_HOME = str(Path(__file__).parent.parent)  # where the worker finds this very package

log = logging.getLogger("checks")
log.addHandler(logging.NullHandler())


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One look at one item, with everything it needs. `go`: a person said go, without which no change runs.

    `on_log` and `on_progress` are called in the event loop of the caller, with text that is safe to show.
    """

    item: Item
    project: Path
    artefacts: Path
    targets: Targets
    redact: Redactor = field(default_factory=Redactor)
    answer: str | None = None
    evidence: Mapping[str, Outcome] = field(default_factory=dict)
    transfer: Mapping[str, Any] = field(default_factory=dict)
    live: Live | None = None
    on_log: Callable[[str], None] = lambda line: None
    on_progress: Callable[[Progress], None] = lambda progress: None
    cancel: asyncio.Event | None = None
    go: bool = False
    grace: float = GRACE


class _Refused(Exception):
    """The look cannot begin; carries the outcome that says why."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        super().__init__(outcome.actual)


async def run_check(registry: Registry, call: Call) -> Outcome:
    """Look once. Never raises for anything the check does: a crash, a timeout, a cancellation is an `error`."""
    try:
        spec, filled = _prepared(registry, call)
    except _Refused as refused:
        return safe_outcome(refused.outcome, call.redact)
    if spec.effect == "change" and not call.go:
        return Outcome.error("this changes something, and nobody said go", hint="read its plan, then say go")
    timeout = parse_duration(call.item.timeout) if call.item.timeout else spec.timeout
    cancelled = threading.Event()
    loop = asyncio.get_running_loop()
    open_ = True

    def post(sink: Callable[[Any], None], value: Any) -> None:
        def deliver() -> None:
            if open_:
                sink(value)

        if not loop.is_closed():
            loop.call_soon_threadsafe(deliver)

    lines = LogGate(lambda line: post(call.on_log, line), call.redact)
    steps = ProgressGate(lambda progress: post(call.on_progress, progress), call.redact)
    context = Context(
        item=call.item.id,
        project=call.project,
        artefacts=call.artefacts,
        answer=call.answer,
        evidence=call.evidence,
        transfer=call.transfer,
        live=call.live,
        cancelled=cancelled,
        deadline=time.monotonic() + timeout,
        on_log=lambda line: lines(str(line)),
        on_progress=steps,
    )

    def body() -> object:
        call.artefacts.mkdir(mode=0o700, parents=True, exist_ok=True)  # evidence may quote what is private
        if spec.process:
            answer: object = _in_worker(registry, spec, call, filled, context)
        else:
            answer = answer_of(spec, context, bind(spec.params, call.item.with_, filled, call.project))
        return safe_outcome(answer, call.redact)

    try:
        outcome = await _bounded(body, timeout, cancelled, call, spec.name)
    finally:
        cancelled.set()  # whatever the check left running ends
    lines.close()
    await asyncio.sleep(0)  # what was posted before now is delivered before the answer
    open_ = False
    return safe_outcome(outcome, call.redact)


async def plan_check(registry: Registry, call: Call) -> Plan | Outcome:
    """What a change would do, without doing it; an Outcome when that cannot be said (a missing setting, a crash)."""
    try:
        spec, filled = _prepared(registry, call)
    except _Refused as refused:
        return safe_outcome(refused.outcome, call.redact)
    plan = spec.plan
    if plan is None:
        return Outcome.error(f"{spec.name} changes nothing, so it has no plan", hint="run it")
    context = Context(
        item=call.item.id,
        project=call.project,
        artefacts=call.artefacts,
        evidence=call.evidence,
        transfer=call.transfer,
    )

    def body() -> object:
        said = plan(context, **bind(spec.params, call.item.with_, filled, call.project))
        return safe_plan(said, call.redact)

    said = await _bounded(body, PLAN_TIMEOUT, context.cancelled, call, spec.name)
    return said if isinstance(said, Plan) else safe_outcome(said, call.redact)


async def run_many(
    registry: Registry,
    calls: Iterable[Call],
    *,
    at_once: int = 4,
    on_outcome: Callable[[Call, Outcome], None] = lambda call, outcome: None,
) -> dict[str, Outcome]:
    """Look at several items side by side, AT_ONCE at most; ON_OUTCOME hears of each as it ends. By item id."""
    turns = asyncio.Semaphore(at_once)

    async def one(call: Call) -> tuple[str, Outcome]:
        async with turns:
            outcome = await run_check(registry, call)
        on_outcome(call, outcome)
        return call.item.id, outcome

    return dict(await asyncio.gather(*(one(call) for call in calls)))


def _prepared(registry: Registry, call: Call) -> tuple[CheckSpec, dict[str, Any]]:
    """The check and its parameters with the targets filled in. Raises _Refused."""
    try:
        spec = registry.get(call.item.check)
    except Exception as error:
        log.error("%s cannot be imported\n%s", call.item.check, call.redact(traceback.format_exc()))
        what = f"the check {call.item.check} cannot be loaded: {cause_of(error)}"
        raise _Refused(Outcome.error(what, hint="see the log for the whole error")) from None
    if spec is None:
        near = did_you_mean(call.item.check, list(registry.names()))
        raise _Refused(Outcome.error(f"no check {call.item.check!r}", hint=near))
    try:
        filled = call.targets.fill(call.item.with_)
        bind(spec.params, call.item.with_, filled, call.project)
    except MissingTarget as missing:
        what = f"{missing.variable} is not set (target {missing.name!r})"
        hint = f"set {missing.variable} in the environment and start the run again, or write [targets] {missing.name}"
        raise _Refused(Outcome.unknown(what, hint=hint)) from None
    except KeyError as error:
        what = f"no target {error.args[0]!r}"
        raise _Refused(Outcome.unknown(what, hint=f"write {error.args[0]} = … in [targets]")) from None
    except Misfit as misfit:
        what = f"parameter {'.'.join(map(str, misfit.path))}: {misfit.message}"
        raise _Refused(Outcome.error(what, hint=misfit.mend)) from None
    return spec, filled


async def _bounded(
    body: Callable[[], object], timeout: float, cancelled: threading.Event, call: Call, name: str
) -> object:
    """What BODY answers in a thread of its own, or an error: crashed, out of time, cancelled."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()

    def settle(answer: object) -> None:
        if not done.done():
            done.set_result(answer)

    def work() -> None:
        try:
            answer = body()
        except BaseException as error:  # the end of the thread: whatever it is, somebody waits for an answer
            log.error("%s crashed\n%s", name, safe_trace(call.redact))
            answer = Outcome.error(f"crashed: {cause_of(error)}", hint="see the log for the whole error")
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, answer)

    threading.Thread(target=work, daemon=True, name=f"check-{call.item.id}").start()
    cancel = asyncio.ensure_future(call.cancel.wait()) if call.cancel else None
    try:
        await asyncio.wait([done, *([cancel] if cancel else [])], timeout=timeout, return_when="FIRST_COMPLETED")
        if done.done():
            return done.result()
        stopped = cancel is not None and cancel.done()
        cancelled.set()
        await asyncio.wait([done], timeout=call.grace)
    finally:
        if cancel is not None:
            cancel.cancel()
    if stopped:
        what, hint = "cancelled", AGAIN
    else:
        what, hint = f"no answer within {format_duration(timeout)}", OUT_OF_TIME
    late = done.result() if done.done() else None
    if isinstance(late, Outcome) and late.verdict.is_known:
        # Too late to count, but the truth: a change may have been done.
        what = f"{what}; it had come so far: {late.verdict} {late.actual}"
    elif late is None:
        what += "; it does not stop and was left behind"
    return Outcome.error(what, hint=hint)


def safe_trace(redact: Redactor) -> str:
    """The traceback of the exception being handled, for the log."""
    return "\n".join(safe(line, redact) for line in traceback.format_exc().splitlines())


def _in_worker(registry: Registry, spec: CheckSpec, call: Call, filled: dict[str, Any], context: Context) -> Outcome:
    """The check in a process of its own, in a group of its own, which ends at the deadline and on a cancellation."""
    answers: list[Answered | Crashed] = []

    def on_line(line: bytes) -> None:
        try:
            message: Message = read_message.decode(line)
        except msgspec.MsgspecError:
            context.log(line.decode(errors="replace").rstrip())
            return
        match message:
            case Said(line=text):
                context.log(text)
            case Advanced():
                context.progress(message.done, message.total, message.unit, message.what)
            case Answered() | Crashed():
                answers.append(message)

    request = Request(
        check=spec.name,
        plugins=list(registry.plugins),
        base=str(registry.base.absolute()),
        given=call.item.with_,
        filled=filled,
        item=call.item.id,
        project=str(call.project.absolute()),
        artefacts=str(call.artefacts.absolute()),
        answer=call.answer,
        evidence=dict(call.evidence),
        transfer=dict(call.transfer),
        deadline=context.seconds_left,
        pythonpath=os.environ.get("PYTHONPATH"),
    )
    ended = supervise(
        # -P: the project's own folders must not stand before ours.
        [sys.executable, "-P", "-m", "checks.worker"],
        on_stdout=on_line,
        on_stderr=lambda line: context.log(line.decode(errors="replace").rstrip()),
        stop=context.cancelled,
        deadline=context.deadline,
        cwd=call.project,
        env={"PYTHONPATH": os.pathsep.join(str(Path(p).absolute()) for p in (_HOME, *sys.path) if p)},
        opening=encode(request) + b"\n",
        farewell=CANCEL,
        patience=min(_PATIENCE, call.grace),
    )
    last = answers[-1] if answers else None
    if isinstance(last, Answered):
        return last.outcome
    if isinstance(last, Crashed):
        log.error("%s crashed in its process\n%s", spec.name, call.redact(last.trace))
        return Outcome.error(f"crashed: {last.cause}", hint="see the log for the whole error")
    if ended.why == "exited" and not context.cancelled.is_set():
        what = f"its process ended without an answer (exit code {ended.exit_code})"
        return Outcome.error(what, hint="see the log; was it killed for want of memory?")
    return Outcome.error("cancelled", hint=AGAIN)
