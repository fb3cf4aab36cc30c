"""A whole engine on a disk that fills up, or that nobody may write: acts are refused clearly, and it goes on after."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.engine.conftest import CHECKLIST, until
from tests.faults.conftest import Engine, Nest, alive, soon
from tminus.client import AddNote, Client, RaiseHold, Refused, ReleaseHold, RunCheck
from tminus.places import place_of


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of half a MiB, mounted where the records go."""
    folder = tmp_path / "deployments"
    folder.mkdir()
    small = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(folder)]
    mounted = subprocess.run(small, check=False, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"cannot mount a small disk here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def engine(nest: Nest, checklist: Path, disk: Path) -> Iterator[Engine]:
    one = Engine(nest, checklist, place_of(checklist))
    yield one
    if one.pid and alive(one.pid):
        one.signal(signal.SIGCONT)
        one.kill()


def fill(disk: Path) -> Path:
    ballast = disk / "ballast"
    with ballast.open("ab", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            return ballast


def remount(disk: Path, mode: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{mode}", str(disk)], check=True)


async def test_a_full_disk_refuses_acts_shows_why_and_when_there_is_room_all_goes_on(
    engine: Engine, disk: Path
) -> None:
    engine.start()
    told: list[str] = []
    async with Client(engine.place.socket, name="anna", watch=True) as client:
        await client.ask(RunCheck(item="look"))
        await until(client, lambda v: v.items["look"].verdict == "pass")
        await client.ask(RaiseHold(reason="wait for me"))
        ballast = fill(disk)
        refused = 0
        for number in range(30):
            try:
                await client.ask(AddNote(text=f"note {number} " + "x" * 900))
                told.append(f"note {number} ")
            except Refused as error:
                assert "No space left on device. Free some space for deployments/" in str(error)
                refused += 1
        assert refused
        view = await until(client, lambda v: "Free some space" in v.run.trouble)
        assert len(view.holds) == 1 and view.standing.go != "GO"
        with pytest.raises(Refused, match="did not happen"):
            while True:
                await client.ask(RaiseHold(reason="a hold is an act as well " + "y" * 900))
        held = len(client.view.holds)
        ballast.unlink()
        await client.ask(AddNote(text="there is room"))
        await until(client, lambda v: not v.run.trouble)
        for hold in client.view.holds:
            await client.ask(ReleaseHold(hold=hold.id, reason="it is over"))
        assert len(client.view.items) == 6
    engine.stop()
    run, _ = engine.recorded()
    assert [one.text.split("x")[0] for one in run.notes] == [*told, "there is room"]
    assert len(run.holds) == held and run.open_holds == ()
    assert run.item("look").outcome is not None


async def test_a_check_that_ends_while_the_disk_is_full_is_recorded_when_there_is_room(
    engine: Engine, disk: Path
) -> None:
    go = engine.checklist.parent / "go"
    engine.checklist.write_text(
        CHECKLIST.replace('argv = ["echo"', 'argv = ["sh", "-c", "until [ -e go ]; do sleep 0.05; done; echo $0"')
    )
    engine.start()
    async with Client(engine.place.socket, name="anna", watch=True) as client:
        await client.ask(RunCheck(item="look"))
        await until(client, lambda v: v.items["look"].status == "running")
        ballast = fill(disk)
        with pytest.raises(Refused):
            while True:
                await client.ask(AddNote(text="x" * 900))
        go.touch()
        await until(client, lambda v: "not recorded" in v.run.trouble)
        assert client.view.items["look"].verdict == ""
        ballast.unlink()
        await until(client, lambda v: v.items["look"].verdict == "pass")
    engine.kill()
    engine.start()
    async with Client(engine.place.socket, name="anna", watch=True) as client:
        assert client.view.items["look"].verdict == "pass"


async def test_an_engine_killed_on_a_full_disk_has_everything_when_it_is_back(engine: Engine, disk: Path) -> None:
    engine.start()
    told: list[str] = []
    async with Client(engine.place.socket, name="anna") as client:
        ballast = fill(disk)
        with pytest.raises(Refused):
            for number in range(200):
                await client.ask(AddNote(text=f"{number} " + "x" * 500))
                told.append(str(number))
    engine.kill()
    # It comes up all the same if there is room for a line, or says what is wrong; nothing is lost either way.
    engine.launch()
    soon(lambda: engine.listens or not alive(engine.pid), "the engine to listen or end")
    if not alive(engine.pid):
        assert "Free some space" in engine.said and "Traceback" not in engine.said
    else:
        engine.kill()
    ballast.unlink()
    engine.start()
    engine.stop()
    assert [one.text.split(" ")[0] for one in engine.recorded()[0].notes] == told


def test_an_engine_that_ends_on_a_full_disk_says_that_its_log_has_the_rest(engine: Engine, disk: Path) -> None:
    engine.start()
    ballast = fill(disk)
    os.kill(engine.pid, signal.SIGTERM)
    engine.ended()
    assert "Traceback" not in engine.said
    ballast.unlink()
    engine.start()
    engine.stop()
    assert engine.recorded()[0].meta["title"] == "Small"


def test_a_folder_that_nobody_may_write_is_said_at_the_start(engine: Engine, disk: Path) -> None:
    remount(disk, "ro")
    engine.launch()
    engine.ended()
    assert "Give this user the right to write deployments" in engine.said
    assert "Traceback" not in engine.said


@pytest.fixture
def immutable(engine: Engine) -> Iterator[Callable[[Path, bool], None]]:
    """Makes a file or a folder such that not even root writes it, or ends that."""

    def change(path: Path, on: bool) -> None:
        done = subprocess.run(
            ["chattr", "+i" if on else "-i", str(path)], check=False, capture_output=True, text=True
        )
        if done.returncode:
            pytest.skip(f"cannot be made immutable here: {done.stderr.strip()}")

    if shutil.which("chattr") is None:
        pytest.skip("there is no chattr here")
    yield change
    for path in (engine.folder, *engine.folder.iterdir()):
        subprocess.run(["chattr", "-i", str(path)], check=False, capture_output=True)


async def test_a_folder_that_goes_read_only_leaves_the_log_and_is_said_until_it_can_be_written(
    engine: Engine, immutable: Callable[[Path, bool], None]
) -> None:
    engine.start()
    async with Client(engine.place.socket, name="anna", watch=True) as client:
        await client.ask(AddNote(text="before"))
        soon(lambda: any(engine.folder.glob("*.toml")) and "before" in engine.record.read_text(), "the save")
        immutable(engine.folder, True)
        await client.ask(AddNote(text="in the log alone"))
        view = await until(client, lambda v: "the record is behind" in v.run.trouble)
        assert "Give this user the right to write deployments" in view.run.trouble
        immutable(engine.folder, False)
        await until(client, lambda v: not v.run.trouble)
        soon(lambda: "in the log alone" in engine.record.read_text(), "the save")
    engine.kill()
    assert [one.text for one in engine.recorded()[0].notes] == ["before", "in the log alone"]
