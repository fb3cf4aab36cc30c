"""A connection to PostgreSQL (or PgBouncer) that can neither block the loop nor hang the engine.

Each look runs in a daemon thread of its own, so that one that never comes back holds up nothing, not even the
end of the process; its connection is shut down when its time is over, which wakes whatever waits on it.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

import psycopg2

from metrics.sources import SourceError

T = TypeVar("T")


class Aside:
    """Blocking work beside the loop, one piece at a time, each in a daemon thread of its own."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.busy = False

    async def run(self, work: Callable[[], T], timeout: float, give_up: Callable[[], None] = lambda: None) -> T:
        """What WORK returns or raises. When TIMEOUT seconds have passed, or the caller is cancelled, GIVE_UP is
        called and nobody waits any more. Raises SourceError then, and while an earlier piece is still out."""
        if self.busy:
            raise SourceError(f"{self.what}: the look before has not come back yet")
        self.busy = True
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[T] = loop.create_future()

        def settle(result: Any, error: BaseException | None) -> None:
            if answered.done():
                return
            if error is not None:
                answered.set_exception(error)
            else:
                answered.set_result(result)

        def body() -> None:
            result, failed = None, None
            try:
                result = work()
            except BaseException as error:  # handed over whole to whoever waits
                failed = error
            self.busy = False
            with suppress(RuntimeError):  # the loop has ended, and with it whoever asked
                loop.call_soon_threadsafe(settle, result, failed)

        threading.Thread(target=body, name=f"metrics-{self.what}", daemon=True).start()
        try:
            async with asyncio.timeout(timeout):
                return await asyncio.shield(answered)
        except TimeoutError:
            if answered.done():
                raise  # it is what the work itself says
            raise SourceError(f"{self.what}: no answer in time") from None
        finally:
            if not answered.done():
                give_up()
                answered.add_done_callback(lambda late: late.cancelled() or late.exception())


class Looker:
    """One connection made by CONNECT, kept between looks, for which each look has TIMEOUT seconds."""

    def __init__(self, what: str, connect: Callable[[], Any], timeout: float) -> None:
        self._aside, self._connect, self._timeout = Aside(what), connect, timeout
        self._connection: Any = None
        self._stopped = False

    async def look(self, ask: Callable[[Any], T]) -> T:
        """What ASK says of the connection. Raises SourceError, which names the kind of the failure alone."""

        self._stopped = False

        def work() -> T:
            try:
                if self._connection is None:
                    self._connection = self._connect()
                return ask(self._connection)
            except BaseException:
                self._drop()
                raise
            finally:
                if self._stopped:  # while it was still connecting: nobody else would let go of it
                    self._drop()

        try:
            return await self._aside.run(work, self._timeout, self._cut)
        except psycopg2.Error as error:
            raise SourceError(kind_of(self._aside.what, error)) from None

    def stop(self) -> None:
        """Let go of the connection, without waiting for anybody. A later look makes a new one."""
        self._stopped = True
        if self._aside.busy:
            self._cut()
        else:
            self._drop()

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(psycopg2.Error):
                connection.close()

    def _cut(self) -> None:
        """Shut the connection's socket down under the thread that waits on it."""
        connection = self._connection
        if connection is None:
            return  # still on its way, with a deadline of libpq's own
        with suppress(OSError, psycopg2.Error), socket.socket(fileno=os.dup(connection.fileno())) as wire:
            wire.shutdown(socket.SHUT_RDWR)


def connected(url: str, name: str, timeout: float) -> Any:
    """A connection to URL that calls itself NAME. Raises psycopg2.Error."""
    wait = max(int(timeout), 2)  # libpq takes whole seconds, two at the least
    return psycopg2.connect(
        url,
        application_name=name,
        connect_timeout=wait,
        tcp_user_timeout=wait * 1000,  # a peer that vanished is noticed
    )


def kind_of(what: str, error: psycopg2.Error) -> str:
    """What kind of ERROR it is, and nothing of its text, which may hold the URL."""
    name = type(error).__name__
    return f"{what}: {name} ({error.pgcode})" if error.pgcode else f"{what}: {name}, no answer from the server"
