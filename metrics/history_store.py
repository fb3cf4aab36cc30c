"""The file of the history as its one writer sees it: an SQLite database that is read while it is written.

Every second's rows go into the plain table `open` in one transaction; whenever a metric has BLOCK of them there,
they become one row of `block` in the same transaction that takes them away. So a kill at any moment leaves the
file whole, and without the transaction that was under way at the most.
"""

from __future__ import annotations

import errno
import math
import os
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

from metrics.history_block import pack
from metrics.history_rows import Row

APPLICATION = 0x746D6873  # "tmhs", so that a stranger's database is not written into
SCHEMA = 1
BLOCK = 300
_TABLES = """
CREATE TABLE metric (id INTEGER PRIMARY KEY, name TEXT NOT NULL, unit TEXT NOT NULL, UNIQUE (name, unit));
CREATE TABLE open (
    metric INTEGER NOT NULL, at INTEGER NOT NULL, value, volume INTEGER NOT NULL, bad, error TEXT, why TEXT,
    latency BLOB
);
CREATE INDEX open_metric ON open (metric, at);
CREATE TABLE block (
    id INTEGER PRIMARY KEY, metric INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    count INTEGER NOT NULL, data BLOB NOT NULL
);
CREATE INDEX block_metric ON block (metric, first, last, count);
CREATE TABLE state (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
"""
ROWS_OF = "SELECT at, value, volume, bad, error, why, latency FROM open WHERE metric = ?"


class Unfit(Exception):
    """A file that is whole and yet not to be written into: a stranger's, or a newer tminus's."""


class Damaged(Exception):
    """The file is not whole any more. SQLite's own errors say the same: see `is_damage`."""


