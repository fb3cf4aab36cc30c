"""How fast a log is read beside the tools that are made for it, in one run; medians of ROUNDS.

An error log (few hits) beside `grep -c` for the same words, and an access log with durations beside GoAccess and
lnav. Ours is the whole way of a live log, on one thread: the follower's reads, lines, words, counts, histogram.
The files are made anew from a seed, are in the page cache for everybody, and are removed. GoAccess and lnav keep
much more of every line than we do, so their figures say what is usual, not what is possible.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from metrics.known import TOKENS
from metrics.latency import Latency
from metrics.sources.log.follow import Follower
from metrics.sources.log.reading import Reading, Rules
from metrics.sources.log.tally import Tally

ROUNDS = 3
WORDS = (
    *("request handled", "in user session", "loaded", "cache miss", "for key", "order", "updated", "page rendered"),
    *("worker started", "job finished", "connection accepted", "from pool", "checked out", "error count zero"),
    *("timeout", "set to", "database ready"),
)
HITS = (
    b"2026-11-22 20:08:17 [7] [ERROR] app: QueuePool limit of size 5 overflow 10 reached, connection timed out\n",
    b"2026-11-22 20:08:17 UTC [812] FATAL:  sorry, too many clients already\n",
    b"psycopg2.OperationalError: server closed the connection unexpectedly\n",
)
AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0 Safari/537.36"
GOACCESS = '%h %^[%d:%t %^] "%r" %s %b "%R" "%u" %D'


def error_log(path: Path, size: int, rng: random.Random) -> int:
    """SIZE bytes of lines with a hit every mebibyte; how many hits."""
    lines = [
        f"[2026-11-22 20:08:{n % 60:02d} +0000] [{n % 9}] [INFO] app.views: {' '.join(rng.choices(WORDS, k=8))} {n}\n"
        for n in range(40_000)
    ]
    hits = 0
    with path.open("wb") as file:
        while file.tell() < size:
            start = rng.randrange(len(lines) - 8_000)
            file.write("".join(lines[start : start + 8_000]).encode()[: 2**20].rpartition(b"\n")[0] + b"\n")
            file.write(rng.choice(HITS))
            hits += 1
    return hits


def access_log(path: Path, count: int, rng: random.Random) -> None:
    """COUNT lines in gunicorn's combined format with %(D)s."""
    statuses = rng.choices((200, 302, 404, 401, 500), (90, 4, 4, 1, 1), k=count)
    with path.open("w") as file:
        for n, status in enumerate(statuses):
            file.write(
                f"10.0.{n % 256}.{n % 199} - - [22/Nov/2026:20:{n // 60 % 60:02d}:{n % 60:02d} +0000] "
                f'"GET /shop/{n % 977}/items?page={n % 31} HTTP/1.1" {status} {n % 90_000} '
                f'"https://shop.example/" "{AGENT}" {int(rng.lognormvariate(10.5, 1.0))}\n'
            )


def ours(path: Path, rules: Rules) -> Tally:
    """The log in PATH as the source reads it."""
    follower = Follower(path, Reading(rules), from_start=True)
    health = follower.poll(3600.0)
    assert not health.why and not health.behind, health
    tally = follower.take()
    latency = Latency()
    for micros, times in tally.durations.items():
        latency.add(micros / 1e6, times)
    follower.close()
    return tally


def run(*argv: str) -> str:
    """What a peer says."""
    done = subprocess.run(argv, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"}, check=False)
    return done.stdout.strip()


def race(runners: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Median seconds of each. They take turns, so that whatever else the machine does hits all of them."""
    taken: dict[str, list[float]] = {name: [] for name in runners}
    for _ in range(rounds):
        for name, runner in runners.items():
            started = time.perf_counter()
            runner()
            taken[name].append(time.perf_counter() - started)
    return {name: statistics.median(all_of) for name, all_of in taken.items()}


def errors(folder: Path, size: int, rounds: int, rng: random.Random) -> None:
    path = folder / "error.log"
    hits = error_log(path, size, rng)
    mb = path.stat().st_size / 1e6
    words = [part for token in TOKENS for part in ("-e", token.decode())]
    found = ours(path, Rules("errors"))
    assert int(run("grep", "-cF", *words, str(path))) == hits == found.known.total(), "hits were missed"
    print(f"error log, {mb:,.0f} MB, {found.lines:,} lines, {hits} hits, {len(TOKENS)} words")
    runners: dict[str, Callable[[], object]] = {
        "grep -cF": lambda: run("grep", "-cF", *words, str(path)),
        "ours": lambda: ours(path, Rules("errors")),
        "ours, auto": lambda: ours(path, Rules("auto")),
    }
    took = race(runners, rounds)
    for name, seconds in took.items():
        print(f"  {name:<12} {seconds:6.2f} s {mb / seconds:9,.0f} MB/s    {took['grep -cF'] / seconds:5.2f} x grep")
    path.unlink()


def access(folder: Path, count: int, rounds: int, rng: random.Random) -> None:
    path = folder / "access.log"
    access_log(path, count, rng)
    everything = Rules("combined", "us", ("/login",))
    assert ours(path, everything).durations.total() == count, "requests were missed"
    given = (f"--log-format={GOACCESS}", "--date-format=%d/%b/%Y", "--time-format=%T", "--no-global-config")
    query = (";select count(*), sum(sc_status >= 500) from access_log", ":write-csv-to -")
    peers = {
        "goaccess": (str(path), *given, "--no-progress", "-o", str(folder / "report.json")),
        "lnav": ("-n", *(part for one in query for part in ("-c", one)), str(path)),
    }
    runners: dict[str, Callable[[], object]] = {
        "ours": lambda: ours(path, everything),
        "no durations": lambda: ours(path, Rules("combined")),
    }
    print(f"access log, {path.stat().st_size / 1e6:,.0f} MB, {count:,} lines")
    for name, arguments in peers.items():
        if shutil.which(name) is None:
            print(f"  {name:<12} is not installed")
            continue
        runners[name] = lambda argv=(name, *arguments): run(*argv)  # type: ignore[misc]
    took = race(runners, rounds)
    for name, seconds in took.items():
        print(
            f"  {name:<12} {seconds:6.2f} s {count / seconds:9,.0f} lines/s {seconds / took['ours']:5.2f} x our time"
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.logs", description=__doc__)
    parser.add_argument("--mb", type=int, default=300, help="size of the error log; 300")
    parser.add_argument("--lines", type=int, default=300_000, help="lines of the access log; 300000")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="rounds of each; 3")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    rng = random.Random(given.seed)
    with tempfile.TemporaryDirectory() as folder:
        errors(Path(folder), given.mb * 10**6, given.rounds, rng)
        access(Path(folder), given.lines, given.rounds, rng)


if __name__ == "__main__":
    main()
