"""The border of a check: everything that leaves it is cleaned, redacted and bounded here, and nowhere else."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from checks.contract import Plan, Progress
from state.clean import clean
from state.redact import MASK, Redactor
from state.verdicts import EVIDENCE_CHARS, EVIDENCE_ENTRIES, Outcome, Verdict

LINE_CHARS = 500
LINES_PER_SECOND = 50
_BURST = 200
_PROGRESS_EVERY = 0.1
_FIRST_CUT = 2  # times the limit: an endless text must not be searched whole
_MARK_OF_A_CUT = "… (+"
_SHORTEST_PIECE = 4


def safe(text: str, redact: Redactor, limit: int | None = None) -> str:
    """TEXT without control characters and without secrets, cut to LIMIT characters (none: as long as it is).

    Where a cut, here or before, went through a secret, the half that it left is masked too.
    """
    length = len(text)
    cut_first = limit is not None and length > limit * _FIRST_CUT
    seen = redact(clean(text[: limit * _FIRST_CUT] if limit is not None and cut_first else text))
    if cut_first:
        seen = _without_half(seen, redact)
    before, mark, rest = seen.rpartition(_MARK_OF_A_CUT)
    if mark:
        seen = f"{_without_half(before, redact)}{mark}{rest}"
    if limit is None or (len(seen) <= limit and not cut_first):
        return seen
    kept = seen[: max(limit - 24, 1)]
    return f"{kept}{_MARK_OF_A_CUT}{length - len(kept)} characters)"


def _without_half(text: str, redact: Redactor) -> str:
    for secret in redact.secrets:
        for size in range(min(len(secret), len(text)), _SHORTEST_PIECE - 1, -1):
            if text.endswith(secret[:size]):
                return text[:-size] + MASK
    return text


def safe_line(text: str, redact: Redactor) -> str:
    """One log line, bounded."""
    return safe(text, redact, LINE_CHARS)


def safe_outcome(answer: object, redact: Redactor) -> Outcome:
    """ANSWER as an outcome that may be shown and kept; anything else than a whole Outcome is an error."""
    if not isinstance(answer, Outcome):
        kind = type(answer).__name__
        return Outcome.error(f"the check returned {kind}, not an Outcome", hint="mend the check: return Outcome.…")
    seen = answer.observed_at
    if not isinstance(answer.verdict, Verdict) or not isinstance(seen, datetime) or seen.tzinfo is None:
        return Outcome.error("the check returned an Outcome that is not whole", hint="build it by Outcome.passed(…)")
    entries = list(dict(answer.evidence).items())[:EVIDENCE_ENTRIES]
    return Outcome.of(
        answer.verdict,
        safe(str(answer.actual), redact, EVIDENCE_CHARS),
        expected=safe(str(answer.expected), redact, EVIDENCE_CHARS),
        hint=safe(str(answer.hint), redact, EVIDENCE_CHARS),
        evidence={safe(str(k), redact, LINE_CHARS): _value(v, redact) for k, v in entries},
        observed_at=seen.astimezone(UTC),
    )


def safe_plan(plan: object, redact: Redactor) -> Plan | Outcome:
    """PLAN as it may be shown, or why it cannot be: a change whose plan says nothing is not offered."""
    if not isinstance(plan, Plan) or not plan.lines or plan.danger not in ("safe", "reversible", "one-way"):
        return Outcome.error("the check does not say what it will do", hint="mend its plan function")
    lines = tuple(safe(line, redact) for line in plan.lines)
    return Plan(lines, plan.danger, safe(plan.target, redact))


def _value(value: object, redact: Redactor) -> object:
    return value if isinstance(value, bool | int | float) else safe(str(value), redact, EVIDENCE_CHARS)


@dataclass(slots=True)
class LogGate:
    """Lines on their way out: safe, bounded, and no more than LINES_PER_SECOND of them; the rest is counted.

    Called in the check's own threads, so that the work on its text is not the event loop's.
    """

    out: Callable[[str], None]
    redact: Redactor
    clock: Callable[[], float] = time.monotonic
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _tokens: float = _BURST
    _at: float | None = None
    _dropped: int = 0

    def __call__(self, line: str) -> None:
        with self._lock:
            now = self.clock()
            since = 0.0 if self._at is None else now - self._at
            self._tokens = min(_BURST, self._tokens + since * LINES_PER_SECOND)
            self._at = now
            if self._tokens < 1:
                self._dropped += 1
                return
            self._tokens -= 1
            self._tell()
            self.out(safe_line(line, self.redact))
            self._at = self.clock()  # the time that a line costs earns no further line

    def close(self) -> None:
        """Say how many lines were left out since the last one."""
        with self._lock:
            self._tell()

    def _tell(self) -> None:
        if self._dropped:
            self.out(f"… {self._dropped} lines not shown")
            self._dropped = 0


@dataclass(slots=True)
class ProgressGate:
    """Progress on its way out: safe, at most ten times a second, and the end of each part always."""

    out: Callable[[Progress], None]
    redact: Redactor
    clock: Callable[[], float] = time.monotonic
    _next: float = 0.0

    def __call__(self, progress: Progress) -> None:
        now = self.clock()
        if now < self._next and not progress.done >= progress.total > 0:
            return
        self._next = now + _PROGRESS_EVERY
        unit, what = safe_line(str(progress.unit), self.redact), safe_line(str(progress.what), self.redact)
        self.out(Progress(progress.done, progress.total, unit, what))
