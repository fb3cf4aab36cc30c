"""What the record keeps of the live metrics at a pause point."""

from __future__ import annotations

from metrics.samples import Measurement, utc_now
from tminus.engine.summaries import Tally, summary, tallied


def look(metric: str, value: float | None, *, bad: float | None = None, volume: int = 1) -> Measurement:
    return Measurement(metric, value, volume, "ratio" if bad is not None else "ms", utc_now(), bad=bad)


def test_a_ratio_is_a_ratio_of_sums_not_a_mean_of_ratios() -> None:
    tallies = tallied({}, [look("e", 1.0, bad=1, volume=1)])
    tallies = tallied(tallies, [look("e", 0.0, bad=0, volume=99)])
    assert tallies["e"].numbers["ratio"] == 0.01
    assert tallies["e"].numbers["of"] == 100


def test_a_look_without_a_value_is_counted_and_is_no_number() -> None:
    tallies: dict[str, Tally] = {}
    for value in (None, 40.0, None, 10.0, 20.0):
        tallies = tallied(tallies, [look("p95", value)])
    numbers = tallies["p95"].numbers
    assert (numbers["looks"], numbers["seen"]) == (5, 3)
    assert (numbers["low"], numbers["high"], numbers["last"]) == (10.0, 40.0, 20.0)
    assert "ratio" not in numbers


def test_a_metric_that_was_never_seen_says_so_and_nothing_else() -> None:
    data = summary("day-1", "2026-11-22T21:00:00.000Z", tallied({}, [look("p95", None)]))
    assert data["metrics"]["p95"] == {"looks": 1, "seen": 0, "unit": ""}
