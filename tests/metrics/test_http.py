"""The prober sees what a user would have seen, stalls included."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest

from metrics.samples import Measurement
from metrics.sources import SourceError
from metrics.sources.http import HttpProber, Target


@contextlib.asynccontextmanager
async def probing(prober: HttpProber) -> AsyncIterator[HttpProber]:
    await prober.start()
    try:
        yield prober
    finally:
        await prober.stop()


async def gather(
    prober: HttpProber, enough: Callable[[dict[str, Measurement], int, float], bool]
) -> tuple[dict[str, Measurement], int, float]:
    """Samples until ENOUGH(latest, probes, bad ones); the probes and the bad ones are of all samples."""
    probes, bad = 0, 0.0
    async with asyncio.timeout(10):
        while True:
            latest = {m.metric: m for m in await prober.sample()}
            rate = latest["http.error_rate"]
            probes, bad = probes + rate.volume, bad + (rate.bad or 0)
            if enough(latest, probes, bad):
                return latest, probes, bad
            await asyncio.sleep(0.02)


async def test_known_latencies_come_out_as_percentiles(server) -> None:
    server.delay = 0.03
    async with probing(HttpProber([Target(server.url)], interval=0.02, concurrency=200)) as prober:
        latest, _, bad = await gather(prober, lambda m, n, b: n >= 110)
    assert bad == 0
    for metric in ("http.p50", "http.p95", "http.p99"):
        assert latest[metric].value is not None and latest[metric].value >= 30
    assert latest["http.p50"].value < 200


async def test_a_stall_shows_in_the_tail_though_only_a_few_were_on_their_way(server) -> None:
    async with probing(HttpProber([Target(server.url)], interval=0.01, concurrency=200)) as prober:
        await gather(prober, lambda m, n, b: n >= 60)
        server.open.clear()
        await server.after(60)  # they go on being sent, replies or not
        server.open.set()
        latest, _, bad = await gather(prober, lambda m, n, b: m["http.p99"].volume >= 140)
    assert bad == 0
    assert latest["http.p99"].value > 400
    assert latest["http.p95"].value > 300  # a prober that waits would have had one slow request in 80


async def test_probes_that_find_no_room_count_as_failures_of_at_least_the_timeout(server) -> None:
    server.open.clear()
    async with probing(HttpProber([Target(server.url)], interval=0.01, timeout=3, concurrency=2)) as prober:
        latest, probes, bad = await gather(prober, lambda m, n, b: n >= 25)
    assert bad == probes
    assert latest["http.p95"].value >= 3000
    assert "not sent" in latest["http.error_rate"].detail["reasons"]
    assert server.requests <= 2


async def test_a_timeout_counts_at_least_its_timeout(server) -> None:
    server.open.clear()
    async with probing(HttpProber([Target(server.url)], interval=0.02, timeout=0.2)) as prober:
        latest, probes, bad = await gather(prober, lambda m, n, b: n >= 5)
    assert bad == probes
    assert latest["http.p50"].value >= 200


async def test_only_the_expected_statuses_are_well(server) -> None:
    server.status = 503
    async with probing(HttpProber([Target(server.url, frozenset({200, 201}))], interval=0.02)) as prober:
        latest, probes, bad = await gather(prober, lambda m, n, b: n >= 5)
    assert bad == probes
    assert latest["http.error_rate"].detail["reasons"] == "status 503"
    server.status = 201
    async with probing(HttpProber([Target(server.url, frozenset({200, 201}))], interval=0.02)) as prober:
        assert (await gather(prober, lambda m, n, b: n >= 5))[2] == 0


async def test_several_targets_are_all_probed_and_a_dead_one_is_half_of_the_errors(server) -> None:
    dead = Target("http://127.0.0.1:1/secret-path")
    async with probing(HttpProber([Target(server.url), dead], interval=0.02, timeout=0.5)) as prober:
        latest, probes, bad = await gather(prober, lambda m, n, b: n >= 40)
    assert bad / probes == pytest.approx(0.5, abs=0.1)
    assert "secret-path" not in repr(latest)


async def test_no_probe_yet_is_no_data(server) -> None:
    server.open.clear()
    async with probing(HttpProber([Target(server.url)], interval=5)) as prober:
        rate = {m.metric: m for m in await prober.sample()}["http.error_rate"]
    assert (rate.value, rate.volume) == (None, 0)


async def test_a_prober_that_does_not_run_cannot_look(server) -> None:
    with pytest.raises(SourceError):
        await HttpProber([Target(server.url)]).sample()
