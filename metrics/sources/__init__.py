"""Live sources: each looks at one thing and reports measurements."""

from __future__ import annotations

from typing import Protocol

from metrics.samples import Measurement

__all__ = ["Measurement", "Source", "SourceError"]


class SourceError(Exception):
    """The source could not look. Its text may be shown to anybody: no URL, no secret, nothing from outside.

    Of any other exception only the type is told.
    """


class Source(Protocol):
    """One place that is looked at every INTERVAL seconds.

    `start` may raise; `sample` may raise too, which the sampler turns into error measurements of METRICS.
    `stop` ends every task, thread and connection, also after a start that failed.
    """

    name: str
    interval: float
    metrics: tuple[str, ...]

    async def start(self) -> None: ...
    async def sample(self) -> tuple[Measurement, ...]: ...
    async def stop(self) -> None: ...
