"""Locust at work: started, listened to, and stopped when it is asked for or when nothing can be won any more."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass, field

from checks.contract import Context
from checks.processes import Ended, Kept, supervise
from checks.swarm.command import Load
from checks.swarm.figures import Limits, Told, told_in

_PATIENCE = 3.0  # seconds that it has to end by itself once it is asked to


@dataclass
class Swarm:
    """A Locust at work. PEAK is how many users were on at most; HOPELESS why it was stopped early."""

    ctx: Context
    load: Load
    limits: Limits
    peak: int = 0
    hopeless: str = ""
    last: Told | None = None
    errors: Kept = field(default_factory=Kept)
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self, argv: list[str], env: dict[str, str]) -> Ended:
        """Until it has ended, with all of its processes. Raises OSError when it cannot be started."""
        watch = threading.Thread(target=self._until_cancelled, daemon=True, name="load-cancel")
        watch.start()
        try:
            return supervise(
                argv,
                on_stdout=self._on_stdout,
                on_stderr=self._on_stderr,
                stop=self._stop,
                deadline=self.ctx.deadline,
                cwd=self.ctx.project,
                env=env,
                opening=b"",
                farewell=b"stop\n",
                patience=_PATIENCE,
            )
        finally:
            self._stop.set()

    def _until_cancelled(self) -> None:
        while not self._stop.is_set():
            if self.ctx.cancelled.wait(0.1):
                self._stop.set()

    def _on_stdout(self, line: bytes) -> None:
        told = told_in(line)
        if told is None:
            self.ctx.log(line.decode(errors="replace").rstrip())
            return
        self.last, self.peak = told, max(self.peak, told.users, told.peak)
        if told.errors or told.exceptions or told.peak:
            return
        p95 = "–" if told.p95 is None else f"{told.p95:.0f} ms"
        said = f"{told.users} users, {told.rps:.0f}/s, p95 {p95}, {told.failures} of {told.requests} failed"
        self.ctx.progress(min(told.elapsed, self.load.duration), self.load.duration, "s", said)
        self.ctx.log(said)
        if not self.hopeless and (why := self.limits.hopeless(told, self.load.users, self.load.duration)):
            self.hopeless = why
            self.ctx.log(f"stopped early: {why}")
            self._stop.set()

    def _on_stderr(self, line: bytes) -> None:
        self.errors.add(line)
        with suppress(UnicodeError):
            self.ctx.log(line.decode(errors="replace").rstrip())
