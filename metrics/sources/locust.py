"""The numbers of a Locust that runs with its web API: the load that is on, and what it sees.

Source: locust 2.47, `/stats/requests` of its web.py. Its users wait for an answer before they ask again, so
that its percentiles leave out what a stalled server was not even asked (coordinated omission): compare them
with those of other Locust runs, not with the prober's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import msgspec

from metrics.samples import Measurement, divide, utc_now
from metrics.sources import Metric, Source, SourceError
from metrics.sources.fetching import Remote, url_of
from metrics.tables import Table

METRICS: Mapping[str, Metric] = {
    "locust.rps": Metric("Load", "1/s", "requests a second, of the last seconds", headline=True),
    "locust.error_rate": Metric(
        "Error rate, load", "ratio", "failed requests / requests since the look before", 1.0, 0.1, headline=True
    ),
    "locust.p50": Metric("Load p50", "ms", "the median of the last 10 seconds", 1000.0),
    "locust.p95": Metric("Load p95", "ms", "95% of the last 10 seconds' requests", 1000.0, 500.0, headline=True),
    "locust.users": Metric("Users of the load", "count", "simulated users"),
}
KEYS: Mapping[str, str] = {
    "url": 'the web API; "http://127.0.0.1:8089"',
    "interval": 'between two looks; "5s", and not under 2s, since Locust renews its numbers every 2 seconds',
    "timeout": 'of one look; "4s"',
}
_LOADING = ("spawning", "running", "stopping")
_IDLE = {
    "ready": "no load yet: start the swarm",
    "stopped": "the load has ended",
    "cleanup": "the load has ended",
    "missing": "Locust has no runner",
}


_Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]  # what a float still holds exactly


class _Stats(msgspec.Struct):
    name: str
    num_requests: _Count
    num_failures: _Count


class _Answer(msgspec.Struct):
    state: str
    user_count: _Count
    stats: list[_Stats]
    current_rps: float | None = None
    current_response_time_percentiles: dict[str, float | None] = {}


@dataclass(frozen=True, slots=True)
class Total:
    """Requests and failures since the swarm began, or since its numbers were reset."""

    requests: int
    failures: int


def total_of(answer: _Answer) -> Total:
    """The row of all requests. Raises SourceError without one, or for counts that cannot be."""
    rows = [row for row in answer.stats if row.name == "Aggregated"]
    if not rows:
        raise SourceError("locust: no row Aggregated")
    total = Total(rows[-1].num_requests, rows[-1].num_failures)  # Locust puts its own last, after any page so named
    if total.failures > total.requests:
        raise SourceError("locust: more failures than requests")
    return total


class LocustSource:
    """Asks the web API at URL every INTERVAL seconds. No load is no data, never zero errors."""

    name: str = "locust"
    metrics = METRICS

    def __init__(self, url: str = "http://127.0.0.1:8089", *, interval: float = 5.0, timeout: float = 4.0) -> None:
        if interval <= 0:
            raise ValueError("interval is over 0")
        self.interval = interval
        self._remote = Remote("locust", url, timeout=timeout)
        self._before: Total | None = None

    async def start(self) -> None:
        await self._remote.start()

    async def stop(self) -> None:
        await self._remote.stop()

    async def sample(self) -> tuple[Measurement, ...]:
        """The five metrics. Raises SourceError when Locust does not answer, or not as it should."""
        hints = {302: "it wants a login", 404: "no Locust there; write its url without a path"}
        answer = (await self._remote.ask("/stats/requests", hints=hints)).decoded(_Answer)
        if answer.state not in _LOADING:
            self._before = None
            return tuple(_nothing(metric, _IDLE.get(answer.state, "in no state that is known")) for metric in METRICS)
        now, before = total_of(answer), self._before
        self._before = now
        return (*_gauges(answer), _error_rate(before, now, answer.state))


def _nothing(metric: str, why: str, state: str = "") -> Measurement:
    detail: dict[str, float | str] = {"why": why, **({"state": state} if state else {})}
    return Measurement(metric, None, 0, METRICS[metric].unit, utc_now(), detail)


def _error_rate(before: Total | None, now: Total, state: str) -> Measurement:
    metric = "locust.error_rate"
    if before is None:
        return _nothing(metric, "first look", state)
    count, bad = now.requests - before.requests, now.failures - before.failures
    if count < 0 or not 0 <= bad <= count:
        return _nothing(metric, "the numbers were reset", state)
    if not count:
        return _nothing(metric, "no requests since the look before", state)
    return Measurement(metric, divide(bad, count), count, "ratio", utc_now(), {"state": state}, bad=float(bad))


def _gauges(answer: _Answer) -> tuple[Measurement, ...]:
    percentiles, rate = answer.current_response_time_percentiles, answer.current_rps
    values = {
        "locust.rps": rate,
        "locust.users": float(answer.user_count),
        "locust.p50": percentiles.get("response_time_percentile_0.5"),
        "locust.p95": percentiles.get("response_time_percentile_0.95"),
    }
    if any(value is not None and not 0 <= value < math.inf for value in values.values()):
        raise SourceError("locust: a number below zero")
    return tuple(
        _nothing(metric, "Locust has none", answer.state)
        if value is None
        else Measurement(metric, value, 1, METRICS[metric].unit, utc_now(), {"state": answer.state})
        for metric, value in values.items()
    )


def build(table: Table) -> Source:
    """The source of `[metrics.locust]`."""
    return LocustSource(
        url_of(table, "http://127.0.0.1:8089"),
        interval=table.seconds("interval", 5.0),
        timeout=table.seconds("timeout", 4.0),
    )
