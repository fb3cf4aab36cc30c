"""Latencies as a mergeable histogram: percentiles come from merged counts, never from averaged percentiles."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Self

from hdrh.histogram import HdrHistogram

LOWEST_US, HIGHEST_US, DIGITS = 1, 600_000_000, 2  # 1 µs to 10 minutes, at most 1% too high; 24 KiB each
MIN_FOR_P95, MIN_FOR_P99 = 20, 100


def enough_for(percentile: float) -> int:
    """Samples below which PERCENTILE is noise: 20 for p95, 100 for p99, one for the median and under."""
    if percentile <= 50:
        return 1
    return MIN_FOR_P95 if percentile <= 95 else MIN_FOR_P99


def clamp_us(seconds: float) -> int:
    """SECONDS as whole microseconds within the histogram's range: out of range it would drop the value
    without a word. An endless one counts as the highest. Raises ValueError for NaN."""
    if math.isnan(seconds):
        raise ValueError("NaN is no latency")
    return round(min(max(seconds * 1e6, LOWEST_US), HIGHEST_US))


class Latency:
    """A histogram of latencies, in seconds. 24 KiB while it is at work; about 60 to 300 bytes when encoded."""

    __slots__ = ("_histogram",)

    def __init__(self) -> None:
        self._histogram: Any = HdrHistogram(LOWEST_US, HIGHEST_US, DIGITS)

    @classmethod
    def merged(cls, parts: Iterable[bytes]) -> Self:
        """What the encoded PARTS hold together. Raises ValueError for what is none."""
        whole = cls()
        for part in parts:
            whole.merge(part)
        return whole

    def add(self, seconds: float, count: int = 1) -> None:
        """COUNT latencies of SECONDS. Raises ValueError for NaN."""
        self._histogram.record_value(clamp_us(seconds), count)

    def merge(self, other: Latency | bytes) -> None:
        """Add OTHER's counts, of one encoded or not. Raises ValueError for bytes that are no histogram."""
        if isinstance(other, Latency):
            self._histogram.add(other._histogram)
            return
        try:
            self._histogram.decode_and_add(other)
        except Exception as error:  # the library raises what its decoder happens to run into
            raise ValueError(f"no encoded histogram: {type(error).__name__}") from None

    def encoded(self) -> bytes:
        """As `merge` takes it, and as it is kept."""
        return bytes(self._histogram.encode())

    @property
    def samples(self) -> int:
        """Latencies recorded."""
        return int(self._histogram.get_total_count())

    def percentile(self, percentile: float) -> float | None:
        """The nearest-rank PERCENTILE (0..100] in seconds: the smallest value seen with at least that part of
        the samples at or under it. None when there are fewer than `enough_for` asks."""
        count = self.samples
        if count < enough_for(percentile):
            return None
        rank = max(math.ceil(percentile * count / 100 - 1e-9), 1)
        micros = self._histogram.get_value_at_percentile(100 * rank / count)  # the library rounds; a rank does not
        return float(micros) / 1e6

    def text(self, percentile: float) -> str:
        """The percentile as a person reads it: "213ms", or "n too small (12 of 100)"."""
        value = self.percentile(percentile)
        if value is None:
            return f"n too small ({self.samples} of {enough_for(percentile)})"
        return f"{value * 1000:,.0f}ms"
