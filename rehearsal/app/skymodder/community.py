# mypy: disable-error-code="import-not-found"
"""Posts, replies, votes."""

from typing import Any

from db import db
from flask import Blueprint, abort, redirect, render_template, request, url_for
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from werkzeug.wrappers import Response

from .models import Post, Vote, now
from .sessions import require_user

pages = Blueprint("community", __name__)
PAGE = 20


def latest(page: int) -> list[dict[str, Any]]:
    """One page of posts, newest first, with their replies counted and their votes summed."""
    top = select(Post).where(Post.parent_id.is_(None)).order_by(Post.created_at.desc(), Post.id.desc())
    posts = db().scalars(top.limit(PAGE).offset(PAGE * (page - 1))).all()
    ids = [post.id for post in posts]
    replies = select(Post.parent_id, func.count()).where(Post.parent_id.in_(ids)).group_by(Post.parent_id)
    scores = select(Vote.post_id, func.sum(Vote.value)).where(Vote.post_id.in_(ids)).group_by(Vote.post_id)
    counted: dict[int | None, int] = {row[0]: row[1] for row in db().execute(replies)}
    scored: dict[int, int] = {row[0]: row[1] for row in db().execute(scores)}
    return [{"post": p, "replies": counted.get(p.id, 0), "score": scored.get(p.id, 0)} for p in posts]


def add_post(title: str | None, body: str, parent_id: int | None = None) -> Post:
    """A saved post. 400 when it has no body, or when a post has no title or too long a one."""
    if not body.strip():
        abort(400, "There is no text.")
    if parent_id is None and not (title and title.strip() and len(title) <= 200):
        abort(400, "A title has 1 to 200 characters.")
    post = Post(author_id=require_user().id, parent_id=parent_id, title=title, body=body)
    db().add(post)
    db().commit()
    return post


def find_post(post_id: int) -> Post:
    post: Post | None = db().get(Post, post_id)
    if post is None:
        abort(404)
    return post


@pages.get("/")
@pages.get("/community")
def index() -> str:
    page = max(1, request.args.get("page", 1, type=int))
    return render_template("index.html", entries=latest(page), page=page)


@pages.post("/community")
def create() -> Response:
    post = add_post(request.form.get("title", ""), request.form.get("body", ""))
    return redirect(url_for("community.show", post_id=post.id), 303)


@pages.get("/community/<int:post_id>")
def show(post_id: int) -> str:
    post = find_post(post_id)
    replies = db().scalars(select(Post).where(Post.parent_id == post.id).order_by(Post.created_at)).all()
    score = db().scalar(select(func.sum(Vote.value)).where(Vote.post_id == post.id)) or 0
    return render_template("post.html", post=post, replies=replies, score=score)


@pages.post("/community/<int:post_id>/reply")
def reply(post_id: int) -> Response:
    require_user()
    post = find_post(post_id)
    answer = add_post(None, request.form.get("body", ""), parent_id=post.id)
    return redirect(url_for("community.show", post_id=post.id, _anchor=f"post-{answer.id}"), 303)


@pages.post("/community/<int:post_id>/vote")
def vote(post_id: int) -> Response:
    user, post = require_user(), find_post(post_id)
    value = request.form.get("value", 0, type=int)
    if value not in (-1, 1):
        abort(400, "A vote is 1 or -1.")
    mine = select(Vote).where(Vote.user_id == user.id, Vote.post_id == post.id)
    found = db().scalar(mine)
    if found is None:
        db().add(Vote(user_id=user.id, post_id=post.id, value=value))
        try:
            db().commit()
        except IntegrityError:
            # The same vote came twice at once: the other one made the row, this one has the last word.
            db().rollback()
            found = db().scalars(mine).one()
    if found is not None:
        found.value, found.created_at = value, now()
        db().commit()
    return redirect(url_for("community.show", post_id=post.id), 303)
