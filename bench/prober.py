"""How far measured percentiles are from the true ones of a server that stalls: our prober, wrk, and a closed loop.

    python bench/prober.py [--rate 100] [--seconds 14] [--seed 1]

A server on the loopback, in a process of its own, answers its n-th request after the n-th of a seeded list of
lognormal service times; during two stalls nothing is answered. What an open-loop client sees of that follows from the
schedule alone, and is the truth that each is held against. wrk (Debian package wrk) runs as a closed loop with as
many connections as give it about the same rate, and corrects its latencies after; the closed loop is an httpx client
that waits for each answer before it sends the next, and corrects nothing. CPU is that of the client, system time
included. About 45 s.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import math
import random
import re
import resource
import selectors
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

sys.path.insert(0, str(Path(__file__).parents[1]))

from metrics.latency import Latency
from metrics.sources.http import HttpProber, Target

MEDIAN, SIGMA = 0.020, 0.4
STALLS = ((0.2, 0.04), (0.6, 0.08))  # (begin, length) as parts of the run
PERCENTILES = (50, 95, 99)
_LUA = """done = function(summary, latency, requests)
  io.write(string.format("CSV %f %f %f %d\\n", latency:percentile(50) / 1000, latency:percentile(95) / 1000,
    latency:percentile(99) / 1000, summary.requests))
end
"""


@dataclass(frozen=True)
class Plan:
    """What the server does for SECONDS, from its first request on."""

    rate: float
    seconds: float
    seed: int

    def services(self) -> Iterator[float]:
        draw = random.Random(self.seed)
        while True:
            yield draw.lognormvariate(math.log(MEDIAN), SIGMA)

    def stalled(self, at: float) -> float:
        """Seconds until the stall that AT is in ends; 0 outside of stalls."""
        for begin, length in STALLS:
            left = (begin + length) * self.seconds - at
            if at >= begin * self.seconds and left > 0:
                return left
        return 0.0

    def truth(self) -> list[float]:
        """Milliseconds of what is sent at the intended times, ascending."""
        sends = range(int(self.rate * self.seconds))
        return sorted(
            1000 * (self.stalled(n / self.rate) + service) for n, service in zip(sends, self.services(), strict=False)
        )


@dataclass(frozen=True)
class Row:
    """What a client made of it; CPU in seconds."""

    name: str
    ms: Sequence[float | None]
    probes: int
    cpu: float


def rank(ascending: Sequence[float], percentile: float) -> float:
    return ascending[max(math.ceil(percentile * len(ascending) / 100 - 1e-9), 1) - 1]


def serve(plan: Plan) -> None:
    """The server; prints its port. Its loop waits by select(), whose timers are finer than epoll's milliseconds."""
    services, began = plan.services(), 0.0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal began
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while await reader.readuntil(b"\r\n\r\n"):
                now = time.monotonic()
                began = began or now
                await asyncio.sleep(plan.stalled(now - began) + next(services))
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        writer.close()

    async def main() -> None:
        listening = await asyncio.start_server(answer, "127.0.0.1", 0)
        sys.stdout.write(f"{listening.sockets[0].getsockname()[1]}\n")
        sys.stdout.flush()
        await listening.serve_forever()

    asyncio.SelectorEventLoop(selectors.SelectSelector()).run_until_complete(main())


