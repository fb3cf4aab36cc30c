"""A JSON page of the application has the same metrics, and leaves no worker out of a sum."""

from __future__ import annotations

import json
from typing import Any

import pytest

from metrics.config import ConfigError, build_sources
from metrics.sources import Source, SourceError
from tests.metrics.standins import Answer, look, serving, started, survives_any_answer


def json_source(url: str, **more: Any) -> Source:
    return build_sources({"pool": {"url": url, "format": "json", **more}})[0]


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
