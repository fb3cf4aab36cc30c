"""The engine process: `python -m tminus.engine CHECKLIST`. Started by `tminus run`, and outlives every terminal."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from metrics.history import History, history_path
from state.events import Actor
from state.problems import ChecklistError
from state.record import RecordError
from state.record_file import RecordFile
from state.redact import Redactor
from state.targets import resolve
from tminus.definition import Loaded, Registry, load
from tminus.engine.answers import Answers
from tminus.engine.attendance import Attendance
from tminus.engine.checking import Checking
from tminus.engine.disk import remedy
from tminus.engine.drifting import DefinitionFile
from tminus.engine.heartbeat import Heartbeat
from tminus.engine.identity import login_name
from tminus.engine.looks import looks_of
from tminus.engine.records import make_record_folder, opening_events, record_path
from tminus.engine.server import Server
from tminus.engine.session import NotRecorded, Session
from tminus.engine.vigil import Vigil
from tminus.engine.watch import Watch
from tminus.outlet import bare, guard_output, lines_of
from tminus.places import Place, UnsafePlace, place_of

log = logging.getLogger("tminus.engine")


class _Redacted(logging.Formatter):
    """The log is an output too: plain text without secrets. What goes on in a further line is set in, so that nothing
    which is quoted passes for an entry of its own."""

    def __init__(self, redact: Redactor) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        return self._redact(lines_of(super().format(record)).replace("\n", "\n  "))


@click.command()
@click.argument("checklist", type=click.Path(path_type=Path))
@click.option("--t0", default="", help="T0 of a new run, RFC 3339 in UTC.")
@click.option("--anew", is_flag=True, help="Begin a new record, though the newest is not closed.")
@click.option("--leashed", is_flag=True, help="End when standard input ends.")
@click.option("--group", default="", help="Let this group in too.")
def main(checklist: Path, t0: str, anew: bool, leashed: bool, group: str) -> None:
    """Own the run of CHECKLIST until it is stopped."""
    guard_output()
    try:
        loaded, registry = load(checklist)
        place = place_of(checklist, group)
        lock = _locked(place)
        make_record_folder(loaded)
        record = RecordFile(record_path(loaded, datetime.now(UTC), anew=anew))
    except ChecklistError as error:
        sys.exit(f"{error}")
    except (RecordError, UnsafePlace) as error:
        sys.exit(f"{error}")
    except OSError as error:
        sys.exit(f"the record cannot be written: {remedy(error, _at(error, loaded))}")
    try:
        asyncio.run(_fly(loaded, registry, record, place, t0, leashed=leashed))
    except (RecordError, NotRecorded) as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(f"the record could not be brought up to date, its log has the rest: {remedy(error, record.path)}")
    finally:
        os.close(lock)


def _at(error: OSError, loaded: Loaded) -> Path:
    """What could not be written."""
    return Path(error.filename or loaded.path.parent / loaded.checklist.record_dir / "record")


def _locked(place: Place) -> int:
    """A lock that lasts as long as this process. Ends with a message when another engine has it."""
    handle = os.open(place.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        sys.exit("an engine is running for this checklist already")
    os.ftruncate(handle, 0)
    os.write(handle, str(os.getpid()).encode())
    return handle


async def _fly(
    loaded: Loaded, registry: Registry, record: RecordFile, place: Place, t0: str, *, leashed: bool
) -> None:
    targets = resolve(loaded.checklist.targets, os.environ)
    project = loaded.path.parent.resolve()
    redact = msgspec.structs.replace(Redactor.knowing(targets.secrets), home=str(project))
    guard_output(redact)  # what a plugin prints lands in the log as well
    handler = logging.StreamHandler(bare(sys.stderr))
    handler.setFormatter(_Redacted(redact))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for each probe would bury everything else

    actor = Actor(name="tminus", uid=os.getuid(), origin=f"engine of {login_name(os.getuid())}")
    opening = opening_events(loaded, record, actor, t0)
    session = Session(loaded.checklist, record, redact, registry.effect_of, looks_of(targets, redact))
    artefacts = record.path.with_suffix(".files").resolve()
    history = History(history_path(record.path))
    heartbeat = Heartbeat()
    vigil = Vigil(session, actor, DefinitionFile(loaded), heartbeat)
    watch = Watch(session, actor, targets, project, history)
    checking = Checking(session, registry, targets, redact, project, artefacts, watch.live, heartbeat)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    if leashed:
        asyncio.get_running_loop().add_reader(sys.stdin.fileno(), ended.set)  # nobody writes there: it is the end
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a terminal that goes away is none of the engine's business
    try:
        for event in opening:
            await session.act(lambda _run, _now, event=event: event)  # type: ignore[misc]
        async with watch:
            attendance = Attendance(session.present)
            session.gone_since = attendance.gone_since
            server = Server(session, Answers(session, checking, attendance, ended.set), attendance)
            listening = await server.listen(place.socket, place.group)
            keepers = [asyncio.create_task(session.keep()), asyncio.create_task(vigil.run())]
            log.info("the engine of %s is up", record.path.name)
            await ended.wait()
            await checking.end()
            for keeper in keepers:
                keeper.cancel()
            listening.close()
            # Let the last replies leave before the connections are cut.
            await asyncio.sleep(0.1)
            await server.hang_up()
    finally:
        place.socket.unlink(missing_ok=True)
        history.close()
        await session.close()
        for found in record.found():  # between the last look and the last save
            log.warning("%s", found)
    log.info("the engine of %s has ended", record.path.name)


if __name__ == "__main__":
    main()
