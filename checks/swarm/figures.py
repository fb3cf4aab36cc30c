"""What a load test came to: the counts of all requests, their percentiles, and the limits they must keep. Pure.

Source: the document of Locust 2.47's `--json-file`: a list of one object a method and name, with `num_requests`,
`num_failures`, `start_time`, `last_request_timestamp` and `response_times`, a histogram by milliseconds (exact under
100, two digits above). It has no row of all requests and no percentile.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from metrics.latency import enough_for

MARK = b"tminus-load "  # before each line that `telling` writes
_EARLIEST = 5.0  # seconds before nothing is called hopeless: the first answers of a cold app are slow


class Row(msgspec.Struct):
    """One method and name of Locust's JSON."""

    name: str
    num_requests: int
    num_failures: int
    start_time: float = 0.0
    last_request_timestamp: float | None = None
    response_times: dict[str, int] = {}
    method: str | None = None


class Told(msgspec.Struct):
    """One live line. TIMES are seconds since the load began; SLOW counts the answers over the limit of p95.

    USERS are those that are on, P95 (ms) and RPS of the last seconds, REQUESTS and FAILURES of all so far. PEAK is
    told once all users are there, ERRORS and EXCEPTIONS with the last line: (what, how often).
    """

    elapsed: float
    users: int
    rps: float
    requests: int
    failures: int
    p95: float | None = None
    slow: int = 0
    peak: int = 0
    errors: list[tuple[str, int]] = []
    exceptions: list[tuple[str, int]] = []


@dataclass(frozen=True, slots=True)
class Totals:
    """All requests of a load test. BEGAN and ENDED are seconds since 1970, of the first and the last; TIMES is the
    histogram, by milliseconds."""

    requests: int
    failures: int
    began: float
    ended: float
    times: Mapping[float, int]

    @property
    def seconds(self) -> float:
        """From the first request to the last."""
        return max(self.ended - self.began, 0.0)

    @property
    def failed(self) -> float | None:
        """The part of the requests that failed; None without any."""
        return self.failures / self.requests if self.requests else None

    @property
    def rps(self) -> float | None:
        """Requests a second; None where there is no span to speak of."""
        return self.requests / self.seconds if self.seconds > 0 else None

    def percentile(self, percent: float) -> float | None:
        """The time (ms) within which PERCENT of the answers came, nearest rank; None of too few to say."""
        count = sum(self.times.values())
        if count < enough_for(percent):
            return None
        rank, seen = math.ceil(count * percent / 100), 0
        for milliseconds in sorted(self.times):
            seen += self.times[milliseconds]
            if seen >= rank:
                return milliseconds
        return None


def totals_of(document: bytes) -> Totals:
    """The totals of Locust's JSON. Raises ValueError for what is none."""
    try:
        rows = msgspec.json.decode(document, type=list[Row])
        times: Counter[float] = Counter()
        for row in rows:
            times.update({float(milliseconds): count for milliseconds, count in row.response_times.items()})
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError) as error:
        raise ValueError(f"Locust's figures cannot be read: {error}") from None
    begun = [row.start_time for row in rows if row.num_requests and row.start_time]
    ended = [row.last_request_timestamp for row in rows if row.num_requests and row.last_request_timestamp]
    count, failures = sum(row.num_requests for row in rows), sum(row.num_failures for row in rows)
    return Totals(count, failures, min(begun, default=0.0), max(ended, default=0.0), dict(times))


def told_in(line: bytes) -> Told | None:
    """What a live LINE says; None of any other line."""
    if not line.startswith(MARK):
        return None
    try:
        return msgspec.json.decode(line[len(MARK) :], type=Told)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


@dataclass(frozen=True, slots=True)
class Limits:
    """What must hold at the end: at most FAILED (0..1) of the requests failed, and 95% came within P95 ms."""

    failed: float
    p95: float

    def broken(self, totals: Totals) -> list[str]:
        """In words, which of them TOTALS break."""
        failed, p95 = totals.failed, totals.percentile(95)
        found = []
        if failed is not None and failed > self.failed:
            found.append(f"{failed:.2%} failed, at most {self.failed * 100:g}% may")
        if p95 is not None and p95 > self.p95:
            found.append(f"p95 {p95:.0f} ms, at most {self.p95:.0f} ms may be")
        return found

    def hopeless(self, told: Told, users: int, duration: float) -> str:
        """Why TOLD cannot come to a good end, whatever the rest of DURATION with USERS brings; "" while it can.

        It is taken that the rest is as many requests as all users together would make, and that all of them are good.
        """
        left = max(duration - told.elapsed, 0.0)
        if told.elapsed < min(_EARLIEST, duration / 4) or not told.users or not told.requests:
            return ""
        rate = told.requests / max(told.elapsed, 0.1) * max(users / told.users, 1.0)
        all_of_them = told.requests + rate * left
        if told.failures > self.failed * all_of_them:
            return f"{told.failures} of {told.requests} requests failed after {told.elapsed:.0f} s"
        if told.slow > 0.05 * all_of_them:
            return f"{told.slow} of {told.requests} answers took over {self.p95:.0f} ms after {told.elapsed:.0f} s"
        return ""


def most_of(counts: Sequence[tuple[str, int]], most: int) -> list[str]:
    """The MOST frequent of COUNTS, as lines: "12 × text"."""
    return [f"{count} × {text}" for text, count in sorted(counts, key=lambda one: -one[1])[:most]]
