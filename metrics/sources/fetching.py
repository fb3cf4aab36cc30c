"""One way to ask over HTTP: bounded, within a deadline, and silent for as long as the other side wants.

No redirect is followed, since the token would go with it; no text from outside gets into an error.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TypeVar

import httpx
import msgspec

from metrics.samples import clock, utc_now
from metrics.sources import SourceError
from metrics.tables import Table

T = TypeVar("T")
Pairs = Sequence[tuple[str, str]]

MAX_BYTES = 8 * 1024 * 1024
_LONGEST, _UNSAID = 3600.0, 60.0  # seconds of silence: at most, and where a 429 does not say how long
_EPOCH = 1e9  # a reset from here on is a moment, below it a delta: Render documents the one and sends the other
_RESETS = ("Retry-After", "X-Sentry-Rate-Limit-Reset", "Ratelimit-Reset")
_REDIRECTS = range(300, 400)

logging.getLogger("httpx").setLevel(logging.WARNING)  # at INFO it tells every URL, which may hold a secret


class StatusError(SourceError):
    """Answered with a status that is none of those asked for."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Reply:
    """What was answered. `at` is the answerer's own time where it says so, so that its clock is judged by its
    own; WHAT names it in errors."""

    what: str
    status: int
    headers: httpx.Headers = field(repr=False)
    body: bytes = field(repr=False)
    at: datetime

    def decoded(self, kind: type[T]) -> T:
        """The body as KIND. Raises SourceError for what is no JSON, not of that shape, or nested without end."""
        try:
            return msgspec.json.decode(self.body, type=kind)
        except (msgspec.MsgspecError, RecursionError, ValueError):
            raise SourceError(f"{self.what}: the answer is not what was expected; is the url right?") from None


def _said(date: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(date)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def silence(headers: Mapping[str, str], at: datetime) -> float:
    """Seconds to ask nothing, of the HEADERS of a 429 answered AT; 1 to 3600, and 60 where they do not say.

    Source: RFC 9110 10.2.3 (seconds or a date), Sentry's X-Sentry-Rate-Limit-Reset (epoch seconds), Render's
    Ratelimit-Reset (seconds left in every recording, epoch seconds in its documentation).
    """
    for name in _RESETS:
        text = headers.get(name, "")
        try:
            seconds = float(text)
        except ValueError:
            until = _said(text) if text else None
            if until is None:
                continue
            seconds = until.timestamp()
        if math.isfinite(seconds):
            left = seconds - at.timestamp() if seconds >= _EPOCH else seconds
            return min(max(left, 1.0), _LONGEST)
    return _UNSAID


class Remote:
    """Asks URL, and names it WHAT in errors. TOKEN goes into the Authorization header and nowhere else; a
    user and a password in URL are taken out of it and sent as basic authentication."""

    def __init__(self, what: str, url: str, *, token: str = "", timeout: float) -> None:
        if timeout <= 0:
            raise ValueError("timeout is over 0")
        whole = httpx.URL(url)
        self._auth = (whole.username, whole.password) if whole.userinfo and not token else None
        self._url = str(whole.copy_with(username=None, password=None))
        self._what, self._token, self._timeout = what, token, timeout
        self._client: httpx.AsyncClient | None = None
        self._silent_until = -math.inf

    async def start(self) -> None:
        headers = {"Accept-Encoding": "gzip"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        self._client = httpx.AsyncClient(
            timeout=self._timeout, headers=headers, auth=self._auth, follow_redirects=False
        )

    async def stop(self) -> None:
        if self._client is not None:
            client, self._client = self._client, None
            await client.aclose()

    async def ask(
        self,
        path: str = "",
        params: Pairs = (),
        *,
        form: Mapping[str, str] | None = None,
        ok: Container[int] = (200,),
        hints: Mapping[int, str] | None = None,
        within: float | None = None,
    ) -> Reply:
        """GET, or POST of FORM, WITHIN so many seconds; a status out of OK is an error, with its hint.

        Raises SourceError: not started, no answer in time, over 8 MiB, rate limited (and then at once, until
        it may ask again); StatusError for any other status.
        """
        if self._client is None:
            raise SourceError(f"{self._what}: the source is not started")
        if (left := self._silent_until - clock()) > 0:
            raise SourceError(f"{self._what}: rate limited, asks again in {math.ceil(left)} s")
        seconds = min(self._timeout, math.inf if within is None else within)
        try:
            async with asyncio.timeout(max(seconds, 0)):
                reply = await self._reply(self._client, path, params, form)
        except TimeoutError:
            raise SourceError(f"{self._what}: no answer in {self._timeout:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError, OSError, ValueError) as error:
            raise SourceError(f"{self._what}: {type(error).__name__}") from None  # its text may hold the URL
        if reply.status == 429:
            wait = silence(reply.headers, reply.at)
            self._silent_until = max(self._silent_until, clock() + wait)
            raise SourceError(f"{self._what}: rate limited, asks again in {math.ceil(wait)} s")
        if reply.status not in ok:
            redirected = "redirects; write the address it leads to" if reply.status in _REDIRECTS else ""
            hint = (hints or {}).get(reply.status, redirected)
            text = f"{self._what}: status {reply.status}{f': {hint}' if hint else ''}"
            raise StatusError(text, reply.status)
        return reply

    async def _reply(
        self, client: httpx.AsyncClient, path: str, params: Pairs, form: Mapping[str, str] | None
    ) -> Reply:
        url = self._url.rstrip("/") + path if path else self._url
        method = "GET" if form is None else "POST"
        body = bytearray()
        # httpx takes params=[] for "drop the query of the URL"
        async with client.stream(method, url, params=list(params) or None, data=form) as reply:
            if reply.headers.get("Content-Encoding", "identity") not in ("identity", "gzip"):
                raise SourceError(f"{self._what}: compressed in a way that was not asked for")
            async for chunk in reply.aiter_bytes():
                body += chunk
                if len(body) > MAX_BYTES:
                    raise SourceError(f"{self._what}: over {MAX_BYTES} bytes")
            at, now = _said(reply.headers.get("Date", "")), utc_now()
            at = at if at is not None and abs(at - now) < timedelta(days=1) else now
            return Reply(self._what, reply.status_code, reply.headers, bytes(body), at)


def url_of(table: Table, default: str | None = None) -> str:
    """The key `url` of TABLE, of http or https. Raises ConfigError for what cannot be asked, without telling it."""
    url = table.url("http", "https", default=default)
    try:
        httpx.URL(url)
    except httpx.InvalidURL:
        raise table.wrong("url", "cannot be asked; # and / in a password are written %23 and %2F") from None
    return url


def token_of(table: Table, default: str | None = None) -> str:
    """The key `token` of TABLE. Raises ConfigError for what cannot be one, without telling it."""
    token = table.text("token", default)
    if not token.isascii() or any(not c.isprintable() or c.isspace() for c in token):
        raise table.wrong("token", "must be one word; is there a line break at its end?")
    return token
