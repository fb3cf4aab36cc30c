"""What a metric was over a span: the reply to `ReadCourse`, and how it goes on with what is seen meanwhile. Pure."""

from __future__ import annotations

import msgspec

_AHEAD = 10_000  # buckets: what is said to be later than that has a clock of its own

Bucket = tuple[float, float, float, int]
"""The lowest, the mean and the highest of the looks at a metric in one step of time, and how many looks had a value.
None looks: the value before is held, since nobody was to look within it."""

HELD = 3.0
"""Intervals between looks that a value is held; longer is a gap."""


class Course(msgspec.Struct, frozen=True, kw_only=True):
    """One metric from `begin` (seconds since 1970, UTC) on, a bucket every `step` seconds; None is a gap.

    `every` is how many seconds lie between looks, 0 when nobody can say. `seen` counts the looks of the span that had
    a value; `low`, `mean` and `high` are over all of them, `p95` (of times alone, within one part in a hundred) is
    the value that 95 % of these looks were not above. They are None without any.
    """

    metric: str
    begin: float
    step: float
    buckets: tuple[Bucket | None, ...] = ()
    every: float = 0.0
    seen: int = 0
    low: float | None = None
    mean: float | None = None
    high: float | None = None
    p95: float | None = None

    def at(self, begin: float, end: float) -> Bucket | None:
        """What it was from BEGIN to END, in one bucket; None for a gap."""
        first = int((begin - self.begin) // self.step)
        last = max(int((end - self.begin - 1e-6) // self.step), first)
        found = [one for one in self.buckets[max(first, 0) : max(last + 1, 0)] if one is not None]
        if not found:
            return None
        count = sum(one[3] for one in found)
        if not count:
            return found[-1]
        mean = sum(one[1] * one[3] for one in found) / count
        return min(one[0] for one in found), mean, max(one[2] for one in found), count


class Happened(msgspec.Struct, frozen=True):
    """Something in the record: when (seconds since 1970), its kind (go, change, hold, gate, engine), in few words."""

    at: float
    kind: str
    label: str


class Courses(msgspec.Struct, frozen=True, kw_only=True):
    """The reply to `ReadCourse`, from `begin` to `until` (seconds since 1970). `note` says what is missing."""

    begin: float
    until: float
    courses: tuple[Course, ...] = ()
    events: tuple[Happened, ...] = ()
    note: str = ""


def gone_on(course: Course, at: float, value: float | None) -> Course:
    """COURSE with one more look AT which there was VALUE; one before its last bucket changes nothing."""
    place = int((at - course.begin) // course.step)
    missing = place - len(course.buckets)
    if missing == -1 and value is not None:
        low, mean, high, count = course.buckets[-1] or (value, value, value, 0)
        joined = (min(low, value), (mean * count + value) / (count + 1), max(high, value), count + 1)
        return msgspec.structs.replace(course, buckets=(*course.buckets[:-1], joined))
    if missing < 0 or missing > _AHEAD:
        return course
    last = course.buckets[-1] if course.buckets else None
    hold = last is not None and missing * course.step <= HELD * max(course.every, course.step)
    between: list[Bucket | None] = [(last[1], last[1], last[1], 0) if hold and last else None] * missing
    fresh: Bucket | None = None if value is None else (value, value, value, 1)
    return msgspec.structs.replace(course, buckets=(*course.buckets, *between, fresh))
