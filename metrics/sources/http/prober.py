"""The prober: open loop, so that a stall of the server is seen by every request that should have been sent.

Sends happen at fixed intended times, whatever became of the ones before; latency = done - intended. What ends
without a reply or could not be sent counts at least its timeout, and is never dropped. (A prober that waits for
a reply before the next send leaves out just the requests that would have been slow: coordinated omission.)
"""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median_low

import httpx

from metrics.latency import Latency
from metrics.samples import Measurement, clock, divide, utc_now
from metrics.sources import Metric, SourceError
from metrics.sources.http.dial import in_thread
from metrics.sources.http.probe import Connections, Parts, Seen, look
from metrics.sources.http.target import Target
from metrics.window import Window

METRICS: Mapping[str, Metric] = {
    "http.p50": Metric("Response p50", "ms", "the median of the last minute's probes", 1000.0, headline=True),
    "http.p95": Metric("Response p95", "ms", "95% of the last minute's probes", 1000.0, 500.0, headline=True),
    "http.p99": Metric("Response p99", "ms", "99% of the last minute's probes", 1000.0, headline=True),
    "http.latency": Metric(
        "Response, newest", "ms", "the median of the probes since the sample before; carries their histogram", 1000.0
    ),
    "http.error_rate": Metric(
        "Error rate, prober", "ratio", "failed probes / probes since the sample before", 1.0, 0.1, headline=True
    ),
    "http.down": Metric("Targets down", "count", "targets whose last three probes all failed", limit=1.0),
    "http.rate": Metric("Probes", "1/s", "probes that ended"),
    "http.dns": Metric("Looking the host up", "ms", "the median over the last minute's new connections"),
    "http.connect": Metric("Connecting", "ms", "the median over the last minute's new connections"),
    "http.tls": Metric("TLS handshake", "ms", "the median over the last minute's new connections"),
    "http.first_byte": Metric("First byte", "ms", "the median from request to headers, of the last minute's replies"),
}

DOWN_AFTER = 3  # failures in a row
NOT_SENT = "not sent: too many under way"
_PARTS_KEPT = 10_000  # newest probes whose parts are kept: bounds memory and the work of a sample at high rates
# Seconds: a timer of the loop ends up to a millisecond late (epoll counts in them), so a send aims that much before
# its time. One that leaves early counts from when it left, so that no request looks faster or slower than it was.
_TIMER = 0.001
_PERCENTILES = (50, 95, 99)


@dataclass(frozen=True, slots=True)
class _Result:
    target: str
    latency: float
    why: str


@dataclass(slots=True)
class _Lane:
    """A target on its own: its connections, its probes under way, how its last ones ended."""

    target: Target
    name: str
    timeout: float
    connections: Connections
    under_way: set[asyncio.Task[None]] = field(default_factory=set)
    last: deque[bool] = field(default_factory=lambda: deque(maxlen=DOWN_AFTER))

    @property
    def known(self) -> bool:
        return len(self.last) == DOWN_AFTER

    @property
    def down(self) -> bool:
        return self.known and all(self.last)


