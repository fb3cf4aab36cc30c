"""What the machine of the database has left: its processor, memory and disk."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg2

from checks.backups import transfer_errors
from checks.contract import Context, Seconds, Stopped, check
from checks.postgres_asking import asking
from metrics.live import STALE_INTERVALS, Live
from metrics.sources.host import cpu_of, pss
from state.durations import format_duration
from state.verdicts import Outcome
from transfer.postgres import Cursor, describe_url

_SAME_START = 5.0  # seconds that the server's and the kernel's idea of a start may differ
_RENDER = {"cpu": "render.database_cpu", "memory": "render.database_memory"}
_MEND = "run it on the database's host, or set [metrics.render] with its database"


@dataclass(frozen=True, slots=True)
class Figure:
    """A share that is in use, 0 to 1, and in words; None with the reason where it cannot be seen."""

    share: float | None
    text: str


@check("postgres.host", timeout="30s", fresh_for="5m")
@transfer_errors
def host(
    ctx: Context,
    *,
    database_url: str,
    over: Seconds = Seconds(2.0),  # noqa: B008 (immutable)
    cpu: float = 0.8,
    memory: float = 0.9,
    disk: float = 0.85,
) -> Outcome:
    """The database's machine has room: its processor, memory and disk are in use below these shares.

    A server on this machine is measured here: the processor time of all its processes over OVER, their memory (PSS)
    of all memory, the file system of its data directory. Of another one the run's render.database_* speak.
    """
    limits = {"cpu": cpu, "memory": memory, "disk": disk}
    with asking(database_url) as cur:
        postmaster = _postmaster(cur)
        if postmaster is not None:
            figures = _local(ctx, cur, postmaster, over)
            source = f"psutil, {format_duration(over)}"
    if postmaster is None:
        figures = _of_render(ctx.live)
        source = "Render"
        limits = {name: limits[name] for name in figures}
    return judged(figures, limits, {"at": describe_url(database_url), "from": source})


def judged(figures: Mapping[str, Figure], limits: Mapping[str, float], evidence: Mapping[str, object]) -> Outcome:
    """Too much before not seen: what was seen to be bad is not made better by what was not."""
    told = {name: round(one.share, 4) if one.share is not None else one.text for name, one in figures.items()}
    evidence = {**evidence, **told}
    expected = ", ".join(f"{name} under {limit:.0%}" for name, limit in limits.items())
    over = [one for name, one in figures.items() if one.share is not None and not one.share < limits[name]]
    if over:
        hint = "see what it does: postgres.performance; then a larger plan"
        what = "; ".join(one.text for one in over)
        return Outcome.failed(what, expected=expected, evidence=evidence, hint=hint)
    if blind := [f"{name}: {one.text}" for name, one in figures.items() if one.share is None]:
        return Outcome.unknown("; ".join(blind), hint=_MEND, evidence=evidence)
    if not figures:
        return Outcome.unknown("nobody measures it", hint=_MEND, evidence=evidence)
    return Outcome.passed("; ".join(one.text for one in figures.values()), expected=expected, evidence=evidence)


def _postmaster(cur: Cursor) -> psutil.Process | None:
    """The server's parent process, when it runs on this machine: when the process that serves us is here."""
    cur.execute(
        "SELECT pid, extract(epoch FROM backend_start)::float8 FROM pg_stat_activity WHERE pid = pg_backend_pid()"
    )
    found = cur.fetchone()
    assert found is not None
    with suppress(psutil.Error):
        # On another machine the same number may be another's: it is believed when it began when the server says.
        backend = psutil.Process(found[0])
        parent = backend.parent()
        same = abs(backend.create_time() - found[1]) < _SAME_START and backend.name().startswith("post")
        if same and parent is not None and parent.name().startswith("post"):
            return parent
    return None


def _local(ctx: Context, cur: Cursor, postmaster: psutil.Process, over: float) -> dict[str, Figure]:
    try:
        return {
            "cpu": _cpu(ctx, postmaster, over),
            "memory": _memory(postmaster),
            "disk": _disk(_data_directory(cur, postmaster)),
        }
    except psutil.NoSuchProcess:
        return {"cpu": Figure(None, "the server ended meanwhile")}


def _cpu(ctx: Context, postmaster: psutil.Process, over: float) -> Figure:
    began, before = time.monotonic(), cpu_of(postmaster, _tree(postmaster))
    if ctx.cancelled.wait(over):
        raise Stopped("cancelled")
    spent, cores = cpu_of(postmaster, _tree(postmaster)) - before, psutil.cpu_count() or 1
    # A process that ended in between may take its time along for a moment.
    share = max(spent, 0.0) / (max(time.monotonic() - began, 1e-3) * cores)
    return Figure(share, f"cpu {share:.0%} of {cores} cores")


def _memory(postmaster: psutil.Process) -> Figure:
    total = psutil.virtual_memory().total
    try:
        used = sum(pss(process.pid) for process in _tree(postmaster))
    except PermissionError:
        return Figure(None, "hidden from this user; run tminus as root, or as the user of PostgreSQL")
    if not used:
        return Figure(None, "the kernel does not tell it")
    return Figure(used / total, f"memory {_mib(used)} of {_mib(total)} ({used / total:.0%})")


def _disk(data: Path | None) -> Figure:
    if data is None:
        return Figure(None, "this role may not see the data directory; GRANT pg_monitor, or run tminus as root")
    try:
        seen = os.statvfs(data)
    except OSError as error:
        return Figure(None, f"data directory: {error.strerror}")
    used = seen.f_blocks - seen.f_bfree
    if not used + seen.f_bavail:
        return Figure(None, "the file system does not tell its size")
    share = used / (used + seen.f_bavail)  # as df: what only root may use is no room
    return Figure(share, f"disk {share:.0%}, {_mib(seen.f_bavail * seen.f_frsize)} free")


def _data_directory(cur: Cursor, postmaster: psutil.Process) -> Path | None:
    with suppress(psutil.Error, OSError):
        return Path(postmaster.cwd())  # the postmaster stands in its data directory
    try:
        cur.execute("SELECT current_setting('data_directory')")
        found = cur.fetchone()
    except psycopg2.Error:
        return None
    return Path(found[0]) if found else None


def _tree(postmaster: psutil.Process) -> list[psutil.Process]:
    return [postmaster, *postmaster.children(recursive=True)]


def _mib(size: float) -> str:
    return f"{size / 2**20:,.0f} MiB"


def _of_render(live: Live | None) -> dict[str, Figure]:
    """What the run's source of Render says of the database; nothing when there is none."""
    if live is None:
        return {}
    return {what: _newest(live, metric) for what, metric in _RENDER.items() if metric in live.metrics}


def _newest(live: Live, metric: str) -> Figure:
    newest, age = live.newest(metric), live.age(metric)
    if newest is None or age is None:
        return Figure(None, f"no data yet of {metric}")
    if newest.value is None:
        return Figure(None, newest.error or str(newest.detail.get("why") or "no data"))
    if age > STALE_INTERVALS * live.interval(metric):
        return Figure(None, f"{metric} was last seen {age:.0f} s ago")
    return Figure(newest.value, f"{metric.removeprefix('render.database_')} {newest.value:.0%} of its limit")
