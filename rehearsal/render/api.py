"""Render's API v1, as far as a cutover needs it: bearer token, pages by cursor, rate limits, errors as JSON."""

import json
import re
import secrets
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from rehearsal.render.limits import Limits
from rehearsal.render.platform import Platform, Refused

PREFIX = "/v1"
DEFAULT_PAGE, MOST_PAGE = 20, 100


@dataclass(frozen=True)
class Asked:
    """A request: WORDS are the parts of its path that vary, BODY its JSON."""

    platform: Platform
    words: tuple[str, ...]
    params: Mapping[str, list[str]]
    body: Any

    def one(self, name: str, default: str = "") -> str:
        return self.params.get(name, [default])[-1]

    def number(self, name: str, default: int, low: int, high: int) -> int:
        """Raises Refused."""
        text = self.one(name, str(default))
        if not text.isdecimal() or not low <= int(text) <= high:
            raise Refused(f"invalid {name}: {text[:40]!r}")
        return int(text)

    def moment(self, name: str, default: datetime) -> datetime:
        """An RFC 3339 time. Raises Refused."""
        text = self.one(name)
        if not text:
            return default
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            raise Refused(f"invalid {name}: {text[:40]!r} is no date-time") from None
        return found if found.tzinfo else found.replace(tzinfo=UTC)

    def fields(self) -> dict[str, Any]:
        """The body, which must be an object. Raises Refused."""
        if not isinstance(self.body, dict):
            raise Refused("invalid request body: an object is needed")
        return self.body


Answer = tuple[int, Any]  # the status, and what becomes JSON; None: an empty body
Route = tuple[str, "re.Pattern[str]", Callable[[Asked], Answer]]


def page(asked: Asked, key: str, found: Sequence[tuple[str, Any]]) -> Answer:
    """A page of FOUND (id, shape): a bare array of {cursor, KEY}. The cursor of an entry is its id, hidden."""
    limit = asked.number("limit", DEFAULT_PAGE, 1, MOST_PAGE)
    after = asked.one("cursor")
    cursors = [ident.encode()[::-1].hex() for ident, _ in found]
    if after and after not in cursors:
        raise Refused("invalid cursor")
    begin = cursors.index(after) + 1 if after else 0
    rows = list(zip(cursors, (shape for _, shape in found), strict=True))[begin : begin + limit]
    return 200, [{"cursor": cursor, key: shape} for cursor, shape in rows]


def routes() -> list[Route]:
    from rehearsal.render import databases, deploys, readings, services

    out: list[Route] = []
    for module in (services, deploys, databases, readings):
        for method, path, handler in module.ROUTES:
            pattern = re.sub(r"\{\w+\}", "([^/]+)", path)
            out.append((method, re.compile(pattern), handler))
    return out


class ApiServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, port: int, platform: Platform, token: str) -> None:
        from rehearsal.render.identity import Identity

        self.platform, self.token = platform, token
        self.routes, self.limits = routes(), Limits()
        self.identity = Identity(platform.stage.oauth_secret)
        super().__init__(("127.0.0.1", port), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """Who hangs up is no error."""

    def answer(self, method: str, target: str, key: str, content: bytes) -> tuple[int, dict[str, str], Any]:
        """What is answered: the status, headers, and what becomes JSON."""
        parts = urlsplit(target)
        path = parts.path.removeprefix(PREFIX)
        if not parts.path.startswith(f"{PREFIX}/"):
            return 404, {}, {"message": "not found"}
        if not secrets.compare_digest(key.encode(), f"Bearer {self.token}".encode()):
            return 401, {}, {"message": "Unauthorized"}
        allowed, headers = self.limits.count(method, path)
        if not allowed:
            return 429, headers, {"message": "rate limit exceeded"}
        matches = [(route, found) for route in self.routes if (found := route[1].fullmatch(path))]
        fitting = [(route, found) for route, found in matches if route[0] == method]
        if not fitting:
            known = {"message": "method not allowed"} if matches else {"message": "not found"}
            return 405 if matches else 404, headers, known
        (_, _, handler), found = fitting[0]
        try:
            body = json.loads(content) if content.strip() else None
        except ValueError:
            return 400, headers, {"message": "invalid JSON"}
        asked = Asked(self.platform, found.groups(), parse_qs(parts.query, keep_blank_values=True), body)
        try:
            status, shape = handler(asked)
        except Refused as refusal:
            return refusal.status, headers, {"message": str(refusal)}
        except KeyError as error:
            return 404, headers, {"message": f"not found: {error.args[0]}"}
        except Exception:
            traceback.print_exc()
            return 500, headers, {"message": "internal server error"}
        return status, headers, shape


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 75.0
    server: ApiServer

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _serve(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > 1_000_000:
            self.close_connection = True
            self._send(413, {}, b'{"message":"the request is too large"}')
            return
        content = self.rfile.read(int(length))
        if self.path.startswith("/identity/"):
            named = {name.title(): value for name, value in self.headers.items()}
            status, headers, body = self.server.identity.answer(self.command, self.path, named, content)
            self._send(status, headers, body)
            return
        if self.path == "/team" and self.command == "POST":
            self._keep_message(content)
            return
        if self.path.startswith("/exports/") and self.command == "GET":
            self._send_export()
            return
        key = self.headers.get("Authorization", "")
        status, headers, shape = self.server.answer(self.command, self.path, key, content)
        body = b"" if shape is None else json.dumps(shape).encode()
        self._send(status, headers, body)

    def _keep_message(self, content: bytes) -> None:
        """What is sent to the team: on the stage nobody reads it, but it can be looked at."""
        with (self.server.platform.layout.folder / "team.jsonl").open("ab") as messages:
            messages.write(content.replace(b"\n", b" ") + b"\n")
        self._send(200, {}, b"")

    def _send_export(self) -> None:
        """The file of an export: its address is as good as a key."""
        from rehearsal.render.databases import export_file

        found = export_file(self.server.platform, self.path.rsplit("/", 1)[1])
        if found is None:
            self._send(404, {}, b'{"message":"not found"}')
        else:
            self._send(200, {"Content-Type": "application/gzip"}, found.read_bytes())

    def _send(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        named = {"Content-Type": "application/json"} | dict(headers)
        if not body:
            del named["Content-Type"]
        named |= {"Content-Length": str(len(body)), "Render-Request-Id": secrets.token_hex(8)}
        lines = [
            f"HTTP/1.1 {status} {self.responses.get(status, ('',))[0]}",
            *(f"{k}: {v}" for k, v in named.items()),
        ]
        if self.close_connection:
            lines.append("Connection: close")
        self.wfile.write("\r\n".join((*lines, "", "")).encode("latin-1") + (b"" if self.command == "HEAD" else body))
