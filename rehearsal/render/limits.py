"""Rate limits, as they were recorded of Render: windows of a minute or an hour, and what is told of them."""

import re
import threading
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """MOST requests of METHOD ("": any) to PATH in so many SECONDS; EACH: counted for each service."""

    method: str
    path: re.Pattern[str]
    most: int
    seconds: int
    each: bool = False


RULES = (
    Rule("POST", re.compile(r"/services/[^/]+/(deploys|rollback|suspend|resume)"), 10, 60, each=True),
    Rule("PATCH", re.compile(r"/services/[^/]+"), 10, 60, each=True),
    Rule("POST", re.compile(r"/services/[^/]+/jobs"), 2000, 3600),
    Rule("POST", re.compile(r"/(services|postgres)"), 20, 3600),
    Rule("GET", re.compile(r".*"), 400, 60),
    Rule("POST", re.compile(r".*"), 30, 60),
    Rule("", re.compile(r".*"), 100, 60),
)


class Limits:
    """Counts what was asked in the window that runs."""

    def __init__(self) -> None:
        self._windows: dict[tuple[Rule, str], tuple[float, int]] = {}
        self._lock = threading.Lock()

    def count(self, method: str, path: str) -> tuple[bool, dict[str, str]]:
        """Whether one more request is allowed, and the headers that tell. `Ratelimit-Reset` is in seconds."""
        rule = next(one for one in RULES if one.method in ("", method) and one.path.fullmatch(path))
        key, now = (rule, path.split("/")[2] if rule.each else ""), time.monotonic()
        with self._lock:
            begun, count = self._windows.get(key, (now, 0))
            if now - begun >= rule.seconds:
                begun, count = now, 0
            count += 1
            self._windows[key] = (begun, count)
        reset = str(max(1, round(begun + rule.seconds - now)))
        told = {
            "Ratelimit-Limit": str(rule.most),
            "Ratelimit-Remaining": str(max(0, rule.most - count)),
            "Ratelimit-Reset": reset,
        }
        return count <= rule.most, told if count <= rule.most else told | {"Retry-After": reset}
