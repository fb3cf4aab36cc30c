"""The application's page: its pool, its traffic, and what a page of one worker can say."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from metrics.samples import Measurement
from metrics.sources import SourceError
from metrics.sources.pool import PoolSource

POOL = "sqlalchemy_pool_size 5\nsqlalchemy_pool_checked_out 3\nsqlalchemy_pool_checked_in 2\n"


@contextlib.asynccontextmanager
async def started(source: PoolSource) -> AsyncIterator[PoolSource]:
    await source.start()
    try:
        yield source
    finally:
        await source.stop()


async def look(source: PoolSource) -> dict[str, Measurement]:
    return {m.metric: m for m in await source.sample()}


async def test_usage_is_checked_out_over_size_and_max_overflow(server) -> None:
    server.body = POOL + "sqlalchemy_pool_overflow -2\nsqlalchemy_pool_max_overflow 10\n"
    async with started(PoolSource(server.url, workers=4)) as source:
        seen = await look(source)
    assert (seen["pool.app_used"].value, seen["pool.app_capacity"].value) == (3, 15)
    assert seen["pool.app_usage"].value == 0.2
    assert seen["pool.app_usage"].detail["workers"] == "one of 4 workers"


async def test_without_max_overflow_the_capacity_is_what_can_be_vouched_for(server) -> None:
    server.body = POOL + "sqlalchemy_pool_overflow -2\n"
    async with started(PoolSource(server.url)) as source:
        seen = await look(source)
    assert seen["pool.app_capacity"].value == 5
    assert "does not export" in str(seen["pool.app_usage"].detail["capacity"])
    assert "there may be more" in str(seen["pool.app_usage"].detail["workers"])


async def test_workers_that_are_told_apart_are_summed(server) -> None:
    server.body = "".join(
        f'sqlalchemy_pool_size{{pid="{pid}"}} 5\nsqlalchemy_pool_checked_out{{pid="{pid}"}} {out}\n'
        for pid, out in ((1, 1), (2, 4))
    )
    async with started(PoolSource(server.url, workers=2)) as source:
        usage = (await look(source))["pool.app_usage"]
    assert (usage.value, usage.detail["workers"]) == (0.5, "2 workers summed")


async def test_a_pool_that_is_not_exported_or_nan_is_an_error_and_never_zero(server) -> None:
    server.body = "sqlalchemy_pool_size 5\nsqlalchemy_pool_checked_out NaN\n"
    async with started(PoolSource(server.url)) as source:
        usage = (await look(source))["pool.app_usage"]
    assert usage.value is None
    assert "sqlalchemy_pool_checked_out" in usage.error


async def test_traffic_is_the_difference_of_two_pages(server) -> None:
    registry = CollectorRegistry()
    requests = Counter("flask_http_request", "", ["status"], registry=registry)
    seconds = Histogram("flask_http_request_duration_seconds", "", registry=registry, buckets=[0.1, 0.2, 0.4, 1.0])
    Gauge("sqlalchemy_pool_size", "", registry=registry).set(5)
    requests.labels("500").inc(1000)
    server.body = generate_latest(registry).decode()
    async with started(PoolSource(server.url)) as source:
        first = await look(source)
        assert first["app.error_rate"].value is None and first["app.p95"].value is None
        requests.labels("200").inc(35)
        requests.labels("503").inc(5)
        for _ in range(90):
            seconds.observe(0.05)
        for _ in range(10):
            seconds.observe(0.3)
        server.body = generate_latest(registry).decode()
        second = await look(source)
    rate, p95 = second["app.error_rate"], second["app.p95"]
    assert (rate.value, rate.volume, rate.bad) == (0.125, 40, 5)
    assert p95.volume == 100
    assert p95.value == pytest.approx(300)  # rank 95 is half of the way through the bucket 200..400 ms


async def test_counters_that_fell_are_no_data(server) -> None:
    async with started(PoolSource(server.url)) as source:
        server.body = 'flask_http_request_total{status="500"} 50\n'
        await look(source)
        server.body = 'flask_http_request_total{status="500"} 3\n'
        rate = (await look(source))["app.error_rate"]
    assert rate.value is None and "reset" in str(rate.detail["why"])


async def test_another_process_behind_the_page_is_no_data(server) -> None:
    async with started(PoolSource(server.url)) as source:
        server.body = 'process_start_time_seconds 1\nflask_http_request_total{status="200"} 5\n'
        await look(source)
        server.body = 'process_start_time_seconds 2\nflask_http_request_total{status="200"} 500\n'
        assert (await look(source))["app.error_rate"].value is None


async def test_no_traffic_is_no_data(server) -> None:
    server.body = 'flask_http_request_total{status="200"} 5\n'
    async with started(PoolSource(server.url)) as source:
        await look(source)
        assert (await look(source))["app.error_rate"].value is None


@pytest.mark.parametrize(("status", "body"), [(500, POOL), (200, "<html>{{{ no"), (200, "a{b= 1")])
async def test_a_page_that_cannot_be_read_is_an_error(server, status: int, body: str) -> None:
    server.status, server.body = status, body
    async with started(PoolSource(server.url)) as source:
        with pytest.raises(SourceError, match="metrics page"):
            await source.sample()


async def test_a_dead_page_does_not_tell_its_url() -> None:
    async with started(PoolSource("http://user:hunter2@127.0.0.1:1/m")) as source:
        with pytest.raises(SourceError) as caught:
            await source.sample()
    assert "hunter2" not in str(caught.value)
