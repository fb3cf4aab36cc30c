"""Follows one log file through rotations: by rename, by copy and truncation, compressed or not."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from metrics.samples import clock
from metrics.sources.log import rotated
from metrics.sources.log.reading import Health, Reading
from metrics.sources.log.tally import Tally

BLOCK = 1024 * 1024
GONE_AFTER = 5.0  # seconds without a file of that name, after which its log is not taken for a silent one
TRIES, RETRY = 5, 0.02  # looks for an older file while a rotation may be under way, and seconds between them
MOST_KNOWN = 1000  # beginnings of older files that are remembered
LINGER = 10.0  # seconds for which a writer may go on with the file that was renamed


@dataclass(slots=True)
class _File:
    """A file that is open, and how far it was read."""

    fd: int
    key: tuple[int, int]
    position: int
    begins: bytes = b""
    folder_ns: int = 0
    since_ns: int = 0
    left_at: float = 0.0


class Follower:
    """Reads what is added to PATH into READING, a slice at a time. To be used by one thread.

    from_start   whether what stands in the file already is read too; what a later file holds always is

    The file is held open, so that a rotation by rename loses nothing, also when the old file is compressed or
    removed at once. `gaps` counts what could not be followed: a file that was cut with its rest found nowhere.
    """

    def __init__(self, path: Path, reading: Reading, *, from_start: bool, now: Callable[[], float] = clock) -> None:
        self.path, self.reading, self.gaps = path, reading, 0
        self._from_start, self._now = from_start, now
        self._file: _File | None = None
        self._old: _File | None = None
        self._old_reading, self._left = reading, Tally()
        self._missing_since: float | None = None
        self._known: tuple[bytes, ...] | None = None  # how the older files begin that are not to be read

    def poll(self, budget: float, go_on: Callable[[], bool] = lambda: True) -> Health:
        """Read for BUDGET seconds or to the end, as long as GO_ON. What the system refuses is in the answer."""
        until = time.monotonic() + budget

        def may() -> bool:
            return time.monotonic() < until and go_on()

        try:
            return self._poll(may, go_on)
        except PermissionError:
            return Health("may not be read: give this user the right to", failed=True)
        except OSError as error:
            return Health(f"cannot be read: {error.strerror or type(error).__name__}", failed=True)

    def take(self) -> Tally:
        """What was counted since the last time."""
        tally, self._left = self._left, Tally()
        if self._old is not None:
            tally.add(self._old_reading.take())
        tally.add(self.reading.take())
        return tally

    def close(self) -> None:
        """Let go of the files."""
        for file in (self._file, self._old):
            if file is not None:
                os.close(file.fd)
        self._file = self._old = None

    def _poll(self, may: Callable[[], bool], go_on: Callable[[], bool]) -> Health:
        if self._file is None:
            try:
                self._file = self._open()
            except FileNotFoundError:
                self._from_start = True  # what comes is all new
                return Health("no file yet")
        self._linger(may)
        self._cut(self._file, go_on)
        behind = self._read(self._file, self.reading, may)
        if behind:
            return Health(behind=behind)
        return self._turn(self._file, may, go_on)

    def _open(self) -> _File:
        fd = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        seen = os.fstat(fd)
        if not stat.S_ISREG(seen.st_mode):
            os.close(fd)
            raise OSError(errno.EINVAL, "it is no regular file")
        file = _File(fd, (seen.st_dev, seen.st_ino), 0, since_ns=seen.st_mtime_ns)
        if self._known is None:
            self._known = rotated.heads(self.path)
        if not self._from_start and seen.st_size:
            file.position = seen.st_size
            if os.pread(fd, 1, seen.st_size - 1) != b"\n":
                self.reading.feed(b"", middle=True)
        self._from_start = True
        file.begins = os.pread(fd, min(rotated.FINGERPRINT, file.position), 0)
        return file

    def _read(self, file: _File, reading: Reading, may: Callable[[], bool]) -> int:
        """Reads to the end, or while MAY says so; the bytes that are left."""
        while data := os.pread(file.fd, BLOCK, file.position):
            file.position += len(data)
            # From what was read and not from the file again, which may be another by now.
            file.begins += data[: rotated.FINGERPRINT - len(file.begins)]
            reading.feed(data)
            if not may():
                return max(os.fstat(file.fd).st_size - file.position, 0)
        return 0  # whatever was written since is not a backlog

    def _cut(self, file: _File, go_on: Callable[[], bool]) -> None:
        """Notices that the file was truncated, also where it has grown beyond the old place since."""
        size = os.fstat(file.fd).st_size
        if not file.begins:  # nothing to know it by: look when there is a new name in the folder
            written = self.path.parent.stat().st_mtime_ns
            if written != file.folder_ns:
                file.folder_ns = written
                self._missed(file, (file,), go_on)
        elif size < file.position or os.pread(file.fd, len(file.begins), 0) != file.begins:
            self._whole(file.begins, file.position, go_on)  # what was added after the last look stands in the copy
            self._missed(file, (file,), go_on)
            file.position, file.begins = 0, b""

    def _missed(self, file: _File, open_ones: tuple[_File, ...], go_on: Callable[[], bool]) -> None:
        """Reads the logs that came and went since the last look at FILE, and remembers them as read. What is in
        OPEN_ONES is read anyway."""
        self.reading.finish()
        known = (*(self._known or ()), *([file.begins] if file.begins else ()))
        found = rotated.newer(self.path, known, file.since_ns)
        # Looked at after the others, because one of these may have got its first line, and been renamed, meanwhile.
        own = tuple(os.pread(one.fd, rotated.FINGERPRINT, 0) for one in open_ones)
        for begins in found:
            if not any(one and (one.startswith(begins) or begins.startswith(one)) for one in own):
                self._whole(begins, 0, go_on)
                self.reading.finish()
        self._known = tuple(dict.fromkeys((*known, *found)))[-MOST_KNOWN:]

    def _whole(self, begins: bytes, position: int, go_on: Callable[[], bool]) -> None:
        """Reads the older file that BEGINS so, from POSITION. It may be on its way from one name to the next, so
        what is not there or breaks off is looked for again."""
        for left in range(TRIES, 0, -1):
            try:
                for block in rotated.read(self.path, begins, position, go_on):
                    self.reading.feed(block)
                    position += len(block)
                return
            except OSError:
                if left > 1:
                    time.sleep(RETRY)
        self.gaps += 1

    def _turn(self, file: _File, may: Callable[[], bool], go_on: Callable[[], bool]) -> Health:
        """At the end of the file: goes on to the next where the name stands for another one by now."""
        try:
            seen = self.path.stat()
        except FileNotFoundError:
            self._missing_since = self._missing_since or self._now()
            gone = self._now() - self._missing_since > GONE_AFTER
            return Health("the file is gone, and there is no new one") if gone else Health()
        self._missing_since = None
        if (seen.st_dev, seen.st_ino) == file.key:
            return Health()
        try:
            following = self._open()
        except FileNotFoundError:
            return Health()
        if self._old is not None:
            self._leave(self._old)
        self._old, self._file = file, following
        file.left_at = self._now()
        self._old_reading, self.reading = self.reading, self.reading.next()
        self._missed(file, (file, following), go_on)
        return Health(behind=self._read(following, self.reading, may))

    def _linger(self, may: Callable[[], bool]) -> None:
        """The writer may go on with the old file until it is told of the new one."""
        if self._old is None:
            return
        self._read(self._old, self._old_reading, may)
        if self._now() - self._old.left_at > LINGER:
            self._leave(self._old)
            self._old = None

    def _leave(self, file: _File) -> None:
        os.close(file.fd)
        self._old_reading.finish()
        self._left.add(self._old_reading.take())
