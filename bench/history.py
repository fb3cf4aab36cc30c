"""What the history costs: the loop's time, the thread's time, bytes a sample, and how fast it is played back.

    python bench/history.py [--minutes 60] [--metrics 40] [--folder FOLDER]

Simulates METRICS metrics at 1 Hz for MINUTES, and writes the same measurements three ways: this history, plain
SQLite rows, and gzipped JSON lines. A mix as a cutover has: error rates (bad of volume), response times with
their histograms, counts, sizes, and numbers that are noise to the last bit. FOLDER should be a real disk.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import resource
import sqlite3
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from metrics.history import History, Recording
from metrics.history_rows import milliseconds, row_of
from metrics.history_store import Store
from metrics.latency import Latency
from metrics.samples import Measurement

START = datetime(2026, 11, 22, tzinfo=UTC)
WEEK = 7 * 86_400
KINDS = ("ratio", "ms", "count", "count", "bytes", "noise", "count", "ratio")
HALVES: dict[str, int] = {}  # size of a history when half of it was written
HISTOGRAMS = 2  # metrics with one, as the probe and the journeys have


def simulated(metrics: int, seconds: int) -> Iterator[tuple[Measurement, ...]]:
    """One tuple a second."""
    rng, levels = random.Random(1), [100.0] * metrics
    for second in range(seconds):
        at = START + timedelta(seconds=second, microseconds=rng.randrange(3000))
        yield tuple(_one(rng, n, at, levels) for n in range(metrics))


def _one(rng: random.Random, n: int, at: datetime, levels: list[float]) -> Measurement:
    name, kind = f"metric.{n}", KINDS[n % len(KINDS)]
    match kind:
        case "ratio":
            volume, bad = rng.randrange(20, 60), float(max(rng.randrange(-20, 3), 0))
            return Measurement(name, bad / volume, volume, "ratio", at, bad=bad)
        case "ms":
            latency = Latency() if n < HISTOGRAMS * len(KINDS) and n % len(KINDS) == 1 else None
            value = rng.lognormvariate(4, 0.4)
            if latency is not None:
                for _ in range(4):
                    latency.add(rng.lognormvariate(-3, 0.4))
                value = (latency.percentile(50) or 0.0) * 1000
            return Measurement(name, value, 4, "ms", at, latency=latency.encoded() if latency else None)
        case "noise":
            return Measurement(name, rng.random(), 1, "count", at)
    levels[n] = max(levels[n] + rng.randrange(-1, 2) * (8192 if kind == "bytes" else 1), 0.0)
    return Measurement(name, levels[n], 1, kind, at)


def cpu() -> float:
    """Processor seconds of this process so far, all threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def plain_rows(path: Path, ticks: Sequence[tuple[Measurement, ...]]) -> tuple[float, int]:
    """Seconds and bytes of one row a sample, one transaction a second, with the index that reading needs."""
    base = sqlite3.connect(path, isolation_level=None)
    base.executescript(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
        "CREATE TABLE s (metric INT, at INT, value REAL, volume INT, bad REAL, error TEXT, latency BLOB);"
        "CREATE INDEX i ON s (metric, at);"
    )
    before = cpu()
    for tick in ticks:
        base.execute("BEGIN")
        rows = [(int(one.metric[7:]), one, row_of(one)) for one in tick]
        base.executemany(
            "INSERT INTO s VALUES (?,?,?,?,?,?,?)",
            [(n, row.at, row.value, row.volume, row.bad, None, row.latency) for n, _, row in rows],
        )
        base.execute("COMMIT")
    taken = cpu() - before
    base.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    base.close()
    return taken, path.stat().st_size


def json_lines(path: Path, ticks: Sequence[tuple[Measurement, ...]]) -> tuple[float, int]:
    """Seconds and bytes of a JSON line a sample, all of them in one gzip stream: small, and lost if it is cut."""
    before = cpu()
    with gzip.open(path, "wt", compresslevel=6) as out:
        for tick in ticks:
            for one in tick:
                line = {"m": one.metric, "t": milliseconds(one.at), "v": one.value, "n": one.volume}
                line |= {"b": one.bad} if one.bad is not None else {}
                line |= {"l": one.latency.decode()} if one.latency is not None else {}
                out.write(json.dumps(line, separators=(",", ":")) + "\n")
    return cpu() - before, path.stat().st_size


