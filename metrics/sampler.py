"""Runs sources, each in a task of its own at its own pace, and keeps what they say in a `Live`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType, TracebackType
from typing import Self

from metrics.live import Live
from metrics.samples import Measurement, clock, utc_now
from metrics.sources import Source, SourceError

DEADLINE = 10.0
_log = logging.getLogger(__name__)

OnMeasurements = Callable[[tuple[Measurement, ...]], None]


class Sampler:
    """`async with Sampler(sources, on_measurements)`: measurements are handed to the callback on the event
    loop, a tuple for each look. A source that raises or takes longer than DEADLINE seconds gives error
    measurements of its metrics and is asked again at its next turn; turns that passed meanwhile are left out.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        on_measurements: OnMeasurements,
        *,
        deadline: float = DEADLINE,
        now: Callable[[], float] = clock,
        absent: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.live = Live(sources, now, absent)
        self._sources, self._on_measurements, self._deadline = sources, on_measurements, deadline
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._run(s), name=f"metrics-{s.name}") for s in self._sources]
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
                began = clock()
                try:
                    async with asyncio.timeout(self._deadline):
                        if not started:
                            await source.start()
                            started = True
                        measured = await source.sample()
                except Exception as error:  # whatever a source does, the others and its next turn go on
                    measured = _errors(source, error)
                self._publish(source, measured, clock() - began)
                missed = max((clock() - turn) // source.interval, 0)
                turn += (missed + 1) * source.interval
                await asyncio.sleep(max(turn - clock(), 0))
        finally:
            try:
                await source.stop()
            except Exception as error:
                _log.warning("source %s did not stop cleanly: %s", source.name, type(error).__name__)

    def _publish(self, source: Source, measured: tuple[Measurement, ...], took: float) -> None:
        self.live.take(source, measured, took)
        try:
            self._on_measurements(measured)
        except Exception as error:  # the listener's fault must not end the looking
            _log.error("a listener of measurements failed: %s", type(error).__name__)


def _errors(source: Source, error: Exception) -> tuple[Measurement, ...]:
    text = str(error) if isinstance(error, SourceError) else type(error).__name__
    if isinstance(error, TimeoutError):
        text = "no answer in time"
    at = utc_now()
    return tuple(Measurement(metric, None, 0, "", at, error=text) for metric in source.metrics)
