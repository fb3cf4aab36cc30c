"""The whole cutover on a stage of its own: the stage is set, flown over by a cockpit or alone, and cleared away."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

import click

from rehearsal.control import Layout, ask
from rehearsal.stage import Stage, StageError, clear_stage, end_stage, load_stage, running, set_stage
from rehearsal.trouble import begin
from state.events import utc_text
from state.record import RecordError
from state.record_file import read_record
from tminus.cli.common import COULD_NOT_LOOK, DOES_NOT_HOLD, HOLDS, UNUSABLE, end, find_place, your_name
from tminus.client.connection import Client, EngineGone, Refused
from tminus.client.requests import StopEngine
from tminus.launch import EngineFailed, is_up, start_engine, wait_until_ended
from tminus.places import Place, UnsafePlace, place_of
from tminus.practice.auto import ACTOR, NoGo, Pilot
from tminus.practice.overlay import write_checklist

WRITES, WRITING = 20, 30.0  # of the visitors to the new version, and the seconds they have for them
RESTARTS = 25  # of an engine that dies under an unattended flight, before it gives up


def rehearse_on_stage(
    folder: Path, *, users: int, fresh: bool, auto: bool, rollback: bool, name: str, group: str
) -> NoReturn:
    """Rehearse on the stage in FOLDER, and exit. AUTO, or no terminal: unattended; ROLLBACK: there and back; with a
    second person, who is in the GROUP."""
    began = time.monotonic()
    if not auto and sys.stdin.isatty() and not sys.stderr.isatty():
        end(UNUSABLE, "the screen is drawn on stderr, which is not a terminal: do not redirect it, or say --auto")
    if not auto and not sys.stdin.isatty():
        click.echo("no terminal here: flying unattended, as with --auto", err=True)
        auto = True
    try:
        fresh = fresh or auto or not _goes_on(folder)
        with _set(folder, users, fresh=fresh, group=group) as (stage, checklist, place):
            if auto:
                sys.exit(_fly(stage, checklist, place, began, rollback))
            sys.exit(_cockpit(stage, checklist, place, name, anew=fresh))
    except (StageError, EngineFailed, UnsafePlace) as error:
        end(UNUSABLE, str(error))


def _goes_on(folder: Path) -> bool:
    """Whether an unfinished rehearsal was left in FOLDER: its newest record is whole, and not closed, and its stage
    is of this version."""
    records = sorted((folder / "deployments").glob("*.toml"), key=lambda path: path.stat().st_mtime_ns)
    if not records:
        return False
    try:
        if read_record(records[-1])[0].closed:
            return False
        load_stage(folder)
    except (RecordError, OSError):
        return False
    except StageError as error:
        click.echo(f"{error}; beginning again, the record of the rehearsal that was left here stays", err=True)
        return False
    return True


@contextmanager
def _set(folder: Path, users: int, *, fresh: bool, group: str) -> Iterator[tuple[Stage, Path, Place]]:
    """The stage, its checklist and its engine's place; everything that was started ends with the block."""
    folder = folder.resolve()
    _end_engine(folder)
    if running(folder):
        end_stage(folder)
    if fresh:
        clear_stage(folder, keep=("deployments",))
    else:
        click.echo("going on with the rehearsal that was left here; --fresh begins again", err=True)
    click.echo(
        f"setting the stage in {folder.name}/: an application with {users} users, a PostgreSQL, visitors", err=True
    )
    try:
        stage = set_stage(folder, users=users)
        click.echo(f"the application answers at {stage.base_url}", err=True)
        checklist = write_checklist(folder, _targets(stage), alone=not group)
        yield stage, checklist, place_of(checklist, group)
    finally:
        _end_engine(folder)
        end_stage(folder)


def _targets(stage: Stage) -> dict[str, str | int | float | bool | list[str]]:
    within = {
        "sqlite": stage.sqlite,
        "app_dir": stage.app_dir,
        "outbox": stage.outbox,
        "staging_outbox": stage.staging_outbox,
    }
    logs = {
        "log_files": (stage.error_log, stage.access_log),
        "staging_log_files": (stage.staging_error_log, stage.staging_access_log),
    }
    return {
        **{key: str(path.relative_to(stage.folder)) for key, path in within.items()},
        **{key: [str(path.relative_to(stage.folder)) for path in paths] for key, paths in logs.items()},
        "base_url": stage.base_url,
        "python": "python3",  # found on the engine's PATH, where ours is first: no path of this machine in a record
        "journeys": "journeys.toml",
        "restart_command": ["python3", "-m", "rehearsal", "restart", "--stage", "."],
        "staging_restart_command": ["python3", "-m", "rehearsal", "restart", "--stage", ".", "--staging"],
        "staging_url": stage.staging_url,
        "test_command": ["python3", "-m", "unittest", "discover", "tests"],
        "render_api": stage.render_api,
        "render_service": stage.render_service,
        "render_staging": stage.render_staging_service,
        "render_database": stage.render_database,
        "notify": f"json://{urlsplit(stage.render_api).netloc}/team",
        "previous_deploy": ask(Layout(stage.folder), {"order": "status"})["deploy"]["id"],
        "monthly_budget": 30,
        "backups": "backups",
        "database_url": "${env:DATABASE_URL}",
    }


