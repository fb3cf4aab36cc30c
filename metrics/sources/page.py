"""What an application's page calls its numbers, and a JSON page as the samples that a Prometheus page has."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from metrics.sources.exposition import Key

_PATH = re.compile(r"[^.\[\]\s]+(\[\])?(\.[^.\[\]\s]+(\[\])?)*")
_MOST = 1000  # workers, statuses or buckets


@dataclass(frozen=True, slots=True)
class Names:
    """What the application calls its numbers. Request counters carry a status label; the duration is a
    histogram in seconds; started is the epoch second its process began."""

    size: str = "sqlalchemy_pool_size"
    checked_out: str = "sqlalchemy_pool_checked_out"
    checked_in: str = "sqlalchemy_pool_checked_in"
    overflow: str = "sqlalchemy_pool_overflow"
    max_overflow: str = "sqlalchemy_pool_max_overflow"
    requests: str = "flask_http_request_total"
    duration: str = "flask_http_request_duration_seconds"
    started: str = "process_start_time_seconds"

    @property
    def buckets(self) -> str:
        """The samples of the duration's histogram."""
        return f"{self.duration}_bucket"


JSON_NAMES = Names(
    "pool.size",
    "pool.checked_out",
    "pool.checked_in",
    "pool.overflow",
    "pool.max_overflow",
    "requests",
    "duration",
    "started",
)


def is_path(text: str) -> bool:
    """Whether TEXT leads to a number of a JSON page: keys joined by dots, [] for each one of a list."""
    return _PATH.fullmatch(text) is not None


def scrape_of_json(body: bytes, names: Names) -> dict[Key, float]:
    """The samples of a JSON page by the NAMES that lead to them.

    Of a list each is a sample of its own, with its place as the label `worker`; one that has no number there
    is NaN, so that no sum leaves it out. Under `requests` stand counts by status, or one count; under
    `duration` cumulative counts by upper bound in seconds, "+Inf" the last. Raises ValueError for no JSON.
    """
    try:
        document = msgspec.json.decode(body)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        raise ValueError("no JSON") from None
    scrape: dict[Key, float] = {}

    def add(name: str, labels: dict[str, str], value: object) -> None:
        scrape[name, frozenset(labels.items())] = _number(value)

    for name in (names.size, names.checked_out, names.checked_in, names.overflow, names.max_overflow, names.started):
        for labels, value in _at(document, name.split("."), {}):
            add(name, labels, value)
    for path, name, label in ((names.requests, names.requests, "status"), (names.duration, names.buckets, "le")):
        for labels, value in _at(document, path.split("."), {}):
            if not isinstance(value, dict):
                add(name, labels, value)
                continue
            for key, count in _few(value).items():
                add(name, {**labels, label: key}, count)
    return scrape


def _at(value: Any, steps: list[str], labels: dict[str, str]) -> Iterator[tuple[dict[str, str], Any]]:
    """What stands at the end of STEPS; nothing where the way ends before any list."""
    if not steps:
        yield labels, value
        return
    key, each = steps[0].removesuffix("[]"), steps[0].endswith("[]")
    if not isinstance(value, dict) or key not in value or (each and not isinstance(value[key], list)):
        if labels:  # one of several has none: that is to be seen in their sum
            yield labels, None
        return
    if not each:
        yield from _at(value[key], steps[1:], labels)
        return
    for place, one in enumerate(_few(value[key])):
        worker = f"{labels['worker']}.{place}" if labels else f"{place}"
        yield from _at(one, steps[1:], {"worker": worker})


def _few(values: Any) -> Any:
    if len(values) > _MOST:
        raise ValueError("too many values")
    return values


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.nan
