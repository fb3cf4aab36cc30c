"""Live sources: each looks at one thing and reports measurements.

A source is one module (or package) of this folder with

    METRICS  what it reports: a `Metric` by name
    KEYS     the keys of its table in the checklist, each with what it means and its default
    build    its source from that table; raises ConfigError. Whoever calls it refuses the keys it did not ask for

`python -m metrics.catalogue` makes docs/metrics.md of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from metrics.samples import Measurement

__all__ = ["Measurement", "Metric", "Source", "SourceError"]


class SourceError(Exception):
    """The source could not look. Its text may be shown to anybody: no URL, no secret, nothing from outside.

    Of any other exception only the type is told.
    """


@dataclass(frozen=True, slots=True)
class Metric:
    """What a metric is.

    label     its name on the screen
    unit      "ratio" (0..1), "ms", "count", "1/s", "bytes" or "s"
    about     one sentence: what it counts, over what
    scale     the full height of its sparkline; None grows with the values
    limit     drawn in when no gate of the checklist names one
    headline  whether it is on the screen without being asked for
    """

    label: str
    unit: str
    about: str
    scale: float | None = None
    limit: float | None = None
    headline: bool = False


class Source(Protocol):
    """One place that is looked at every INTERVAL seconds.

    `start` may raise; `sample` may raise too, which the sampler turns into error measurements of METRICS.
    `stop` ends every task, thread and connection, also after a start that failed. None of them may block the
    event loop: what waits without asyncio does so in a thread of the source's own, never in the shared pool.
    """

    name: str
    interval: float
    metrics: Mapping[str, Metric]

    async def start(self) -> None: ...
    async def sample(self) -> tuple[Measurement, ...]: ...
    async def stop(self) -> None: ...
