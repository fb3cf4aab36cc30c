"""The application's own side, from its metrics page: its connection pool, and its real traffic.

The page is one of Prometheus, or JSON. With several worker processes a plain page is that of one of them, picked
by chance; only a page in multiprocess mode, or a list of workers, speaks for all. The detail "workers" always
says which it is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, replace

from metrics.samples import Measurement, clock, divide, utc_now
from metrics.sources import Metric, Source, SourceError, traffic
from metrics.sources.exposition import Scrape, scrape_of
from metrics.sources.fetching import Remote, url_of
from metrics.sources.page import JSON_NAMES, Names, is_path, scrape_of_json
from metrics.tables import Table

__all__ = ["KEYS", "METRICS", "Names", "PoolSource", "build"]

METRICS: Mapping[str, Metric] = {
    "pool.app_used": Metric("Pool in use, app", "count", "connections that the application has checked out"),
    "pool.app_capacity": Metric("Pool capacity, app", "count", "connections its pool may open"),
    "pool.app_usage": Metric("Pool usage, app", "ratio", "checked out / capacity", 1.0, 0.8, headline=True),
    **traffic.METRICS,
}
KEYS: Mapping[str, str] = {
    "url": "the page; needed",
    "format": 'of the page, prometheus or json; "prometheus"',
    "interval": 'between two scrapes; "5s"',
    "timeout": 'of one scrape; "4s"',
    "workers": "processes behind the URL, where known",
    "names": "what the application calls its numbers: size, checked_out, checked_in, overflow, max_overflow, "
    "requests (by status), duration (a histogram in seconds), started; in JSON the way to each, as pool.checked_out "
    "or workers[].pool.size, which are summed",
}
_WORKER_LABELS = ("pid", "worker", "worker_id", "instance")


class PoolSource:
    """Scrapes URL every INTERVAL seconds, each time within TIMEOUT seconds.

    workers   processes behind URL, where known: a page of one worker then says "one of N workers"

    json      whether the page is JSON; NAMES then are the ways to its numbers

    Capacity is size + max_overflow where that is exported; without it the capacity is what can be vouched for
    (size, or what is in use beyond it), and the detail says so. What begins with app. is of the traffic since the
    scrape before; a counter that fell or vanished makes it no data.
    """

    name: str = "pool"
    metrics = METRICS

    def __init__(
        self,
        url: str,
        *,
        interval: float = 5.0,
        timeout: float = 4.0,
        workers: int | None = None,
        names: Names | None = None,
        json: bool = False,
    ) -> None:
        if interval <= 0:
            raise ValueError("interval is over 0")
        self.interval, self._workers, self._json = interval, workers, json
        self._names = names or (JSON_NAMES if json else Names())
        self._remote = Remote("metrics page", url, timeout=timeout)
        self._before: Scrape | None = None
        self._scraped_at = clock()

    async def start(self) -> None:
        await self._remote.start()

    async def stop(self) -> None:
        await self._remote.stop()

    async def sample(self) -> tuple[Measurement, ...]:
        """Raises SourceError when the page could not be fetched or read."""
        scrape, now = await self._scrape(), clock()
        before, self._before = self._before, scrape
        elapsed, self._scraped_at = now - self._scraped_at, now
        detail = {"workers": self._seen(scrape)}
        return (*self._pool(scrape), *traffic.traffic(before, scrape, elapsed, self._names, detail))

    async def _scrape(self) -> Scrape:
        body, names = (await self._remote.ask()).body, self._names
        try:
            if self._json:
                return scrape_of_json(body, names)
            wanted = {getattr(names, field.name) for field in fields(Names)} | {names.buckets}
            return await scrape_of(body.decode("utf-8"), wanted)
        except (ValueError, KeyError, IndexError):
            what = "JSON" if self._json else "in the Prometheus text format"
            raise SourceError(f"metrics page: not {what}, or too long to read") from None

    def _seen(self, scrape: Scrape) -> str:
        names = self._names
        gauges = [dict(labels) for name, labels in scrape if name == names.checked_out] or [
            dict(labels) for name, labels in scrape if name == names.requests
        ]
        workers = {labels[w] for labels in gauges for w in _WORKER_LABELS if w in labels}
        if len(workers) > 1:
            of = f" of {self._workers}" if self._workers and self._workers > len(workers) else ""
            return f"{len(workers)}{of} workers summed"
        if self._workers == 1:
            return "the only worker"
        return f"one of {self._workers} workers" if self._workers else "one worker seen, there may be more"

    def _pool(self, scrape: Scrape) -> tuple[Measurement, ...]:
        at, names = utc_now(), self._names

        def total(name: str, *, floor: float = float("-inf")) -> float | None:
            found = [value for (key, _), value in scrape.items() if key == name]
            known = bool(found) and all(math.isfinite(value) for value in found)  # a part is not the whole
            return sum(max(value, floor) for value in found) if known else None

        used, size, extra = total(names.checked_out), total(names.size), total(names.max_overflow)
        detail: dict[str, float | str] = {"workers": self._seen(scrape)}
        idle = total(names.checked_in)
        if idle is not None:
            detail["checked_in"] = idle
        capacity = None
        if size is not None:
            in_overflow = total(names.overflow, floor=0.0) or 0.0  # SQLAlchemy counts it from -size upwards
            capacity = size + (extra if extra is not None else in_overflow)
            if extra is None:
                detail["capacity"] = "without max_overflow, which the application does not export"
            if extra is not None and extra < 0:  # SQLAlchemy's -1 is no limit
                capacity, detail["capacity"] = None, "no limit"
        missing = [n for n, v in ((names.checked_out, used), (names.size, size)) if v is None]
        error = f"metrics page: no {' and no '.join(missing)}" if missing else ""

        def gauge(metric: str, value: float | None, unit: str) -> Measurement:
            return Measurement(metric, value, 1, unit, at, detail, error)

        return (
            gauge("pool.app_used", used, "count"),
            gauge("pool.app_capacity", capacity, "count"),
            gauge("pool.app_usage", divide(used, capacity), "ratio"),
        )


def build(table: Table) -> Source:
    """The source of `[metrics.pool]`."""
    json = table.choice("format", "prometheus", "json") == "json"
    names = table.table("names")
    given = {field.name: names.take(field.name) for field in fields(Names)}
    for name, value in given.items():
        if value is not None and (not isinstance(value, str) or not value):
            raise names.wrong(name, "must be the name of a metric")
        if value is not None and json and not is_path(value):
            raise names.wrong(name, "must be the way to a number, as pool.size or workers[].pool.size")
    names.done()
    return PoolSource(
        url_of(table),
        interval=table.seconds("interval", 5.0),
        timeout=table.seconds("timeout", 4.0),
        workers=table.whole("workers", None),
        names=replace(
            JSON_NAMES if json else Names(), **{n: value for n, value in given.items() if value is not None}
        ),
        json=json,
    )
