"""Real parts: a PostgreSQL, the sample app under gunicorn, a whole stage. Heavy ones once a session."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from rehearsal.ports import free_port
from rehearsal.postgres import Postgres, running_postgres
from rehearsal.processes import end, spawn, wait_until
from rehearsal.seed import migrate, seed
from rehearsal.stage import APP_SOURCE, Stage, stage


@dataclass(frozen=True)
class Site:
    """The sample app, served."""

    url: str
    folder: Path

    @property
    def sqlite(self) -> Path:
        return self.folder / "instance" / "app.db"

    @property
    def maintenance(self) -> Path:
        return self.folder / "maintenance"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with running_postgres(fsync=False) as server:
        yield server


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the app with a small seeded database."""
    folder = tmp_path_factory.mktemp("project") / "app"
    shutil.copytree(APP_SOURCE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    migrate(folder)
    seed(folder / "instance" / "app.db", users=40)
    return folder


@pytest.fixture(scope="session")
def site(project: Path) -> Iterator[Site]:
    port = free_port()
    env = {**os.environ, "PORT": str(port), "DATABASE_URL": "", "SECRET_KEY": "for-the-tests"}
    process = spawn(
        "app",
        [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"],
        log=project / "gunicorn.log",
        cwd=project,
        env=env,
    )
    served = Site(f"http://127.0.0.1:{port}", project)
    try:
        assert wait_until(lambda: _is_up(served.url), 20.0), (project / "gunicorn.log").read_text()
        yield served
    finally:
        end(process)


def _is_up(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.fixture(scope="session")
def running_stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A whole stage, with visitors. Tests that change its database or mode put it back."""
    folder = tmp_path_factory.mktemp("stage") / "a folder with spaces"
    with stage(folder, users=60, rate=40.0, remove=True) as made:
        yield made


def control(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run a control command, as a checklist would."""
    argv = [sys.executable, "-m", "rehearsal", *words, "--stage", str(folder)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
