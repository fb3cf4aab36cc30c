"""Day against day, and how long the room lasts, from a history of many days."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.trend import Trend, trend_of, until
from metrics.history import History, history_path
from metrics.latency import Latency
from metrics.samples import Measurement
from state.verdicts import Verdict

GB = 10**9
Course = Callable[[float], float | None]  # of the days ago


@pytest.fixture
def recorded(look):
    """`recorded(days, {"pg.usage": lambda ago: 0.5})`: a look each ten minutes."""

    def write(days: float, courses: dict[str, Course], bad: int | None = None) -> None:
        path = history_path((look.project / "artefacts").with_suffix(".toml"))
        history, now = History(path, keep=timedelta(days=40)), datetime.now(UTC)
        for step in range(int(days * 144), -1, -1):
            at, ago = now - timedelta(minutes=10 * step), step / 144
            history.add(_measured(name, course(ago), at, bad) for name, course in courses.items())
        history.close()

    return write


def _measured(name: str, value: float | None, at: datetime, bad: int | None) -> Measurement:
    if name.endswith(".latency"):
        found = Latency()
        found.add((value or 0.0) / 1000, 20)
        return Measurement(name, value, 20, "ms", at, latency=found.encoded())
    if name.endswith("_rate"):
        return Measurement(name, value, 1000, "ratio", at, bad=1000 * (value or 0.0))
    unit = {"pg.database_size": "bytes", "pg.connections": "count", "pg.usable": "count", "app.p95": "ms"}
    return Measurement(name, value, 1, unit.get(name, "ratio"), at)


def today(now: float, before: float) -> Course:
    return lambda ago: now if ago <= 1 else before


METRICS = ["http.error_rate", "http.p95", "pg.usage"]


def usual(**more: Course) -> dict[str, Course]:
    flat: dict[str, Course] = {
        "http.error_rate": lambda ago: 0.01,
        "http.latency": lambda ago: 100.0,
        "http.p95": lambda ago: 100.0,
        "pg.usage": lambda ago: 0.5,
    }
    return flat | {name.replace("__", "."): course for name, course in more.items()}


async def test_a_day_like_those_before_passes_with_its_numbers(look, recorded):
    recorded(4, usual())
    outcome = await look("metrics.daily", {"metrics": METRICS})
    assert outcome.verdict is Verdict.PASS, outcome
    assert outcome.evidence["pg.usage"] == "50.0% today, 50.0% in 3 days (mean)"
    assert outcome.evidence["http.error_rate"].endswith("(ratio of sums)")
    assert outcome.evidence["http.p95"].endswith("(merged latencies)")


@pytest.mark.parametrize(
    ("course", "metric"),
    [
        ({"http__error_rate": today(0.02, 0.01)}, "http.error_rate"),
        ({"http__latency": today(200.0, 100.0)}, "http.p95"),
        ({"pg__usage": today(0.8, 0.5)}, "pg.usage"),
    ],
)
async def test_a_day_that_is_worse_fails_by_its_metric(look, recorded, course, metric):
    recorded(3, usual(**course))
    outcome = await look("metrics.daily", {"metrics": METRICS})
    assert outcome.verdict is Verdict.FAIL, outcome
    assert outcome.actual.startswith(metric)
    assert (await look("metrics.daily", {"metrics": METRICS, "at_most_times": 3.0})).verdict is Verdict.PASS


async def test_a_few_bad_events_after_days_without_any_are_no_worse_day(look, recorded):
    recorded(3, usual(http__error_rate=lambda ago: 0.001 if ago < 0.02 else 0.0))
    assert (await look("metrics.daily", {"metrics": METRICS})).verdict is Verdict.PASS
    strict = await look("metrics.daily", {"metrics": METRICS, "at_least": 1})
    assert strict.verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("days", "course", "said"),
    [
        (1, {}, "no day before was watched"),
        (1.3, {}, "no day before was watched"),
        (4, {"pg__usage": lambda ago: 0.5 if ago > 1 else None}, "pg.usage: today was not watched"),
    ],
)
async def test_too_little_to_compare_is_unknown(look, recorded, days, course, said):
    recorded(days, usual(**course))
    outcome = await look("metrics.daily", {"metrics": METRICS})
    assert outcome.verdict is Verdict.UNKNOWN, outcome
    assert said in outcome.actual
    assert (await look("metrics.daily", {"metrics": ["no.such"]})).verdict is Verdict.UNKNOWN


async def test_without_a_history_nobody_knows(look):
    assert (await look("metrics.daily", {"metrics": METRICS})).verdict is Verdict.UNKNOWN
    assert (await look("postgres.capacity", {"disk_gb": 10})).verdict is Verdict.UNKNOWN


def growing(gb_a_day: float = 0.01, connections: float = 0.0, noise: float = 0.0) -> dict[str, Course]:
    dice = random.Random(7)
    return {
        "pg.database_size": lambda ago: (5 - ago * gb_a_day + dice.gauss(0, noise)) * GB,
        "pg.connections": lambda ago: 40 - ago * connections + 10 * math.sin(ago * 2 * math.pi),
        "pg.usable": lambda ago: 97.0,
    }


async def test_slow_growth_passes_with_days_left_and_an_interval(look, recorded):
    recorded(6, growing())
    outcome = await look("postgres.capacity", {"disk_gb": 10})
    assert outcome.verdict is Verdict.PASS, outcome
    assert outcome.evidence["disk days left"] == pytest.approx(500, rel=0.02)
    assert "disk a day, 95%" in outcome.evidence
    assert "disk days left at the soonest" in outcome.evidence


async def test_a_disk_that_fills_up_too_soon_fails(look, recorded):
    recorded(6, growing(gb_a_day=0.25))
    outcome = await look("postgres.capacity", {"disk_gb": 10})
    assert outcome.verdict is Verdict.FAIL
    assert outcome.evidence["disk days left"] == pytest.approx(20, rel=0.02)
    assert (await look("postgres.capacity", {"disk_gb": 10, "days": 14})).verdict is Verdict.PASS
    assert (await look("postgres.capacity", {"disk_gb": 4})).verdict is Verdict.FAIL  # full already


async def test_connections_that_run_out_too_soon_fail(look, recorded):
    recorded(6, growing(connections=3.0))
    outcome = await look("postgres.capacity", {"disk_gb": 10})
    assert outcome.verdict is Verdict.FAIL, outcome
    assert outcome.evidence["connections days left"] < 25


async def test_a_growth_that_may_be_too_fast_is_a_warning(look, recorded):
    recorded(3, growing(gb_a_day=0.12, noise=0.6))
    days = int((await look("postgres.capacity", {"disk_gb": 10})).evidence["disk days left"])
    outcome = await look("postgres.capacity", {"disk_gb": 10, "days": days})
    assert outcome.verdict is Verdict.WARN, outcome
    assert "at the soonest" in outcome.actual


@pytest.mark.parametrize(
    ("days", "with_", "said"),
    [
        (1, {"disk_gb": 10}, "1d of history, 2d are needed"),
        (3, {}, "disk: nobody knows how much there is"),
        (3, {"disk_gb": 10, "size_metric": "no.such"}, "no.such was not looked at"),
    ],
)
async def test_what_is_not_known_long_enough_is_unknown(look, recorded, days, with_, said):
    recorded(days, growing())
    outcome = await look("postgres.capacity", with_)
    assert outcome.verdict is Verdict.UNKNOWN, outcome
    assert said in outcome.actual
    assert outcome.hint


@given(st.floats(-50, 50), st.floats(-1e3, 1e3), st.floats(0, 100), st.integers(48, 200))
def test_a_line_is_found_as_it_is_whatever_day_and_night_do(slope, begin, swing, hours):
    def value(hour: int) -> float:
        return begin + slope * hour / 24 + swing * math.sin(hour / 24 * 2 * math.pi)

    trend = trend_of([(hour, value(hour)) for hour in range(hours)])
    assert trend is not None
    assert trend.slope == pytest.approx(slope, abs=1e-6)
    assert trend.low <= trend.slope <= trend.high


def test_a_few_wild_values_do_not_move_the_line_and_few_points_make_none():
    points = [(hour, 3.0 * hour / 24) for hour in range(96)]
    wild = [(hour, 1e6 if hour in (3, 17, 30) else value) for hour, value in points]
    trend = trend_of(wild)
    assert trend is not None
    assert trend.slope == pytest.approx(3.0, rel=0.05)
    assert trend_of(points[:25]) is None
    assert trend_of([(1, 2.0)] * 20) is None
    assert until(Trend(-1.0, -2.0, -0.5, 5.0), 10.0) == (math.inf, math.inf)
