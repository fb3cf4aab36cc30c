"""Read by Locust beside a locustfile: tells the numbers every second, and ends the load when its input ends.

It needs nothing but Locust, so that it runs in any interpreter that has one. Never imported by tminus: Locust changes
the sockets of the process it is imported in.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import deque
from typing import Any

import gevent
from gevent.fileobject import FileObjectThread
from locust import events
from locust.runners import WorkerRunner

MARK = "tminus-load "
_EVERY = 1.0
_MOST = 8
_SHOWN = 300
_SLOW = float(os.environ.get("TMINUS_LOAD_SLOW_MS") or "inf")


@events.init.add_listener  # type: ignore[untyped-decorator]
def begin(environment: Any, runner: Any, **_: Any) -> None:
    """Tell, from the process that has the numbers of all."""
    if isinstance(runner, WorkerRunner):
        return
    gevent.spawn(_tell, runner)
    gevent.spawn(_end_with_input, runner)

    @environment.events.spawning_complete.add_listener  # type: ignore[untyped-decorator]
    def spawned(user_count: int, **_: Any) -> None:
        _say(runner, peak=user_count)

    @environment.events.quitting.add_listener  # type: ignore[untyped-decorator]
    def end(**_: Any) -> None:
        errors = [(f"{e.method} {e.name}: {e.error}"[:_SHOWN], e.occurrences) for e in runner.errors.values()]
        raised = [(str(e["msg"])[:_SHOWN], int(e["count"])) for e in runner.exceptions.values()]
        _say(runner, errors=_most(errors), exceptions=_most(raised))


def _tell(runner: Any) -> None:
    # Locust's own rate leaves out the last seconds; workers send their counts every three.
    seen: deque[tuple[float, int]] = deque(maxlen=5)
    while True:
        gevent.sleep(_EVERY)
        now, count = time.monotonic(), runner.stats.total.num_requests
        rate = (count - seen[0][1]) / (now - seen[0][0]) if seen else 0.0
        seen.append((now, count))
        _say(runner, rps=round(max(rate, 0.0), 2))


def _say(runner: Any, **more: Any) -> None:
    total = runner.stats.total
    began = total.start_time if total.num_requests else 0
    said = {
        "elapsed": round(time.time() - began, 2) if began else 0.0,
        "users": runner.user_count,
        "rps": 0.0,
        "requests": total.num_requests,
        "failures": total.num_failures,
        "p95": total.get_current_response_time_percentile(0.95) if total.num_requests else None,
        "slow": sum(count for took, count in total.response_times.items() if took > _SLOW),
        **more,
    }
    sys.stdout.write(f"{MARK}{json.dumps(said)}\n")
    sys.stdout.flush()


def _end_with_input(runner: Any) -> None:
    # Whoever started the load holds the other end: a word, or its death, ends it.
    with FileObjectThread(sys.stdin.fileno(), "rb", close=False) as held:
        held.readline()
    runner.quit()


def _most(counts: list[tuple[str, int]]) -> list[tuple[str, int]]:
    return sorted(counts, key=lambda one: -one[1])[:_MOST]
