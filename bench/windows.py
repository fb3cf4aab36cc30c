"""What the windows of a run cost: memory after a week at 1 Hz, a look, and a summary, beside keeping every sample.

    python bench/windows.py [--metrics 56] [--latencies 2] [--days 8]

As many metrics as the shipped checklist's sources report, LATENCIES of them with histograms. A week of one metric is
fed in full; the others cost the same, as the rings are of fixed size. About 40 s.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from metrics.latency import Latency
from metrics.samples import Measurement
from metrics.window import Series

AT = datetime(2026, 11, 22, tzinfo=UTC)
SPANS = (60, 600, 7_200, 86_400, 7 * 86_400)


def plain(second: int) -> Measurement:
    return Measurement("m", (second % 7) / 10, 10, "ratio", AT, bad=float(second % 7))


def timed(second: int) -> Measurement:
    part = Latency()
    for n in range(3):
        part.add(0.01 + (second * 31 + n * 17) % 97 / 1000)
    return Measurement("m", 20.0, 3, "ms", AT, latency=part.encoded())


def fed(make: Callable[[int], Measurement], seconds: int, step: int) -> tuple[Series, float, float]:
    """A series after SECONDS in steps of STEP; microseconds a look (without the making), and its bytes."""
    looks = [make(n) for n in range(97)]
    tracemalloc.start()
    series = Series(float(step))
    for second in range(0, seconds, step):
        series.look(second, looks[second % 97])
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    costs = []
    for n in range(2000):
        began = time.perf_counter()
        series.look(seconds + n, looks[n % 97])
        costs.append(time.perf_counter() - began)
    return series, statistics.median(costs) * 1e6, held


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--metrics", type=int, default=56)
    parser.add_argument("--latencies", type=int, default=2)
    parser.add_argument("--days", type=float, default=8)
    chosen = parser.parse_args()
    seconds = int(chosen.days * 86_400)
    gauge, gauge_cost, gauge_held = fed(plain, seconds, 5)
    latency, latency_cost, latency_held = fed(timed, seconds, 20)
    whole = (chosen.metrics - chosen.latencies) * gauge_held + chosen.latencies * latency_held
    every = seconds * 8 * 3 * chosen.metrics  # time, value, volume as plain doubles
    print(f"{'':24}{'plain':>12}{'histogram':>12}")
    print(f"{'kB a metric':24}{gauge_held / 1e3:12.0f}{latency_held / 1e3:12.0f}")
    print(f"{'us a look':24}{gauge_cost:12.1f}{latency_cost:12.1f}")
    for span in SPANS:
        costs = []
        for series in (gauge, latency):
            began = time.perf_counter()
            series.summary(seconds, span)
            costs.append((time.perf_counter() - began) * 1e3)
        print(f"{f'ms a summary of {span} s':24}{costs[0]:12.2f}{costs[1]:12.2f}")
    print(f"{chosen.metrics} metrics for {chosen.days:g} days: {whole / 1e6:.1f} MB; every sample as three doubles: "
          f"{every / 1e6:,.0f} MB, {every / whole:,.0f} times as much")  # fmt: skip


if __name__ == "__main__":
    main()
