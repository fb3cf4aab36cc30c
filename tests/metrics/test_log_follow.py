"""A log file through everything that happens to one: real files, real rotations, no waiting."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.sources.log.follow import GONE_AFTER, LINGER, Follower
from metrics.sources.log.lines import LONGEST, Lines
from metrics.sources.log.reading import Health, Reading, Rules
from metrics.sources.log.tally import Tally


class Clock:
    """Goes on when it is told to."""

    def __init__(self) -> None:
        self.at = 100.0

    def __call__(self) -> float:
        return self.at


class Log:
    """A log that is written, rotated and followed."""

    def __init__(self, folder: Path, *, from_start: bool = False) -> None:
        self.path, self.clock, self.seen = folder / "app.log", Clock(), Tally()
        self.written = 0
        self.follower = Follower(self.path, Reading(Rules("errors")), from_start=from_start, now=self.clock)

    def write(self, count: int = 1) -> None:
        with self.path.open("ab") as file:
            for _ in range(count):
                self.written += 1
                file.write(b"2026-11-22 20:00:00 ERROR number %d\n" % self.written)

    def poll(self) -> Health:
        health = self.follower.poll(10.0)
        self.seen.add(self.follower.take())
        return health

    def shift(self) -> None:
        """Every older file gets the next number."""
        older = [(int(m[1]), one) for one in self.path.parent.iterdir() if (m := re.search(r"log\.(\d+)", one.name))]
        for number, one in sorted(older, reverse=True):
            one.rename(one.with_name(one.name.replace(f".{number}", f".{number + 1}")))

    def rename(self, *, compress: bool = False) -> None:
        self.shift()
        older = self.path.with_name("app.log.1")
        self.path.rename(older)
        self.path.touch()
        if compress:
            self.compress(older)

    def copy_and_cut(self, *, compress: bool = False) -> None:
        self.shift()
        older = self.path.with_name("app.log.1")
        shutil.copyfile(self.path, older)
        os.truncate(self.path, 0)
        if compress:
            self.compress(older)

    @staticmethod
    def compress(older: Path) -> None:
        older.with_name(f"{older.name}.gz").write_bytes(gzip.compress(older.read_bytes()))
        older.unlink()


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    it = Log(tmp_path)
    yield it
    it.follower.close()


def test_what_stood_in_the_file_before_is_not_counted(log):
    log.write(3)
    assert log.poll() == Health()
    log.write(2)
    log.poll()
    assert (log.seen.lines, log.seen.errors) == (2, 2)


def test_from_the_start_everything_is_counted(tmp_path):
    log = Log(tmp_path, from_start=True)
    log.write(3)
    log.poll()
    assert log.seen.lines == 3
    log.follower.close()


def test_a_line_that_began_before_the_start_is_not_counted(log):
    log.path.write_bytes(b"2026-11-22 an old line, not fin")
    log.poll()
    with log.path.open("ab") as file:
        file.write(b"ished ERROR\n")
    log.write()
    log.poll()
    assert (log.seen.lines, log.seen.errors) == (1, 1)


def test_a_file_that_is_not_there_yet_is_no_data_and_then_read_from_its_beginning(log):
    assert log.poll().why == "no file yet"
    log.write(2)
    assert log.poll() == Health()
    assert log.seen.lines == 2


def test_half_a_line_waits_for_its_newline(log):
    log.path.touch()
    log.poll()
    with log.path.open("ab") as file:
        file.write(b"ERR")
        file.flush()
        log.poll()
        assert log.seen.lines == 0
        file.write(b"OR\n")
    log.poll()
    assert (log.seen.lines, log.seen.errors) == (1, 1)


@pytest.fixture
def nobody() -> Iterator[None]:
    """Somebody who may not read everything, as root may."""
    own = os.geteuid()
    if own == 0:
        os.seteuid(65534)
    yield
    os.seteuid(own)


def test_a_file_that_may_not_be_read_is_an_error(log, request):
    log.write()
    log.path.chmod(0)
    request.getfixturevalue("nobody")
    health = log.poll()
    assert health.failed and "right" in health.why


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo], ids=["folder", "pipe"])
def test_what_is_no_file_is_an_error_and_does_not_hang(log, make):
    make(log.path)
    health = log.poll()
    assert health.failed and "no regular file" in health.why


def test_a_log_that_was_removed_is_not_taken_for_a_silent_one(log):
    log.write()
    log.poll()
    log.path.unlink()
    assert log.poll() == Health()
    log.clock.at += GONE_AFTER + 0.1
    assert "gone" in log.poll().why
    log.write(2)
    assert log.poll() == Health()
    assert log.seen.lines == 2


@pytest.mark.parametrize("compress", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("times", [1, 3])
def test_nothing_is_lost_or_counted_twice_over_renames(log, compress, times):
    log.write(3)
    log.poll()
    for _ in range(times):
        log.write(5)
        log.rename(compress=compress)
    log.write(2)
    log.poll()
    assert log.seen.lines == 5 * times + 2


@pytest.mark.parametrize("compress", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize("times", [1, 2])
def test_nothing_is_lost_when_the_file_is_copied_and_cut(log, compress, times):
    log.write(3)
    log.poll()
    for _ in range(times):
        log.write(5)
        log.copy_and_cut(compress=compress)
    log.write(20)  # longer than before, so that the size alone says nothing
    log.poll()
    assert log.seen.lines == 5 * times + 20
    assert log.follower.gaps == 0


def test_a_cut_without_a_copy_is_a_gap(log):
    log.write(3)
    log.poll()
    os.truncate(log.path, 0)
    log.write()
    log.poll()
    assert (log.seen.lines, log.follower.gaps) == (1, 1)


def test_a_damaged_archive_is_a_gap_and_the_new_file_is_read_on(log):
    log.write(3)
    log.poll()
    log.write(500)
    log.copy_and_cut(compress=True)
    archive = log.path.with_name("app.log.1.gz")
    archive.write_bytes(archive.read_bytes()[:-40])
    log.write(7)
    log.poll()
    assert log.follower.gaps == 1
    assert 7 <= log.seen.lines <= 507


def test_a_writer_that_goes_on_with_the_old_file_is_still_heard(log):
    log.write()
    log.poll()
    with log.path.open("ab") as late:
        log.rename()
        log.write()
        log.poll()
        late.write(b"FATAL last words\n")
    log.poll()
    assert (log.seen.lines, log.seen.errors) == (2, 2)


def test_older_files_with_other_names_are_left_alone(log):
    for name in ("app.log.bak", "app.log.swp", "other.log.1", "app.log-notes", "application.log.1"):
        log.path.with_name(name).write_bytes(b"ERROR x\n")
    log.write()
    log.poll()
    log.rename()
    log.path.with_name("app.log~").write_bytes(b"ERROR y\n")
    log.write()
    log.poll()
    assert log.seen.lines == 1


def test_a_backlog_is_read_in_slices_and_says_how_much_is_left(tmp_path):
    log = Log(tmp_path, from_start=True)
    log.path.write_bytes(b"a line of some length in a file that is longer than a block\n" * 60_000)
    health = log.follower.poll(0.0)
    assert health.behind == log.path.stat().st_size - 2**20
    while log.follower.poll(0.0).behind:
        pass
    assert log.follower.take().lines == 60_000
    log.follower.close()


def test_what_is_written_during_a_look_is_no_backlog(log, monkeypatch):
    log.path.touch()
    log.poll()
    real = os.pread

    def busy(fd: int, size: int, at: int) -> bytes:
        data = real(fd, size, at)
        if not data:
            log.write()
        return data

    monkeypatch.setattr(os, "pread", busy)
    log.write()
    assert log.poll() == Health()


_STEPS = st.lists(
    st.sampled_from(["write", "poll", "rename", "rename gz", "cut", "cut gz", "half"]), min_size=1, max_size=25
)


@given(_STEPS)
@settings(max_examples=100, deadline=None)
def test_whatever_happens_every_line_is_counted_once(steps):
    with tempfile.TemporaryDirectory() as folder:
        log = Log(Path(folder), from_start=True)
        log.write()
        log.poll()
        for step in steps:
            if step == "write":
                log.write(2)
            elif step == "poll":
                log.poll()
            elif step == "half":
                with log.path.open("ab") as file:
                    file.write(b"%d half" % log.written)
                    file.flush()
                    log.poll()
                    file.write(b" a line with ERROR\n")
                log.written += 1
            elif step.startswith("rename"):
                log.rename(compress=step.endswith("gz"))
            else:
                log.copy_and_cut(compress=step.endswith("gz"))
        log.poll()
        log.clock.at += LINGER + 1
        log.poll()
        log.poll()
        log.follower.close()
        assert (log.seen.lines, log.seen.errors, log.follower.gaps) == (log.written, log.written, 0)


@given(st.lists(st.binary(max_size=20) | st.sampled_from([b"\n", b"x" * LONGEST, b"y" * (LONGEST + 1)]), max_size=12))
@settings(deadline=None)
def test_lines_are_the_same_however_they_arrive(pieces):
    data = b"".join(pieces)
    expected = [line[:LONGEST] for line in data.replace(b"\0", b"").split(b"\n")]
    lines, got = Lines(), b""
    for piece in pieces:
        got += lines.push(piece)
    got += lines.finish()
    expected = expected if expected[-1] else expected[:-1]
    assert got == b"".join(line + b"\n" for line in expected)


def test_a_hole_of_nuls_before_a_line_does_not_hide_it():
    lines = Lines()
    got = lines.push(b"\0" * (3 * LONGEST)) + lines.push(b"\0\0ERROR after a hole\n")
    assert got == b"ERROR after a hole\n"
