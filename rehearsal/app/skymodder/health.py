# mypy: disable-error-code="import-not-found"
"""Is the site well? Only if the database answers a real question."""

import time
from typing import Any

from config import settings
from db import BACKEND, db
from flask import Blueprint, current_app
from sqlalchemy import Select, literal, select
from sqlalchemy.exc import SQLAlchemyError

from . import maintenance
from .models import User

pages = Blueprint("health", __name__)


@pages.get("/livez")
def livez() -> tuple[dict[str, Any], int]:
    """The same without a table: may this version be let in?"""
    return _asked(select(literal(1)))


@pages.get("/healthz")
def healthz() -> tuple[dict[str, Any], int]:
    return _asked(select(User.id).limit(1))


def _asked(question: Select[Any]) -> tuple[dict[str, Any], int]:
    started = time.perf_counter()
    answer: dict[str, Any] = {
        "status": "ok",
        "commit": settings.commit,
        "database": BACKEND,
        "maintenance": maintenance.active(),
        "instance": settings.instance,
    }
    try:
        db().execute(question).all()
    except SQLAlchemyError as error:
        current_app.logger.error("health: the database does not answer: %s", type(error).__name__)
        return answer | {"status": "error", "problem": f"database: {type(error).__name__}"}, 503
    return answer | {"database_ms": round((time.perf_counter() - started) * 1000, 2)}, 200
