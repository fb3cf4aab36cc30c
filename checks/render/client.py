"""Asking Render's API: one bearer token, paging by cursor, and patience with its rate limits.

Source: Render API v1 and the generated client types of render-oss/cli. What was recorded of it is followed where its
documentation says otherwise: `Ratelimit-Reset` counts seconds.
"""

from __future__ import annotations

import functools
import ssl
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal, Self, TypeVar

import httpx
import msgspec

from checks.addresses import allowed
from checks.contract import Context, Stopped
from checks.fetching import ASKING, pieces_of
from checks.render.shapes import ErrorBody
from metrics.sources.fetching import MAX_BYTES, silence
from metrics.sources.render import API
from state.durations import format_duration
from state.redact import MASK

T = TypeVar("T")
Pairs = Sequence[tuple[str, str]]
Method = Literal["GET", "POST", "PATCH"]

PAGE = 100  # the most that one page holds
_TRIES = 3  # of what may be asked again
_TURNS = 20  # waits for a rate limit, of one question
_MOST_PAGES = 50
_ONE_ANSWER = 15.0  # seconds
_SAID = 300  # characters of an error's text


class RenderError(Exception):
    """Could not look: no answer, no key, an answer that cannot be read. No secret is in its text."""

    def __init__(self, what: str, hint: str = "") -> None:
        self.what, self.hint = what, hint
        super().__init__(what)


class NotConfigured(RenderError):
    """A setting is missing, so that nothing was asked."""


class Missing(RenderError):
    """Looked, and it is not there."""


class Refused(RenderError):
    """A change was understood, and refused."""


class AnswerLost(RenderError):
    """A change was sent and its answer did not come: it was carried out, or it was not."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What was answered to WHAT ("GET /postgres")."""

    what: str
    status: int
    headers: httpx.Headers = field(repr=False)
    body: bytes = field(repr=False)

    def decoded(self, kind: type[T]) -> T:
        """The body as KIND. Raises RenderError, which names the field that is missing or of another type."""
        if not self.body.strip():
            raise RenderError(f"{self.what}: an empty answer (status {self.status})", "try again")
        try:
            return msgspec.json.decode(self.body, type=kind)
        except msgspec.ValidationError as error:
            hint = "is api_url right? If it is, Render has changed its API"
            raise RenderError(f"{self.what}: an answer of another shape: {error}", hint) from None
        except (msgspec.MsgspecError, RecursionError, ValueError):
            raise RenderError(f"{self.what}: the answer is not JSON", "is api_url right?") from None


@functools.cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()  # reading the certificates costs more than a request


