"""A socket for a group: who may come in, and as whom. The kernel says both."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from state.record_file import read_with_log
from tests.engine.conftest import Flying
from tests.engine.other_user import as_user, needs_root, talk, under_sudo
from tminus.launch import is_up
from tminus.places import UnsafePlace, group_id, place_of, places_of

pytestmark = needs_root
GROUP, MEMBER, STRANGER = "games", "games", "nobody"  # a group that every Debian has, who is in it, and who is not


@pytest.fixture
def shared(checklist: Path) -> Iterator[Flying]:
    flying = Flying(checklist, place_of(checklist, GROUP))
    flying.start()
    yield flying
    if flying.pid:
        flying.kill()
    for left in (flying.place.socket, flying.place.lock):
        left.unlink(missing_ok=True)


def test_the_groups_socket_and_its_folder_are_closed_to_everybody_else(shared: Flying) -> None:
    gid = group_id(GROUP)
    folder, listener = shared.place.socket.parent.stat(), shared.place.socket.stat()
    assert (stat.S_IMODE(folder.st_mode), folder.st_gid) == (0o750, gid)
    assert (stat.S_IMODE(listener.st_mode), listener.st_gid) == (0o660, gid)


def test_a_member_of_the_group_comes_in_as_who_the_kernel_says(shared: Flying) -> None:
    welcome, *_ = as_user(MEMBER, lambda: talk(shared.place.socket, name="Grace"))
    assert (welcome["name"], welcome["uid"]) == ("Grace", 5)


def test_who_is_not_in_the_group_gets_nothing(shared: Flying) -> None:
    assert as_user(STRANGER, lambda: talk(shared.place.socket)) == "PermissionError"


def test_without_a_group_nobody_else_gets_anything(engine: Flying) -> None:
    engine.place.socket.parent.parent.chmod(0o755)  # of the test's own making: the socket's folder is what counts
    assert as_user(MEMBER, lambda: talk(engine.place.socket)) == "PermissionError"


def test_a_member_finds_the_engine_by_the_checklist_alone_and_a_stranger_does_not(shared: Flying) -> None:
    def find() -> list[str]:
        with tempfile.TemporaryDirectory() as runtime:
            os.environ["XDG_RUNTIME_DIR"] = runtime
            return [str(place.socket) for place in places_of(shared.checklist)]

    assert str(shared.place.socket) in as_user(MEMBER, find)
    assert str(shared.place.socket) not in as_user(STRANGER, find)


def test_the_second_person_holds_but_does_not_drive(shared: Flying) -> None:
    talk(shared.place.socket, {"ask": "drive", "id": 1}, name="Ada")
    refused, held = as_user(
        MEMBER,
        lambda: talk(
            shared.place.socket,
            {"ask": "mark", "item": "say", "mark": "confirmed", "id": 1},
            {"ask": "hold", "reason": "wait for me", "id": 2},
            name="Grace",
        ),
    )[1:]
    assert "Ada drives" in refused["error"]
    assert held["data"]["kind"] == "hold.raised"


def test_control_passes_to_another_login_and_its_commands_drive(shared: Flying) -> None:
    talk(shared.place.socket, {"ask": "drive", "id": 1}, name="Ada")
    asked = as_user(MEMBER, lambda: talk(shared.place.socket, {"ask": "ask-lease", "id": 1}, name="Grace"))
    assert asked[1]["data"]["kind"] == "lease.asked"
    granted = talk(shared.place.socket, {"ask": "grant-lease", "id": 1}, name="Ada")
    assert granted[1]["data"]["kind"] == "lease.granted"
    assert (
        "Grace drives"
        in talk(shared.place.socket, {"ask": "cancel", "item": "slow", "id": 1}, name="Ada")[1]["error"]
    )
    shared.kill()
    shared.start()
    run, _ = read_with_log(shared.record)  # of which not all need be in the record yet
    assert (run.driver, run.driver_uid, run.crew.driver_login) == ("Grace", 5, "games")


def test_the_engine_after_one_that_was_killed_lets_the_same_group_in_and_one_after_an_end_in_order_does_not(
    shared: Flying,
) -> None:
    shared.kill()
    again = shared.tminus("run", "--no-cockpit")
    assert again.returncode == 0 and f"and so does this one: {GROUP}" in again.stderr
    welcome, *_ = as_user(MEMBER, lambda: talk(shared.place.socket, name="Grace"))
    assert welcome["uid"] == 5
    assert shared.tminus("stop").returncode == 0
    try:
        assert shared.tminus("run", "--no-cockpit").stderr == ""
        assert as_user(MEMBER, lambda: talk(shared.place.socket)) == "FileNotFoundError"
        assert is_up(place_of(shared.checklist))
    finally:
        assert shared.tminus("stop").returncode == 0


def test_a_group_that_does_not_exist_or_is_not_ours_is_refused(checklist: Path) -> None:
    with pytest.raises(UnsafePlace, match="no group"):
        place_of(checklist, "no-such-group")

    def other() -> str:
        try:
            group_id(GROUP)
        except UnsafePlace as error:
            return str(error)
        return "let in"

    assert "you are not in the group" in as_user(STRANGER, other)


@pytest.mark.parametrize("what", ["open", "of another group", "a link"])
def test_a_folder_that_is_not_what_it_says_is_no_meeting_point(
    checklist: Path, monkeypatch, tmp_path: Path, what: str
) -> None:
    from tminus import places

    monkeypatch.setattr(places, "_SHARED", tmp_path)
    gid = os.getgid()
    folder = tmp_path / f"tminus-{os.getuid()}-group-{gid}"
    if what == "a link":
        (tmp_path / "elsewhere").mkdir(mode=0o750)
        folder.symlink_to(tmp_path / "elsewhere")
    else:
        folder.mkdir(mode=0o700)
        folder.chmod(0o777 if what == "open" else 0o750)
        os.chown(folder, -1, 60 if what == "of another group" else gid)
    assert len(list(places_of(checklist))) == 1
    with pytest.raises(UnsafePlace, match="remove it"):
        places._group_folder(gid)


def test_who_logged_in_stays_known_through_sudo_and_is_one_person(engine: Flying) -> None:
    noted = under_sudo(MEMBER, lambda: talk(engine.place.socket, {"ask": "note", "text": "as root", "id": 1}))
    if noted in ("PermissionError", "FileNotFoundError"):
        pytest.skip("this kernel keeps no login, or lets nobody set one")
    engine.tminus("stop")
    _, events = engine.recorded()
    note = next(event for event in events if event.kind == "note")
    assert (note.uid, note.login) == (0, MEMBER)


def test_no_port_is_opened_on_any_network(shared: Flying) -> None:
    import psutil

    process = psutil.Process(shared.pid)
    assert [one for one in process.net_connections("inet") if one.status == psutil.CONN_LISTEN] == []
    assert socket.AF_UNIX in {one.family for one in process.net_connections("unix")}
