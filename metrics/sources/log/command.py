"""Follows what a command writes to its standard output, as `docker logs -f` does."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import subprocess
import termios
import time
from collections.abc import Callable, Sequence

from metrics.samples import clock
from metrics.sources.log.reading import Health, Reading
from metrics.sources.log.tally import Tally

BLOCK = 1024 * 1024
FIRST_WAIT, LONGEST_WAIT = 1.0, 60.0  # seconds before a command that ended is run again; doubles each time
_RAN_WELL = 60.0  # seconds after which an end is no failure of the start
_TERM_WAIT = 2.0


class Output:
    """Reads what ARGV writes into READING, a slice at a time. To be used by one thread.

    The command runs in a process group of its own, which ends with `close`. What it says on standard error is
    thrown away. While it does not run, nothing is known; `gaps` counts its ends.
    """

    def __init__(self, argv: Sequence[str], reading: Reading, *, now: Callable[[], float] = clock) -> None:
        self.reading, self.gaps = reading, 0
        self._argv, self._now = tuple(argv), now
        self._process: subprocess.Popen[bytes] | None = None
        self._started = self._again_at = 0.0
        self._wait = FIRST_WAIT
        self._why = ""
        self._failed = False

    def poll(self, budget: float, go_on: Callable[[], bool] = lambda: True) -> Health:
        """Read for BUDGET seconds or to what there is now, as long as GO_ON."""
        if self._process is None:
            if self._why and self._now() < self._again_at:
                left = self._again_at - self._now()
                return Health(f"{self._why}; is run again in {left:.0f} s", failed=self._failed)
            try:
                self._start()
            except OSError as error:
                self._later(f"the command cannot be started: {error.strerror or type(error).__name__}", failed=True)
                return Health(self._why, failed=True)
        return self._read(budget, go_on)

    def take(self) -> Tally:
        """What was counted since the last time."""
        return self.reading.take()

    def close(self) -> None:
        """End the command and all of its group."""
        process, self._process = self._process, None
        if process is None:
            return
        _signal(process.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_TERM_WAIT)
        _signal(process.pid, signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()

    def _start(self) -> None:
        self._process = process = subprocess.Popen(
            self._argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._started = self._now()
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)

    def _read(self, budget: float, go_on: Callable[[], bool]) -> Health:
        assert self._process is not None and self._process.stdout is not None
        fd, until = self._process.stdout.fileno(), time.monotonic() + budget
        while select.select([fd], [], [], 0)[0]:
            data = os.read(fd, BLOCK)
            if not data:
                return self._ended()
            self.reading.feed(data)
            if time.monotonic() >= until or not go_on():
                waiting = bytearray(4)
                fcntl.ioctl(fd, termios.FIONREAD, waiting)
                return Health(behind=int.from_bytes(waiting, "little"))
        return Health()

    def _ended(self) -> Health:
        process = self._process
        assert process is not None
        self.reading.finish()
        self.gaps += 1  # what is written until it runs again is missed
        self.close()
        if self._now() - self._started >= _RAN_WELL:
            self._wait = FIRST_WAIT
        self._later(f"the command ended ({_how(process.returncode)})")
        return Health(f"{self._why}; is run again in {self._again_at - self._now():.0f} s")

    def _later(self, why: str, *, failed: bool = False) -> None:
        self._why, self._failed = why, failed
        self._again_at = self._now() + self._wait
        self._wait = min(2 * self._wait, LONGEST_WAIT)


def _how(code: int) -> str:
    return f"exit {code}" if code >= 0 else f"signal {-code}"


def _signal(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
