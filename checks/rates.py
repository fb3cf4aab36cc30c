"""How many requests a second there were, in buckets of one width back from now: from a metric history, access logs or
a Prometheus server."""

from __future__ import annotations

import gzip
import math
import re
import statistics
import time
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, cast

import httpx
import msgspec

from checks.contract import Context, Stopped
from checks.fetching import ASKING, pieces_of, why_no_answer
from checks.recorded import span_of
from metrics.history import HistoryError, Recording
from metrics.logtime import time_of
from metrics.sources.log.rotated import siblings

_LONGEST = 8192
_ENOUGH = 0.5  # of a bucket that looks must cover before their mean says anything of it
_LATE = 5.0  # intervals between looks: what is newer may not be written yet
_LOOK = 20_000  # lines between two looks at the clock
_COMBINED = re.compile(
    rb'\[(\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\] "(?:[^"\\]|\\.)*+" [1-5]\d\d (?:\d+|-)'
)
_TIMES = ("ts", "time", "timestamp", "@timestamp")
_STATUSES = ("status", "status_code")
_MOST = 8 * 2**20  # bytes of an answer


class NoRates(Exception):
    """There is no rate to be had: WHAT, the HINT, and whether it could not be looked at (FAILED) or was empty."""

    def __init__(self, what: str, hint: str, *, failed: bool = False) -> None:
        self.what, self.hint, self.failed = what, hint, failed
        super().__init__(what)


@dataclass(frozen=True, slots=True)
class Rates:
    """Requests a second by SOURCE: NOW of the newest bucket (None: not seen), BEFORE of those before it that were
    seen, newest first, over SPAN seconds."""

    source: str
    now: float | None
    before: tuple[float, ...]
    span: float


def bucketed(rates: Mapping[int, float], source: str, width: float) -> Rates:
    """RATES by how many buckets of WIDTH seconds ago; 0 is the newest."""
    before = {ago: rates[ago] for ago in sorted(rates) if ago > 0}
    return Rates(source, rates.get(0), tuple(before.values()), max(before, default=0) * width)


