"""The prober: open loop, so that a stall of the server is seen by every request that should have been sent.

Sends happen at fixed intended times, whatever became of the ones before; latency = done - intended. What ends
in a failure or could not be sent counts at least its timeout, and is never dropped. (A prober that waits for
a reply before the next send leaves out just the requests that would have been slow: coordinated omission.)
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import httpx

from metrics.samples import Measurement, clock, divide, utc_now
from metrics.sources import Metric, Source, SourceError
from metrics.tables import Table
from metrics.window import Window

METRICS: Mapping[str, Metric] = {
    "http.p50": Metric("Response p50", "ms", "the median of the last minute's probes", 1000.0, headline=True),
    "http.p95": Metric("Response p95", "ms", "95% of the last minute's probes", 1000.0, 500.0, headline=True),
    "http.p99": Metric("Response p99", "ms", "99% of the last minute's probes", 1000.0, headline=True),
    "http.error_rate": Metric(
        "Error rate, prober", "ratio", "failed probes / probes since the sample before", 1.0, 0.1, headline=True
    ),
    "http.rate": Metric("Probes", "1/s", "probes that ended"),
}
KEYS: Mapping[str, str] = {
    "targets": "a list of tables with url and expect (statuses that are well; [200]); needed",
    "interval": 'between two probes of one target; "1s"',
    "timeout": 'what a failed probe counts at least; "5s"',
    "over": 'how far the percentiles look back; "1m"',
    "concurrency": "probes on their way at once; 32",
}

_PERCENTILES = (50, 95, 99)


@dataclass(frozen=True, slots=True)
class Target:
    """A URL to GET, and the statuses that are well."""

    url: str
    expect: frozenset[int] = frozenset({200})


@dataclass(frozen=True, slots=True)
class _Result:
    at: float  # intended send
    done: float
    latency: float
    bad: bool
    why: str


class HttpProber:
    """Probes TARGETS, each once every INTERVAL seconds, evenly spread over it.

    interval      seconds between two probes of one target, and between two samples
    timeout       seconds; a failed or unsent probe counts at least this much
    over          seconds the percentiles look back
    concurrency   probes on their way at once; one that finds no room is a failure, not a wait

    `http.error_rate` speaks of the probes that ended since the sample before. Raises ValueError
    without targets.
    """

    name: str = "http"
    metrics = METRICS

    def __init__(
        self,
        targets: Sequence[Target],
        *,
        interval: float = 1.0,
        timeout: float = 5.0,
        over: float = 60.0,
        concurrency: int = 32,
    ) -> None:
        if not targets:
            raise ValueError("the prober needs a target")
        if interval <= 0 or timeout <= 0 or concurrency < 1:
            raise ValueError("interval, timeout and concurrency are over 0")
        self.interval, self._timeout, self._concurrency = interval, timeout, concurrency
        self._targets = tuple(targets)
        self._window = Window(over, width=min(1.0, over))
        self._fresh: list[_Result] = []
        self._under_way: set[asyncio.Task[None]] = set()
        self._schedule: asyncio.Task[None] | None = None
        self._client: httpx.AsyncClient | None = None
        self._sampled_at = clock()

    async def start(self) -> None:
        limits = httpx.Limits(max_connections=self._concurrency, max_keepalive_connections=self._concurrency)
        self._client = httpx.AsyncClient(timeout=self._timeout, limits=limits, follow_redirects=False)
        self._sampled_at = clock()
        self._schedule = asyncio.create_task(self._send_on_time(self._client))

    async def stop(self) -> None:
        tasks = [*self._under_way, *([self._schedule] if self._schedule else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._schedule = None
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _send_on_time(self, client: httpx.AsyncClient) -> None:
        begin, spacing, turn = clock(), self.interval / len(self._targets), 0
        while True:
            intended = begin + turn * spacing
            if clock() - intended > self._window.over:  # this machine slept: nothing was measured meanwhile
                begin, turn, intended = clock(), 0, clock()
            await asyncio.sleep(max(intended - clock(), 0))
            target = self._targets[turn % len(self._targets)]
            if len(self._under_way) >= self._concurrency:
                self._note(_Result(intended, clock(), self._timeout, True, "not sent: too many under way"))
            else:
                probe = asyncio.create_task(self._probe(client, target, intended))
                self._under_way.add(probe)
                probe.add_done_callback(self._under_way.discard)
            turn += 1

    async def _probe(self, client: httpx.AsyncClient, target: Target, intended: float) -> None:
        why = ""
        try:
            async with asyncio.timeout(max(intended + self._timeout - clock(), 0)):
                async with client.stream("GET", target.url) as reply:
                    async for _ in reply.aiter_raw():  # to the last byte, kept nowhere
                        pass
                    if reply.status_code not in target.expect:
                        why = f"status {reply.status_code}"
        except TimeoutError:
            why = "timeout"
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            why = type(error).__name__  # its text may hold the URL
        done = clock()
        answered = not why or why.startswith("status")
        latency = done - intended if answered else max(done - intended, self._timeout)
        self._note(_Result(intended, done, latency, bool(why), why))

    def _note(self, result: _Result) -> None:
        self._fresh.append(result)
        self._window.add(result.done, seconds=result.latency, bad=result.bad)

    async def sample(self) -> tuple[Measurement, ...]:
        """The percentiles of the window, and the error and send rates since the sample before.

        Raises SourceError when the schedule has died: then nothing is being looked at.
        """
        if self._schedule is None or self._schedule.done():
            raise SourceError("the prober is not running")
        now, at = clock(), utc_now()
        fresh, self._fresh = self._fresh, []
        elapsed, self._sampled_at = now - self._sampled_at, now
        bad = sum(r.bad for r in fresh)
        reasons = ", ".join(sorted({r.why for r in fresh if r.why}))
        detail: dict[str, float | str] = {"targets": len(self._targets), "under_way": len(self._under_way)}
        if reasons:
            detail["reasons"] = reasons
        summary = self._window.summary(now)
        out = []
        for percentile in _PERCENTILES:
            seconds = summary.latency.percentile(percentile)
            note: dict[str, float | str] = {"over_s": self._window.over, "text": summary.latency.text(percentile)}
            value = None if seconds is None else seconds * 1000
            out.append(Measurement(f"http.p{percentile}", value, summary.latency.samples, "ms", at, note))
        out.append(
            Measurement("http.error_rate", divide(bad, len(fresh)), len(fresh), "ratio", at, detail, bad=float(bad))
        )
        out.append(Measurement("http.rate", divide(len(fresh), elapsed), 1, "1/s", at, detail))
        return tuple(out)


def build(table: Table) -> Source:
    """The source of `[metrics.http]`."""
    targets = [_target(row) for row in table.tables("targets")]
    return HttpProber(
        targets,
        interval=table.seconds("interval", 1.0),
        timeout=table.seconds("timeout", 5.0),
        over=table.seconds("over", 60.0),
        concurrency=table.whole("concurrency", 32) or 32,
    )


def _target(table: Table) -> Target:
    url, expect = table.url("http", "https"), table.take("expect", [200])
    if not isinstance(expect, list) or not expect or not all(_is_status(code) for code in expect):
        raise table.wrong("expect", "must be a list of HTTP statuses, as in [200, 204]")
    table.done()
    return Target(url, frozenset(expect))


def _is_status(code: object) -> bool:
    return isinstance(code, int) and not isinstance(code, bool) and 100 <= code <= 599
