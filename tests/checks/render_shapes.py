"""Render's API as it answers: the shapes of its objects, and a small server that gives them out over real HTTP.

The shapes are those of the generated client types and of recorded answers: lists are arrays of `{cursor, <resource>}`,
`suspended` is a text, queued deploys are answered 202 without a body, `Ratelimit-Reset` counts seconds.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "rnd_canary-hunter2"
DATABASE, SERVICE = "dpg-cabc123-a", "srv-cweb123"
OLD, NEW = "a" * 40, "b" * 40  # commits
PASSWORD = "canary-db-password"


def moment(**ago: float) -> str:
    """So long ago, as Render writes it."""
    return f"{datetime.now(UTC) - timedelta(**ago):%Y-%m-%dT%H:%M:%S.%f}Z"


def database(**other: Any) -> dict[str, Any]:
    return {
        "id": DATABASE,
        "name": "app-db",
        "owner": {"id": "tea-1", "name": "team", "email": "a@b.c", "type": "team"},
        "plan": "basic_1gb",
        "region": "frankfurt",
        "version": "17",
        "status": "available",
        "role": "primary",
        "databaseName": "app",
        "databaseUser": "app",
        "diskSizeGB": 15,
        "highAvailabilityEnabled": False,
        "ipAllowList": None,
        "readReplicas": [],
        "suspended": "not_suspended",
        "suspenders": [],
        "dashboardUrl": "https://dashboard.render.com/d/x",
        "createdAt": moment(days=30),
        "updatedAt": moment(days=1),
    } | other


def service(**other: Any) -> dict[str, Any]:
    details = {
        "plan": "starter",
        "region": "frankfurt",
        "runtime": "python",
        "numInstances": 2,
        "healthCheckPath": "/healthz",
        "maintenanceMode": {"enabled": False, "uri": ""},
    } | other.pop("details", {})
    return {
        "id": SERVICE,
        "name": "app",
        "slug": "app",
        "type": "web_service",
        "ownerId": "tea-1",
        "branch": "main",
        "autoDeploy": "yes",
        "autoDeployTrigger": "commit",
        "suspended": "not_suspended",
        "suspenders": [],
        "serviceDetails": details,
    } | other


def deploy(ident: str, status: str, sha: str | None = NEW, **other: Any) -> dict[str, Any]:
    return {
        "id": ident,
        "status": status,
        "trigger": "new_commit",
        "commit": None if sha is None else {"id": sha, "message": "move", "createdAt": moment(days=1)},
        "createdAt": moment(seconds=20),
        "finishedAt": None,
    } | other


def job(ident: str, status: str, command: str) -> dict[str, Any]:
    return {
        "id": ident,
        "serviceId": SERVICE,
        "planId": "plan-srv-006",
        "startCommand": command,
        "status": status,
        "createdAt": moment(seconds=3),
        "startedAt": moment(seconds=2),
        "finishedAt": None,
    }


def connections(host: str = "dpg-cabc123-a", port: str = "", name: str = "app") -> dict[str, Any]:
    outside = host if port else f"{host}.frankfurt-postgres.render.com"
    return {
        "password": PASSWORD,
        "internalConnectionString": f"postgresql://app:{PASSWORD}@{host}{port}/{name}",
        "externalConnectionString": f"postgresql://app:{PASSWORD}@{outside}{port or ':5432'}/{name}",
        "psqlCommand": f"PGPASSWORD={PASSWORD} psql -h {outside} -U app {name}",
    }


def page(resource: str, found: list[dict[str, Any]], after: str, limit: int) -> list[dict[str, Any]]:
    """One page of a list: those behind the cursor AFTER."""
    begin = int(after) if after else 0
    return [{"cursor": str(n + 1), resource: one} for n, one in enumerate(found)][begin : begin + limit]


@dataclass
class Answer:
    """BODY is sent as it stands when it is bytes, else as JSON. One that hangs up sends nothing at all."""

    body: Any = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    hangs_up: bool = False


def limited(seconds: str = "7") -> Answer:
    headers = {
        "Retry-After": seconds,
        "Ratelimit-Limit": "400",
        "Ratelimit-Remaining": "0",
        "Ratelimit-Reset": seconds,
    }
    return Answer({"message": "rate limit exceeded"}, 429, headers)


EMPTY = Answer(b"", 202)


@dataclass
class Render:
    """What the server knows. FIRST are answers that are given before anything else, by "METHOD /path", once each;
    `steps` are the statuses that a deploy or job shows at its next looks."""

    databases: list[dict[str, Any]] = field(default_factory=lambda: [database()])
    services: list[dict[str, Any]] = field(default_factory=lambda: [service()])
    deploys: list[dict[str, Any]] = field(default_factory=list)
    jobs: list[dict[str, Any]] = field(default_factory=list)
    steps: dict[str, list[str]] = field(default_factory=dict)
    recovery: dict[str, Any] = field(
        default_factory=lambda: {"recoveryStatus": "AVAILABLE", "startsAt": moment(days=7)}
    )
    exports: list[dict[str, Any]] = field(default_factory=list)
    connections: dict[str, Any] = field(default_factory=connections)
    log: list[str] = field(default_factory=list)
    first: dict[str, list[Answer]] = field(default_factory=dict)
    begins: list[tuple[dict[str, Any], list[str]]] = field(default_factory=list)  # what the next POSTs start
    queued: bool = False  # POSTs are answered 202 without a body
    asked: list[str] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)
    limits: list[int] = field(default_factory=list)

    def answer(self, method: str, target: str, token: str, body: Any) -> Answer:
        parts = urlsplit(target)
        path, params = parts.path.removeprefix("/v1"), parse_qs(parts.query)
        what = f"{method} {path}"
        self.asked.append(what)
        self.bodies.append(body)
        if self.first.get(what):
            said = self.first[what].pop(0)
            if not said.hangs_up or method == "GET":
                return said
            self._route(method, path.strip("/").split("/"), params, body)  # carried out, and the answer is lost
            return said
        if token != f"Bearer {TOKEN}":
            return Answer({"message": "unauthorized"}, 401)
        return self._route(method, path.strip("/").split("/"), params, body)

    def _route(self, method: str, path: list[str], params: dict[str, list[str]], body: Any) -> Answer:
        match method, path:
            case "GET", ["postgres"]:
                return self._listed("postgres", [d for d in self.databases if d["name"] in params["name"]], params)
            case "GET", ["services"]:
                return self._listed("service", [s for s in self.services if s["name"] in params["name"]], params)
            case "GET", ["logs"]:
                assert params["ownerId"] == ["tea-1"]
                assert "resource" in params
                lines = [
                    {"id": str(n), "timestamp": moment(seconds=len(self.log) - n), "message": text, "labels": []}
                    for n, text in enumerate(self.log)
                ]
                return Answer({"hasMore": False, "logs": lines[::-1], "nextStartTime": "", "nextEndTime": ""})
            case "GET", ["postgres", ident, *rest]:
                return self._of_database(ident, rest)
            case _, ["services", ident, *rest]:
                found = next((s for s in self.services if s["id"] == ident), None)
                return self._missing(ident) if found is None else self._of_service(method, found, rest, params, body)
        return Answer({"message": "not found"}, 404)

    def _of_database(self, ident: str, rest: list[str]) -> Answer:
        found = next((d for d in self.databases if d["id"] == ident), None)
        if found is None:
            return self._missing(ident)
        parts = {"": found, "recovery": self.recovery, "export": self.exports, "connection-info": self.connections}
        return Answer(parts["/".join(rest)])

    def _of_service(
        self, method: str, found: dict[str, Any], rest: list[str], params: dict[str, list[str]], body: Any
    ) -> Answer:
        match method, rest:
            case "GET", []:
                return Answer(found)
            case "PATCH", []:
                found["serviceDetails"] |= body.pop("serviceDetails", {})
                found.update(body)
                found["autoDeployTrigger"] = "commit" if found["autoDeploy"] == "yes" else "off"
                return Answer(found)
            case "GET", ["deploys"]:
                return self._listed("deploy", self.deploys[::-1], params)
            case "GET", ["jobs"]:
                return self._listed("job", self.jobs[::-1], params)
            case "GET", ["deploys" | "jobs" as kind, ident]:
                return self._stepped(self.deploys if kind == "deploys" else self.jobs, ident)
            case "POST", ["deploys", ident, "cancel"]:
                self.steps[ident] = ["canceled"]
                return Answer({})
            case "POST", ["deploys" | "rollback" | "jobs" as kind]:
                begun, steps = self.begins.pop(0)
                (self.jobs if kind == "jobs" else self.deploys).append(begun)
                self.steps[begun["id"]] = steps
                return EMPTY if self.queued else Answer(begun, 201)
            case "POST", ["suspend"]:
                found["suspended"] = "suspended"
                return EMPTY
        return Answer({"message": "not found"}, 404)

    def _stepped(self, among: list[dict[str, Any]], ident: str) -> Answer:
        found = next((one for one in among if one["id"] == ident), None)
        if found is None:
            return self._missing(ident)
        if self.steps.get(ident):
            found["status"] = self.steps[ident].pop(0)
        return Answer(found)

    def _listed(self, resource: str, found: list[dict[str, Any]], params: dict[str, list[str]]) -> Answer:
        limit = int(params.get("limit", ["20"])[0])
        self.limits.append(limit)
        return Answer(page(resource, found, params.get("cursor", [""])[0], limit))

    def _missing(self, ident: str) -> Answer:
        return Answer({"message": f"not found: {ident}"}, 404)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _any(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        body = json.loads(self.rfile.read(length)) if length else None
        said = self.server.render.answer(self.command, self.path, self.headers.get("Authorization", ""), body)  # type: ignore[attr-defined]
        if said.hangs_up:
            self.close_connection = True
            return
        content = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
        self.send_response(said.status)
        for name, value in said.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PATCH = _any

    def log_message(self, *_: object) -> None: ...


@contextlib.contextmanager
def serving(render: Render) -> Iterator[tuple[str, ThreadingHTTPServer]]:
    """(the API's url, the server, whose `render` may be exchanged) while it runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.render = render  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", server
    finally:
        server.shutdown()
        server.server_close()
