"""The record's files in other hands while the run goes on: noticed, kept, never silently written over."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from state.record_file import read_record
from tests.engine.conftest import until
from tests.faults.conftest import Engine, soon
from tminus.client import AddNote, Client, Refused, ReleaseHold


async def note(engine: Engine, *texts: str) -> None:
    async with Client(engine.place.socket, name="anna") as client:
        for text in texts:
            await client.ask(AddNote(text=text))


async def saved(engine: Engine, text: str) -> None:
    """Wait until the record, and not only its log, says TEXT."""
    soon(lambda: any(engine.folder.glob("*.toml")) and text in engine.record.read_text(), f"the record to say {text}")


def found(engine: Engine, name: str = "*.toml") -> list[Path]:
    return sorted(engine.folder.glob(f"{name}.found-*"))


def replaced(record: Path) -> None:
    """As vim and most editors do it: a new file in the place of the old."""
    new = record.with_name("new")
    new.write_text(record.read_text().replace("first note", "my words"))
    new.replace(record)


def in_place(record: Path) -> None:
    """As nano and `sed -i -c` do it."""
    record.write_text(record.read_text().replace("first note", "my words"))


def of_the_same_length(record: Path) -> None:
    record.write_text(record.read_text().replace("first note", "FIRST NOTE"))


def emptied(record: Path) -> None:
    os.truncate(record, 0)


EDITS: list[Callable[[Path], None]] = [replaced, in_place, of_the_same_length, emptied]


@pytest.mark.parametrize("edit", EDITS)
async def test_a_record_that_somebody_edits_is_kept_aside_and_a_person_is_asked(
    engine: Engine, edit: Callable[[Path], None]
) -> None:
    await note(engine, "first note")
    await saved(engine, "first note")
    edit(engine.record)
    theirs = engine.record.read_bytes()
    async with Client(engine.place.socket, name="anna", watch=True) as client:
        view = await until(client, lambda v: bool(v.holds))
        assert "changed by somebody else" in view.holds[0].reason
        kept = found(engine)
        assert [path.read_bytes() for path in kept] == [theirs]
        assert kept[0].name in view.holds[0].reason
        await client.ask(AddNote(text="second note"))
        await client.ask(ReleaseHold(reason="it was me, by mistake"))
    engine.stop()
    run, _ = engine.recorded()
    assert [one.text for one in run.notes] == ["first note", "second note"]
    assert len(run.holds) == 1
    assert len(found(engine)) == 1


async def test_an_edit_in_the_moment_before_a_save_is_kept_too(engine: Engine) -> None:
    """However the two fall together, what somebody wrote is in the record's place or beside it."""
    await note(engine, "first note")
    await saved(engine, "first note")
    async with Client(engine.place.socket, name="anna") as client:
        for turn in range(3):
            soon(lambda: not any(engine.folder.glob(".*.partial")), "the save to be over")
            await client.ask(AddNote(text=f"note {turn}"))
            engine.record.write_text(f"mine {turn}")
            soon(lambda turn=turn: any(p.read_text() == f"mine {turn}" for p in found(engine)), "it to be kept")  # type: ignore[misc]
    engine.stop()
    run, _ = engine.recorded()
    assert [one.text for one in run.notes] == ["first note", *(f"note {turn}" for turn in range(3))]
    assert {path.read_text() for path in found(engine)} >= {f"mine {turn}" for turn in range(3)}


def git(folder: Path, *words: str) -> None:
    own = ["git", "-c", "user.name=anna", "-c", "user.email=anna@example.com", *words]
    subprocess.run(own, cwd=folder, check=True, capture_output=True)


async def older_version(engine: Engine) -> None:
    git(engine.folder, "checkout", "HEAD~1", "--", engine.record.name)


async def stashed(engine: Engine) -> None:
    git(engine.folder, "stash")


