"""The lines of logs that belong to a window of time: of files, and of what a command prints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from checks.contract import Context, Seconds, Stopped
from checks.processes import Kept, shown_argv, supervise
from checks.since import moment_of
from metrics.logtime import time_of
from state.durations import format_duration
from state.verdicts import Outcome

_MOST = 64 * 2**20  # bytes read of each log, from its end
_LONGEST = 8192


class NoLog(Exception):
    """A log that says nothing: WHAT is the matter with it, and the HINT."""

    def __init__(self, what: str, hint: str) -> None:
        self.what, self.hint = what, hint
        super().__init__(what)


@dataclass
class LogLines:
    """The lines of FILES and of what COMMAND prints, from AFTER to UNTIL (None: without an end).

    A line without a time belongs to the one before it; before the first time nobody knows, and such lines are given
    rather than left out. CUT names the logs of which only the end was read, and the window began before it. READ
    counts what was given. Iterating raises NoLog, Stopped and TimeoutError.
    """

    ctx: Context
    files: Sequence[Path]
    command: Sequence[str] = ()
    after: datetime | None = None
    until: datetime | None = None
    cut: list[str] = field(default_factory=list)
    read: int = 0

    def __iter__(self) -> Iterator[str]:
        if not self.files and not self.command:
            raise NoLog("no log is named", "files = [ … ], or a command that prints it: command = [ … ]")
        for path in self.files:
            if not path.is_file():
                raise NoLog(f"no log file {path}", "see the path; a log that is not there says nothing")
            try:
                yield from self._inside(path.name, _tail(path), path.stat().st_size <= _MOST)
            except OSError as error:
                if isinstance(error, TimeoutError):
                    raise
                raise NoLog(f"{path.name}: {error.strerror}", "make it readable for this user") from None
        if self.command:
            lines, whole = printed(self.ctx, self.command)
            yield from self._inside(self.command[0], iter(lines), whole)

    @property
    def names(self) -> str:
        """What is read, in words."""
        return ", ".join([*(path.name for path in self.files), *([shown_argv(self.command)] if self.command else [])])

    @property
    def window(self) -> str:
        """From when to when, in words."""
        if self.after is None:
            return "all of it"
        end = f" to {self.until:%H:%M:%S}" if self.until else ""
        return f"since {self.after:%Y-%m-%d %H:%M:%S}{end} UTC"

    def _inside(self, name: str, lines: Iterator[str], whole: bool) -> Iterator[str]:
        inside = None
        for number, line in enumerate(lines):
            if number % 10_000 == 0 and self.ctx.cancelled.is_set():
                raise Stopped("cancelled")
            seen = time_of(line)
            if seen is not None:
                if inside is None and not whole and (self.after is None or seen >= self.after):
                    self.cut.append(name)
                late = self.until is not None and seen > self.until
                inside = not late and (self.after is None or seen >= self.after)
            if inside is not False:
                self.read += 1
                yield line
        if inside is None and not whole:
            self.cut.append(name)


def printed(ctx: Context, argv: Sequence[str]) -> tuple[list[str], bool]:
    """The lines that ARGV prints, and whether they are all of them (its end alone is kept).

    Raises NoLog when it fails or cannot be started, Stopped, and TimeoutError at the check's deadline.
    """
    kept: list[bytes] = []
    size, whole, errors = 0, True, Kept()

    def add(line: bytes) -> None:
        nonlocal size, whole
        kept.append(line)
        size += len(line)
        if size > _MOST:
            half = len(kept) // 2
            size -= sum(len(one) for one in kept[:half])
            del kept[:half]
            whole = False

    try:
        ended = supervise(
            argv,
            on_stdout=add,
            on_stderr=errors.add,
            stop=ctx.cancelled,
            deadline=ctx.deadline,
            cwd=ctx.project,
        )
    except OSError as error:
        raise NoLog(f"cannot run {argv[0]}: {error.strerror}", "see the command") from None
    if ended.why == "stopped":
        raise Stopped("cancelled")
    if ended.why == "deadline":
        raise TimeoutError(f"{argv[0]} did not end in time: it must print the log and end, not follow it")
    if ended.exit_code:
        last = errors.text().strip().splitlines()[-1:] or ["it said nothing"]
        raise NoLog(f"{argv[0]} ended with exit code {ended.exit_code}: {last[0]}", "try the command by hand")
    return [line[:_LONGEST].decode(errors="replace").rstrip() for line in kept], whole


def window_of(ctx: Context, last: Seconds | None, since: str | None) -> datetime | Outcome | None:
    """Where a window of the LAST seconds, or SINCE a moment or an item, begins; an Outcome says why it does not."""
    if last is not None and since is not None:
        return Outcome.error("last and since are both given", hint="take one of them away")
    if last is not None:
        ctx.log(f"looking at the last {format_duration(last)}")
        return datetime.now(UTC) - timedelta(seconds=last)
    return None if since is None else moment_of(ctx, since)


def _tail(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        skip = path.stat().st_size - _MOST
        if skip > 0:
            file.seek(skip)
            file.readline()
        for line in file:
            yield line[:_LONGEST].decode(errors="replace").rstrip()
