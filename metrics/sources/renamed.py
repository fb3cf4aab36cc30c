"""A second source of one kind, under a name of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from metrics.samples import Measurement
from metrics.sources import Metric, Source


class Renamed:
    """SOURCE as NAME: the first part of each of its metrics is NAME, and NAME stands in the labels."""

    def __init__(self, source: Source, name: str) -> None:
        self._source, self.name, self.interval = source, name, source.interval
        self.metrics: Mapping[str, Metric] = {
            self._own(metric): replace(face, label=f"{face.label} ({name})")
            for metric, face in source.metrics.items()
        }

    def _own(self, metric: str) -> str:
        return f"{self.name}.{metric.partition('.')[2]}"

    async def start(self) -> None:
        await self._source.start()

    async def sample(self) -> tuple[Measurement, ...]:
        return tuple(replace(one, metric=self._own(one.metric)) for one in await self._source.sample())

    async def stop(self) -> None:
        await self._source.stop()
