"""What was counted in a log. Numbers and the names of known texts alone: no byte of a line is kept."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(slots=True)
class Tally:
    """Counts of some stretch of a log.

    lines      all of them
    requests   lines of an access log
    failed     of the requests, those answered with 5xx
    auth       requests on the paths of authentication
    refused    of those, answered with 401 or 403
    errors     events of ERROR or worse; a traceback with all that belongs to it is one
    known      events by the known text they hold
    durations  requests by their duration in microseconds, at most 0.1% off
    newest     the time that the last line bears, where it bears one
    """

    lines: int = 0
    requests: int = 0
    failed: int = 0
    auth: int = 0
    refused: int = 0
    errors: int = 0
    known: Counter[str] = field(default_factory=Counter)
    durations: Counter[int] = field(default_factory=Counter)
    newest: datetime | None = None

    def add(self, other: Tally) -> None:
        """Add OTHER's counts, of a later stretch."""
        self.lines += other.lines
        self.requests += other.requests
        self.failed += other.failed
        self.auth += other.auth
        self.refused += other.refused
        self.errors += other.errors
        self.known.update(other.known)
        self.durations.update(other.durations)
        self.newest = other.newest or self.newest
