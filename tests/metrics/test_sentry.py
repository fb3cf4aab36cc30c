"""Sentry's counts: a zero is one that it said, and no question is asked before its time."""

from __future__ import annotations

import gzip
import time
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.config import ConfigError, build_sources
from metrics.samples import utc_now
from metrics.sources import Source
from metrics.sources.fetching import silence
from metrics.sources.sentry import cursor_of
from tests.metrics.standins import TOKEN, Answer, Sentry, look, serving, started, survives_any_answer


def source_of(url: str, **more: Any) -> Source:
    return build_sources({"sentry": {"url": url, "organization": "acme", "token": TOKEN, **more}})[0]


async def test_errors_and_new_issues_are_of_the_minutes_project_and_environment_asked_for() -> None:
    only = {"over": "15m", "project": 42, "environment": "production"}
    sentry = Sentry(rows=[{"count()": 90}], issues=3)
    async with serving(sentry) as server, started(source_of(server.url, **only)) as source:
        seen = await look(source)
    assert {name: one.value for name, one in seen.items()} == {
        "sentry.errors": 90,
        "sentry.errors_rate": 0.1,
        "sentry.new_issues": 3,
    }
    events, issues = sorted(server.asked, key=lambda asked: asked.path)
    assert events.path == "/api/0/organizations/acme/events/" and events.one("statsPeriod") == "15m"
    assert issues.one("query") == "is:unresolved firstSeen:-15m"
    assert all((a.one("project"), a.one("environment")) == ("42", "production") for a in server.asked)


async def test_new_issues_are_counted_over_all_pages_and_a_flood_is_at_least_so_many() -> None:
    sentry = Sentry(issues=250)
    async with serving(sentry) as server, started(source_of(server.url)) as source:
        assert (await look(source))["sentry.new_issues"].value == 250
        sentry.issues, before = 10_000, len(server.asked)
        flood = (await look(source))["sentry.new_issues"]
    assert (flood.value, flood.detail["text"]) == (500, "at least 500")
    assert len(server.asked) - before == 1 + 5


@pytest.mark.parametrize(("rows", "value"), [([{"count()": 0}], 0), ([], None), ([{"count()": None}], None)])
async def test_zero_errors_are_data_only_when_the_answer_says_zero(rows: list[Any], value: float | None) -> None:
    async with serving(Sentry(rows=rows)) as server, started(source_of(server.url)) as source:
        errors = (await look(source))["sentry.errors"]
    assert (errors.value, errors.error) == (value, "")
    assert ("why" in errors.detail) == (value is None)


async def test_after_a_429_nothing_is_asked_and_the_measurements_say_until_when() -> None:
    async with serving(Sentry(left=0, reset=time.time() + 90)) as server, started(source_of(server.url)) as source:
        first = await look(source)
        asked = len(server.asked)
        second = await look(source)
    assert len(server.asked) == asked
    for seen in (first, second):
        assert all(one.value is None and "rate limited, asks again in" in one.error for one in seen.values())
        assert 30 < int(seen["sentry.errors"].error.split()[-2]) <= 91


@pytest.mark.parametrize(
    ("scopes", "failed", "scope"),
    [(("event:read",), "sentry.errors", "org:read"), (("org:read",), "sentry.new_issues", "event:read")],
)
async def test_a_token_without_a_scope_fails_what_needs_it_alone_and_names_it(
    scopes, failed: str, scope: str
) -> None:
    async with serving(Sentry(scopes=scopes)) as server, started(source_of(server.url)) as source:
        seen = await look(source)
    assert scope in seen[failed].error and "403" in seen[failed].error
    assert any(one.value == 0 for one in seen.values())


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=202),
        Answer({"detail": TOKEN}, 500),
        Answer(b"<html>" + TOKEN.encode()),
        Answer(b"{}"),
        Answer({"data": [{"count()": -1}]}),
        Answer({"data": [{}]}),
        Answer({"data": [{"count()": 1}, {"count()": 2}]}),
        Answer(status=302, headers={"Location": f"https://evil/{TOKEN}"}),
    ],
)
async def test_an_answer_that_is_none_is_an_error_and_tells_nothing_of_it(answer: Answer) -> None:
    async with serving(lambda _: answer) as server, started(source_of(server.url)) as source:
        errors = (await look(source))["sentry.errors"]
    assert errors.value is None and errors.error.startswith("sentry: ")


