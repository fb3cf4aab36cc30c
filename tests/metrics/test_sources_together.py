"""All sources in one sampler: none delays another, whatever hangs, and nothing is left when it ends."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from metrics.sampler import Sampler
from metrics.samples import Measurement
from metrics.sources import Source
from metrics.sources.host import HostSource
from metrics.sources.http import HttpProber, Target
from metrics.sources.log import LogSource
from metrics.sources.log.reading import Rules
from metrics.sources.pool import PoolSource
from metrics.sources.postgres import PostgresSource
from metrics.sources.rows import RowsSource
from tests.metrics.http_server import recording
from tests.transfer import servers

PAGE = "sqlalchemy_pool_size 5\nsqlalchemy_pool_checked_out 3\nsqlalchemy_pool_checked_in 2\n"
OURS = {"http", "postgres", "rows", "pool", "log", "host"}
LONG = 60.0  # seconds; longer than a test: what hangs, hangs until it is let go
PACE = 0.02
PROBE = "metrics-probe"
SESSIONS = "select count(*) from pg_stat_activity where application_name like 'tminus-%'"


class Looks:
    """The looks of SOURCES, counted by the source's name, and the newest measurement of every metric."""

    def __init__(self, sources: list[Source]) -> None:
        self.of = {metric: source.name for source in sources for metric in source.metrics}
        self.count: Counter[str] = Counter()
        self.newest: dict[str, Measurement] = {}
        self._came = asyncio.Event()

    def take(self, told: tuple[Measurement, ...]) -> None:
        self.count[self.of[told[0].metric]] += 1
        self.newest.update((one.metric, one) for one in told)
        self._came.set()

    def wrong(self) -> set[str]:
        """The metrics of the prober and of PostgreSQL whose newest measurement is an error."""
        return {name for name, one in self.newest.items() if one.error and name.startswith(("http.", "pg."))}

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not holds():
                self._came.clear()
                await self._came.wait()

    async def each(self, names: set[str], more: int) -> None:
        """Waits until each of NAMES has looked MORE times from now on."""
        goal = {name: self.count[name] + more for name in names}
        await self.until(lambda: all(self.count[name] >= goal[name] for name in names))


def everything(database: str, sites: list[str], log: Path) -> list[Source]:
    """One source of each kind. The page is at the first of SITES, all of which are probed."""
    log.touch()
    return [
        HttpProber([Target(site, name=f"n{n}") for n, site in enumerate(sites)], interval=PACE, timeout=0.2),
        PostgresSource(database, interval=10 * PACE, timeout=LONG),
        RowsSource(database, interval=PACE, timeout=LONG),
        PoolSource(sites[0], interval=PACE, timeout=LONG),
        LogSource([log], rules=Rules("combined", "us"), interval=PACE),
        HostSource(interval=PACE),
    ]


@contextlib.contextmanager
def stopped(at: servers.Running) -> Iterator[None]:
    """The server and all of its processes stand still: they take connections and bytes, and never answer."""
    pids = [at.pid, *(child.pid for child in psutil.Process(at.pid).children())]
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def threads() -> list[threading.Thread]:
    """Those that sources have begun and that still run."""
    return [one for one in threading.enumerate() if one.name.startswith(("metrics-", "prober-"))]


def tasks() -> set[str]:
    """Those that still run, beside the test and the servers that it asks."""
    mine = asyncio.current_task()
    names = {one.get_coro().__qualname__ for one in asyncio.all_tasks() if one is not mine}
    return {name for name in names if not name.endswith(".serve")}


@pytest.fixture(scope="module")
def database() -> Iterator[servers.Running]:
    with servers.server() as at:
        servers.execute(at.url(), "create table t (n int)", "insert into t select generate_series(1, 7)")
        yield at


async def test_every_metric_of_every_source_is_reported_and_nothing_is_left(server, database, tmp_path) -> None:
    server.body = PAGE
    sources = everything(database.url(), [server.url], tmp_path / "access.log")
    looks = Looks(sources)
    async with Sampler(sources, looks.take) as sampler:
        await looks.each(OURS, 3)
        await looks.until(lambda: all(not health.failures for health in sampler.live.health) and not looks.wrong())
    assert set(looks.newest) == set(looks.of)
    assert looks.newest["rows.total"].value == 7
    assert looks.newest["pool.app_used"].value == 3
    assert looks.newest["http.error_rate"].detail["targets"] == 1
    assert tasks() == set()
    servers.until(lambda: not threads())
    servers.until(lambda: servers.execute(database.url(), SESSIONS) == [(0,)])


async def test_hung_servers_hold_up_nobody_else_and_all_go_on_when_they_wake(server, database, tmp_path) -> None:
    server.body, log = PAGE, tmp_path / "access.log"
    async with recording() as lively:
        sources = everything(database.url(), [server.url, f"http://127.0.0.1:{lively.port}/"], log)
        looks = Looks(sources)
        async with Sampler(sources, looks.take, deadline=LONG) as sampler:
            await looks.each(OURS, 1)
            with stopped(database):
                server.open.clear()
                await server.after(1)
                await looks.each(OURS - {"postgres", "rows", "pool"}, 3)  # by now the others are in their looks
                hung = dict(looks.count)
                asked = len(lively.asked)
                with log.open("a") as file:
                    file.write('h - - [22/Nov/2026:20:08:17 +0000] "GET / HTTP/1.1" 500 1 "-" "-" 1000\n')
                await looks.each({"http", "log", "host"}, 25)
                await looks.until(lambda: looks.newest["http.down"].value == 1)
                assert {name: looks.count[name] - hung[name] for name in ("rows", "pool")} == {"rows": 0, "pool": 0}
                assert looks.count["postgres"] > hung["postgres"]  # its look hangs, and it says so at every turn
                assert looks.newest["pg.usage"].error == "PostgreSQL: no answer yet"
                assert looks.newest["http.down"].detail["names"] == "n0"
                await looks.until(lambda: len(lively.asked) >= asked + 20)
                await looks.until(lambda: (sampler.live.summary("log.error_rate", 60).high or 0) == 1)
            server.open.set()
            await looks.each(OURS, 2)
            await looks.until(lambda: all(not health.failures for health in sampler.live.health))
    assert tasks() == set()
    servers.until(lambda: not threads())


@pytest.mark.parametrize("met", [True, False], ids=["in a look", "in its first connection"])
async def test_a_sampler_ends_while_servers_hang(server, database, tmp_path, met: bool) -> None:
    server.body = PAGE
    sources = everything(database.url(), [server.url], tmp_path / "access.log")
    looks = Looks(sources)
    async with contextlib.AsyncExitStack() as running:
        if met:
            await running.enter_async_context(Sampler(sources, looks.take, deadline=LONG))
            await looks.each(OURS, 1)
        with stopped(database):
            server.open.clear()
            if not met:
                await running.enter_async_context(Sampler(sources, looks.take, deadline=LONG))
            await server.after(1)
            await looks.each({"http", "log", "host"}, 5)
            await running.aclose()  # without the others' consent
            assert tasks() == set()
            ours = ("metrics-PostgreSQL", PROBE)
            servers.until(lambda: all(one.daemon and one.name in ours for one in threads()))
            if met:  # their sockets were shut down under them; a try to connect has none yet
                servers.until(lambda: not [one for one in threads() if one.name != PROBE])
    servers.until(lambda: servers.execute(database.url(), SESSIONS) == [(0,)])
    servers.until(lambda: not threads())
