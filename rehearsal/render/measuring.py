"""What services and databases use: cores and memory of their processes, and what the edge answered, in buckets."""

import math
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import Any

import psutil

from rehearsal.render.edge import Answered

EVERY = 5.0  # seconds between two samples
KEPT = 20_000


@dataclass(frozen=True, slots=True)
class Sample:
    """At AT (seconds since the epoch) INSTANCE used so many CORES since the sample before, and BYTES of memory."""

    at: float
    instance: str
    cores: float
    memory: float


@dataclass
class Meter:
    samples: dict[str, deque[Sample]] = field(default_factory=lambda: defaultdict(lambda: deque(maxlen=KEPT)))
    connections: dict[str, deque[tuple[float, float]]] = field(
        default_factory=lambda: defaultdict(lambda: deque(maxlen=KEPT))
    )
    _used: dict[str, tuple[float, str, float]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def sample(self, resource: str, pid: int, instance: str) -> None:
        """Look at the process PID of RESOURCE and its children, if the last look is long enough ago."""
        now = time.time()
        before = self._used.get(resource)
        if before is not None and before[1] == instance and now - before[0] < EVERY:
            return
        used, memory = 0.0, 0.0
        try:
            leader = psutil.Process(pid)
            for process in (leader, *leader.children(recursive=True)):
                with process.oneshot():
                    times = process.cpu_times()
                    used += times.user + times.system
                    memory += process.memory_info().rss
        except psutil.Error:
            return
        self._used[resource] = (now, instance, used)
        cores = (
            max(0.0, used - before[2]) / (now - before[0]) if before is not None and before[1] == instance else 0.0
        )
        with self._lock:
            self.samples[resource].append(Sample(now, instance, cores, memory))

    def of(self, resource: str) -> list[Sample]:
        with self._lock:
            return list(self.samples[resource])


Series = dict[str, Any]


def series(
    values: Iterable[tuple[float, float]],
    begin: float,
    end: float,
    step: int,
    together: Callable[[Sequence[float]], float],
    unit: str,
    labels: dict[str, str],
) -> Series:
    """VALUES (when, how much) from BEGIN to END in buckets of STEP seconds, each bucket's TOGETHER."""
    buckets: dict[int, list[float]] = defaultdict(list)
    for at, value in values:
        if begin <= at < end:
            buckets[int(at // step * step)].append(value)
    return {
        "labels": [{"field": name, "value": value} for name, value in labels.items()],
        "unit": unit,
        "values": [{"timestamp": moment(at), "value": together(found)} for at, found in sorted(buckets.items())],
    }


def moment(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def requests(
    answered: Iterable[Answered], begin: float, end: float, step: int, by: str, resource: str
) -> list[Series]:
    """How many requests there were in each bucket, BY "statusCode", "host" or "" (all together)."""
    groups: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for one in answered:
        groups[str(one.status) if by == "statusCode" else ""].append((one.at, 1.0))
    return [
        series(found, begin, end, step, sum, "unitless", {"resource": resource} | ({by: name} if by else {}))
        for name, found in sorted(groups.items())
    ]


def latencies(
    answered: Iterable[Answered], begin: float, end: float, step: int, quantiles: Sequence[float], resource: str
) -> list[Series]:
    """The QUANTILES of each bucket, in milliseconds: values that were seen (nearest rank)."""
    values = [(one.at, one.seconds * 1000) for one in answered]

    def rank(part: float) -> Callable[[Sequence[float]], float]:
        return lambda found: sorted(found)[max(0, math.ceil(part * len(found)) - 1)]

    return [
        series(values, begin, end, step, rank(part), "ms", {"resource": resource, "quantile": f"{part:g}"})
        for part in quantiles
    ]


TOGETHER: dict[str, Callable[[Sequence[float]], float]] = {"AVG": fmean, "MAX": max, "MIN": min}
