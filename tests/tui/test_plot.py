"""The plot of a metric: honest axes, gaps, thresholds and events, and the screen that it stands on."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import story
from cockpit_help import Open, text_of, until
from fake_engine import FakeEngine
from hypothesis import given
from hypothesis import strategies as st

from tminus.client.messages import Course, Happened
from tminus.client.requests import DecideGate, ReadCourse
from tui.axes import STROKES, amount, round_top, strokes, ticks
from tui.glyphs import ASCII, UNICODE
from tui.lines import text_of as line_text
from tui.lines import width_of
from tui.plot import columns_of, plot_lines
from tui.plot_screen import PlotScreen, first_metric
from tui.scene import Scene

numbers = st.floats(allow_nan=True, allow_infinity=True)


def of(values: list[float | None], **more: Any) -> Course:
    same: dict[str, Any] = {"low": tuple(values), "mean": tuple(values), "high": tuple(values)}
    return Course(metric="m", **{"unit": "ratio", "begin": 1e9, "step": 2.0, **same, **more})


def rows(course: Course, threshold: float | None = None, width: int = 41, height: int = 24) -> list[str]:
    return [line_text(line) for line in plot_lines(course, threshold, width, height, UNICODE)]


def test_the_axis_begins_at_nothing_and_ends_over_the_highest_value_and_the_threshold() -> None:
    assert rows(of([0.4] * 30))[0].lstrip().startswith("40%")
    assert rows(of([0.4] * 30), threshold=0.9)[0].lstrip().startswith("150%")
    assert any(line.lstrip().startswith("0% └") for line in rows(of([0.4] * 30)))


def test_nothing_seen_is_a_gap_and_zero_is_seen_to_be_zero() -> None:
    text = rows(of([None] * 10 + [0.0] * 10 + [1.0] * 10))
    lowest = [line for line in text if "│" in line][-1].split("│", 1)[1]
    assert lowest == " " * 10 + "▁" * 10 + "█" * 10


def test_over_the_threshold_is_bad_and_a_peak_shows_over_its_mean() -> None:
    course = of([0.1] * 30, high=(0.1,) * 15 + (0.9,) * 15)
    lines = plot_lines(course, 0.5, 41, 24, UNICODE)
    peaks = [(text, style) for line in lines for text, style in line[2:] if "│" in text]
    assert peaks and all(style == "bad" and set(text) == {"│"} for text, style in peaks)
    over = plot_lines(of([0.9] * 30), 0.5, 41, 24, UNICODE)
    assert any(style == "bad" and "█" in text for line in over for text, style in line)
    labels = [line[0][0].strip() for line in lines if line and line[0][1] == "warn"]
    assert labels == ["50%"]


def test_what_happened_is_drawn_named_and_listed() -> None:
    happened = (Happened(1e9 + 10, "change", "copy"), Happened(1e9 + 50, "trip", "error-rate"))
    text = rows(of([None] * 30, happened=happened))
    axis = next(y for y, line in enumerate(text) if "└" in line)
    assert text[axis + 1].split() == ["1", "2"]
    assert text[axis + 1].index("2") == 11 + 25
    assert all(line[11 + 5] == "┊" for line in text[:axis])
    assert "CHANGE" in text[-2] and "copy" in text[-2] and "TRIP" in text[-1] and "error-rate" in text[-1]


def test_in_ascii_nothing_else_is_drawn() -> None:
    course = of([0.5, None, 0.9] * 10, happened=(Happened(1e9 + 10, "go", "final"),))
    assert all(line_text(line).isascii() for line in plot_lines(course, 0.6, 60, 20, ASCII))


@given(
    st.lists(st.one_of(st.none(), numbers), max_size=60), st.one_of(st.none(), st.floats(0, 1e12)),
    st.integers(12, 90), st.integers(3, 40), st.lists(st.tuples(numbers, st.text(max_size=9)), max_size=8),
)  # fmt: skip
def test_no_course_breaks_the_plot(
    values: list[float | None], threshold: float | None, width: int, height: int, events: list[tuple[float, str]]
) -> None:
    happened = tuple(Happened(1e9 + at % 100, kind, kind) for at, kind in events if math.isfinite(at))
    lines = plot_lines(of(values, happened=happened), threshold, width, height, UNICODE, story.before(0))
    assert all(width_of(line) <= width for line in lines)
    assert len(lines) <= max(height, 7)


@given(st.floats(1e-9, 1e15))
def test_a_scale_ends_close_over_the_value_in_round_parts(value: float) -> None:
    top = round_top(value)
    assert value * (1 - 1e-6) <= top <= value * 1.7
    assert ticks(top)[-1] == top and 3 <= len(ticks(top)) <= 5


@given(st.integers(0, 2_000_000_000), st.floats(1, 1e7), st.integers(1, 20))
def test_strokes_are_within_the_span_and_not_too_many(begin: int, span: float, most: int) -> None:
    found = strokes(begin, begin + span, most)
    assert len(found) <= most and all(begin <= at <= begin + span for at in found)
    assert found == sorted(set(found))
    if span / STROKES[-1] <= most and len(found) > 1:
        assert all((at % 1) == 0 for at in found)


def test_numbers_are_read_in_their_unit() -> None:
    assert [amount(v, u) for v, u in ((0.0004, "ratio"), (2.5, "s"), (97, "count"), (1.5, "1/s"))] == [
        "0.04%", "2.5 s", "97", "1.5 1/s",
    ]  # fmt: skip


def test_a_plot_opens_with_the_worst_metric() -> None:
    scene = Scene(view=story.view(), now=story.NOW)
    assert first_metric(scene) == "http.error_rate"
    assert first_metric(Scene()) == ""


async def test_m_plots_turns_and_zooms_and_leads_to_a_decision(cockpit: Open) -> None:
    asked: list[ReadCourse] = []

    async with cockpit(size=(120, 40)) as (app, pilot, engine):
        note_courses(engine, asked)
        await pilot.press("m")
        await until(lambda: isinstance(app.screen, PlotScreen) and "12 saw nothing" in text_of(app))
        assert asked[-1].metric == "http.error_rate" and asked[-1].back == 300.0
        assert asked[-1].points == columns_of(118)
        assert "NO-GO" in text_of(app)  # the verdict stays in sight
        await pilot.press("2")
        await until(lambda: asked[-1].back == 3600.0)
        await pilot.press("minus", "minus")
        await until(lambda: asked[-1].back == 0.0)
        await pilot.press("right")
        await until(lambda: asked[-1].metric == "db.size")
        tripped = msgspec.structs.replace(story.GATES["error-rate"], state="tripped", asks=True)
        await engine.show(story.view(gates={"error-rate": tripped}))
        await until(lambda: "GATE TRIPPED" in text_of(app))  # and a trip is not missed behind it
        await pilot.press("o")
        await until(lambda: "decide later" in text_of(app))
        await pilot.press("down", "enter", *"because it is broken", "enter")
        assert isinstance(await engine.request(), DecideGate)
        await pilot.press("m")
        await until(lambda: isinstance(app.screen, PlotScreen))
        await engine.stop()
        await until(lambda: "ENGINE GONE" in text_of(app))
        await pilot.press("m")
        await until(lambda: app.screen is app.bridge)


def note_courses(engine: FakeEngine, asked: list[ReadCourse]) -> None:
    """Keep what the plot asks for as well: the engine's own list holds what a person does."""
    take = engine._take

    def noting(request: Any, writer: Any) -> None:
        if isinstance(request, ReadCourse):
            asked.append(request)
        take(request, writer)

    engine._take = noting  # type: ignore[method-assign]
