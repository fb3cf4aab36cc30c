"""The practice stage: a folder with the sample app in it, and the processes that play in it.

    with stage(Path("stage")) as s:
        httpx.get(f"{s.base_url}/healthz")

The processes belong to a supervisor (`python -m rehearsal serve`), which takes orders while it runs. The
stage ends with the process that set it, even by kill -9: the supervisor holds the other end of a pipe.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from rehearsal.control import Layout, NotRunning, ask
from rehearsal.ports import free_port
from rehearsal.postgres import Postgres, remove_home
from rehearsal.processes import MARK, alive, read_run_file, spawn, sweep, wait_until, write_private
from rehearsal.render.book import Book
from rehearsal.render.code import prepare
from rehearsal.seed import migrate, seed

APP_SOURCE = Path(__file__).parent / "app"
BEFORE = Path(__file__).parent / "before"  # the files of the app that the move to PostgreSQL changes, as they were
PORTS = ("port", "staging_port", "api_port")
SETTLE = 60.0


class StageError(Exception):
    """The stage could not be set; the text says why."""


@dataclass(frozen=True)
class Stage:
    """Where everything is. DATABASE_URL is PostgreSQL's, for the role `app`; the app starts on SQLITE.

    What begins with `render_` is of the stand-in for Render: its API, the key to it, and the ids of what it has.
    """

    folder: Path
    app_dir: Path
    sqlite: Path
    base_url: str
    metrics_url: str
    database_url: str
    superuser_url: str
    postgres_home: Path
    python: str
    secret_key: str
    outbox: Path
    access_log: Path
    error_log: Path
    postgres_log: Path
    maintenance: Path
    ledger: Path
    visitors_status: Path
    visitors: bool
    rate: float
    render_api: str
    render_token: str
    render_owner: str
    render_service: str
    render_database: str
    render_staging_service: str
    render_staging_database: str
    render_repository: Path
    staging_url: str
    staging_database_url: str
    staging_outbox: Path
    staging_access_log: Path
    staging_error_log: Path
    staging_sqlite: Path
    identity_url: str
    oauth_secret: str


def set_stage(
    folder: Path, *, users: int = 2000, visitors: bool = True, rate: float = 15.0, detached: bool = False
) -> Stage:
    """Set the stage in FOLDER: make it, or go on with the one that is there (on the database it was last on).

    USERS are seeded, and VISITORS make RATE requests a second. Unless DETACHED, the stage ends when this
    process does. Raises StageError.
    """
    layout = Layout(folder.resolve())
    if running(layout.folder):
        raise StageError(f"the stage in {layout.folder} is up already")
    layout.run.mkdir(parents=True, exist_ok=True, mode=0o700)
    layout.logs.mkdir(exist_ok=True)
    clear_remains(layout)
    try:
        _prepare_app(layout, users)
    except subprocess.CalledProcessError as error:
        said = (error.stderr or b"").decode(errors="replace")[-2000:]
        raise StageError(f"{' '.join(map(str, error.cmd))} failed:\n{said}") from error
    plan = {"visitors": visitors, "rate": rate} | _ports(layout)
    write_private(layout.plan, json.dumps(plan))
    _start_supervisor(layout, detached)
    return load_stage(layout.folder)


def end_stage(folder: Path, *, remove: bool = False) -> None:
    """End everything the stage in FOLDER started. REMOVE deletes the folder and PostgreSQL's data as well.
    Harmless when it has ended, or never was."""
    layout = Layout(folder.resolve())
    process = read_run_file(layout.run_file("supervisor"))
    with suppress(NotRunning, OSError):
        ask(layout, {"order": "stop"}, timeout=30.0)
    if process is not None:
        wait_until(lambda: not alive(process), 20.0)
    clear_remains(layout)
    _let_go(layout.folder)
    if remove:
        state = _read(layout.postgres)
        if state:
            remove_home(Path(state["home"]))
        if layout.stage.exists():
            shutil.rmtree(layout.folder, ignore_errors=True)


def clear_stage(folder: Path, *, keep: Collection[str] = ()) -> None:
    """End the stage in FOLDER and remove what it left there, but for the names in KEEP; also a stage of another
    version, or one whose file is cut short. A folder that holds no stage is left alone."""
    layout = Layout(folder.resolve())
    if not layout.stage.exists():
        return
    end_stage(folder)
    home = (_read(layout.postgres) or {}).get("home")
    for path in layout.folder.iterdir():
        if path.name not in keep:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    if home:
        remove_home(Path(home))


@contextmanager
def stage(
    folder: Path, *, users: int = 2000, visitors: bool = True, rate: float = 15.0, remove: bool = False
) -> Iterator[Stage]:
    """The stage for the duration of the block; REMOVE deletes its files at the end."""
    try:
        yield set_stage(folder, users=users, visitors=visitors, rate=rate)
    finally:
        end_stage(folder, remove=remove)


def load_stage(folder: Path) -> Stage:
    """The stage that was set in FOLDER, running or not. Raises StageError when there is none."""
    saved = _read(Layout(folder.resolve()).stage)
    if saved is None:
        raise StageError(f"there is no stage in {folder}")
    kinds = {field.name: field.type for field in fields(Stage)}
    try:
        values: dict[str, Any] = {n: Path(v) if kinds[n] is Path else v for n, v in saved.items()}
        return Stage(**values)
    except (KeyError, TypeError) as error:
        raise StageError(f"the stage in {folder} is of another version") from error


def save_stage(layout: Layout, postgres: Postgres, plan: dict[str, Any], book: Book) -> Stage:
    """Write down where everything is (stage.json, mode 0600: it holds passwords)."""
    base_url, api = f"http://127.0.0.1:{plan['port']}", f"http://127.0.0.1:{plan['api_port']}"
    keys = new_secrets(layout)
    service, staging = book.services
    base, staging_base = book.bases
    made = Stage(
        folder=layout.folder,
        app_dir=layout.app,
        sqlite=layout.sqlite,
        base_url=base_url,
        metrics_url=f"{base_url}/metrics",
        database_url=postgres.url,
        superuser_url=postgres.superuser_url,
        postgres_home=postgres.home,
        python=sys.executable,
        secret_key=keys["secret_key"],
        outbox=layout.outbox,
        access_log=layout.logs / "access.log",
        error_log=layout.logs / "error.log",
        postgres_log=postgres.log,
        maintenance=layout.maintenance,
        ledger=layout.ledger,
        visitors_status=layout.visitors_status,
        visitors=plan["visitors"],
        rate=plan["rate"],
        render_api=f"{api}/v1",
        render_token=f"rnd_{keys['render_token']}",
        render_owner=book.owner,
        render_service=service.id,
        render_database=base.id,
        render_staging_service=staging.id,
        render_staging_database=staging_base.id,
        render_repository=layout.repository,
        staging_url=f"http://127.0.0.1:{plan['staging_port']}",
        staging_database_url=f"{postgres.url.rsplit('/', 1)[0]}/{staging_base.database}",
        staging_outbox=layout.staging_outbox,
        staging_access_log=layout.logs / "staging-access.log",
        staging_error_log=layout.logs / "staging-error.log",
        staging_sqlite=layout.staging / "instance" / "app.db",
        identity_url=f"{api}/identity",
        oauth_secret=keys["oauth_secret"],
    )
    write_private(layout.stage, json.dumps(asdict(made), default=str, indent=2))
    return made


def running(folder: Path) -> bool:
    process = read_run_file(Layout(folder.resolve()).run_file("supervisor"))
    return process is not None and alive(process)


def clear_remains(layout: Layout) -> None:
    """End what an earlier supervisor left running. Itself first, so that it starts nothing again."""
    sweep(layout.run_file("supervisor"))
    for path in sorted(layout.run.glob("*.run.json"), reverse=True):
        sweep(path)
    layout.ready.unlink(missing_ok=True)  # it would speak for the next one


def _prepare_app(layout: Layout, users: int) -> None:
    """The app with its commits and its seeded database; each step only if it is not done yet."""
    done = layout.repository / "prepared"
    if not done.exists():
        shutil.copytree(APP_SOURCE, layout.app, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
        prepare(layout.app, layout.repository, BEFORE)
        done.touch()
    if not layout.sqlite.exists():
        unfinished = layout.sqlite.with_suffix(".unfinished")
        layout.sqlite.parent.mkdir(exist_ok=True)
        unfinished.unlink(missing_ok=True)
        migrate(layout.app, database_url=f"sqlite:///{unfinished}")
        seed(unfinished, users=users)
        unfinished.rename(layout.sqlite)


# The ends of the pipes that running supervisors listen to: closed when this process ends, however it ends.
_leashes: dict[Path, int] = {}


def _start_supervisor(layout: Layout, detached: bool) -> None:
    listen, hold = os.pipe()
    try:
        argv = [sys.executable, "-m", "rehearsal", "serve", "--stage", str(layout.folder)]
        supervisor = spawn(
            "supervisor",
            argv if detached else [*argv, "--leashed"],
            log=layout.logs / "supervisor.log",
            env=supervisor_environment(),
            stdin=listen,
            die_with_parent=False,
            run_file=layout.run_file("supervisor"),
        )
    finally:
        os.close(listen)
    _leashes[layout.folder] = hold
    settled = wait_until(lambda: not alive(supervisor) or layout.ready.exists(), SETTLE)
    if not (settled and alive(supervisor)):
        end_stage(layout.folder)
        said = (layout.logs / "supervisor.log").read_text(errors="replace")[-3000:]
        raise StageError(f"the stage did not come up:\n{said}")


def supervisor_environment() -> dict[str, str]:
    """Ours, with this package on the path; without the marks and secrets of the caller."""
    root = str(Path(__file__).resolve().parent.parent)
    path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH", ""))))
    dropped = (MARK, "DATABASE_URL", "SECRET_KEY", "GUNICORN_CMD_ARGS")
    return {key: value for key, value in os.environ.items() if key not in dropped} | {"PYTHONPATH": path}


def _let_go(folder: Path) -> None:
    hold = _leashes.pop(folder, None)
    if hold is not None:
        os.close(hold)


def _ports(layout: Layout) -> dict[str, int]:
    """Those of the time before, for what was there then."""
    before = _read(layout.plan) or {}
    return {name: int(before[name]) if name in before else free_port() for name in PORTS}


def _read(path: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def new_secrets(layout: Layout) -> dict[str, str]:
    """The stage's passwords, made once: sessions and data survive a restart of everything."""
    found = _read(layout.secrets) or {}
    names = ("secret_key", "password", "superuser_password", "oauth_secret", "render_token")
    missing = {name: secrets.token_hex(16) for name in names if name not in found}
    if missing:
        found |= missing
        write_private(layout.secrets, json.dumps(found))
    return found
