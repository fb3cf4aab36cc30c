"""The plot of a metric: what is drawn of a course, and its screen on a scripted engine."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest
import story
from cockpit_help import Open, text_of, until
from hypothesis import given
from hypothesis import strategies as st
from test_goldens import compare

from tminus.client.axes import moments, scale_of
from tminus.client.course import Bucket, Course, Courses, Happened, gone_on
from tminus.client.messages import MetricView, Update
from tminus.client.requests import ReadCourse
from tui.canvas import Frame, canvas_lines, event_lines
from tui.glyphs import ASCII, UNICODE
from tui.lines import text_of as line_text
from tui.lines import width_of
from tui.metrics import metric_line
from tui.plot import Plot, first_metric, plot_page
from tui.plot_screen import PlotScreen
from tui.scene import Scene

NOW = story.NOW.timestamp()
HOUR = 3600.0


@pytest.fixture(autouse=True)
def _one_time_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


def course(buckets: tuple[Bucket | None, ...], step: float = 10.0, metric: str = "http.p95") -> Course:
    seen = [one for one in buckets if one is not None]
    return Course(
        metric=metric, begin=NOW - step * len(buckets), step=step, buckets=buckets, every=step, seen=len(seen),
        low=min((one[0] for one in seen), default=None), mean=300.0, high=max((one[2] for one in seen), default=None),
        p95=555.0,
    )  # fmt: skip


def told(metric: str, back: float) -> Courses:
    """An hour that rises over its limit, with a gap."""
    values = [200.0 + n for n in range(360)]
    buckets = tuple(None if 100 <= n < 140 else (v - 60, v, v + 60, 10) for n, v in enumerate(values))
    events = (
        Happened(NOW - 3000, "change", "backup-final"),
        Happened(NOW - 1800, "change", "push"),
        Happened(NOW - 1790, "go", "GO deploy"),
        Happened(NOW - 600, "gate", "trip error-rate"),
    )
    return Courses(begin=NOW - (back or HOUR), until=NOW, courses=(course(buckets, metric=metric),), events=events)


def drawn(one: Course, glyphs: Any = UNICODE, width: int = 100, height: int = 24, **more: Any) -> list[Any]:
    frame = Frame(begin=one.begin, end=one.begin + one.step * len(one.buckets), unit="ms", threshold=500.0, **more)
    return canvas_lines(one, frame, glyphs, width, height)


def test_what_is_over_the_threshold_is_drawn_as_bad_and_nothing_else_is() -> None:
    def styles(value: float) -> set[str]:
        lines = drawn(course(((value, value, value, 1),) * 100))
        return {style for line in lines for text, style in line if any(ord(letter) >= 0x2800 for letter in text)}

    assert styles(499.0) == {"info"} and styles(900.0) == {"bad"}


def test_a_gap_is_drawn_as_a_gap_and_the_band_where_values_differ() -> None:
    whole, gap = (100.0, 200.0, 300.0, 5), None
    lines = drawn(course((whole,) * 40 + (gap,) * 20 + (whole,) * 40), ASCII, width=114)
    for line in lines[:-3]:
        picture = line_text(line)[14:]
        assert picture[40:60].strip("- ") == "", picture
    text = "\n".join(line_text(line) for line in lines)
    assert "*" in text and ":" in text and text.isascii()
    flat = "\n".join(line_text(line)[14:] for line in drawn(course(((200.0,) * 3 + (1,),) * 100), ASCII)[:-3])
    assert ":" not in flat and "*" in flat


def test_the_threshold_is_labelled_and_the_axes_are_round() -> None:
    text = [line_text(line) for line in drawn(course(((100.0, 200.0, 300.0, 5),) * 360), zero=NOW + 900)]
    limit = next(line for line in text if "limit 500ms" in line)
    assert limit.count(UNICODE.threshold) > 80
    assert any(line.lstrip().startswith("600ms") for line in text) and any(" 0ms" in line for line in text)
    assert "20:00" in text[-2] and "T-30:00" in text[-1]


def test_a_span_without_data_says_so_and_still_has_its_axes() -> None:
    text = "\n".join(line_text(line) for line in drawn(course((None,) * 50)))
    assert "no data in this span" in text and "limit 500ms" in text and "T not set" in text


def test_labels_of_events_that_run_into_each_other_are_numbered_and_listed() -> None:
    frame = Frame(begin=0.0, end=100.0)
    apart = [Happened(10.0, "go", "GO one"), Happened(60.0, "change", "copy")]
    (row,) = event_lines(apart, frame, 100, UNICODE)
    assert line_text(row).index("GO one") == 10 and line_text(row).index("copy") == 60
    near = [Happened(10.0, "go", "GO one"), Happened(12.0, "change", "copy"), Happened(99.0, "gate", "trip errors")]
    row, listed = (line_text(line) for line in event_lines(near, frame, 100, UNICODE))
    assert row[10] == "1" and row[12:16] == "copy" and row[99] == "2"
    assert listed.split("  ") == ["1 GO one", "2 trip errors"]


FLOATS = st.floats(-1e12, 1e12)


@given(
    st.lists(st.none() | st.tuples(FLOATS, FLOATS, FLOATS).map(sorted), max_size=40),
    st.none() | FLOATS,
    st.sampled_from(["ms", "ratio", "bytes", "count", "1/s", "%", ""]),
    st.integers(30, 200),
    st.integers(5, 50),
    st.booleans(),
)
def test_a_picture_always_fits_its_place(
    values: list[list[float] | None], threshold: float | None, unit: str, width: int, height: int, ascii: bool
) -> None:
    buckets = tuple(None if one is None else (one[0], one[1], one[2], 1) for one in values)
    events = tuple(Happened(NOW - 7.0 * n, "go", f"GO {n}") for n in range(5))
    one = Course(metric="m", begin=NOW - 100.0, step=100.0 / max(len(buckets), 1), buckets=buckets)
    frame = Frame(begin=NOW - 100, end=NOW, unit=unit, threshold=threshold, events=events, zero=NOW)
    lines = canvas_lines(one, frame, ASCII if ascii else UNICODE, width, height)
    assert len(lines) <= height and all(width_of(line) <= width for line in lines)
    assert not ascii or all(line_text(line).isascii() for line in lines)


@given(FLOATS, FLOATS, st.none() | FLOATS, st.sampled_from(["ms", "ratio", "bytes", "count", "%"]), st.integers(1, 9))
def test_a_scale_holds_everything_that_is_drawn(
    one: float, other: float, threshold: float | None, unit: str, ticks: int
) -> None:
    low, high = min(one, other), max(one, other)
    scale = scale_of(low, high, threshold, unit, ticks)
    slack = 1e-6 * (scale.high - scale.low)
    shown = [low, high, *([] if threshold is None else [threshold])]
    assert scale.low - slack <= min(shown) and max(shown) <= scale.high + slack
    assert scale.low <= 0 and scale.low < scale.high and len(scale.ticks) <= 2 * ticks + 3


@given(st.floats(1, 4e9), st.floats(1, 1e8), st.integers(1, 20))
def test_moments_are_within_the_span_and_not_too_many(begin: float, span: float, most: int) -> None:
    found = [at for at, _ in moments(begin, begin + span, most)]
    assert len(found) <= most + 1 and all(begin - 1e-3 <= at <= begin + span + 1e-3 for at in found)


def test_a_course_goes_on_with_what_is_seen_and_holds_a_value_only_for_a_while() -> None:
    one = course(((1.0, 1.0, 1.0, 1),) * 3)
    assert gone_on(one, NOW - 1000, 5.0) is one
    near, far = gone_on(one, NOW + 25, 5.0), gone_on(one, NOW + 95, 5.0)
    assert near.buckets[3:] == ((1.0, 1.0, 1.0, 0), (1.0, 1.0, 1.0, 0), (5.0, 5.0, 5.0, 1))
    assert far.buckets[3:] == ((None,) * 9 + ((5.0, 5.0, 5.0, 1),))
    assert gone_on(one, NOW + 5, None).buckets[3:] == (None,)
    assert gone_on(one, NOW - 5, 9.0).buckets[-1] == (1.0, 5.0, 9.0, 2)


def test_the_page_says_what_is_known_of_the_metric_and_its_gates_and_waits_with_a_clock() -> None:
    gate = msgspec.structs.replace(story.GATES["error-rate"], metric="http.p95")
    scene = Scene(view=story.view(gates={"error-rate": gate}), now=story.NOW, connected=True)
    plot = Plot("http.p95", 1, told("http.p95", HOUR))
    text = "\n".join(line_text(line) for line in plot_page(plot, scene, 120, 30))
    for words in ("Response p95", "430 ms", "! WARN", "probe", "1s old", "n=1,482", "min 140ms", "mean 300ms",
                  "max 619ms", "95% of looks under 555ms", "[1h]", ">10% error rate", " 62%", "GO deploy"):  # fmt: skip
        assert words in text, words
    waiting = "\n".join(line_text(line) for line in plot_page(Plot("http.p95", waited=7.0), scene, 120, 30))
    assert "asking the engine 00:07" in waiting and "limit" not in waiting
    assert first_metric(scene) == "http.error_rate" and first_metric(Scene()) == ""
    assert line_text(plot_page(Plot(), Scene(), 80, 20)[0]) == "no metric is watched"


@pytest.mark.parametrize("width", [36, 38, 40, 60])
def test_the_briefest_form_of_a_metric_keeps_a_course_that_can_be_read(width: int) -> None:
    scene = Scene(view=story.view(), now=story.NOW)
    for metric in scene.view.metrics.values():
        line = metric_line(metric, scene, width)
        assert width_of(line) <= width
        if metric.status in ("ok", "warn", "bad") and metric.metric != "db.size":
            course_cells = sum(letter in UNICODE.levels[1:] + UNICODE.threshold for letter in line_text(line))
            assert course_cells >= 8, line_text(line)
    old = MetricView(metric="m", label="Error rate, prober", value=0.5, observed_at=story.before(60), status="ok")
    unknown = msgspec.structs.replace(old, value=None, error="no answer", observed_at=story.before(1))
    for one, words in ((old, ("Err", "STALE", "60s")), (unknown, ("Err", "UNKN", "no answer"))):
        line = metric_line(one, scene, width)
        assert all(word in line_text(line) for word in words), line_text(line)
        assert not any("good" in style or "info" in style for _, style in line)


async def test_m_opens_the_worst_metric_and_its_keys_turn_to_others_and_zoom(cockpit: Open) -> None:
    async with cockpit(size=(100, 30)) as (app, pilot, engine):
        engine.answers[ReadCourse] = msgspec.to_builtins(told("http.error_rate", HOUR))
        await pilot.press("m")
        asked = await engine.request()
        assert isinstance(asked, ReadCourse) and asked.metrics == ("http.error_rate",) and asked.back == 300.0
        await until(lambda: "min 140" in text_of(app))
        assert "NO-GO" in text_of(app) and "← → [ ] metric" in text_of(app)
        engine.answers[ReadCourse] = "not now"
        await pilot.press("right_square_bracket")
        await until(lambda: "not now" in text_of(app))
        assert "Database size" in text_of(app)
        engine.answers[ReadCourse] = msgspec.to_builtins(told("db.size", 86400.0))
        await pilot.press("3")
        await until(lambda: "[24h]" in text_of(app) and "min 140" in text_of(app))
        assert {one.back for one in engine.asked if isinstance(one, ReadCourse)} == {300.0, 86400.0}
        # A gate that trips is not missed behind a plot, and is decided from there.
        tripped = msgspec.structs.replace(story.GATES["error-rate"], state="tripped", asks=True)
        await engine.tell(Update(gates={"error-rate": tripped}))
        await until(lambda: "TRIPPED" in text_of(app) and "decide gate" in text_of(app))
        assert isinstance(app.screen, PlotScreen)
        await pilot.resize_terminal(70, 20)
        await until(lambda: "needs 80x23" in text_of(app) and "NO-GO" not in text_of(app))
        await pilot.press("q")
        await until(lambda: not isinstance(app.screen, PlotScreen))


async def test_what_the_engine_tells_meanwhile_is_added_without_asking_again(cockpit: Open) -> None:
    async with cockpit(size=(100, 30)) as (app, pilot, engine):
        engine.answers[ReadCourse] = msgspec.to_builtins(told("http.error_rate", HOUR))
        await pilot.press("m", "1")
        await until(lambda: isinstance(app.screen, PlotScreen) and app.screen.plot.course is not None)
        await until(lambda: "[5m]" in text_of(app) and "limit" in text_of(app))
        asked = len(engine.asked)
        fresh = msgspec.structs.replace(
            story.metrics()["http.error_rate"], value=900.0, observed_at=story.before(-15.0)
        )
        await engine.tell(Update(metrics={"http.error_rate": fresh}))
        screen: Any = app.screen
        await until(lambda: screen.plot.course.buckets[-1][2] == 900.0)
        assert len(engine.asked) == asked


@pytest.mark.parametrize("size", [(80, 23), (100, 30), (160, 48)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_the_plot_is_as_it_was(cockpit: Open, size: tuple[int, int]) -> None:
    gate = msgspec.structs.replace(story.GATES["error-rate"], metric="http.p95")
    metrics = {"http.p95": story.metrics()["http.p95"]}
    async with cockpit(story.view(metrics=metrics, gates={"error-rate": gate}), size=size) as (app, pilot, engine):
        engine.answers[ReadCourse] = msgspec.to_builtins(told("http.p95", HOUR))
        await pilot.press("m")
        await until(lambda: "limit" in text_of(app))
        for _ in range(3):
            await pilot.pause()
        compare(f"plot-{size[0]}x{size[1]}", text_of(app))