def _environ(stage: Stage) -> dict[str, str]:
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
    root = str(Path(__file__).resolve().parents[2])
    imports = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH", ""))))
    own = {
        "DATABASE_URL": stage.database_url,
        "STAGING_DATABASE_URL": stage.staging_database_url,
        "RENDER_API_KEY": stage.render_token,
        "BACKUP_STORE": str(stage.folder / "vault"),
    }
    return {**os.environ, **own, "PATH": path, "PYTHONPATH": imports}


def _end_engine(folder: Path) -> None:
    """End the engine on the stage's checklist, politely; what does not listen is ended by the kernel's lock."""
    checklist = folder / "checklist.toml"
    if not checklist.is_file():
        return
    place = find_place(checklist)

    async def stop() -> None:
        async with Client(place.socket, name=ACTOR) as client:
            await client.ask(StopEngine())

    if is_up(place):
        with suppress(EngineGone, Refused, TimeoutError):
            asyncio.run(asyncio.wait_for(stop(), 10))
    # It hangs up before it has folded its log: the record is whole only when the lock is free.
    if not wait_until_ended(place):
        with suppress(OSError, ValueError):
            os.kill(int(place.lock.read_text()), 9)


def _cockpit(stage: Stage, checklist: Path, place: Place, name: str, *, anew: bool) -> int:
    from tminus.cli.cockpit import open_cockpit

    t0 = utc_text(datetime.now(UTC))
    start_engine(checklist, place, t0=t0, anew=anew, leashed=True, environ=_environ(stage))
    again = f"tminus rehearse --stage {os.path.relpath(stage.folder)}"
    farewell = f"The rehearsal is stopped, and what was on its stage with it; it goes on where it is with: {again}"
    return open_cockpit(place.socket, name=your_name(name), read_only=False, farewell=farewell)


def _fly(stage: Stage, checklist: Path, place: Place, began: float, rollback: bool) -> int:
    answers = {"final-backup-counts": lambda: str(_count_users(stage.sqlite))}
    verdict, code, why = "NO-GO", DOES_NOT_HOLD, ""
    t0 = utc_text(datetime.now(UTC))
    for turn in range(RESTARTS):
        try:
            if not is_up(place):
                start_engine(checklist, place, t0=t0, anew=turn == 0, leashed=True, environ=_environ(stage))
            asyncio.run(_flight(place, answers, stage if rollback else None))
            verdict, code = "ROLLED BACK" if rollback else "GO", HOLDS
            break
        except EngineGone:
            click.echo("the engine died: starting it again, the record has everything", err=True)
            wait_until_ended(place)
        except (NoGo, Refused) as error:
            why = str(error)
            break
        except KeyboardInterrupt:
            why = "interrupted"
            break
    else:
        code, why = COULD_NOT_LOOK, f"the engine died {RESTARTS} times"
    _end_engine(checklist.parent)
    return _report(checklist, verdict, code, why, time.monotonic() - began)


async def _flight(place: Place, answers: Mapping[str, Callable[[], str]], failing: Stage | None) -> None:
    """Fly to the end; the new version of FAILING, if given, fails once it was let in, and the way back is flown."""
    async with Client(place.socket, name=ACTOR, kind="rehearsal", watch=True) as client:
        pilot = Pilot(client, answers, lambda line: click.echo(line, err=True))
        if failing is None:
            await pilot.fly()
        else:
            await pilot.fly(until="let-writes-in")
            click.echo(await asyncio.to_thread(_fail, failing), err=True)
            await pilot.roll_back("the rehearsal lets the new version fail, and its visitors see it")
        with suppress(EngineGone):
            await client.ask(StopEngine(close=True))


def _fail(stage: Stage) -> str:
    """Let the new version go wrong, after visitors were told that some of what they wrote there was saved."""
    if Layout(stage.folder).trouble.exists():
        return "the new version goes wrong already"
    before, until = _acknowledged(stage), time.monotonic() + WRITING
    while _acknowledged(stage) < before + WRITES and time.monotonic() < until:
        time.sleep(0.2)
    return f"visitors wrote {_acknowledged(stage) - before} times to PostgreSQL; now {begin(stage, 0.8)}"


def _acknowledged(stage: Stage) -> int:
    with suppress(OSError, ValueError, KeyError):
        return int(json.loads(stage.visitors_status.read_text())["acknowledged"])
    return 0


def _count_users(database: Path) -> int:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return int(connection.execute("SELECT count(*) FROM users").fetchone()[0])


def _report(checklist: Path, verdict: str, code: int, why: str, seconds: float) -> int:
    records = sorted((checklist.parent / "deployments").glob("*.toml"), key=lambda path: path.stat().st_mtime_ns)
    record = records[-1] if records else None
    shown = "none"
    if record is not None:
        shown = os.path.relpath(record)
        try:
            run, events = read_record(record)
            shown += f" ({len(events)} events, verified)"
            if code == HOLDS and not run.closed:
                verdict, code, why = "NO-GO", DOES_NOT_HOLD, "the record was not closed"
        except (RecordError, OSError) as error:
            verdict, code, why = "NO-GO", DOES_NOT_HOLD, f"the record does not verify: {error}"
    if why:
        click.echo(f"why      {why}")
    click.echo(f"verdict  {verdict}")
    click.echo(f"time     {seconds:.1f} s")
    click.echo(f"record   {shown}")
    return code
