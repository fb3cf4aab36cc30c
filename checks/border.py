"""The border of a check: everything that leaves it is cleaned, redacted and bounded here, and nowhere else."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from checks.contract import Plan, Progress
from state.clean import clean, shorten
from state.redact import MASK, Redactor
from state.verdicts import Outcome, Verdict

LINE_CHARS = 500
LINES_PER_SECOND = 50
_BURST = 200
_PROGRESS_EVERY = 0.1
_FIRST_CUT = 16 * 1024  # so that an endless line costs little; what it cuts off is cut off anyway
_MARK_OF_A_CUT = "… (+"
_SHORTEST_PIECE = 4


def safe(text: str, redact: Redactor) -> str:
    """TEXT without control characters and without secrets, also not the first half of one that a cut left over."""
    text = redact(clean(text))
    kept, cut, rest = text.rpartition(_MARK_OF_A_CUT)
    if not cut:
        return text
    for secret in redact.secrets:
        for size in range(min(len(secret), len(kept)), _SHORTEST_PIECE - 1, -1):
            if kept.endswith(secret[:size]):
                return f"{kept[:-size]}{MASK}{cut}{rest}"
    return text


def safe_line(text: str, redact: Redactor) -> str:
    """One log line, bounded."""
    return shorten(safe(text[:_FIRST_CUT], redact), LINE_CHARS)


def safe_outcome(answer: object, redact: Redactor) -> Outcome:
    """ANSWER as an outcome that may be shown and kept; anything else than a whole Outcome is an error."""
    if not isinstance(answer, Outcome):
        kind = type(answer).__name__
        return Outcome.error(f"the check returned {kind}, not an Outcome", hint="mend the check: return Outcome.…")
    seen = answer.observed_at
    if not isinstance(answer.verdict, Verdict) or not isinstance(seen, datetime) or seen.tzinfo is None:
        return Outcome.error("the check returned an Outcome that is not whole", hint="build it by Outcome.passed(…)")
    return Outcome.of(
        answer.verdict,
        safe(str(answer.actual), redact),
        expected=safe(str(answer.expected), redact),
        hint=safe(str(answer.hint), redact),
        evidence={safe(str(k), redact): _value(v, redact) for k, v in dict(answer.evidence).items()},
        observed_at=seen.astimezone(UTC),
    )


def safe_plan(plan: object, redact: Redactor) -> Plan | Outcome:
    """PLAN as it may be shown, or why it cannot be: a change whose plan says nothing is not offered."""
    if not isinstance(plan, Plan) or not plan.lines or plan.danger not in ("safe", "reversible", "one-way"):
        return Outcome.error("the check does not say what it will do", hint="mend its plan function")
    lines = tuple(safe(line, redact) for line in plan.lines)
    return Plan(lines, plan.danger, safe(plan.target, redact))


def _value(value: object, redact: Redactor) -> object:
    return value if isinstance(value, bool | int | float) else safe(str(value), redact)


@dataclass(slots=True)
class LogGate:
    """Lines on their way out: safe, bounded, and no more than LINES_PER_SECOND of them; the rest is counted."""

    out: Callable[[str], None]
    redact: Redactor
    clock: Callable[[], float] = time.monotonic
    _tokens: float = _BURST
    _at: float = field(default=0.0)
    _dropped: int = 0

    def __post_init__(self) -> None:
        self._at = self.clock()

    def __call__(self, line: str) -> None:
        now = self.clock()
        self._tokens = min(_BURST, self._tokens + (now - self._at) * LINES_PER_SECOND)
        self._at = now
        if self._tokens < 1:
            self._dropped += 1
            return
        self._tokens -= 1
        self.close()
        self.out(safe_line(line, self.redact))

    def close(self) -> None:
        """Say how many lines were left out since the last one."""
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
