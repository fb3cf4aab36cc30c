"""The course of a metric: every value in its piece, nothing invented, and read from a history of any length."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.course import course
from metrics.history import History, history_path
from metrics.samples import Measurement
from state.run import Moment
from tminus.client.requests import ReadCourse
from tminus.engine.courses import Courses, read_course

START = datetime(2026, 11, 22, 9, tzinfo=UTC)
values = st.one_of(st.none(), st.floats(-1e9, 1e9), st.just(math.nan), st.just(math.inf))


@given(st.lists(st.tuples(st.floats(-50, 150), values), max_size=80), st.integers(1, 40))
def test_every_value_within_the_span_is_in_one_piece_and_no_other(
    told: list[tuple[float, float | None]], points: int
) -> None:
    found = course(iter(told), 0.0, 100.0, points)
    within = [value for at, value in told if 0 <= at <= 100]
    good = [value for value in within if value is not None and math.isfinite(value)]
    assert (found.looks, found.seen) == (len(within), len(good))
    assert len(found.low) == len(found.mean) == len(found.high) == points
    for low, mean, high in zip(found.low, found.mean, found.high, strict=True):
        assert (low is None) == (mean is None) == (high is None)
        if low is not None and mean is not None and high is not None:
            assert low - 1e-3 <= mean <= high + 1e-3
    if good:
        assert min(v for v in found.low if v is not None) == min(good)
        assert max(v for v in found.high if v is not None) == max(good)


@pytest.mark.parametrize(("begin", "end", "points"), [(0, 0, 5), (5, 1, 5), (0, 1, 0), (0, math.nan, 5)])
def test_a_span_of_nothing_is_refused(begin: float, end: float, points: int) -> None:
    with pytest.raises(ValueError, match="span of time"):
        course([], begin, end, points)


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Path]:
    """An hour of a metric at 1 Hz, half of the last minute without a value."""
    path = history_path(tmp_path / "run.toml")
    history = History(path)
    history.add(
        Measurement("load", None if 3540 <= n < 3570 else float(n), 1, "count", START + timedelta(seconds=n))
        for n in range(3600)
    )
    assert history.flush()
    yield path
    history.close()


async def test_the_engine_reads_what_was_asked_for_and_what_happened_then(kept: Path) -> None:
    now = START + timedelta(seconds=3599)
    moments = [
        Moment((START + timedelta(seconds=at)).isoformat(), "go", name) for at, name in ((5, "old"), (3550, "new"))
    ]
    courses = Courses(kept)
    minute = await courses.read(ReadCourse(metric="load", back=60, points=6), now, moments)
    assert minute.unit == "count" and minute.step == 10.0
    assert (minute.looks, minute.seen) == (61, 31)
    assert [value is None for value in minute.mean] == [False, True, True, False, False, False]
    assert minute.high[-1] == 3599.0
    assert [one.label for one in minute.happened] == ["new"]
    whole = await courses.read(ReadCourse(metric="load", back=0, points=9_999_999), now, moments)
    assert whole.looks == 3600 and len(whole.mean) == 2000
    assert [one.label for one in whole.happened] == ["old", "new"]
    unknown = await courses.read(ReadCourse(metric="nothing"), now, ())
    assert unknown.mean == () and "nothing of this metric" in unknown.note


def test_what_cannot_be_read_is_a_course_without_values(tmp_path: Path) -> None:
    path = tmp_path / "run.metrics.db"
    assert read_course(path, ReadCourse(metric="load"), START, ()).note
    path.write_bytes(b"rubbish" * 999)
    found = read_course(path, ReadCourse(metric="load"), START, ())
    assert found.note and found.mean == ()
