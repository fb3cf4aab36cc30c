"""A look at the error log for what was not there before."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from checks.contract import Context, Seconds, check
from checks.errorkinds import Kinds
from checks.loglines import LogLines, NoLog
from checks.since import moment_of
from metrics.logtime import time_of
from state.durations import format_duration
from state.verdicts import Outcome

_SHOWN = 8
_KINDS = 5_000  # that are remembered
_LOOKS = 500


class _Memory(msgspec.Struct):
    """What earlier reviews saw: when they LOOKED, and the digest of each kind. No text of a log is kept."""

    looked: list[datetime] = []
    kinds: dict[str, datetime] = {}  # by digest, when it was first there


@dataclass
class _Seen:
    new: Counter[str] = field(default_factory=Counter)
    old: Counter[str] = field(default_factory=Counter)
    lines: int = 0
    allowed: int = 0
    oldest: datetime | None = None


@check("logs.review", timeout="2m")
def review(
    ctx: Context,
    *,
    files: list[Path] | None = None,
    command: list[str] | None = None,
    over: Seconds = Seconds(4 * 3600.0),  # noqa: B008 (immutable)
    since: str | None = None,
    allow: list[re.Pattern[str]] | None = None,
    may_be_empty: bool = False,
) -> Outcome:
    """No kind of error in the log since the last review that was not there before.

    A kind is a message without its times, numbers, ids and what is quoted; a traceback's is its exception. The log is
    FILES, or what COMMAND prints. The window begins at the last review that is OVER (4h) ago or more; at the first,
    SINCE a moment or an item, or OVER ago. What was in the log before it, or in an earlier review, is known. Lines
    that match one of ALLOW do not count. A window without a line is unknown, unless MAY_BE_EMPTY.
    """
    now = datetime.now(UTC)
    path = ctx.artefacts / f"review-{ctx.item}.json"
    try:
        memory = msgspec.json.decode(path.read_bytes(), type=_Memory) if path.exists() else _Memory()
    except (OSError, msgspec.DecodeError) as error:
        what = f"what earlier reviews saw cannot be read: {type(error).__name__}"
        return Outcome.error(what, hint=f"move {path.name} away; the next review begins anew")
    start = _start(ctx, memory, now, over, since)
    if isinstance(start, Outcome):
        return start
    lines = LogLines(ctx, files or [], command or [])
    try:
        seen = _read(lines, start, memory, allow or [])
    except NoLog as none:
        return Outcome.unknown(none.what, hint=none.hint)
    _remember(path, memory, seen, now)
    return _judged(seen, lines, start, may_be_empty)


def _start(ctx: Context, memory: _Memory, now: datetime, over: float, since: str | None) -> datetime | Outcome:
    # A second look within OVER belongs to the same review: what was new to it must not be old now.
    earlier = [one for one in memory.looked if one <= now - timedelta(seconds=over)]
    if earlier:
        return max(earlier)
    return moment_of(ctx, since) if since else now - timedelta(seconds=over)


def _read(lines: LogLines, start: datetime, memory: _Memory, allow: list[re.Pattern[str]]) -> _Seen:
    seen, kinds, before = _Seen(), Kinds(), set[str]()
    known = {digest for digest, first in memory.kinds.items() if first <= start}
    at: datetime | None = None
    for line in lines:
        at = time_of(line) or at
        if at is not None:
            seen.oldest = min(seen.oldest or at, at)
        kind = kinds.take(line)
        inside = at is None or at >= start
        seen.lines += inside
        if kind is None:
            continue
        if any(pattern.search(line) for pattern in allow):
            seen.allowed += inside
            continue
        digest = _digest(kind)
        if not inside:
            before.add(digest)
            memory.kinds.setdefault(digest, at or start)
        elif digest in known or digest in before:
            seen.old[kind] += 1
        else:
            seen.new[kind] += 1
    return seen


def _remember(path: Path, memory: _Memory, seen: _Seen, now: datetime) -> None:
    for kind in seen.new:
        memory.kinds.setdefault(_digest(kind), now)
    newest = dict(sorted(memory.kinds.items(), key=lambda one: one[1])[-_KINDS:])
    kept = _Memory([*memory.looked[-_LOOKS:], now], newest)
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(".part")
    half.write_bytes(msgspec.json.encode(kept))
    half.replace(path)


def _digest(kind: str) -> str:
    return hashlib.sha256(kind.encode()).hexdigest()[:16]


def _judged(seen: _Seen, lines: LogLines, start: datetime, may_be_empty: bool) -> Outcome:
    looked = f"{seen.lines:,} lines since {start:%Y-%m-%d %H:%M} UTC"
    evidence: dict[str, object] = {
        "since": start.isoformat(timespec="seconds"),
        "log": lines.names,
        "lines": seen.lines,
        "new kinds": len(seen.new),
        "known kinds": len(seen.old),
        "allowed": seen.allowed,
        **{f"new {n}": f"{c} × {kind}" for n, (kind, c) in enumerate(seen.new.most_common(_SHOWN), 1)},
        **{f"known {n}": f"{c} × {kind}" for n, (kind, c) in enumerate(seen.old.most_common(_SHOWN), 1)},
    }
    expected = "no kind of error that was not there before"
    if seen.new:
        (kind, count), *more = seen.new.most_common()
        others = f", and {len(more)} more kinds" if more else ""
        hint = "read them; what is harmless goes into allow = [ … ] with its reason"
        actual = f"{count} × {kind}{others}, in {looked}"
        return Outcome.failed(actual, expected=expected, evidence=evidence, hint=hint)
    if lines.cut and (seen.oldest is None or seen.oldest > start):
        what = f"{lines.cut[0]} is too long: its end alone was read"
        return Outcome.unknown(what, hint="review more often, or rotate the log", evidence=evidence)
    if not seen.lines and not may_be_empty:
        hint = "does the app log there? may_be_empty = true accepts silence"
        return Outcome.unknown(f"not one line to look at: {looked}", hint=hint, evidence=evidence)
    known = f"{sum(seen.old.values())} errors of {len(seen.old)} known kinds" if seen.old else "no error"
    span = format_duration(round((datetime.now(UTC) - start).total_seconds()))
    return Outcome.passed(f"no new kind in {looked} ({span}); {known}", expected=expected, evidence=evidence)
