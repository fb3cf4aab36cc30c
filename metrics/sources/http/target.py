"""What is probed: a request, and what makes its reply well."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import httpcore
import httpx

from metrics.tables import Table

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, 5.6.2: the name of a header
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Target:
    """A request, and what makes its reply well. URL, headers and body may hold secrets: its repr leaves them out.

    expect      the statuses that are well
    name        how details call it; "" is its number
    contains    bytes that the first MiB of the body must hold
    timeout     seconds; None is the prober's
    connection  "new" opens a connection for each probe, so that look-up, connect and TLS are measured every time
    """

    url: str = field(repr=False)
    expect: frozenset[int] = frozenset({200})
    name: str = ""
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)
    contains: bytes = field(default=b"", repr=False)
    timeout: float | None = None
    connection: Literal["keep-alive", "new"] = "keep-alive"

    @property
    def address(self) -> httpcore.URL:
        """Where it goes, the host in the form that DNS and TLS take. Raises httpx.InvalidURL."""
        url = httpx.URL(self.url)
        return httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)

    @property
    def sent_headers(self) -> list[tuple[bytes, bytes]]:
        """HEADERS, and those that go without saying. The body is asked for as it is, so that CONTAINS can be
        looked for; a name and password in the URL are sent as Basic authentication."""
        url = httpx.URL(self.url)
        ours = {"Host": url.netloc.decode("ascii"), "Accept": "*/*", "Accept-Encoding": "identity"}
        ours["User-Agent"] = "tminus"
        if self.connection == "new":
            ours["Connection"] = "close"
        if url.userinfo:
            plain = f"{url.username}:{url.password}".encode()
            ours["Authorization"] = "Basic " + base64.b64encode(plain).decode("ascii")
        if self.body or self.method in ("POST", "PUT", "PATCH"):
            ours["Content-Length"] = str(len(self.body))
        given = {name.lower() for name in self.headers}
        left = {name: value for name, value in ours.items() if name.lower() not in given}
        return [(name.encode("ascii"), value.encode()) for name, value in (left | dict(self.headers)).items()]


def target_of(table: Table, number: str) -> Target:
    """The target that TABLE describes; NUMBER is its name when it gives none. Raises ConfigError."""
    url = table.url("http", "https")
    try:
        host = httpx.URL(url).raw_host
    except httpx.InvalidURL:
        host = b""
    if not host:  # a resolver takes no name at all for this machine
        raise table.wrong("url", "is no URL that can be asked")
    expect = table.take("expect", [200])
    if not isinstance(expect, list) or not expect or not all(_is_status(code) for code in expect):
        raise table.wrong("expect", "must be a list of HTTP statuses, as in [200, 204]")
    headers = table.mapping("headers")
    body = _body(table, headers)
    timeout = table.seconds("timeout", 0.0)
    connection = table.choice("connection", "keep-alive", "new")
    target = Target(
        url,
        frozenset(expect),
        table.text("name", number),
        table.choice("method", *METHODS),
        headers,
        body,
        table.text("contains", "").encode(),
        timeout or None,
        "new" if connection == "new" else "keep-alive",
    )
    if target.contains and target.method == "HEAD":
        raise table.wrong("contains", "cannot hold: a reply to HEAD has no body")
    table.done()
    return target


def _body(table: Table, headers: dict[str, str]) -> bytes:
    """The body, which may add its type to HEADERS."""
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name) or _CONTROL.search(value) or value != value.strip():
            raise table.wrong("headers", "must be names of headers with texts of one line, without spaces around")
        if name.lower() in ("content-length", "transfer-encoding", "connection"):
            raise table.wrong(
                "headers", "cannot give the length of the body or the connection: they are the prober's"
            )
    body, structured = table.text("body", ""), table.take("json")
    if structured is None:
        return body.encode()
    if body or not isinstance(structured, Mapping):
        raise table.wrong("json", "must be a table, and stand without body")
    if "content-type" not in {name.lower() for name in headers}:
        headers["Content-Type"] = "application/json"
    try:
        return json.dumps(structured, allow_nan=False).encode()
    except (TypeError, ValueError):
        raise table.wrong("json", "must hold what JSON can say: no dates, no NaN") from None


def _is_status(code: object) -> bool:
    return isinstance(code, int) and not isinstance(code, bool) and 100 <= code <= 599
