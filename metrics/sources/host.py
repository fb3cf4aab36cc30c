"""This host's processor and memory: what the cockpit itself runs on, not the service."""

from __future__ import annotations

from collections.abc import Mapping

import psutil

from metrics.samples import Measurement, utc_now
from metrics.sources import Metric, Source
from metrics.tables import Table

METRICS: Mapping[str, Metric] = {
    "host.cpu": Metric("CPU of this host", "ratio", "of all cores, since the sample before", 1.0, headline=True),
    "host.memory": Metric("Memory of this host", "ratio", "of all memory", 1.0, headline=True),
}
KEYS: Mapping[str, str] = {"interval": 'between two looks; "5s"'}


class HostSource:
    """host.cpu and host.memory, both 0..1, the processor's since the sample before."""

    name: str = "host"
    metrics = METRICS

    def __init__(self, *, interval: float = 5.0) -> None:
        if interval <= 0:
            raise ValueError("interval is over 0")
        self.interval = interval

    async def start(self) -> None:
        psutil.cpu_percent(None)  # the first call has nothing to compare with, and would say 0

    async def sample(self) -> tuple[Measurement, ...]:
        at, memory = utc_now(), psutil.virtual_memory()
        cores: dict[str, float | str] = {"cores": psutil.cpu_count() or 0}
        return (
            Measurement("host.cpu", psutil.cpu_percent(None) / 100, 1, "ratio", at, cores),
            Measurement("host.memory", memory.percent / 100, 1, "ratio", at, {"available": memory.available}),
        )

    async def stop(self) -> None:
        return None


def build(table: Table) -> Source:
    """The source of `[metrics.host]`."""
    return HostSource(interval=table.seconds("interval", 5.0))
