"""Percentiles of merged histograms, within bounded memory."""

from __future__ import annotations

import math
import pickle
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.gate_window import EMPTY, added, tally
from metrics.latency import HIGHEST_US, Latency, clamp_us
from metrics.samples import Measurement, Sample
from metrics.window import Series, Window

AT = datetime(2026, 11, 22, tzinfo=UTC)


def test_percentiles_are_nearest_rank_over_all_buckets() -> None:
    window = Window(60)
    for n in range(1, 101):
        window.add(n % 50, seconds=n / 1000)
    summary = window.summary(49)
    assert summary.latency.samples == 100
    assert summary.latency.percentile(50) == pytest.approx(0.050, rel=1e-2)
    assert summary.latency.percentile(95) == pytest.approx(0.095, rel=1e-2)
    assert summary.latency.percentile(99) == pytest.approx(0.099, rel=1e-2)
    assert summary.latency.percentile(100) == pytest.approx(0.1, rel=1e-2)


@given(st.lists(st.floats(0.0001, 500), min_size=100, max_size=200), st.sampled_from([50, 95, 99]))
def test_a_percentile_is_a_value_that_was_seen(values: list[float], percentile: int) -> None:
    window = Window(10)
    for n, value in enumerate(values):
        window.add(n % 10, seconds=value)
    exact = sorted(values)[math.ceil(percentile * len(values) / 100) - 1]
    assert window.summary(9).latency.percentile(percentile) == pytest.approx(exact, rel=1e-2, abs=2e-6)


@pytest.mark.parametrize(("percentile", "least"), [(95, 20), (99, 100), (50, 1)])
def test_too_few_samples_give_no_percentile(percentile: int, least: int) -> None:
    window = Window(10)
    for _ in range(least - 1):
        window.add(1, seconds=0.01)
    assert window.summary(1).latency.percentile(percentile) is None
    assert window.summary(1).latency.text(percentile) == f"n too small ({least - 1} of {least})"
    window.add(1, seconds=0.01)
    assert window.summary(1).latency.percentile(percentile) is not None


def test_values_out_of_range_are_kept_at_the_edge_not_dropped() -> None:
    window = Window(10)
    for value in (-1.0, 0.0, 1e9, math.inf):
        window.add(0, seconds=value)
    assert window.summary(0).latency.samples == 4
    assert clamp_us(math.inf) == HIGHEST_US
    with pytest.raises(ValueError):
        clamp_us(math.nan)


def test_what_is_older_than_the_window_is_gone_and_comes_not_back() -> None:
    window = Window(10)
    window.add(0.5, bad=True)
    window.add(9.5)
    assert (window.summary(9.9).total, window.summary(9.9).bad) == (2, 1)
    assert window.summary(10.0).total == 1
    window.add(25.0)
    window.add(15.0)  # its bucket already holds the second 25
    assert window.summary(25.0).total == 1


def test_an_empty_window_has_no_error_rate() -> None:
    assert Window(10).summary(0).error_rate is None


@pytest.mark.parametrize(("over", "width"), [(0, 1), (1, 2), (math.nan, 1), (5, 0)])
def test_a_window_shorter_than_its_buckets_is_refused(over: float, width: float) -> None:
    with pytest.raises(ValueError):
        Window(over, width)


def ratio(bad: float, volume: int) -> Measurement:
    return Measurement("m", bad / volume, volume, "ratio", AT, bad=bad)


