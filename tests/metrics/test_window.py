"""Percentiles of merged histograms, within bounded memory."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.latency import HIGHEST_US, clamp_us
from metrics.window import Window


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
