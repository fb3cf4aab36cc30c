"""One probe: a request, its parts timed, and why it was not well."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import httpcore

from metrics.samples import clock
from metrics.sources.http.dial import STAGGER, first_of, in_thread
from metrics.sources.http.target import Target

BODY_LIMIT = 1 << 20  # bytes; a reply is done when this much of it is there
KEPT, KEPT_FOR = 6, 5.0  # idle connections, as a browser keeps for a host, and seconds

_STAGES = {"connection.start_tls.started": "TLS", "http11.send_request_headers.started": "first byte"}
_CUT = (httpcore.RemoteProtocolError, httpcore.ReadError, httpcore.WriteError)
_AGAIN = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})  # RFC 9110, 9.2.2: sent twice is as sent once


@dataclass(slots=True)
class Parts:
    """Seconds that the parts of a probe took; None is a part that did not happen, as connecting does not on a
    connection that was kept. `first_byte` counts from the beginning of the send to the reply's headers. `stage` is
    what is under way, `ended` when the reply was there, on the clock."""

    dns: float | None = None
    connect: float | None = None
    tls: float | None = None
    first_byte: float | None = None
    stage: str = "start"
    ended: float | None = None
    _begun: float = 0.0

    async def trace(self, event: str, _: Any) -> None:
        """What httpcore tells of its progress."""
        if event in _STAGES:
            self.stage, self._begun = _STAGES[event], clock()
        elif event == "connection.start_tls.complete":
            self.tls = clock() - self._begun
        elif event == "http11.receive_response_headers.complete":
            self.stage, self.first_byte = "body", clock() - self._begun


@dataclass(frozen=True, slots=True)
class Seen:
    """How a probe ended: WHY it was not well ("" when it was), whether a reply came, and its parts."""

    why: str
    answered: bool
    parts: Parts


_PARTS: ContextVar[Parts] = ContextVar("parts")  # of the probe whose task it is: httpcore connects within it


class Connections:
    """The connections of one target, of no other, so that one that hangs takes nothing from the others.

    httpcore's own pool looks at every connection again for each request, which after a stall that left a hundred
    of them open took half a processor: here the one used last is taken, and few are kept.
    """

    def __init__(self, target: Target, tls: ssl.SSLContext | None) -> None:
        self._target, self._tls, self._network = target, tls, _Network()
        self._address, self._headers = target.address, target.sent_headers  # once: parsing costs a tenth of a probe
        self._idle: list[httpcore.AsyncHTTPConnection] = []

    async def ask(self, parts: Parts) -> tuple[int, bytes]:
        """The status of the reply and the start of its body; fills PARTS. Raises what httpcore raises."""
        request = httpcore.Request(
            self._target.method,
            self._address,
            headers=self._headers,
            content=self._target.body,
            extensions={"trace": parts.trace},
        )
        kept = await self._kept()
        if kept is not None:
            try:
                return await self._on(kept, request, parts)
            except _CUT:
                # Servers end a kept connection when they like, also just as it is used again: RFC 9112, 9.3.1.
                if parts.first_byte is not None or self._target.method not in _AGAIN:
                    raise
        opened = httpcore.AsyncHTTPConnection(
            self._address.origin,
            ssl_context=self._tls,
            keepalive_expiry=KEPT_FOR,
            network_backend=self._network,
        )
        return await self._on(opened, request, parts)

    async def _on(
        self, connection: httpcore.AsyncHTTPConnection, request: httpcore.Request, parts: Parts
    ) -> tuple[int, bytes]:
        try:
            reply = await connection.handle_async_request(request)
            try:
                seen = reply.status, await _start_of(reply)
                parts.ended = clock()  # what is tidied up from here on is no time of the server's
            finally:
                await reply.aclose()
        except BaseException:
            await connection.aclose()
            raise
        keep = self._target.connection == "keep-alive" and len(self._idle) < KEPT
        if keep and connection.is_idle():
            self._idle.append(connection)
        else:
            await connection.aclose()
        return seen

    async def _kept(self) -> httpcore.AsyncHTTPConnection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_idle() and not connection.has_expired():
                return connection
            await connection.aclose()
        return None

    async def aclose(self) -> None:
        """Closes those that are kept."""
        while self._idle:
            await self._idle.pop().aclose()


async def look(connections: Connections, target: Target, seconds: float) -> Seen:
    """Asks TARGET once, for SECONDS at most. Whatever goes wrong is a Seen too: a probe is never dropped."""
    parts = Parts()
    _PARTS.set(parts)
    try:
        async with asyncio.timeout(seconds):
            status, body = await connections.ask(parts)
    except TimeoutError:
        return Seen(f"timeout ({parts.stage})", False, parts)
    except Exception as error:
        return Seen(_reason(error), False, parts)
    if status not in target.expect:
        return Seen(f"status {status}", True, parts)
    if target.contains and target.contains not in body:
        return Seen("text not found", True, parts)
    return Seen("", True, parts)


async def _start_of(reply: httpcore.Response) -> bytes:
    body = bytearray()
    async for chunk in reply.aiter_stream():
        body += chunk[: BODY_LIMIT - len(body)]
        if len(body) >= BODY_LIMIT:
            break
    return bytes(body)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _reason(error: BaseException) -> str:
    """Why, in words of ours: the texts of these errors may hold the URL or what the server sent."""
    for cause in _causes(error):
        match cause:
            case ssl.SSLCertVerificationError():
                return "certificate"
            case ssl.SSLError():
                return "TLS"
            case socket.gaierror():
                return "DNS"
            case ConnectionRefusedError():
                return "refused"
            case httpcore.RemoteProtocolError():
                return "no whole HTTP reply"
    return type(error).__name__


@dataclass(slots=True)
class _Network(httpcore.AsyncNetworkBackend):
    """Looks the host up in a thread of its own and connects to the address, so that both are timed and a resolver
    that hangs holds up nobody else. TLS and the Host header still go by the host's name: they are httpcore's."""

    _inner: httpcore.AsyncNetworkBackend = field(default_factory=httpcore.AnyIOBackend)
    _looking_up: asyncio.Future[list[str]] | None = None

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        parts, begun = _PARTS.get(), clock()
        if _is_address(host):
            addresses = [host]
        else:
            parts.stage = "DNS"
            addresses = await self._addresses(host, port)
            parts.dns = clock() - begun
        parts.stage, begun = "connect", clock()
        stream = await first_of(
            addresses,  # `look` has the deadline
            lambda one: self._inner.connect_tcp(one, port, None, local_address, socket_options),
            STAGGER,
        )
        parts.connect = clock() - begun
        return stream

    async def _addresses(self, host: str, port: int) -> list[str]:
        """One look-up at a time, shared by the probes that wait for it: a resolver that hangs costs one thread."""
        if self._looking_up is None or self._looking_up.done():
            self._looking_up = in_thread(lambda: _look_up(host, port), "prober-dns")
            self._looking_up.add_done_callback(_heard)
        return await asyncio.shield(self._looking_up)


def _look_up(host: str, port: int) -> list[str]:
    try:
        rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:  # a label that is too long for DNS
        raise socket.gaierror("no host's name") from None
    return list(dict.fromkeys(str(row[4][0]) for row in rows))


def _heard(found: asyncio.Future[list[str]]) -> None:
    """Nobody may be left that waits: then asyncio would report the failure as one that was never looked at."""
    if not found.cancelled():
        found.exception()


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
