# mypy: disable-error-code="import-not-found"
"""Saved mod lists."""

from decimal import Decimal
from typing import Any

from db import db
from flask import Blueprint, abort, redirect, render_template, request, url_for
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from werkzeug.wrappers import Response

from .models import ModList, now
from .sessions import require_user

pages = Blueprint("lists", __name__)


def parse_mods(text: str) -> list[dict[str, Any]]:
    """One mod a line, `name | size in MB`; a line without a size counts as 0. 400 for a size that is none."""
    mods: list[dict[str, Any]] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        name, _, size = line.partition("|")
        try:
            mods.append({"name": name.strip(), "size_mb": round(float(size or 0), 2)})
        except ValueError:
            abort(400, f"The size of {name.strip()!r} is not a number.")
    return mods


def save_list(name: str, game: str, description: str, mods: list[dict[str, Any]]) -> ModList:
    """A saved list; saving the same name again replaces it."""
    user = require_user()
    if not name.strip() or len(name) > 120 or not game.strip() or len(game) > 40:
        abort(400, "A list needs a name and a game.")
    total = sum((Decimal(str(mod["size_mb"])) for mod in mods), Decimal(0))
    mine = select(ModList).where(ModList.owner_id == user.id, ModList.name == name)
    found: ModList | None = db().scalar(mine)
    if found is None:
        found = ModList(owner_id=user.id, name=name)
        db().add(found)
    found.game, found.description, found.mods, found.total_size_mb = game, description, mods, total
    found.load_order, found.updated_at = "\n".join(mod["name"] for mod in mods).encode(), now()
    try:
        db().commit()
    except IntegrityError:
        db().rollback()
        abort(409, "This list is being saved by another request.")
    return found


def visible(list_id: int) -> ModList:
    found: ModList | None = db().get(ModList, list_id)
    if found is None or not (found.is_public or found.owner_id == require_user().id):
        abort(404)
    return found


@pages.get("/lists")
def index() -> str:
    newest = select(ModList).where(ModList.is_public).order_by(ModList.updated_at.desc()).limit(30)
    return render_template("lists.html", lists=db().scalars(newest).all())


@pages.post("/lists")
def create() -> Response:
    form = request.form
    saved = save_list(
        form.get("name", ""),
        form.get("game", ""),
        form.get("description", ""),
        parse_mods(form.get("mods", "")),
    )
    return redirect(url_for("lists.show", list_id=saved.id), 303)


@pages.get("/lists/<int:list_id>")
def show(list_id: int) -> str:
    return render_template("list.html", list=visible(list_id))


@pages.post("/lists/<int:list_id>/delete")
def delete(list_id: int) -> Response:
    found = visible(list_id)
    if found.owner_id != require_user().id:
        abort(403)
    db().delete(found)
    db().commit()
    return redirect(url_for("lists.index"), 303)