def history_rows(path: Path, ticks: Sequence[tuple[Measurement, ...]]) -> tuple[float, int]:
    """The same through the writer's own file, one transaction a second."""
    before, half = cpu(), len(ticks) // 2
    with Store(path) as store:
        for tick in ticks[:half]:
            store.write([(one.metric, one.unit, row_of(one)) for one in tick], {})
        taken = cpu() - before
    HALVES[path.name] = path.stat().st_size
    before = cpu()
    with Store(path) as store:
        for tick in ticks[half:]:
            store.write([(one.metric, one.unit, row_of(one)) for one in tick], {})
        taken += cpu() - before
    return taken, path.stat().st_size


def added(path: Path, ticks: Sequence[tuple[Measurement, ...]]) -> list[float]:
    """Seconds that the loop gives away for each second's measurements, while the thread writes."""
    taken = []
    history = History(path, every=0.0)
    for tick in ticks:
        before = time.perf_counter()
        history.add(tick)
        taken.append(time.perf_counter() - before)
        if len(taken) % 20 == 0:
            history.flush()
    history.close()
    return sorted(taken)


def read(path: Path, seconds: int) -> tuple[float, float, float]:
    """Samples a second of a whole read, and ms of the state at a moment: in order, as a player asks, and anywhere."""
    with Recording(path) as recording:
        before, count = time.perf_counter(), 0
        for metric in recording.metrics():
            count += sum(1 for _ in recording.samples(metric, START, START + timedelta(days=9)))
        rate = count / (time.perf_counter() - before)
        frames = 500
        before = time.perf_counter()
        for frame in range(frames):
            recording.at(START + timedelta(seconds=seconds * frame / frames))
        in_order = (time.perf_counter() - before) / frames
        rng, jumps = random.Random(2), 30
        moments = [START + timedelta(seconds=rng.uniform(0, seconds)) for _ in range(jumps)]
    taken = 0.0
    for moment in moments:
        with Recording(path) as recording:  # a new one each time: nothing is opened yet
            before = time.perf_counter()
            recording.at(moment)
            taken += time.perf_counter() - before
    return rate, in_order * 1e3, taken / jumps * 1e3


def main() -> None:
    about, _, more = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(
        description=about, epilog=more, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--metrics", type=int, default=40)
    parser.add_argument("--folder", type=Path, default=None, help="where to write; the system's temporary one else")
    given = parser.parse_args()
    seconds = given.minutes * 60
    ticks = list(simulated(given.metrics, seconds))
    bare = [tuple(_bare(one) for one in tick) for tick in ticks]
    count = given.metrics * seconds
    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder, say = Path(name), sys.stdout.write
        say(f"{count:,} samples: {given.metrics} metrics at 1 Hz for {given.minutes} minutes; CPU of one core\n\n")
        for title, data in (("with histograms", ticks), ("without", bare)):
            say(f"{title:<24} {'bytes/sample':>13} {'CPU µs/1,000':>14} {'size':>8} {'CPU':>6}\n")
            ways = (
                ("this history", history_rows),
                ("plain SQLite rows", plain_rows),
                ("JSON lines, gzip", json_lines),
            )
            results = [(way, *make(folder / f"{title}-{number}", data)) for number, (way, make) in enumerate(ways)]
            for way, taken, size in results:
                ratios = f"{size / results[0][2]:>7.1f}x {taken / results[0][1]:>5.1f}x"
                say(f"  {way:<22} {size / count:>13.1f} {taken / count * 1e9:>14,.0f} {ratios}\n")
            # The open rows are some hundred KiB at any length; what grows is what the second half added.
            grown = (results[0][2] - HALVES[f"{title}-0"]) / (seconds - seconds // 2)
            week = (results[0][2] + grown * (WEEK - seconds)) / 2**20
            say(f"  this history grows by {grown / given.metrics:.1f} bytes a sample;")
            say(f" a week of it, extrapolated: {week:,.0f} MiB\n\n")
        taken_by_loop = added(folder / "loop.metrics.db", ticks[:600])
        median, high = taken_by_loop[len(taken_by_loop) // 2], taken_by_loop[int(len(taken_by_loop) * 0.99)]
        say(f"add() of {given.metrics}, in the loop: median {median * 1e6:.1f} µs, p99 {high * 1e6:.1f} µs\n")
        rate, in_order, jump = read(folder / "with histograms-0", seconds)
        say(f"read: {rate:,.0f} samples/s; a frame of a replay {in_order:.2f} ms, after a jump {jump:.1f} ms\n")
        fastest = rate / given.metrics
        say(f"a replay of {given.metrics} metrics at 1 Hz that reads every sample: at most {fastest:,.0f}x\n")


def _bare(one: Measurement) -> Measurement:
    return Measurement(one.metric, one.value, one.volume, one.unit, one.at, bad=one.bad)


if __name__ == "__main__":
    main()
