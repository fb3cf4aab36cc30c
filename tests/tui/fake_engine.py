"""An engine made of a script: it speaks the protocol over a real Unix socket and notes what it is asked."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from tminus.client.messages import Reply, Snapshot, Update, View, Welcome
from tminus.client.requests import PROTOCOL, Hello, Look, Request, ShowPlan
from tminus.client.view import merge

Answer = dict[str, Any] | str | Callable[[Any], dict[str, Any]]


class FakeEngine:
    """Listens at `socket`, shows `view`, keeps every request in `asked`, and where the person looked in `looks`.

    `protocol` is the one it says it speaks. With `mute` it takes a request and never answers; with `turns_away` it
    says that and hangs up. `answers` maps a request's type to what is replied: a dict is its data, a string a
    refusal, a function makes the data of it.
    """

    def __init__(self, socket: Path, view: View) -> None:
        self.socket = socket
        self.view = view
        self.asked: list[Request] = []
        self.hellos: list[Hello] = []
        self.looks: list[str] = []
        self.answers: dict[type, Answer] = {}
        self.protocol = PROTOCOL
        self.mute = False
        self.turns_away = ""
        self._writers: set[asyncio.StreamWriter] = set()
        self._asked = asyncio.Event()

    async def __aenter__(self) -> FakeEngine:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        self._server = await asyncio.start_unix_server(self._serve, str(self.socket))

    async def stop(self) -> None:
        self._server.close()
        for writer in list(self._writers):
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        self.socket.unlink(missing_ok=True)

    async def tell(self, update: Update) -> None:
        """Send UPDATE to everyone who watches."""
        self.view = merge(self.view, update)
        for writer in list(self._writers):
            writer.write(msgspec.json.encode(update) + b"\n")
            await writer.drain()

    async def show(self, view: View) -> None:
        """Send VIEW whole."""
        self.view = view
        for writer in list(self._writers):
            writer.write(msgspec.json.encode(Snapshot(view=view)) + b"\n")
            await writer.drain()

    async def babble(self, line: bytes) -> None:
        """Send LINE, whatever it is."""
        for writer in list(self._writers):
            writer.write(line)
            await writer.drain()

    async def request(self, count: int = 1) -> Request:
        """The request number COUNT, when it has come."""
        async with asyncio.timeout(20):
            while len(self.asked) < count:
                self._asked.clear()
                await self._asked.wait()
        return self.asked[count - 1]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        decoder = msgspec.json.Decoder(Request)
        try:
            if self.turns_away:
                writer.write(msgspec.json.encode(Reply(id=0, error=self.turns_away)) + b"\n")
                return
            while line := await reader.readline():
                self._take(decoder.decode(line), writer)
                await writer.drain()
        except OSError:
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    def _take(self, request: Request, writer: asyncio.StreamWriter) -> None:
        def send(message: msgspec.Struct) -> None:
            writer.write(msgspec.json.encode(message) + b"\n")

        if isinstance(request, Hello):
            self.hellos.append(request)
            send(Welcome(version="0.1.0", protocol=self.protocol, name=request.name, uid=os.getuid()))
            if request.watch:
                self._writers.add(writer)
                send(Snapshot(view=self.view))
            return
        if isinstance(request, Look):
            self.looks.append(request.item)
        elif not isinstance(request, ShowPlan):
            self.asked.append(request)
            self._asked.set()
        if self.mute and not isinstance(request, ShowPlan):
            return
        answer = self.answers.get(type(request), {})
        if callable(answer):
            answer = answer(request)
        if isinstance(answer, str):
            send(Reply(id=request.id, error=answer))
        else:
            send(Reply(id=request.id, data=answer))
