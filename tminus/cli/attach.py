"""`tminus attach`: how a second person looks on."""

from __future__ import annotations

import grp
import os
import pwd
import re
import shlex
import shutil
import stat
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from tminus.cli.common import (
    COULD_NOT_LOOK,
    DOES_NOT_HOLD,
    HOLDS,
    UNUSABLE,
    Caller,
    Done,
    checklist_option,
    conclude,
    end,
    json_option,
)
from tminus.cli.doctor_tmux import ask

SINCE = (3, 3)
"""The first tmux with server-access: lets another login in, read-only by itself (CHANGES FROM 3.2a TO 3.3)."""


@dataclass(frozen=True)
class Session:
    """A tmux session: its name, the socket of its server, and that server's version."""

    name: str
    socket: Path
    version: str = ""


@click.command(epilog="Example: tminus attach --login bob")
@click.option("--login", default="", help="Who looks on, by the name they log in with. [default: anybody]")
@checklist_option
@json_option
def command(login: str, checklist: Path, as_json: bool) -> None:
    """Say how a second person looks on: a cockpit of their own, or the very screen of your tmux session, read-only.

    Inside tmux it is about this session; elsewhere about those that run tminus. It only prints: what lets another
    login in is yours to type. Exit 1: no session runs tminus.
    """
    caller = Caller(checklist, as_json=as_json)
    conclude(caller, lambda: _looked(caller, login))


def _looked(caller: Caller, login: str) -> Done:
    watch = f"tminus watch -C {shlex.quote(str(caller.checklist.resolve()))}"
    if login and not _is_known(login):
        end(UNUSABLE, f"nobody logs in here as {login!r}", watch=watch)
    caller.show(_watching(watch))
    if shutil.which("tmux") is None:
        end(COULD_NOT_LOOK, "tmux is not installed: there is no screen to look at; the line above works", watch=watch)
    found = list(sessions())
    for session in found:
        caller.show(["", *attaching(session, login)])
    told = [
        {"session": one.name, "socket": str(one.socket), "attach": attach_line(one), "allow": allowing(one, login)}
        for one in found
    ]
    none = f"\nNo tmux session runs tminus. To have one:\n  tmux new -s cutover\n  {_run(caller.checklist)}"
    return Done("" if found else none, {"watch": watch, "sessions": told}, HOLDS if found else DOES_NOT_HOLD)


def _is_known(login: str) -> bool:
    try:
        pwd.getpwnam(login)
    except KeyError:
        return False
    return True


def _run(checklist: Path) -> str:
    return f"tminus run -C {shlex.quote(str(checklist))}"


def _watching(watch: str) -> Iterator[str]:
    yield "Best, in a terminal of their own: its own size, their own name, and they may hold, challenge and co-sign."
    yield f"  {watch}"
    yield "From another login the run is open if it was started with: tminus run --group GROUP"


def sessions(environment: Mapping[str, str] = os.environ) -> Iterator[Session]:
    """The session that we are in; elsewhere those of this login's server in which a pane runs tminus."""
    form = "#{session_name}\t#{version}\t#{pane_tty}"
    if inside := environment.get("TMUX"):
        pane = ("-t", environment["TMUX_PANE"]) if environment.get("TMUX_PANE") else ()
        told = ask("display-message", "-p", *pane, form)
        if told is None:
            end(COULD_NOT_LOOK, "tmux does not answer: see `tminus doctor`")
        name, version, _ = told.split("\t")
        yield Session(name, Path(inside.split(",")[0]), version)
        return
    listed = [line.split("\t") for line in (ask("list-panes", "-a", "-F", form) or "").splitlines()]
    running = {name: version for name, version, tty in listed if _runs_tminus(tty)}
    for name, version in running.items():
        yield Session(name, default_socket(environment), version)


def default_socket(environment: Mapping[str, str] = os.environ) -> Path:
    """Where tmux listens when nobody names a socket."""
    return Path(environment.get("TMUX_TMPDIR") or "/tmp", f"tmux-{os.getuid()}", "default")  # noqa: S108 (tmux's own)


def attach_line(session: Session) -> str:
    """The line that shows SESSION read-only: no key that is pressed there does anything."""
    where = () if session.socket == default_socket() else ("-S", str(session.socket))
    return shlex.join(("tmux", *where, "attach", "-r", "-t", session.name))


def attaching(session: Session, login: str) -> Iterator[str]:
    """The lines for those who look at SESSION itself; LOGIN is one of another name, or empty."""
    yield f"To look at the screen of the tmux session {session.name}, read-only, from this login:"
    yield f"  {attach_line(session)}"
    yield "It is one screen, as small as the smaller terminal, and the engine takes both for one person."
    if login == pwd.getpwuid(os.getuid()).pw_name:
        return
    yield f"From {login or 'another login'}, after you have typed:"
    yield from (f"  {line}" for line in allowing(session, login))
    # Their own default socket is another one: it is named.
    yield f"  and they: {shlex.join(('tmux', '-S', str(session.socket), 'attach', '-r', '-t', session.name))}"


def allowing(session: Session, login: str) -> list[str]:
    """What the owner of SESSION types so that LOGIN may look at it, and do nothing: a line each."""
    group, folder, socket = _common_group(login), session.socket.parent, session.socket
    modes = {path: stat.S_IMODE(path.stat().st_mode) if path.exists() else 0 for path in (folder, socket)}
    lines = []
    if not modes[folder] & 0o001:
        lines += [shlex.join(("chgrp", group, str(folder))), shlex.join(("chmod", "g+x", str(folder)))]
    lines += [shlex.join(("chgrp", group, str(socket))), shlex.join(("chmod", "g+rw", str(socket)))]
    if _number(session.version) < SINCE:
        return [f"(nothing keeps them read-only: server-access needs tmux 3.3, this is {session.version or 'older'})"]
    where = () if socket == default_socket() else ("-S", str(socket))
    return [*lines, shlex.join(("tmux", *where, "server-access", "-a", "-r", login or "LOGIN"))]


def _common_group(login: str) -> str:
    """A group that LOGIN and we are in; the word GROUP when it is not known, or there is none."""
    if not login:
        return "GROUP"
    theirs = set(os.getgrouplist(login, pwd.getpwnam(login).pw_gid))
    ours = theirs if os.getuid() == 0 else {os.getgid(), *os.getgroups()}
    common = sorted(theirs & ours)
    return grp.getgrgid(common[0]).gr_name if common else "GROUP"


def _number(version: str) -> tuple[int, int]:
    found = re.match(r"(?:next-)?(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _runs_tminus(tty: str) -> bool:
    """Whether a process on TTY is tminus; where nobody can tell, it might be."""
    try:
        found = subprocess.run(
            ["ps", "-o", "args=", "-t", tty.removeprefix("/dev/")],
            capture_output=True, text=True, timeout=5, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return True
    return any("tminus" in Path(word).name for line in found.stdout.splitlines() for word in line.split()[:4])
