"""Logs and metrics, as the API has them: no cursors here, times in RFC 3339."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2

from rehearsal.processes import alive
from rehearsal.render.api import Answer, Asked
from rehearsal.render.logbook import Line
from rehearsal.render.measuring import TOGETHER, Series, latencies, requests, series
from rehearsal.render.platform import Platform, Refused
from rehearsal.render.services import owner_shape

FILTERS = ("instance", "host", "statusCode", "method", "level", "type", "text", "path")
CPU_LIMIT, MEMORY_LIMIT = 0.5, 512 * 1024.0**2  # of the plan "starter"
BASE_CPU_LIMIT, BASE_MEMORY_LIMIT = 0.5, 1024.0**3  # of "basic-1gb"
CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"


def line_shape(one: Line) -> dict[str, Any]:
    return {
        "id": one.id,
        "timestamp": one.at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "message": one.message,
        "labels": [{"name": name, "value": value} for name, value in one.labels.items()],
    }


def list_logs(asked: Asked) -> Answer:
    """The next page is asked for with nextStartTime and nextEndTime as they are."""
    if asked.one("ownerId") != asked.platform.book.owner:
        raise Refused("ownerId is required, and must be yours")
    resources = asked.params.get("resource")
    if not resources:
        raise Refused("resource is required")
    now = datetime.now(UTC)
    begin = asked.moment("startTime", now - timedelta(hours=1))
    end = asked.moment("endTime", now)
    direction = asked.one("direction", "backward")
    if direction not in ("backward", "forward"):
        raise Refused("invalid direction")
    wanted = {name: asked.params[name] for name in FILTERS if name in asked.params}
    limit = asked.number("limit", 20, 1, 100)
    forward = direction == "forward"
    found, more = asked.platform.logbook.page(resources, begin, end, wanted, forward=forward, limit=limit)
    if found:  # lines do not share a moment: the next page begins right beside the last one
        tick = timedelta(microseconds=1)
        begin, end = (found[-1].at + tick, end) if forward else (begin, found[-1].at - tick)
    return 200, {
        "hasMore": more,
        "nextStartTime": begin.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "nextEndTime": end.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "logs": [line_shape(one) for one in found],
    }


def log_values(asked: Asked) -> Answer:
    label, resources = asked.one("label"), asked.params.get("resource", [])
    if not label:
        raise Refused("label is required")
    lines = list(asked.platform.logbook.lines)
    return 200, sorted({v for one in lines if one.labels["resource"] in resources and (v := one.labels.get(label))})


# Metrics

Reading = Callable[[Asked, str, float, float, int], list[Series]]


def metric(asked: Asked) -> Answer:
    kind = asked.words[0]
    reading = READINGS.get(kind)
    if reading is None:
        raise KeyError(kind)
    resources = asked.params.get("resource") or asked.params.get("service")
    if not resources:
        raise Refused("resource is required")
    now = datetime.now(UTC)
    begin = asked.moment("startTime", now - timedelta(hours=1)).timestamp()
    end = asked.moment("endTime", now).timestamp()
    step = asked.number("resolutionSeconds", 60, 30, 86_400)
    if begin >= end or now.timestamp() - begin > 30 * 86_400:
        raise Refused("invalid startTime")
    book = asked.platform.book
    known = {one.id for one in book.services} | {one.id for one in book.bases}
    return 200, [one for ident in resources if ident in known for one in reading(asked, ident, begin, end, step)]


def _usage(field: str, unit: str) -> Reading:
    def read(asked: Asked, ident: str, begin: float, end: float, step: int) -> list[Series]:
        how = asked.one("aggregationMethod", "AVG")
        if how not in TOGETHER:
            raise Refused("invalid aggregationMethod")
        p = asked.platform
        samples = p.meter.of("postgres" if ident.startswith("dpg-") else ident)
        return [
            series(
                [(one.at, getattr(one, field)) for one in samples if one.instance == instance],
                begin, end, step, TOGETHER[how], unit, {"resource": ident, "instance": instance},
            )
            for instance in dict.fromkeys(one.instance for one in samples if begin <= one.at < end)
        ]  # fmt: skip

    return read


def _limit(of_service: float, of_base: float, unit: str) -> Reading:
    """A limit has a value wherever there was something to limit."""

    def read(asked: Asked, ident: str, begin: float, end: float, step: int) -> list[Series]:
        base = ident.startswith("dpg-")
        samples = asked.platform.meter.of("postgres" if base else ident)
        values = [(one.at, of_base if base else of_service) for one in samples]
        return [series(values, begin, end, step, max, unit, {"resource": ident})] if samples else []

    return read


def _connections(asked: Asked, ident: str, begin: float, end: float, step: int) -> list[Series]:
    p = asked.platform
    if not ident.startswith("dpg-"):
        return []
    look(p, ident, end)
    values = list(p.meter.connections[ident])
    return [series(values, begin, end, step, max, "unitless", {"resource": ident})] if values else []


def look(p: Platform, ident: str, end: float) -> None:
    """Count the connections of a database now, as the newest that a question up to END sees: nobody counts them
    while nobody asks."""
    server, seen = p.server(), p.meter.connections[ident]
    now = datetime.now(UTC).timestamp()
    if now - end > 5.0:
        return
    if server is None or not alive(server.process) or (seen and now - seen[-1][0] < 2.0):
        return
    try:
        connection = psycopg2.connect(server.superuser_url, connect_timeout=3, application_name="render")
    except psycopg2.Error:
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute(CONNECTIONS, (p.book.base(ident).database,))
            row = cursor.fetchone()
            seen.append((min(now, end - 0.001), float(row[0]) if row else 0.0))
    finally:
        connection.close()


def _requests(asked: Asked, ident: str, begin: float, end: float, step: int) -> list[Series]:
    by = asked.one("aggregateBy")
    if by not in ("", "statusCode", "host"):
        raise Refused("invalid aggregateBy")
    return requests(_answered(asked, ident), begin, end, step, by, ident)


def _latencies(asked: Asked, ident: str, begin: float, end: float, step: int) -> list[Series]:
    try:
        parts = [float(one) for one in asked.params.get("quantile", ["0.95"])]
    except ValueError:
        raise Refused("invalid quantile") from None
    if not all(0 <= one <= 1 for one in parts):
        raise Refused("invalid quantile")
    return latencies(_answered(asked, ident), begin, end, step, parts, ident)


def _answered(asked: Asked, ident: str) -> list[Any]:
    edge, path = asked.platform.edges.get(ident), asked.one("path")
    found = list(edge.answered) if edge is not None else []
    return [one for one in found if not path or one.path.split("?")[0] == path]


def _instances(asked: Asked, ident: str, begin: float, end: float, step: int) -> list[Series]:
    samples = asked.platform.meter.of(ident)
    values = [(one.at, 1.0) for one in samples]
    return [series(values, begin, end, step, max, "unitless", {"resource": ident})] if samples else []


READINGS: dict[str, Reading] = {
    "cpu": _usage("cores", "cpu"),
    "memory": _usage("memory", "bytes"),
    "cpu-limit": _limit(CPU_LIMIT, BASE_CPU_LIMIT, "cpu"),
    "memory-limit": _limit(MEMORY_LIMIT, BASE_MEMORY_LIMIT, "bytes"),
    "instance-count": _instances,
    "active-connections": _connections,
    "http-requests": _requests,
    "http-latency": _latencies,
}


# What has no page of its own


def owners(asked: Asked) -> Answer:
    return 200, [{"cursor": "owner", "owner": owner_shape(asked.platform)}]


def no_list(asked: Asked) -> Answer:
    """There is none of it on the stage: no maintenance of the platform, no environment group."""
    return 200, []


def events(asked: Asked) -> Answer:
    """deploy_started and deploy_ended of a service, of the last hour unless asked otherwise."""
    p, ident = asked.platform, asked.words[0]
    p.book.service(ident)
    now = datetime.now(UTC)
    begin, end = asked.moment("startTime", now - timedelta(hours=1)), asked.moment("endTime", now)
    outcome = {"live": "succeeded", "deactivated": "succeeded", "canceled": "canceled"}
    found: list[tuple[str, str, dict[str, Any]]] = []
    for one in p.book.deploys_of(ident):
        found.append((one.created_at, "deploy_started", {"deployId": one.id}))
        if one.finished_at:
            said = {"deployId": one.id, "deployStatus": outcome.get(one.status, "failed")}
            found.append((one.finished_at, "deploy_ended", said))
    kinds = asked.params.get("type")
    shapes = [
        {"event": {"id": f"evt-{n}", "serviceId": ident, "timestamp": at, "type": kind, "details": details}}
        for n, (at, kind, details) in enumerate(sorted(found, key=lambda one: one[0], reverse=True))
        if (not kinds or kind in kinds) and begin <= datetime.fromisoformat(at) <= end
    ]
    return 200, shapes[: asked.number("limit", 20, 1, 100)]


ROUTES = [
    ("GET", "/logs", list_logs),
    ("GET", "/logs/values", log_values),
    ("GET", "/metrics/{kind}", metric),
    ("GET", "/owners", owners),
    ("GET", "/maintenance", no_list),
    ("GET", "/env-groups", no_list),
    ("GET", "/services/{id}/events", events),
]
