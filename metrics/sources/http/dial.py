"""Waiting without holding up: threads of the prober's own, and addresses tried side by side."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar, cast

import httpcore

T = TypeVar("T")
Stream = httpcore.AsyncNetworkStream
STAGGER = 0.3  # seconds until the next address is tried too; RFC 8305, section 8 recommends 250 ms, and 2 s at most


def in_thread(call: Callable[[], T], name: str) -> asyncio.Future[T]:
    """What CALL gives or raises, from a daemon thread NAME of its own: neither asyncio's shared pool nor the end of
    the process waits for it. Raises RuntimeError when the system has no thread to give."""
    loop = asyncio.get_running_loop()
    given: asyncio.Future[T] = loop.create_future()

    def deliver(result: T | None, error: Exception | None) -> None:
        if given.done():  # nobody waits any more
            return
        if error is not None:
            given.set_exception(error)
        else:
            given.set_result(cast(T, result))

    def run() -> None:
        result, failure = None, None
        try:
            result = call()
        except Exception as error:
            failure = error
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(deliver, result, failure)

    threading.Thread(target=run, daemon=True, name=name).start()
    return given


async def first_of(addresses: Sequence[str], dial: Callable[[str], Awaitable[Stream]], after: float) -> Stream:
    """The first connection that stands. The next address is tried as soon as the one before fails, or AFTER seconds
    without an answer, while that one goes on: a lost packet costs a retry of TCP's, and not the address.

    Raises what the last one raised; OSError without addresses.
    """
    if len(addresses) == 1:
        return await dial(addresses[0])
    left, under_way = deque(addresses), set[asyncio.Future[Stream]]()
    failure: Exception = OSError("no address")
    try:
        while left or under_way:
            if left:
                under_way.add(asyncio.ensure_future(dial(left.popleft())))
            done, under_way = await asyncio.wait(
                under_way, timeout=after if left else None, return_when=asyncio.FIRST_COMPLETED
            )
            stand = [one for one in done if one.exception() is None]
            if stand:
                under_way |= set(stand[1:])
                return stand[0].result()
            failure = next((error for one in done if isinstance(error := one.exception(), Exception)), failure)
    finally:
        await _hang_up(under_way)
    raise failure


async def _hang_up(under_way: Iterable[asyncio.Future[Stream]]) -> None:
    for one in under_way:
        one.cancel()
    for late in await asyncio.gather(*under_way, return_exceptions=True):
        if isinstance(late, Stream):
            await late.aclose()
