"""Seconds of an audit beside a bare scan of the same file, in one run; medians of three.

    python -m bench.audit FILE [DATABASE_URL]

The scan is SQLite alone, adding up the length of every value: what reading all of it costs without looking.
"""

from __future__ import annotations

import resource
import sqlite3
import statistics
import sys
import time
from contextlib import closing
from pathlib import Path

from transfer import sqlite as lite
from transfer.audit import audit
from transfer.opening import reading
from transfer.sqlite import quoted

ROUNDS = 3


def scan(path: Path) -> float:
    started = time.monotonic()
    with reading(path) as con:
        for table in lite.tables(con):
            lengths = " + ".join(f"coalesce(length(CAST({quoted(c.name)} AS BLOB)), 0)" for c in table.columns)
            con.execute(f"SELECT sum({lengths}) FROM {quoted(table.name)}").fetchone()
    return time.monotonic() - started


def main() -> None:
    path, url = Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None
    with closing(sqlite3.connect(path)) as con:
        con.execute("SELECT count(*) FROM sqlite_schema")
    scans, audits = [], []
    for _ in range(ROUNDS):
        scans.append(scan(path))
        found = audit(path, url)
        audits.append(found.seconds)
    a, s = statistics.median(audits), statistics.median(scans)
    mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{path.name}: {found.rows:,} rows, {path.stat().st_size / 2**20:,.0f} MiB, {len(found.findings)} findings")
    print(f"bare scan {s:6.2f} s")
    print(f"audit     {a:6.2f} s {found.rows / a:10,.0f} rows/s {a / s:6.2f} x the scan {mib:5.0f} MiB")


if __name__ == "__main__":
    main()
