# mypy: disable-error-code="import-not-found"
"""Practised trouble: while the trouble file exists, a share of the requests goes wrong.

    {"errors": 0.6, "database": "postgresql"}

Only where that database is in use, so that going back to the other one is a way out. The health check of the
platform and the metrics are spared: they are how the trouble is seen.
"""

import json
import random

from config import settings
from db import BACKEND
from flask import Flask, Response, current_app, request

SPARED = frozenset({"health.livez", "metrics", "static"})


def share() -> float:
    """How many of the requests go wrong, 0 to 1. A file that cannot be read is no trouble."""
    try:
        found = json.loads(settings.trouble_file.read_text())
        return float(found["errors"]) if found.get("database", BACKEND) == BACKEND else 0.0
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return 0.0


def init(app: Flask) -> None:
    app.before_request(_go_wrong)


def _go_wrong() -> Response | None:
    if request.endpoint in SPARED or random.random() >= share():  # noqa: S311
        return None
    current_app.logger.error("trouble: %s %s failed, as it was told to", request.method, request.path)
    return Response("Something went wrong on our side.\n", status=500, mimetype="text/plain")
