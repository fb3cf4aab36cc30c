"""What looking costs: every source at 1 Hz, each alone and all together, in one run.

    python bench/sources.py [--seconds 5] [--only all]

They look at a real PostgreSQL, an HTTP application with a Prometheus page, and a log that grows by 50 lines a second;
the application and the log's writer are a process of their own. `rows` counts every 5 seconds, as it would not at
1 Hz. Each line is measured in a fresh process, after every source has looked once. `nothing` is a Sampler without
sources; what it costs is the meter itself, a task that wakes every 10 ms, and is taken off the lines below it.

    CPU       of one core: user and system time of the looking process (PostgreSQL's and the application's not in it)
    looks     median and p95 of the time they took, from the call to the measurements
    loop      how late a sleep of 10 ms ends, beyond its 10 ms: p99 and worst
    RSS       grown while measured
    sessions  of PostgreSQL: held at the end, and begun a second (the probe's own connections)
    sockets   to the application, held at the end
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from math import ceil
from pathlib import Path
from typing import Any

import psutil
import psycopg2

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from metrics.sampler import Sampler
from metrics.samples import Measurement, clock
from metrics.sources import Source
from metrics.sources.host import HostSource
from metrics.sources.http import HttpProber, Target
from metrics.sources.log import LogSource
from metrics.sources.log.reading import Rules
from metrics.sources.pool import PoolSource
from metrics.sources.postgres import PostgresSource
from metrics.sources.rows import RowsSource
from rehearsal.postgres import running_postgres

ALONE = ("http", "postgres", "rows", "pool", "log", "host")
CASES = ("nothing", *ALONE, "all")
TICK = 0.010
LINES = 50  # a second
_OURS = "select application_name, count(*) from pg_stat_activity where application_name like 'tminus-%' group by 1"
_BEGUN = "select sum(sessions) from pg_stat_database"
_TABLES = "".join(
    f"create table t{n} as select i, md5(i::text) as body from generate_series(1, {rows}) i;"
    for n, rows in enumerate((50_000, 20_000, 5_000, 500, 20))
)


@dataclass(frozen=True)
class World:
    """Where the sources look. Handed over on standard input: it holds a password."""

    database: str
    data: str
    port: int
    log: str


@dataclass
class Cost:
    """What one line of the table says; times in seconds."""

    cpu: float = 0.0
    looks: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    rss: int = 0
    sessions: dict[str, int] = field(default_factory=dict)
    begun: float = 0.0
    sockets: int = 0
    failed: list[str] = field(default_factory=list)


def sources(world: World, case: str) -> list[Source]:
    """The sources of CASE."""
    site = f"http://127.0.0.1:{world.port}"
    every: dict[str, Source] = {
        "http": HttpProber([Target(f"{site}/"), Target(f"{site}/health")], interval=1.0),
        "postgres": PostgresSource(world.database, interval=1.0),
        "rows": RowsSource(world.database, interval=5.0),
        "pool": PoolSource(f"{site}/metrics", interval=1.0),
        "log": LogSource([Path(world.log)], rules=Rules("combined", "us"), interval=1.0),
        "host": HostSource(interval=1.0, postgres_data=Path(world.data)),
    }
    return list(every.values()) if case == "all" else [every[case]] if case in every else []


async def measured(world: World, case: str, seconds: float) -> Cost:
    """What the sources of CASE cost for SECONDS, after the first look of each."""
    cost, ours, first = Cost(), sources(world, case), asyncio.Event()
    of = {metric: source.name for source in ours for metric in source.metrics}
    looked: set[str] = set()

    def take(told: tuple[Measurement, ...]) -> None:
        name = of[told[0].metric]
        looked.add(name)
        if len(looked) == len(ours):
            first.set()
        cost.looks.append(next(health.took for health in sampler.live.health if health.source == name))
        cost.failed.extend(f"{one.metric}: {one.error}" for one in told if one.error)

    async with Sampler(ours, take) as sampler:
        if ours:
            await asyncio.wait_for(first.wait(), 30)
        begun = await asyncio.to_thread(asked, world, _BEGUN)
        cost.looks.clear()
        rss, cpu, wall = psutil.Process().memory_info().rss, time.process_time(), clock()
        while clock() - wall < seconds:
            due = clock() + TICK
            await asyncio.sleep(TICK)
            cost.late.append(clock() - due)
        cost.cpu = (time.process_time() - cpu) / (clock() - wall)
        cost.rss = psutil.Process().memory_info().rss - rss
        elapsed = clock() - wall
        # One of the sessions begun is the one that asks.
        cost.begun = (int((await asyncio.to_thread(asked, world, _BEGUN))[0][0]) - int(begun[0][0]) - 1) / elapsed
        cost.sessions = dict(await asyncio.to_thread(asked, world, _OURS))
        cost.sockets = sum(
            bool(one.raddr) and one.raddr.port == world.port for one in psutil.Process().net_connections()
        )
    return cost


def asked(world: World, query: str) -> Any:
    """The rows of QUERY, over a connection that is closed again."""
    connection = psycopg2.connect(world.database, application_name="bench")
    try:
        with connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchall()
    finally:
        connection.close()


def page() -> bytes:
    """A Prometheus page as a Flask application with a pool exports it: some 250 samples."""
    lines = ["sqlalchemy_pool_size 10", "sqlalchemy_pool_checked_out 3", "sqlalchemy_pool_checked_in 7"]
    lines += ["sqlalchemy_pool_overflow 0", "sqlalchemy_pool_max_overflow 5", "process_start_time_seconds 1.7e9"]
    for path in range(20):
        label = f'method="GET",path="/page/{path}",status="200"'
        lines.append(f"flask_http_request_total{{{label}}} {path * 100}")
        for n, le in enumerate(("0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "5.0", "+Inf")):
            lines.append(f'flask_http_request_duration_seconds_bucket{{le="{le}",{label}}} {path * 10 * (n + 1)}')
    return ("\n".join(lines) + "\n").encode()


async def application(log: Path) -> None:
    """Serves until it is ended, prints its port, and writes LINES a second into LOG."""
    metrics, rng = page(), random.Random(3)

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                body = metrics if head.startswith(b"GET /metrics") else b"<html>ok</html>"
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            writer.close()

    server = await asyncio.start_server(connection, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    with log.open("a", buffering=1) as file:
        while True:
            file.write(
                '10.0.0.7 - - [22/Nov/2026:20:08:17 +0000] "GET /shop/items HTTP/1.1" '
                f'200 512 "-" "Mozilla/5.0" {int(rng.lognormvariate(10.5, 1.0))}\n'
            )
            await asyncio.sleep(1 / LINES)


@contextmanager
def world() -> Iterator[World]:
    """The PostgreSQL, the application and the log."""
    with tempfile.TemporaryDirectory() as folder, running_postgres(fsync=False) as postgres:
        connection = psycopg2.connect(postgres.superuser_url)
        with connection, connection.cursor() as cursor:
            cursor.execute(_TABLES)
        connection.close()
        log = Path(folder) / "access.log"
        log.touch()
        argv = [sys.executable, __file__, "--serve", str(log)]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as serving:
            try:
                assert serving.stdout is not None
                yield World(postgres.superuser_url, str(postgres.data_dir), int(serving.stdout.readline()), str(log))
            finally:
                serving.kill()


def in_a_process(where: World, case: str, seconds: float) -> Cost:
    """The cost of CASE, in a process of its own."""
    argv = [sys.executable, __file__, "--case", case, "--seconds", str(seconds)]
    done = subprocess.run(argv, input=json.dumps(asdict(where)), text=True, check=True, stdout=subprocess.PIPE)
    return Cost(**json.loads(done.stdout))


def rank(values: Sequence[float], percentile: float) -> float:
    """The nearest-rank PERCENTILE in ms; 0 without values."""
    return 1000 * sorted(values)[max(ceil(percentile * len(values) / 100) - 1, 0)] if values else 0.0


def line(case: str, cost: Cost, cpu: float) -> str:
    """One line of the table."""
    held = ", ".join(f"{name.removeprefix('tminus-')} {n}" for name, n in sorted(cost.sessions.items())) or "none"
    return (
        f"{case:<9}{100 * cpu:6.2f}% {len(cost.looks):5} {rank(cost.looks, 50):8.1f} {rank(cost.looks, 95):7.1f}"
        f" {rank(cost.late, 99):8.1f} {rank(cost.late, 100):6.1f} {cost.rss / 1024:7,.0f} kB"
        f" {cost.sockets:7}  {held}; {cost.begun:.1f}/s begun"
    )


def main() -> None:
    """Runs every case and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each line (5)")
    parser.add_argument("--only", choices=CASES[1:], help="this line alone, beside `nothing`")
    parser.add_argument("--case", choices=CASES, help=argparse.SUPPRESS)
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.serve:
        asyncio.run(application(wanted.serve))
        return
    if wanted.case:
        where = World(**json.load(sys.stdin))
        print(json.dumps(asdict(asyncio.run(measured(where, wanted.case, wanted.seconds)))))
        return
    print(
        f"{'ms':<9}{'CPU':>7} {'looks':>5} {'median':>8} {'p95':>7} {'loop p99':>8} {'worst':>6} {'RSS':>10} sockets"
    )
    alone, together, meter = 0.0, 0.0, 0.0
    with world() as where:
        for case in ("nothing", wanted.only) if wanted.only else CASES:
            cost = in_a_process(where, case, wanted.seconds)
            meter = cost.cpu if case == "nothing" else meter
            net = cost.cpu if case == "nothing" else max(cost.cpu - meter, 0.0)
            alone, together = alone + (net if case in ALONE else 0.0), net if case == "all" else together
            print(line(case, cost, net), flush=True)
            for why in sorted(set(cost.failed)):
                print(f"          could not look: {why}")
    if not wanted.only:
        ratio = f", {together / alone:.2f} x the sum of each alone" if alone else ""
        print(f"all together: {100 * together:.2f}% of one core{ratio}; of this machine's {os.cpu_count()}: ", end="")
        print(f"{100 * together / (os.cpu_count() or 1):.2f}%")


if __name__ == "__main__":
    main()
