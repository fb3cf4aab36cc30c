"""How a metric went, read from the history beside the record: for the plot."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from metrics.course import course
from metrics.history import HistoryError, Recording
from state.run import Moment
from tminus.client.messages import Course, Happened
from tminus.client.requests import ReadCourse
from tminus.engine.acts import Refusal

MOST_POINTS = 2000
PATIENCE = 20.0  # seconds; a week of a metric takes a few


class Courses:
    """Reads the history at PATH, one request after the other, each in a thread of its own that holds up nobody."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._turn = asyncio.Lock()

    async def read(self, request: ReadCourse, now: datetime, moments: Sequence[Moment]) -> Course:
        """The course that REQUEST asks for, up to NOW. Raises Refusal when it takes too long."""
        async with self._turn:
            answered: asyncio.Future[Course] = asyncio.get_running_loop().create_future()
            loop = asyncio.get_running_loop()

            def work() -> None:
                found = read_course(self._path, request, now, moments)
                loop.call_soon_threadsafe(lambda: None if answered.done() else answered.set_result(found))

            threading.Thread(target=work, name="course", daemon=True).start()
            try:
                async with asyncio.timeout(PATIENCE):
                    return await answered
            except TimeoutError:
                raise Refusal("the history of the metrics does not answer in time: try a shorter span") from None


def read_course(path: Path, request: ReadCourse, now: datetime, moments: Sequence[Moment]) -> Course:
    """The course of a metric from the history at PATH. What cannot be read is a course without values and a note."""
    try:
        with Recording(path) as recording:
            return course_of(recording, request, now, moments)
    except HistoryError as error:
        return Course(metric=request.metric, note=str(error))
    except Exception as error:  # a damaged file must not leave the person waiting
        return Course(metric=request.metric, note=f"the history cannot be read ({type(error).__name__})")


def course_of(recording: Recording, request: ReadCourse, now: datetime, moments: Sequence[Moment]) -> Course:
    """The course of a metric from RECORDING. Raises HistoryError."""
    known = recording.metrics().get(request.metric)
    if known is None:
        return Course(metric=request.metric, note="nothing of this metric was kept yet")
    end = now.timestamp()
    begin = end - request.back if request.back > 0 else known.first.timestamp()
    points = min(max(request.points, 1), MOST_POINTS)
    begin = min(begin, end - 1.0)
    found = course(recording.values(request.metric, datetime.fromtimestamp(begin, UTC), now), begin, end, points)
    happened = [Happened(datetime.fromisoformat(one.utc).timestamp(), one.kind, one.label) for one in moments]
    note = f"{recording.unreadable} blocks of the history are damaged" if recording.unreadable else ""
    return Course(
        metric=request.metric,
        unit=known.unit,
        begin=found.begin,
        step=found.step,
        low=found.low,
        mean=found.mean,
        high=found.high,
        looks=found.looks,
        seen=found.seen,
        happened=tuple(one for one in happened if begin <= one.at <= end),
        note=note,
    )