class Store:
    """An open history file. Belongs to one thread. What touches the disk raises sqlite3.Error or OSError: see
    `is_damage`."""

    def __init__(self, path: Path) -> None:
        """Open PATH, or begin it. Raises Unfit, Damaged, OSError or sqlite3.Error."""
        self._path = path
        # Made before SQLite would, for its owner alone; and not where a link leads that somebody put there.
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise
            # Of whatever else is wrong with the place SQLite tells.
        self._base = sqlite3.connect(path, timeout=5.0, isolation_level=None)
        try:
            self._open()
        except BaseException:
            self._base.close()
            raise
        self._inode = path.stat().st_ino
        self._metrics: dict[tuple[str, str], int] = {}
        self._named: dict[str, int] = {}
        self._look_up_metrics()
        self._open_rows: defaultdict[int, int] = defaultdict(int)
        self._open_rows.update(self._base.execute("SELECT metric, count(*) FROM open GROUP BY metric"))

    def _open(self) -> None:
        base = self._base
        (mark,) = base.execute("PRAGMA application_id").fetchone()
        (schema,) = base.execute("PRAGMA user_version").fetchone()
        (tables,) = base.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables and mark != APPLICATION:
            raise Unfit("it is a database of another program")
        if schema > SCHEMA:
            raise Unfit(f"it was written by a newer tminus (history {schema}; this one writes {SCHEMA})")
        base.executescript("BEGIN IMMEDIATE; ROLLBACK;")  # may it be written? Before the long look
        if tables and (found := base.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
            raise Damaged(str(found))
        base.execute("PRAGMA journal_mode = WAL")
        # The thread of its own may wait for the disk: a power cut then costs no more than a kill does.
        base.execute("PRAGMA synchronous = FULL")
        if not tables:
            base.executescript(
                f"BEGIN; {_TABLES} PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {SCHEMA}; COMMIT;"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def in_place(self) -> bool:
        """Whether the file is still there: one that was removed would take every row without a word."""
        try:
            return self._path.stat().st_ino == self._inode
        except OSError:
            return False

    def states(self) -> dict[str, bytes]:
        """What was remembered."""
        return {key: bytes(value) for key, value in self._base.execute("SELECT key, value FROM state")}

    def write(self, rows: Iterable[tuple[str, str, Row]], states: Mapping[str, bytes]) -> None:
        """ROWS (metric, unit, row) and STATES, all of them or nothing."""
        base = self._base
        counts = defaultdict(int, self._open_rows)
        try:
            base.execute("BEGIN IMMEDIATE")
            lines = []
            for metric, unit, row in rows:
                key = self._key(metric, unit)
                counts[key] += 1
                lines.append((key, row.at, _kept(row.value), row.volume, _kept(row.bad), *row[4:]))
            base.executemany("INSERT INTO open VALUES (?, ?, ?, ?, ?, ?, ?, ?)", lines)
            base.executemany("INSERT OR REPLACE INTO state VALUES (?, ?)", states.items())
            for key in [key for key, count in counts.items() if count >= BLOCK]:
                self._fold(key)
                counts[key] = 0
            base.execute("COMMIT")
            self._open_rows = counts
        except BaseException:
            with suppress(sqlite3.Error):
                base.execute("ROLLBACK")
            with suppress(sqlite3.Error):  # numbers given in a transaction that failed were never given
                self._look_up_metrics()
            raise

    def _fold(self, key: int) -> None:
        rows = [row_from(line) for line in self._base.execute(f"{ROWS_OF} ORDER BY at, rowid", (key,))]
        block = (key, rows[0].at, rows[-1].at, len(rows), pack(rows))
        self._base.execute("INSERT INTO block (metric, first, last, count, data) VALUES (?, ?, ?, ?, ?)", block)
        self._base.execute("DELETE FROM open WHERE metric = ?", (key,))

    def drop_before(self, at: int) -> None:
        """Drop the blocks and the rows that ended before AT (milliseconds since 1970)."""
        self._base.execute("DELETE FROM block WHERE last < ?", (at,))
        self._base.execute("DELETE FROM open WHERE at < ?", (at,))

    def newest(self) -> int | None:
        """The time of the newest row."""
        last, at = self._base.execute("SELECT (SELECT max(last) FROM block), (SELECT max(at) FROM open)").fetchone()
        return max((one for one in (last, at) if one is not None), default=None)

    def close(self) -> None:
        """Fold the write-ahead log in, so that the file alone is the history, and let go."""
        with suppress(sqlite3.Error):
            # Fails while somebody reads; then the log stays beside the file, and is as good.
            self._base.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._base.execute("PRAGMA busy_timeout = 0")
            self._base.execute("PRAGMA journal_mode = DELETE")
        self._base.close()

    def _key(self, metric: str, unit: str) -> int:
        """The number of METRIC in UNIT. What could not be looked at has no unit, and goes with the others."""
        known = self._metrics.get((metric, unit)) or (self._named.get(metric) if not unit else None)
        if known is not None:
            return known
        key: int
        unnamed = self._metrics.pop((metric, ""), None) if unit else None
        if unnamed is not None:
            self._base.execute("UPDATE metric SET unit = ? WHERE id = ?", (unit, unnamed))
            key = unnamed
        else:
            self._base.execute("INSERT INTO metric (name, unit) VALUES (?, ?)", (metric, unit))
            key = self._base.execute("SELECT last_insert_rowid()").fetchone()[0]
        self._metrics[metric, unit] = self._named[metric] = key
        return key

    def _look_up_metrics(self) -> None:
        self._metrics = {(name, unit): key for key, name, unit in self._base.execute("SELECT * FROM metric")}
        self._named = {name: key for (name, _), key in self._metrics.items()}


def row_from(line: tuple[int, float | str | None, int, float | str | None, str, str, bytes | None]) -> Row:
    """A line of `open` as a row."""
    at, value, volume, bad, error, why, latency = line
    return Row(at, _number(value), volume, _number(bad), error, why, latency)


def is_damage(error: Exception) -> bool:
    """Whether ERROR says that the file itself is broken, and not the disk under it."""
    return isinstance(error, Damaged) or code_of(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def code_of(error: Exception) -> int:
    """SQLite's primary result code, 0 for what is none of its errors."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _kept(value: float | None) -> float | str | None:
    # SQLite turns NaN into NULL, and a numerator that is no number is not the same as none at all.
    return "nan" if value is not None and math.isnan(value) else value


def _number(value: float | str | None) -> float | None:
    return None if value is None else float(value)
