"""The record on disk: one writer, and nothing acknowledged is lost.

An event is first appended to a write-ahead log beside the record (`NAME.toml.wal`, one line an event, fsync),
which costs the same however long the run is; only then may anybody be told of it. `checkpoint` folds the log
into the TOML file by atomic replace. After a crash the two together hold every acknowledged event: lines that
the record already has are passed over, and a last line that was cut off was never acknowledged.

Others may change these files too: an editor, git, somebody who cleans up. What is found there and was not written
here is kept beside it under a name of its own before it is written over, and `found` says so. A log that was taken
away is begun again, after the record was brought up to date.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from state.durable import fsync_folder, remove_partials, write_all, write_atomically
from state.events import BrokenChain, Event, chained, follow, plain
from state.foreign import Known, keep_aside, known
from state.record import RecordError, event_line, parse, render
from state.replaying import UnknownEvent, apply
from state.run import RunState


class RecordBusy(RecordError):
    """Another engine holds this record open."""


class RecordFile:
    """A record that is open for writing. Close it, or its lock stays until the process ends."""

    def __init__(self, path: Path) -> None:
        """Open PATH, or begin it if neither it nor its log is there.

        Raises RecordBusy when another process has it, and RecordError when it cannot be believed; nothing is
        written in either case.
        """
        self.path = path
        self.wal_path = path.with_name(path.name + ".wal")
        self._wal_size = 0
        self._found: list[str] = []
        self._wal = _locked(self.wal_path, path.name)
        try:
            self.state, events = self._read()
            self._known = known(path)
        except BaseException:
            os.close(self._wal)
            raise
        self._lines = [event_line(event) for event in events]
        self._saved = -1 if self._wal_size else len(self._lines)

    def append(self, event: Event) -> Event:
        """Chain EVENT to the last one and make it durable. Returns it as it was written: cleaned, as plain data.

        Raises OSError when the disk refuses, and ValueError for an event that could not be read back or that
        makes no sense; it then did not happen, and the log is as it was before.
        """
        event = plain(chained(self.state.last, event))
        try:
            line, state = event_line(event), apply(self.state, event)
        except (UnknownEvent, KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"an event of the kind {event.kind!r} that makes no sense: {error!r}") from error
        logged = _wal_line(event)
        self._keep_the_log()
        if os.fstat(self._wal).st_size != self._wal_size:  # litter of an append that failed, and could not tidy up
            os.ftruncate(self._wal, self._wal_size)
        try:
            write_all(self._wal, logged)
            os.fsync(self._wal)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._wal, self._wal_size)
            raise
        self._wal_size += len(logged)
        self.state = state
        self._lines.append(line)
        return event

    @property
    def is_behind(self) -> bool:
        """Whether the TOML file lacks events that the log holds."""
        return self._saved != len(self._lines)

    def snapshot(self) -> tuple[RunState, Sequence[str]]:
        """What `save` writes. Taken where events are appended, so that another thread may do the writing."""
        return self.state, tuple(self._lines)

    def save(self, state: RunState, lines: Sequence[str]) -> None:
        """Write the TOML file. Raises OSError with the old file untouched; the log still has everything."""
        data = render(state, lines).encode()
        written = write_atomically(self.path, data, before=self._keep_foreign)
        self._known = Known(written, hashlib.sha256(data).hexdigest())

    def saved(self, lines: Sequence[str]) -> None:
        """Say that `save` wrote LINES. The log is emptied if it holds nothing beyond them."""
        self._saved = len(lines)
        if not self.is_behind:
            os.ftruncate(self._wal, 0)
            self._wal_size = 0

    def checkpoint(self) -> None:
        """Bring the TOML file up to date, here and now, also where somebody else changed it. Raises OSError."""
        if self._lines:
            self._keep_the_log()
        if self.is_behind or not self._is_as_we_left_it():
            state, lines = self.snapshot()
            self.save(state, lines)
            self.saved(lines)

    def found(self) -> tuple[str, ...]:
        """What others did to the files since this was last asked, in words."""
        said, self._found = tuple(self._found), []
        return said

    def _is_as_we_left_it(self) -> bool:
        """Whether the record has the content that was written here last. One that was only touched, or checked out
        again just as it was, has."""
        now = known(self.path, self._known)
        if (now and now.sha256) != (self._known and self._known.sha256):
            return False
        self._known = now
        return True

    def _keep_foreign(self) -> None:
        """Keep what lies in the record's place aside, unless it is what was written here last."""
        if self._is_as_we_left_it():
            return
        aside = keep_aside(self.path, _moment())
        if aside is not None:
            self._found.append(
                f"{self.path.name} was changed by somebody else: what was found is kept as {aside.name}"
            )
        elif self._known is not None:
            self._found.append(f"{self.path.name} was removed by somebody else: it was written again, whole")

    def _keep_the_log(self) -> None:
        """See that the log still has its name; begin it again when it was taken away. Raises OSError.

        Without its name no event in it would be found after a crash.
        """
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(self._wal), self.wal_path.stat()):
                return
        aside = None
        try:
            handle = _locked(self.wal_path, self.path.name)
            if os.fstat(handle).st_size:
                aside = keep_aside(self.wal_path, _moment())
                self.wal_path.unlink(missing_ok=True)
                os.close(handle)
                handle = _locked(self.wal_path, self.path.name)
        except RecordBusy as error:
            raise OSError(errno.EBUSY, "another engine has taken this record") from error
        try:
            # First the record, whole: the new log holds nothing of what the old one did.
            state, lines = self.snapshot()
            self.save(state, lines)
        except OSError:
            os.close(handle)
            raise
        os.close(self._wal)
        self._wal, self._wal_size, self._saved = handle, 0, len(lines)
        kept = f"; what was found in its place is kept as {aside.name}" if aside else ""
        self._found.append(f"{self.wal_path.name} was taken away by somebody else: it was begun again{kept}")

    def close(self) -> None:
        """Fold the log into the record and let go of both. A record that could not be saved keeps its log."""
        try:
            if self._lines:
                self.checkpoint()
            if not self.is_behind:
                self.wal_path.unlink(missing_ok=True)
        finally:
            os.close(self._wal)

    def _read(self) -> tuple[RunState, list[Event]]:
        state, events, good = _joined(self.path, self.wal_path.read_bytes())
        remove_partials(self.path)  # of a writer that was killed: we hold the lock, so nobody is at it
        # The log's own name must survive a crash before the first event is acknowledged.
        fsync_folder(self.path.parent)
        os.ftruncate(self._wal, good)
        self._wal_size = good
        return state, events