@contextlib.contextmanager
def server(plan: Plan) -> Iterator[str]:
    """A fresh server of PLAN, as its URL."""
    words = ["--serve", "--rate", str(plan.rate), "--seconds", str(plan.seconds), "--seed", str(plan.seed)]
    with subprocess.Popen([sys.executable, __file__, *words], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/"
        finally:
            process.kill()


@contextlib.asynccontextmanager
async def running(prober: HttpProber) -> AsyncIterator[HttpProber]:
    await prober.start()
    try:
        yield prober
    finally:
        await prober.stop()


async def ours(plan: Plan, url: str) -> Row:
    """Our prober, sampled once a second as in a run, by the histograms that it hands on."""
    whole, cpu = Latency(), _cpu()
    prober = HttpProber([Target(url)], interval=1 / plan.rate, concurrency=10_000)
    async with running(prober):
        end = time.monotonic() + plan.seconds
        while (left := end - time.monotonic()) > 0:
            await asyncio.sleep(min(left, 1.0))
            for one in await prober.sample():
                if one.metric == "http.latency" and one.latency:
                    whole.merge(one.latency)
    seconds = [whole.percentile(p) for p in PERCENTILES]
    return Row("our prober", [None if s is None else s * 1000 for s in seconds], whole.samples, _cpu() - cpu)


async def closed(plan: Plan, url: str) -> Row:
    """Sends the next when the answer is there, and not before its time."""
    seen, cpu, end = [], _cpu(), time.monotonic() + plan.seconds
    async with httpx.AsyncClient(timeout=60) as client:
        while (sent := time.monotonic()) < end:
            await client.get(url)
            seen.append((time.monotonic() - sent) * 1000)
            await asyncio.sleep(max(sent + 1 / plan.rate - time.monotonic(), 0))
    return Row("closed loop, httpx", [rank(sorted(seen), p) for p in PERCENTILES], len(seen), _cpu() - cpu)


def wrk(plan: Plan, url: str) -> Row:
    """wrk, with connections for about the rate."""
    mean = MEDIAN * math.exp(SIGMA**2 / 2)
    connections, before = max(round(plan.rate * mean), 1), _cpu(resource.RUSAGE_CHILDREN)
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_LUA)
        script.flush()
        words = ["-t1", f"-c{connections}", f"-d{plan.seconds:.0f}s", "--timeout", "60s", "-s", script.name, url]
        said = subprocess.run(["wrk", *words], check=True, capture_output=True, text=True).stdout
    found = re.search(r"CSV (\S+) (\S+) (\S+) (\d+)", said)
    assert found, said
    cpu = _cpu(resource.RUSAGE_CHILDREN) - before
    return Row(f"wrk -c{connections}", [float(found[n]) for n in (1, 2, 3)], int(found[4]), cpu)


def _cpu(who: int = resource.RUSAGE_SELF) -> float:
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def told(rows: Sequence[Row], truth: Sequence[float]) -> str:
    """The table: milliseconds, and in brackets how far from the truth."""
    true = [rank(truth, p) for p in PERCENTILES]
    lines = [f"{'':<20}" + "".join(f"{f'p{p} ms':>20}" for p in PERCENTILES) + f"{'n':>8}{'CPU s / 1000':>14}"]
    lines.append(f"{'truth':<20}" + "".join(f"{ms:>12.1f}{'':8}" for ms in true) + f"{len(truth):>8}")
    for row in rows:
        cells = "".join(
            f"{ms:>12.1f} {f'{ms / want - 1:+.0%}':>7}" if ms is not None else f"{'too few':>20}"
            for ms, want in zip(row.ms, true, strict=True)
        )
        lines.append(f"{row.name:<20}{cells}{row.probes:>8}{1000 * row.cpu / max(row.probes, 1):>14.3f}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=100, help="sends a second (100)")
    parser.add_argument("--seconds", type=float, default=14, help="of each of the three runs (14)")
    parser.add_argument("--seed", type=int, default=1, help="of the service times (1)")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    plan = Plan(asked.rate, asked.seconds, asked.seed)
    if asked.serve:
        serve(plan)
        return
    rows = []
    with server(plan) as url:
        rows.append(asyncio.run(ours(plan, url)))
    with server(plan) as url:
        rows.append(asyncio.run(closed(plan, url)))
    if shutil.which("wrk"):
        with server(plan) as url:
            rows.append(wrk(plan, url))
    else:
        sys.stderr.write("wrk is not installed; the closed loop stands alone\n")
    stalls = " and ".join(f"{length * plan.seconds:.1f} s" for _, length in STALLS)
    sys.stdout.write(f"{plan.rate:g}/s for {plan.seconds:g} s, stalls of {stalls}\n{told(rows, plan.truth())}\n")


if __name__ == "__main__":
    main()
