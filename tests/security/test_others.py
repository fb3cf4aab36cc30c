"""Another user of the machine gets nothing, and can put nothing where the engine or a client would take it for its own."""

from __future__ import annotations

import asyncio
import os
import pickle
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from hostile import harms, on_a_terminal
from hostile_run import LOG, Flown

from state.durable import write_atomically
from state.record_file import RecordFile
from tminus.client import AddNote, Client
from tminus.engine.records import make_record_folder
from tminus.places import UnsafePlace, place_of

NOBODY = 65534
SMALL = """
schema = 1
title = "t"
[[phase]]
id = "p"
title = "p"
[[phase.step]]
title = "s"
[[phase.step.item]]
id = "a"
text = "x"
"""
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else to try")


def as_nobody(what: Callable[[], Any]) -> Any:
    """What WHAT returns, or the exception that it raises, when another user without our groups does it."""
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            result = what()
        except BaseException as error:
            result = type(error)
        os.write(theirs, pickle.dumps(result))
        os._exit(0)
    os.close(theirs)
    with os.fdopen(ours, "rb") as answer:
        result = pickle.loads(answer.read())
    os.waitpid(child, 0)
    return result


def connected(path: Path) -> str:
    with socket.socket(socket.AF_UNIX) as one:
        one.connect(str(path))
        return "connected"


def made_by_the_engine(flown: Flown) -> list[Path]:
    by_hand = {"checklist.toml", "ours.py", "output.bin", LOG}
    found = [path for path in flown.folder.rglob("*") if path.is_file() and ".git" not in path.parts]
    return [path for path in found if path.name not in by_hand and "__pycache__" not in path.parts]


@needs_root
def test_the_kernel_refuses_another_user_at_the_socket(flown: Flown) -> None:
    folder = flown.place.socket.parent
    assert as_nobody(lambda: connected(flown.place.socket)) is PermissionError
    assert as_nobody(lambda: list(folder.iterdir())) is PermissionError
    folder.chmod(0o755)  # and even if somebody opened the folder
    try:
        assert as_nobody(lambda: connected(flown.place.socket)) is PermissionError
        for path in folder.iterdir():
            assert as_nobody(lambda path=path: path.read_bytes()) in (PermissionError, OSError), path
    finally:
        folder.chmod(0o700)
    assert connected(flown.place.socket) == "connected"


@needs_root
def test_another_user_reads_the_record_alone(flown: Flown) -> None:
    until_recorded(flown)
    readable = [
        path for path in made_by_the_engine(flown) if as_nobody(lambda path=path: path.open("rb").close()) is None
    ]
    assert {path.name for path in readable} <= {flown.record.name, ".gitignore"}
    writable = [
        path
        for path in [flown.folder, *made_by_the_engine(flown)]
        if as_nobody(lambda path=path: os.access(path, os.W_OK))
    ]
    assert writable == []


@needs_root
def test_another_user_sees_no_environment_of_the_engine(flown: Flown) -> None:
    environ = Path(f"/proc/{flown.pid}/environ")
    assert environ.read_bytes()
    assert as_nobody(environ.read_bytes) is PermissionError


def test_what_the_engine_makes_is_for_its_owner(flown: Flown) -> None:
    until_recorded(flown)
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in made_by_the_engine(flown)}
    assert any(path.name.endswith(".wal") for path in modes) and any(
        path.name.endswith(".metrics.db") for path in modes
    )
    open_ones = {path.name for path, mode in modes.items() if mode & 0o077}
    assert open_ones <= {flown.record.name, ".gitignore"}
    assert stat.S_IMODE(flown.place.socket.stat().st_mode) == 0o600
    for path in (flown.place.socket.parent, flown.record.with_suffix(".files")):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700, path
    for path in (flown.place.log, flown.place.lock):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def until_recorded(flown: Flown) -> None:
    deadline = time.monotonic() + 20
    while not list((flown.folder / "deployments").glob("*.toml")):
        assert time.monotonic() < deadline
        time.sleep(0.05)


async def test_no_port_is_ever_opened(flown: Flown) -> None:
    family = [psutil.Process(flown.pid), *psutil.Process(flown.pid).children(recursive=True)]
    async with Client(flown.place.socket, name="anna") as client:
        await client.ask(AddNote(text="while somebody is connected"))
        assert [one for process in family for one in process.net_connections("inet")] == []
    await asyncio.sleep(0)


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where somebody else may have been before us: as /tmp, for the folder `tminus` in it."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "checklist.toml").write_text(SMALL)
    return tmp_path


def a_link(folder: Path) -> None:
    (folder.parent / "theirs").mkdir(mode=0o700)
    folder.symlink_to("theirs")


def a_link_to_nothing(folder: Path) -> None:
    folder.symlink_to("nothing")


def a_file(folder: Path) -> None:
    folder.write_text("")


def for_the_group(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o770)


def for_everybody(folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o777)


def of_somebody_else(folder: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can give a folder away")
    folder.mkdir(mode=0o700)
    os.chown(folder, NOBODY, NOBODY)


PLANTED = (a_link, a_link_to_nothing, a_file, for_the_group, for_everybody, of_somebody_else)


@pytest.mark.parametrize("planted", PLANTED, ids=lambda one: one.__name__)
def test_a_place_that_somebody_else_made_is_not_used(planted: Callable[[Path], None], runtime: Path) -> None:
    planted(runtime / "tminus")
    with pytest.raises((UnsafePlace, OSError)):
        place_of(runtime / "checklist.toml")


def test_an_unsafe_place_is_told_in_words_by_client_and_engine(runtime: Path) -> None:
    for_everybody(runtime / "tminus")
    code, raw = on_a_terminal(["status"], runtime)
    assert code == 2 and b"not a folder of yours alone" in raw and harms(raw) == []
    engine = [sys.executable, "-m", "tminus.engine", "checklist.toml"]
    ended = subprocess.run(engine, cwd=runtime, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1 and "not a folder of yours alone" in ended.stderr and "Traceback" not in ended.stderr
    assert list((runtime / "tminus").iterdir()) == []


def test_links_in_the_folder_of_the_records_lead_nowhere(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    records = tmp_path / "deployments"
    records.mkdir()
    record = records / "2026-11-23-t.toml"
    record.with_name(record.name + ".wal").symlink_to(victim)
    with pytest.raises(OSError, match="symbolic links"):
        RecordFile(record)
    (records / f".{record.name}.{os.getpid()}.partial").symlink_to(victim)
    with pytest.raises(OSError, match="symbolic links"):
        write_atomically(record, b"x")
    record.symlink_to(victim)
    write_atomically(record, b"new")
    assert not record.is_symlink() and record.read_bytes() == b"new"
    assert victim.read_text() == "precious"


def test_a_link_in_place_of_the_history_or_of_gitignore_is_not_followed(tmp_path: Path) -> None:
    from metrics.history_store import Store
    from state.loader import load_checklist

    (tmp_path / "h.metrics.db").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        Store(tmp_path / "h.metrics.db")
    checklist = tmp_path / "checklist.toml"
    checklist.write_text(SMALL)
    (tmp_path / "deployments").mkdir()
    (tmp_path / "deployments" / ".gitignore").symlink_to(tmp_path / "elsewhere")
    make_record_folder(load_checklist(checklist))
    assert not (tmp_path / "elsewhere").exists()
