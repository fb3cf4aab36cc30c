"""What the stand-in knows: services, deploys, jobs, exports. One JSON file, so that it survives a restart.

Changed by the supervisor's thread alone; read by the threads of the API, under the same lock.
"""

import json
import secrets
import string
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

from rehearsal.processes import write_private

IN_FLIGHT = frozenset({"created", "queued", "build_in_progress", "pre_deploy_in_progress", "update_in_progress"})
ENDED_JOBS = frozenset({"succeeded", "failed", "canceled"})
FAULTS = ("build", "pre_deploy", "health")
_LETTERS = string.ascii_lowercase + string.digits


def stamp() -> str:
    """Now, as the API writes it."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def new_id(prefix: str, suffix: str = "") -> str:
    """An id as Render makes them: srv-…, dep-…, dpg-…-a."""
    return f"{prefix}-{''.join(secrets.choice(_LETTERS) for _ in range(20))}{suffix}"


@dataclass
class Service:
    """A web service. ENV is what the next deploy runs with; the one that is live keeps what it was deployed with."""

    id: str
    name: str
    branch: str
    port: int
    health_path: str = "/livez"
    pre_deploy: str = ""
    auto_deploy: bool = True
    suspended: bool = False
    env: dict[str, str] = field(default_factory=dict)
    created_at: str = field(default_factory=stamp)
    updated_at: str = field(default_factory=stamp)


@dataclass
class Deploy:
    """A deploy of a commit. ENV are the service's variables as they were when it began."""

    id: str
    service: str
    trigger: str
    commit: str
    message: str
    committed_at: str
    env: dict[str, str]
    status: str = "created"
    created_at: str = field(default_factory=stamp)
    started_at: str | None = None
    updated_at: str = field(default_factory=stamp)
    finished_at: str | None = None


@dataclass
class Job:
    """A one-off command with the service's code and variables, without its disk."""

    id: str
    service: str
    command: str
    plan: str = "plan-srv-006"
    status: str = "pending"
    created_at: str = field(default_factory=stamp)
    started_at: str | None = None
    finished_at: str | None = None


@dataclass
class Base:
    """A database of the PostgreSQL."""

    id: str
    name: str
    database: str
    created_at: str = field(default_factory=stamp)


@dataclass
class Export:
    """A dump of a database; READY when its file is whole."""

    id: str
    base: str
    ready: bool = False
    created_at: str = field(default_factory=stamp)


@dataclass
class Settings:
    """How deploys go. FAIL_NEXT: what the next deploy fails at, "" nothing; it counts once."""

    build_seconds: float = 0.0
    health_seconds: float = 30.0
    fail_next: str = ""


@dataclass
class Book:
    """Everything, the oldest first."""

    path: Path
    owner: str = field(default_factory=lambda: new_id("tea"))
    services: list[Service] = field(default_factory=list)
    bases: list[Base] = field(default_factory=list)
    deploys: list[Deploy] = field(default_factory=list)
    jobs: list[Job] = field(default_factory=list)
    exports: list[Export] = field(default_factory=list)
    tips: dict[str, str] = field(default_factory=dict)
    settings: Settings = field(default_factory=Settings)

    def __post_init__(self) -> None:
        self.lock = threading.RLock()

    @contextmanager
    def change(self) -> Iterator[None]:
        """Changes in the block are seen all at once, and written down at its end."""
        with self.lock:
            yield
            values = asdict(self) | {"path": None}
            write_private(self.path, json.dumps(values))

    def service(self, name: str) -> Service:
        """By id or name. Raises KeyError."""
        return next((one for one in self.services if name in (one.id, one.name)), None) or _missing(name)

    def deploy(self, name: str) -> Deploy:
        return next((one for one in self.deploys if one.id == name), None) or _missing(name)

    def base(self, name: str) -> Base:
        return next((one for one in self.bases if name in (one.id, one.name)), None) or _missing(name)

    def deploys_of(self, service: str) -> list[Deploy]:
        """The newest first."""
        return [one for one in reversed(self.deploys) if one.service == service]

    def live(self, service: str) -> Deploy | None:
        return next((one for one in self.deploys_of(service) if one.status == "live"), None)

    def in_flight(self, service: str) -> list[Deploy]:
        """The oldest first."""
        return [one for one in self.deploys if one.service == service and one.status in IN_FLIGHT]


def _missing(name: str) -> NoReturn:
    raise KeyError(name)


def load_book(path: Path) -> Book:
    """The book in PATH; a new one when there is none. What was under way when it was left has ended."""
    try:
        values = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return Book(path)
    book = Book(
        path,
        values["owner"],
        [Service(**one) for one in values["services"]],
        [Base(**one) for one in values["bases"]],
        [Deploy(**one) for one in values["deploys"]],
        [Job(**one) for one in values["jobs"]],
        [Export(**one) for one in values["exports"]],
        values["tips"],
        Settings(**values["settings"]),
    )
    for deploy in book.deploys:
        if deploy.status in IN_FLIGHT:
            deploy.status, deploy.finished_at = "canceled", stamp()
    for job in book.jobs:
        if job.status not in ENDED_JOBS:
            job.status, job.finished_at = "canceled", stamp()
    book.exports = [one for one in book.exports if one.ready]
    return book