class Api:
    """Render's API at URL for one check, within its deadline, or WITHIN seconds. A context manager."""

    def __init__(self, ctx: Context, token: str, url: str = API, *, within: float = float("inf")) -> None:
        if not allowed(url):
            raise RenderError("api_url must be https (http for this machine alone)", f'write api_url = "{API}"')
        if not token.isascii() or any(not c.isprintable() or c.isspace() for c in token):
            raise RenderError("the API key is not one word", "is there a line break at its end?")
        self._ctx, self._token = ctx, token
        self._until = time.monotonic() + min(within, ctx.seconds_left - 0.5)
        self._free_at = 0.0  # when questions may be asked again
        self._client = httpx.Client(
            base_url=url.rstrip("/"),
            headers={"Authorization": f"Bearer {token}", "Accept": "application/json", **ASKING},
            follow_redirects=False,
            verify=_tls(),
            trust_env=url.startswith("https"),  # no proxy stands between this machine and itself
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def get(self, path: str, kind: type[T], params: Pairs = ()) -> T:
        """GET of PATH as KIND. Raises RenderError; Missing for a 404 of the API's own."""
        return self._ask("GET", path, params).decoded(kind)

    def listing(self, path: str, key: str, kind: type[T], params: Pairs = (), *, most: int = 5000) -> list[T]:
        """Every KEY of a list that comes in pages of `{"cursor": …, KEY: {…}}`, MOST of them at the most."""
        found: list[T] = []
        cursors: set[str] = set()
        limit = min(PAGE, most)
        after: Pairs = ()
        for _ in range(_MOST_PAGES):
            reply = self._ask("GET", path, [*params, ("limit", str(limit)), *after])
            page = reply.decoded(list[dict[str, msgspec.Raw]])
            for number, entry in enumerate(page):
                if key not in entry:
                    raise RenderError(f"{reply.what}: an answer of another shape: no `{key}` in entry {number}")
                one = Reply(f"{reply.what}, entry {number}", reply.status, reply.headers, bytes(entry[key]))
                found.append(one.decoded(kind))
            last = page[-1].get("cursor") if page else None
            cursor = msgspec.json.decode(last) if last is not None else None
            if len(page) < limit or not isinstance(cursor, str) or cursor in cursors or len(found) >= most:
                return found[:most]
            cursors.add(cursor)
            after = (("cursor", cursor),)
        raise RenderError(f"GET {path}: the list has no end", "give an id instead of a name")

    def change(self, method: Literal["POST", "PATCH"], path: str, body: Mapping[str, Any] | None = None) -> Reply:
        """POST or PATCH, with BODY as JSON. An empty answer (202) is an answer.

        A PATCH sets values, so it may be sent again; a POST is sent again only when it surely was not carried out:
        the connection was refused, or the rate limit spoke. Raises Refused, AnswerLost, RenderError.
        """
        return self._ask(method, path, (), body)

    def pause(self, seconds: float) -> bool:
        """Wait so long; False, at once, when that is longer than there is time. Raises Stopped on cancellation."""
        if self.seconds_left <= seconds:
            return False
        if self._ctx.cancelled.wait(seconds):
            raise Stopped("cancelled")
        return True

    @property
    def seconds_left(self) -> float:
        """Until nothing more is asked."""
        return self._until - time.monotonic()

    def _ask(self, method: Method, path: str, params: Pairs, body: Mapping[str, Any] | None = None) -> Reply:
        what, again, failures = f"{method} {path}", method != "POST", 0
        for _ in range(_TURNS):
            self._take_turn(what, method)
            try:
                reply = self._once(what, method, path, params, body)
            except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
                failures += 1  # nothing was sent
                trouble: RenderError = RenderError(f"{what}: no connection ({_kind(error)})", "is api_url right?")
            except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError) as error:
                failures += 1
                if not again:
                    raise AnswerLost(f"{what}: sent, and no answer came ({_kind(error)})", _LOOK_FIRST) from None
                trouble = RenderError(f"{what}: no answer ({_kind(error)})", "see status.render.com")
            else:
                if reply.status == 429:
                    self._wait(what, silence(reply.headers, datetime.now(UTC)))
                    continue
                if reply.status < 500:
                    return self._judged(reply, method)
                failures += 1
                text = f"{what}: status {reply.status}{self._said(reply)}"
                if not again:
                    raise AnswerLost(text, _LOOK_FIRST)
                trouble = RenderError(text, "see status.render.com")
            if failures >= _TRIES or not self.pause(0.25 * 4**failures):
                raise trouble
        raise RenderError(f"{what}: rate limited again and again", "another tool uses up the limit; try again later")

    def _once(self, what: str, method: Method, path: str, params: Pairs, body: Mapping[str, Any] | None) -> Reply:
        seconds = min(_ONE_ANSWER, max(self.seconds_left, 0.1))
        until = time.monotonic() + seconds
        content = bytearray()
        sent = None if body is None else dict(body)
        with self._client.stream(method, path, params=list(params) or None, timeout=seconds, json=sent) as answer:
            for piece in pieces_of(answer):
                content += piece
                if len(content) > MAX_BYTES:
                    raise RenderError(f"{what}: over {MAX_BYTES} bytes")
                if time.monotonic() > until:
                    raise TimeoutError("the answer did not end")
        if method == "GET" and answer.headers.get("Ratelimit-Remaining") == "0" and answer.status_code != 429:
            self._free_at = time.monotonic() + silence(answer.headers, datetime.now(UTC))
        return Reply(what, answer.status_code, answer.headers, bytes(content))

    def _take_turn(self, what: str, method: Method) -> None:
        if self._ctx.cancelled.is_set():
            raise Stopped("cancelled")
        if self.seconds_left <= 0:
            raise RenderError(f"{what}: no time left to ask", "give it a longer timeout")
        if method == "GET" and (left := self._free_at - time.monotonic()) > 0:
            self._wait(what, left)

    def _wait(self, what: str, seconds: float) -> None:
        """Until the rate limit allows more. Raises RenderError when that is after the deadline."""
        if seconds < self.seconds_left:
            self._ctx.log(f"{what}: rate limited, asks again in {format_duration(seconds)}")
        if not self.pause(seconds):
            hint = "another tool uses up the limit; try again later"
            raise RenderError(f"{what}: rate limited for {format_duration(seconds)}, longer than there is time", hint)

    def _judged(self, reply: Reply, method: Method) -> Reply:
        if 200 <= reply.status < 300:
            return reply
        said = self._said(reply)
        text = f"{reply.what}: status {reply.status}{said}"
        if reply.status == 401:
            raise RenderError(text, "the API key is refused: make a new one in the dashboard, Account Settings")
        if reply.status == 403:
            raise RenderError(text, "this API key may not do that: is it of the right workspace?")
        if reply.status in (404, 410):
            if not said:  # Render says what it did not find; something else did not
                raise RenderError(text, "is api_url right?")
            raise Missing(text, "is the id right, and is it of this API key's workspace?")
        if 300 <= reply.status < 400:
            raise RenderError(f"{reply.what}: redirects (status {reply.status})", "write the address it leads to")
        if method != "GET":
            raise Refused(text, "see what it says; a plan may not have this")
        raise RenderError(text, "is the id right?")

    def _said(self, reply: Reply) -> str:
        """What an error says of itself, where it says it as Render does; without the token."""
        try:
            error = msgspec.json.decode(reply.body, type=ErrorBody)
        except (msgspec.MsgspecError, RecursionError, ValueError):
            return ""
        text = (error.message or error.code or "").replace(self._token, MASK)[:_SAID]
        return f": {text}" if text else ""


_LOOK_FIRST = "it may have been carried out: look in the dashboard before you do it again"


def _kind(error: BaseException) -> str:
    # An error's own text may hold the URL; its type says enough.
    return type(error).__name__
