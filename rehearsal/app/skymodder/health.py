# mypy: disable-error-code="import-not-found"
"""Is the site well? Only if the database answers a real question."""

import time
from typing import Any

from config import settings
from db import BACKEND, db
from flask import Blueprint, current_app
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from . import maintenance
from .models import User

pages = Blueprint("health", __name__)


@pages.get("/healthz")
def healthz() -> tuple[dict[str, Any], int]:
    started = time.perf_counter()
    answer: dict[str, Any] = {
        "status": "ok",
        "commit": settings.commit,
        "database": BACKEND,
        "maintenance": maintenance.active(),
        "instance": settings.instance,
    }
    try:
        db().execute(select(User.id).limit(1)).all()
    except SQLAlchemyError as error:
        current_app.logger.error("healthz: the database does not answer: %s", type(error).__name__)
        return answer | {"status": "error", "problem": f"database: {type(error).__name__}"}, 503
    return answer | {"database_ms": round((time.perf_counter() - started) * 1000, 2)}, 200
