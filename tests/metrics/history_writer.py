"""Run by test_history: writes to a history until it is killed, and says so after each write, through a pipe.

Forks a fresh writer for every line that it reads, so that Python starts once and not dozens of times.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from metrics.history import History
from metrics.samples import Measurement

START = datetime(2026, 11, 22, tzinfo=UTC)


def write(path: Path, acks: int, first: int, die_after: float) -> None:
    def die() -> None:
        time.sleep(die_after)
        os.kill(os.getpid(), signal.SIGKILL)

    history, number = History(path, every=0.0), first
    threading.Thread(target=die, daemon=True).start()
    while True:
        for _ in range(25):
            history.add([Measurement("count", float(number), 1, "count", START + timedelta(seconds=number))])
            number += 1
        history.remember("last", str(number - 1).encode())
        if history.flush() and not history.trouble:
            os.write(acks, f"{number - 1}\n".encode())


for line in sys.stdin:
    start, seconds = line.split()
    child = os.fork()
    if child == 0:
        try:
            write(Path(sys.argv[1]), sys.stdout.fileno(), int(start), float(seconds))
        except BaseException as error:
            sys.stderr.write(f"{error!r}\n")
        os._exit(1)
    _, status = os.waitpid(child, 0)
    os.write(sys.stdout.fileno(), f"end {os.waitstatus_to_exitcode(status)}\n".encode())
