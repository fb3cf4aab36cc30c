"""Doing one piece of work for a person at a terminal: progress, an orderly stop, and an end that says how it went.

The work runs in a thread of its own, since a signal is heard by Python only between two steps of the main one, and
the driver can be deep in C for minutes.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, NoReturn

import click

from state.clean import clean
from state.redact import MASK, Redactor
from tminus.cli.common import COULD_NOT_LOOK, DOES_NOT_HOLD
from tminus.cli.db.progress import Shown
from tminus.outlet import bare

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came out: the exit CODE, LINES for people, and the RESULT (a dataclass of `transfer`) for machines."""

    code: int
    lines: Sequence[str]
    result: object = None


@dataclass(frozen=True, slots=True)
class Lines:
    """The two lines into the work: PROGRESS to tell, CANCELLED to ask."""

    progress: Callable[[Any], None]
    cancelled: Callable[[], bool]


@dataclass(slots=True)
class _Ended:
    answer: Answer | None = None
    error: BaseException | None = None
    trace: str = ""


@dataclass(slots=True)
class _Stop:
    """Who asked to stop, and how often."""

    asked: threading.Event = field(default_factory=threading.Event)
    number: int = 0


def carry_out(
    name: str, work: Callable[[Lines], Answer], *, as_json: bool, secrets: Iterable[str] = (), stopping: str
) -> NoReturn:
    """Do WORK, print what came out, exit. STOPPING is what the first Ctrl+C says; the second ends at once.

    A failure is told on stderr, without a secret; with AS_JSON stdout holds one document whatever happens.
    """
    known = Redactor.knowing(s for s in secrets if s).secrets
    shown = Shown(bare(sys.stderr), terminal=_is_terminal())
    stop, ended = _Stop(), _Ended()

    def body() -> None:
        # A child inherits this: Ctrl+C at a terminal must reach this process alone, which then ends the child.
        signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
        try:
            ended.answer = work(Lines(shown, stop.asked.is_set))
        except BaseException as error:  # told by the main thread
            ended.error, ended.trace = error, traceback.format_exc()

    with _listening(stop, stopping):
        thread = threading.Thread(target=body, name=f"db-{name}", daemon=True)
        thread.start()
        while thread.is_alive():
            thread.join(0.1)
    shown.wipe()
    sys.exit(_tell(name, ended, stop, known, as_json=as_json))


def _tell(name: str, ended: _Ended, stop: _Stop, secrets: Sequence[str], *, as_json: bool) -> int:
    """Print how it ended; the exit code."""
    answer = ended.answer
    if answer is not None:
        if as_json:
            click.echo(_document(name, answer.code, secrets, result=answer.result))
        else:
            for line in answer.lines:
                click.echo(_masked(clean(line), secrets))
        if stop.asked.is_set():
            click.echo("it was done before it could be stopped", err=True)
        return answer.code
    assert ended.error is not None
    kind, code, message = _classed(ended.error, stop)
    message = str(_masked(clean(message), secrets))
    if as_json:
        click.echo(_document(name, code, secrets, error={"kind": kind, "message": message}))
    click.echo(f"{kind}: {message}", err=True)
    if kind == "crashed":
        click.echo(Redactor()(str(_masked(ended.trace, secrets))), err=True)
    return code


def _classed(error: BaseException, stop: _Stop) -> tuple[str, int, str]:
    from transfer.errors import Cancelled, CouldNotLook, Refused

    if isinstance(error, Cancelled):
        return "stopped", 128 + (stop.number or signal.SIGINT), str(error)
    if isinstance(error, Refused):
        return "refused", DOES_NOT_HOLD, str(error)
    if isinstance(error, CouldNotLook):
        return "could not look", COULD_NOT_LOOK, str(error)
    if isinstance(error, OSError):
        return "could not look", COULD_NOT_LOOK, f"{error.filename or ''}: {error.strerror or error}".lstrip(": ")
    return "crashed", COULD_NOT_LOOK, f"{type(error).__name__}: {error}"


def _document(
    name: str, code: int, secrets: Sequence[str], *, result: object = None, error: dict[str, str] | None = None
) -> str:
    """One JSON document, ASCII throughout: a value from a database may hold anything, even half of a character."""
    import msgspec

    plain = msgspec.to_builtins(result, enc_hook=str, str_keys=True)
    whole = {"command": f"db {name}", "exit": code, "result": _masked(plain, secrets), "error": error}
    return json.dumps(whole, indent=2)


def _masked(value: Any, secrets: Sequence[str]) -> Any:
    """VALUE without the SECRETS. Not by their shape: what is said of a column called `token` is no secret."""
    match value:
        case str():
            for secret in secrets:
                value = value.replace(secret, MASK)
            return value
        case dict():
            return {key: _masked(item, secrets) for key, item in value.items()}
        case list() | tuple():
            return [_masked(item, secrets) for item in value]
        case _:
            return value


@contextmanager
def _listening(stop: _Stop, stopping: str) -> Iterator[None]:
    def heard(number: int, _frame: FrameType | None) -> None:
        if stop.asked.is_set():
            _at_once(number)
        stop.number = number
        stop.asked.set()
        # Not by sys.stderr, which may be in the middle of a write.
        with suppress(OSError):
            os.write(2, f"\n{stopping} (once more: at once)\n".encode())

    before = {number: signal.signal(number, heard) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _at_once(number: int) -> NoReturn:
    """End now, with the processes that were started: PostgreSQL takes an open transaction back by itself."""
    import psutil

    with suppress(psutil.Error):
        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                child.kill()
    os._exit(128 + number)


def _is_terminal() -> bool:
    return sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
