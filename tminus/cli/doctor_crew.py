"""What two people and their record need of this machine: for `tminus doctor`. What is not told is "cannot tell"."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tminus.cli.doctor_tmux import UNKNOWN, Found
from tminus.places import Place, UnsafePlace, engines, group_id


def crew_findings(checklist: Path, group: str) -> Iterator[Found]:
    """(what, found, good, mend) of each; of the GROUP only when one is named. Nothing is changed."""
    yield from _engines(checklist)
    if group:
        yield _group(group)
    folder = checklist.resolve().parent
    if shutil.which("git") is not None:
        yield from _identity(folder)
        yield _signing(folder)
    yield from _records(checklist)
    yield _clock()


def _run(*argv: str) -> str | None:
    """What a program prints; None when it fails, is missing or says nothing in time."""
    try:
        found = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=5, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() if found.returncode == 0 else None


def _engines(checklist: Path) -> Iterator[Found]:
    from tminus.launch import is_up
    from tminus.places import place_of

    try:
        here, ours = [place for place in engines() if is_up(place)], place_of(checklist).socket.name
    except (UnsafePlace, OSError) as error:
        yield "engines", UNKNOWN, False, str(error)
        return
    if not here:
        yield "engines", "none is up here", None, ""
    for place in here:
        told, good = _told(place)
        which = "of this checklist" if place.socket.name == ours else "of another checklist"
        yield "engine", f"{which}, {told}", good, "others may open its socket: end it, and start it again"


def _told(place: Place) -> tuple[str, bool]:
    found = place.socket.stat()
    mode = stat.S_IMODE(found.st_mode)
    whose = "yours" if found.st_uid == os.getuid() else f"of {_login(found.st_uid)}"
    closed = mode & (0o007 if place.group != -1 else 0o077) == 0
    who = f"open to the group {_group_name(place.group)}" if place.group != -1 else "open to that login alone"
    return f"{whose}, {who} ({mode:04o}) at {place.socket}", closed


def _login(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return f"{gid} (which has no name here)"


def _group(group: str) -> Found:
    try:
        gid = group_id(group)
    except UnsafePlace as error:
        return "group", group, False, f"{error}; as root: groupadd {group}; usermod -aG {group} LOGIN"
    others = {user.pw_name for user in pwd.getpwall() if user.pw_gid == gid} | set(grp.getgrgid(gid).gr_mem)
    others.discard(_login(os.getuid()))
    told = f"{group}: {', '.join(sorted(others)) or 'nobody'} beside you"
    return "group", told, bool(others), f"add the second person, as root: usermod -aG {group} LOGIN"


def _identity(folder: Path) -> Iterator[Found]:
    for key, what in (("user.name", "your name in the record"), ("user.email", "commits of the record need it")):
        told = _run("git", "-C", str(folder), "config", key)
        yield f"git {key}", told or "not set", bool(told), f'git config --global {key} "…" ({what})'


def _signing(folder: Path) -> Found:
    """Whether git signs commits, and has a key to do so. No signature is made: that may ask for a passphrase."""

    def setting(key: str) -> str:
        return _run("git", "-C", str(folder), "config", key) or ""

    signs = _run("git", "-C", str(folder), "config", "--type=bool", "commit.gpgsign") == "true"
    form, key = setting("gpg.format") or "openpgp", setting("user.signingkey")
    problem = ""
    if form == "ssh":
        problem = _no_ssh_key(key, setting("gpg.ssh.defaultKeyCommand"))
    elif form == "openpgp":
        program = setting("gpg.program") or "gpg"
        whose = key or setting("user.email")
        if shutil.which(program) is None:
            problem = f"{program} is missing"
        elif not whose or _run(program, "--batch", "--list-secret-keys", whose) is None:
            problem = f"no secret key for {whose or 'anybody'}"
    else:
        problem = f"{UNKNOWN} for {form}"
    if not signs:
        can = f"; it could, by {form}" if not problem else ""
        return "git signs", f"no{can}", None, ""
    good = None if problem.startswith(UNKNOWN) else not problem
    mend = "set user.signingkey to a key that is here, or commit.gpgsign to false"
    return "git signs", f"yes, by {form}{f': {problem}' if problem else ''}", good, mend


def _no_ssh_key(key: str, command: str) -> str:
    if shutil.which("ssh-keygen") is None:
        return "ssh-keygen is missing"
    if key.startswith(("key::", "ssh-")):
        held = [line.split(" ")[:2] for line in (_run("ssh-add", "-L") or "").splitlines()]
        return "" if key.removeprefix("key::").split(" ")[:2] in held else "the agent does not hold the key"
    if not key:
        return "" if command else "no key is set"
    return "" if Path(key).expanduser().is_file() else "the file of the key is not there"


def _records(checklist: Path) -> Iterator[Found]:
    from state.loader import load_checklist
    from state.problems import ChecklistError

    if not checklist.is_file():
        yield "records", f"no checklist at {checklist}", None, ""
        return
    try:
        folder = checklist.resolve().parent / load_checklist(checklist).checklist.record_dir
    except (ChecklistError, OSError):
        yield "records", f"{UNKNOWN}: `tminus validate` names the mistakes of {checklist}", None, ""
        return
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    writable = nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)
    there = "" if nearest == folder else ", made at the first run"
    yield "records", f"{folder}{there}", writable, f"{nearest} is not yours to write in"
    if shutil.which("git") is None:
        return
    if _run("git", "-C", str(nearest), "rev-parse", "--is-inside-work-tree") != "true":
        yield "records in git", "in no repository", False, f"git init {checklist.resolve().parent}"
    elif _run("git", "-C", str(nearest), "check-ignore", "-q", str(folder / "record.toml")) is not None:
        yield "records in git", "ignored", False, f"take {folder.name} out of .gitignore: records are committed"
    else:
        yield "records in git", "inside a repository", True, ""


def _clock() -> Found:
    told = _run("timedatectl", "show", "--property=NTPSynchronized", "--value")
    mend = "the record's times are this clock's: timedatectl set-ntp true"
    if told not in ("yes", "no"):
        return "clock", f"{UNKNOWN} whether it is kept right (no timedatectl answers)", None, ""
    return "clock", "kept right by NTP" if told == "yes" else "not synchronised", told == "yes", mend
