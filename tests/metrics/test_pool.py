"""The application's page: its pool, its traffic, and what a page of one worker can say."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from metrics.sources import SourceError
from metrics.sources.exposition import scrape_of
from metrics.sources.pool import PoolSource
from tests.metrics.standins import look, started

POOL = "sqlalchemy_pool_size 5\nsqlalchemy_pool_checked_out 3\nsqlalchemy_pool_checked_in 2\n"


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


async def test_a_worker_without_a_number_is_not_left_out_of_the_sum(server) -> None:
    server.body = "".join(
        f'sqlalchemy_pool_size{{pid="{pid}"}} 5\nsqlalchemy_pool_checked_out{{pid="{pid}"}} {out}\n'
        for pid, out in ((1, 1), (2, "NaN"))
    )
    async with started(PoolSource(server.url, workers=3)) as source:
        usage = (await look(source))["pool.app_usage"]
    assert usage.value is None and "sqlalchemy_pool_checked_out" in usage.error
    assert usage.detail["workers"] == "2 of 3 workers summed"


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


async def test_counters_that_cannot_be_are_no_data(server) -> None:
    async with started(PoolSource(server.url)) as source:
        server.body = requests_of(s200=0, s500=0)
        await look(source)
        server.body = requests_of(s200=10**308, s500=10**308)
        seen = await look(source)
    assert seen["app.error_rate"].value is None and seen["app.rate"].value is None


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


def requests_of(**by_status: int) -> str:
    return "".join(f'flask_http_request_total{{status="{s[1:]}"}} {n}\n' for s, n in by_status.items())


async def test_refused_sign_ins_are_a_part_of_all_answers_and_the_rate_is_over_the_time_between(
    server, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr("metrics.sources.pool.clock", lambda: now)
    async with started(PoolSource(server.url)) as source:
        server.body = requests_of(s200=100, s401=100, s403=0, s404=0)
        await look(source)
        server.body, now = requests_of(s200=170, s401=105, s403=15, s404=10), 1008.0
        seen = await look(source)
        again = await look(source)
    refused = seen["app.auth_failures"]
    assert (refused.value, refused.bad, refused.volume) == (0.2, 20, 100)
    assert not source.metrics["app.auth_failures"].headline
    assert seen["app.rate"].value == 12.5
    assert again["app.auth_failures"].value is None  # nobody came


async def test_requests_without_a_status_have_a_rate_and_no_error_rate(server) -> None:
    async with started(PoolSource(server.url)) as source:
        server.body = "flask_http_request_total 5\n"
        await look(source)
        server.body = "flask_http_request_total 9\n"
        seen = await look(source)
    assert seen["app.rate"].value > 0
    for metric in ("app.error_rate", "app.auth_failures"):
        assert seen[metric].value is None and "no status label" in seen[metric].error


def buckets_of(fast: int, slow: int) -> str:
    name = "flask_http_request_duration_seconds_bucket"
    return f'{name}{{le="0.5"}} {fast}\n{name}{{le="+Inf"}} {fast + slow}\n'


@pytest.mark.parametrize(("fast", "slow", "value"), [(95, 5, 500), (94, 6, None), (0, 100, None)])
async def test_a_p95_above_the_last_bucket_is_no_number_that_a_limit_could_be_above_of(
    server, fast: int, slow: int, value: float | None
) -> None:
    async with started(PoolSource(server.url)) as source:
        server.body = buckets_of(7, 7)
        await look(source)
        server.body = buckets_of(7 + fast, 7 + slow)
        p95 = (await look(source))["app.p95"]
    assert p95.value == value
    assert ("above the last bucket (500 ms): cannot say" in p95.error) == (value is None)


@pytest.mark.parametrize("bound", ["", "NaN", "-Inf", "wide"])
async def test_a_bucket_without_a_bound_is_an_error_of_the_p95_alone(server, bound: str) -> None:
    name = "flask_http_request_duration_seconds_bucket"
    server.body = POOL + f'{name}{{le="{bound}"}} 5\n{name}{{le="+Inf"}} 50\n'
    async with started(PoolSource(server.url)) as source:
        await look(source)
        seen = await look(source)
    assert seen["app.p95"].value is None and "without a bound" in seen["app.p95"].error
    assert seen["pool.app_usage"].value == 0.6


async def test_only_what_is_wanted_of_a_page_is_read_but_every_line_is_looked_at() -> None:
    page = '# HELP a b\n\na{x="}"} 1 # {trace="9"} 0.5\nb_total{x="1"} +Inf 1700000000000\n{"c.d",x="1"} 3\n'
    assert await scrape_of(page, {"a"}) == {("a", frozenset({("x", "}")})): 1.0} | {
        ("c.d", frozenset({("x", "1")})): 3
    }
    for wrong in ("<html>", "b", "b{x=", 'b{x="1"} 1 2 3', "b " + "9" * 20_000):
        with pytest.raises(ValueError, match="not in the Prometheus text format"):
            await scrape_of(page + wrong, {"a"})
    with pytest.raises(ValueError, match="too many"):
        await scrape_of("a 1\n" * 20_001, {"a"})
