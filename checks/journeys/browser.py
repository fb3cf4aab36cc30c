"""Visitors with cookies of their own, who follow redirects step by step."""

from __future__ import annotations

import dataclasses
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urldefrag, urljoin, urlsplit

import httpx

from checks.contract import Stopped
from checks.fetching import ASKING, pieces_of, why_no_answer
from checks.journeys.page import Hop, Page

TIMEOUT = 10.0
BODY = 2 * 2**20
_REDIRECTS = 8
_STATUS = (301, 302, 303, 307, 308)


class NoPage(Exception):
    """No page came of it: WHY in words, and the CHAIN of redirects so far."""

    def __init__(self, why: str, chain: tuple[Hop, ...] = ()) -> None:
        self.why, self.chain = why, chain
        super().__init__(why)


class Browser:
    """Asks BASE_URL. Cookies go by visitor, host and port, so that two sites on one host do not share them."""

    def __init__(self, base_url: str, stop: threading.Event, left: Callable[[], float]) -> None:
        """STOP ends it; LEFT says how many seconds there are."""
        self.base_url = base_url.rstrip("/") + "/"
        self.stop, self.left = stop, left
        self._clients: dict[tuple[str, str, int], httpx.Client] = {}
        self._context: ssl.SSLContext | None = None

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        for client in self._clients.values():
            client.close()

    def address(self, path: str) -> str:
        """PATH as an address: below the base, unless it is a whole one."""
        return path if path.startswith(("http://", "https://")) else urljoin(self.base_url, path.lstrip("/"))

    def cookies(self, visitor: str, url: str = "") -> dict[str, str]:
        """The cookies that VISITOR would send to URL (none: the base)."""
        request = httpx.Request("GET", url or self.base_url)
        client = self._client(visitor, request.url)
        client.cookies.set_cookie_header(request)
        pairs = (pair.partition("=") for pair in request.headers.get("cookie", "").split("; ") if pair)
        return {name: value for name, _, value in pairs}

    def secrets(self) -> list[str]:
        """The value of every cookie that anybody holds."""
        return [cookie.value or "" for client in self._clients.values() for cookie in client.cookies.jar]

    def ask(
        self,
        visitor: str,
        method: str,
        url: str,
        *,
        query: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        cookies: bool = True,
        follow: bool = True,
        stop_before: str = "",
    ) -> Page:
        """What comes back; redirects are followed up to the address STOP_BEFORE. Raises NoPage, Stopped.

        To another host a redirect is followed without the headers, and never with the form: those were meant for
        the first one.
        """
        sending: dict[str, Any] = {"headers": dict(headers or {})}
        if query:
            url = str(httpx.URL(url).copy_merge_params(dict(query)))
        if json is not None:
            sending["json"] = json
        elif form is not None:
            sending["data"] = dict(form)
        chain: list[Hop] = []
        started = time.perf_counter()
        while True:
            page = self._once(visitor, method, url, sending, cookies, tuple(chain))
            location = self._location(url, page)
            chain.append(Hop(method, url, page.status, location))
            if not (location and follow) or (stop_before and _bare(location) == _bare(stop_before)):
                ms = (time.perf_counter() - started) * 1000
                return dataclasses.replace(page, chain=tuple(chain), ms=ms)
            if len(chain) > _REDIRECTS:
                raise NoPage(f"more than {_REDIRECTS} redirects", tuple(chain))
            if urlsplit(location).scheme not in ("http", "https"):
                raise NoPage(f"a redirect to {urlsplit(location).scheme}:, which is no web page", tuple(chain))
            elsewhere = origin(location) != origin(url)
            if page.status == 303 or (page.status in (301, 302) and method == "POST"):
                method = "HEAD" if method == "HEAD" else "GET"
                sending = {"headers": sending["headers"]}
            elif elsewhere and len(sending) > 1:
                raise NoPage(f"a redirect would send the form to {origin(location)}", tuple(chain))
            if elsewhere:
                sending = {"headers": {}}
            url = location

    def _once(
        self, visitor: str, method: str, url: str, sending: dict[str, Any], cookies: bool, chain: tuple[Hop, ...]
    ) -> Page:
        if self.stop.is_set():
            raise Stopped("cancelled")
        seconds = max(0.1, min(TIMEOUT, self.left()))
        until = time.monotonic() + seconds
        try:
            address = httpx.URL(url)
            client = self._client(visitor, address)
            request = client.build_request(method, address, timeout=seconds, **sending)
            if not cookies:
                request.headers.pop("cookie", None)
            answer = client.send(request, stream=True)
            try:
                body, truncated = self._body(answer, until)
            finally:
                answer.close()
        except (httpx.InvalidURL, ValueError) as error:
            raise NoPage(f"{url!r} is no address: {error}", chain) from None
        except _Slow:
            raise NoPage(f"the answer was not at its end within {seconds:.0f} s", chain) from None
        except httpx.HTTPError as error:
            raise NoPage(why_no_answer(error, seconds), chain) from None
        try:
            text = body.decode(answer.charset_encoding or "utf-8", errors="replace")
        except LookupError:
            text = body.decode(errors="replace")
        given = {cookie.name: cookie.value or "" for cookie in client.cookies.jar}
        named = {part.partition("=")[0].strip() for part in answer.headers.get_list("set-cookie")}
        here = {name: value for name, value in given.items() if name in named}
        plain = {name.lower(): value for name, value in answer.headers.items() if name.lower() != "set-cookie"}
        return Page(text, url, answer.status_code, plain, here, chain, truncated)

    def _body(self, answer: httpx.Response, until: float) -> tuple[bytes, bool]:
        pieces, size = [], 0
        for piece in pieces_of(answer):
            pieces.append(piece)
            size += len(piece)
            if size > BODY:
                return b"".join(pieces)[:BODY], True
            if self.stop.is_set():
                raise Stopped("cancelled")
            if time.monotonic() > until:
                raise _Slow
        return b"".join(pieces), False

    def _location(self, url: str, page: Page) -> str:
        said = page.headers.get("location", "")
        if page.status not in _STATUS or not said:
            return ""
        target = urldefrag(urljoin(url, said)).url
        parts = urlsplit(target)
        # A name and a password in the address are taken from ours alone, never from what an answer says.
        ours = urlsplit(url).netloc.rpartition("@")[0]
        host = parts.netloc.rpartition("@")[2]
        keep = f"{ours}@{host}" if ours and origin(target) == origin(url) else host
        return parts._replace(netloc=keep).geturl()

    def _client(self, visitor: str, url: httpx.URL) -> httpx.Client:
        key = (visitor, url.scheme, url.port or (443 if url.scheme == "https" else 80))
        if key not in self._clients:
            if url.scheme == "https":
                self._context = self._context or httpx.create_ssl_context()
                context = self._context
            else:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody, and costs nothing
            self._clients[key] = httpx.Client(verify=context, follow_redirects=False, headers=ASKING)
        return self._clients[key]


class _Slow(Exception):
    pass


def _bare(url: str) -> str:
    return origin(url) + urlsplit(url).path


def origin(url: str) -> str:
    """Scheme, host and port of URL, without a name or a password.

    >>> origin("https://me:pw@Host/x"), origin("http://host:80/")
    ('https://host:443', 'http://host:80')
    """
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = None
    return f"{parts.scheme}://{parts.hostname}:{port or (443 if parts.scheme == 'https' else 80)}"
