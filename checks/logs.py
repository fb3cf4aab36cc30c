"""What the logs say: by severity, and by the texts that PostgreSQL, its drivers and the pool are known for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from checks.contract import Context, Seconds, check
from checks.loglines import LogLines, NoLog, window_of
from metrics.known import BAD, KNOWN, SEVERITY
from state.clean import clean
from state.verdicts import Outcome

_FIRST = 6
_SHOWN = 240

_SERVER_ERROR = re.compile(r'" 5\d\d (?:\d+|-)')
_BAD = (*BAD, "http 5xx")


# What is written when something took too long, by who gave up: the first that fits.
_TIMEOUTS: Mapping[str, re.Pattern[str]] = {
    "pool": KNOWN["pool exhausted"],
    "statement": re.compile(r"canceling statement due to statement timeout"),
    "lock": re.compile(r"canceling statement due to lock timeout|Lock wait timeout"),
    "idle in transaction": re.compile(r"idle-in-transaction timeout|idle transaction timeout|transaction timeout"),
    "pooler": re.compile(r"query_wait_timeout|client_idle_timeout|query timeout"),
    "connect": re.compile(r"[Cc]onnection timed out|timeout expired|connection timeout"),
    "worker": re.compile(r"WORKER TIMEOUT"),
    "http 504": re.compile(r'" 504 (?:\d+|-)'),
    "other": re.compile(r"\b\w*Timeout(?:Error|Expired|Exception)?\b(?=:|\()|\b[Tt]imed out\b"),
}


@dataclass
class Tally:
    """What was found so far."""

    lines: int = 0
    allowed: int = 0
    undated: int = 0
    severities: Counter[str] = field(default_factory=Counter)
    known: Counter[str] = field(default_factory=Counter)
    first: list[str] = field(default_factory=list)

    @property
    def bad(self) -> int:
        """Lines that must not be there."""
        return sum(self.severities[name] for name in _BAD) + sum(self.known.values())

    def add(self, line: str, allow: Sequence[re.Pattern[str]]) -> None:
        """One more line of the window. Each counts once, by its known text or else by its severity."""
        self.lines += 1
        known = next((name for name, pattern in KNOWN.items() if pattern.search(line)), None)
        severity = SEVERITY.search(line)
        kind = severity[1] if severity else "http 5xx" if _SERVER_ERROR.search(line) else None
        if known is None and kind is None:
            return
        if any(pattern.search(line) for pattern in allow):
            self.allowed += 1
            return
        if known is not None:
            self.known[known] += 1
        elif kind is not None:
            self.severities[kind] += 1
        if (known is not None or kind in _BAD) and len(self.first) < _FIRST:
            self.first.append(clean(line)[:_SHOWN])


@check("logs.clean", timeout="60s", fresh_for="5m")
def is_clean(
    ctx: Context,
    *,
    files: list[Path] | None = None,
    command: list[str] | None = None,
    last: Seconds | None = None,
    since: str | None = None,
    allow: list[re.Pattern[str]] | None = None,
    may_be_empty: bool = False,
) -> Outcome:
    """No error in the log FILES of the LAST minutes, or SINCE a moment (RFC 3339) or an item's id; none: all of it.

    COMMAND prints a log, as `docker logs` does, and ends. Lines that match one of ALLOW are counted, not held against
    it. A window without a line is unknown, unless MAY_BE_EMPTY. A line without a time belongs to the one before it.
    """
    after = window_of(ctx, last, since)
    if isinstance(after, Outcome):
        return after
    tally, lines = Tally(), LogLines(ctx, files or [], command or [], after)
    try:
        for line in lines:
            tally.add(line, allow or [])
    except NoLog as none:
        return Outcome.unknown(none.what, hint=none.hint)
    evidence: dict[str, object] = {
        "window": lines.window,
        "files": lines.names,
        "lines": tally.lines,
        "allowed": tally.allowed,
        **tally.severities,
        **tally.known,
        **{f"line {n}": line for n, line in enumerate(tally.first, 1)},
    }
    count = len(lines.files) + bool(command)
    looked = f"{tally.lines:,} lines of {count} {'command' if not files else 'files'}, {lines.window}"
    expected = "no error"
    if tally.bad:
        counts = ", ".join(f"{n} {name}" for name, n in (tally.known + tally.severities).most_common(6))
        hint = "read the lines; what is harmless goes into allow = [ … ] with its reason"
        return Outcome.failed(f"{counts} in {looked}", expected=expected, evidence=evidence, hint=hint)
    if lines.cut:
        hint = "choose a shorter window"
        return Outcome.unknown(f"{lines.cut[0]} is too long: its end alone was read", hint=hint, evidence=evidence)
    if not tally.lines and not may_be_empty:
        hint = "does the app log there? may_be_empty = true accepts silence"
        return Outcome.unknown(f"not one line to look at: {looked}", hint=hint, evidence=evidence)
    actual = f"no error in {looked}"
    if tally.severities["WARNING"]:
        actual += f"; {tally.severities['WARNING']} warnings"
    return Outcome.passed(actual, expected=expected, evidence=evidence)


@check("logs.timeouts", timeout="60s", fresh_for="5m")
def timeouts(
    ctx: Context,
    *,
    files: list[Path] | None = None,
    command: list[str] | None = None,
    last: Seconds | None = None,
    since: str | None = None,
    allow: list[re.Pattern[str]] | None = None,
    at_most: int = 0,
    may_be_empty: bool = False,
) -> Outcome:
    """At most AT_MOST timeouts in the log of the LAST minutes, or SINCE a moment or an item (the deploy).

    The texts are those of SQLAlchemy's pool, PostgreSQL, its drivers, PgBouncer and gunicorn, answers of 504, and
    what is called a Timeout. The log is FILES, or what COMMAND prints; lines that match one of ALLOW do not count. A
    window without a line is unknown, unless MAY_BE_EMPTY.
    """
    after = window_of(ctx, last, since)
    if isinstance(after, Outcome):
        return after
    lines, counts = LogLines(ctx, files or [], command or [], after), Counter[str]()
    first: list[str] = []
    try:
        for line in lines:
            kind = next((name for name, pattern in _TIMEOUTS.items() if pattern.search(line)), None)
            if kind is None or any(pattern.search(line) for pattern in allow or []):
                continue
            counts[kind] += 1
            if len(first) < _FIRST:
                first.append(clean(line)[:_SHOWN])
    except NoLog as none:
        return Outcome.unknown(none.what, hint=none.hint)
    evidence: dict[str, object] = {"window": lines.window, "files": lines.names, "lines": lines.read, **counts}
    evidence |= {f"line {n}": line for n, line in enumerate(first, 1)}
    looked, expected = (
        f"{lines.read:,} lines, {lines.window}",
        f"at most {at_most} timeouts" if at_most else "no timeout",
    )
    told = ", ".join(f"{count} {name}" for name, count in counts.most_common())
    if counts.total() > at_most:
        hint = "see who gave up: a pool that is too small, a statement without an index, a lock that is held"
        return Outcome.failed(f"{told} in {looked}", expected=expected, evidence=evidence, hint=hint)
    if lines.cut:
        what = f"{lines.cut[0]} is too long: its end alone was read"
        return Outcome.unknown(what, hint="choose a shorter window", evidence=evidence)
    if not lines.read and not may_be_empty:
        hint = "does the app log there? may_be_empty = true accepts silence"
        return Outcome.unknown(f"not one line to look at: {looked}", hint=hint, evidence=evidence)
    return Outcome.passed(f"{told or 'no timeout'} in {looked}", expected=expected, evidence=evidence)
