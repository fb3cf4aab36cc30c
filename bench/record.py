"""What an event costs as a run gets longer: µs an append, and ms a checkpoint, at 10, 1,000 and 10,000 events.

    python bench/record.py [FOLDER]

FOLDER is where the record is written (a real disk says more than a tmpfs); the system's temporary one else.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from state.events import Event, utc_text
from state.record_file import RecordFile

MARKS = (10, 1_000, 10_000)
SAMPLE = 200


def appended(record: RecordFile, count: int) -> list[float]:
    """Seconds of each of COUNT appends."""
    taken = []
    for number in range(count):
        event = Event(
            seq=0,
            utc=utc_text(datetime.now(UTC)),
            kind="check.finished",
            actor="check",
            uid=1000,
            item=f"item-{number % 90}",
            to="pass",
            data={"actual": "2,000 rows", "expected": "2,000 rows", "observed_at": utc_text(datetime.now(UTC))},
            prev="",
        )
        before = time.perf_counter()
        record.append(event)
        taken.append(time.perf_counter() - before)
    return taken


def main() -> None:
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as folder:
        record = RecordFile(Path(folder) / "run.toml")
        sys.stdout.write(f"{'events':>8} {'append median µs':>18} {'p95 µs':>10} {'checkpoint ms':>15}\n")
        for mark in MARKS:
            appended(record, max(0, mark - (record.state.last.seq if record.state.last else 0)))
            taken = sorted(appended(record, SAMPLE))
            before = time.perf_counter()
            record.checkpoint()
            saved = time.perf_counter() - before
            median, high = statistics.median(taken) * 1e6, taken[int(len(taken) * 0.95)] * 1e6
            sys.stdout.write(f"{mark:>8,} {median:>18,.0f} {high:>10,.0f} {saved * 1e3:>15,.1f}\n")
        record.close()


if __name__ == "__main__":
    main()
