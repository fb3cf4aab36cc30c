"""The checklist's file is edited while the run goes on, and nobody starts the engine again."""

from __future__ import annotations

import pytest

from tests.engine.conftest import CHECKLIST, Flying, until
from tests.faults.conftest import Engine
from tminus.client import AddNote, Client
from tminus.launch import EngineFailed
from tminus.places import place_of


async def test_an_edit_is_said_with_what_to_do_and_putting_it_back_ends_it(engine: Engine) -> None:
    async with Client(engine.place.socket, name="anna", watch=True) as client:
        engine.checklist.write_text(CHECKLIST.replace("Say it", "Say it aloud"))
        view = await until(client, lambda v: "was changed" in v.run.trouble)
        assert "Say it" in view.run.trouble and "tminus stop" in view.run.trouble
        assert view.phases[0].items[2].text == "Say it"
        await client.ask(AddNote(text="the run goes on"))
        assert "was changed" in client.view.run.trouble
        engine.checklist.write_text(CHECKLIST)
        await until(client, lambda v: not v.run.trouble)


async def test_a_file_that_cannot_be_used_is_said_with_its_first_mistake(engine: Engine) -> None:
    async with Client(engine.place.socket, name="anna", watch=True) as client:
        engine.checklist.write_text(CHECKLIST.replace('id = "two"', 'id = "two"\nmood = "good"'))
        view = await until(client, lambda v: "cannot be used" in v.run.trouble)
        assert "checklist.toml:" in view.run.trouble and "mood" in view.run.trouble
        engine.checklist.unlink()
        await until(client, lambda v: "No such file" in v.run.trouble or "cannot be read" in v.run.trouble)
        await client.ask(AddNote(text="the run goes on"))


def test_a_start_on_a_broken_file_is_refused_and_the_record_is_not_touched(engine: Engine) -> None:
    engine.stop()
    before = {path: path.read_bytes() for path in engine.folder.iterdir() if path.is_file()}
    engine.checklist.write_text(CHECKLIST.replace('mode = "read-do"', 'mode = "whenever"'))
    with pytest.raises(EngineFailed, match=r"checklist\.toml:\d+"):
        Flying(engine.checklist, place_of(engine.checklist)).start()
    assert {path: path.read_bytes() for path in engine.folder.iterdir() if path.is_file()} == before
