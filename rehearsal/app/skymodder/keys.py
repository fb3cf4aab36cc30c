# mypy: disable-error-code="import-not-found"
"""API keys. A key is shown once, when it is made."""

import secrets

from db import db
from flask import Blueprint, abort, redirect, render_template, request, url_for
from sqlalchemy import select
from werkzeug.wrappers import Response

from .models import ApiKey, now
from .sessions import digest, require_user

pages = Blueprint("keys", __name__)


def _page(new_key: str | None = None) -> str:
    mine = select(ApiKey).where(ApiKey.user_id == require_user().id).order_by(ApiKey.id)
    return render_template("keys.html", keys=db().scalars(mine).all(), new_key=new_key)


@pages.get("/keys")
def index() -> str:
    return _page()


@pages.post("/keys")
def create() -> tuple[str, int]:
    name = request.form.get("name", "").strip()
    if not name or len(name) > 80:
        abort(400, "A key needs a name.")
    key = f"sky_{secrets.token_urlsafe(30)}"
    db().add(ApiKey(user_id=require_user().id, name=name, prefix=key[:10], key_hash=digest(key)))
    db().commit()
    return _page(new_key=key), 201


@pages.post("/keys/<int:key_id>/revoke")
def revoke(key_id: int) -> Response:
    key = db().get(ApiKey, key_id)
    if key is None or key.user_id != require_user().id:
        abort(404)
    key.revoked_at = key.revoked_at or now()
    db().commit()
    return redirect(url_for("keys.index"), 303)
