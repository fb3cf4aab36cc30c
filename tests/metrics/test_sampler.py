"""Sources side by side: none waits for another, none takes the others down."""

from __future__ import annotations

import asyncio

import pytest

from metrics.sampler import Sampler
from metrics.samples import Measurement, utc_now
from metrics.sources import Metric, SourceError
from metrics.sources.renamed import Renamed


class Fake:
    """A source that gives VALUES one by one, raises those that are exceptions, and waits where told to."""

    def __init__(self, name: str, *values: float | Exception | None, interval: float = 0.01) -> None:
        self.name, self.interval = name, interval
        self.metrics = {f"{name}.m": Metric(name, "ratio", "a test")}
        self.values = list(values)
        self.stuck = asyncio.Event()
        self.stopped = False

    async def start(self) -> None: ...

    async def stop(self) -> None:
        self.stopped = True

    async def sample(self) -> tuple[Measurement, ...]:
        if not self.values:
            self.stuck.set()
            await asyncio.Event().wait()
        value = self.values.pop(0)
        if isinstance(value, Exception):
            raise value
        return (Measurement(f"{self.name}.m", value, 7, "ratio", utc_now()),)


async def test_a_source_that_hangs_does_not_delay_another() -> None:
    hung, lively = Fake("hung"), Fake("lively", *[0.1] * 20)
    async with asyncio.timeout(20), Sampler([hung, lively], lambda _: None) as sampler:
        await lively.stuck.wait()
        assert sampler.live.summary("lively.m", 60).looks == 20
        assert sampler.live.view("hung.m").status == "unknown"
    assert hung.stopped and lively.stopped


async def test_a_source_that_takes_too_long_is_an_error_and_asked_again() -> None:
    seen: list[Measurement] = []
    arrived = asyncio.Event()

    def take(measured: tuple[Measurement, ...]) -> None:
        seen.extend(measured)
        if len(seen) >= 2:
            arrived.set()

    async with asyncio.timeout(20), Sampler([Fake("slow")], take, deadline=0.05) as sampler:
        await arrived.wait()
        (health,) = sampler.live.health
        assert health.failures >= 2 and health.value_at is None
    assert [(m.value, m.error) for m in seen[:2]] == [(None, "no answer in time")] * 2


async def test_a_source_that_raises_gives_errors_without_its_secrets_and_goes_on() -> None:
    source = Fake("s", 0.1, RuntimeError("postgresql://ada:hunter2@db"), SourceError("no route"), 0.2)
    seen: list[Measurement] = []
    async with asyncio.timeout(20), Sampler([source], seen.extend) as sampler:
        await source.stuck.wait()
        found = sampler.live.summary("s.m", 60)
        assert (found.looks, found.seen, found.low, found.high, found.last) == (4, 2, 0.1, 0.2, 0.2)
    assert [m.error for m in seen] == ["", "RuntimeError", "no route", ""]


async def test_a_listener_that_fails_does_not_end_the_looking() -> None:
    source = Fake("s", 0.1, 0.2)

    def broken(_: tuple[Measurement, ...]) -> None:
        raise ZeroDivisionError

    async with asyncio.timeout(20), Sampler([source], broken) as sampler:
        await source.stuck.wait()
        assert sampler.live.summary("s.m", 60).seen == 2


async def test_a_view_says_value_source_age_count_and_status() -> None:
    now = 100.0
    source = Fake("s", 0.05, 0.09, interval=0.02)
    async with asyncio.timeout(20), Sampler([source], lambda _: None, now=lambda: now) as sampler:
        await source.stuck.wait()
        view = sampler.live.view("s.m", threshold=0.1)
        assert (view.label, view.text, view.source, view.age_s, view.samples) == ("s", "9.0%", "s", 0.0, 7)
        assert view.status == "warn"
        assert sampler.live.view("s.m", threshold=0.08).status == "bad"
        assert sampler.live.view("s.m", threshold=0.5).status == "ok"
        now = 100.07
        assert sampler.live.view("s.m", threshold=0.5).status == "stale"
        assert sampler.live.view("nobody.m").status == "unknown"


async def test_an_error_is_unknown_and_says_why() -> None:
    source = Fake("s", 0.1, SourceError("no route"))
    async with asyncio.timeout(20), Sampler([source], lambda _: None, now=lambda: 1.0) as sampler:
        await source.stuck.wait()
        view = sampler.live.view("s.m", threshold=0.5)
        (health,) = sampler.live.health
    assert (view.value, view.status, view.text) == (None, "unknown", "could not look: no route")
    assert (health.looks, health.failures, health.error, health.value_at) == (2, 1, "no route", 1.0)


async def test_two_sources_of_one_metric_are_refused() -> None:
    with pytest.raises(ValueError, match=r"a\.m"):
        Sampler([Fake("a"), Fake("a")], lambda _: None)


async def test_a_second_source_of_a_kind_reports_under_its_own_name() -> None:
    source = Renamed(Fake("s", 0.1), "worker")
    (one,) = await source.sample()
    assert one.metric == "worker.m" and list(source.metrics) == ["worker.m"]
    assert source.metrics["worker.m"].label == "s (worker)"
