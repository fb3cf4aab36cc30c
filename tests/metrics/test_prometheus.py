"""Instant queries: one number or none, of a real Prometheus and of one that answers nonsense."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from metrics.config import ConfigError, build_sources
from metrics.sources import Source
from tests.metrics.standins import TOKEN, Answer, Asked, look, serving, started, survives_any_answer


def source_of(url: str, **queries: Any) -> Source:
    return build_sources({"prometheus": {"url": url, "token": TOKEN, "queries": queries}})[0]


def vector(*values: Any, at: float | None = None, **more: Any) -> dict[str, Any]:
    rows = [{"metric": {"n": f"{n}"}, "value": [at or time.time(), v]} for n, v in enumerate(values)]
    return {"status": "success", "data": {"resultType": "vector", "result": rows}, **more}


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Prometheus without anything to scrape; skipped where there is none."""
    program, folder = shutil.which("prometheus"), tmp_path_factory.mktemp("prometheus")
    if program is None:
        pytest.skip("no prometheus in the PATH")
    (folder / "p.yml").write_text("global: {}\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    argv = [
        program,
        f"--config.file={folder}/p.yml",
        f"--storage.tsdb.path={folder}",
        f"--web.listen-address={address}",
    ]
    with Path(folder / "log").open("wb") as log, subprocess.Popen(argv, stderr=log, stdout=log) as process:
        try:
            until = time.monotonic() + 20
            while not _ready(f"http://{address}/-/ready"):
                assert time.monotonic() < until and process.poll() is None, (folder / "log").read_text()
                time.sleep(0.05)
            yield f"http://{address}"
        finally:
            process.terminate()


def _ready(url: str) -> bool:
    try:
        return httpx.get(url).status_code == 200
    except httpx.HTTPError:
        return False


async def test_a_real_prometheus_answers_numbers_and_everything_else_is_no_data_or_an_error(prometheus) -> None:
    source = source_of(
        prometheus,
        vector="vector(12.5)",
        scalar="scalar(vector(3))",
        nan="vector(0) / 0",
        endless="1 / 0",
        empty="nothing_there",
        zero="sum(nothing_there) or vector(0)",
        two='label_replace(vector(1), "a", "b", "", "") or vector(2)',
        text='"12"',
        matrix="vector(1)[5m:1m]",
        syntax="sum((",
        share={"bad": "vector(5)", "volume": "vector(40)", "label": "Failed"},
    )
    async with started(source):
        seen = await look(source)
    values = {name.partition(".")[2]: one.value for name, one in seen.items() if one.value is not None}
    assert values == {"vector": 12.5, "scalar": 3, "zero": 0, "share": 0.125}
    share = seen["prometheus.share"]
    assert (share.bad, share.volume, share.unit, source.metrics["prometheus.share"].label) == (
        5,
        40,
        "ratio",
        "Failed",
    )
    assert "or vector(0)" in str(seen["prometheus.empty"].detail["why"])
    assert not any(seen[f"prometheus.{name}"].error for name in ("nan", "endless", "empty"))
    assert "2 series: aggregate the query" in seen["prometheus.two"].error
    assert "bad_data" in seen["prometheus.syntax"].error
    assert seen["prometheus.text"].error and seen["prometheus.matrix"].error


async def test_a_query_is_posted_with_the_token_in_the_header_alone() -> None:
    async with serving(lambda _: Answer(vector("1"))) as server:
        source = source_of(f"{server.url}/prom/", up="up{a='b'}")
        async with started(source):
            assert (await look(source))["prometheus.up"].value == 1
    (asked,) = server.asked
    assert (asked.method, asked.path, asked.params) == ("POST", "/prom/api/v1/query", [("query", "up{a='b'}")])
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"


async def test_bad_and_volume_are_of_one_moment_by_the_servers_own_clock() -> None:
    at = time.time() - 3.25
    async with serving(lambda asked: Answer(vector("2" if asked.one("query") == "bad" else "8", at=at))) as server:
        source = source_of(server.url, share={"bad": "bad", "volume": "all"})
        async with started(source):
            share = (await look(source))["prometheus.share"]
    assert (share.value, share.at.timestamp()) == (0.25, pytest.approx(at, abs=1e-3))
    assert [float(asked.one("time") or 0) for asked in server.asked] == [0, at]


