"""What clients do to an engine: stop reading, speak rubbish, come in thousands. Each ends its own connection alone."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import msgspec
import pytest

from tests.faults.conftest import HELLO, Engine
from tminus.client import AddNote, Client, Refused, RunCheck, TurnedAway
from tminus.client.messages import Reply
from tminus.client.requests import PROTOCOL, CancelCheck
from tminus.engine import server
from tminus.engine.attendance import Attendance

MIB = 1024**2
ROOM = 48 * MIB  # that the memory of an engine may grow by, whatever a client does


@asynccontextmanager
async def wire(engine: Engine) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_unix_connection(str(engine.place.socket))
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


def hello(watch: bool = False, protocol: int = PROTOCOL) -> bytes:
    return HELLO % (protocol, b"true" if watch else b"false")


async def still_here(engine: Engine) -> None:
    """Somebody is let in, as soon as the engine has seen that others left, and what they say is recorded."""
    async with asyncio.timeout(20):
        while True:
            with suppress(TurnedAway):
                async with Client(engine.place.socket, name="anna") as client:
                    await client.ask(AddNote(text="still here"))
                return
            await asyncio.sleep(0.01)


@pytest.fixture
def many_files() -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 4096), hard), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def flood(engine: Engine, line: bytes, megabytes: int) -> None:
    """Send LINE again and again, reading no answer, until the engine takes no more for a while."""
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.connect(str(engine.place.socket))
        deaf.sendall(hello())
        deaf.settimeout(0.7)
        with suppress(OSError):  # it stopped reading us, or hung up
            for _ in range(megabytes * MIB // len(line)):
                deaf.sendall(line)


async def test_who_asks_thousands_of_things_and_reads_no_answer_costs_no_memory(engine: Engine) -> None:
    await still_here(engine)
    before = engine.rss
    refused = msgspec.json.encode(CancelCheck(id=7, item="x" * 2000)) + b"\n"
    await asyncio.to_thread(flood, engine, refused, 40)
    assert engine.rss - before < ROOM
    await still_here(engine)


async def test_who_asks_a_thousand_things_at_once_is_answered_each(engine: Engine) -> None:
    async with Client(engine.place.socket, name="anna") as client:
        answers = await asyncio.gather(
            *(client.ask(CancelCheck(item=f"no-{n}")) for n in range(1000)), return_exceptions=True
        )
    assert all(isinstance(answer, Refused) for answer in answers)


async def test_who_asks_and_closes_its_half_gets_every_answer(engine: Engine) -> None:
    async with wire(engine) as (reader, writer):
        writer.write(hello())
        for number in range(1, 2001):
            writer.write(msgspec.json.encode(CancelCheck(id=number, item="x" * 1000)) + b"\n")
        writer.write_eof()
        said = await asyncio.wait_for(reader.read(), 20)
    assert said.count(b'"say":"reply"') == 2000


async def test_a_watcher_that_stops_reading_costs_no_memory_and_delays_nobody(engine: Engine) -> None:
    async with wire(engine) as (_, deaf), Client(engine.place.socket, name="anna") as client:
        deaf.transport.pause_reading()
        deaf.write(hello(watch=True))
        await client.ask(AddNote(text="first"))
        before = engine.rss
        for number in range(300):
            await client.ask(AddNote(text=f"{number}", item="say"))
            if number % 30 == 0:
                await client.ask(RunCheck(item="look"))
        assert engine.rss - before < ROOM


@pytest.mark.parametrize("megabytes", [32, pytest.param(1024, marks=pytest.mark.long)])
@pytest.mark.parametrize(
    "line", [b"x" * 65536, b"[[[[{" * 1000 + b"\n", b'{"ask":"cancel","item":"%s"}\n' % (b"y" * 60000)]
)
async def test_a_flood_ends_its_own_connection_or_is_answered(engine: Engine, line: bytes, megabytes: int) -> None:
    await still_here(engine)
    before = engine.rss
    await asyncio.to_thread(flood, engine, line, megabytes)
    assert engine.rss - before < ROOM
    await still_here(engine)


async def test_a_flood_of_lines_that_are_answered_costs_no_memory(engine: Engine) -> None:
    """As much as the one before, but whoever sends it reads the answers: all of it goes through."""
    line = msgspec.json.encode(CancelCheck(id=3, item="z" * 60000)) + b"\n"
    before, turns = engine.rss, 16 * MIB // len(line)
    async with wire(engine) as (reader, writer):
        writer.write(hello())

        async def read() -> None:
            for _ in range(turns + 1):
                await reader.readuntil(b"\n")

        reader._limit = MIB  # type: ignore[attr-defined]
        reading = asyncio.create_task(read())
        for _ in range(turns):
            writer.write(line)
            await writer.drain()
        await asyncio.wait_for(reading, 30)
    assert engine.rss - before < ROOM


@pytest.mark.parametrize("connections", [300, pytest.param(10_000, marks=pytest.mark.long)])
async def test_thousands_of_connections_one_after_the_other_cost_nothing(engine: Engine, connections: int) -> None:
    await still_here(engine)
    before = engine.rss
    for number in range(connections):
        with socket.socket(socket.AF_UNIX) as one:
            one.connect(str(engine.place.socket))
            one.sendall((hello(), b"half a li", b"rubbish\n", b"")[number % 4])
    await still_here(engine)
    assert engine.rss - before < ROOM


@pytest.mark.parametrize(
    "said", [b"", msgspec.json.encode(Reply(id=0, error="hung up at once, for a reason")) + b"\n"]
)
async def test_an_engine_that_hangs_up_before_it_is_spoken_to_is_not_taken_for_gone(
    tmp_path: Path, said: bytes
) -> None:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(said)
        writer.close()

    async with await asyncio.start_unix_server(hang_up, tmp_path / "s"):
        for _ in range(50):  # whether our hello is sent before or after
            with pytest.raises(TurnedAway, match="hung up at once"):
                async with Client(tmp_path / "s"):
                    pass


async def test_more_connections_than_there_may_be_are_told_so_and_those_before_go_on(
    engine: Engine, many_files: None
) -> None:
    async with AsyncExitStack() as stack, Client(engine.place.socket, name="anna") as client:
        for _ in range(server.CONNECTIONS - 1):
            reader, writer = await stack.enter_async_context(wire(engine))
            writer.write(hello())
            assert b"welcome" in await reader.readline()  # it is counted
        with pytest.raises(TurnedAway, match=f"{server.CONNECTIONS} connections already"):
            async with Client(engine.place.socket):
                pass
        for _ in range(1000):
            with socket.socket(socket.AF_UNIX) as one:
                one.connect(str(engine.place.socket))
        await client.ask(AddNote(text="I was here before"))
    await still_here(engine)


async def test_who_says_no_hello_is_hung_up_on(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte now and then keeps a connection open for no longer than a hello may take."""
    assert server.HELLO_WITHIN <= 10
    async with in_process(engine, monkeypatch, within=0.2) as path:
        reader, writer = await asyncio.open_unix_connection(path)
        async with asyncio.timeout(10):
            with suppress(ConnectionError):
                while not reader.at_eof():
                    writer.write(b"{")
                    await writer.drain()
                    await asyncio.sleep(0.02)
        writer.close()


