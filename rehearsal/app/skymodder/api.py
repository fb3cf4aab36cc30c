# mypy: disable-error-code="import-not-found"
"""JSON, for programs: with an API key (`Authorization: Bearer …`) or the session's cookie."""

from typing import Any

from flask import Blueprint, abort, request

from . import community, lists
from .models import ModList, Post
from .sessions import require_user

pages = Blueprint("api", __name__, url_prefix="/api")


def _post(post: Post) -> dict[str, Any]:
    return {
        "id": post.id,
        "author": post.author.username,
        "parent_id": post.parent_id,
        "title": post.title,
        "body": post.body,
        "created_at": post.created_at.isoformat(),
    }


def _list(saved: ModList) -> dict[str, Any]:
    return {
        "id": saved.id,
        "owner": saved.owner.username,
        "name": saved.name,
        "game": saved.game,
        "mods": saved.mods,
        "total_size_mb": str(saved.total_size_mb),
    }


def _body() -> dict[str, Any]:
    sent = request.get_json()
    if not isinstance(sent, dict):
        abort(400, "send a JSON object")
    return sent


@pages.get("/me")
def me() -> dict[str, Any]:
    user = require_user()
    return {"id": user.id, "username": user.username, "reputation": str(user.reputation)}


@pages.get("/posts")
def posts() -> dict[str, Any]:
    page = max(1, request.args.get("page", 1, type=int))
    return {"posts": [_post(e["post"]) | {"score": e["score"]} for e in community.latest(page)], "page": page}


@pages.get("/posts/<int:post_id>")
def post(post_id: int) -> dict[str, Any]:
    return _post(community.find_post(post_id))


@pages.post("/posts")
def create_post() -> tuple[dict[str, Any], int]:
    sent = _body()
    return _post(community.add_post(str(sent.get("title", "")), str(sent.get("body", "")))), 201


@pages.get("/lists/<int:list_id>")
def mod_list(list_id: int) -> dict[str, Any]:
    return _list(lists.visible(list_id))


@pages.post("/lists")
def create_list() -> tuple[dict[str, Any], int]:
    sent = _body()
    mods = sent.get("mods", [])
    well_formed = isinstance(mods, list) and all(
        isinstance(mod, dict) and isinstance(mod.get("name"), str) and isinstance(mod.get("size_mb", 0), int | float)
        for mod in mods
    )
    if not well_formed:
        abort(400, "mods is a list of {name, size_mb}")
    kept = [{"name": mod["name"], "size_mb": round(float(mod.get("size_mb", 0)), 2)} for mod in mods]
    game, description = str(sent.get("game", "")), str(sent.get("description", ""))
    return _list(lists.save_list(str(sent.get("name", "")), game, description, kept)), 201
