"""The source of a log as the sampler meets it: its thread, its measurements, its table."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from metrics.config import build_sources
from metrics.latency import Latency
from metrics.samples import Measurement, clock, sample_of
from metrics.sources.log import KEYS, METRICS, LogSource, build, reader
from metrics.sources.log.follow import Follower
from metrics.sources.log.measured import measurements, trouble
from metrics.sources.log.reader import Report
from metrics.sources.log.reading import Health, Rules
from metrics.sources.log.tally import Tally
from metrics.tables import ConfigError, Table

LINE = '10.1.2.3 - - [22/Nov/2026:20:08:17 +0000] "GET {} HTTP/1.1" {} 512 "-" "curl" {}\n'
Look = dict[str, Measurement]


async def look(source: LogSource) -> Look:
    return {one.metric: one for one in await source.sample()}


async def look_until(source: LogSource, good: Callable[[Look], bool]) -> list[Look]:
    """Every look up to the first that is GOOD."""
    looks: list[Look] = []
    async with asyncio.timeout(20):
        while not looks or not good(looks[-1]):
            await asyncio.sleep(0.005)
            looks.append(await look(source))
    return looks


def followed(seen: Look) -> bool:
    return seen["log.errors"].value is not None


def lines(count: int) -> Callable[[Look], bool]:
    return lambda seen: seen["log.errors"].detail["lines_total"] == count


@pytest.fixture
async def start(tmp_path, monkeypatch):
    """Starts a source of app.log by its table; ends it."""
    monkeypatch.setattr(reader, "PAUSE", 0.005)
    monkeypatch.chdir(tmp_path)
    started: list[LogSource] = []

    async def begin(**keys: object) -> LogSource:
        keys = keys if "command" in keys or "paths" in keys else {"path": "app.log", **keys}
        (source,) = build_sources({"log": keys})
        assert isinstance(source, LogSource)
        started.append(source)
        await source.start()
        return source

    yield begin
    readers = [one for one in threading.enumerate() if one.name == "metrics-log"]
    for source in started:
        await source.stop()
    for thread in readers:
        thread.join(10)
        assert not thread.is_alive()


def add(text: str) -> None:
    with Path("app.log").open("a") as file:
        file.write(text)


async def test_a_silent_log_that_is_followed_is_no_error_and_that_is_data(start):
    add("old ERROR\n")
    source = await start()
    seen = (await look_until(source, followed))[-1]
    assert set(seen) == set(METRICS)
    assert sample_of(seen["log.errors"], clock()).value == 0
    assert sample_of(seen["log.database_errors"], clock()).value == 0
    assert seen["log.error_rate"].value is None and seen["log.rate"].value is None
    assert "access log" in str(seen["log.rate"].detail["why"])


async def test_without_a_file_nothing_is_known_until_there_is_one(start):
    source = await start()
    seen = (await look_until(source, lambda seen: "no file" in str(seen["log.errors"].detail["why"])))[-1]
    assert {one.value for one in seen.values()} == {None}
    assert {one.error for one in seen.values()} == {""}
    add("ERROR 1\n")
    assert (await look_until(source, followed))[-1]["log.errors"].value == 1


async def test_one_of_several_files_that_is_missing_makes_everything_no_data(start):
    add("x\n")
    source = await start(paths=["app.log", "worker.log"])
    looks = await look_until(source, lambda seen: "worker.log: no file yet" in str(seen["log.errors"].detail["why"]))
    assert not any(followed(seen) for seen in looks)
    Path("worker.log").write_text("ERROR\n")
    add("ERROR\n")
    assert (await look_until(source, followed))[-1]["log.errors"].value is not None
    assert (await look_until(source, lines(2)))[-1]["log.errors"].detail["errors_total"] == 2


async def test_requests_are_a_ratio_with_its_parts_and_durations_a_histogram(start):
    add("".join(LINE.format("/", 500 if n % 10 == 0 else 200, 1000 * (n + 1)) for n in range(200)))
    source = await start(**{"from": "start", "duration": "us"})
    seen = (await look_until(source, lines(200)))[-1]
    assert (seen["log.error_rate"].bad, seen["log.error_rate"].volume) == (20, 200)
    assert seen["log.error_rate"].value == pytest.approx(0.1)
    for metric, value in (("log.p50", 100), ("log.p95", 190), ("log.p99", 198)):
        assert seen[metric].value == pytest.approx(value, rel=0.02)
        assert seen[metric].volume == 200
    assert Latency.merged([seen["log.latency"].latency]).percentile(50) == pytest.approx(0.1, rel=0.02)
    later = await look(source)
    assert later["log.error_rate"].value is None  # nothing new
    assert later["log.p95"].volume == 200  # still in the window
    assert later["log.latency"].latency is None


async def test_what_the_rollback_criteria_ask_for_is_summed(start):
    add("")
    source = await start(auth_paths=["/login"])
    await look_until(source, followed)
    add("FATAL:  sorry, too many clients already\nQueuePool limit of size 5 overflow 10 reached\n")
    add("server closed the connection unexpectedly\ncould not translate host name\ndeadlock detected\n")
    add("".join(LINE.format("/login", status, 1) for status in (200, 401, 403, 302)) + LINE.format("/", 401, 1))
    looks = await look_until(source, lines(10))
    total = {metric: sum(seen[metric].value or 0 for seen in looks) for metric in METRICS}
    assert total["log.database_errors"] == 4
    assert [total[f"log.{name}"] for name in ("too_many_connections", "pool_exhausted", "connection_lost")] == [
        1,
        1,
        1,
    ]
    assert (total["log.cannot_connect"], total["log.deadlock"], total["log.timeout"]) == (1, 1, 0)
    assert sum(seen["log.auth_failures"].bad or 0 for seen in looks) == 2
    assert sum(seen["log.auth_failures"].volume for seen in looks) == 4


async def test_a_backlog_is_no_data_but_counted(start, monkeypatch):
    monkeypatch.setattr(reader, "SLICE", 0.0)
    add("".join(LINE.format("/", 500, 12) for _ in range(40_000)))
    source = await start(**{"from": "start", "duration": "us"})
    looks = await look_until(source, followed)
    assert looks[-1]["log.errors"].detail["lines_total"] == 40_000
    assert looks[-1]["log.error_rate"].detail["requests_total"] == 40_000
    assert looks[-1]["log.error_rate"].value is None  # all of them were read as a backlog
    assert any("catching up" in str(seen["log.errors"].detail.get("why")) for seen in looks[:-1])
    assert any(seen["log.errors"].detail.get("behind_bytes") for seen in looks[:-1])


async def test_no_byte_of_a_line_leaves(start):
    add("")
    source = await start(duration="us")
    await look_until(source, followed)
    secret, bold = "hunter2", "\x1b[31m[bold]"
    add(
        f'{LINE.format(f"/{secret}{bold}", 500, 7)}ERROR {secret} {bold} deadlock detected\n{{"level": "{secret}"}}\n'
    )
    looks = await look_until(source, lines(3))
    assert not any(part in repr(looks) for part in (secret, "bold", "\\x1b", "curl", "10.1.2.3"))
    assert sum(seen["log.deadlock"].value or 0 for seen in looks) == 1


async def test_a_command_is_followed_and_ends_with_the_source(start):
    source = await start(command=["sh", "-c", "echo ERROR; exec sleep 60"])
    assert (await look_until(source, lines(1)))[-1]["log.errors"].value == 1


async def test_lines_that_come_late_say_how_late(start):
    add("x\n")
    source = await start()
    await look_until(source, followed)
    add("2026-01-01T00:00:00Z INFO late\n")
    assert (await look_until(source, lines(1)))[-1]["log.errors"].detail["lag_s"] > 60


async def test_a_reader_that_broke_is_an_error_and_never_a_silent_log(start, monkeypatch):
    add("x\n")
    monkeypatch.setattr(Follower, "poll", lambda *_: 1 / 0)
    source = await start()
    seen = (await look_until(source, lambda seen: bool(seen["log.errors"].error)))[-1]
    assert {one.value for one in seen.values()} == {None}
    assert "ZeroDivisionError" in seen["log.errors"].error


REPORT = Report(
    Tally(),
    Tally(),
    Latency(),
    (("app.log", Health()),),
    0,
    True,
    True,
    ("combined",),
    0,
    elapsed=5.0,
    silent=0.1,
    broken="",
)


@pytest.mark.parametrize(
    ("change", "failed"),
    [
        ({"healths": ()}, False),
        ({"caught": False, "behind": 3 * 2**20}, False),
        ({"healths": (("app.log", Health("no file yet")),)}, False),
        ({"healths": (("app.log", Health("may not be read", failed=True)),)}, True),
        ({"silent": 16.0}, True),
        ({"broken": "MemoryError"}, True),
    ],
    ids=["not looked yet", "behind", "no file", "forbidden", "hanging", "broken"],
)
def test_what_was_not_looked_at_has_no_value_at_all(change, failed):
    assert trouble(REPORT) == ("", False)
    report = replace(REPORT, tally=Tally(lines=5, requests=5, auth=5, errors=5), **change)
    seen = measurements(report, Latency(), 60.0, timed=True)
    assert {one.metric for one in seen} == set(METRICS)
    assert all(one.value is None and one.volume == 0 and bool(one.error) == failed for one in seen)
    assert all(failed or one.detail["why"] for one in seen)


@pytest.mark.parametrize(("requests", "rate"), [(0, 0.0), (50, 10.0)])
def test_the_rate_is_of_the_time_since_the_sample_before_and_zero_is_a_rate(requests, rate):
    report = replace(REPORT, tally=Tally(requests=requests, auth=requests))
    seen = {one.metric: one for one in measurements(report, Latency(), 60.0, timed=True)}
    assert sample_of(seen["log.rate"], clock()).value == rate
    assert seen["log.error_rate"].value == (0.0 if requests else None)
    at_once = {one.metric: one for one in measurements(replace(report, elapsed=0.01), Latency(), 60.0, timed=True)}
    assert at_once["log.rate"].value is None


def test_units_are_those_that_were_promised():
    for one in measurements(replace(REPORT, tally=Tally(requests=1, auth=1)), Latency(), 60.0, timed=True):
        assert one.unit == METRICS[one.metric].unit


def test_the_keys_of_the_table_are_those_that_are_documented():
    table = Table("metrics.log", {"path": "app.log"})
    build(table)
    assert table.asked == set(KEYS)


@pytest.mark.parametrize(
    ("keys", "where"),
    [
        ({}, "metrics.log.path"),
        ({"path": ""}, "metrics.log.path"),
        ({"path": "a", "command": ["b"]}, "metrics.log.path"),
        ({"path": "a", "format": "xml"}, "metrics.log.format"),
        ({"path": "a", "duration": "m"}, "metrics.log.duration"),
        ({"path": "a", "from": "middle"}, "metrics.log.from"),
        ({"path": "a", "over": "1s"}, "metrics.log.over"),
        ({"command": "tail -f a"}, "metrics.log.command"),
        ({"path": "a", "colour": "red"}, "metrics.log.colour"),
    ],
)
def test_a_table_that_makes_no_source_is_refused_with_its_key(keys, where):
    with pytest.raises(ConfigError) as error:
        build_sources({"log": keys})
    assert error.value.key == where


def test_a_second_log_has_its_own_name(tmp_path):
    (source,) = build_sources({"worker": {"source": "log", "path": str(tmp_path / "w.log")}})
    assert "worker.errors" in source.metrics and not isinstance(source, LogSource)


def test_a_log_is_paths_or_a_command():
    for given in ({}, {"paths": [Path("a")], "command": ["b"]}):
        with pytest.raises(ValueError, match="paths or a command"):
            LogSource(**given)
    with pytest.raises(ValueError, match="interval"):
        LogSource([Path("a")], over=1.0, rules=Rules())
