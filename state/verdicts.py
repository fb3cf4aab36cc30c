"""What a check answers and what a person says: verdicts, marks and outcomes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import StrEnum

import msgspec

from state.clean import clean, shorten

Scalar = str | int | float | bool


class Verdict(StrEnum):
    """The answer of a check. Only `PASS` is good news; the last three mean that nobody knows."""

    PASS = "pass"  # noqa: S105 (a verdict, not a password)
    WARN = "warn"
    FAIL = "fail"
    ERROR = "error"  # could not look
    UNKNOWN = "unknown"  # looked, and there was nothing to see
    STALE = "stale"  # seen too long ago

    @property
    def is_known(self) -> bool:
        """Whether the real system was really seen, and recently."""
        return self in (Verdict.PASS, Verdict.WARN, Verdict.FAIL)


# From the best to the worst. An error hides what is behind it, so it outranks a failure that is seen.
_SEVERITY = (Verdict.PASS, Verdict.WARN, Verdict.FAIL, Verdict.STALE, Verdict.UNKNOWN, Verdict.ERROR)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The most severe of VERDICTS; `UNKNOWN` when there are none, since nothing seen is not green.

    >>> worst([Verdict.PASS, Verdict.FAIL]), worst([])
    (<Verdict.FAIL: 'fail'>, <Verdict.UNKNOWN: 'unknown'>)
    """
    return max(verdicts, key=_SEVERITY.index, default=Verdict.UNKNOWN)


class Mark(StrEnum):
    """What a person says of an item. Separate from the verdict, and never given by a check."""

    OPEN = "open"
    CONFIRMED = "confirmed"
    FAILED = "failed"
    SKIPPED = "skipped"
    WAIVED = "waived"
    NOT_APPLICABLE = "n/a"

    @property
    def needs_reason(self) -> bool:
        """Whether a person must say why (10 characters or more)."""
        return self in (Mark.FAILED, Mark.SKIPPED, Mark.WAIVED, Mark.NOT_APPLICABLE)


SHORTEST_REASON = 10  # characters
EVIDENCE_ENTRIES = 40
EVIDENCE_CHARS = 600


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a check saw: a verdict with its proof, never a bare yes or no.

    `expected` and `actual` are one line each, for the challenge and its response. `evidence` holds what the
    record keeps (counts, digests, versions: few and small). `hint` says what to do next. `observed_at` is the
    UTC moment of the look, not of its printing. All text is cleaned of control characters on the way in.
    """

    verdict: Verdict
    expected: str = ""
    actual: str = ""
    evidence: dict[str, Scalar] = {}
    hint: str = ""
    observed_at: datetime

    @classmethod
    def of(
        cls,
        verdict: Verdict,
        actual: str = "",
        *,
        expected: str = "",
        evidence: Mapping[str, object] | None = None,
        hint: str = "",
        observed_at: datetime | None = None,
    ) -> Outcome:
        """An outcome with its text cleaned and cut, observed now unless said otherwise."""
        return cls(
            verdict=verdict,
            expected=shorten(clean(expected), EVIDENCE_CHARS),
            actual=shorten(clean(actual), EVIDENCE_CHARS),
            evidence=_evidence(evidence or {}),
            hint=shorten(clean(hint), EVIDENCE_CHARS),
            observed_at=observed_at or datetime.now(UTC),
        )

    @classmethod
    def passed(cls, actual: str, *, expected: str = "", evidence: Mapping[str, object] | None = None) -> Outcome:
        """It holds."""
        return cls.of(Verdict.PASS, actual, expected=expected, evidence=evidence)

    @classmethod
    def warned(
        cls, actual: str, *, expected: str = "", evidence: Mapping[str, object] | None = None, hint: str = ""
    ) -> Outcome:
        """It holds, with a reservation that a person should weigh."""
        return cls.of(Verdict.WARN, actual, expected=expected, evidence=evidence, hint=hint)

    @classmethod
    def failed(
        cls, actual: str, *, expected: str = "", evidence: Mapping[str, object] | None = None, hint: str = ""
    ) -> Outcome:
        """It was seen, and it does not hold."""
        return cls.of(Verdict.FAIL, actual, expected=expected, evidence=evidence, hint=hint)

    @classmethod
    def error(cls, actual: str, *, hint: str = "", evidence: Mapping[str, object] | None = None) -> Outcome:
        """It could not be looked at."""
        return cls.of(Verdict.ERROR, actual, hint=hint, evidence=evidence)

    @classmethod
    def unknown(cls, actual: str, *, hint: str = "", evidence: Mapping[str, object] | None = None) -> Outcome:
        """It was looked at, and there was nothing to see."""
        return cls.of(Verdict.UNKNOWN, actual, hint=hint, evidence=evidence)

    @property
    def digest(self) -> str:
        """The first 16 hex digits of the sha256 of everything said here: what a person confirms by name."""
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()[:16]

    def as_seen_at(self, now: datetime, fresh_for: float | None) -> Verdict:
        """The verdict at NOW: `STALE` when it was seen more than FRESH_FOR seconds ago or in the future.

        A moment without a time zone is nobody knows when: `STALE` too.
        """
        if self.observed_at.tzinfo is None:
            return Verdict.STALE
        age = (now - self.observed_at).total_seconds()
        if fresh_for is not None and not -1.0 <= age <= fresh_for:
            return Verdict.STALE
        return self.verdict


def _evidence(values: Mapping[str, object]) -> dict[str, Scalar]:
    kept: dict[str, Scalar] = {}
    for key, value in list(values.items())[:EVIDENCE_ENTRIES]:
        if isinstance(value, bool | int) or (isinstance(value, float) and value - value == 0):
            kept[clean(str(key))] = value if abs(value) < 2**63 else str(value)
        else:
            kept[clean(str(key))] = shorten(clean(str(value)), EVIDENCE_CHARS)
    return kept
