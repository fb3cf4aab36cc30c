# mypy: disable-error-code="import-not-found"
"""Log in with a provider of identities: the authorization code flow of OAuth 2, with PKCE.

What the provider has to bring back (the state) and what proves that we asked (the verifier) wait in a signed cookie.
Somebody who comes for the first time gets an account; one whose address is known is that member.
"""

import base64
import hashlib
import hmac
import json
import secrets
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import ProxyHandler, Request, build_opener

from config import OAuth, settings
from db import db
from flask import Blueprint, Flask, abort, current_app, redirect, request, url_for
from sqlalchemy import select
from werkzeug.wrappers import Response

from . import maintenance, sessions
from .models import User, now

pages = Blueprint("oauth", __name__)
COOKIE = "oauth"
LIFETIME = 600
_ask = build_opener(ProxyHandler({})).open


def init(app: Flask) -> None:
    app.context_processor(lambda: {"oauth_name": settings.oauth.name if settings.oauth else None})


def _provider() -> OAuth:
    if settings.oauth is None:
        abort(404)
    provider: OAuth = settings.oauth
    return provider


def _signature(text: str) -> str:
    return hmac.new(settings.secret_key.encode(), f"oauth:{text}".encode(), hashlib.sha256).hexdigest()


@pages.get("/login/oauth")
def begin() -> Response:
    provider, state, verifier = _provider(), secrets.token_urlsafe(24), secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    asked = {
        "response_type": "code",
        "client_id": provider.client_id,
        "redirect_uri": url_for("oauth.callback", _external=True),
        "scope": "openid email profile",
        "state": state,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    if hint := request.args.get("login_hint"):
        asked["login_hint"] = hint
    response = redirect(f"{provider.authorize_url}?{urlencode(asked)}", 302)
    text = f"{state}:{verifier}"
    response.set_cookie(COOKIE, f"{text}:{_signature(text)}", max_age=LIFETIME, httponly=True, samesite="Lax")
    return response


@pages.get("/login/oauth/callback")
def callback() -> Response:
    provider = _provider()
    text, _, signature = request.cookies.get(COOKIE, "").rpartition(":")
    state, _, verifier = text.partition(":")
    if not hmac.compare_digest(signature.encode(), _signature(text).encode()):
        abort(400, "This login was not begun here, or is too old. Please try again.")
    if not hmac.compare_digest(request.args.get("state", "").encode(), state.encode()):
        abort(400, "This login was not begun here. Please try again.")
    if "code" not in request.args:
        abort(401, "The login was refused.")
    person = _person(provider, request.args["code"], verifier)
    # It writes, although it is a GET: the read-only mode must know of it.
    with maintenance.writing() as allowed:
        if not allowed:
            return Response(maintenance.MESSAGE, 503, {"Retry-After": "60"}, mimetype="text/plain")
        user = _member(person)
        sid = sessions.login(user)
        db().commit()
    response = sessions.set_cookie(redirect(url_for("community.index"), 303), sid)
    response.delete_cookie(COOKIE)
    return response


def _person(provider: OAuth, code: str, verifier: str) -> dict[str, Any]:
    """Who it is, as the provider says."""
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": url_for("oauth.callback", _external=True),
        "client_id": provider.client_id,
        "client_secret": provider.client_secret,
        "code_verifier": verifier,
    }
    try:
        with _ask(Request(provider.token_url, urlencode(form).encode()), timeout=10) as answer:  # noqa: S310 - set by the operator
            token = json.load(answer)["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        with _ask(Request(provider.userinfo_url, headers=headers), timeout=10) as answer:  # noqa: S310 - set by the operator
            person: dict[str, Any] = json.load(answer)
    except (URLError, TimeoutError, ValueError, KeyError) as error:
        current_app.logger.error("oauth: the provider did not say who it is: %s", error)
        abort(502, "The login did not work. Please try again.")
    if not person.get("email") or person.get("email_verified") is not True:
        abort(403, "The login has no confirmed e-mail address.")
    return person


def _member(person: dict[str, Any]) -> User:
    """The member with that address; a new one whose name is still free."""
    email = str(person["email"]).lower()
    user: User | None = db().scalar(select(User).where(User.email == email))
    if user is not None and not user.is_active:
        abort(403)
    if user is None:
        name = str(person.get("preferred_username") or email.partition("@")[0])[:30]
        if db().scalar(select(User.id).where(User.username == name)) is not None:
            name = f"{name}-{secrets.token_hex(4)}"
        user = User(username=name, email=email, password_hash="!")  # noqa: S106 - no password fits
        db().add(user)
        db().flush()
    user.last_login_at = now()
    return user
