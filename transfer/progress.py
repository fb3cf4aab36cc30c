"""How far a long piece of work has come."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from transfer.errors import Cancelled


@dataclass(frozen=True, slots=True)
class Progress:
    """DONE of TOTAL (0: not known) in UNIT ("rows", "pages", "tables"), of one stage and maybe one table."""

    stage: str
    table: str | None
    done: int
    total: int
    unit: str


Report = Callable[[Progress], None]
Asked = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Watch:
    """The two lines to the caller, so that work asks in one word whether to go on and tells how far it is."""

    report: Report | None = None
    asked: Asked | None = None

    def go_on(self) -> None:
        """Raises Cancelled when the caller has asked to stop."""
        if self.asked is not None and self.asked():
            raise Cancelled("Stopped on request.")

    def tell(self, stage: str, table: str | None, done: int, total: int, unit: str) -> None:
        self.go_on()
        if self.report is not None:
            self.report(Progress(stage, table, done, total, unit))


class Pace:
    """Says yes at most once in EVERY seconds, so that telling costs nothing however often it is asked."""

    def __init__(self, every: float = 0.1) -> None:
        self._every = every
        self._next = 0.0

    def due(self) -> bool:
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + self._every
        return True
