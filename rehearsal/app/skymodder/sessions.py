# mypy: disable-error-code="import-not-found"
"""Who is asking. Sessions live in the table user_sessions; the cookie holds the session's id alone.

The CSRF token is an HMAC of a cookie (of the session, or of an anonymous visitor), so that showing a form
writes nothing.
"""

import hashlib
import hmac
import secrets
from datetime import timedelta

from config import settings
from db import db
from flask import Flask, Response, abort, g, redirect, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from . import maintenance
from .models import ApiKey, User, UserSession, now

COOKIE = "session"
VISITOR = "visitor"
LIFETIME = timedelta(days=30)
TOUCH_AFTER = timedelta(minutes=5)
NO_DATABASE = frozenset({"static", "metrics", "health.healthz", "health.livez"})


def digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def init(app: Flask) -> None:
    app.before_request(_identify)
    app.before_request(_refuse_forgery)
    app.after_request(_set_visitor)
    app.context_processor(lambda: {"user": g.get("user"), "csrf_token": csrf_token})


def login(user: User) -> str:
    """A new session for USER, in the current transaction; its id for the cookie."""
    sid = secrets.token_urlsafe(32)
    agent = request.headers.get("User-Agent", "")[:300]
    db().add(UserSession(id=sid, user_id=user.id, user_agent=agent, expires_at=now() + LIFETIME))
    return sid


def set_cookie(response: AnyResponse, sid: str) -> AnyResponse:
    response.set_cookie(COOKIE, sid, max_age=int(LIFETIME.total_seconds()), httponly=True, samesite="Lax")
    return response


def require_user() -> User:
    """The user who is asking. Sends others to the login (401 in the API)."""
    user: User | None = g.get("user")
    if user is None:
        if request.path.startswith("/api/"):
            abort(401, "log in, or send an API key")
        abort(redirect(url_for("accounts.login", next=request.path), 303))
    return user


def csrf_token() -> str:
    if "visitor" not in g:
        g.visitor = request.cookies.get(VISITOR) or secrets.token_urlsafe(16)
    seed = f"{g.visitor}:{g.get('sid', '')}"
    return hmac.new(settings.secret_key.encode(), seed.encode(), hashlib.sha256).hexdigest()


def _identify() -> None:
    g.user, g.sid, g.by_key = None, "", False
    if request.endpoint in NO_DATABASE:
        return
    bearer = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
    if bearer and request.path.startswith("/api/"):
        key = db().query(ApiKey).filter_by(key_hash=digest(bearer), revoked_at=None).one_or_none()
        if key is None or not key.user.is_active:
            abort(401, "this API key is unknown or revoked")
        g.user, g.by_key = key.user, True
        _touch(key, "last_used_at")
    elif sid := request.cookies.get(COOKIE):
        found = db().get(UserSession, sid)
        if found is not None and found.expires_at > now() and found.user.is_active:
            g.user, g.sid = found.user, sid
            _touch(found, "last_seen_at")


def _touch(row: UserSession | ApiKey, column: str) -> None:
    seen = getattr(row, column)
    if seen is not None and now() - seen < TOUCH_AFTER:
        return
    with maintenance.writing() as allowed:
        if allowed:
            setattr(row, column, now())
            db().commit()


def _refuse_forgery() -> None:
    if request.method in maintenance.SAFE or g.by_key:
        return
    given = request.form.get("csrf_token") or request.headers.get("X-CSRF-Token", "")
    if not hmac.compare_digest(given.encode(), csrf_token().encode()):
        abort(400, "The form has expired. Go back, reload and try again.")


def _set_visitor(response: Response) -> Response:
    if "visitor" in g and VISITOR not in request.cookies:
        response.set_cookie(VISITOR, g.visitor, httponly=True, samesite="Lax")
    return response
