"""This host's processor, memory and disk, and those of a PostgreSQL that runs on it.

A local PostgreSQL is told by its data directory: the postmaster that postmaster.pid names, believed only when that
process began when the file says, and everything below it. Its memory is the sum of the proportional set sizes (PSS,
/proc/PID/smaps_rollup): the shared buffers are then counted once, where a sum of RSS counts them once a process.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import psutil

from metrics.samples import Measurement, clock, divide, utc_now
from metrics.sources import Metric, Source, SourceError
from metrics.sources.connecting import Aside
from metrics.tables import Table

METRICS: Mapping[str, Metric] = {
    "host.cpu": Metric("CPU of this host", "ratio", "of all cores, since the sample before", 1.0, headline=True),
    "host.memory": Metric("Memory of this host", "ratio", "of all memory", 1.0, headline=True),
    "host.load": Metric("Load", "ratio", "processes that want to run (1 minute) / cores", 2.0),
    "host.disk": Metric("Disk", "ratio", "used of the file system of `disk`", 1.0, 0.9),
    "host.swap": Metric("Swapped in and out", "bytes", "since the sample before"),
    "host.postgres_cpu": Metric("CPU of PostgreSQL", "ratio", "of all cores, its processes", 1.0, 0.8),
    "host.postgres_memory": Metric("Memory of PostgreSQL", "bytes", "PSS of its processes, summed"),
}
KEYS: Mapping[str, str] = {
    "interval": 'between two looks; "5s"',
    "disk": 'a path on the file system to watch; "."',
    "postgres_data": "the data directory of a PostgreSQL on this host; none",
}
_POSTGRES = ("host.postgres_cpu", "host.postgres_memory")
_PATIENCE = 5.0  # seconds for the disk and the processes
_SAME_START = 5.0  # seconds that the file's and the kernel's idea of a start may differ


class HostSource:
    """host.cpu and host.memory, both 0..1, the processor's since the sample before, and what METRICS lists more."""

    name: str = "host"

    def __init__(self, *, interval: float = 5.0, disk: Path = Path(), postgres_data: Path | None = None) -> None:
        if interval <= 0:
            raise ValueError("interval is over 0")
        self.interval, self._disk, self._data = interval, disk, postgres_data
        self.metrics: Mapping[str, Metric] = {
            name: face for name, face in METRICS.items() if postgres_data is not None or name not in _POSTGRES
        }
        self._aside = Aside("host")
        self._swapped: int | None = None
        self._spent: tuple[int, float, float] | None = None  # postmaster, CPU seconds of its tree, at

    async def start(self) -> None:
        psutil.cpu_percent(None)  # the first call has nothing to compare with, and would say 0

    async def sample(self) -> tuple[Measurement, ...]:
        at, memory, cores = utc_now(), psutil.virtual_memory(), psutil.cpu_count() or 1
        detail: dict[str, float | str] = {"cores": cores}
        told = (
            Measurement("host.cpu", psutil.cpu_percent(None) / 100, 1, "ratio", at, detail),
            Measurement("host.memory", memory.percent / 100, 1, "ratio", at, {"available": memory.available}),
            Measurement("host.load", os.getloadavg()[0] / cores, 1, "ratio", at, detail),
            self._swap(),
        )
        # A mount may hang, and walking processes and their pages takes milliseconds each: not on the loop.
        slow = (self._disk_used, *([self._postgres] if self._data is not None else []))
        try:
            return (*told, *await self._aside.run(lambda: tuple(one for look in slow for one in look()), _PATIENCE))
        except SourceError as error:
            missing = [name for name in self.metrics if name not in {one.metric for one in told}]
            why = str(error)
            return (*told, *(Measurement(n, None, 0, METRICS[n].unit, utc_now(), error=why) for n in missing))

    async def stop(self) -> None:
        return None

    def _disk_used(self) -> tuple[Measurement, ...]:
        try:
            seen = os.statvfs(self._disk)
        except OSError as error:
            return (Measurement("host.disk", None, 0, "ratio", utc_now(), error=f"disk: {error.strerror}"),)
        used = seen.f_blocks - seen.f_bfree
        share = divide(used, used + seen.f_bavail)  # as df: what only root may use is no room
        free = {"free": seen.f_bavail * seen.f_frsize}
        return (Measurement("host.disk", share, 1, "ratio", utc_now(), free),)

    def _swap(self) -> Measurement:
        swap = psutil.swap_memory()
        before, self._swapped = self._swapped, swap.sin + swap.sout
        if before is None or self._swapped < before:
            return Measurement("host.swap", None, 0, "bytes", utc_now(), {"why": "first look"})
        return Measurement("host.swap", float(self._swapped - before), 1, "bytes", utc_now())

    def _postgres(self) -> tuple[Measurement, ...]:
        assert self._data is not None
        at = utc_now()
        try:
            postmaster = postmaster_of(self._data)
            tree = [postmaster, *postmaster.children(recursive=True)]
            spent = cpu_of(postmaster, tree)
        except (OSError, ValueError, psutil.Error) as error:
            why = str(error) if isinstance(error, ValueError) else type(error).__name__
            return tuple(Measurement(name, None, 0, METRICS[name].unit, at, error=why) for name in _POSTGRES)
        before, self._spent = self._spent, (postmaster.pid, spent, clock())
        detail: dict[str, float | str] = {"processes": len(tree)}
        if before is None or before[0] != postmaster.pid or spent < before[1]:
            cpu = Measurement("host.postgres_cpu", None, 0, "ratio", at, {"why": "first look"})
        else:
            share = divide(spent - before[1], (self._spent[2] - before[2]) * (psutil.cpu_count() or 1))
            cpu = Measurement("host.postgres_cpu", share, 1, "ratio", at, detail)
        try:
            memory = float(sum(pss(process.pid) for process in tree))
        except PermissionError:
            hint = "its memory is hidden from this user: run tminus as root, or as the user of PostgreSQL"
            return cpu, Measurement("host.postgres_memory", None, 0, "bytes", at, error=hint)
        return cpu, Measurement("host.postgres_memory", memory, 1, "bytes", at, detail)


def postmaster_of(data: Path) -> psutil.Process:
    """The postmaster of the cluster in DATA. Raises ValueError when none runs there, or the pid is another's."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
        pid, began = int(lines[0]), int(lines[2])
    except (OSError, ValueError, IndexError):
        raise ValueError("no PostgreSQL runs in postgres_data (no readable postmaster.pid)") from None
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - began) < _SAME_START and process.name().startswith("post")
    except psutil.Error:
        same = False
    if not same:
        raise ValueError("postmaster.pid is left over: its process is gone, or another one's")
    return process


def cpu_of(postmaster: psutil.Process, tree: list[psutil.Process]) -> float:
    """CPU seconds of TREE, and of those children that have ended, as far as the kernel has added them up."""
    ended = postmaster.cpu_times()
    spent = float(ended.children_user + ended.children_system)
    for process in tree:
        try:
            seen = process.cpu_times()
        except psutil.NoSuchProcess:  # it ended while we looked
            continue
        spent += seen.user + seen.system
    return spent


def pss(pid: int) -> int:
    """The proportional set size of PID in bytes, 0 when it is gone. Raises PermissionError where it is hidden."""
    try:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0


def build(table: Table) -> Source:
    """The source of `[metrics.host]`."""
    return HostSource(
        interval=table.seconds("interval", 5.0),
        disk=table.file("disk", ".") or Path(),
        postgres_data=table.file("postgres_data"),
    )
