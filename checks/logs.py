"""What the logs say: by severity, and by the texts that PostgreSQL, its drivers and the pool are known for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from checks.contract import Context, Seconds, check
from checks.since import moment_of
from metrics.known import BAD, KNOWN, SEVERITY
from metrics.logtime import time_of
from state.clean import clean
from state.durations import format_duration
from state.verdicts import Outcome

_MOST = 64 * 2**20  # bytes read of each file, from its end
_FIRST = 6
_SHOWN = 240

_SERVER_ERROR = re.compile(r'" 5\d\d (?:\d+|-)')
_BAD = (*BAD, "http 5xx")


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
    files: list[Path],
    last: Seconds | None = None,
    since: str | None = None,
    allow: list[re.Pattern[str]] | None = None,
    may_be_empty: bool = False,
) -> Outcome:
    """No error in the log FILES of the LAST minutes, or SINCE a moment (RFC 3339) or an item's id; none: all of it.

    Lines that match one of ALLOW are counted, not held against it. A window without a line is unknown, unless
    MAY_BE_EMPTY. A line without a time belongs to the one before it.
    """
    after = _after(ctx, last, since)
    if isinstance(after, Outcome):
        return after
    if not files:
        return Outcome.unknown("no log file is named", hint="files = [ … ]")
    tally, cut = Tally(), []
    for path in files:
        if not path.is_file():
            return Outcome.unknown(f"no log file {path}", hint="see the path; a log that is not there says nothing")
        try:
            if not _read(path, after, tally, allow or [], ctx):
                cut.append(path.name)
        except OSError as error:
            return Outcome.unknown(f"{path.name}: {error.strerror}", hint="make it readable for this user")
    window = f"since {after:%Y-%m-%d %H:%M:%S} UTC" if after else "all of it"
    evidence: dict[str, object] = {
        "window": window,
        "files": ", ".join(path.name for path in files),
        "lines": tally.lines,
        "allowed": tally.allowed,
        **tally.severities,
        **tally.known,
        **{f"line {n}": line for n, line in enumerate(tally.first, 1)},
    }
    looked = f"{tally.lines:,} lines of {len(files)} files, {window}"
    expected = "no error"
    if tally.bad:
        counts = ", ".join(f"{n} {name}" for name, n in (tally.known + tally.severities).most_common(6))
        hint = "read the lines; what is harmless goes into allow = [ … ] with its reason"
        return Outcome.failed(f"{counts} in {looked}", expected=expected, evidence=evidence, hint=hint)
    if cut:
        hint = "choose a shorter window"
        return Outcome.unknown(f"{cut[0]} is too long: its end alone was read", hint=hint, evidence=evidence)
    if not tally.lines and not may_be_empty:
        hint = "does the app log there? may_be_empty = true accepts silence"
        return Outcome.unknown(f"not one line to look at: {looked}", hint=hint, evidence=evidence)
    actual = f"no error in {looked}"
    if tally.severities["WARNING"]:
        actual += f"; {tally.severities['WARNING']} warnings"
    return Outcome.passed(actual, expected=expected, evidence=evidence)


def _after(ctx: Context, last: Seconds | None, since: str | None) -> datetime | Outcome | None:
    if last is not None and since is not None:
        return Outcome.error("last and since are both given", hint="take one of them away")
    if last is not None:
        ctx.log(f"looking at the last {format_duration(last)}")
        return datetime.now(UTC) - timedelta(seconds=last)
    if since is None:
        return None
    return moment_of(ctx, since)


def _read(path: Path, after: datetime | None, tally: Tally, allow: Sequence[re.Pattern[str]], ctx: Context) -> bool:
    """Adds the lines of the window; False when the window began before the part that was read."""
    inside = None
    whole = path.stat().st_size <= _MOST
    for number, line in enumerate(_tail(path)):
        if number % 10_000 == 0 and ctx.cancelled.is_set():
            break
        seen = time_of(line)
        if seen is not None:
            if inside is None and not whole and (after is None or seen >= after):
                return _rest(path, after, tally, allow)
            inside = after is None or seen >= after
        # Before the first time nobody knows: such lines are looked at rather than left out.
        if inside is not False:
            tally.add(line, allow)
    return whole or inside is not None


def _rest(path: Path, after: datetime | None, tally: Tally, allow: Sequence[re.Pattern[str]]) -> bool:
    for line in _tail(path):
        seen = time_of(line)
        if seen is None or after is None or seen >= after:
            tally.add(line, allow)
    return False


def _tail(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        skip = path.stat().st_size - _MOST
        if skip > 0:
            file.seek(skip)
            file.readline()
        for line in file:
            yield line[:8192].decode(errors="replace").rstrip()