@asynccontextmanager
async def in_process(engine: Engine, monkeypatch: pytest.MonkeyPatch, within: float) -> AsyncIterator[str]:
    """The engine's server alone, here, with another patience."""
    monkeypatch.setattr(server, "HELLO_WITHIN", within)
    path = engine.place.socket.with_name("other.sock")

    async def answer(actor: object, request: object) -> dict[str, object]:
        return {}

    one = server.Server(session=None, answer=answer, attendance=Attendance(lambda _: None))  # type: ignore[arg-type]
    listening = await one.listen(path)
    try:
        yield str(path)
    finally:
        listening.close()
        await one.hang_up()


@pytest.mark.parametrize("line", [b"hello?\n", b"{}\n", b"\xff\xfe\n", b"\n", b'{"ask":"hello","protocol":"two"}\n'])
async def test_rubbish_ends_the_connection_that_it_came_on(engine: Engine, line: bytes) -> None:
    for first in (b"", hello()):
        async with wire(engine) as (reader, writer):
            writer.write(first + line)
            async with asyncio.timeout(10):
                with suppress(ConnectionError):
                    while await reader.read(65536):
                        pass
    await still_here(engine)


async def test_another_version_is_told_which_one_this_is_and_asks_nothing(engine: Engine) -> None:
    async with wire(engine) as (reader, writer):
        writer.write(
            hello(protocol=PROTOCOL + 97) + msgspec.json.encode(AddNote(id=1, text="from the future")) + b"\n"
        )
        assert f'"protocol":{PROTOCOL}'.encode() in await reader.readline()
        with suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), 10) == b""
    engine.stop()
    run, _ = engine.recorded()
    assert not run.notes


async def test_a_request_that_was_cut_in_the_middle_is_no_request(engine: Engine) -> None:
    note = msgspec.json.encode(AddNote(id=1, text="half a note"))
    async with wire(engine) as (_, writer):
        writer.write(hello() + note[: len(note) // 2])
        await writer.drain()
    await still_here(engine)
    engine.stop()
    run, _ = engine.recorded()
    assert [one.text for one in run.notes] == ["still here"]
