# mypy: disable-error-code="import-not-found"
"""Numbers for Prometheus, true over all workers: each keeps its own in PROMETHEUS_MULTIPROC_DIR, and a scrape
of any of them adds all up. Gauges of workers that are gone do not count ("livesum")."""

import os
import threading
import time

from db import engine
from flask import Flask, Response, g, request
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)
from sqlalchemy import event
from sqlalchemy.pool import QueuePool

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
REQUESTS = Counter("flask_http_request", "Requests answered", ["method", "status"])
DURATION = Histogram(
    "flask_http_request_duration_seconds", "Time to answer", ["method", "path", "status"], buckets=BUCKETS
)
WORKERS = Gauge("app_workers", "Worker processes alive", multiprocess_mode="livesum")
WRITES_IN_FLIGHT = Gauge("app_writes_in_flight", "Requests that may write", multiprocess_mode="livesum")
POOL_SIZE = Gauge("sqlalchemy_pool_size", "Connections kept", multiprocess_mode="livesum")
POOL_MAX = Gauge("sqlalchemy_pool_max", "Connections at most: size and overflow", multiprocess_mode="livesum")
POOL_OUT = Gauge("sqlalchemy_pool_checked_out", "Connections in use", multiprocess_mode="livesum")
POOL_IN = Gauge("sqlalchemy_pool_checked_in", "Connections idle", multiprocess_mode="livesum")
POOL_OVERFLOW = Gauge("sqlalchemy_pool_overflow", "Connections over the size", multiprocess_mode="livesum")

_pool_lock = threading.Lock()


def measure_pool(*_: object) -> None:
    """Reading and setting are one step, so that the last change is the one that stays."""
    pool = engine.pool
    if isinstance(pool, QueuePool):
        with _pool_lock:
            POOL_SIZE.set(pool.size())
            POOL_MAX.set(pool.size() + max(0, pool._max_overflow))
            POOL_OUT.set(pool.checkedout())
            POOL_IN.set(pool.checkedin())
            POOL_OVERFLOW.set(max(0, pool.overflow()))


def init(app: Flask) -> None:
    event.listen(engine, "checkout", measure_pool)
    app.before_request(_start)
    app.after_request(_count)
    app.teardown_appcontext(measure_pool)
    app.add_url_rule("/metrics", "metrics", scrape)
    WORKERS.set(1)
    measure_pool()


def _start() -> None:
    g.started = time.perf_counter()


def _count(response: Response) -> Response:
    status = str(response.status_code)
    path = request.url_rule.rule if request.url_rule else "unmatched"
    REQUESTS.labels(request.method, status).inc()
    DURATION.labels(request.method, path, status).observe(time.perf_counter() - g.started)
    return response


def scrape() -> Response:
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return Response(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
