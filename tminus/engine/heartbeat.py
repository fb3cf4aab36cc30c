"""Two clocks side by side, once a second: whether the engine stood still, and whether somebody set the clock.

The wall clock can be set; the other one never jumps, and goes on while the machine sleeps. Where both say that long
has passed, the engine was stopped or the machine was suspended. Where they disagree, the wall clock was set.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from metrics.samples import clock
from state.durations import format_duration
from state.events import utc_text

GAP = 10.0  # seconds without a beat; a machine under load is late by one or two
STEP = 2.0  # seconds; a clock that is slewed stays far below


class Beat(NamedTuple):
    """One moment on both clocks: the wall clock's, and seconds on the one that never jumps."""

    wall: datetime
    seconds: float


def beat() -> Beat:
    """Now."""
    return Beat(datetime.now(UTC), clock())


class Heartbeat:
    """Remembers the last beat, and the moments before which the engine stood still."""

    def __init__(self, now: Callable[[], Beat] = beat) -> None:
        self._now = now
        self._last = now()
        self._gaps: list[tuple[float, datetime]] = []  # (when it ended, the last moment before it)

    def beat(self) -> tuple[str, ...]:
        """One more beat. What it shows, in words for the record; nothing on most days."""
        before, self._last = self._last, self._now()
        found: list[str] = []
        if (passed := self._last.seconds - before.seconds) > GAP:
            self._gaps = [*self._gaps[-99:], (self._last.seconds, before.wall)]
            found.append(
                f"the engine stood still for {format_duration(round(passed))}: stopped, or the machine slept"
            )
        step = (self._last.wall - before.wall).total_seconds() - passed
        if abs(step) > STEP:
            way = "forward" if step > 0 else "back"
            was = utc_text(before.wall + timedelta(seconds=passed))
            found.append(
                f"the clock of this machine was set {way} by {format_duration(round(abs(step)))}: from {was} to "
                f"{utc_text(self._last.wall)}. The order of events is that of their numbers"
            )
        return tuple(found)

    def seen_no_later_than(self, began: float) -> datetime | None:
        """Of a look that BEGAN then (`metrics.samples.clock`): the last moment before the engine stood still, if it
        did since; None if it did not. What was seen may be as old as that."""
        now = self._now()
        if now.seconds - self._last.seconds > GAP:  # right now, and no beat has shown it yet
            return self._last.wall
        return next((wall for ended, wall in self._gaps if ended > began), None)
