"""An application's own log: requests, errors, durations and the known texts of a database in trouble.

    metrics.sources.log.lines     bytes as lines of bounded length
    metrics.sources.log.access    access logs; errors: everything else; tally: what was counted
    metrics.sources.log.reading   one stream, from bytes to a tally
    metrics.sources.log.follow    a file through its rotations; rotated: its older parts; command: a command's output
    metrics.sources.log.reader    the thread; measured: what it found as measurements; source: the source

Only counts and fixed words leave it, never a byte of a line.
"""

from __future__ import annotations

from metrics.sources.log.measured import METRICS
from metrics.sources.log.source import KEYS, LogSource, build

__all__ = ["KEYS", "METRICS", "LogSource", "build"]