class HttpProber:
    """Probes TARGETS, each once every INTERVAL seconds, evenly spread over it. Proxies that the environment
    names are not used: the parts of a way through a proxy are not those of the target.

    interval      seconds between two probes of one target, and between two samples
    timeout       seconds; a probe that is not sent or not answered counts at least this much
    over          seconds the percentiles look back
    concurrency   probes of one target on their way at once; one that finds no room is a failure, not a wait

    `http.error_rate` speaks of the probes that ended since the sample before. Certificates are always verified,
    against certifi's list or $SSL_CERT_FILE. Raises ValueError without targets.
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
        self._parts: deque[tuple[float, Parts]] = deque(maxlen=_PARTS_KEPT)
        self._fresh: list[_Result] = []
        self._late = 0.0  # seconds; the latest that a send has left since the sample before
        self._lanes: tuple[_Lane, ...] = ()
        self._schedule: asyncio.Task[None] | None = None
        self._sampled_at = clock()

    async def start(self) -> None:
        """Raises SourceError when there are no authorities to hold certificates against."""
        await self.stop()
        tls = await _authorities() if any(t.address.scheme == b"https" for t in self._targets) else None
        self._lanes = tuple(
            _Lane(
                target,
                target.name or f"#{number}",
                target.timeout or self._timeout,
                Connections(target, tls),
            )
            for number, target in enumerate(self._targets, 1)
        )
        self._sampled_at = clock()
        self._schedule = asyncio.create_task(self._send_on_time())

    async def stop(self) -> None:
        tasks = [task for lane in self._lanes for task in lane.under_way]
        if self._schedule is not None:
            tasks.append(self._schedule)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._schedule = None
        lanes, self._lanes = self._lanes, ()
        for lane in lanes:
            await lane.connections.aclose()

    async def _send_on_time(self) -> None:
        begin, spacing, turn = clock(), self.interval / len(self._lanes), 0
        while True:
            intended = begin + turn * spacing
            if clock() - intended > self._window.over:  # this machine slept: nothing was measured meanwhile
                begin, turn, intended = clock(), 0, clock()
            await asyncio.sleep(max(intended - clock() - _TIMER, 0))
            intended = min(intended, clock())
            self._late = max(self._late, clock() - intended)
            lane = self._lanes[turn % len(self._lanes)]
            if len(lane.under_way) >= self._concurrency:
                self._note(lane, intended, Seen(NOT_SENT, False, Parts()))
            else:
                probe = asyncio.create_task(self._probe(lane, intended))
                lane.under_way.add(probe)
                probe.add_done_callback(lane.under_way.discard)
            turn += 1

    async def _probe(self, lane: _Lane, intended: float) -> None:
        left = max(intended + lane.timeout - clock(), 0)
        self._note(lane, intended, await look(lane.connections, lane.target, left))

    def _note(self, lane: _Lane, intended: float, seen: Seen) -> None:
        done = seen.parts.ended if seen.answered and seen.parts.ended is not None else clock()
        latency = done - intended if seen.answered else max(done - intended, lane.timeout)
        lane.last.append(bool(seen.why))
        self._fresh.append(_Result(lane.name, latency, seen.why))
        self._parts.append((done, seen.parts))
        self._window.add(done, seconds=latency, bad=bool(seen.why))

    async def sample(self) -> tuple[Measurement, ...]:
        """The percentiles and parts of the window, and the error and send rates since the sample before.

        Raises SourceError when the schedule has died: then nothing is being looked at.
        """
        if self._schedule is None or self._schedule.done():
            raise SourceError("the prober is not running")
        now = clock()
        fresh, self._fresh = self._fresh, []
        late, self._late = self._late, 0.0
        elapsed, self._sampled_at = now - self._sampled_at, now
        return (
            *self._percentiles(now),
            _newest(fresh, late),
            self._error_rate(fresh),
            self._down(),
            Measurement("http.rate", divide(len(fresh), elapsed), 1, "1/s", utc_now()),
            *self._medians(now),
        )

    def _percentiles(self, now: float) -> list[Measurement]:
        latency, out = self._window.summary(now).latency, []
        for percentile in _PERCENTILES:
            note: dict[str, float | str] = {"over_s": self._window.over, "text": latency.text(percentile)}
            value = _ms(latency.percentile(percentile))
            out.append(Measurement(f"http.p{percentile}", value, latency.samples, "ms", utc_now(), note))
        return out

    def _error_rate(self, fresh: Sequence[_Result]) -> Measurement:
        failed = [result for result in fresh if result.why]
        under_way = sum(len(lane.under_way) for lane in self._lanes)
        detail: dict[str, float | str] = {"targets": len(self._lanes), "under_way": under_way}
        if failed:
            worst, most = Counter(result.target for result in failed).most_common(1)[0]
            detail["reasons"] = _reasons(failed)
            detail["worst"] = worst
            detail["worst_failed"], detail["worst_probes"] = most, sum(r.target == worst for r in fresh)
            detail["worst_reasons"] = _reasons([r for r in failed if r.target == worst])
        rate, bad = divide(len(failed), len(fresh)), float(len(failed))
        return Measurement("http.error_rate", rate, len(fresh), "ratio", utc_now(), detail, bad=bad)

    def _down(self) -> Measurement:
        """None until every target has been probed often enough to be called up, unless one is known to be down."""
        down = [lane.name for lane in self._lanes if lane.down]
        known = sum(lane.known for lane in self._lanes)
        value = float(len(down)) if down or known == len(self._lanes) else None
        detail: dict[str, float | str] = {"targets": len(self._lanes)}
        if down:
            detail["names"] = ", ".join(down)
        return Measurement("http.down", value, known, "count", utc_now(), detail)

    def _medians(self, now: float) -> list[Measurement]:
        while self._parts and self._parts[0][0] < now - self._window.over:
            self._parts.popleft()
        out = []
        for part in ("dns", "connect", "tls", "first_byte"):
            seen = [value for _, parts in self._parts if (value := getattr(parts, part)) is not None]
            value = _ms(median_low(seen)) if seen else None
            note: dict[str, float | str] = {"over_s": self._window.over}
            out.append(Measurement(f"http.{part}", value, len(seen), "ms", utc_now(), note))
        return out


async def _authorities() -> ssl.SSLContext:
    """Read when the prober starts, so that a checklist loads where $SSL_CERT_FILE is wrong; and in a thread, since
    the event loop is not to wait for files."""
    try:
        return await in_thread(httpx.create_ssl_context, "prober-tls")
    except (OSError, ValueError):
        raise SourceError("the certificate authorities cannot be read; is $SSL_CERT_FILE right?") from None


def _newest(fresh: Sequence[_Result], late: float) -> Measurement:
    """`late_ms` is the prober's own fault: when it is not small, this machine is too busy to measure well."""
    latency = Latency()
    for result in fresh:
        latency.add(result.latency)
    encoded = latency.encoded() if fresh else None
    value, note = _ms(latency.percentile(50)), {"late_ms": round(late * 1000, 1)}
    return Measurement("http.latency", value, len(fresh), "ms", utc_now(), note, latency=encoded)


def _reasons(failed: Sequence[_Result]) -> str:
    return ", ".join(sorted({result.why for result in failed}))


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000
