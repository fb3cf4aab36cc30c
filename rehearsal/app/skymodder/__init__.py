# mypy: disable-error-code="import-not-found"
"""SkyModder, a community for mod lists."""

from db import BACKEND, close_db
from flask import Flask, Response, request
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException

from . import accounts, api, community, health, keys, lists, maintenance, metrics, oauth, sessions, trouble


def create_app() -> Flask:
    app = Flask(__name__)
    metrics.init(app)
    trouble.init(app)
    maintenance.init(app)
    sessions.init(app)
    oauth.init(app)
    for module in (accounts, oauth, community, lists, keys, api, health):
        app.register_blueprint(module.pages)
    app.teardown_appcontext(close_db)
    app.after_request(_headers)
    app.register_error_handler(OperationalError, _database_down)
    app.register_error_handler(PoolTimeout, _database_down)
    app.register_error_handler(HTTPException, _plain)
    return app


def _headers(response: Response) -> Response:
    response.headers["X-Database"] = BACKEND
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _database_down(error: Exception) -> tuple[dict[str, str], int] | tuple[str, int]:
    """The error goes to the log; the visitor learns only that it is not their fault."""
    from flask import current_app

    current_app.logger.error("database: %s on %s", type(error).__name__, request.path, exc_info=error)
    if request.path.startswith("/api/"):
        return {"error": "the database does not answer"}, 503
    return "The database does not answer. Please try again in a moment.\n", 503


def _plain(error: HTTPException) -> Response | HTTPException:
    if request.path.startswith("/api/"):
        from flask import jsonify

        response = jsonify(error=error.description)
        response.status_code = error.code or 500
        return response
    return error
