"""Where the files of a stage are, and how its supervisor is given orders: a JSON line each way."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class NotRunning(Exception):
    """No supervisor listens in this stage."""


@dataclass(frozen=True)
class Layout:
    """The files of the stage in FOLDER."""

    folder: Path

    @property
    def app(self) -> Path:
        return self.folder / "app"

    @property
    def sqlite(self) -> Path:
        return self.app / "instance" / "app.db"

    @property
    def run(self) -> Path:
        """What must not be read by others: the socket, the run files, the secrets (mode 0700)."""
        return self.folder / "run"

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    @property
    def outbox(self) -> Path:
        return self.folder / "outbox"

    @property
    def maintenance(self) -> Path:
        return self.folder / "maintenance"

    @property
    def trouble(self) -> Path:
        """While it exists, the app goes wrong as it says."""
        return self.folder / "trouble.json"

    @property
    def repository(self) -> Path:
        """What the app's remote `render` is."""
        return self.folder / "render.git"

    @property
    def staging(self) -> Path:
        """What the application for staging has of its own."""
        return self.folder / "staging"

    @property
    def staging_outbox(self) -> Path:
        return self.folder / "staging-outbox"

    @property
    def stage(self) -> Path:
        return self.folder / "stage.json"

    @property
    def plan(self) -> Path:
        return self.run / "plan.json"

    @property
    def secrets(self) -> Path:
        return self.run / "secrets.json"

    @property
    def postgres(self) -> Path:
        """Where PostgreSQL's files and port are."""
        return self.run / "postgres-home.json"

    @property
    def database(self) -> Path:
        """The database in use, one word."""
        return self.run / "database"

    @property
    def book(self) -> Path:
        """What the stand-in for Render knows."""
        return self.run / "render.json"

    @property
    def draining(self) -> Path:
        """Exists while an instance that is no longer asked still answers what it was asked before."""
        return self.run / "draining"

    @property
    def ready(self) -> Path:
        """Exists while everything was started."""
        return self.run / "ready"

    @property
    def ledger(self) -> Path:
        return self.folder / "ledger.jsonl"

    @property
    def visitors_status(self) -> Path:
        return self.folder / "visitors.json"

    def run_file(self, name: str) -> Path:
        return self.run / f"{name}.run.json"


def database_in_use(layout: Layout) -> str:
    """ "sqlite" or "postgresql": what the app was last told to use."""
    try:
        return layout.database.read_text().strip()
    except FileNotFoundError:
        return "sqlite"


@contextmanager
def _short(layout: Layout) -> Iterator[str]:
    """A path to the socket that fits into a socket's address (107 bytes), however deep the folder is."""
    folder = os.open(layout.run, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/control"
    finally:
        os.close(folder)


def listen(layout: Layout) -> socket.socket:
    """The supervisor's end. Raises OSError."""
    (layout.run / "control").unlink(missing_ok=True)
    server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with _short(layout) as address:
        server.bind(address)
    server.listen(8)
    return server


def ask(layout: Layout, order: dict[str, Any], *, timeout: float = 90.0) -> dict[str, Any]:
    """The supervisor's answer to ORDER. Raises NotRunning, or OSError when it hangs up or takes too long."""
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.settimeout(timeout)
    with client:
        try:
            with _short(layout) as address:
                client.connect(address)
        except (FileNotFoundError, ConnectionRefusedError) as error:
            raise NotRunning(f"no stage is up in {layout.folder}") from error
        client.sendall(json.dumps(order).encode() + b"\n")
        with client.makefile("rb") as answers:
            line = answers.readline()
    if not line:
        raise ConnectionError("the stage hung up before it answered")
    answer: dict[str, Any] = json.loads(line)
    return answer