def test_a_series_adds_up_the_same_at_every_resolution() -> None:
    series = Series(1.0)
    for second in range(7200):
        series.look(second, ratio(2.0 if second % 2 else 0.0, 10))
    for over in (60, 600, 7200, 86_400):
        found = series.summary(7199, over)
        assert found.error_rate == pytest.approx(0.1, rel=0.1)
        assert (found.low, found.high) == (0.0, 0.2)
        assert found.seen == found.looks == min(found.total // 10, 7200)
    assert series.summary(7199, 7200).covered == pytest.approx(7200, abs=15)


def test_looks_without_a_value_cover_nothing() -> None:
    series = Series(5.0)
    series.look(5, Measurement("m", 1.0, 1, "count", AT))
    for second in (10, 15, 20):
        series.look(second, Measurement("m", None, 0, "count", AT, error="no route"))
    found = series.summary(20, 60)
    assert (found.looks, found.seen, found.covered, found.last) == (4, 1, 5.0, 1.0)


def test_percentiles_of_a_day_come_from_merged_histograms() -> None:
    series = Series(60.0)
    for minute in range(24 * 60):
        part = Latency()
        part.add(0.1, 99)
        part.add(5.0 if minute % 2 else 0.2)
        series.look(minute * 60, Measurement("m", None, 0, "ms", AT))
        series.look(minute * 60 + 1, Measurement("m", 1.0, 100, "ms", AT, latency=part.encoded()))
    found = series.summary(24 * 3600 - 1, 86_400).latency
    assert found.samples == 24 * 60 * 100
    assert found.percentile(99) == pytest.approx(0.1, rel=0.01)
    assert found.percentile(99.5) == pytest.approx(0.2, rel=0.01)
    assert found.percentile(100) == pytest.approx(5.0, rel=0.01)


def test_what_is_recalled_stands_behind_what_is_seen_meanwhile() -> None:
    series = Series(1.0)
    series.look(101, ratio(0.0, 10))
    for second in range(41, 101):
        series.recall(second, ratio(5.0, 10))
    series.look(102, ratio(0.0, 10))
    found = series.summary(102, 62)
    assert (found.seen, found.total, found.bad, found.last) == (62, 620, 300, 0.0)
    assert found.covered == pytest.approx(62)


@pytest.mark.parametrize("fraction", [0.0, 0.3, 0.5, 0.99])
def test_a_short_span_is_covered_at_any_moment_of_its_bucket(fraction: float) -> None:
    series = Series(0.1)
    for tenth in range(300):
        series.look(tenth / 10, ratio(0.0, 1))
    series.look(30 + fraction, ratio(0.0, 1))
    for over in (1, 2, 5, 10):
        assert series.summary(30 + fraction, over).covered >= over - 0.01


def test_a_week_of_seconds_is_bounded() -> None:
    series = Series(1.0)
    sizes = []
    for day in range(9):
        for at in range(day * 86_400, (day + 1) * 86_400, 60):
            series.look(at, ratio(1.0, 10))
        sizes.append(len(pickle.dumps(series)))
    assert sizes[-1] <= sizes[0] * 1.01 and sizes[-1] < 400_000


def test_a_look_from_before_the_newest_counts_nowhere() -> None:
    series = Series(1.0)
    series.look(10, ratio(0.0, 10))
    series.look(9, ratio(10.0, 10))
    assert series.summary(10, 60).error_rate == 0.0


@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(0, 10), st.integers(1, 20)), min_size=1, max_size=80),
    st.sampled_from([20, 30, 60]),
)
def test_what_a_widget_and_a_check_see_is_what_a_gate_sees(looks: list[tuple[int, int, int]], over: int) -> None:
    series, history, at, before = Series(1.0), EMPTY, 0, None
    for after, bad, good in looks:
        at += after
        series.look(at, ratio(bad, bad + good))
        sample = Sample.ratio(at, bad, bad + good)
        history = added(history, sample, breach=False, before=before, span=60, interval=1.0)
        before = float(at)
    seen, judged = series.summary(at, over), tally(history, at, over)
    assert (seen.total, seen.error_rate, seen.seen) == (judged.volume, judged.value, judged.count)
    assert seen.covered == pytest.approx(judged.covered)


@given(st.lists(st.tuples(st.floats(0, 30), st.one_of(st.none(), st.floats(-1e6, 1e6))), max_size=60))
def test_a_window_covers_no_more_time_than_has_passed(looks: list[tuple[float, float | None]]) -> None:
    series, at = Series(5.0), 100.0
    for after, value in looks:
        at += after
        series.look(at, Measurement("m", value, 1, "count", AT))
    found = series.summary(at, 600)
    assert 0 <= found.covered <= at - 100 + 5 + 1e-3
    assert found.seen == sum(value is not None for _, value in looks)
