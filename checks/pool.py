"""How full the connection pool is, now and on both sides: the app's own, and the server's."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, fields, replace
from typing import Literal

import httpx

from checks.contract import Context, check
from checks.postgres_asking import asking
from metrics.live import STALE_INTERVALS, Live
from metrics.samples import Measurement
from metrics.sources import SourceError
from metrics.sources.page import JSON_NAMES, Names
from metrics.sources.pool import PoolSource
from metrics.sources.postgres_stats import ask_sessions
from state.verdicts import Outcome, Verdict
from transfer.errors import CouldNotLook, Refused

_PATIENCE = 10.0  # seconds for the app's page
_NO_APP = "set metrics_url, or [metrics.pool] in a run"
_NO_SERVER = "set database_url, or [metrics.postgres] in a run"


@dataclass(frozen=True, slots=True)
class Side:
    """One side of the pool: USED of CAPACITY, or WHY that is not known (BROKEN: it could not be looked at)."""

    name: str
    used: float | None = None
    capacity: float | None = None
    usage: float | None = None
    of: str = ""
    why: str = ""
    mend: str = ""
    broken: bool = False

    def __str__(self) -> str:
        if self.usage is None:
            return f"{self.name}: {self.why}"
        counts = f", {self.used:g} of {self.capacity:g}" if self.used is not None and self.capacity else ""
        return f"{self.name} {self.usage:.0%}{counts}{f' ({self.of})' if self.of else ''}"


@check("pool.usage", timeout="30s", fresh_for="5m")
def usage(
    ctx: Context,
    *,
    database_url: str | None = None,
    metrics_url: str | None = None,
    format: Literal["prometheus", "json"] = "prometheus",
    workers: int | None = None,
    names: dict[str, str] | None = None,
    under: float = 0.8,
) -> Outcome:
    """The app's pool and the server's connections are both UNDER this share of what they may be, now.

    The app's side is its page METRICS_URL (FORMAT, WORKERS and NAMES as in `[metrics.pool]`) or the run's
    pool.app_usage; the server's is DATABASE_URL, or the run's pg.usage. Both must be seen.
    """
    try:
        called = _names(names or {}, format)
    except TypeError:
        known = ", ".join(field.name for field in fields(Names))
        return Outcome.error("names has a key that is none of the pool's", hint=f"there are {known}")
    app = _asked_app(metrics_url, called, format == "json", workers) if metrics_url else _live_app(ctx.live)
    server = _asked_server(database_url) if database_url else _live_server(ctx.live)
    return judged((app, server), under)


def judged(sides: tuple[Side, ...], under: float) -> Outcome:
    """Too full before not seen: what was seen to be bad is not made better by what was not."""
    evidence: dict[str, object] = {}
    for side in sides:
        for word, value in (("used", side.used), ("capacity", side.capacity), ("usage", side.usage)):
            if value is not None:
                evidence[f"{side.name} {word}"] = round(value, 4)
        evidence[f"{side.name} from"] = side.of or side.why
    expected = f"under {under:.0%} on both sides"
    if full := [side for side in sides if side.usage is not None and not side.usage < under]:
        hint = "see who holds them: postgres.connections; then the pool's size, and what the app does in between"
        return Outcome.failed("; ".join(map(str, full)), expected=expected, evidence=evidence, hint=hint)
    if missing := [side for side in sides if side.usage is None]:
        verdict = Verdict.ERROR if any(side.broken for side in missing) else Verdict.UNKNOWN
        hint = "; ".join(side.mend for side in missing if side.mend)
        return Outcome.of(verdict, "; ".join(map(str, missing)), expected=expected, evidence=evidence, hint=hint)
    actual = "; ".join(map(str, sides))
    if partial := [side for side in sides if side.of.startswith("one of ")]:
        hint = "one worker speaks for itself alone: serve the page in multiprocess mode, with a label for the worker"
        return Outcome.warned(f"{actual}: {partial[0].of} only", expected=expected, evidence=evidence, hint=hint)
    return Outcome.passed(actual, expected=expected, evidence=evidence)


def _names(given: dict[str, str], format: str) -> Names:
    """Raises TypeError for a name that is none of them."""
    return replace(JSON_NAMES if format == "json" else Names(), **given)


def _asked_app(url: str, names: Names, json: bool, workers: int | None) -> Side:
    try:
        told = asyncio.run(_sample(url, names, json, workers))
    except (SourceError, httpx.InvalidURL, ValueError) as error:
        why = str(error) if isinstance(error, SourceError) else "metrics_url is no http address"
        return Side("app", why=why, mend="see metrics_url, and that the app serves it", broken=True)
    return _app(told.get("pool.app_usage"), told.get("pool.app_used"), told.get("pool.app_capacity"))


async def _sample(url: str, names: Names, json: bool, workers: int | None) -> dict[str, Measurement]:
    source = PoolSource(url, timeout=_PATIENCE, names=names, json=json, workers=workers)
    await source.start()
    try:
        return {one.metric: one for one in await source.sample()}
    finally:
        await source.stop()


def _live_app(live: Live | None) -> Side:
    if live is None or "pool.app_usage" not in live.metrics:
        return Side("app", why="nobody says how full its pool is", mend=_NO_APP)
    if old := _old(live, "pool.app_usage"):
        return Side("app", why=old, mend="see the source pool")
    return _app(*(live.newest(f"pool.app_{word}") for word in ("usage", "used", "capacity")))


def _app(usage: Measurement | None, used: Measurement | None, capacity: Measurement | None) -> Side:
    if usage is None or usage.value is None:
        why = (usage.error or str(usage.detail.get("capacity", ""))) if usage is not None else ""
        return Side("app", why=why or "no data", mend="let the app export its pool (docs/metrics.md)")
    of = str(usage.detail.get("workers", ""))
    return Side("app", used.value if used else None, capacity.value if capacity else None, usage.value, of)


def _asked_server(url: str) -> Side:
    try:
        with asking(url) as cur:
            seen, _ = ask_sessions(cur)
    except Refused as refused:  # no connection is free: that is as full as it gets
        return Side("server", usage=1.0, of=str(refused))
    except CouldNotLook as blind:
        return Side("server", why=str(blind), mend="see database_url, and that the server is up", broken=True)
    limit, used, usable = seen.tightest()
    return Side("server", used, usable, used / usable if usable > 0 else 1.0, f"{limit}'s limit")


def _live_server(live: Live | None) -> Side:
    newest = live.newest("pg.usage") if live is not None else None
    if live is None or newest is None:
        return Side("server", why="nobody says how many of its connections are in use", mend=_NO_SERVER)
    if old := _old(live, "pg.usage"):
        return Side("server", why=old, mend="see the source postgres")
    if newest.value is None:
        return Side("server", why=newest.error or "no data", mend="see the source postgres")
    used, usable = (live.newest(name) for name in ("pg.connections", "pg.usable"))
    limit = f"{newest.detail.get('limit', 'server')}'s limit"
    return Side("server", used.value if used else None, usable.value if usable else None, newest.value, limit)


def _old(live: Live, metric: str) -> str:
    """Why the newest look at METRIC does not speak of now; "" when it does."""
    age = live.age(metric)
    if age is None:
        return "no look yet"
    return f"last seen {age:.0f} s ago" if age > STALE_INTERVALS * live.interval(metric) else ""
