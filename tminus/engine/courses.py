"""What metrics were over a span, and what happened meanwhile: the answer to `ReadCourse`, from the files of a run.

A week at 1 Hz is six hundred thousand looks of a metric: they are put into buckets as they are read, a block of some
minutes at a time, in a thread that is not the engine's loop.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import median

from metrics.history import HistoryError, Recording
from metrics.history_rows import EPOCH
from state.clean import clean, shorten
from state.events import Event
from state.record import RecordError
from tminus.client.course import HELD, Bucket, Course, Courses, Happened, gone_on
from tminus.client.messages import MetricView
from tminus.client.requests import ReadCourse

MOST_POINTS = 2000
MOST_METRICS = 8
DEADLINE = 10.0
"""Seconds that one answer may take; what was read until then is what is shown, and the answer says so."""

_TIMES = ("ms", "s")
_FINE = 100.0  # classes of a value for its percentile: one part in a hundred apart


class _Late(Exception):
    """The deadline is over."""


def read_courses(
    history: Path | None,
    asked: ReadCourse,
    now: datetime,
    events: Iterable[Happened],
    *,
    newest: Collection[MetricView] = (),
    clock: Callable[[], float] = time.monotonic,
) -> Courses:
    """The answer to ASKED up to NOW, from the file HISTORY; NEWEST are values that it may not have yet.

    Blocks for as long as it reads, at most DEADLINE. A history that is not there, or that breaks, is a note.
    """
    points = min(max(asked.points, 1), MOST_POINTS)
    names = tuple(dict.fromkeys(asked.metrics))[:MOST_METRICS]
    until = (now - EPOCH).total_seconds()
    since = until - asked.back if asked.back > 0 else until
    builders: list[_Builder] = []
    note = "" if history else "no history of metrics is kept"
    late = clock() + DEADLINE
    try:
        if history is not None:
            with Recording(history) as recording:
                known = recording.metrics()
                if asked.back <= 0:
                    first = min((known[name].first for name in names if name in known), default=now)
                    since = min((first - EPOCH).total_seconds(), until)
                step = max((until - since) / points, 0.001)
                builders = [_Builder.of(name, since, until, step) for name in names]
                for one in builders:
                    one.timed = one.metric in known and known[one.metric].unit in _TIMES
                    _fill(one, recording, now, clock, late)
                if recording.unreadable:
                    note = f"{recording.unreadable} blocks of metrics are damaged"
    except _Late:
        note = f"not all could be read within {DEADLINE:g} s"
    except HistoryError as error:
        note = str(error)
    step = max((until - since) / points, 0.001)
    builders = builders or [_Builder.of(name, since, until, step) for name in names]
    fresh = {one.metric: one for one in newest}
    courses = tuple(_with(one.course(), fresh.get(one.metric)) for one in builders)
    shown = tuple(one for one in events if since <= one.at <= until)
    return Courses(begin=since, until=until, courses=courses, events=shown[-MOST_POINTS:], note=note)


def _fill(one: _Builder, recording: Recording, now: datetime, clock: Callable[[], float], late: float) -> None:
    begin = EPOCH + timedelta(seconds=max(one.begin, 0.0))
    for times, values in recording.values(one.metric, begin, now):
        if clock() > late:
            raise _Late
        one.take(times, values)


def _with(course: Course, newest: MetricView | None) -> Course:
    """COURSE with the newest value, which the file need not have yet."""
    try:
        at = datetime.fromisoformat(newest.observed_at) if newest else None
    except ValueError:
        return course
    if newest is None or at is None or at.tzinfo is None:
        return course
    return gone_on(course, (at - EPOCH).total_seconds(), newest.value)


@dataclass
class _Builder:
    """A course in the making: sums of each bucket, in columns, so that no look is kept."""

    metric: str
    begin: float
    until: float
    step: float
    lows: list[float]
    highs: list[float]
    sums: list[float]
    seen: list[int]
    looks: list[int]
    timed: bool = False
    gaps: list[int] = field(default_factory=list)  # milliseconds between the newest looks
    classes: Counter[int] = field(default_factory=Counter)
    last: int = -1  # the bucket of the newest look

    @classmethod
    def of(cls, metric: str, begin: float, until: float, step: float) -> _Builder:
        """An empty one."""
        count = max(math.ceil((until - begin) / step - 1e-6), 0)
        return cls(
            metric, begin, until, step,
            [math.inf] * count, [-math.inf] * count, [0.0] * count, [0] * count, [0] * count,
        )  # fmt: skip

    def take(self, times: Sequence[int], values: Sequence[float | None]) -> None:
        """Looks in the order of their times; those outside are passed over."""
        lows, highs, sums, seen, looks = self.lows, self.highs, self.sums, self.seen, self.looks
        first, width, count = self.begin * 1000.0, self.step * 1000.0, len(looks)
        for at, value in zip(times, values, strict=True):
            place = int((at - first) // width)
            if not 0 <= place < count:
                if place != count or at > self.until * 1000.0:
                    continue
                place = count - 1  # the very last moment belongs to the last bucket
            looks[place] += 1
            if value is None or value - value != 0:  # neither NaN nor infinite
                continue
            seen[place] += 1
            sums[place] += value
            if value < lows[place]:  # noqa: PLR1730 (half the time of min(), six hundred thousand times)
                lows[place] = value
            if value > highs[place]:  # noqa: PLR1730
                highs[place] = value
        if self.timed:
            self.classes.update(
                int(math.log(value) * _FINE)
                for at, value in zip(times, values, strict=True)
                if at >= first and value is not None and 0 < value < math.inf
            )
        newest = times[-101:]
        self.gaps = [b - a for a, b in pairwise(newest) if b > a] or self.gaps

    def course(self) -> Course:
        """The course. Where nobody was to look yet, the value before is held."""
        total = sum(self.seen)
        every = median(self.gaps) / 1000 if self.gaps else 0.0
        extremes = (min(self.lows), max(self.highs), sum(self.sums) / total) if total else (None, None, None)
        return Course(
            metric=self.metric, begin=self.begin, step=self.step, buckets=self._buckets(every), every=every,
            seen=total, low=extremes[0], high=extremes[1], mean=extremes[2], p95=self._p95(),
        )  # fmt: skip

    def _buckets(self, every: float) -> tuple[Bucket | None, ...]:
        found: list[Bucket | None] = []
        for low, high, total, seen in zip(self.lows, self.highs, self.sums, self.seen, strict=True):
            found.append((low, total / seen, high, seen) if seen else None)
        reach = max(int(HELD * every / self.step), 0)
        held: Bucket | None = None
        place = 0
        while place < len(found):
            if self.looks[place]:
                held = found[place]
                place += 1
                continue
            end = next((n for n in range(place, len(found)) if self.looks[n]), len(found))
            if held is not None and end - place <= reach:
                found[place:end] = [(held[1], held[1], held[1], 0)] * (end - place)
            place = end
        # At the end nobody looked yet: it is left open, and what comes next goes on from the last look.
        while found and not self.looks[len(found) - 1]:
            found.pop()
        return tuple(found)

    def _p95(self) -> float | None:
        total, passed = sum(self.classes.values()), 0
        for one in sorted(self.classes):
            passed += self.classes[one]
            if passed >= 0.95 * total:
                return math.exp((one + 1) / _FINE)
        return None


def happened(events: Iterable[Event], changes: Collection[str]) -> tuple[Happened, ...]:
    """What of EVENTS a plot shows; CHANGES are the items whose check changes something."""
    found = []
    for event in events:
        kind, label = _told(event, changes)
        if kind:
            try:
                found.append(Happened((event.at - EPOCH).total_seconds(), kind, shorten(clean(label), 40)))
            except (ValueError, TypeError):
                continue  # an event without a time has no place in a plot
    return tuple(found)


def _told(event: Event, changes: Collection[str]) -> tuple[str, str]:
    match event.kind:
        case "phase.go":
            return "go", f"GO {event.item}"
        case "check.finished" if event.item in changes:
            return "change", event.item if event.to == "pass" else f"{event.item} {event.to}"
        case "hold.raised":
            return "hold", "HOLD"
        case "hold.released":
            return "hold", "release"
        case "gate.changed" if event.to == "tripped":
            return "gate", f"trip {event.item}"
        case "gate.decided":
            return "gate", f"{event.to} {event.item}"
        case "engine.started" if event.to == "resumed":
            return "engine", "restart"
    return "", ""


class CourseDesk:
    """Answers in a thread of its own, one at a time, so that the loop that asks goes on meanwhile.

    The events from before it began are read in that thread at the first question; `heard` adds the later ones.
    """

    def __init__(
        self, history: Path, events: Callable[[], Sequence[Event]], began_at: int, changes: Collection[str]
    ) -> None:
        """EVENTS reads what the record holds; what it must hold to be whole is the event number BEGAN_AT. CHANGES as
        of `happened`."""
        self._history = history
        self._events = events
        self._began_at = began_at
        self._changes = changes
        self._heard: list[Event] = []
        self._before: tuple[Event, ...] | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="courses")

    def heard(self, event: Event) -> None:
        """One more event."""
        if _told(event, (event.item,))[0]:
            self._heard.append(event)

    async def answer(self, asked: ReadCourse, now: datetime, newest: Collection[MetricView]) -> Courses:
        """The answer to ASKED at NOW."""
        heard, wanted = tuple(self._heard), [one for one in newest if one.metric in asked.metrics]
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._read, asked, now, heard, wanted)

    def _read(
        self, asked: ReadCourse, now: datetime, heard: tuple[Event, ...], newest: Collection[MetricView]
    ) -> Courses:
        known = {event.seq: event for event in (*self._earlier(), *heard)}
        marks = happened((known[seq] for seq in sorted(known)), self._changes)
        return read_courses(self._history, asked, now, marks, newest=newest)

    def _earlier(self) -> tuple[Event, ...]:
        if self._before is not None:
            return self._before
        try:
            events = self._events()
        except (OSError, RecordError):
            return ()  # it is asked for again the next time
        found = tuple(event for event in events if _told(event, (event.item,))[0])
        if events and events[-1].seq >= self._began_at:  # the file may still be behind its log
            self._before = found
        return found
