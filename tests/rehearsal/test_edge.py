"""The edge hands on what it is asked and what is answered, and tells who is not there."""

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from rehearsal.ports import free_port
from rehearsal.processes import wait_until
from rehearsal.render.edge import Edge, EdgeServer


class Echo(BaseHTTPRequestHandler):
    """Says what it was asked; waits for `go` before it answers a path that ends in /slow."""

    go = threading.Event()
    name = "one"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
        if self.path.endswith("/slow"):
            self.go.wait(10)
        said = json.dumps({"path": self.path, "host": self.headers["Host"], "body": body, "name": self.name}).encode()
        self.send_response(200)
        self.send_header("Set-Cookie", "a=1")
        self.send_header("Set-Cookie", "b=2")
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(said)

    do_GET = do_HEAD = do_POST


class Echo2(Echo):
    name = "two"


@pytest.fixture(scope="module")
def backends() -> Iterator[list[int]]:
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), kind) for kind in (Echo, Echo2)]
    for server in servers:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield [server.server_address[1] for server in servers]
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def edge(backends: list[int]) -> Iterator[tuple[Edge, str]]:
    made, port = Edge((backends[0], "one")), free_port()
    server = EdgeServer(port, made)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield made, f"http://127.0.0.1:{port}"
    server.shutdown()
    server.server_close()


def client(url: str) -> httpx.Client:
    return httpx.Client(base_url=url, trust_env=False, timeout=10.0, verify=False)


def test_method_path_body_and_cookies_go_through(edge: tuple[Edge, str]) -> None:
    made, url = edge
    with client(url) as browser:
        answer = browser.post("/a%20b?c=d&e", content="héllo")
        assert answer.json() == {"path": "/a%20b?c=d&e", "host": url[7:], "body": "héllo", "name": "one"}
        assert answer.headers.get_list("Set-Cookie") == ["a=1", "b=2"]
        assert browser.post("/", content=iter([b"in ", b"chunks"])).json()["body"] == "in chunks"
        assert browser.head("/").content == b""
        assert int(browser.head("/").headers["Content-Length"]) > 20
    assert [(one.method, one.status) for one in made.answered] == [("POST", 200)] * 2 + [("HEAD", 200)] * 2


def test_what_was_begun_is_answered_by_the_one_that_was_asked(edge: tuple[Edge, str], backends: list[int]) -> None:
    made, url = edge
    Echo.go.clear()
    slow: list[str] = []

    def ask() -> None:
        with client(url) as browser:
            slow.append(browser.get("/slow").json()["name"])

    thread = threading.Thread(target=ask)
    thread.start()
    assert wait_until(lambda: not made.quiet(backends[0]), 5)
    made.point_to((backends[1], "two"))
    with client(url) as browser:
        assert browser.get("/").json()["name"] == "two"
    assert not made.quiet(backends[0])
    Echo.go.set()
    thread.join()
    assert slow == ["one"]
    assert made.quiet(backends[0])


def test_nobody_behind_it_is_said(edge: tuple[Edge, str]) -> None:
    made, url = edge
    with client(url) as browser:
        made.point_to(None, "the service is suspended")
        assert (browser.get("/").status_code, browser.get("/").text) == (503, "the service is suspended\n")
        made.point_to(None)
        assert browser.get("/").status_code == 502
        made.point_to((free_port(), "gone"))
        assert browser.get("/").status_code == 502


@pytest.mark.parametrize(
    "headers", ["Content-Length: -1", "Content-Length: x", "Transfer-Encoding: chunked\r\n\r\nzz"]
)
def test_a_body_that_cannot_be_told_is_refused(edge: tuple[Edge, str], headers: str) -> None:
    with socket.create_connection(("127.0.0.1", int(edge[1].rsplit(":", 1)[1])), timeout=5) as raw:
        raw.sendall(f"POST / HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n".encode())
        assert raw.recv(100).startswith(b"HTTP/1.1 400 ")
