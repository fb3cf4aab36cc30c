# mypy: disable-error-code="import-not-found"
"""Registration, login, logout, password reset, member pages."""

import re
import secrets
from datetime import timedelta

from db import db
from flask import Blueprint, abort, g, redirect, render_template, request, url_for
from sqlalchemy import or_, select
from sqlalchemy.exc import IntegrityError
from werkzeug.security import check_password_hash, generate_password_hash
from werkzeug.wrappers import Response

from . import mail, sessions
from .models import PasswordReset, User, UserSession, now

pages = Blueprint("accounts", __name__)
USERNAME = re.compile(r"[\w.-]{3,40}")
# Cheaper than werkzeug's default: this site runs beside other things on a small machine.
HASH = "scrypt:4096:8:1"
RESET_LIFETIME = timedelta(hours=1)
Page = str | tuple[str, int] | Response


def _problem(username: str, email: str, password: str) -> str | None:
    if not USERNAME.fullmatch(username):
        return "A user name has 3 to 40 letters, digits, dots or dashes."
    if "@" not in email or len(email) > 254:
        return "That is not an e-mail address."
    return None if len(password) >= 8 else "A password has 8 characters or more."


@pages.route("/register", methods=["GET", "POST"])
def register() -> Page:
    if request.method == "GET":
        return render_template("register.html", problem=None)
    username, email = request.form.get("username", "").strip(), request.form.get("email", "").strip().lower()
    password = request.form.get("password", "")
    if problem := _problem(username, email, password):
        return render_template("register.html", problem=problem), 400
    user = User(username=username, email=email, password_hash=generate_password_hash(password, HASH))
    user.last_login_at = now()
    db().add(user)
    try:
        db().flush()
    except IntegrityError:
        db().rollback()
        return render_template("register.html", problem="That name or address is taken."), 409
    sid = sessions.login(user)
    db().commit()
    return sessions.set_cookie(redirect(url_for("community.index"), 303), sid)


@pages.route("/login", methods=["GET", "POST"])
def login() -> Page:
    if request.method == "GET":
        return render_template("login.html", problem=None)
    name = request.form.get("username", "").strip()
    user = db().scalar(select(User).where(or_(User.username == name, User.email == name.lower())))
    if user is None or not user.is_active:
        return render_template("login.html", problem="The name or the password is wrong."), 401
    if not check_password_hash(user.password_hash, request.form.get("password", "")):
        return render_template("login.html", problem="The name or the password is wrong."), 401
    user.last_login_at = now()
    sid = sessions.login(user)
    db().commit()
    return sessions.set_cookie(redirect(_inside(request.args.get("next")), 303), sid)


def _inside(path: str | None) -> str:
    """PATH if it stays on this site, else the front page."""
    if path and path.startswith("/") and not path.startswith(("//", "/\\")):
        return path
    return url_for("community.index")


@pages.post("/logout")
def logout() -> Response:
    if g.sid:
        db().query(UserSession).filter_by(id=g.sid).delete()
        db().commit()
    response = redirect(url_for("community.index"), 303)
    response.delete_cookie(sessions.COOKIE)
    return response


@pages.route("/forgot", methods=["GET", "POST"])
def forgot() -> Page:
    if request.method == "GET":
        return render_template("forgot.html")
    email = request.form.get("email", "").strip().lower()
    user = db().scalar(select(User).where(User.email == email))
    if user is not None:
        token = secrets.token_urlsafe(32)
        expires = now() + RESET_LIFETIME
        db().add(PasswordReset(user_id=user.id, token_hash=sessions.digest(token), expires_at=expires))
        db().commit()
        link = url_for("accounts.reset", token=token, _external=True)
        mail.send(user.email, "Your new password", f"Hello {user.username},\n\nchoose it here:\n{link}\n")
    # The same answer for a known and an unknown address.
    return render_template("message.html", message="If the address is known, a mail is on its way.")


@pages.route("/reset/<token>", methods=["GET", "POST"])
def reset(token: str) -> Page:
    found = db().scalar(
        select(PasswordReset).where(
            PasswordReset.token_hash == sessions.digest(token),
            PasswordReset.used_at.is_(None),
            PasswordReset.expires_at > now(),
        )
    )
    if found is None:
        abort(404, "This link is not valid any more.")
    if request.method == "GET":
        return render_template("reset.html", problem=None)
    password = request.form.get("password", "")
    if len(password) < 8:
        return render_template("reset.html", problem="A password has 8 characters or more."), 400
    found.used_at = now()
    found.user.password_hash = generate_password_hash(password, HASH)
    db().query(UserSession).filter_by(user_id=found.user_id).delete()
    db().commit()
    return redirect(url_for("accounts.login"), 303)


@pages.get("/members/<username>")
def member(username: str) -> str:
    found = db().scalar(select(User).where(User.username == username))
    if found is None:
        abort(404)
    return render_template("member.html", member=found)
