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

from state.clean import clean
from tminus.client.messages import (
    Message,
    Reply,
    Snapshot,
    Update,
    View,
    Welcome,
)
from tminus.client.origin import own_origin
from tminus.client.requests import PROTOCOL, Hello, Play, ReadCourse, Request, ShowPlan
from tminus.client.view import merge

LINE_LIMIT = 16 * 1024 * 1024


class EngineGone(Exception):
    """No engine answers on the socket, or it hung up. The run itself is safe in the record."""


class OtherVersion(EngineGone):
    """An engine answers, but in another protocol than ours; the message says which, and what to do."""


class NotUnderstood(EngineGone):
    """An engine answers, but what it sent cannot be read; the message says why."""


class TurnedAway(EngineGone):
    """An engine listens, but hangs up on whoever comes; the message says why."""


class NotKnown(EngineGone):
    """The engine went after it was asked and before it answered: it may have recorded the act, or not."""


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
        self._hello = Hello(name=name, origin=own_origin(), kind=kind, watch=watch)
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Reply]] = {}
        self._changed = asyncio.Event()
        self._gone = asyncio.Event()
        self._first = asyncio.Event()
        self._end: EngineGone = EngineGone("the engine has gone")

    async def __aenter__(self) -> Self:
        try:
            self._reader, self._writer = await asyncio.open_unix_connection(str(self.socket), limit=LINE_LIMIT)
        except FileNotFoundError:
            raise EngineGone("no engine is running here") from None
        except OSError as error:
            raise EngineGone(f"no engine answers at {self.socket.name}: {error.strerror or error}") from error
        self._task = asyncio.create_task(self._read())
        try:
            await self._greet()
        except BaseException:
            # Nobody calls __aexit__ for us: whoever tries again every second would leave a connection each time.
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def _greet(self) -> None:
        with contextlib.suppress(EngineGone):  # it hung up before we spoke: what it said is still to be read
            await self._send(self._hello)
        await self._first.wait()
        if self.welcome is None:
            if isinstance(self._end, NotUnderstood | TurnedAway):
                raise self._end
            raise TurnedAway(
                "the engine hung up at once: it has too many connections, or it has just ended; try again"
            )
        if self.welcome.protocol != PROTOCOL:
            raise OtherVersion(
                f"the engine is tminus {clean(self.welcome.version)}, protocol {self.welcome.protocol}; this screen "
                f"or command speaks protocol {PROTOCOL}. Open it with that version; or end it with that version's "
                "`tminus stop`, and `tminus run` goes on from its record"
            )

    async def _close(self) -> None:
        self._task.cancel()
        self._writer.close()
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await self._writer.wait_closed()

    async def ask(self, request: Request) -> Reply:
        """Send REQUEST and wait for its reply.

        Raises Refused; EngineGone when it could not be sent; NotKnown when the engine ended before it answered.
        """
        number = next(self._numbers)
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        if self._gone.is_set():
            raise EngineGone("the engine has gone: nothing was recorded")
        self._waiting[number] = future
        try:
            await self._send(msgspec.structs.replace(request, id=number))
            reply = await future
        except EngineGone as error:
            if isinstance(request, ShowPlan | Play | ReadCourse):  # these record nothing
                raise
            raise NotKnown(
                "the engine went before it answered: it is not known whether this was recorded. "
                "Look at the item when the engine is back"
            ) from error
        finally:
            self._waiting.pop(number, None)
            if future.done() and not future.cancelled():
                future.exception()  # it may have come while we were sending: it is known, and no warning
        if reply.error:
            raise Refused(reply.error)
        return reply

    async def updates(self) -> AsyncIterator[View]:
        """The view now, and again whenever it changed; changes that come together are yielded as one.

        Raises EngineGone when the engine ends, NotUnderstood when it sends what cannot be read.
        """
        while True:
            if self._gone.is_set():
                raise self._end
            self._changed.clear()
            yield self.view
            await self._changed.wait()

    async def _send(self, request: Request) -> None:
        try:
            line = msgspec.json.encode(request) + b"\n"
        except UnicodeEncodeError as error:
            raise Refused("a name or a text that was given is no UTF-8: write it anew") from error
        try:
            self._writer.write(line)
            await self._writer.drain()
        except OSError as error:
            raise EngineGone("the engine has gone") from error

    async def _read(self) -> None:
        decoder = msgspec.json.Decoder(Message)
        try:
            while line := await self._reader.readline():
                self._take(decoder.decode(line))
        except msgspec.DecodeError as error:
            self._end = NotUnderstood(f"the engine sent a line that is not understood: {clean(str(error))[:100]}")
        except ValueError:  # of readline
            self._end = NotUnderstood(f"the engine sent a line of more than {LINE_LIMIT // 1024**2} MiB")
        except OSError:
            pass  # it has gone
        finally:
            self._gone.set()
            self._first.set()
            self._changed.set()
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(EngineGone(str(self._end)))

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
            case Reply(id=0):
                self._end = TurnedAway(clean(message.error))
            case Reply():
                future = self._waiting.get(message.id)
                if future is not None and not future.done():
                    future.set_result(message)
