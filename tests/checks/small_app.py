"""A small app with a login by an identity provider, and that provider: two real servers, with faults to switch on."""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlencode

import flask
import httpx
from werkzeug.serving import make_server

logging.getLogger("werkzeug").setLevel(logging.ERROR)


@dataclass
class Site:
    """Where both are, and which FAULTS they have now. ASKED: (method, path, headers, body) of what the app heard."""

    app: str = ""
    provider: str = ""
    faults: set[str] = field(default_factory=set)
    asked: list[tuple[str, str, dict[str, str], str]] = field(default_factory=list)
    count: int = 0


def small_app(site: Site) -> flask.Flask:
    app = flask.Flask("small")
    app.secret_key = "small"
    things: dict[str, str] = {}

    @app.before_request
    def heard() -> None:
        body = flask.request.get_data(as_text=True)
        site.asked.append((flask.request.method, flask.request.full_path, dict(flask.request.headers), body))

    @app.get("/login")
    def login() -> str:
        return (
            "no link here" if "no link" in site.faults else '<a class="x" href="/oauth/start">Log in with Local</a>'
        )

    @app.get("/oauth/start")
    def start() -> flask.typing.ResponseReturnValue:
        state = "always" if "same state" in site.faults else secrets.token_urlsafe(16)
        flask.session["state"] = state
        said = {"client_id": "small", "response_type": "code", "scope": "openid", "state": state}
        said["redirect_uri"] = f"{site.app}/oauth/callback"
        if "no state" in site.faults:
            del said["state"]
        if "token flow" in site.faults:
            said["response_type"] = "token"
        return flask.redirect(f"{site.provider}/authorize?{urlencode(said)}")

    @app.get("/oauth/callback")
    def callback() -> flask.typing.ResponseReturnValue:
        given, wanted = flask.request.args.get("state"), flask.session.pop("state", None)
        checks = "state unchecked" not in site.faults
        if "state not bound" in site.faults:
            checks, wanted = not str(given).startswith("tampered"), given
            if not checks:
                flask.abort(400)
        elif checks and (not wanted or given != wanted):
            flask.abort(400)
        answer = httpx.post(f"{site.provider}/token", data={"code": flask.request.args.get("code", "")})
        if answer.status_code != 200:
            flask.abort(502 if "broken" in site.faults else 400)
        flask.session["user"] = answer.json()["user"]
        return flask.redirect("/keys")

    @app.get("/keys")
    def keys() -> flask.typing.ResponseReturnValue:
        return f"keys of {flask.session['user']}" if "user" in flask.session else flask.redirect("/login")

    @app.route("/things", methods=["GET", "POST"])
    def all_things() -> flask.typing.ResponseReturnValue:
        if flask.request.method == "POST":
            name = secrets.token_hex(4)
            things[name] = flask.request.form.get("text", "")
            return {"id": name}, 201
        return {"things": [{"id": name, "text": text} for name, text in things.items()]}

    @app.delete("/things/<name>")
    def remove(name: str) -> flask.typing.ResponseReturnValue:
        if "undeletable" in site.faults:
            return "no", 403
        return ("", 204) if things.pop(name, None) is not None else ("", 404)

    @app.get("/late")
    def late() -> flask.typing.ResponseReturnValue:
        site.count += 1
        return ("there", 200) if site.count > 3 else ("not yet", 404)

    @app.get("/whoami")
    def whoami() -> flask.typing.ResponseReturnValue:
        flask.session.setdefault("n", secrets.token_hex(8))
        return {"n": flask.session["n"], "a": {"b": [{"c": 1}, {"c": 2, "d": "two"}]}, "yes": True}

    @app.get("/page")
    def page() -> flask.typing.ResponseReturnValue:
        answer = flask.make_response(
            '<meta name="csrf-token" content="meta-token-1"><form id="f" action="/echo" method="post">'
            '<input type="hidden" name="csrf" value="a&amp;b&quot;token"><input name="box" type="checkbox" value="1">'
            '<input name="kept" value="as it is"></form><a class="next" href="/next?a=1&amp;b=2">next <b>page</b></a>'
        )
        answer.set_cookie("csrftoken", "cookie-token-1")
        answer.headers["X-Csrf"] = "header-token-1"
        return answer

    @app.route("/echo", methods=["GET", "POST", "PUT"])
    def echo() -> flask.typing.ResponseReturnValue:
        status = int(flask.request.args.get("status", 200))
        said = {
            "form": dict(flask.request.form),
            "args": dict(flask.request.args),
            "csrf": flask.request.headers.get("X-CSRFToken"),
        }
        return said, status, {"X-Seen": "yes and no"}

    @app.get("/away")
    def away() -> flask.typing.ResponseReturnValue:
        return flask.redirect(flask.request.args["to"], int(flask.request.args.get("code", 302)))

    @app.get("/loop")
    def loop() -> flask.typing.ResponseReturnValue:
        return flask.redirect("/loop")

    @app.post("/away")
    def away_with_form() -> flask.typing.ResponseReturnValue:
        return flask.redirect(flask.request.args["to"], 307)

    @app.get("/big")
    def big() -> str:
        return "x" * (3 * 2**20)

    @app.route("/leaky", methods=["GET", "POST"])
    def leaky() -> flask.typing.ResponseReturnValue:
        canary = flask.request.args.get("canary", "")
        said = flask.request.form.get("password", "") + " " + flask.request.headers.get("Authorization", "")
        answer = flask.make_response(
            f'<input type=hidden name=csrf_token value="CANARY-token-{canary}"><code id="k">CANARY-key-{canary}</code>'
            f"you said {said} with {flask.request.headers.get('Cookie', '')}",
            500,
        )
        answer.set_cookie("sid", f"CANARY-cookie-{canary}")
        return answer

    return app


