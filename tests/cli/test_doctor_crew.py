"""What `tminus doctor` says of two people and their record: real git, real keys, real sockets."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tminus import places
from tminus.cli.doctor_crew import crew_findings
from tminus.cli.doctor_tmux import UNKNOWN
from tminus.places import UnsafePlace, group_id, place_of

Found = dict[str, tuple[str, bool | None]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a project in a repository, with a git and a gpg that know nobody."""
    (tmp_path / "home").mkdir(mode=0o700)
    monkeypatch.setattr(places, "_SHARED", tmp_path)  # not the groups' engines of whoever else is on this machine
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("GNUPGHOME", str(tmp_path / "home"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "home/.gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", "/dev/null")
    for variable in [name for name in os.environ if name.startswith(("GIT_AUTHOR", "GIT_COMMITTER", "SSH_AUTH"))]:
        monkeypatch.delenv(variable)
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "checklist.toml").write_text(
        'schema = 1\ntitle = "T"\n[[phase]]\nid = "p"\ntitle = "P"\n[[phase.step]]\ntitle = "S"\n'
        '[[phase.step.item]]\nid = "i"\ntext = "I"\n'
    )
    git(folder, "init", "-q")
    return folder


def git(folder: Path, *words: str) -> None:
    subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True, timeout=20)


def look(folder: Path, group: str = "") -> Found:
    return {what: (told, good) for what, told, good, _ in crew_findings(folder / "checklist.toml", group)}


def test_git_must_know_who_commits(folder: Path) -> None:
    found = look(folder)
    assert found["git user.name"] == ("not set", False) and found["git user.email"] == ("not set", False)
    git(folder, "config", "user.name", "Anna")
    git(folder, "config", "user.email", "anna@example.org")
    found = look(folder)
    assert found["git user.name"] == ("Anna", True) and found["git user.email"] == ("anna@example.org", True)


def test_a_repository_that_does_not_sign_is_nothing_to_mend(folder: Path) -> None:
    told, good = look(folder)["git signs"]
    assert told == "no" and good is None


def test_signing_by_ssh_needs_its_key(folder: Path, tmp_path: Path) -> None:
    key = tmp_path / "key"
    for name, value in (("commit.gpgsign", "true"), ("gpg.format", "ssh"), ("user.signingkey", str(key))):
        git(folder, "config", name, value)
    assert look(folder)["git signs"] == ("yes, by ssh: the file of the key is not there", False)
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True, timeout=20)
    assert look(folder)["git signs"] == ("yes, by ssh", True)
    git(folder, "config", "user.signingkey", "key::" + Path(f"{key}.pub").read_text().strip())
    assert look(folder)["git signs"] == ("yes, by ssh: the agent does not hold the key", False)
    git(folder, "config", "--unset", "user.signingkey")
    assert look(folder)["git signs"] == ("yes, by ssh: no key is set", False)
    git(folder, "config", "commit.gpgsign", "false")
    git(folder, "config", "user.signingkey", str(key))
    assert look(folder)["git signs"] == ("no; it could, by ssh", None)


def test_signing_by_gpg_needs_a_secret_key(folder: Path) -> None:
    git(folder, "config", "commit.gpgsign", "true")
    git(folder, "config", "user.email", "anna@example.org")
    assert look(folder)["git signs"] == ("yes, by openpgp: no secret key for anna@example.org", False)
    git(folder, "config", "gpg.program", "no-such-gpg")
    assert look(folder)["git signs"] == ("yes, by openpgp: no-such-gpg is missing", False)
    git(folder, "config", "gpg.format", "x509")
    told, good = look(folder)["git signs"]
    assert UNKNOWN in told and good is None


def test_records_want_a_folder_to_write_in_inside_a_repository_that_does_not_ignore_it(folder: Path) -> None:
    found = look(folder)
    assert found["records"] == (f"{folder}/deployments, made at the first run", True)
    assert found["records in git"] == ("inside a repository", True)
    (folder / ".gitignore").write_text("deployments/\n")
    assert look(folder)["records in git"] == ("ignored", False)
    (folder / ".git").rename(folder / "git-no-more")
    assert look(folder)["records in git"] == ("in no repository", False)
    (folder / "deployments").write_text("a file")
    assert look(folder)["records"][1] is False
    (folder / "checklist.toml").write_text("no checklist")
    assert look(folder)["records"][0].startswith(UNKNOWN)
    (folder / "checklist.toml").unlink()
    assert look(folder)["records"][1] is None


@pytest.fixture
def listen() -> Iterator[Callable[[Path, int], None]]:
    """listen(path, mode): something answers at PATH."""
    open_ones = []

    def opened(path: Path, mode: int) -> None:
        one = socket.socket(socket.AF_UNIX)
        one.bind(str(path))
        one.listen()
        path.chmod(mode)
        open_ones.append(one)

    yield opened
    for one in open_ones:
        one.close()


def test_engines_that_are_up_are_named_with_who_may_come_in(folder: Path, listen) -> None:
    assert look(folder)["engines"] == ("none is up here", None)
    place = place_of(folder / "checklist.toml")
    listen(place.socket, 0o600)
    told, good = look(folder)["engine"]
    assert told == f"of this checklist, yours, open to that login alone (0600) at {place.socket}" and good is True
    place.socket.chmod(0o666)
    assert look(folder)["engine"][1] is False
    place.socket.chmod(0o600)
    listen(place_of(folder / "other.toml").socket, 0o600)
    engines = [told for what, told, _, _ in crew_findings(folder / "checklist.toml", "") if what == "engine"]
    assert len(engines) == 2 and sum(told.startswith("of another checklist") for told in engines) == 1


def test_a_group_must_exist_and_have_somebody_else_in_it(folder: Path) -> None:
    assert look(folder, "no-such-group")["group"] == ("no-such-group", False)
    try:
        group_id("games")
    except UnsafePlace:
        pytest.skip("not in that group")
    assert look(folder, "games")["group"] == ("games: games beside you", True)


@pytest.mark.parametrize(
    ("said", "good", "told"),
    [("yes", True, "NTP"), ("no", False, "not synchronised"), ("", None, UNKNOWN)],
)
def test_the_clock_is_what_timedatectl_says_or_nobody_can_tell(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, good: bool | None, told: str
) -> None:
    (tmp_path / "timedatectl").write_text(f"#!/bin/sh\n[ -n '{said}' ] && echo {said}\n")
    (tmp_path / "timedatectl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    found = look(folder)["clock"]
    assert told in found[0] and found[1] is good
