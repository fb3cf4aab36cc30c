"""The record on disk: one writer, and nothing acknowledged is lost.

An event is first appended to a write-ahead log beside the record (`NAME.toml.wal`, one line an event, fsync),
which costs the same however long the run is; only then may anybody be told of it. `checkpoint` folds the log
into the TOML file by atomic replace. After a crash the two together hold every acknowledged event: lines that
the record already has are passed over, and a last line that was cut off was never acknowledged.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

import msgspec

from state.durable import fsync_folder, write_all, write_atomically
from state.events import BrokenChain, Event, chained, follow
from state.record import RecordError, event_line, parse, render
from state.run import RunState, UnknownEvent, apply


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
        self._wal = os.open(self.wal_path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            self._lock()
            self.state, events = self._read()
        except BaseException:
            os.close(self._wal)
            raise
        self._lines = [event_line(event) for event in events]
        self._saved = -1 if self._wal_size else len(self._lines)

    def append(self, event: Event) -> Event:
        """Chain EVENT to the last one and make it durable. Returns it as it was written.

        Raises OSError when the disk refuses; the event then did not happen, and the log is as it was before.
        """
        event = chained(self.state.last, event)
        state = apply(self.state, event)
        size = self._wal_size
        try:
            write_all(self._wal, _wal_line(event))
            os.fsync(self._wal)
        except OSError:
            os.ftruncate(self._wal, size)
            raise
        self._wal_size = os.fstat(self._wal).st_size
        self.state = state
        self._lines.append(event_line(event))
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
        write_atomically(self.path, render(state, lines).encode())

    def saved(self, lines: Sequence[str]) -> None:
        """Say that `save` wrote LINES. The log is emptied if it holds nothing beyond them."""
        self._saved = len(lines)
        if not self.is_behind:
            os.ftruncate(self._wal, 0)
            self._wal_size = 0

    def checkpoint(self) -> None:
        """Bring the TOML file up to date, here and now. Raises OSError."""
        if self.is_behind:
            state, lines = self.snapshot()
            self.save(state, lines)
            self.saved(lines)

    def close(self) -> None:
        """Fold the log into the record and let go of both. A record that could not be saved keeps its log."""
        try:
            if self._lines:
                self.checkpoint()
            if not self.is_behind:
                self.wal_path.unlink(missing_ok=True)
        finally:
            os.close(self._wal)

    def _lock(self) -> None:
        try:
            fcntl.flock(self._wal, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RecordBusy(f"{self.path.name} is open in another engine") from error

    def _read(self) -> tuple[RunState, list[Event]]:
        state, events = (RunState(), list[Event]())
        if self.path.exists():
            state, events = read_record(self.path)
        logged, good = _read_wal(self.wal_path.read_bytes(), self.wal_path.name)
        for event in logged:
            if event.seq <= len(events):
                if events[event.seq - 1] != event:
                    raise RecordError(f"{self.wal_path.name} and {self.path.name} disagree about event {event.seq}")
                continue
            try:
                follow(state.last, event)
                state = apply(state, event)
            except (BrokenChain, UnknownEvent) as error:
                raise RecordError(f"{self.wal_path.name} does not follow {self.path.name}: {error}") from error
            events.append(event)
        if not self.path.exists():
            # The name itself must survive a crash before the first event is acknowledged.
            fsync_folder(self.path.parent)
        os.ftruncate(self._wal, good)
        self._wal_size = good
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


def _wal_line(event: Event) -> bytes:
    body = msgspec.json.encode(event)
    return hashlib.sha256(body).hexdigest()[:16].encode() + b" " + body + b"\n"


def _read_wal(raw: bytes, name: str) -> tuple[list[Event], int]:
    """The events of a log and the length of its sound part. Only a last line without its end may be unsound."""
    events: list[Event] = []
    at = 0
    for line in raw.splitlines(keepends=True):
        event = _wal_event(line)
        if event is None:
            if line.endswith(b"\n"):  # whole, so it was acknowledged: an append that was cut off has no end
                raise RecordError(f"{name}: line {len(events) + 1} was changed after it was written")
            break
        events.append(event)
        at += len(line)
    return events, at


def _wal_event(line: bytes) -> Event | None:
    check, _, body = line.rstrip(b"\n").partition(b" ")
    if not line.endswith(b"\n") or hashlib.sha256(body).hexdigest()[:16].encode() != check:
        return None
    try:
        return msgspec.json.decode(body, type=Event)
    except msgspec.DecodeError:
        return None
