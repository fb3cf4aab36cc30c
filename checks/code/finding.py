"""What reading code brings forth: findings by file and line, each of a documented rule that can be switched off."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from state.verdicts import Outcome

Level = Literal["error", "warning"]

_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Rule:
    """One thing that is looked for. `id` is "subject/what" in lower case, as in engine/sqlite-open; `title` names it
    in a line, `why` says what happens to those who let it stand, in a sentence or two."""

    id: str
    level: Level
    title: str
    why: str


@dataclass(frozen=True, slots=True)
class Finding:
    """RULE is broken in FILE (relative to the project) at LINE (from 1; 0: the file as a whole). `message` says what
    is there, `mend` what to write instead."""

    rule: str
    level: Level
    file: str
    line: int
    message: str
    mend: str

    @property
    def where(self) -> str:
        """ "file:line", or the file alone."""
        return f"{self.file}:{self.line}" if self.line else self.file


def switched(findings: Iterable[Finding], off: Sequence[str]) -> tuple[Finding, ...]:
    """The findings in the order of file and line, without those of the rules OFF ("engine/sqlite-open", or "engine/"
    for all of a subject)."""
    kept = (
        one
        for one in findings
        if not any(one.rule == rule or (rule.endswith("/") and one.rule.startswith(rule)) for rule in off)
    )
    return tuple(sorted(kept, key=lambda one: (one.file, one.line, one.rule)))


def outcome_of(
    findings: Sequence[Finding], *, looked_at: str, expected: str, evidence: Mapping[str, object] | None = None
) -> Outcome:
    """The verdict of FINDINGS: an error fails, a warning alone warns, none passes. LOOKED_AT says in a few words what
    was read, so that "nothing found" is not "nothing looked at"."""
    kept: dict[str, object] = {"looked_at": looked_at, "findings": len(findings), **(evidence or {})}
    for number, one in enumerate(findings[:_SHOWN], 1):
        kept[f"{number:02} {one.where}"] = f"[{one.rule}] {one.message}"
    if not findings:
        return Outcome.passed(f"nothing found in {looked_at}", expected=expected, evidence=kept)
    first = min(findings, key=lambda one: one.level != "error")
    more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
    actual = f"{first.where}: {first.message}{more}"
    hint = f"{first.mend}; all of them by: tminus code"
    if any(one.level == "error" for one in findings):
        return Outcome.failed(actual, expected=expected, evidence=kept, hint=hint)
    return Outcome.warned(actual, expected=expected, evidence=kept, hint=hint)
