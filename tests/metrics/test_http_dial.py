"""Threads and addresses: nothing that hangs holds up what does not."""

from __future__ import annotations

import asyncio
import threading

import httpcore
import pytest

from metrics.sources.http.dial import first_of, in_thread


class Stands(httpcore.AsyncMockStream):
    """A connection that knows whether it was closed."""

    closed = False

    async def aclose(self) -> None:
        self.closed = True


class Addresses:
    """Dials: "good" stands at once, "bad" is refused, "deaf" never answers, "late" stands as it is given up."""

    def __init__(self) -> None:
        self.dialled: list[str] = []
        self.given_up: list[str] = []
        self.late = Stands([])

    async def dial(self, address: str) -> httpcore.AsyncNetworkStream:
        self.dialled.append(address)
        if address == "bad":
            raise ConnectionRefusedError(address)
        if address == "good":
            return Stands([])
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.given_up.append(address)
            if address == "deaf":
                raise
        return self.late


async def test_an_address_that_never_answers_does_not_hold_up_the_next_and_is_given_up() -> None:
    them = Addresses()
    async with asyncio.timeout(20):
        assert isinstance(await first_of(["deaf", "good"], them.dial, 0.01), Stands)
    assert (them.dialled, them.given_up) == (["deaf", "good"], ["deaf"])


async def test_an_address_that_refuses_is_followed_by_the_next_at_once() -> None:
    them = Addresses()
    async with asyncio.timeout(20):
        await first_of(["bad", "good"], them.dial, 60)
    assert them.dialled == ["bad", "good"]


async def test_a_connection_that_stands_too_late_is_closed() -> None:
    them = Addresses()
    async with asyncio.timeout(20):
        assert await first_of(["late", "good"], them.dial, 0.01) is not them.late
    assert them.late.closed


async def test_when_all_refuse_the_refusal_is_told() -> None:
    with pytest.raises(ConnectionRefusedError):
        await first_of(["bad", "bad"], Addresses().dial, 60)


async def test_a_probe_that_ends_leaves_no_dialling_behind() -> None:
    them = Addresses()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await first_of(["deaf", "deaf"], them.dial, 0.001)
    assert them.given_up == ["deaf", "deaf"]


async def test_a_thread_hands_on_what_it_gives_and_what_it_raises() -> None:
    assert await in_thread(lambda: 3, "test") == 3
    with pytest.raises(ZeroDivisionError):
        await in_thread(lambda: 1 // 0, "test")


async def test_a_thread_that_hangs_holds_up_neither_the_loop_nor_the_end_of_the_process() -> None:
    let_go = threading.Event()
    waiting = in_thread(lambda: let_go.wait(10), "test-hung")
    assert await in_thread(lambda: "other", "test") == "other"
    assert not waiting.done()
    assert all(one.daemon for one in threading.enumerate() if one.name == "test-hung")
    let_go.set()
    assert await waiting
