"""The contract of a check: what it is given, what it may do, and what it must say beforehand."""

from __future__ import annotations

import asyncio
import inspect
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from checks.params import Param, Seconds, parameters_of
from checks.processes import Completed, Kept, shown_argv, supervise
from state.durations import format_duration, parse_duration
from state.verdicts import Outcome, Verdict

if TYPE_CHECKING:
    from metrics.live import Live

Effect = Literal["read", "change"]
Danger = Literal["safe", "reversible", "one-way"]

F = TypeVar("F", bound=Callable[..., Any])
MARK = "__tminus_check__"


class Stopped(Exception):
    """Somebody cancelled the check while it was at work."""


@dataclass(frozen=True, slots=True)
class Progress:
    """DONE of TOTAL (0: not known) in UNIT; WHAT is the part in work."""

    done: float
    total: float
    unit: str
    what: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """Exactly what a change will do (argv, SQL, URL), to which target, and how dangerous it is."""

    lines: tuple[str, ...]
    danger: Danger
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a check is given beside its parameters. Usable from any thread.

    `project` is the folder of the checklist, `artefacts` the folder for files this run brings forth. `answer` is
    what the person typed, for an item that asks. `evidence` holds the outcomes of earlier items by their ids,
    `transfer` what the checklist says of the data that is moved: its table of that name, as plain data.
    `live` is what the metric sources of the run say; None outside of a run. `deadline` is on the monotonic clock, in
    seconds.
    """

    item: str
    project: Path
    artefacts: Path
    answer: str | None = None
    evidence: Mapping[str, Outcome] = field(default_factory=dict)
    transfer: Mapping[str, Any] = field(default_factory=dict)
    live: Live | None = None
    cancelled: threading.Event = field(default_factory=threading.Event)
    deadline: float | None = None
    on_log: Callable[[str], None] = lambda line: None
    on_progress: Callable[[Progress], None] = lambda progress: None

    def log(self, line: str) -> None:
        """One line for the person who watches. Cleaned, redacted and bounded on its way."""
        self.on_log(line)

    def progress(self, done: float, total: float, unit: str, what: str = "") -> None:
        """How far it is: DONE of TOTAL (0: not known)."""
        self.on_progress(Progress(done, total, unit, what))

    @property
    def seconds_left(self) -> float:
        """Until the deadline; infinite without one."""
        return float("inf") if self.deadline is None else self.deadline - time.monotonic()

    def run_sync(
        self,
        argv: Sequence[str] | str,
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
        shell: bool = False,
    ) -> Completed:
        """Run a program to its end; its lines go to the log as they come.

        It has no standard input and a process group of its own, which ends with it. ENV is added to the
        environment; CWD is the project's folder unless said otherwise. Raises TimeoutError after TIMEOUT seconds
        or at the check's deadline, Stopped on cancellation, OSError when it cannot be started.
        """
        return self._run(argv, cwd=cwd, env=env, timeout=timeout, shell=shell, stop=self.cancelled)

    async def run(
        self,
        argv: Sequence[str] | str,
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
        shell: bool = False,
    ) -> Completed:
        """`run_sync` for an async check; it ends the program too when the awaiting task is cancelled."""
        stop = threading.Event()
        loop = asyncio.get_running_loop()
        done: asyncio.Future[Completed] = loop.create_future()

        def work() -> None:
            try:
                either = _Either(self.cancelled, stop)
                result = self._run(argv, cwd=cwd, env=env, timeout=timeout, shell=shell, stop=either)
            except BaseException as error:  # handed over whole to the awaiting task
                _hand(loop, done, error=error)
            else:
                _hand(loop, done, result=result)

        threading.Thread(target=work, daemon=True, name=f"run-{self.item}").start()
        try:
            return await asyncio.shield(done)
        except asyncio.CancelledError:
            stop.set()
            await asyncio.wait([done])
            if not done.cancelled():
                done.exception()
            raise

    def _run(
        self,
        argv: Sequence[str] | str,
        *,
        cwd: Path | None,
        env: Mapping[str, str] | None,
        timeout: float | None,
        shell: bool,
        stop: threading.Event,
    ) -> Completed:
        out, err = Kept(), Kept()

        def to(kept: Kept) -> Callable[[bytes], None]:
            def add(line: bytes) -> None:
                kept.add(line)
                self.log(line.decode(errors="replace").rstrip("\r\n"))

            return add

        limits = [
            d for d in (self.deadline, None if timeout is None else time.monotonic() + timeout) if d is not None
        ]
        ended = supervise(
            argv,
            on_stdout=to(out),
            on_stderr=to(err),
            stop=stop,
            deadline=min(limits, default=None),
            cwd=cwd or self.project,
            env=env,
            shell=shell,
        )
        if ended.why == "deadline":
            what = shown_argv(argv).split(" ", 1)[0]
            raise TimeoutError(f"{what} did not end within {format_duration(ended.seconds)}")
        if ended.why == "stopped":
            raise Stopped("cancelled")
        return Completed(ended.exit_code, out.text(), err.text(), ended.seconds)


class _Either(threading.Event):
    """Set when either of two events is."""

    def __init__(self, first: threading.Event, second: threading.Event) -> None:
        super().__init__()
        self._both = (first, second)

    def is_set(self) -> bool:
        return any(event.is_set() for event in self._both)


def _hand(
    loop: asyncio.AbstractEventLoop,
    future: asyncio.Future[Completed],
    *,
    result: Completed | None = None,
    error: BaseException | None = None,
) -> None:
    def settle() -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        elif result is not None:
            future.set_result(result)

    if not loop.is_closed():
        loop.call_soon_threadsafe(settle)


@dataclass(frozen=True, slots=True)
class CheckSpec:
    """A registered check. `timeout` and `fresh_for` in seconds; `doc` is the first line of its docstring."""

    name: str
    effect: Effect
    timeout: float
    fresh_for: float | None
    process: bool
    doc: str
    params: tuple[Param, ...]
    function: Callable[..., Any]
    plan: Callable[..., Plan] | None = None


def check(
    name: str,
    *,
    effect: Effect = "read",
    timeout: str = "60s",
    fresh_for: str | None = None,
    process: bool = False,
    plan: Callable[..., Plan] | None = None,
) -> Callable[[F], F]:
    """Register a function `(ctx: Context, *, name: type = default, …) -> Outcome` as a check.

    EFFECT "read" is safe to repeat and may run by itself; "change" runs only on an explicit go, and must bring a
    PLAN: a function of the same parameters, or of some of them and **others, that says what will be done without
    doing it; it is given every one, by the defaults of the check. TIMEOUT is the deadline unless the item sets its
    own; the evidence counts for FRESH_FOR (none: the whole run). PROCESS: CPU-heavy, runs in a process of its own.
    Raises TypeError for a check that breaks these rules.
    """

    def register(function: F) -> F:
        params = parameters_of(function)
        if effect == "change" and plan is None:
            raise TypeError(f"{name}: a check that changes something needs plan=…, which says what it will do")
        if effect == "read" and plan is not None:
            raise TypeError(f'{name}: a plan belongs to a change; say effect="change", or take the plan away')
        if plan is not None:
            takes = inspect.signature(plan).parameters.values()
            names = {p.name for p in takes if p.kind is p.KEYWORD_ONLY}
            anything = any(p.kind is p.VAR_KEYWORD for p in takes)
            if not anything and names != {p.name for p in params}:
                raise TypeError(f"{name}: its plan must take the same parameters, or **others")
        doc = inspect.getdoc(function) or ""
        spec = CheckSpec(
            name=name,
            effect=effect,
            timeout=parse_duration(timeout),
            fresh_for=parse_duration(fresh_for) if fresh_for else None,
            process=process,
            doc=doc.splitlines()[0] if doc else "",
            params=params,
            function=function,
            plan=plan,
        )
        setattr(function, MARK, spec)
        return function

    return register


__all__ = [
    "CheckSpec",
    "Completed",
    "Context",
    "Effect",
    "Outcome",
    "Plan",
    "Progress",
    "Seconds",
    "Stopped",
    "Verdict",
    "check",
]
