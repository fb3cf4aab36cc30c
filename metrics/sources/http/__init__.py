"""The prober: HTTP requests at fixed intended times, and what a user would have seen of them.

Sends happen at their times whatever became of the ones before, and a latency is counted from the intended send. What
could not be sent, was cut or timed out counts at least the timeout: a stall is seen by every request that should
have been sent, and none is left out. (Waiting for a reply before the next send leaves out just the slow ones.)"""

from __future__ import annotations

from collections.abc import Mapping

from metrics.sources import Source
from metrics.sources.http.prober import METRICS, HttpProber
from metrics.sources.http.target import Target, target_of
from metrics.tables import Table

__all__ = ["KEYS", "METRICS", "HttpProber", "Target", "build"]

KEYS: Mapping[str, str] = {
    "targets": 'a list of tables, at least one, each with: url; name (in details, never the URL; "#1"); method (GET);'
    " headers (a table of texts); body (a text) or json (a table); expect (statuses that are well; [200]);"
    " contains (a text that the first MiB of the body must hold); timeout (the one below);"
    ' connection ("keep-alive", or "new": look-up, connect and TLS every time). Redirects are not followed; needed',
    "interval": 'between two probes of one target; "1s"',
    "timeout": 'what a probe without a reply counts at least; "5s"',
    "over": 'how far the percentiles look back; "1m"',
    "concurrency": "probes of one target on their way at once; 32",
}


def build(table: Table) -> Source:
    """The source of `[metrics.http]`."""
    timeout = table.seconds("timeout", 5.0)
    targets = [target_of(row, f"#{n}") for n, row in enumerate(table.tables("targets"), 1)]
    names = [target.name for target in targets]
    if len(set(names)) < len(names):
        raise table.wrong("targets", "two of them have the same name")
    return HttpProber(
        targets,
        interval=table.seconds("interval", 1.0),
        timeout=timeout,
        over=table.seconds("over", 60.0),
        concurrency=table.whole("concurrency", 32) or 32,
    )