async def test_an_answer_over_8_mib_is_not_read_to_its_end_compressed_or_not() -> None:
    long = b"[" + b" " * 8 * 1024 * 1024 + b"]"
    for answer in (Answer(long), Answer(gzip.compress(long), headers={"Content-Encoding": "gzip"})):
        async with serving(lambda _, a=answer: a) as server, started(source_of(server.url)) as source:
            assert "over 8388608 bytes" in (await look(source))["sentry.new_issues"].error


@pytest.mark.parametrize(("times", "value"), [(1, 0), (2, None)])
async def test_an_answer_is_unpacked_once_and_one_that_is_packed_twice_is_an_error(times: int, value) -> None:
    body = b"[]"
    for _ in range(times):
        body = gzip.compress(body)
    answer = Answer(body, headers={"Content-Encoding": ", ".join(["gzip"] * times)})
    async with serving(lambda _: answer) as server, started(source_of(server.url)) as source:
        issues = (await look(source))["sentry.new_issues"]
    assert issues.value == value
    assert ("not asked for" in issues.error) == (value is None)


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ({"organization": "../../evil"}, "organization"),
        ({"project": "web"}, "project"),
        ({"over": "90s"}, "over"),
        ({"over": "25h"}, "over"),
        ({"token": ""}, "token"),
        ({"url": "ftp://a"}, "url"),
        ({"url": "https://u:hunter2#3@a"}, "url"),
    ],
)
def test_what_is_wrong_with_the_table_is_named_by_its_key(table: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build_sources({"sentry": {"organization": "acme", "token": TOKEN, **table}})
    assert caught.value.key == f"metrics.sentry.{key}"
    assert "hunter2" not in str(caught.value)


def test_whatever_is_answered_is_a_finite_number_no_data_or_an_error() -> None:
    survives_any_answer(source_of, {"data": [{"count()": 5}], "meta": {}}, [{"id": "1", "count": "7"}])


def test_a_cursor_is_taken_from_a_next_page_that_has_something_on_it_only() -> None:
    page = '<http://x/?a=1>; rel="{}"; results="{}"; cursor="{}"'
    both = page.format("previous", "true", "0:0:1") + ", " + page.format("next", "true", "0:100:0")
    assert cursor_of(both) == "0:100:0"
    assert cursor_of(page.format("next", "false", "0:100:0")) == ""
    assert cursor_of(page.format("next", "true", "a b&c")) == ""
    assert cursor_of("nonsense; ,, <") == ""


def test_silence_is_read_as_seconds_as_a_date_or_as_a_moment() -> None:
    now = utc_now()
    later = now.timestamp() + 90
    assert silence({"Retry-After": "7"}, now) == 7
    assert silence({"Retry-After": formatdate(later, usegmt=True)}, now) == pytest.approx(90, abs=1.1)
    assert silence({"X-Sentry-Rate-Limit-Reset": str(later)}, now) == pytest.approx(90)
    assert silence({"Ratelimit-Reset": "37"}, now) == 37
    assert silence({"Ratelimit-Reset": str(later)}, now) == pytest.approx(90)
    assert silence({}, now) == 60


@given(st.dictionaries(st.sampled_from(["Retry-After", "Ratelimit-Reset"]), st.text() | st.floats().map(str)))
def test_whatever_a_429_says_the_silence_lasts_a_second_to_an_hour(headers: dict[str, str]) -> None:
    assert 1 <= silence(headers, utc_now()) <= 3600