def _joined(path: Path, log: bytes) -> tuple[RunState, list[Event], int]:
    """What the record at PATH and its LOG hold together, and the length of the log's sound part."""
    state, events = (RunState(), list[Event]())
    if path.exists():
        state, events = read_record(path)
    return with_logged(state, events, log, path.name)


def with_logged(state: RunState, events: list[Event], log: bytes, name: str) -> tuple[RunState, list[Event], int]:
    """STATE and EVENTS of the record called NAME, and what its LOG holds beyond them; the length of its sound part.

    Raises RecordError for a log that is damaged, or of another record.
    """
    events, wal_name = list(events), f"{name}.wal"
    logged, good = _read_wal(log, wal_name)
    for event in logged:
        if event.seq <= len(events):
            if events[event.seq - 1] != event:
                raise RecordError(f"{wal_name} and {name} disagree about event {event.seq}")
            continue
        try:
            follow(state.last, event)
            state = apply(state, event)
        except (BrokenChain, UnknownEvent, KeyError, ValueError, TypeError, AttributeError) as error:
            raise RecordError(f"{wal_name} does not follow {name}: {error}") from error
        events.append(event)
    return state, events, good


def read_with_log(path: Path) -> tuple[RunState, list[Event]]:
    """The state and events of the record at PATH with its log, as `read_record`, while an engine may be writing both.

    Writes nothing and locks nothing. Raises RecordError, or OSError (PermissionError: the log is its writer's alone).
    """
    # The log first: what is taken out of it meanwhile is in the record, which is read after.
    try:
        log = path.with_name(path.name + ".wal").read_bytes()
    except FileNotFoundError:
        log = b""
        if not path.exists():
            raise
    state, events, _ = _joined(path, log)
    return state, events


def read_record(path: Path) -> tuple[RunState, list[Event]]:
    """The state and events of the record at PATH, verified. Raises RecordError, or OSError if unreadable."""
    try:
        text = path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise RecordError(f"not UTF-8 at byte {error.start}: it was changed after it was written") from error
    try:
        return parse(text)
    except RecordError as error:
        raise RecordError(f"{path.name}: {error}") from error


def _locked(wal_path: Path, name: str) -> int:
    """A handle on the log that nobody else has. Raises RecordBusy, or OSError."""
    while True:
        handle = os.open(wal_path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The one before may have taken the log away between our open and our lock: then we hold a file that
            # has no name, and another could hold one that has.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(handle), wal_path.stat()):
                    return handle
            os.close(handle)
        except BlockingIOError as error:
            os.close(handle)
            raise RecordBusy(f"{name} is open in another engine") from error


def _moment() -> str:
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")


def _wal_line(event: Event) -> bytes:
    body = msgspec.json.encode(event)
    return hashlib.sha256(body).hexdigest()[:16].encode() + b" " + body + b"\n"


def _read_wal(raw: bytes, name: str) -> tuple[list[Event], int]:
    """The events of a log and the length of its sound part. Only a last line without its end may be unsound."""
    *lines, rest = raw.split(b"\n")  # not splitlines: a byte that became a carriage return ends no line
    events: list[Event] = []
    for line in lines:
        event = _wal_event(line)
        if event is None:  # whole, so it was acknowledged: an append that was cut off has no end
            raise RecordError(f"{name}: line {len(events) + 1} was changed after it was written")
        events.append(event)
    if _wal_event(rest[:-1]) is not None:  # whole but for its end, which is another byte now
        raise RecordError(f"{name}: the end of line {len(events) + 1} was changed after it was written")
    return events, len(raw) - len(rest)


def _wal_event(line: bytes) -> Event | None:
    check, _, body = line.partition(b" ")
    if hashlib.sha256(body).hexdigest()[:16].encode() != check:
        return None
    try:
        return msgspec.json.decode(body, type=Event)
    except msgspec.DecodeError:
        return None
