"""Runs sources, each in a task of its own at its own pace, and keeps the latest points of every metric."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from metrics.gate_model import Op
from metrics.samples import Measurement, clock, utc_now
from metrics.sources import Source, SourceError
from metrics.views import MetricView, status_of, text_of

POINTS = 300
STALE_INTERVALS = 3
_log = logging.getLogger(__name__)

OnMeasurements = Callable[[tuple[Measurement, ...]], None]


@dataclass(slots=True)
class _Track:
    """The points of one metric, one a look; AT is of the newest look that had a value or said why not."""

    source: str
    stale_after: float
    points: deque[float | None]
    newest: Measurement | None = None
    at: float | None = None


@dataclass(slots=True)
class Sampler:
    """`async with Sampler(sources, on_measurements)`: measurements are handed to the callback on the event
    loop, a tuple for each look. A source that raises or takes longer than DEADLINE seconds gives error
    measurements of its metrics and is asked again at its next turn; turns that passed meanwhile are left out.
    """

    sources: Sequence[Source]
    on_measurements: OnMeasurements
    points: int = POINTS
    deadline: float = 10.0
    now: Callable[[], float] = clock
    _tracks: dict[str, _Track] = field(default_factory=dict)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for source in self.sources:
            for metric in source.metrics:
                if metric in self._tracks:
                    raise ValueError(f"two sources report {metric}")
                self._tracks[metric] = self._track(source)

    def _track(self, source: Source) -> _Track:
        return _Track(source.name, STALE_INTERVALS * source.interval, deque(maxlen=self.points))

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._run(s), name=f"metrics-{s.name}") for s in self.sources]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    async def _run(self, source: Source) -> None:
        started, turn = False, clock()
        try:
            while True:
                try:
                    async with asyncio.timeout(self.deadline):
                        if not started:
                            await source.start()
                            started = True
                        measured = await source.sample()
                except Exception as error:  # whatever a source does, the others and its next turn go on
                    measured = _errors(source, error)
                self._publish(source, measured)
                missed = max((clock() - turn) // source.interval, 0)
                turn += (missed + 1) * source.interval
                await asyncio.sleep(max(turn - clock(), 0))
        finally:
            try:
                await source.stop()
            except Exception as error:
                _log.warning("source %s did not stop cleanly: %s", source.name, type(error).__name__)

    def _publish(self, source: Source, measured: tuple[Measurement, ...]) -> None:
        at = self.now()
        for measurement in measured:
            track = self._tracks.setdefault(measurement.metric, self._track(source))
            track.points.append(measurement.value)
            track.newest, track.at = measurement, at
        try:
            self.on_measurements(measured)
        except Exception as error:  # the listener's fault must not end the looking
            _log.error("a listener of measurements failed: %s", type(error).__name__)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Every metric that a source promises or has reported."""
        return tuple(self._tracks)

    def series(self, metric: str) -> tuple[float | None, ...]:
        """The last points of METRIC, oldest first, one a look; None where there was no data.

        Raises KeyError when nobody reports METRIC."""
        return tuple(self._tracks[metric].points)

    def view(
        self,
        metric: str,
        *,
        label: str = "",
        op: Op = ">",
        threshold: float | None = None,
        scale_max: float | None = None,
    ) -> MetricView:
        """METRIC as a widget draws it, against THRESHOLD. One that nobody reports is unknown."""
        track = self._tracks.get(metric) or _Track("", 0.0, deque())
        newest = track.newest
        age = None if track.at is None else self.now() - track.at
        value = newest.value if newest else None
        return MetricView(
            metric=metric,
            label=label or metric,
            unit=newest.unit if newest else "",
            value=value,
            text=text_of(newest),
            source=track.source,
            age_s=age,
            samples=newest.volume if newest else 0,
            series=tuple(track.points),
            threshold=threshold,
            scale_max=scale_max,
            status=status_of(value, age, track.stale_after, op, threshold),
        )


def _errors(source: Source, error: Exception) -> tuple[Measurement, ...]:
    text = str(error) if isinstance(error, SourceError) else type(error).__name__
    if isinstance(error, TimeoutError):
        text = "no answer in time"
    at = utc_now()
    return tuple(Measurement(metric, None, 0, "", at, error=text) for metric in source.metrics)
