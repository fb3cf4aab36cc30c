"""Run by test_killed: writes events to a record until it is killed, and says so after each one, through a pipe.

Forks a fresh writer for every line that it reads, so that Python starts once and not hundreds of times.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parent)]

from state_strategies import event  # noqa: E402

from state.record_file import RecordFile  # noqa: E402


def write(path: Path, acks: int, die_after: float, from_start: bool) -> None:
    def die() -> None:
        time.sleep(die_after)
        os.kill(os.getpid(), signal.SIGKILL)

    timer = threading.Thread(target=die, daemon=True)
    if from_start:
        timer.start()
    record = RecordFile(path)
    while True:
        written = record.append(event("note", reason="x" * (record.state.last.seq % 300 if record.state.last else 0)))
        os.write(acks, f"{written.seq} {written.digest}\n".encode())
        if not timer.ident:
            timer.start()
        if written.seq % 5 == 0:
            record.checkpoint()


for line in sys.stdin:
    seconds, since = line.split()
    child = os.fork()
    if child == 0:
        try:
            write(Path(sys.argv[1]), sys.stdout.fileno(), float(seconds), since == "start")
        except BaseException as error:
            sys.stderr.write(f"{error!r}\n")
        os._exit(1)
    _, status = os.waitpid(child, 0)
    os.write(sys.stdout.fileno(), f"end {os.waitstatus_to_exitcode(status)}\n".encode())
