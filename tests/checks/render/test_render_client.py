"""Asking Render's API: pages, limits, lost answers, and answers that are none."""

from __future__ import annotations

import dataclasses
import socket
import time

import pytest

from checks.addresses import allowed
from checks.contract import Stopped
from checks.render.client import AnswerLost, Api, Missing, Refused, RenderError
from checks.render.shapes import Connections, Database, Deploy, Service
from tests.checks.render_shapes import (
    DATABASE,
    EMPTY,
    SERVICE,
    TOKEN,
    Answer,
    database,
    deploy,
    limited,
)


@pytest.fixture
def api(ctx, render, url):
    with Api(ctx, TOKEN, url, within=30) as it:
        yield it


GET = f"GET /postgres/{DATABASE}"
POST = f"POST /services/{SERVICE}/deploys"


def one(api):
    return api.get(f"/postgres/{DATABASE}", Database)


def test_an_object_is_read_and_what_is_not_known_is_left_alone(api, render):
    render.databases = [database(somethingNew={"a": [1]})]
    seen = one(api)
    assert (seen.status, seen.disk_gb, seen.suspended) == ("available", 15, "not_suspended")
    assert seen.created_at.tzinfo is not None


def test_a_list_is_read_page_by_page_to_its_end(api, render):
    render.databases = [database(id=f"dpg-{n}-a", name="app-db") for n in range(231)]
    found = api.listing("/postgres", "postgres", Database, [("name", "app-db")])
    assert [d.id for d in found] == [f"dpg-{n}-a" for n in range(231)]
    assert render.limits == [100, 100, 100]


def test_a_list_whose_entries_have_no_cursor_or_always_the_same_ends(api, render):
    entries = [{"postgres": database()}] * 100
    render.first["GET /postgres"] = [Answer(entries)]
    assert len(api.listing("/postgres", "postgres", Database)) == 100
    render.first["GET /postgres"] = [Answer([e | {"cursor": "same"} for e in entries])] * 5
    assert len(api.listing("/postgres", "postgres", Database)) == 200


def test_only_the_newest_of_a_long_list_are_asked_for(api, render):
    render.deploys = [deploy(f"dep-{n}", "deactivated") for n in range(50)]
    assert len(api.listing(f"/services/{SERVICE}/deploys", "deploy", Deploy, most=20)) == 20
    assert render.limits == [20]


@pytest.mark.parametrize("name", ["status", "suspended", "createdAt"])
def test_a_field_that_is_missing_is_named(api, render, name):
    render.databases = [{k: v for k, v in database().items() if k != name}]
    with pytest.raises(RenderError, match=f"`{name}`"):
        one(api)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<html>hello</html>", "not JSON"),
        (b'{"x":' * 100_000, "not JSON"),
        (b"", "an empty answer"),
        (b"[]", "Expected `object`"),
        (b'{"id": 3}', "Expected `str`"),
        (b"\xff\xfe", "not JSON"),
    ],
)
def test_an_answer_that_cannot_be_read_is_an_error(api, render, body, said):
    render.first[GET] = [Answer(body)]
    with pytest.raises(RenderError, match=said):
        one(api)


def test_a_list_of_other_things_names_what_is_missing(api, render):
    render.first["GET /postgres"] = [Answer([{"cursor": "1", "service": {}}])]
    with pytest.raises(RenderError, match="no `postgres` in entry 0"):
        api.listing("/postgres", "postgres", Database)


@pytest.mark.parametrize(
    ("status", "body", "kind", "hint"),
    [
        (401, {"message": "unauthorized"}, RenderError, "key is refused"),
        (403, {"id": "x", "message": "forbidden"}, RenderError, "workspace"),
        (404, {"message": f"not found: {DATABASE}"}, Missing, "is the id right"),
        (404, b"<html>nginx</html>", RenderError, "api_url"),
        (400, {"message": "bad"}, RenderError, "is the id right"),
        (302, b"", RenderError, "the address it leads to"),
    ],
)
def test_a_refusal_is_told_with_what_to_do(api, render, status, body, kind, hint):
    render.first[GET] = [Answer(body, status, {"Location": "http://127.0.0.1:1/"})]
    with pytest.raises(RenderError) as told:
        one(api)
    assert type(told.value) is kind
    assert hint in told.value.hint
    assert render.asked == [GET]


def test_an_error_that_repeats_the_token_does_not_tell_it(api, render):
    render.first[GET] = [Answer({"message": f"key {TOKEN} is bad"}, 401)]
    with pytest.raises(RenderError) as told:
        one(api)
    assert TOKEN not in str(told.value) + told.value.hint


@pytest.mark.parametrize(("after", "seconds"), [("7", 7.0), ("0", 1.0), ("nonsense", 60.0)])
def test_a_rate_limit_is_waited_for_as_long_as_it_says(ctx, render, url, waited, after, seconds):
    answer = limited(after)
    render.first[GET] = [answer, answer]
    with Api(ctx, TOKEN, url, within=300) as api:
        assert one(api).status == "available"
    assert waited == [seconds, seconds]


