"""What a gate has seen in its span, in buckets, so that a week at one sample a second costs no more than minutes.

A window is half open, (now - over, now]: at 15 s polls a window of 15 minutes holds 60 samples, and the one taken
exactly 15 minutes ago is no longer in it.

A bucket begins with a sample and takes in those less than a width after it. So samples that are no denser than the
width have a bucket each, and the window is exact; denser ones make its old edge fuzzy by one width, which is about a
thousandth of the span. Full blocks of buckets are packed and carry their own sums: what a window costs is a few
dozen additions, however long it is. Nothing is ever subtracted from a running sum, so nothing drifts.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from metrics.samples import Sample, divide

BUCKETS = 960  # in a span at the most
TICK = 1e-6  # floats: a sample 900.0000000001 s old is 900 s old
_BLOCK = 32  # about the square root of BUCKETS: then blocks and what is open cost the same
ROW = struct.Struct("<ddIIIdddd")  # a bucket


class Bucket(NamedTuple):
    """Samples that stand together.

    first, last  when the first and the last were taken
    samples      how many; of them BREACHES breached and RATIOS were ratios of events
    bad, volume  events, added up
    total        values, added up
    covered      seconds that they vouch for
    """

    first: float
    last: float
    samples: int
    breaches: int
    ratios: int
    bad: float
    volume: float
    total: float
    covered: float


@dataclass(frozen=True, slots=True)
class _Block:
    """Buckets that are complete. `opens` is where the time that its first bucket vouches for begins."""

    opens: float
    last: float
    packed: bytes = field(repr=False)
    sums: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class History:
    """The buckets of a span, oldest first."""

    blocks: tuple[_Block, ...] = ()
    open: tuple[Bucket, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.open)  # the newest bucket is never packed

    def __iter__(self) -> Iterator[Bucket]:
        for block in self.blocks:
            yield from map(Bucket._make, ROW.iter_unpack(block.packed))
        yield from self.open


@dataclass(frozen=True, slots=True)
class Tally:
    """The samples of one window, added up.

    value     of ratios sum(bad) / sum(volume); of gauges the mean; None when there is nothing, or both
    volume    events behind it
    covered   seconds of the window that samples vouch for
    """

    count: int
    breaches: int
    value: float | None
    volume: int
    covered: float
    ratio: bool


EMPTY = History()
NOTHING = Tally(0, 0, None, 0, 0.0, False)


def added(
    history: History, sample: Sample, *, breach: bool, before: float | None, span: float, interval: float
) -> History:
    """HISTORY with SAMPLE, a usable one taken after the one at BEFORE, and without what is older than SPAN.

    A sample vouches for the INTERVAL before it, as far as no earlier one does already; so ten samples in one
    second cover one second, and 60 at 15 s cover 15 minutes.
    """
    value = 0.0 if sample.value is None else sample.value
    ratio = sample.bad is not None
    one = Bucket(
        first=sample.at,
        last=sample.at,
        samples=1,
        breaches=int(breach),
        ratios=int(ratio),
        bad=sample.bad or 0.0,
        volume=float(sample.volume),
        total=value,
        covered=interval if before is None else min(sample.at - before, interval),
    )
    past = sample.at - span - 2 * TICK
    blocks = tuple(b for b in history.blocks if b.last >= past)
    rest, newest = history.open[:-1], history.open[-1:]
    if newest and sample.at < newest[0].first + span / BUCKETS - TICK:
        old = newest[0]
        sums = (a + b for a, b in zip(old[2:], one[2:], strict=True))
        return History(blocks, (*rest, Bucket(old.first, sample.at, *sums)))  # type: ignore[arg-type]  # as its fields
    return _packed(blocks, (*(b for b in history.open if b.last >= past), one))


def history_of(buckets: Iterable[Bucket]) -> History:
    """BUCKETS, oldest first, as a history. Raises struct.error when a count is none."""
    history = EMPTY
    for bucket in buckets:
        history = _packed(history.blocks, (*history.open, bucket))
    return history


def tally(history: History, now: float, over: float) -> Tally:
    """What HISTORY holds in (NOW - OVER, NOW], added up. NOW is not before the newest sample."""
    start = now - over
    rows = list(_after(history, start + TICK))
    if not rows:
        return NOTHING
    _, _, count, breaches, ratios, bad, volume, total, covered = map(sum, zip(*rows, strict=True))
    oldest = rows[0]
    outside = max(oldest[8] - (oldest[1] - start), 0.0)  # it may vouch for time before the window
    # A metric that is a ratio now and a gauge then has no value over both.
    value = divide(bad, volume) if ratios == count else divide(total, count) if ratios == 0 else None
    return Tally(int(count), int(breaches), value, round(volume), covered - outside, ratios == count)


def reaches(elapsed: float, over: float) -> bool:
    """Whether ELAPSED seconds are OVER or more, give or take a microsecond."""
    return elapsed + TICK >= over


def _packed(blocks: tuple[_Block, ...], buckets: tuple[Bucket, ...]) -> History:
    if len(buckets) <= _BLOCK:
        return History(blocks, buckets)
    full, rest = buckets[:_BLOCK], buckets[_BLOCK:]
    sums = (full[0].first, full[-1].last, *tuple(map(sum, zip(*full, strict=True)))[2:])
    packed = b"".join(ROW.pack(*bucket) for bucket in full)
    return History((*blocks, _Block(full[0].last - full[0].covered, full[-1].last, packed, sums)), rest)


def _after(history: History, start: float) -> Iterator[tuple[float, ...]]:
    """The sums of whole blocks after START, and the single buckets where a block lies across it."""
    for block in history.blocks:
        if block.opens >= start:
            yield block.sums
        elif block.last > start:
            yield from (row for row in ROW.iter_unpack(block.packed) if row[1] > start)
    yield from (bucket for bucket in history.open if bucket.last > start)
