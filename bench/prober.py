"""How far the prober's percentiles are from the truth, beside a closed-loop tool that asks the same server.

    python bench/prober.py [--seconds 20] [--rate 50]

A server in a process of its own answers after times from a seeded lognormal list, and stalls at known moments.
The truth is what requests sent at the intended times would have met, computed from that schedule alone; the
server's own timers and the loopback add some tenths of a millisecond to it. Each tool gets a server of its own.
The peer is wrk, or a closed-loop httpx client when wrk is not installed.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import math
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from metrics.latency import Latency
from metrics.sources.http import HttpProber, Target

PERCENTILES = (50, 95, 99)
_SEEDED = random.Random(7)
SERVICE = [_SEEDED.lognormvariate(math.log(0.010), 0.5) for _ in range(5000)]  # median 10 ms
STALLS = ((0.25, 0.10), (0.60, 0.05))  # (begins at, lasts), as parts of the run


def stalled(at: float, seconds: float) -> float:
    """How long a request that arrives AT seconds after the first one waits for the end of a stall."""
    for begins, lasts in STALLS:
        if begins * seconds <= at < (begins + lasts) * seconds:
            return (begins + lasts) * seconds - at
    return 0.0


def nearest_rank(values: list[float], percentile: float) -> float:
    """The nearest-rank PERCENTILE of VALUES."""
    return sorted(values)[max(math.ceil(percentile * len(values) / 100) - 1, 0)]


def truth(seconds: float, rate: float) -> dict[int, float]:
    """The percentiles of requests sent on time, in seconds."""
    waits = [stalled(n / rate, seconds) + SERVICE[n % len(SERVICE)] for n in range(round(seconds * rate))]
    return {p: nearest_rank(waits, p) for p in PERCENTILES}


async def serve(seconds: float) -> None:
    """Answers until it is ended; prints its port. Time begins with the first request."""
    begun: list[float] = []
    times = itertools.cycle(SERVICE)

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                now = time.monotonic()
                begun.extend([] if begun else [now])
                await asyncio.sleep(stalled(now - begun[0], seconds) + next(times))
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            writer.close()

    server = await asyncio.start_server(connection, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


class Serving:
    """The server in a process of its own, as a context: gives its URL."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def __enter__(self) -> str:
        argv = [sys.executable, __file__, "--serve", "--seconds", str(self.seconds)]
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        return f"http://127.0.0.1:{int(self.process.stdout.readline())}/"

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()


async def probed(url: str, seconds: float, rate: float) -> tuple[dict[int, float], int, float]:
    """Percentiles, probes and CPU seconds of our prober, merged from the histograms of each look."""
    prober = HttpProber([Target(url)], interval=1 / rate, timeout=30.0, over=60.0, concurrency=10_000)
    whole, cpu = Latency(), time.process_time()
    await prober.start()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        await asyncio.sleep(min(1.0, max(until - time.monotonic(), 0)))
        for measured in await prober.sample():
            if measured.latency:
                whole.merge(measured.latency)
    cpu = time.process_time() - cpu
    await prober.stop()
    return {p: whole.percentile(p) or math.nan for p in PERCENTILES}, whole.samples, cpu


def wrk(url: str, seconds: float) -> tuple[dict[int, float], int]:
    """Percentiles and requests of wrk with one connection."""
    script = "done = function(s, l, r) io.write(string.format('R %d %d %d %d\\n', s.requests, "
    script += ", ".join(f"l:percentile({p})" for p in PERCENTILES) + ")) end\n"
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(script)
        file.flush()
        argv = ["wrk", "-t1", "-c1", f"-d{seconds:.0f}s", "--timeout", "30s", "-s", file.name, url]
        out = subprocess.run(argv, check=True, capture_output=True, text=True).stdout
    found = re.search(r"^R (\d+) (\d+) (\d+) (\d+)$", out, re.M)
    assert found, "wrk did not say its percentiles"
    requests, *micros = map(int, found.groups())
    return {p: us / 1e6 for p, us in zip(PERCENTILES, micros, strict=True)}, requests


def closed_loop(url: str, seconds: float) -> tuple[dict[int, float], int]:
    """Percentiles and requests of a client that waits for each reply before it sends again."""
    took, until = [], time.monotonic() + seconds
    with httpx.Client(timeout=30) as client:
        while time.monotonic() < until:
            begun = time.perf_counter()
            client.get(url)
            took.append(time.perf_counter() - begun)
    return {p: nearest_rank(took, p) for p in PERCENTILES}, len(took)


def row(name: str, values: dict[int, float], real: dict[int, float], count: int) -> str:
    """A line of the table: each percentile in ms with its error against the truth."""
    cells = (f"{values[p] * 1000:9.1f} {100 * (values[p] / real[p] - 1):+7.1f}%" for p in PERCENTILES)
    return f"{name:<22}{count:>7}" + "".join(cells)


def main() -> None:
    """Runs both and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each run (20)")
    parser.add_argument("--rate", type=float, default=50.0, help="probes a second (50)")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.serve:
        asyncio.run(serve(wanted.seconds))
        return
    real = truth(wanted.seconds, wanted.rate)
    with Serving(wanted.seconds) as url:
        ours, probes, cpu = asyncio.run(probed(url, wanted.seconds, wanted.rate))
    name = "wrk -c1" if shutil.which("wrk") else "closed loop (no wrk)"
    with Serving(wanted.seconds) as url:
        theirs, requests = (wrk if shutil.which("wrk") else closed_loop)(url, wanted.seconds)
    stalls = ", ".join(f"{lasts * wanted.seconds:g} s at {begins * wanted.seconds:g} s" for begins, lasts in STALLS)
    print(
        f"{wanted.rate:g}/s for {wanted.seconds:g} s, median 10 ms, stalls of {stalls}; ms, and error against truth"
    )
    print(f"{'':<22}{'n':>7}" + "".join(f"{f'p{p}':>9}{'':>9}" for p in PERCENTILES))
    print(row("truth", real, real, round(wanted.seconds * wanted.rate)))
    print(row("tminus, open loop", ours, real, probes))
    print(row(f"{name}, closed loop"[:22], theirs, real, requests))
    print(f"CPU of the prober: {1000 * cpu / probes:.2f} s per 1000 probes, its looks of each second included")


if __name__ == "__main__":
    main()
