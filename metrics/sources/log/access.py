"""Access logs, a block of lines at a time: the common and combined formats, and JSON.

Only the status, the duration and, where paths matter, the path are looked at.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import msgspec

from metrics.known import is_bad, known_in
from metrics.latency import HIGHEST_US
from metrics.sources.log.tally import Tally

_MICROS = {"us": 1.0, "ms": 1e3, "s": 1e6}
_REFUSED = (401, 403)
_AT_ONCE = 256 * 1024  # bytes that one pattern goes through without a pause for the other threads


class Access(Protocol):
    """One format of access log."""

    name: str

    def feed(self, block: bytes, tally: Tally) -> None:
        """Count the requests of BLOCK, of whole lines, into TALLY."""

    def fits(self, block: bytes) -> bool:
        """Whether a line of BLOCK is of this format."""

    def judge(self, line: bytes) -> tuple[bool, str | None]:
        """As `errors.Judge`. A request is no error of the application, whatever its address says."""


class Combined:
    """`… [time] "request" status bytes …`, as gunicorn, nginx and Apache write it.

    unit   of the last field, "us", "ms" or "s": gunicorn's %(D)s, %(M)s, %(L)s or nginx's $request_time; "" for none
    paths  what the path of a request of authentication begins with; none: any request may be one

    The pattern begins at `] "`, so that whatever a platform puts before the line does no harm. Quotes within
    quotes are escaped by all three servers. It never goes back over what it has seen.
    """

    name = "combined"

    def __init__(self, unit: str, paths: tuple[str, ...]) -> None:
        self._micros = _MICROS.get(unit)
        self._paths = tuple(path.encode() for path in paths)
        path = rb'(?:[A-Z]++ ([^ "\\\n]*+))?' if paths else rb"()"
        last = rb"(?:[^\n]*[ =](\d{1,12}(?:\.\d{1,9})?)(?=\r?\n))?" if unit else rb"()"
        self._line = re.compile(
            rb'\] "' + path + rb'(?:[^"\\\n]++|\\[^\n])*+" ([1-5]\d\d) (?:\d++|-)' + last + rb"[^\n]*+"
        )

    def fits(self, block: bytes) -> bool:
        return b'] "' in block and self._line.search(block) is not None

    def judge(self, line: bytes) -> tuple[bool, str | None]:
        return (False, None) if self.fits(line + b"\n") else (is_bad(line), known_in(line))

    def feed(self, block: bytes, tally: Tally) -> None:
        for start, end in _parts(block):
            found = self._line.findall(block, start, end)
            if found:
                self._add(*zip(*found, strict=True), tally=tally)

    def _add(
        self, paths: tuple[bytes, ...], statuses: tuple[bytes, ...], lasts: tuple[bytes, ...], *, tally: Tally
    ) -> None:
        by_status = {int(status): count for status, count in Counter(statuses).items()}
        tally.requests += len(statuses)
        tally.failed += sum(count for status, count in by_status.items() if status >= 500)
        if self._paths:
            mine = [int(s) for path, s in zip(paths, statuses, strict=True) if path.startswith(self._paths)]
            tally.auth += len(mine)
            tally.refused += sum(status in _REFUSED for status in mine)
        else:
            tally.auth += len(statuses)
            tally.refused += sum(by_status.get(status, 0) for status in _REFUSED)
        if self._micros is not None:
            by = self._micros
            tally.durations.update(_rounded([float(last) * by for last in lasts if last]))


def _parts(block: bytes) -> Iterator[tuple[int, int]]:
    """BLOCK in parts of whole lines."""
    start = 0
    while start < len(block):
        end = block.find(b"\n", start + _AT_ONCE) + 1 or len(block)
        yield start, end
        start = end


def _rounded(micros: Iterable[float]) -> list[int]:
    """Whole microseconds with the eleven leading bits: so few values that they can be counted, 0.1% off at most."""
    kept = []
    for value in micros:
        whole = int(value)
        if whole >= 2048:
            low = whole.bit_length() - 11
            whole = (whole >> low << low) | (1 << low >> 1)
        kept.append(whole)
    return kept


_BAD_LEVELS = ("error", "critical", "fatal", "panic", "alert", "emergency")
_LEVELS = ("level", "levelname", "severity", "lvl", "log.level")
_STATUSES = ("status", "status_code")
_PATHS = ("path", "url", "request_uri", "uri")
_DURATIONS = ("duration", "response_time", "request_time")


class JsonLines:
    """One JSON object a line, by the names that frameworks and proxies use. As for `Combined`; `duration_ms`
    is milliseconds whatever UNIT says."""

    name = "json"

    def __init__(self, unit: str, paths: tuple[str, ...]) -> None:
        self._micros, self._paths = _MICROS.get(unit), paths

    def fits(self, block: bytes) -> bool:
        if block[:1] != b"{" and b"\n{" not in block:
            return False
        return any(_record(line) is not None for line in block.split(b"\n")[:500])

    def judge(self, line: bytes) -> tuple[bool, str | None]:
        record = _record(line)
        if record is None:
            return is_bad(line), known_in(line)
        return False, None if _request(record) else known_in(line)  # its level is counted by `feed`

    def feed(self, block: bytes, tally: Tally) -> None:
        micros: list[float] = []
        for line in block.split(b"\n"):
            record = _record(line)
            if record is None:
                continue
            request = _request(record)
            if request is None:
                tally.errors += _bad(record, line)
                continue
            status, path = request
            tally.requests += 1
            tally.failed += status >= 500
            if not self._paths or path.startswith(self._paths):
                tally.auth += 1
                tally.refused += status in _REFUSED
            duration = self._duration(record)
            if duration is not None:
                micros.append(min(duration, HIGHEST_US))
        tally.durations.update(_rounded(micros))

    def _duration(self, record: dict[str, Any]) -> float | None:
        given = _number(record.get("duration_ms"))
        if given is not None:
            return given * 1e3
        if self._micros is None:
            return None
        given = next((n for name in _DURATIONS if (n := _number(record.get(name))) is not None), None)
        return None if given is None else given * self._micros


def _record(line: bytes) -> dict[str, Any] | None:
    if line[:1] != b"{":
        return None
    try:
        record = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _request(record: dict[str, Any]) -> tuple[int, str] | None:
    """Status and path of a record that is of a request; None of another."""
    status = next((n for name in _STATUSES if (n := _number(record.get(name))) is not None), None)
    path = next((p for name in _PATHS if isinstance(p := record.get(name), str)), None)
    if status is None or path is None or not 100 <= status < 600:
        return None
    return int(status), path


def _bad(record: dict[str, Any], line: bytes) -> bool:
    level = next((lv for name in _LEVELS if isinstance(lv := record.get(name), str)), None)
    return is_bad(line) if level is None else level.lower() in _BAD_LEVELS


def _number(value: object) -> float | None:
    """VALUE as a number of 0 or more, also where it is written as a text; None for anything else."""
    if isinstance(value, str) and len(value) <= 32:
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        return None
    return float(value) if value < 1e300 else None
