"""A look at one check with as little ceremony as a test may have."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from checks.contract import Plan, Progress
from checks.registry import Registry
from checks.runner import Call, plan_check, run_check
from rehearsal import stage as stages
from rehearsal.postgres import Postgres, create_database, start_postgres, stop_postgres
from rehearsal.seed import migrate, seed
from state.definition import Item
from state.redact import Redactor
from state.targets import resolve
from state.verdicts import Outcome


@dataclass
class Looking:
    """Runs checks against a project folder of its own, and keeps what they said."""

    project: Path
    registry: Registry
    lines: list[str] = field(default_factory=list)
    steps: list[Progress] = field(default_factory=list)

    def call(
        self,
        check: str,
        with_: Mapping[str, Any] | None = None,
        *,
        targets: Mapping[str, Any] | None = None,
        environ: Mapping[str, str] | None = None,
        timeout: str | None = None,
        item: str = "item",
        **others: Any,
    ) -> Call:
        resolved = resolve(targets or {}, environ or {})
        others.setdefault("go", True)
        others.setdefault("redact", Redactor.knowing(resolved.secrets))
        return Call(
            item=Item(id=item, text="a line", check=check, with_=dict(with_ or {}), timeout=timeout),
            project=self.project,
            artefacts=self.project / "artefacts",
            targets=resolved,
            on_log=self.lines.append,
            on_progress=self.steps.append,
            **others,
        )

    async def __call__(self, check: str, with_: Mapping[str, Any] | None = None, **others: Any) -> Outcome:
        return await run_check(self.registry, self.call(check, with_, **others))

    async def plan(self, check: str, with_: Mapping[str, Any] | None = None, **others: Any) -> Plan | Outcome:
        return await plan_check(self.registry, self.call(check, with_, **others))

    def plugin(self, source: str, name: str = "ours.py") -> None:
        """Add a Python file of the project's own."""
        (self.project / name).write_text(source)
        self.registry = Registry.load((*self.registry.plugins, name), self.project)


@pytest.fixture
def look(tmp_path: Path) -> Looking:
    """`await look("http.health", {"url": …})` -> Outcome."""
    project = tmp_path / "project"
    project.mkdir()
    return Looking(project, Registry.load((), project))


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], Awaitable[None]]:
    """Wait for something to become true, at most ten seconds."""

    async def wait(true: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not true():
                await asyncio.sleep(0.01)

    return wait


@pytest.fixture(scope="session")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[stages.Stage]:
    """The practice stage: the sample app on SQLite with a few users, and a real PostgreSQL."""
    with stages.stage(tmp_path_factory.mktemp("stage"), users=25, visitors=False, remove=True) as running:
        yield running


@pytest.fixture(scope="session")
def server() -> Iterator[Postgres]:
    """A PostgreSQL and nothing else: far lighter than a stage."""
    running = start_postgres(fsync=False)
    yield running
    stop_postgres(running, remove=True)


@pytest.fixture
def database(server: Postgres, request: pytest.FixtureRequest) -> str:
    """An empty database of its own; the URL of the role `app`, which owns it."""
    name = f"d{abs(hash(request.node.nodeid)) % 10**12}"
    create_database(server.superuser_url, name)
    return f"{server.url.rpartition('/')[0]}/{name}"


@dataclass(frozen=True)
class Sample:
    """The sample app's code, and its SQLite file with a few users. Nothing runs."""

    app_dir: Path
    sqlite: Path


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    app = tmp_path_factory.mktemp("sample") / "app"
    shutil.copytree(stages.APP_SOURCE, app, ignore=shutil.ignore_patterns("__pycache__"))
    sqlite = app / "instance" / "app.db"
    sqlite.parent.mkdir()
    migrate(app, database_url=f"sqlite:///{sqlite}")
    seed(sqlite, users=25)
    return Sample(app, sqlite)
