"""What a metric was over a span: from the file of a run, from an engine that flies, and from one long ago."""

from __future__ import annotations

import asyncio
import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.history import History, Recording, history_path
from metrics.history_block import BadBlock, pack, unpack, unpack_values
from metrics.history_rows import Row
from metrics.samples import Measurement
from state.events import Event, utc_text
from tests.engine.conftest import Flying, until
from tminus.client import AddNote, RaiseHold, ReadCourse, ReleaseHold
from tminus.client.course import Courses
from tminus.client.messages import MetricView
from tminus.engine.courses import MOST_METRICS, MOST_POINTS, CourseDesk, happened, read_courses
from tminus.replay.load import load_tape
from tminus.replay.player import playing

sys.path.insert(0, str(Path(__file__).parents[1] / "replay"))

from flown import Flown, flown, minutes

from tminus.client import Client
from tminus.replay.deck import Deck

__all__ = ["flown"]

NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)


def written(path: Path, values: dict[float, float | None], unit: str = "ms") -> Path:
    """A history of the metric m: seconds before NOW → value."""
    history = History(path)
    history.add([Measurement("m", value, 1, unit, NOW - timedelta(seconds=ago)) for ago, value in values.items()])
    history.close()
    return path


def test_looks_fall_into_buckets_a_value_is_held_between_looks_and_longer_silence_is_a_gap(tmp_path: Path) -> None:
    # Every five seconds; one look without a value; then nobody looked for half a minute.
    looks: dict[float, float | None] = {float(ago): float(ago) for ago in range(100, 50, -5)}
    looks |= {50.0: None, 45.0: 45.0, 15.0: 15.0, 10.0: 10.0, 5.0: 5.0}
    path = written(tmp_path / "r.metrics.db", looks)
    answer = read_courses(path, ReadCourse(metrics=("m",), back=100, points=100), NOW, [])
    (course,) = answer.courses
    assert (course.begin, course.step, course.every) == (NOW.timestamp() - 100, 1.0, 5.0)
    bucket = dict(enumerate(course.buckets))
    assert bucket[0] == (100.0, 100.0, 100.0, 1) and bucket[1] == bucket[4] == (100.0, 100.0, 100.0, 0)
    assert all(bucket[n] is None for n in range(50, 55)), "nothing is held over a look that saw nothing"
    assert bucket[55] is not None and all(bucket[n] is None for n in range(56, 85))
    assert len(course.buckets) == 96 and course.seen == 14
    assert (course.low, course.high) == (5.0, 100.0) and course.p95 == pytest.approx(100.0, rel=0.02)
    coarse = read_courses(path, ReadCourse(metrics=("m",), back=100, points=2), NOW, []).courses[0].buckets
    assert coarse[0] == (55.0, 77.5, 100.0, 10) and coarse[1] == (5.0, 18.75, 45.0, 4)


def test_all_begins_with_the_first_look_and_what_the_file_lacks_is_added(tmp_path: Path) -> None:
    path = written(tmp_path / "r.metrics.db", {40.0: 1.0, 20.0: 2.0})
    view = MetricView(metric="m", label="m", value=9.0, observed_at=NOW.isoformat())
    answer = read_courses(path, ReadCourse(metrics=("m", "other"), points=40), NOW, [], newest=[view])
    assert answer.begin == NOW.timestamp() - 40 and answer.courses[0].buckets[-1] == (9.0, 9.0, 9.0, 1)
    assert answer.courses[1].buckets == () and answer.courses[1].low is None


