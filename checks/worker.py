"""A check in a process of its own: `python -m checks.worker`, a request on standard input, JSON lines out.

Standard input stays open as a leash: a line there asks to stop, and its end (the parent died) ends this process
with everything it started.
"""

from __future__ import annotations

import io
import os
import sys
import threading
import time
import traceback
from pathlib import Path

from checks.body import answer_of, cause_of
from checks.contract import Context, Progress
from checks.params import bind
from checks.processes import end_all
from checks.registry import Registry
from checks.wire import Advanced, Answered, Crashed, Message, Request, Said, encode, read_request
from state.verdicts import Outcome


def main() -> int:
    """Run the one check that is asked for. Exit code 0: the last line says how it went."""
    # What a check prints must not stand between the messages: it goes to standard error, which is the log.
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    lock = threading.Lock()

    def say(message: Message) -> None:
        with lock:
            out.write(encode(message) + b"\n")

    # Unbuffered: a thread waits in read() to the very end, and must not hold a lock then.
    orders = os.fdopen(0, "rb", buffering=0, closefd=False)
    request = read_request(_first_line(orders))
    _restore_pythonpath(request.pythonpath)
    cancelled = threading.Event()
    threading.Thread(target=_leash, args=(orders, cancelled), daemon=True).start()
    try:
        say(Answered(_looked(request, cancelled, say)))
    except Exception as error:
        say(Crashed(cause_of(error), traceback.format_exc()))
    end_all()
    return 0


def _looked(request: Request, cancelled: threading.Event, say: object) -> Outcome:
    assert callable(say)
    registry = Registry.load(request.plugins, Path(request.base))
    spec = registry.get(request.check)
    if spec is None:
        return Outcome.error(f"no check {request.check!r} in the worker process", hint="reload the checklist")

    def advanced(p: Progress) -> None:
        say(Advanced(p.done, p.total, p.unit, p.what))

    project = Path(request.project)
    context = Context(
        item=request.item,
        project=project,
        artefacts=Path(request.artefacts),
        answer=request.answer,
        evidence=request.evidence,
        transfer=request.transfer,
        cancelled=cancelled,
        deadline=time.monotonic() + request.deadline,
        on_log=lambda line: say(Said(line)),
        on_progress=advanced,
    )
    answer = answer_of(spec, context, bind(spec.params, request.given, request.filled, project))
    if not isinstance(answer, Outcome):
        raise TypeError(f"the check returned {type(answer).__name__}, not an Outcome")
    return answer


def _first_line(orders: io.RawIOBase) -> bytes:
    data = b""
    while not data.endswith(b"\n") and (piece := orders.read(65536)):
        data += piece
    return data


def _leash(orders: io.RawIOBase, cancelled: threading.Event) -> None:
    while orders.read(64):
        cancelled.set()
    end_all()
    os._exit(3)


def _restore_pythonpath(value: str | None) -> None:
    """The parent set PYTHONPATH so that this process finds the same modules; programs started here get their own."""
    if value is None:
        os.environ.pop("PYTHONPATH", None)
    else:
        os.environ["PYTHONPATH"] = value


if __name__ == "__main__":
    sys.exit(main())
