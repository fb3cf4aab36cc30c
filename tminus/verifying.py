"""What a record is worth: all that can be said of the file, its log, the files that it names, and what git knows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from state.artefacts import Artefact, Seen, artefacts_of, look_at
from state.events import Event
from state.record import RecordError
from state.record_file import with_logged
from state.run import RunState
from state.verifying import Examined, NoRecord, examine
from tminus.witness import Witness, witness

_HIGHEST = 4  # folders above a record in which its checklist is looked for

Log = Literal["none", "empty", "holds", "broken", "not readable"]


class Unreadable(Exception):
    """There is no record to speak of: no such file, none that may be read, or no record."""


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was looked at. `events` are those of the record and its log that hold, `run` their replay;
    `logged` is how many of them the log alone has."""

    text: Examined
    run: RunState
    events: tuple[Event, ...]
    log: Log = "none"
    log_why: str = ""
    logged: int = 0
    artefacts: tuple[Seen, ...] = ()
    git: Witness = Witness(silent="git was not asked")

    @property
    def holds(self) -> bool:
        """Whether nothing that was looked at speaks against the record."""
        changed = any(seen.found == "changed" for seen in self.artefacts)
        return self.text.holds and self.log != "broken" and self.git.holds and not changed


def verify(
    path: Path, *, artefacts: bool = True, on_look: Callable[[Artefact], None] = lambda artefact: None
) -> Verified:
    """Look at the record at PATH, and only look: an engine may be writing it.

    Without ARTEFACTS, the files that it names are not read; with them, ON_LOOK is told of each before. Raises
    Unreadable.
    """
    if _never_ends(path):
        raise Unreadable(f"{path.name}: it is a device or a pipe, and no file")
    # The log first: what is taken out of it meanwhile is in the record, which is read after.
    log, standing = _log(path)
    try:
        raw = path.read_bytes()
    except FileNotFoundError as error:
        if not log:
            raise Unreadable(f"{path.name}: {error.strerror}") from None
        return _log_alone(path, log, on_look)
    except OSError as error:
        raise Unreadable(f"{path.name}: {error.strerror}") from None
    try:
        # A byte that is no text any more stands for itself: the line that it is in will not hold.
        text = examine(raw.decode(errors="replace"))
    except NoRecord as error:
        raise Unreadable(f"{path.name}: {error}") from None
    run, events, why = text.state, list(text.events), ""
    if not text.broken and log:
        try:
            run, events, _ = with_logged(run, events, log, path.name)
            standing = "holds"
        except RecordError as error:
            standing, why = "broken", str(error)
    return Verified(
        text=text,
        run=run,
        events=tuple(events),
        log=standing,
        log_why=why,
        logged=len(events) - len(text.events),
        artefacts=_looked_at(path, events, run, on_look) if artefacts else (),
        git=_witness_of_broken(path, text) if text.broken else witness(path, events),
    )


def projects_of(record: Path, run: RunState) -> tuple[Path, ...]:
    """The folders that the paths in RECORD may start from: that of its checklist, else those above the record."""
    above = record.resolve().parents[:_HIGHEST]
    name = Path(str(run.meta.get("checklist", ""))).name
    with_checklist = [folder for folder in above if name and (folder / name).is_file()]
    return tuple(with_checklist[:1] or above)


def _witness_of_broken(path: Path, text: Examined) -> Witness:
    said = witness(path, text.events)
    if said.first is not None and said.first.seq > len(text.events):
        # All that can be read of it is as it was committed; the rest is what was found broken already.
        return Witness(commits=said.commits, committed=said.committed)
    return said


def _never_ends(path: Path) -> bool:
    """Whether reading PATH could wait, or go on, for ever."""
    return path.exists() and not (path.is_file() or path.is_dir())


def _log(path: Path) -> tuple[bytes, Log]:
    wal = path.with_name(path.name + ".wal")
    if _never_ends(wal):
        return b"", "not readable"
    try:
        log = wal.read_bytes()
    except FileNotFoundError:
        return b"", "none"
    except OSError:
        return b"", "not readable"
    return log, "empty"


def _log_alone(path: Path, log: bytes, on_look: Callable[[Artefact], None]) -> Verified:
    nothing = Examined(state=RunState(), sealed=True)
    try:
        run, events, _ = with_logged(RunState(), [], log, path.name)
    except RecordError as error:
        return Verified(text=nothing, run=RunState(), events=(), log="broken", log_why=str(error))
    return Verified(
        text=nothing,
        run=run,
        events=tuple(events),
        log="holds",
        logged=len(events),
        artefacts=_looked_at(path, events, run, on_look),
        git=witness(path, events),
    )


def _looked_at(
    path: Path, events: Sequence[Event], run: RunState, on_look: Callable[[Artefact], None]
) -> tuple[Seen, ...]:
    projects, seen = projects_of(path, run), list[Seen]()
    for artefact in artefacts_of(events):
        on_look(artefact)
        seen.append(look_at(artefact, path, projects))
    return tuple(seen)