def of_history(path: Path, metric: str, width: float, reach: float, now: datetime) -> Rates:
    """METRIC (in 1/s) of the metric history at PATH: the mean of each bucket. Raises NoRates."""
    try:
        with Recording(path) as recording:
            known = recording.metrics().get(metric)
            if known is None:
                raise NoRates(f"the history has no {metric}", "name a metric in 1/s: app.rate, log.rate, …")
            if known.unit != "1/s":
                raise NoRates(f"{metric} is no rate", "name a metric in 1/s: app.rate, log.rate, …", failed=True)
            span = span_of(recording, metric, now - timedelta(seconds=reach), now)
    except HistoryError as error:
        raise NoRates(str(error), "the live metrics belong to a run: look with `tminus run`") from None
    # A look is written a moment after it was taken: what is that young counts back from the newest look.
    end = now.timestamp()
    newest = span.at[-1] / 1000 if span.at else 0.0
    if span.interval and end - newest <= _LATE * span.interval / 1000:
        end = newest + 0.001
    buckets: defaultdict[int, list[float]] = defaultdict(list)
    for at, value in zip(span.at, span.values, strict=True):
        buckets[int((end - at / 1000) // width)].append(value)
    enough = _ENOUGH * width * 1000 / span.interval if span.interval else 1.0
    means = {ago: statistics.fmean(values) for ago, values in buckets.items() if len(values) >= enough}
    return bucketed(means, f"the metric {metric}", width)


def of_logs(
    ctx: Context, paths: Sequence[Path], ignore: Sequence[re.Pattern[str]], width: float, reach: float, now: datetime
) -> Rates:
    """The access logs PATHS with their rotated parts, combined or JSON: requests by the time that each line bears.

    A bucket between two requests in which there was none is one of no traffic. Raises NoRates, Stopped.
    """
    counts: Counter[int] = Counter()
    parts = 0
    clock = _Clock(now.timestamp(), width)
    for path in paths:
        if not path.is_file():
            raise NoRates(f"no access log {path}", "see the path; a log that is not there says nothing")
        for part in (path, *siblings(path)):
            try:
                if part.stat().st_mtime < now.timestamp() - reach:
                    continue
                parts += 1
                for ago in clock.requests(ctx, part, ignore):
                    counts[ago] += 1
            except (OSError, EOFError, zlib.error) as error:
                why = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
                raise NoRates(f"{part.name} cannot be read: {why}", "mend or move it away", failed=True) from None
    oldest = min(max(counts, default=0), int(reach // width))
    if not counts:
        raise NoRates(
            "no request with a time in the access log", "is it an access log, combined or one JSON object a line?"
        )
    rates = {ago: counts[ago] / width for ago in range(oldest + 1)}
    return bucketed(rates, f"the access log {', '.join(path.name for path in paths)} ({parts} files)", width)


class _Clock:
    """Finds how many buckets ago the request of a line was."""

    def __init__(self, now: float, width: float) -> None:
        self._now, self._width = now, width
        self._known: dict[bytes, float] = {}

    def requests(self, ctx: Context, part: Path, ignore: Sequence[re.Pattern[str]]) -> Iterator[int]:
        with _opened(part) as file:
            for number, line in enumerate(iter(lambda: file.readline(_LONGEST), b"")):
                if number % _LOOK == 0:
                    if ctx.cancelled.is_set() or ctx.seconds_left <= 0:
                        raise Stopped("cancelled")
                    ctx.progress(number, 0, "lines", part.name)
                at = self._of(line)
                if at is None or at > self._now or (ignore and _ignored(line, ignore)):
                    continue
                yield int((self._now - at) // self._width)

    def _of(self, line: bytes) -> float | None:
        """Seconds since 1970 of the request in LINE; None of a line that is of none."""
        if line[:1] == b"{":
            return _of_json(line)
        found = _COMBINED.search(line)
        if found is None:
            return None
        text = found[1]
        if text not in self._known:
            if len(self._known) > 100_000:
                self._known.clear()
            seen = time_of(f"[{text.decode()}]")
            self._known[text] = seen.timestamp() if seen else math.inf
        at = self._known[text]
        return None if at == math.inf else at


def _of_json(line: bytes) -> float | None:
    try:
        record = msgspec.json.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if not isinstance(record, dict) or not any(name in record for name in _STATUSES):
        return None
    said = next((record[name] for name in _TIMES if name in record), None)
    if isinstance(said, bool) or not isinstance(said, int | float | str):
        return None
    if isinstance(said, str):
        seen = time_of(said if said[:1].isdigit() else f"[{said.strip('[]')}]")
        return None if seen is None else seen.timestamp()
    return said / 1000 if said > 1e11 else float(said)


def _ignored(line: bytes, ignore: Sequence[re.Pattern[str]]) -> bool:
    text = line.decode(errors="replace")
    return any(pattern.search(text) for pattern in ignore)


def _opened(part: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(part, "rb")) if part.suffix == ".gz" else part.open("rb")


class _Series(msgspec.Struct):
    values: list[tuple[float, str]]


class _Data(msgspec.Struct, rename="camel"):
    result_type: str
    result: list[_Series]


class _Answer(msgspec.Struct, rename="camel"):
    status: str
    data: _Data | None = None
    error_type: str = ""


def of_prometheus(ctx: Context, url: str, token: str, query: str, width: float, reach: float, now: datetime) -> Rates:
    """The one series of QUERY from a Prometheus server, a value each WIDTH seconds. Raises NoRates.

    Source: Prometheus documentation, "HTTP API": a range query gives a matrix of [seconds, "value"], 11,000 at most.
    """
    source = "the Prometheus server"
    given = {"query": query, "start": f"{now.timestamp() - reach:.3f}", "end": f"{now.timestamp():.3f}"}
    given["step"] = f"{max(width, reach / 10_000):g}"
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    patience = max(min(30.0, ctx.seconds_left - 1.0), 0.5)
    try:
        answer = _fetched(f"{url.rstrip('/')}/api/v1/query_range", given, headers, patience)
    except (httpx.InvalidURL, httpx.UnsupportedProtocol):
        raise NoRates(f"{source} has no address", "write https://host", failed=True) from None
    except httpx.HTTPError as error:
        raise NoRates(f"{source}: {why_no_answer(error, patience)}", "see its address", failed=True) from None
    if answer.status != "success" or answer.data is None:
        raise NoRates(f"{source} refuses the query: {answer.error_type}", "try the query there", failed=True)
    if answer.data.result_type != "matrix" or len(answer.data.result) > 1:
        raise NoRates(f"{source} gives more than one series", "aggregate the query, as in sum(…)", failed=True)
    if not answer.data.result:
        raise NoRates(f"{source} has no such series", "see the query: which counter does the app export?")
    rates: dict[int, float] = {}
    for at, text in answer.data.result[0].values:
        value = _number(text)
        if value is not None:
            rates[max(int((now.timestamp() - at) // width), 0)] = value
    return bucketed(rates, source, width)


def _fetched(url: str, given: Mapping[str, str], headers: Mapping[str, str], patience: float) -> _Answer:
    until = time.monotonic() + patience
    with httpx.Client(timeout=patience, follow_redirects=False) as client, client.stream(
        "POST", url, data=dict(given), headers={**headers, **ASKING}
    ) as answer:  # fmt: skip
        body = b""
        for piece in pieces_of(answer, until):
            body += piece
            if len(body) > _MOST:
                raise NoRates("the Prometheus server answers without an end", "a shorter reach", failed=True)
    hints = {401: "it wants a token", 403: "the token is refused", 404: "no Prometheus API there"}
    try:
        return msgspec.json.decode(body, type=_Answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        hint = hints.get(answer.status_code, "write its address without /api/v1")
        raise NoRates(f"the Prometheus server answers {answer.status_code}", hint, failed=True) from None


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None
