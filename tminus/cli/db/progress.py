"""How far a command is, on stderr: one line that is rewritten on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol, TextIO

from state.clean import clean
from state.durations import format_duration

EVERY = 0.2  # seconds between two pictures on a terminal
SELDOM = 5.0  # and without one, where each is a line of a log
_SURE = 1.0  # seconds of work before a rate is told


class Step(Protocol):
    """What `transfer` reports: DONE of TOTAL (0: not known) in UNIT, of one stage and maybe one table."""

    @property
    def stage(self) -> str: ...
    @property
    def table(self) -> str | None: ...
    @property
    def done(self) -> int: ...
    @property
    def total(self) -> int: ...
    @property
    def unit(self) -> str: ...


def told(step: Step, done_before: int, seconds: float) -> str:
    """STEP in one line. DONE_BEFORE and SECONDS: where it was when its part began, and how long ago that is."""
    parts = [f"{step.stage} {step.table}" if step.table else step.stage]
    if step.total:
        share = f" {min(step.done / step.total, 1):.0%}"
        parts.append(f"{step.done:,} of {step.total:,} {step.unit}{share}")
    elif step.done:
        parts.append(f"{step.done:,} {step.unit}")
    rate = (step.done - done_before) / seconds if seconds >= _SURE else 0.0
    if rate > 0:
        parts.append(f"{rate:,.0f} {step.unit}/s")
        if step.done < step.total:
            parts.append(f"{format_duration((step.total - step.done) / rate)} left")
    return clean("  ".join(parts))


class Shown:
    """Takes progress and writes it to OUT: rewritten in place on a TERMINAL, else a line every SELDOM seconds."""

    def __init__(self, out: TextIO, *, terminal: bool, clock: Callable[[], float] = time.monotonic) -> None:
        self._out, self._terminal, self._clock = out, terminal, clock
        self._part: tuple[str, str | None] | None = None
        self._began, self._before = 0.0, 0
        self._next = clock() + (0.0 if terminal else SELDOM)
        self._dirty = False

    def __call__(self, step: Step) -> None:
        now = self._clock()
        if (step.stage, step.table) != self._part:
            self._part, self._began, self._before = (step.stage, step.table), now, step.done
        if now < self._next:
            return
        self._next = now + (EVERY if self._terminal else SELDOM)
        line = told(step, self._before, now - self._began)
        if self._terminal:
            width = shutil.get_terminal_size().columns - 1
            self._write(f"\r{line[:width]}\x1b[K")
            self._dirty = True
        else:
            self._write(line + "\n")

    def wipe(self) -> None:
        """Take the line away, so that what comes next begins at the margin."""
        if self._dirty:
            self._write("\r\x1b[K")
            self._dirty = False

    def _write(self, text: str) -> None:
        with suppress(OSError, ValueError):  # a terminal that went away must not end a copy that goes well
            self._out.write(text)
            self._out.flush()