def test_a_reset_counts_seconds_where_no_retry_after_is_said(ctx, render, url, waited):
    render.first[GET] = [Answer(b"", 429, {"Ratelimit-Reset": "12"})]
    with Api(ctx, TOKEN, url, within=300) as api:
        one(api)
    assert waited == [12.0]


def test_a_rate_limit_beyond_the_deadline_is_an_error_at_once(api, render):
    render.first[GET] = [limited("3000")]
    with pytest.raises(RenderError, match="rate limited for 50m, longer than there is time"):
        one(api)


def test_the_last_question_of_a_limit_makes_the_next_one_wait(ctx, render, url, waited):
    render.first[GET] = [Answer(database(), 200, {"Ratelimit-Remaining": "0", "Ratelimit-Reset": "9"})]
    with Api(ctx, TOKEN, url, within=300) as api:
        one(api)
        assert waited == []
        one(api)
    assert 8 < waited[0] <= 9


def test_a_change_that_is_rate_limited_is_sent_again_since_it_was_not_carried_out(api, render, waited):
    render.begins = [(deploy("dep-1", "created"), [])]
    render.first[POST] = [limited("3")]
    reply = api.change("POST", f"/services/{SERVICE}/deploys", {"clearCache": "clear"})
    assert reply.decoded(Deploy).id == "dep-1"
    assert waited == [3.0]
    assert render.bodies[-1] == {"clearCache": "clear"}


@pytest.mark.parametrize("first", [Answer(b"oops", 500), Answer(b"", 503), Answer(hangs_up=True)])
def test_a_change_whose_answer_is_lost_is_never_sent_twice(api, render, waited, first):
    render.begins = [(deploy("dep-1", "created"), []), (deploy("dep-2", "created"), [])]
    render.first[POST] = [first]
    with pytest.raises(AnswerLost, match="POST"):
        api.change("POST", f"/services/{SERVICE}/deploys", {})
    assert render.asked == [POST]


def test_a_change_that_was_never_sent_is_tried_again_and_then_an_error(ctx, waited):
    with Api(ctx, TOKEN, "http://127.0.0.1:1/v1", within=30) as api, pytest.raises(RenderError) as told:
        api.change("POST", "/services/srv-1/deploys", {})
    assert type(told.value) is RenderError
    assert len(waited) == 2


def test_what_only_sets_a_value_or_asks_is_tried_again(api, render, waited):
    render.first[f"PATCH /services/{SERVICE}"] = [Answer(hangs_up=True), Answer(b"", 502)]
    assert api.change("PATCH", f"/services/{SERVICE}", {"autoDeploy": "no"}).decoded(Service).auto_deploy == "no"
    render.first[GET] = [Answer(b"", 500), Answer(b"", 503)]
    assert one(api).status == "available"
    render.first[GET] = [Answer(b"", 500)] * 3
    with pytest.raises(RenderError, match="status 500"):
        one(api)


def test_a_change_that_is_refused_says_why(api, render):
    render.first[POST] = [Answer({"message": "not in this plan"}, 402)]
    with pytest.raises(Refused, match="status 402: not in this plan"):
        api.change("POST", f"/services/{SERVICE}/deploys", {})


def test_an_empty_202_is_an_answer(api, render):
    render.first[POST] = [EMPTY]
    assert api.change("POST", f"/services/{SERVICE}/deploys", {}).body == b""


def test_a_cancellation_and_the_deadline_end_it(ctx, render, url):
    with Api(ctx, TOKEN, url) as api:
        ctx.cancelled.set()
        with pytest.raises(Stopped):
            one(api)
    ctx.cancelled.clear()
    late = dataclasses.replace(ctx, deadline=time.monotonic() - 1)
    with Api(late, TOKEN, url) as api, pytest.raises(RenderError, match="no time left"):
        one(api)
    assert render.asked == []


def test_an_api_that_takes_the_question_and_never_answers_is_an_error_in_time(ctx):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        with Api(ctx, TOKEN, url, within=0.3) as api, pytest.raises(RenderError, match="no answer"):
            one(api)
        with Api(ctx, TOKEN, url, within=0.3) as api, pytest.raises(AnswerLost):
            api.change("POST", "/services/srv-1/deploys", {})


@pytest.mark.parametrize(
    ("url", "may"),
    [
        ("https://api.render.com/v1", True),
        ("http://localhost:9/v1", True),
        ("http://[::1]:9/v1", True),
        ("http://127.0.0.1.evil.example/v1", False),
        ("http://api.render.com/v1", False),
        ("ftp://127.0.0.1/", False),
        ("https://", False),
        ("nonsense", False),
        ("https://h:notaport/", False),
    ],
)
def test_the_token_goes_by_https_or_stays_on_this_machine(ctx, url, may):
    assert allowed(url) is may
    if not may:
        with pytest.raises(RenderError, match="api_url"):
            Api(ctx, TOKEN, url)


def test_a_token_with_a_line_break_is_refused(ctx):
    with pytest.raises(RenderError, match="not one word"):
        Api(ctx, f"{TOKEN}\n")


def test_connection_strings_are_not_in_any_text():
    assert "secret" not in repr(Connections("postgresql://a:secret@h/d", "postgresql://a:secret@h/d"))
