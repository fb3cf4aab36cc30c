"""Instances of a service: gunicorn on a checked-out commit, on a port of its own behind the edge."""

import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from rehearsal.control import Layout
from rehearsal.fetch import Unanswered, get
from rehearsal.ports import free_port
from rehearsal.processes import Running, alive, end, spawn, write_private
from rehearsal.render.book import Deploy, Service
from rehearsal.stage import Stage

PATIENCE = 12.0  # over gunicorn's own graceful_timeout
PRODUCTION, STAGING = "skymodder", "skymodder-staging"


@dataclass(frozen=True)
class Room:
    """What a service has of its own on the stage, whatever is deployed. DISK is where its SQLite file lives."""

    name: str  # of its process and run file
    disk: Path
    outbox: Path
    maintenance: Path
    trouble: Path
    access_log: Path
    error_log: Path
    url: str


@dataclass(frozen=True)
class Instance:
    id: str
    port: int
    process: Running
    metrics: Path
    deploy: str
    run_file: Path


def room_of(layout: Layout, service: Service) -> Room:
    url = f"http://127.0.0.1:{service.port}"
    if service.name == STAGING:
        log = layout.logs
        return Room(
            "staging", layout.staging / "instance", layout.staging_outbox, layout.staging / "maintenance",
            layout.staging / "trouble.json", log / "staging-access.log", log / "staging-error.log", url,
        )  # fmt: skip
    return Room(
        "app", layout.sqlite.parent, layout.outbox, layout.maintenance, layout.trouble,
        layout.logs / "access.log", layout.logs / "error.log", url,
    )  # fmt: skip


def release(layout: Layout, sha: str) -> Path:
    """Where the built commit SHA is."""
    return layout.folder / "releases" / sha


def database_of(env: Mapping[str, str]) -> str:
    """ "postgresql" or "sqlite": what an instance with ENV uses."""
    return "postgresql" if env.get("DATABASE_URL", "").startswith("postgres") else "sqlite"


def environment(
    layout: Layout, stage: Stage, service: Service, env: Mapping[str, str], commit: str
) -> dict[str, str]:
    """What a program of SERVICE sees: ours without what is ours alone, the platform's, and its own variables."""
    room = room_of(layout, service)
    dropped = {"PYTHONPATH", "DATABASE_URL", "SECRET_KEY", "GUNICORN_CMD_ARGS"}
    ours = {k: v for k, v in os.environ.items() if k not in dropped and not k.startswith(("RENDER", "GIT_"))}
    identity = f"{stage.identity_url}"
    return ours | {
        "RENDER": "true",
        "RENDER_SERVICE_ID": service.id,
        "RENDER_SERVICE_NAME": service.name,
        "RENDER_GIT_COMMIT": commit,
        "RENDER_EXTERNAL_URL": room.url,
        "SECRET_KEY": stage.secret_key,
        "MAIL_OUTBOX": str(room.outbox),
        "MAINTENANCE_FILE": str(room.maintenance),
        "TROUBLE_FILE": str(room.trouble),
        "ACCESS_LOG": str(room.access_log),
        "ERROR_LOG": str(room.error_log),
        "WEB_CONCURRENCY": "2" if service.name == PRODUCTION else "1",
        "OAUTH_NAME": "Rehearsal ID",
        "OAUTH_AUTHORIZE_URL": f"{identity}/authorize",
        "OAUTH_TOKEN_URL": f"{identity}/token",
        "OAUTH_USERINFO_URL": f"{identity}/userinfo",
        "OAUTH_CLIENT_ID": "skymodder",
        "OAUTH_CLIENT_SECRET": stage.oauth_secret,
        "PYTHONDONTWRITEBYTECODE": "1",
        **env,
    }


def start_instance(layout: Layout, stage: Stage, service: Service, deploy: Deploy) -> Instance:
    """Start what DEPLOY deployed. Nothing points to it yet. Raises OSError."""
    room = room_of(layout, service)
    folder = release(layout, deploy.commit)
    ident, port = f"{service.id}-{time.time_ns() // 1000 % 10**9:x}", free_port()
    _mount(room.disk, folder / "instance")
    metrics = layout.run / f"metrics-{ident}"
    run_file = layout.run_file(ident)
    env = environment(layout, stage, service, deploy.env, deploy.commit) | {
        "PORT": str(port),
        "RENDER_INSTANCE_ID": ident,
        "PROMETHEUS_MULTIPROC_DIR": str(metrics),
    }
    argv = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "wsgi:app"]
    process = spawn(room.name, argv, log=room.error_log, cwd=folder, env=env, run_file=run_file)
    return Instance(ident, port, process, metrics, deploy.id, run_file)


def _mount(disk: Path, at: Path) -> None:
    disk.mkdir(parents=True, exist_ok=True)
    if not at.is_symlink():
        at.symlink_to(disk, target_is_directory=True)


def settle(layout: Layout, instance: Instance) -> Instance:
    """INSTANCE is the one that serves: its note gets the name under which it is looked for."""
    path = layout.run_file(instance.process.name)
    write_private(path, json.dumps(asdict(instance.process)))
    instance.run_file.unlink(missing_ok=True)
    return Instance(instance.id, instance.port, instance.process, instance.metrics, instance.deploy, path)


def tell_to_end(instance: Instance) -> None:
    """SIGTERM: what it has begun it may finish."""
    if alive(instance.process):
        with suppress(ProcessLookupError):
            os.kill(instance.process.pid, signal.SIGTERM)


def end_instance(instance: Instance, *, patience: float = PATIENCE) -> None:
    """End INSTANCE and what it left. Harmless when it is gone."""
    end(instance.process, patience=patience)
    shutil.rmtree(instance.metrics, ignore_errors=True)


def answers(instance: Instance, path: str, *, timeout: float = 5.0) -> int | None:
    """The status with which INSTANCE answers a GET of PATH; None when it does not."""
    try:
        return get(f"http://127.0.0.1:{instance.port}{path}", timeout=timeout)[0]
    except Unanswered:
        return None
