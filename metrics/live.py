"""What the sources have said so far: the newest of every metric, its windows, and how each source is doing.

Written by the sampler, read by whoever wants to know, from any thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from metrics.gate_model import Op
from metrics.samples import Measurement, clock
from metrics.sources import Metric, Source
from metrics.views import MetricView, status_of, text_of
from metrics.window import Series, Summary

STALE_INTERVALS = 3


@dataclass(frozen=True, slots=True)
class Health:
    """How a source itself is doing.

    metrics           what it promises
    looks, failures   how often it was asked, and how many of the last ones in a row gave no value at all
    error             why the newest look gave none; "" when it did
    took              seconds that the newest look took
    value_at          seconds of `clock()` of the newest look that gave a value; None: it never has
    """

    source: str
    interval: float
    metrics: tuple[str, ...] = ()
    looks: int = 0
    failures: int = 0
    error: str = ""
    took: float = 0.0
    value_at: float | None = None

    def after(self, measured: Sequence[Measurement], at: float, took: float) -> Health:
        """The health after a look that ended at AT and gave MEASURED."""
        seen = any(one.value is not None for one in measured)
        why = "" if seen else next((one.error for one in measured if one.error), "it gave no value")
        return replace(
            self,
            looks=self.looks + 1,
            failures=0 if seen else self.failures + 1,
            error=why,
            took=took,
            value_at=at if seen else self.value_at,
        )


@dataclass(slots=True)
class _Track:
    """One metric; AT is of the newest look, in seconds of the clock."""

    source: str
    interval: float
    series: Series
    face: Metric
    newest: Measurement | None = None
    at: float | None = None


class Live:
    """The newest values, windows and healths of SOURCES. ABSENT are those that the
    checklist names and that cannot be started, with the reason. Raises ValueError when two report one metric."""

    def __init__(
        self,
        sources: Sequence[Source] = (),
        now: Callable[[], float] = clock,
        absent: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._tracks: dict[str, _Track] = {}
        self._health: dict[str, Health] = {}
        for source in sources:
            for metric, face in source.metrics.items():
                if metric in self._tracks:
                    raise ValueError(f"two sources report {metric}")
                self._tracks[metric] = _Track(source.name, source.interval, Series(source.interval), face)
            self._health[source.name] = Health(source.name, source.interval, tuple(source.metrics))
        for name, why in absent.items():
            self._health[name] = Health(name, 0.0, error=why)

    def take(self, source: Source, measured: Sequence[Measurement], took: float) -> None:
        """What SOURCE gave just now, in a look of TOOK seconds."""
        at = self._now()
        with self._lock:
            self._health[source.name] = self._health[source.name].after(measured, at, took)
            for one in measured:
                face = Metric(one.metric, one.unit, "")
                track = self._tracks.setdefault(
                    one.metric, _Track(source.name, source.interval, Series(source.interval), face)
                )
                track.series.look(at, one)
                track.newest, track.at = one, at

    def recall(self, one: Measurement, ago: float) -> None:
        """A look of AGO seconds ago, from the process before this one, oldest first: it fills the windows behind what
        is looked at meanwhile. Nothing happens for a metric nobody reports."""
        with self._lock:
            if one.metric in self._tracks:
                self._tracks[one.metric].series.recall(self._now() - ago, one)

    @property
    def health(self) -> tuple[Health, ...]:
        """How each source is doing, in their order."""
        with self._lock:
            return tuple(self._health.values())

    @property
    def metrics(self) -> dict[str, Metric]:
        """Every metric that a source promises or has reported."""
        with self._lock:
            return {name: track.face for name, track in self._tracks.items()}

    def newest(self, metric: str) -> Measurement | None:
        """The newest look at METRIC; None before the first, and for what nobody reports."""
        with self._lock:
            track = self._tracks.get(metric)
            return track.newest if track else None

    def age(self, metric: str) -> float | None:
        """Seconds since the newest look at METRIC; None when there was none."""
        with self._lock:
            track = self._tracks.get(metric)
            return None if track is None or track.at is None else self._now() - track.at

    def interval(self, metric: str) -> float:
        """Seconds between two looks at METRIC. Raises KeyError when nobody reports it."""
        with self._lock:
            return self._tracks[metric].interval

    def summary(self, metric: str, over: float) -> Summary:
        """METRIC over the last OVER seconds. Raises KeyError when nobody reports it."""
        with self._lock:
            return self._tracks[metric].series.summary(self._now(), over)

    def values(self, metric: str, over: float) -> tuple[float | None, ...]:
        """The course of METRIC over the last OVER seconds, oldest first. Raises KeyError when nobody reports it."""
        with self._lock:
            return self._tracks[metric].series.values(self._now(), over)

    def view(self, metric: str, *, op: Op = ">", threshold: float | None = None) -> MetricView:
        """METRIC as a widget draws it, against THRESHOLD (by default its own). One nobody reports is unknown."""
        with self._lock:
            track = self._tracks.get(metric) or _Track("", 0.0, Series(1.0), Metric(metric, "", ""))
            newest, face = track.newest, track.face
            age = None if track.at is None else self._now() - track.at
        limit = face.limit if threshold is None else threshold
        value = newest.value if newest else None
        return MetricView(
            metric=metric,
            label=face.label,
            unit=newest.unit if newest else face.unit,
            value=value,
            text=text_of(newest),
            source=track.source,
            age_s=age,
            samples=newest.volume if newest else 0,
            threshold=limit,
            scale_max=face.scale,
            status=status_of(value, age, STALE_INTERVALS * track.interval, op, limit),
        )
