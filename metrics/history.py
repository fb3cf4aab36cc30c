"""The history: every measurement of a run, in a file beside its record (RECORD.toml → RECORD.metrics.db).

The record keeps summaries; this keeps the samples, for a week. `History` writes, `Recording` reads, also while
the run goes on and in another process. A run never stops for it: what cannot be written is counted and said.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

from metrics.history_reader import HistoryError, Known, Merged, Recording
from metrics.history_rows import Row, milliseconds, row_of
from metrics.history_store import Damaged, Store, Unfit, code_of, is_damage
from metrics.samples import Measurement, utc_now

__all__ = ["History", "HistoryError", "Known", "Merged", "Recording", "history_path"]

KEEP = timedelta(days=8)
WAITING = 20_000  # measurements kept while the disk refuses: eight minutes of forty metrics a second
SWEEP = 3600  # writes between two looks for what is too old
OPENING = 5.0


def history_path(record: Path) -> Path:
    """Where the history of RECORD is."""
    return record.with_suffix(".metrics.db")


class History:
    """Takes measurements on any thread and writes them once a second on one of its own.

    `trouble` is empty, or says why it cannot be written and what was lost; `lost` counts the measurements that
    were dropped for it. It goes on trying, once a second. One writer for a file.
    """

    def __init__(
        self, path: Path, *, every: float = 1.0, keep: timedelta = KEEP, now: Callable[[], datetime] = utc_now
    ) -> None:
        """Begin or go on with PATH. Never raises for the file: see `trouble`."""
        self.path = path
        self.lost = 0
        self._every, self._keep, self._now = every, keep, now
        self._lock = threading.Condition()
        self._waiting: deque[Measurement] = deque()
        self._fresh: dict[str, bytes] = {}  # remembered, not yet written
        self._states: dict[str, bytes] = {}
        self._why, self._said = "", ""
        self._asked = self._done = 0
        self._opened = self._ending = False
        self._store: Store | None = None
        self._writes = 0
        self._thread = threading.Thread(target=self._run, name="history", daemon=True)
        self._thread.start()

    def add(self, measurements: Iterable[Measurement]) -> None:
        """Keep MEASUREMENTS. Takes microseconds; what does not fit while the disk refuses pushes out the oldest."""
        with self._lock:
            self._waiting.extend(measurements)
            self._shed()

    def remember(self, key: str, value: bytes) -> None:
        """Keep VALUE as the latest state of KEY; it is on disk with the next write."""
        with self._lock:
            self._fresh[key] = self._states[key] = bytes(value)

    def recall(self, key: str) -> bytes | None:
        """The latest state of KEY, None when there is none or the file cannot be read.

        Waits for the file to be opened and looked over, at most 5 s: ask before the run begins to move.
        """
        with self._lock:
            self._lock.wait_for(lambda: self._opened, OPENING)
            return self._states.get(key)

    @property
    def trouble(self) -> str:
        """Why it cannot be written, in words for the screen; "" when it can. A file that was found damaged and
        moved aside is said until the end."""
        with self._lock:
            lost = f"; {self.lost:,} samples lost" if self.lost else ""
            now = f"the metric history cannot be written: {self._why}{lost}" if self._why else ""
        return "; ".join(text for text in (self._said, now) if text)

    def flush(self, timeout: float = OPENING) -> bool:
        """Wait until everything that was added before is written, or was tried; False when TIMEOUT passed first."""
        with self._lock:
            self._asked += 1
            ticket = self._asked
            self._lock.notify_all()
            return self._lock.wait_for(lambda: self._done >= ticket, timeout)

    def close(self) -> None:
        """Write what is left and let go of the file. Waits at most 5 s; may be called twice."""
        with self._lock:
            self._ending = True
            self._lock.notify_all()
        self._thread.join(OPENING)

    # --- the writing thread --------------------------------------------------------------------------------

    def _run(self) -> None:
        ended = False
        while not ended:
            with self._lock:
                asked = self._asked
            self._turn()
            with self._lock:
                self._done, self._opened = asked, True
                self._lock.notify_all()
                self._lock.wait_for(lambda: self._ending or self._asked > self._done, self._every)
                ended = self._ending and not self._waiting and not self._fresh
                if self._ending and self._why:
                    ended = True  # it was tried to the last, and said
        if self._store is not None:
            self._store.close()

    def _turn(self) -> None:
        """One write, maybe into a new file in the place of a damaged one."""
        with self._lock:
            batch, self._waiting = self._waiting, deque()
            fresh, self._fresh = self._fresh, {}
        good = [(one, row) for one in batch if (row := self._row(one)) is not None]
        rows = [(one.metric, one.unit, row) for one, row in good]
        batch = deque(one for one, _ in good)
        try:
            try:
                self._write(rows, fresh)
            except (sqlite3.Error, Damaged) as error:
                if not is_damage(error):
                    raise
                self._move_aside()
                self._write(rows, self._states | fresh)
            why, stays = "", True
        except (sqlite3.Error, OSError, Unfit, Damaged) as error:
            why = _words(error)
            stays = code_of(error) in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY)
        except Exception as error:  # whatever it is, the run goes on; the batch that brought it does not come back
            why, stays, self.lost = type(error).__name__, False, self.lost + len(batch)
            batch.clear()
        if not stays:
            self._let_go()
        with self._lock:
            self._why = why
            if why:
                batch.extend(self._waiting)
                self._waiting, self._fresh = batch, fresh | self._fresh
                self._shed()

    def _write(self, rows: list[tuple[str, str, Row]], fresh: dict[str, bytes]) -> None:
        if self._store is not None and not self._store.in_place:
            self._let_go()
            with self._lock:
                fresh = self._states | fresh
        if self._store is None:
            self._store = Store(self.path)
            with self._lock:
                self._states = self._store.states() | self._states
        if rows or fresh:
            self._store.write(rows, fresh)
        if self._writes % SWEEP == 0:
            self._sweep(self._store)
        self._writes += 1

    def _sweep(self, store: Store) -> None:
        # Counted from the newest row where that is older: a clock that is years ahead may not empty the file.
        newest = store.newest()
        if newest is not None:
            store.drop_before(min(newest, milliseconds(self._now())) - self._keep // timedelta(milliseconds=1))

    def _move_aside(self) -> None:
        self._let_go()
        aside = self.path.with_name(self.path.name + ".damaged")
        number = 1
        while aside.exists():
            number += 1
            aside = self.path.with_name(f"{self.path.name}.damaged-{number}")
        for tail in ("", "-wal", "-shm", "-journal"):
            with suppress(FileNotFoundError):
                self.path.with_name(self.path.name + tail).rename(aside.with_name(aside.name + tail))
        with self._lock:
            self._said = f"the metric history was damaged: it is kept as {aside.name}, and a new one was begun"

    def _let_go(self) -> None:
        store, self._store = self._store, None
        if store is not None:
            with suppress(sqlite3.Error):
                store.close()

    def _row(self, one: Measurement) -> Row | None:
        try:
            return row_of(one)
        except Exception:  # a measurement of a broken source: it is lost, and the others of its second are not
            with self._lock:
                self.lost += 1
            return None

    def _shed(self) -> None:
        """Drop the oldest beyond WAITING. Called with the lock."""
        while len(self._waiting) > WAITING:
            self._waiting.popleft()
            self.lost += 1


def _words(error: Exception) -> str:
    """What is wrong and, where there is something to do, what to do."""
    code = code_of(error)
    if code == sqlite3.SQLITE_FULL:
        return "the disk is full; free some space"
    if code == sqlite3.SQLITE_READONLY:
        return "the file is read-only; give yourself the right to write it"
    if code == sqlite3.SQLITE_CANTOPEN:
        return "its file cannot be opened; look at the folder and its rights"
    if code == sqlite3.SQLITE_BUSY:
        return "another program is writing it; only one may"
    if code == sqlite3.SQLITE_IOERR:
        return "the disk reports an error"
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return str(error) if isinstance(error, Unfit) else type(error).__name__
