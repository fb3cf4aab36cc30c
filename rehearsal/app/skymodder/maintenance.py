# mypy: disable-error-code="import-not-found"
"""Read-only mode: while the maintenance file exists, nothing is written to the database."""

from collections.abc import Iterator
from contextlib import contextmanager

from config import settings
from flask import Flask, Response, g, request

from .metrics import WRITES_IN_FLIGHT

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
MESSAGE = "The site is read-only for maintenance. Nothing was saved. Please try again in a few minutes.\n"


def active() -> bool:
    exists: bool = settings.maintenance_file.exists()
    return exists


@contextmanager
def writing() -> Iterator[bool]:
    """Whether writing is allowed. Counted before it is asked: once the file exists and the count of writes in
    flight has been seen at zero, no write that was let in is still on its way."""
    WRITES_IN_FLIGHT.inc()
    try:
        yield not active()
    finally:
        WRITES_IN_FLIGHT.dec()


def init(app: Flask) -> None:
    app.before_request(_admit)
    app.teardown_request(_release)


def _admit() -> Response | None:
    if request.method in SAFE:
        return None
    g.write = writing()
    if g.write.__enter__():
        return None
    return Response(MESSAGE, status=503, mimetype="text/plain", headers={"Retry-After": "60"})


def _release(error: BaseException | None = None) -> None:
    write = g.pop("write", None)
    if write is not None:
        write.__exit__(None, None, None)
