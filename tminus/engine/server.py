"""The engine's end of the socket: who is there, what they ask, and what they are told."""

from __future__ import annotations

import asyncio
import logging
import os
import socket as sockets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from state.clean import clean
from state.events import Actor, utc_text
from tminus.client.messages import Reply, Snapshot, Update, Welcome
from tminus.client.people import Presence
from tminus.client.requests import PROTOCOL, Hello, Look, Request
from tminus.engine.acts import Refusal
from tminus.engine.attendance import Attendance
from tminus.engine.identity import peer
from tminus.engine.session import NotRecorded, Session
from tminus.version import __version__

Answer = Callable[[Actor, Request], Awaitable[dict[str, Any]]]

log = logging.getLogger("tminus.engine")

REQUEST_BYTES = 64 * 1024
BACKLOG_BYTES = 2 * 1024 * 1024
HELLO_WITHIN = 10.0  # seconds
FAREWELL = 5.0  # seconds that a client has to read its last replies
CONNECTIONS = 128
UNDER_WAY = 32  # requests of one connection; more are read when one of these is answered


class Outbox:
    """What a client is still to be told. One that falls behind is sent a fresh snapshot, never waited for."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._lines: list[bytes] = []
        self._bytes = 0
        self._behind = False
        self._ready = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._sent = asyncio.Event()
        self._sent.set()

    def put(self, message: Update | Reply) -> None:
        """Add MESSAGE; updates are dropped for a snapshot once too much is waiting, replies never are."""
        if isinstance(message, Update) and self._behind:
            return
        line = msgspec.json.encode(message) + b"\n"
        if isinstance(message, Update) and self._bytes + len(line) > BACKLOG_BYTES:
            self._behind = True
        else:
            self._lines.append(line)
            self._bytes += len(line)
        if self._bytes > BACKLOG_BYTES:
            self._room.clear()
        self._sent.clear()
        self._ready.set()

    async def room(self) -> None:
        """Wait until the client has read most of what it was told: whoever reads no replies is read no requests."""
        await self._room.wait()

    async def sent(self) -> None:
        """Wait until everything is with the kernel."""
        await self._sent.wait()

    async def drain_into(self, writer: asyncio.StreamWriter) -> None:
        """Write what is there as it comes, until cancelled or the client has gone (OSError)."""
        try:
            while True:
                await self._ready.wait()
                self._ready.clear()
                lines, self._lines, self._bytes = self._lines, [], 0
                writer.writelines(lines)
                await writer.drain()
                if self._behind:
                    self._behind = False
                    writer.write(snapshot_line(self._session))
                    await writer.drain()
                if self._bytes <= BACKLOG_BYTES:
                    self._room.set()
                if not self._ready.is_set():
                    self._sent.set()
        finally:  # it has gone: there is nothing to wait for
            self._room.set()
            self._sent.set()


def snapshot_line(session: Session) -> bytes:
    """The whole view as a line."""
    return msgspec.json.encode(Snapshot(view=session.view)) + b"\n"


class Server:
    """Listens on a Unix socket that only the owner may open, and passes requests on to ANSWER."""

    def __init__(self, session: Session, answer: Answer, attendance: Attendance) -> None:
        self._session = session
        self._answer = answer
        self._attendance = attendance
        self._clients: set[asyncio.Task[None]] = set()
        self._numbers = self._turned_away = 0

    async def listen(self, path: Path, group: int = -1) -> asyncio.Server:
        """Begin to listen at PATH, for the owner and, unless it is -1, for the GROUP of that id."""
        return await asyncio.start_unix_server(self._accept, sock=_bound(path, group), limit=REQUEST_BYTES)

    async def hang_up(self) -> None:
        """Close every connection."""
        for task in list(self._clients):
            task.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._clients) >= CONNECTIONS:
            await self._turn_away(reader, writer)
            return
        task = asyncio.current_task()
        assert task is not None
        self._clients.add(task)
        self._numbers += 1
        number = self._numbers
        try:
            await self._serve(number, reader, writer)
        except (OSError, ValueError, msgspec.DecodeError, asyncio.CancelledError):
            # A client that left, flooded us or spoke rubbish: its own connection ends, nothing else. What it has
            # not read by now it will not: it is not kept for it.
            writer.transport.abort()
        finally:
            self._clients.discard(task)
            writer.close()
            self._attendance.leaves(number)

    async def _turn_away(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Tell somebody that there is no room, when they have said hello; too many of them are told nothing."""
        self._turned_away += 1
        why = f"the engine has {CONNECTIONS} connections already: close one, and come again"
        try:
            if self._turned_away <= CONNECTIONS:
                async with asyncio.timeout(1.0):
                    await reader.readline()
                writer.write(msgspec.json.encode(Reply(id=0, error=why)) + b"\n")
        except (OSError, ValueError):
            pass
        finally:
            self._turned_away -= 1
            writer.close()

    async def _serve(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        decoder = msgspec.json.Decoder(Request)
        async with asyncio.timeout(HELLO_WITHIN):
            hello = decoder.decode(await reader.readline())
        if not isinstance(hello, Hello):
            return
        actor = peer(writer.get_extra_info("socket"), hello.name, hello.origin)
        welcome = Welcome(version=__version__, protocol=PROTOCOL, name=actor.name, uid=actor.uid)
        writer.write(msgspec.json.encode(welcome) + b"\n")
        if hello.protocol != PROTOCOL:
            await writer.drain()
            return
        outbox = Outbox(self._session)
        if hello.watch:
            kind = clean(hello.kind)[:20]
            self._attendance.arrives(number, _presence(actor, kind))
            writer.write(snapshot_line(self._session))
            self._session.listeners.append(outbox.put)
        sender = asyncio.create_task(outbox.drain_into(writer))
        asked: set[asyncio.Task[None]] = set()
        turns = asyncio.Semaphore(UNDER_WAY)

        def answered(task: asyncio.Task[None]) -> None:
            asked.discard(task)
            turns.release()

        try:
            while line := await self._next(reader, outbox, turns):
                request = decoder.decode(line)
                self._attendance.heard(actor.uid)
                if isinstance(request, Look):
                    self._attendance.looks(number, clean(request.item)[:80])
                    outbox.put(Reply(id=request.id))
                    turns.release()
                    continue
                task = asyncio.create_task(self._reply(actor, request, outbox))
                asked.add(task)
                task.add_done_callback(answered)
            # A command that asked and closed its half still gets its answer.
            await asyncio.gather(*asked)
            async with asyncio.timeout(FAREWELL):
                await outbox.sent()
        finally:
            sender.cancel()
            if hello.watch:
                self._session.listeners.remove(outbox.put)

    async def _next(self, reader: asyncio.StreamReader, outbox: Outbox, turns: asyncio.Semaphore) -> bytes:
        """The next line, once there is room for its answer; nothing at the end."""
        await turns.acquire()
        await outbox.room()
        return await reader.readline()

    async def _reply(self, actor: Actor, request: Request, outbox: Outbox) -> None:
        try:
            outbox.put(Reply(id=request.id, data=await self._answer(actor, request)))
        except (Refusal, NotRecorded) as error:
            outbox.put(Reply(id=request.id, error=str(error)))
        except Exception as error:  # whatever it is: whoever asked must not wait for ever
            log.exception("a request failed: %s", type(request).__name__)
            outbox.put(Reply(id=request.id, error=f"the engine failed on this ({type(error).__name__}); see its log"))


def _presence(actor: Actor, kind: str) -> Presence:
    since = utc_text(datetime.now(UTC))
    return Presence(name=actor.name, uid=actor.uid, kind=kind, origin=actor.origin, login=actor.login, since=since)


def _bound(path: Path, group: int) -> sockets.socket:
    """A socket at PATH, mode 0600 from its first moment on: never open for an instant. Then 0660, for a GROUP."""
    path.unlink(missing_ok=True)
    before = os.umask(0o177)
    try:
        listener = sockets.socket(sockets.AF_UNIX, sockets.SOCK_STREAM)
        listener.bind(str(path))
    finally:
        os.umask(before)
    if group != -1:
        os.chown(path, -1, group)
        path.chmod(0o660)
    listener.setblocking(False)
    return listener
