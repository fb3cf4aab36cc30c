"""What the live metrics say, as checks: preflight, the baseline, and a value within its limits."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from metrics.latency import Latency
from metrics.live import Live
from metrics.samples import Measurement
from metrics.sources import Metric
from state.verdicts import Outcome, Verdict

AT = datetime(2026, 11, 22, tzinfo=UTC)

METRICS = {
    "http.error_rate": Metric("Error rate", "ratio", "…"),
    "http.latency": Metric("Latency", "ms", "…"),
    "http.p95": Metric("p95", "ms", "…"),
    "pool.usage": Metric("Usage", "ratio", "…"),
}


class Told:
    """A source whose looks the test makes by hand, one a second."""

    name, interval = "http", 1.0
    metrics = METRICS

    async def start(self) -> None: ...
    async def stop(self) -> None: ...
    async def sample(self) -> tuple[Measurement, ...]:
        return ()


class World:
    """A `Live` on a clock of its own."""

    def __init__(self, absent: dict[str, str] | None = None) -> None:
        self.now = 1000.0
        self.live = Live([Told()], lambda: self.now, absent or {})

    def second(self, *measured: Measurement, count: int = 1) -> None:
        for _ in range(count):
            self.now += 1
            self.live.take(Told(), measured, 0.004)


def errors(bad: float, volume: int = 10) -> Measurement:
    return Measurement("http.error_rate", bad / volume if volume else None, volume, "ratio", AT, bad=bad)


def gauge(value: float | None, error: str = "") -> Measurement:
    return Measurement("pool.usage", value, 1, "ratio", AT, error=error)


def latency(*seconds: float) -> Measurement:
    found = Latency()
    for one in seconds:
        found.add(one)
    return Measurement("http.latency", 1.0, len(seconds), "ms", AT, latency=found.encoded())


async def test_preflight_passes_when_every_source_gives_a_value(look):
    world = World()
    world.second(errors(0))
    outcome = await look("metrics.preflight", {}, live=world.live)
    assert outcome.verdict is Verdict.PASS
    assert outcome.evidence == {"http": "1 of 4 metrics, in 4 ms"}


@pytest.mark.parametrize(
    ("absent", "measured", "with_", "names"),
    [
        ({"postgres": "DATABASE_URL is not set"}, errors(0), {}, "postgres: DATABASE_URL is not set"),
        ({}, gauge(None, "no route"), {}, "http: no route"),
        ({}, gauge(None), {}, "http: it gave no value"),
        ({}, errors(0), {"metrics": ["pool.usage"]}, "pool.usage: no data yet"),
        ({}, errors(0), {"metrics": ["no.such"]}, "no.such: nobody reports it"),
        ({}, errors(0), {"sources": ["sentry"]}, "sentry: no such source"),
    ],
)
async def test_preflight_fails_by_the_name_of_what_is_silent(look, absent, measured, with_, names):
    world = World(absent)
    world.second(measured)
    outcome = await look("metrics.preflight", {**with_, "patience": "100ms"}, live=world.live)
    assert outcome.verdict is Verdict.FAIL
    assert names in outcome.actual


async def test_preflight_waits_for_a_source_that_has_just_begun(look):
    world = World()
    looking = asyncio.create_task(look("metrics.preflight", {"patience": "30s"}, live=world.live))
    await asyncio.sleep(0)
    world.second(errors(0))
    assert (await looking).verdict is Verdict.PASS


async def test_a_source_that_fell_silent_fails_the_preflight(look):
    world = World()
    world.second(errors(0))
    world.second(gauge(None, "no route"), count=5)
    outcome = await look("metrics.preflight", {"patience": "100ms"}, live=world.live)
    assert (outcome.verdict, outcome.actual) == (Verdict.FAIL, "http: silent for 5 looks: no route")


@pytest.mark.parametrize(
    ("check", "with_"),
    [
        ("metrics.preflight", {}),
        ("metrics.baseline", {"metrics": ["http.error_rate"], "over": "1m"}),
        ("metrics.within", {"metrics": ["http.error_rate"], "holds": "< 1%", "over": "1m"}),
    ],
)
async def test_without_a_run_there_is_nothing_to_see(look, check, with_):
    outcome = await look(check, with_)
    assert outcome.verdict is Verdict.UNKNOWN


async def test_a_baseline_keeps_ratios_of_sums_and_merged_percentiles(look):
    world = World()
    for second in range(60):
        world.second(errors(1 if second % 6 == 0 else 0), latency(*[0.02] * 9, 0.4))
    outcome = await look(
        "metrics.baseline", {"metrics": ["http.error_rate", "http.p95"], "over": "1m"}, live=world.live
    )
    assert outcome.verdict is Verdict.PASS
    assert outcome.evidence["http.error_rate"] == pytest.approx(10 / 600, abs=1e-6)
    assert outcome.evidence["http.p95"] == pytest.approx(400, rel=0.01)
    assert outcome.evidence["http.p95 from"].startswith("merged histogram, n=600")


async def test_a_baseline_of_something_unseen_fails_by_name(look):
    world = World()
    world.second(errors(0), gauge(None, "no route"), count=60)
    outcome = await look(
        "metrics.baseline", {"metrics": ["http.error_rate", "pool.usage"], "over": "1m"}, live=world.live
    )
    assert (outcome.verdict, outcome.actual) == (Verdict.FAIL, "pool.usage: no data")


async def test_a_window_that_is_not_full_at_the_deadline_is_unknown(look):
    world = World()
    world.second(errors(0), count=30)
    with_ = {"metrics": ["http.error_rate"], "holds": "< 1%", "over": "1m"}
    outcome = await look("metrics.within", with_, live=world.live, timeout="6s")
    assert outcome.verdict is Verdict.UNKNOWN
    assert outcome.actual == "http.error_rate: watched for 52% of the window"


async def test_a_ratio_is_judged_by_its_sums(look):
    world = World()
    for second in range(60):
        world.second(errors(0, 100) if second else errors(10, 10))
    with_ = {"metrics": ["http.error_rate"], "holds": "< 1%", "over": "1m"}
    assert (await look("metrics.within", with_, live=world.live)).verdict is Verdict.PASS
    world.second(errors(60, 100))
    outcome = await look("metrics.within", with_, live=world.live)
    assert (outcome.verdict, outcome.actual.split(" (")[0]) == (Verdict.FAIL, "http.error_rate 1.0%")


async def test_too_few_requests_say_nothing(look):
    world = World()
    world.second(errors(0, 0), count=58)
    world.second(errors(0, 3), count=2)
    with_ = {"metrics": ["http.error_rate"], "holds": "< 1%", "over": "1m"}
    outcome = await look("metrics.within", with_, live=world.live, timeout="6s")
    assert (outcome.verdict, outcome.actual) == (
        Verdict.UNKNOWN,
        "http.error_rate: only 6 events, 50 are needed",
    )


async def test_one_peak_of_a_gauge_fails_at_once(look):
    world = World()
    world.second(gauge(0.2), count=5)
    world.second(gauge(0.95))
    world.second(gauge(0.2))
    outcome = await look(
        "metrics.within", {"metrics": ["pool.usage"], "holds": "< 80%", "over": "2h"}, live=world.live
    )
    assert (outcome.verdict, outcome.evidence["high"]) == (Verdict.FAIL, 0.95)


async def test_a_window_does_not_reach_back_behind_the_change(look):
    world = World()
    world.second(errors(0), count=60)
    change = Outcome.passed("done")
    with_ = {"metrics": ["http.error_rate"], "holds": "< 1%", "over": "1m", "since": "push"}
    outcome = await look("metrics.within", with_, live=world.live, evidence={"push": change}, timeout="6s")
    assert outcome.verdict is Verdict.UNKNOWN
    assert "since the change" in outcome.actual
    earlier = Outcome.of(Verdict.PASS, "done", observed_at=datetime.now(UTC) - timedelta(minutes=2))
    outcome = await look("metrics.within", with_, live=world.live, evidence={"push": earlier})
    assert outcome.verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("captured", "verdict"), [(0.009, Verdict.PASS), (0.002, Verdict.WARN), (None, Verdict.UNKNOWN)]
)
async def test_a_value_is_held_against_what_it_was_before(look, captured, verdict):
    world = World()
    world.second(errors(0.5, 100), count=60)
    before = {} if captured is None else {"http.error_rate": captured}
    with_ = {
        "metrics": ["http.error_rate"],
        "holds": "< 1%",
        "over": "1m",
        "baseline": "before",
        "at_most_times": 1.5,
    }
    evidence = {"before": Outcome.passed("seen", evidence=before)}
    assert (await look("metrics.within", with_, live=world.live, evidence=evidence)).verdict is verdict


async def test_of_several_metrics_each_must_hold(look):
    world = World()
    world.second(gauge(0.2), errors(0), count=60)
    with_ = {"metrics": ["pool.usage", "http.error_rate"], "holds": "< 80%", "over": "1m"}
    outcome = await look("metrics.within", with_, live=world.live)
    assert (outcome.verdict, outcome.actual) == (Verdict.PASS, "pool.usage 20.0%, http.error_rate 0.0%")
    world.second(gauge(0.9), errors(0))
    outcome = await look("metrics.within", with_, live=world.live)
    assert (outcome.verdict, outcome.evidence["pool.usage high"]) == (Verdict.FAIL, 0.9)
