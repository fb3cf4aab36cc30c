"""A web server as an attacker would run it: real HTTP, hostile in every part of an answer."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import brotli
from hostile import EVERYTHING, storable

TEXT = storable(EVERYTHING)
HEADER = TEXT.replace("\n", " ").replace("\r", " ").encode("latin-1", "replace").decode("latin-1")
BOMB = 32 * 1024 * 1024


class Evil(BaseHTTPRequestHandler):
    """`/text`, `/status`, `/json`, `/nested`, `/deep`, `/brotli`, `/gzip`, `/drip`, `/to/PORT`, `/file`, `/echo`."""

    protocol_version = "HTTP/1.1"
    heard: list[dict[str, str]]

    def log_message(self, *_: object) -> None:
        pass

    body: bytes = b""

    def do_POST(self) -> None:
        if self.headers.get("Transfer-Encoding") != "chunked":
            self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.do_GET()

    do_PUT = do_PATCH = do_HEAD = do_POST

    def do_GET(self) -> None:
        self.heard.append(dict(self.headers))
        what, _, rest = self.path.strip("/").partition("/")
        with suppress(OSError):  # whoever asked had enough
            getattr(self, f"_{what.partition('?')[0]}", self._text)(rest)

    def _send(self, body: bytes, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "text/html; charset=utf-8", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _text(self, _: str) -> None:
        self._send(TEXT.encode() + b"\x9b31337A\xff", X_Evil=HEADER, Server=HEADER, Set_Cookie=f"a={HEADER[:80]}")

    def _status(self, _: str) -> None:
        self.wfile.write(f"HTTP/1.1 503 {HEADER}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode("latin-1"))
        self.close_connection = True

    def _json(self, _: str) -> None:
        self._send(json.dumps({"ok": TEXT, TEXT: TEXT, "message": TEXT, "id": TEXT, "status": TEXT}).encode(), 403)

    def _echo(self, _: str) -> None:
        """All that was asked, as a page of debugging does it: in JSON, and a session and a token of its own."""
        asked = {"message": f"denied: {dict(self.headers)} {self.body!r}", "headers": dict(self.headers)}
        page = f'<input name="csrf_token" value="c4n4ry-csrf-of-the-site"><p>{self.path} {json.dumps(asked)} {self.body!r}'
        session = "session=c4n4ry-cookie-of-the-site; Path=/"
        wanted = "json" in self.headers.get("Accept", "")
        self._send((json.dumps(asked) if wanted else page).encode(), 403, Set_Cookie=session)

    def _git(self, _: str) -> None:
        """A repository that wants a name and a password, and says them back."""
        if "Authorization" in self.headers:
            self._send(f"no: {self.headers['Authorization']}".encode(), 403)
        else:
            self._send(b"", 401, WWW_Authenticate='Basic realm="git"')

    def _deep(self, _: str) -> None:
        self._send(b"[" * 200_000, Content_Type="application/json")

    def _brotli(self, _: str) -> None:
        self._send(brotli.compress(bytes(BOMB), quality=1), Content_Encoding="br")

    def _nested(self, _: str) -> None:
        self._send(gzip.compress(gzip.compress(bytes(BOMB), 1), 1), Content_Encoding="gzip, gzip")

    def _gzip(self, _: str) -> None:
        self._send(gzip.compress(bytes(BOMB), 1), Content_Encoding="gzip")

    def _drip(self, _: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "100000")
        self.end_headers()
        ended = threading.Event()
        for _second in range(100):
            self.wfile.write(b"x")
            self.wfile.flush()
            ended.wait(0.1)

    def _to(self, port: str) -> None:
        self._send(b"", 302, Location=f"http://localhost:{port}/text")

    def _file(self, _: str) -> None:
        self._send(b"", 302, Location="file:///etc/passwd")

    def _hostile(self, _: str) -> None:
        self._send(b"", 302, Location=f"http://evil.example/{HEADER}")


@contextmanager
def evil_server() -> Iterator[tuple[int, list[dict[str, str]]]]:
    """The port of a server, and the headers of every request that it heard."""
    heard: list[dict[str, str]] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Ours", (Evil,), {"heard": heard}))
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1], heard
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