@pytest.mark.parametrize("act", [older_version, stashed])
async def test_git_that_brings_an_older_record_back_loses_nothing(
    engine: Engine, act: Callable[[Engine], Awaitable[None]]
) -> None:
    git(engine.folder, "init", "-q")
    for text in ("first note", "second note"):
        await note(engine, text)
        await saved(engine, text)
        git(engine.folder, "add", ".")
        git(engine.folder, "commit", "-qm", text)
    await note(engine, "third note")
    await saved(engine, "third note")
    await act(engine)
    async with Client(engine.place.socket, name="anna", watch=True) as client:
        await until(client, lambda v: bool(v.holds))
    assert len(read_record(found(engine)[0])[0].notes) == (1 if act is older_version else 2)
    engine.kill()
    assert len(engine.recorded()[0].notes) == 3


async def test_a_commit_and_a_file_checked_out_just_as_it_was_are_nobodys_concern(engine: Engine) -> None:
    await note(engine, "first note")
    await saved(engine, "first note")
    git(engine.folder, "init", "-q")
    git(engine.folder, "add", ".")
    git(engine.folder, "commit", "-qm", "one")
    again = shutil.copy(engine.record, engine.folder / "again")
    again.replace(engine.record)  # another file of the same content, as a checkout leaves it
    os.utime(engine.record)
    await note(engine, "second note")
    await saved(engine, "second note")
    engine.stop()
    assert engine.recorded()[0].holds == ()
    assert found(engine) == []


async def test_a_record_that_was_removed_is_written_again_and_that_is_said(engine: Engine) -> None:
    await note(engine, "first note")
    await saved(engine, "first note")
    engine.record.unlink()
    async with Client(engine.place.socket, name="anna", watch=True) as client:
        view = await until(client, lambda v: bool(v.holds))
    assert "removed by somebody else" in view.holds[0].reason
    await saved(engine, "first note")


async def test_a_log_that_was_removed_is_begun_again_before_anything_else_is_acknowledged(engine: Engine) -> None:
    await note(engine, "first note")
    log = next(engine.folder.glob("*.wal"))
    log.unlink()
    await note(engine, "second note")
    assert log.exists()
    engine.kill()
    engine.start()
    async with Client(engine.place.socket, name="anna", watch=True):
        pass
    engine.stop()
    assert [one.text for one in engine.recorded()[0].notes] == ["first note", "second note"]


async def test_a_strange_log_in_the_place_of_ours_is_kept_aside(engine: Engine) -> None:
    await note(engine, "first note")
    log = next(engine.folder.glob("*.wal"))
    log.unlink()
    log.write_text("what is this?")
    await note(engine, "second note")
    assert [path.read_text() for path in found(engine, "*.wal")] == ["what is this?"]
    async with Client(engine.place.socket, name="anna", watch=True) as client:
        await until(client, lambda v: any("taken away" in hold.reason for hold in v.holds))
    engine.kill()
    engine.start()
    engine.stop()
    assert [one.text for one in engine.recorded()[0].notes] == ["first note", "second note"]


@pytest.mark.parametrize("gone", ["renamed", "removed"])
async def test_a_folder_that_goes_in_the_middle_refuses_acts_until_there_is_one_again(
    engine: Engine, gone: str
) -> None:
    await note(engine, "first note")
    await saved(engine, "first note")
    away = engine.folder.with_name("elsewhere")
    engine.folder.rename(away) if gone == "renamed" else shutil.rmtree(engine.folder)
    async with Client(engine.place.socket, name="anna", watch=True) as client:
        with pytest.raises(Refused, match=r"not recorded.*Put the folder deployments back"):
            await client.ask(AddNote(text="refused"))
        await until(client, lambda v: "Put the folder" in v.run.trouble)
        away.rename(engine.folder) if gone == "renamed" else engine.folder.mkdir()
        await client.ask(AddNote(text="second note"))
        await until(client, lambda v: "Put the folder" not in v.run.trouble)
    engine.kill()
    engine.start()
    engine.stop()
    assert [one.text for one in engine.recorded()[0].notes] == ["first note", "second note"]
