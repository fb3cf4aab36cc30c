"""The client's end of the socket: ask, and follow."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from tminus.client.messages import (
    Message,
    Reply,
    Snapshot,
    Update,
    View,
    Welcome,
)
from tminus.client.requests import PROTOCOL, Hello, Request
from tminus.client.view import merge

LINE_LIMIT = 16 * 1024 * 1024


class EngineGone(Exception):
    """No engine answers on the socket, or it hung up. The run itself is safe in the record."""


class Refused(Exception):
    """The engine said no; the message says why and what to do."""


class Client:
    """A connection to the engine of a run.

    `view` is the latest state if the client watches; `updates()` yields it anew at every change. Requests are
    awaited one by one or together; each returns its `Reply` or raises Refused.
    """

    def __init__(self, socket: Path, *, name: str = "", kind: str = "command", watch: bool = False) -> None:
        self.socket = socket
        self.view = View()
        self.welcome: Welcome | None = None
        self._hello = Hello(name=name, kind=kind, watch=watch)
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Reply]] = {}
        self._changed = asyncio.Event()
        self._gone = asyncio.Event()
        self._first = asyncio.Event()

    async def __aenter__(self) -> Self:
        try:
            self._reader, self._writer = await asyncio.open_unix_connection(str(self.socket), limit=LINE_LIMIT)
        except OSError as error:
            raise EngineGone(f"no engine answers at {self.socket.name}: {error.strerror or error}") from error
        self._task = asyncio.create_task(self._read())
        await self._send(self._hello)
        await self._first.wait()
        if self.welcome is None:
            raise EngineGone("the engine hung up at once: you may not be allowed in")
        if self.welcome.protocol != PROTOCOL:
            raise EngineGone(
                f"the engine speaks protocol {self.welcome.protocol} (tminus {self.welcome.version}), this client "
                f"{PROTOCOL}: use the same version, or `tminus stop` and start it again"
            )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._task.cancel()
        self._writer.close()
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await self._writer.wait_closed()

    async def ask(self, request: Request) -> Reply:
        """Send REQUEST and wait for its reply. Raises Refused, or EngineGone when the engine ends meanwhile."""
        number = next(self._numbers)
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        if self._gone.is_set():
            raise EngineGone("the engine has gone")
        self._waiting[number] = future
        try:
            await self._send(msgspec.structs.replace(request, id=number))
            reply = await future
        finally:
            self._waiting.pop(number, None)
        if reply.error:
            raise Refused(reply.error)
        return reply

    async def updates(self) -> AsyncIterator[View]:
        """The view now, and again whenever it changed; changes that come together are yielded as one.

        Raises EngineGone when the engine ends.
        """
        while True:
            self._changed.clear()
            yield self.view
            await self._changed.wait()
            if self._gone.is_set():
                raise EngineGone("the engine has gone")

    async def _send(self, request: Request) -> None:
        try:
            self._writer.write(msgspec.json.encode(request) + b"\n")
            await self._writer.drain()
        except OSError as error:
            raise EngineGone("the engine has gone") from error

    async def _read(self) -> None:
        decoder = msgspec.json.Decoder(Message)
        try:
            while line := await self._reader.readline():
                self._take(decoder.decode(line))
        except (OSError, ValueError, msgspec.DecodeError):
            pass  # an engine that dies or speaks rubbish is gone, either way
        finally:
            self._gone.set()
            self._first.set()
            self._changed.set()
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(EngineGone("the engine has gone"))

    def _take(self, message: Message) -> None:
        match message:
            case Welcome():
                self.welcome = message
                if not self._hello.watch or message.protocol != PROTOCOL:
                    self._first.set()
            case Snapshot():
                self.view = message.view
                self._first.set()
                self._changed.set()
            case Update():
                self.view = merge(self.view, message)
                self._changed.set()
            case Reply():
                future = self._waiting.get(message.id)
                if future is not None and not future.done():
                    future.set_result(message)
