"""The edge in front of a service: the address that stays while instances come and go.

Each request goes to the instance that is the target in that moment, over a connection of its own, so that a
change of the target lies between two requests: none is lost. `busy` counts what an instance still has to answer.
"""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import uuid4

HOP_BY_HOP = frozenset({
    "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding",
    "upgrade", "proxy-connection", "content-length",
})  # fmt: skip
MOST_BODY = 64 * 1024 * 1024
KEPT = 200_000  # answers that are remembered
INSTANCE_ANSWERS_IN = 100.0  # seconds, as Render's edge


@dataclass(frozen=True, slots=True)
class Answered:
    """A request that was answered: AT is when, seconds since the epoch."""

    at: float
    method: str
    path: str
    status: int
    seconds: float
    instance: str
    request: str


@dataclass
class Edge:
    """Where the requests of one service go. TARGET is (port, instance), None: nowhere, and WHY."""

    target: tuple[int, str] | None = None
    why: str = "there is no instance"
    answered: deque[Answered] = field(default_factory=lambda: deque(maxlen=KEPT))
    busy: Counter[int] = field(default_factory=Counter)
    told: Callable[[Answered], None] = field(default=lambda _: None)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def point_to(self, target: tuple[int, str] | None, why: str = "there is no instance") -> None:
        with self.lock:
            self.target, self.why = target, why

    def enter(self) -> tuple[int, str] | None:
        """The target, with one more request on its way to it."""
        with self.lock:
            if self.target is not None:
                self.busy[self.target[0]] += 1
            return self.target

    def leave(self, port: int) -> None:
        with self.lock:
            self.busy[port] -= 1

    def quiet(self, port: int) -> bool:
        """Whether nothing is on its way to the instance on PORT."""
        with self.lock:
            return self.busy[port] <= 0


class EdgeServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, port: int, edge: Edge) -> None:
        self.edge = edge
        super().__init__(("127.0.0.1", port), _Handler)

    def handle_error(self, request: object, client_address: object) -> None:
        """A visitor who hangs up is no error."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 75.0  # of an idle connection
    server: EdgeServer

    def __getattr__(self, name: str) -> Callable[[], None]:
        if name.startswith("do_"):  # every method there is
            return self._forward
        raise AttributeError(name)

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _forward(self) -> None:
        began = time.perf_counter()
        body = self._body()
        if body is None:
            self.close_connection = True
            self._send(400, "Bad Request", [], b"Bad request.\n", began, "")
            return
        edge, refused = self.server.edge, time.monotonic() + 2.0
        while True:
            target = edge.enter()
            if target is None:
                status = 503 if "suspended" in edge.why else 502
                self._send(status, "Unavailable", [], f"{edge.why}\n".encode(), began, "")
                return
            try:
                status, reason, headers, answer = self._ask(target[0], body)
            except ConnectionRefusedError:  # nothing was sent; another instance may be the target by now
                if time.monotonic() < refused and edge.target != target:
                    continue
                status, reason, headers, answer = 502, "Bad Gateway", [], b"The instance does not listen.\n"
            except (OSError, HTTPException, ValueError):
                status, reason, headers, answer = 502, "Bad Gateway", [], b"The instance did not answer.\n"
            finally:
                edge.leave(target[0])
            self._send(status, reason, headers, answer, began, target[1])
            return

    def _body(self) -> bytes | None:
        """What was sent with the request; None when that cannot be told."""
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return self._chunks()
        length = self.headers.get("Content-Length", "0")
        if not length.isdecimal() or int(length) > MOST_BODY:
            return None
        return self.rfile.read(int(length))

    def _chunks(self) -> bytes | None:
        out = bytearray()
        while True:
            try:
                size = int(self.rfile.readline(100).split(b";")[0], 16)
            except ValueError:
                return None
            if not 0 <= size <= MOST_BODY - len(out):
                return None
            out += self.rfile.read(size)
            line = self.rfile.readline(8192)
            while not size and line.strip():  # after the last chunk there may be more headers
                line = self.rfile.readline(8192)
            if line.strip():
                return None
            if not size:
                return bytes(out)

    def _ask(self, port: int, body: bytes) -> tuple[int, str, list[tuple[str, str]], bytes]:
        connection = HTTPConnection("127.0.0.1", port, timeout=INSTANCE_ANSWERS_IN)
        try:
            connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() not in HOP_BY_HOP:
                    connection.putheader(name, value)
            connection.putheader("X-Forwarded-For", self.client_address[0])
            connection.putheader("Connection", "close")
            if body or self.command in ("POST", "PUT", "PATCH"):
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body or None)
            answer: HTTPResponse = connection.getresponse()
            length = answer.getheader("Content-Length")
            content = answer.read()
            headers = [(name, value) for name, value in answer.getheaders() if name.lower() not in HOP_BY_HOP]
            if self.command == "HEAD" and length is not None:
                headers.append(("Content-Length", length))
            return answer.status, answer.reason, headers, content
        finally:
            connection.close()

    def _send(
        self, status: int, reason: str, headers: list[tuple[str, str]], body: bytes, began: float, instance: str
    ) -> None:
        request = uuid4().hex[:16]
        lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers)]
        lines.append(f"Rndr-Id: {request}")
        if self.command != "HEAD" and status not in (204, 304):
            lines.append(f"Content-Length: {len(body)}")
        else:
            body = b""
        if self.close_connection:
            lines.append("Connection: close")
        head = "\r\n".join((*lines, "", "")).encode("latin-1", errors="replace")
        seconds = time.perf_counter() - began
        said = Answered(time.time(), self.command, self.path, status, seconds, instance, request)
        self.server.edge.answered.append(said)
        self.server.edge.told(said)
        self.wfile.write(head + body)