@pytest.mark.parametrize(
    ("bad", "volume", "value", "error"),
    [("0", "40.4", 0, ""), ("0", "0", None, ""), ("9", "8", None, "no part"), ("-1", "8", None, "no part")],
)
async def test_a_ratio_without_events_or_beyond_its_bounds_is_never_a_value(bad, volume, value, error) -> None:
    async with serving(lambda asked: Answer(vector(bad if asked.one("query") == "bad" else volume))) as server:
        source = source_of(server.url, share={"bad": "bad", "volume": "all"})
        async with started(source):
            share = (await look(source))["prometheus.share"]
    assert share.value == value
    assert error in share.error and bool(error) == bool(share.error)


async def test_an_old_answer_is_no_data_and_a_warning_is_told_without_its_text() -> None:
    answers = {"old": vector("1", at=time.time() - 301), "part": vector("1", warnings=["\x1b[31mstore down"])}
    async with serving(lambda asked: Answer(answers[asked.one("query")])) as server:
        source = source_of(server.url, old="old", part="part")
        async with started(source):
            seen = await look(source)
    assert seen["prometheus.old"].value is None and "stale" in str(seen["prometheus.old"].detail["why"])
    assert seen["prometheus.part"].value == 1
    assert str(seen["prometheus.part"].detail["warnings"]).startswith("1: ")


async def test_one_query_that_hangs_or_fails_leaves_the_others_alone() -> None:
    def answer(asked: Asked) -> Answer:
        error = {"status": "error", "errorType": "evil\x1b", "error": TOKEN}
        told = {"status": "error", "errorType": "timeout", "error": TOKEN}
        return {
            "hang": Answer(hangs=True),
            "evil": Answer(error, 422),
            "slow": Answer(told, 503),
            "login": Answer(b"", 302, {"Location": f"http://x/{TOKEN}"}),
            "two": Answer(vector("1", "2")),
            "well": Answer(vector("1")),
        }[asked.one("query")]

    async with serving(answer) as server:
        queries = {name: name for name in ("hang", "evil", "slow", "login", "two", "well")}
        table = {"url": server.url, "token": TOKEN, "timeout": "500ms", "queries": queries}
        (source,) = build_sources({"prometheus": table})
        async with started(source):
            seen = {name.partition(".")[2]: one for name, one in (await look(source)).items()}
    assert seen["well"].value == 1
    assert "no answer in 0.5 s" in seen["hang"].error
    assert seen["evil"].error == "prometheus: status 422"
    assert "took too long" in seen["slow"].error
    assert "302" in seen["login"].error
    assert "2 series" in seen["two"].error


async def test_a_user_and_a_password_of_the_url_are_sent_and_not_told(caplog) -> None:
    caplog.set_level("DEBUG")
    async with serving(lambda _: Answer(status=401)) as server:
        url = server.url.replace("//", f"//user:{TOKEN}@")
        (source,) = build_sources({"prometheus": {"url": url, "queries": {"a": "up"}}})
        async with started(source):
            seen = await look(source)
    assert server.asked[0].headers["authorization"].startswith("Basic ")
    assert "401" in seen["prometheus.a"].error
    assert TOKEN not in caplog.text and "api/v1" not in caplog.text  # an address may hold one too


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ({}, "queries"),
        ({"queries": {"P95": "up"}}, "queries"),
        ({"queries": {"a": {"bad": "x"}}}, "queries.a.query"),
        ({"queries": {"a": {"query": "x", "bad": "x", "volume": "y"}}}, "queries.a.query"),
        ({"queries": {"a": {"query": "x", "unit": "furlong"}}}, "queries.a.unit"),
        ({"queries": {"a": {"query": "x", "scale": float("inf")}}}, "queries.a.scale"),
        ({"queries": {"a": {"query": "x", "hunter2": 1}}}, "queries.a.hunter2"),
        ({"queries": {"a": 3}}, "queries.a"),
        ({"queries": {"a": "up"}, "token": "hunter2\n"}, "token"),
    ],
)
def test_what_is_wrong_with_the_table_is_named_by_its_key(table: dict[str, Any], key: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build_sources({"prometheus": {"url": "http://a", **table}})
    assert caught.value.key == f"metrics.prometheus.{key}"


def test_whatever_is_answered_is_a_finite_number_no_data_or_an_error() -> None:
    scalar = {"status": "success", "data": {"resultType": "scalar", "result": [time.time(), "3"]}}
    survives_any_answer(
        lambda url: source_of(url, a="up", b={"bad": "x", "volume": "y"}), vector("1.5", warnings=["x"]), scalar
    )