@pytest.mark.parametrize("content", [None, b"", b"no database at all"])
def test_a_history_that_cannot_be_read_is_an_answer_that_says_so(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "r.metrics.db"
    if content is not None:
        path.write_bytes(content)
    answer = read_courses(path, ReadCourse(metrics=("m",), back=60), NOW, [])
    assert answer.note and answer.courses[0].buckets == ()
    assert read_courses(None, ReadCourse(metrics=("m",)), NOW, []).note


def test_an_answer_has_its_limits_in_size_and_in_time(tmp_path: Path) -> None:
    path = written(tmp_path / "r.metrics.db", {40.0: 1.0})
    asked = ReadCourse(metrics=("m", *(f"m{n}" for n in range(20))), back=1e9, points=10**9)
    answer = read_courses(path, asked, NOW, [])
    assert len(answer.courses) == MOST_METRICS and len(answer.courses[0].buckets) <= MOST_POINTS
    ticks = iter([0.0, 1e6])
    late = read_courses(path, ReadCourse(metrics=("m",), back=60), NOW, [], clock=lambda: next(ticks))
    assert "not all could be read" in late.note
    assert read_courses(path, ReadCourse(metrics=("m",), back=60, points=-5), NOW, []).courses[0].buckets


@given(st.lists(st.tuples(st.integers(1, 500), st.none() | st.floats(-1e6, 1e6)), max_size=60), st.integers(1, 50))
@settings(max_examples=30, deadline=None)
def test_no_look_is_lost_and_none_is_made_up(
    tmp_path_factory: pytest.TempPathFactory, looks: list[tuple[int, float | None]], points: int
) -> None:
    path = tmp_path_factory.mktemp("courses") / "r.metrics.db"
    values = {float(ago): value for ago, value in sorted(looks, key=lambda look: -look[0])}
    asked = ReadCourse(metrics=("m",), back=600, points=points)
    (course,) = read_courses(written(path, values), asked, NOW, []).courses
    seen = [value for value in values.values() if value is not None]
    buckets = [one for one in course.buckets if one is not None]
    assert course.seen == len(seen) == sum(one[3] for one in buckets)
    assert (course.low, course.high) == ((min(seen), max(seen)) if seen else (None, None))
    for ago, value in values.items():
        if value is not None:
            one = course.at(NOW.timestamp() - ago, NOW.timestamp() - ago + 1e-3)
            assert one is not None and one[0] <= value <= one[2]


@given(
    st.lists(
        st.tuples(st.integers(0, 10**12), st.none() | st.floats(allow_nan=False), st.integers(0, 99),
                  st.none() | st.floats(0, 99)),
        min_size=1, max_size=40,
    )
)  # fmt: skip
def test_the_values_of_a_block_are_those_of_its_rows(
    told: list[tuple[int, float | None, int, float | None]],
) -> None:
    block = pack([Row(at, value, volume, bad, "", "", None) for at, value, volume, bad in told])
    rows = unpack(block)
    assert unpack_values(block) == ([row.at for row in rows], [row.value for row in rows])
    for cut in (block[:-1], b"\x07" + block[1:], b""):
        with pytest.raises(BadBlock):
            unpack_values(cut)


def test_what_happened_is_pause_points_changes_holds_trips_decisions_and_restarts() -> None:
    def event(kind: str, item: str = "", to: str = "") -> Event:
        return Event(seq=1, utc=utc_text(NOW), kind=kind, actor="a", uid=1, item=item, to=to, prev="")

    told = [
        event("phase.go", "deploy"), event("check.finished", "push", "pass"), event("check.finished", "copy", "fail"),
        event("check.finished", "look", "pass"), event("hold.raised"), event("hold.released"), event("note", "push"),
        event("gate.changed", "errors", "breaching"), event("gate.changed", "errors", "tripped"),
        event("gate.decided", "errors", "continue"), event("engine.started", to="started"),
        event("engine.started", to="resumed"),
    ]  # fmt: skip
    assert [(one.kind, one.label) for one in happened(told, {"push", "copy"})] == [
        ("go", "GO deploy"), ("change", "push"), ("change", "copy fail"), ("hold", "HOLD"), ("hold", "release"),
        ("gate", "trip errors"), ("gate", "continue errors"), ("engine", "restart"),
    ]  # fmt: skip


async def test_the_loop_goes_on_while_a_course_is_read(tmp_path: Path) -> None:
    turned = threading.Event()

    def events() -> list[Event]:
        assert turned.wait(10), "the loop stood still until the reading was over"
        return []

    desk = CourseDesk(tmp_path / "none.db", events, 0, set())
    asking = asyncio.create_task(desk.answer(ReadCourse(metrics=("m",)), NOW, []))
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_soon(turned.set)
    assert (await asking).note


WATCHED = """
schema = 1
title = "Watched"

[metrics.host]
interval = "100ms"

[[gate]]
id = "memory"
text = "Memory"
metric = "host.memory"
when = "> 200%"
for = "1s"
interval = "100ms"
then = "hold"

[[phase]]
id = "one"
title = "First"
  [[phase.step]]
  title = "Step"
    [[phase.step.item]]
    id = "say"
    text = "Say it"
"""


@pytest.fixture
def checklist(tmp_path: Path) -> Path:
    path = tmp_path / "watched.toml"
    path.write_text(WATCHED)
    return path


async def test_an_engine_answers_with_what_it_measured_and_what_happened_also_before_it_came_back(
    engine: Flying,
) -> None:
    async def asked() -> Courses:
        return msgspec.convert((await client.ask(ReadCourse(metrics=("host.memory",), points=50))).data, Courses)

    async with engine.client() as client:
        view = await until(client, lambda view: len(view.series.get("host.memory", ())) > 3)
        assert view.gates["memory"].metric == "host.memory"
        async for _ in client.updates():
            (course,) = (await asked()).courses
            if course.seen > 1:  # one may be the newest, which the file has within a second
                break
        assert course.buckets and 0 < (course.high or 0) <= 1
        await client.ask(RaiseHold(reason="somebody calls"))
        await client.ask(ReleaseHold(reason="it was nothing"))
        await client.ask(AddNote(text="not in a plot"))
    engine.kill()
    engine.start()
    async with engine.client() as client:
        async with asyncio.timeout(20):
            async for _ in client.updates():  # the record's file may be behind its log for a moment
                labels = [one.label for one in (await asked()).events]
                if "restart" in labels:
                    break
        assert labels == ["HOLD", "release", "restart"]


async def test_a_replay_answers_up_to_its_moment_and_not_beyond(flown: Flown) -> None:
    tape, history = load_tape(flown.record, flown.checklist)
    assert history == history_path(flown.record)
    with playing(Deck.of(tape).at(minutes(15)), history) as socket:
        async with Client(socket, name="bo") as client:
            asked = ReadCourse(metrics=("http.error_rate",), points=100)
            answer = msgspec.convert((await client.ask(asked)).data, Courses)
    assert answer.until == minutes(15).timestamp() and answer.begin == minutes(-20).timestamp()
    assert answer.courses[0].high == 0.0, "the errors came after that moment"
    assert [one.label for one in answer.events] == ["HOLD", "release", "GO one"]
    with Recording(history) as recording:
        assert max(one.value or 0.0 for one in recording.samples("http.error_rate", tape.begin, tape.end)) > 0
