"""Real parts: an HTTP server on the loopback that can stall, and a PostgreSQL of our own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import pytest

from rehearsal.postgres import running_postgres


@dataclass
class Server:
    """Answers after DELAY seconds with STATUS and BODY; while OPEN is cleared nobody gets an answer."""

    url: str = ""
    status: int = 200
    delay: float = 0.0
    body: str = "ok"
    requests: int = 0
    open: asyncio.Event = field(default_factory=asyncio.Event)
    goal: int = 0
    reached: asyncio.Event = field(default_factory=asyncio.Event)

    async def after(self, count: int) -> None:
        """Waits for COUNT further requests to have arrived."""
        self.goal = self.requests + count
        self.reached.clear()
        async with asyncio.timeout(10):
            await self.reached.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                self.requests += 1
                if self.requests >= self.goal:
                    self.reached.set()
                await self.open.wait()
                await asyncio.sleep(self.delay)
                body = self.body.encode()
                head = f"HTTP/1.1 {self.status} X\r\nContent-Length: {len(body)}\r\n\r\n"
                writer.write(head.encode() + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    it = Server()
    it.open.set()
    listening = await asyncio.start_server(it.serve, "127.0.0.1", 0)
    it.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"
    yield it
    it.open.set()
    listening.close()


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A server of our own on the loopback, as its superuser; small, so that its limits are near."""
    with running_postgres(fsync=False, settings={"max_connections": "20"}) as server:
        yield server.superuser_url