def provider(site: Site) -> flask.Flask:
    app = flask.Flask("provider")
    app.secret_key = "provider"
    codes: dict[str, str] = {}

    def back(request: dict[str, str]) -> flask.typing.ResponseReturnValue:
        code = secrets.token_urlsafe(12)
        codes[code] = flask.session["user"]
        return flask.redirect(f"{request['redirect_uri']}?{urlencode({'code': code, 'state': request['state']})}")

    @app.get("/authorize")
    def authorize() -> flask.typing.ResponseReturnValue:
        site.asked.append(("PROVIDER", flask.request.full_path, dict(flask.request.headers), ""))
        flask.session["request"] = dict(flask.request.args)
        return '<form method="post" action="/login"><input type="hidden" name="t" value="1"><input name="username"></form>'

    @app.post("/login")
    def login() -> flask.typing.ResponseReturnValue:
        form = flask.request.form
        if (form.get("username"), form.get("password"), form.get("t")) != ("ada", "lovelace-1815", "1"):
            return "<form>wrong</form>", 401
        flask.session["user"] = "ada"
        if "consent" in site.faults:
            return '<form id="ok" method="post" action="/consent"></form>'
        return back(flask.session["request"])

    @app.post("/consent")
    def consent() -> flask.typing.ResponseReturnValue:
        return back(flask.session["request"])

    @app.post("/token")
    def token() -> flask.typing.ResponseReturnValue:
        user = codes.pop(flask.request.form.get("code", ""), None)
        return {"user": user} if user else ("", 400)

    @app.get("/seen")
    def seen() -> flask.typing.ResponseReturnValue:
        return dict(flask.request.headers)

    return app


@contextmanager
def running() -> Iterator[Site]:
    """Both servers, each on a port of its own."""
    site = Site()
    servers = [make_server("127.0.0.1", 0, make(site), threaded=True) for make in (small_app, provider)]
    site.app, site.provider = (f"http://127.0.0.1:{server.port}" for server in servers)
    for server in servers:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield site
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
