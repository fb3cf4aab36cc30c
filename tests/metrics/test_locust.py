"""A running Locust as a source: no load is no data, and its failures are those since the look before."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from metrics.config import build_sources
from metrics.samples import Measurement
from metrics.sources import Source, SourceError
from tests.metrics.standins import Answer, look, serving, started, survives_any_answer

LOCUSTFILE = """
from locust import HttpUser, constant, task
class Visitor(HttpUser):
    wait_time = constant(0.02)
    @task
    def visit(self):
        self.client.get("/")
"""


def source_of(url: str) -> Source:
    return build_sources({"locust": {"url": url}})[0]


def report(requests: int = 100, failures: int = 10, state: str = "running", **more: Any) -> dict[str, Any]:
    page = {"name": "/", "num_requests": 1, "num_failures": 1}
    total = {"name": "Aggregated", "num_requests": requests, "num_failures": failures}
    return {
        "state": state,
        "user_count": 5,
        "stats": [{**page, "name": "Aggregated"}, page, total],
        "current_rps": 12.5,
        "current_response_time_percentiles": {
            "response_time_percentile_0.5": 40,
            "response_time_percentile_0.95": 90,
        },
        **more,
    }


@contextlib.asynccontextmanager
async def swarm(folder: Path, target: str) -> AsyncIterator[str]:
    """A real Locust with its web API on the loopback, that waits for its load to be started."""
    (folder / "locustfile.py").write_text(LOCUSTFILE)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    argv = ["-m", "locust", "-f", "locustfile.py", "-H", target, "--web-host", "127.0.0.1", "--web-port", str(port)]
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *argv, cwd=folder, stdout=log, stderr=log, env={"PATH": os.environ["PATH"]}
        )
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        await process.wait()


async def until(source: Source, wanted: Callable[[dict[str, Measurement]], bool]) -> dict[str, Measurement]:
    async with asyncio.timeout(20):
        while True:
            with contextlib.suppress(SourceError):
                if wanted(seen := await look(source)):
                    return seen
            await asyncio.sleep(0.1)


@pytest.mark.long
@pytest.mark.skipif(importlib.util.find_spec("locust") is None, reason="locust is not installed")
async def test_a_real_locust_has_no_data_before_its_load_numbers_during_it_and_none_after(server, tmp_path) -> None:
    server.status = 503
    async with (
        swarm(tmp_path, server.url) as url,
        httpx.AsyncClient(base_url=url) as api,
        started(source_of(url)) as source,
    ):
        ready = await until(source, lambda seen: True)
        assert all(one.value is None and not one.error for one in ready.values())
        assert "start the swarm" in str(ready["locust.rps"].detail["why"])
        (await api.post("/swarm", data={"user_count": "3", "spawn_rate": "10"})).raise_for_status()
        during = await until(source, lambda seen: all(one.value is not None for one in seen.values()))
        (await api.post("/stop")).raise_for_status()
        after = await until(source, lambda seen: seen["locust.users"].value is None)
    assert (during["locust.error_rate"].value, during["locust.users"].value) == (1.0, 3)
    assert during["locust.error_rate"].bad == during["locust.error_rate"].volume > 0
    assert during["locust.rps"].value > 0
    assert 0 < during["locust.p50"].value <= during["locust.p95"].value
    assert all(one.value is None and "ended" in str(one.detail["why"]) for one in after.values())


async def test_the_error_rate_is_of_what_ended_since_the_look_before() -> None:
    answers = [report(100, 10), report(140, 15), report(140, 15), report(20, 0), report(30, 1)]
    async with serving(lambda _: Answer(answers.pop(0))) as server, started(source_of(server.url)) as source:
        rates = [(await look(source))["locust.error_rate"] for _ in range(5)]
    assert [(rate.value, rate.volume) for rate in rates] == [(None, 0), (0.125, 40), (None, 0), (None, 0), (0.1, 10)]
    whys = [str(rate.detail.get("why", "")) for rate in rates]
    assert whys == ["first look", "", "no requests since the look before", "the numbers were reset", ""]


@pytest.mark.parametrize("state", ["ready", "stopped", "missing", "cleanup", "\x1b[31m"])
async def test_a_state_without_load_is_no_data_and_ends_the_counting(state: str) -> None:
    answers = [report(100, 10), report(100, 10, state=state), report(140, 15)]
    async with serving(lambda _: Answer(answers.pop(0))) as server, started(source_of(server.url)) as source:
        await look(source)
        idle, again = await look(source), await look(source)
    assert all(one.value is None and str(one.detail["why"]).isprintable() for one in idle.values())
    assert again["locust.error_rate"].value is None


async def test_a_percentile_that_locust_does_not_have_is_no_data() -> None:
    answer = report(current_response_time_percentiles={"response_time_percentile_0.5": None})
    async with serving(lambda _: Answer(answer)) as server, started(source_of(server.url)) as source:
        seen = await look(source)
    assert (seen["locust.p50"].value, seen["locust.p95"].value, seen["locust.rps"].value) == (None, None, 12.5)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(b"<html>login"),
        Answer(b"", 302),
        Answer({**report(), "stats": []}),
        Answer(report(10, 11)),
        Answer(report(-1, 0)),
        Answer(report(10**30, 0)),
        Answer(report(current_rps=-1)),
        Answer(report(user_count="5")),
    ],
    ids=lambda answer: json.dumps(str(answer.body))[:40],
)
async def test_an_answer_that_is_none_is_an_error(answer: Answer) -> None:
    async with serving(lambda _: answer) as server, started(source_of(server.url)) as source:
        with pytest.raises(SourceError, match=r"^locust: "):
            await source.sample()


def test_whatever_is_answered_is_a_finite_number_no_data_or_an_error() -> None:
    survives_any_answer(source_of, report())
