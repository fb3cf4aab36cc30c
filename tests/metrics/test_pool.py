"""The application's page: its pool, its traffic, and what a page of one worker can say."""

from __future__ import annotations

import json
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from metrics.config import ConfigError, build_sources
from metrics.sources import Source, SourceError
from metrics.sources.exposition import scrape_of
from metrics.sources.pool import PoolSource
from tests.metrics.standins import Answer, look, serving, started, survives_any_answer

POOL = "sqlalchemy_pool_size 5\nsqlalchemy_pool_checked_out 3\nsqlalchemy_pool_checked_in 2\n"


def json_source(url: str, **more: Any) -> Source:
    return build_sources({"pool": {"url": url, "format": "json", **more}})[0]


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


@pytest.mark.parametrize(
    ("statuses", "errors", "refused"),
    [
        ({"2xx": 15, "5xx": 5}, 0.25, 0),
        ({"2xx": 10, "4xx": 5, "5xx": 5}, 0.25, None),
        ({"total": 15, "failed": 5}, None, None),
        ({"200": 15, "": 5}, None, None),
        ({"200": 20, "unknown": 0}, 0, 0),
    ],
)
async def test_answers_whose_status_is_not_told_are_never_counted_as_well(server, statuses, errors, refused) -> None:
    async with started(json_source(server.url)) as source:
        server.body = json.dumps({"requests": dict.fromkeys(statuses, 0)})
        await look(source)
        server.body = json.dumps({"requests": statuses})
        seen = await look(source)
    assert (seen["app.error_rate"].value, seen["app.auth_failures"].value) == (errors, refused)
    assert bool(seen["app.auth_failures"].error) == (refused is None)


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


async def test_a_json_page_has_the_same_metrics(server) -> None:
    page: dict[str, Any] = {
        "pool": {"size": 5, "checked_out": 3, "checked_in": 2, "overflow": -2, "max_overflow": 10},
        "requests": {"200": 100, "503": 0, "401": 2},
        "duration": {"0.1": 10, "0.2": 10, "+Inf": 10},
        "started": 1700000000.5,
    }
    async with started(json_source(server.url, workers=1)) as source:
        server.body = json.dumps(page)
        await look(source)
        page["requests"] = {"200": 170, "503": 20, "401": 12}
        page["duration"] = {"0.1": 100, "0.2": 110, "+Inf": 110}
        server.body = json.dumps(page)
        seen = await look(source)
        page["started"] += 1
        server.body = json.dumps(page)
        anew = await look(source)
    assert (seen["pool.app_usage"].value, seen["pool.app_usage"].detail["workers"]) == (0.2, "the only worker")
    assert (seen["app.error_rate"].value, seen["app.error_rate"].volume) == (0.2, 100)
    assert seen["app.auth_failures"].value == 0.1
    assert seen["app.p95"].value == pytest.approx(150)
    assert anew["app.error_rate"].value is None and "reset" in str(anew["app.error_rate"].detail["why"])


NAMES = {"size": "workers[].pool.size", "checked_out": "workers[].pool.out", "requests": "workers[].answers"}


async def test_the_workers_of_a_json_page_are_summed(server) -> None:
    workers = [{"pool": {"size": 5, "out": out}, "answers": {"200": 10}} for out in (1, 2, 3)]
    server.body = json.dumps({"workers": workers})
    async with started(json_source(server.url, workers=4, names=NAMES)) as source:
        usage = (await look(source))["pool.app_usage"]
        workers[1]["answers"], workers[2]["answers"] = {"200": 14}, {"200": 15, "500": 1}
        server.body = json.dumps({"workers": workers})
        errors = (await look(source))["app.error_rate"]
    assert (usage.value, usage.detail["workers"]) == (0.4, "3 of 4 workers summed")
    assert (errors.value, errors.volume) == (0.1, 10)


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        {},
        {"size": 5},
        {"size": 5, "out": "1"},
        {"size": 5, "out": True},
        {"size": 5, "out": 10**400},
        True,
        5,
        [],
    ],
)
async def test_one_worker_without_its_number_leaves_no_number_of_all(server, wrong: Any) -> None:
    server.body = json.dumps({"workers": [{"pool": {"size": 5, "out": 1}}, {"pool": wrong}]})
    async with started(json_source(server.url, names=NAMES)) as source:
        seen = await look(source)
    assert seen["pool.app_used"].value is None and seen["pool.app_usage"].value is None
    assert "no workers[].pool.out" in seen["pool.app_used"].error


@pytest.mark.parametrize(
    "body", [b"<html>", b"", b"[" * 100_000, b"NaN", b"\xff", json.dumps({"requests": dict.fromkeys(range(1001), 1)})]
)
async def test_a_page_that_is_no_json_or_without_end_is_an_error(body: Any) -> None:
    answer = Answer(body if isinstance(body, bytes) else body.encode())
    async with serving(lambda _: answer) as server, started(json_source(server.url)) as source:
        with pytest.raises(SourceError, match="metrics page: not JSON"):
            await source.sample()


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ({"format": "xml"}, "format"),
        ({"format": "json", "names": {"size": "a..b"}}, "names.size"),
        ({"format": "json", "names": {"size": "a[0].b"}}, "names.size"),
        ({"names": {"sice": "a"}}, "names.sice"),
    ],
)
def test_what_is_wrong_with_the_table_is_named_by_its_key(table: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build_sources({"pool": {"url": "http://a", **table}})
    assert caught.value.key == f"metrics.pool.{key}"


def test_whatever_json_is_answered_is_a_finite_number_no_data_or_an_error() -> None:
    pool = {"size": 5, "checked_out": 3, "checked_in": 2, "overflow": 1, "max_overflow": 10}
    page = {"pool": pool, "requests": {"200": 5, "500": 1}, "duration": {"0.1": 40, "+Inf": 50}, "started": 1}
    survives_any_answer(json_source, page)
    survives_any_answer(
        lambda url: json_source(url, names=NAMES),
        {"workers": [{"pool": {"size": 5, "out": 1}, "answers": {"200": 1}}]},
    )
