"""What the engine survives: death, rubbish, two of a kind, a full disk, a file that changed."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import stat

import pytest

from state.record_file import RecordFile
from tests.engine.conftest import until
from tminus.client import AddNote, Client, EngineGone, MarkItem, Refused, RunCheck
from tminus.launch import EngineFailed, start_engine
from tminus.places import place_of


async def test_what_was_running_when_the_engine_died_is_interrupted_never_passed(engine) -> None:
    async with engine.client() as client:
        await client.ask(RunCheck(item="slow"))
        await until(client, lambda v: v.items["slow"].status == "running")
        engine.kill()
        with pytest.raises(EngineGone):
            await client.ask(AddNote(text="anybody there?"))
    engine.start()
    async with engine.client() as client:
        slow = client.view.items["slow"]
        assert slow.status == "interrupted"
        assert not slow.settled
        assert slow.verdict == ""


async def test_every_acknowledged_note_is_there_exactly_once_after_kill_9_at_random_moments(engine) -> None:
    acknowledged: list[str] = []
    draw = random.Random(7)
    for round_ in range(12):
        stop_after = draw.uniform(0.01, 0.15)

        async def write(round_: int = round_) -> None:
            async with engine.client(watch=False) as client:
                for number in range(10_000):
                    text = f"note {round_}.{number}"
                    await client.ask(AddNote(text=text))
                    acknowledged.append(text)

        task = asyncio.create_task(write())
        await asyncio.sleep(stop_after)
        engine.kill()
        with pytest.raises(EngineGone):
            await task
        engine.start()
    assert engine.tminus("stop").returncode == 0
    run, _ = engine.recorded()
    written = [note.text for note in run.notes]
    assert len(written) == len(set(written))
    assert set(acknowledged) <= set(written)
    # Beyond what was acknowledged there is at the most the one note a round that was on its way.
    assert len(written) - len(acknowledged) <= 12


async def test_a_client_that_speaks_rubbish_ends_its_own_connection_and_nothing_else(engine) -> None:
    async with engine.client() as client:
        for rubbish in (b"hello?\n", b"{}\n", b'{"ask":"hello"}\n\xff\xfe\n', b"x" * 200_000 + b"\n"):
            reader, writer = await asyncio.open_unix_connection(str(engine.place.socket))
            writer.write(rubbish)
            async with asyncio.timeout(10):
                while await reader.read(65536):
                    pass
            writer.close()
        await client.ask(AddNote(text="still here"))


async def test_a_client_that_stops_reading_is_never_waited_for(engine) -> None:
    deaf = socket.socket(socket.AF_UNIX)
    deaf.connect(str(engine.place.socket))
    deaf.sendall(b'{"ask":"hello","protocol":1,"name":"deaf","watch":true}\n')
    async with engine.client() as client:
        async with asyncio.timeout(30):
            for number in range(400):
                await client.ask(AddNote(text=f"{number} " + "x" * 2000))
                if number % 20 == 0:
                    await client.ask(RunCheck(item="look"))
                    await until(client, lambda v: v.items["look"].status == "idle")
    deaf.close()


async def test_a_client_of_another_version_is_told_so(engine) -> None:
    reader, writer = await asyncio.open_unix_connection(str(engine.place.socket))
    writer.write(b'{"ask":"hello","protocol":99}\n')
    assert b'"protocol":3' in await reader.readline()
    assert await reader.read() == b""
    writer.close()


def test_a_second_engine_for_the_same_run_is_refused(engine) -> None:
    with pytest.raises(EngineFailed, match="already"):
        start_engine(engine.checklist, place_of(engine.checklist))


def test_the_socket_is_for_its_owner_alone(engine) -> None:
    mode = engine.place.socket.stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600
    assert stat.S_IMODE(engine.place.socket.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("damage", ["cut", "edited", "newer"])
def test_a_record_that_cannot_be_believed_is_refused_and_left_untouched(engine, damage) -> None:
    engine.tminus("note", "something to lose")
    engine.tminus("stop")
    os.waitpid(engine.pid, 0)
    engine.pid = 0
    record = engine.record
    text = record.read_text()
    broken = {
        "cut": text[: len(text) // 2],
        "edited": text.replace("something to lose", "nothing to lose!!"),
        "newer": text.replace("schema = 1", "schema = 9"),
    }[damage]
    record.write_text(broken)
    with pytest.raises(EngineFailed, match={"cut": "cut", "edited": "changed", "newer": "newer"}[damage]):
        engine.start()
    assert record.read_text() == broken
    assert engine.tminus("record", "verify", str(record)).returncode == (2 if damage == "newer" else 1)


def test_a_checklist_that_changed_is_shown_as_a_difference_and_held_for_a_person(engine) -> None:
    engine.tminus("stop")
    os.waitpid(engine.pid, 0)
    engine.checklist.write_text(engine.checklist.read_text().replace("Say it", "Say it aloud"))
    engine.start()
    status = engine.tminus("status").stdout
    assert "HOLD" in status
    assert "the checklist changed" in status
    engine.tminus("release", "--reason", "the new wording is right")
    assert "HOLD" not in engine.tminus("status").stdout
    engine.tminus("stop")
    run, _ = engine.recorded()
    assert any("Say it aloud" in line for line in run.drift[0]["changes"])


async def test_the_engine_outlives_the_terminal_it_was_started_from(engine) -> None:
    os.kill(engine.pid, 1)  # SIGHUP
    async with engine.client() as client:
        await client.ask(AddNote(text="the line was cut"))


async def test_what_the_disk_refuses_did_not_happen_and_the_next_act_does(checklist, monkeypatch) -> None:
    from state.redact import Redactor
    from tminus.definition import load
    from tminus.engine import acts
    from tminus.engine.session import NotRecorded, Session

    loaded, _ = load(checklist)
    record = RecordFile(checklist.parent / "record.toml")
    session = Session(loaded.checklist, record, Redactor(), lambda _: "read")
    actor = acts.Actor(name="anna", uid=os.getuid())
    await session.act(lambda run, _: acts.event("run.created", actor, data={"id": "x"}))

    import state.record_file as module

    real = os.fsync

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", full)
    with pytest.raises(NotRecorded, match="No space left"):
        await session.act(lambda run, _: acts.raise_hold(run, actor, "stop, please"))
    assert session.run.open_holds == ()
    assert "No space left" in session.view.run.trouble
    monkeypatch.setattr(module.os, "fsync", real)
    await session.act(lambda run, _: acts.raise_hold(run, actor, "stop, please"))
    assert session.view.run.trouble == ""
    assert len(session.view.holds) == 1
    await session.close()


async def test_marking_what_is_closed_is_refused(engine) -> None:
    assert engine.tminus("hold", "taking the lease first").returncode == 0
    async with engine.client() as client:
        await client.ask(RunCheck(item="look"))
        await until(client, lambda v: v.items["look"].verdict == "pass")
        with pytest.raises(Refused):
            await client.ask(MarkItem(item="look", mark="confirmed"))


async def test_no_engine_is_said_so(checklist) -> None:

    with pytest.raises(EngineGone, match="no engine"):
        async with Client(place_of(checklist).socket):
            pass
