"""Render's numbers: whole buckets, each counted once; what is not in the plan fails alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import partial
from typing import Any

import pytest

from metrics.config import ConfigError, build_sources
from metrics.sources import Source, SourceError
from metrics.sources.render_series import Label, Point, Seen, Series, traffic
from tests.metrics import standins
from tests.metrics.standins import TOKEN, Render, look, serving, started, survives_any_answer

SERVICE, DATABASE = "srv-abc", "dpg-abc-a"
STEP, NOON = timedelta(minutes=1), datetime(2026, 1, 15, 12, tzinfo=UTC)
NOW = NOON + timedelta(seconds=30)
minutes = partial(standins.minutes, now=NOW)


@pytest.fixture(autouse=True)
def _half_past_noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """No minute ends between an answer and the look at it."""
    monkeypatch.setattr("metrics.sources.render.utc_now", lambda: NOW)


def source_of(url: str, service: str = SERVICE, database: str = DATABASE, **more: Any) -> Source:
    ids = {key: value for key, value in (("service", service), ("database", database)) if value}
    return build_sources({"render": {"url": f"{url}/v1", "token": TOKEN, **ids, **more}})[0]


def healthy() -> Render:
    return Render(
        {
            ("cpu", SERVICE): [
                ({"instance": "a"}, "cpu", minutes(0.2, 0.25, ago=0)),
                ({"instance": "b"}, "cpu", minutes(0.5, 0.75, ago=0)),
                ({"instance": "gone"}, "cpu", minutes(0.99, ago=3)),
            ],
            ("cpu-limit", SERVICE): [({}, "cpu", minutes(1.5, ago=0)), ({}, "cpu", minutes(3, ago=0))],
            ("memory", SERVICE): [({}, "bytes", minutes(256e6, ago=0))],
            ("memory-limit", SERVICE): [({}, "bytes", minutes(512e6, ago=0))],
            ("http-requests", SERVICE): [
                ({"statusCode": "200"}, "unitless", minutes(600, 540, 7, ago=0)),
                ({"statusCode": "503"}, "unitless", minutes(0, 60, 7, ago=0)),
            ],
            ("http-latency", SERVICE): [
                ({"quantile": "0.5"}, "ms", minutes(80, 9999, ago=0)),
                ({"quantile": "0.95"}, "ms", minutes(210, ago=1)),
                ({"quantile": "0.99"}, "ms", minutes(900, ago=1)),
            ],
            ("active-connections", DATABASE): [({}, "count", minutes(11, 12, ago=0))],
            ("cpu", DATABASE): [({}, "cpu", minutes(0.1, ago=0))],
            ("cpu-limit", DATABASE): [({}, "cpu", minutes(0.5, ago=0))],
            ("memory", DATABASE): [({}, "bytes", minutes(100, ago=0))],
            ("memory-limit", DATABASE): [({}, "bytes", minutes(400, ago=0))],
        }
    )


async def test_a_look_at_a_service_and_a_database_asks_ten_times_at_most_and_the_newest_bucket_is_left_out() -> None:
    async with serving(healthy()) as server, started(source_of(server.url)) as source:
        first = await look(source)
        assert len(server.asked) == 10
        second = await look(source)
    assert {name.removeprefix("render."): one.value for name, one in first.items()} == {
        "cpu": 0.5,
        "cpu_cores": 0.75,
        "memory": 0.5,
        "memory_bytes": 256e6,
        "requests": 10.0,
        "error_rate": 0.1,
        "p50": 80,
        "p95": 210,
        "p99": 900,
        "connections": 12,
        "database_cpu": 0.2,
        "database_memory": None,  # its limit is the eleventh question
    }
    assert (first["render.error_rate"].bad, first["render.error_rate"].volume) == (60, 600)
    assert second["render.database_memory"].value == 0.25
    assert len(server.asked) <= 10 + 8  # limits are held for a while
    kinds = [asked.path for asked in server.asked if "latency" in asked.path or "requests" in asked.path]
    assert len(kinds) == 4
    assert all(
        asked.one("resolutionSeconds") == "60" and asked.one("startTime").endswith("Z") for asked in server.asked
    )


async def test_a_bucket_is_whole_when_it_is_by_renders_clock_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metrics.sources.fetching.utc_now", lambda: NOW)
    render = healthy()

    def answer(asked):
        reply = render(asked)
        reply.headers["Date"] = format_datetime(NOW - STEP, usegmt=True)  # this machine's is a minute ahead
        return reply

    async with serving(answer) as server, started(source_of(server.url)) as source:
        rate = (await look(source))["render.error_rate"]
    assert (rate.value, rate.at) == (0, NOON - 2 * STEP)


@pytest.mark.parametrize(("ago", "there"), [(4, True), (6, False)])
async def test_what_is_over_five_minutes_old_is_no_data(ago: int, there: bool) -> None:
    render = Render(
        {
            ("http-latency", SERVICE): [({"quantile": "0.95"}, "ms", minutes(210, ago=ago))],
            ("active-connections", DATABASE): [({}, "count", minutes(12, ago=ago))],
        }
    )
    async with serving(render) as server, started(source_of(server.url)) as source:
        seen = await look(source)
    assert (seen["render.p95"].value, seen["render.connections"].value) == ((210, 12) if there else (None, None))


async def test_an_empty_answer_is_no_data_and_never_zero() -> None:
    async with serving(Render()) as server, started(source_of(server.url)) as source:
        seen = await look(source)
    assert all(one.value is None and not one.error and one.detail["why"] for one in seen.values())


@pytest.mark.parametrize("status", [403, 404])
async def test_what_the_plan_does_not_have_makes_its_own_metrics_errors(status: int) -> None:
    render = healthy()
    render.refused = {("http-latency", SERVICE): status, ("cpu-limit", SERVICE): status}
    async with serving(render) as server, started(source_of(server.url)) as source:
        seen = await look(source)
    failed = {name for name, one in seen.items() if one.error}
    assert failed == {"render.cpu", "render.p50", "render.p95", "render.p99"}
    assert "not in this plan" in seen["render.p95"].error
    assert seen["render.cpu_cores"].value == 0.75


async def test_too_many_points_say_that_the_resolution_is_to_be_coarser() -> None:
    render = healthy()
    render.refused = {("cpu", SERVICE): 500}
    async with serving(render) as server, started(source_of(server.url)) as source:
        assert "coarser resolution" in (await look(source))["render.cpu"].error


async def test_a_429_stops_the_asking_for_the_seconds_that_are_left() -> None:
    render = healthy()
    render.budget = 2
    async with serving(render) as server, started(source_of(server.url)) as source:
        seen = await look(source)
        asked = len(server.asked)
        again = await look(source)
    assert len(server.asked) == asked < 10
    assert seen["render.cpu_cores"].value == 0.75
    assert all(one.error.startswith("render: rate limited, asks again in") for one in again.values())
    assert 30 < int(again["render.cpu"].error.split()[-2]) <= 37


async def test_a_slow_api_is_an_error_of_all_that_was_not_answered() -> None:
    render = healthy()

    def answer(asked):
        reply = render(asked)
        reply.hangs = asked.path.endswith("/http-requests")
        return reply

    async with serving(answer) as server, started(source_of(server.url, timeout="500ms")) as source:
        seen = await look(source)
    assert "no answer" in seen["render.error_rate"].error
    assert seen["render.connections"].value == 12


@pytest.mark.parametrize(("unit", "value"), [("ms", 0.25), ("seconds", 250), ("fortnights", None), ("", None)])
async def test_the_unit_of_a_latency_is_read_and_one_that_is_not_known_is_an_error(unit: str, value) -> None:
    render = Render({("http-latency", SERVICE): [({"quantile": "0.95"}, unit, minutes(0.25, ago=1))]})
    async with serving(render) as server, started(source_of(server.url, database="")) as source:
        p95 = (await look(source))["render.p95"]
    assert p95.value == value
    assert ("unit that is not known" in p95.error) == (value is None)


async def test_a_wrong_key_is_an_error_of_every_metric_and_is_not_told() -> None:
    async with serving(healthy()) as server:
        (source,) = build_sources({"render": {"url": f"{server.url}/v1", "token": "hunter3", "service": SERVICE}})
        async with started(source):
            seen = await look(source)
    assert all("401: the API key is refused" in one.error for one in seen.values())
    assert "hunter3" not in repr(seen) + repr(source)


def counts(*by_status: tuple[str, list[float | None]]) -> list[Series]:
    return [
        Series([Point(NOON + n * STEP, value) for n, value in enumerate(values)], [Label("statusCode", status)])
        for status, values in by_status
    ]


def seen_at(answer: list[Series], minute: int) -> Seen:
    return Seen(answer, NOON - timedelta(minutes=10), NOON + minute * STEP, STEP)


def test_each_whole_bucket_is_counted_once_whenever_the_look_comes() -> None:
    answer = counts(("200", [60.0] * 10), ("500", [None, 6.0, None, None, 6.0, None, None, 6.0, None, None]))
    counted, bad, volume = None, 0.0, 0
    for minute in (1, 1, 2, 5, 5, 9):  # looked at too often, in time, and late
        (rate, errors), counted = traffic(seen_at(answer, minute), counted)
        assert (rate.value is None) == (errors.value is None)
        bad, volume = bad + (errors.bad or 0), volume + errors.volume
    assert (bad, volume, counted) == (18, 9 * 60 + 18, NOON + 8 * STEP)


def test_the_rate_is_over_all_the_time_since_the_look_before_also_where_nobody_came() -> None:
    (rate, _), _ = traffic(seen_at(counts(("200", [60, None, None, 60])), 4), NOON)
    assert rate.value == pytest.approx(60 / 180)
    assert rate.at == NOON + 3 * STEP


def test_after_a_long_silence_the_rate_is_over_what_was_asked_for() -> None:
    (rate, _), _ = traffic(seen_at(counts(("200", [60.0] * 10)), 10), NOON - timedelta(days=1))
    assert rate.value == pytest.approx(600 / (20 * 60))


def test_numbers_that_cannot_be_are_an_error() -> None:
    for value in (1e308, -1.0):
        (rate, errors), _ = traffic(seen_at(counts(("200", [value]), ("500", [value])), 1), None)
        assert "cannot be" in rate.error and "cannot be" in errors.error


def test_no_requests_have_a_rate_of_zero_and_no_error_rate() -> None:
    (rate, errors), _ = traffic(seen_at(counts(("200", [0.0, 0.0])), 2), None)
    assert (rate.value, errors.value, errors.volume) == (0, None, 0)


@pytest.mark.parametrize("status", ["", "unknown", "0", "OK", "200\x1b"])
def test_requests_of_a_status_that_is_none_are_an_error_and_not_well(status: str) -> None:
    (rate, errors), counted = traffic(seen_at(counts(("200", [5.0, 5.0]), (status, [5.0, 5.0])), 2), None)
    assert "without a status" in errors.error and errors.error == rate.error
    assert counted is None


def test_a_question_that_failed_keeps_what_was_counted() -> None:
    assert traffic(SourceError("render: status 500"), NOON)[1] == NOON


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ({"service": "dpg-abc"}, "service"),
        ({"service": "srv-abc/../x"}, "service"),
        ({"database": "srv-abc"}, "database"),
        ({}, "service"),
        ({"service": SERVICE, "resolution": "10s"}, "resolution"),
        ({"service": SERVICE, "token": "a b"}, "token"),
    ],
)
def test_what_is_wrong_with_the_table_is_named_by_its_key(table: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build_sources({"render": {"token": "t", **table}})
    assert caught.value.key == f"metrics.render.{key}"


def test_whatever_is_answered_is_a_finite_number_no_data_or_an_error() -> None:
    at = f"{NOW - 2 * STEP:%Y-%m-%dT%H:%M:%SZ}"
    labels = [{"field": "statusCode", "value": "200"}, {"field": "quantile", "value": "0.5"}]
    survives_any_answer(source_of, [{"labels": labels, "unit": "ms", "values": [{"timestamp": at, "value": 0.5}]}])
