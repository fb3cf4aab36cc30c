"""One stream of log lines, counted: what arrives goes in, a tally comes out."""

from __future__ import annotations

from dataclasses import dataclass

from metrics.logtime import time_of
from metrics.sources.log.access import Access, Combined, JsonLines
from metrics.sources.log.errors import ErrorScan, plain
from metrics.sources.log.lines import Lines
from metrics.sources.log.tally import Tally

_SNIFFED = 50  # lines after which a log without an access line is called one of errors
_SNIFFED_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Rules:
    """How a log is to be read.

    format      "auto", "combined", "json" or "errors"
    duration    unit of an access line's duration, "us", "ms" or "s"; "" for none
    auth_paths  what the paths of authentication begin with
    """

    format: str = "auto"
    duration: str = ""
    auth_paths: tuple[str, ...] = ()

    def formats(self) -> tuple[Access, ...]:
        """The access logs that it may be."""
        known: tuple[Access, ...] = (
            Combined(self.duration, self.auth_paths),
            JsonLines(self.duration, self.auth_paths),
        )
        return tuple(one for one in known if self.format in ("auto", one.name))


@dataclass(frozen=True, slots=True)
class Health:
    """Whether a log was looked at. WHY is "" when it was; FAILED says that it could not be.

    behind   bytes that are known and not read yet
    """

    why: str = ""
    failed: bool = False
    behind: int = 0


class Reading:
    """Counts a stream into `tally`, which whoever wants it takes away with `take`.

    `format` is what the log is taken for: "" while nobody knows. A log that begins with other lines than
    requests is one of errors until the first request.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules, self._choices = rules, rules.formats()
        self._access = self._choices[0] if rules.format not in ("auto", "errors") else None
        self._errors, self._lines, self._tally = ErrorScan(), Lines(), Tally()
        self._before = 0
        self.format = "" if rules.format == "auto" else rules.format

    def feed(self, data: bytes, *, middle: bool = False) -> None:
        """Count DATA, of any bytes at all; MIDDLE as of `Lines.push`."""
        self._look(self._lines.push(data, middle=middle))

    def finish(self) -> None:
        """The file is complete: a half line at its end is one."""
        self._look(self._lines.finish())

    def next(self) -> Reading:
        """For the file that follows: what the log is taken for holds on, a half line does not."""
        following = Reading(self._rules)
        following._access, following._before, following.format = self._access, self._before, self.format
        return following

    @property
    def has_requests(self) -> bool:
        """Whether it is an access log, so that no request is a fact and not blindness."""
        return self._access is not None

    def take(self) -> Tally:
        """What was counted since the last time."""
        tally, self._tally = self._tally, Tally()
        return tally

    def _look(self, block: bytes) -> None:
        if not block:
            return
        tally = self._tally
        tally.lines += block.count(b"\n")
        tally.newest = time_of(_last_line(block).decode(errors="replace")) or tally.newest
        if self._access is None and self._choices:
            self._sniff(block)
        if self._access is not None:
            self._access.feed(block, tally)
        self._errors.feed(block, tally, self._access.judge if self._access else plain)

    def _sniff(self, block: bytes) -> None:
        # The end of a block will do: a live one is short, and a log that is caught up with has others.
        block = block[-_SNIFFED_BYTES:]
        self._access = next((one for one in self._choices if one.fits(block)), None)
        if self._access is not None:
            self.format = self._access.name
            return
        if not self.format:
            self._before += block.count(b"\n")
            self.format = "errors" if self._before >= _SNIFFED else ""


def _last_line(block: bytes) -> bytes:
    start = block.rfind(b"\n", 0, len(block) - 1) + 1
    return block[start : start + 200]
