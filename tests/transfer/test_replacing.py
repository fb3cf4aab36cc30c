"""A backup takes the place of the live file: whole at every moment, and only when nobody has it open."""

from __future__ import annotations

import errno
import os
import random
import signal
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from transfer import replacing
from transfer.durable import sha256_of
from transfer.errors import CouldNotLook, Refused
from transfer.replacing import open_by, replace


def database(path: Path, rows: int, *, wal: bool = False) -> Path:
    with closing(sqlite3.connect(path, isolation_level=None)) as con:
        con.execute("PRAGMA page_size = 512")
        if wal:
            con.execute("PRAGMA journal_mode = WAL")
        con.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT)")
        con.execute("BEGIN")
        con.executemany("INSERT INTO t (text) VALUES (?)", [(f"row {n}" * 9,) for n in range(rows)])
        con.execute("COMMIT")
    return path


def rows(path: Path) -> int:
    with closing(sqlite3.connect(path)) as con:
        assert con.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return con.execute("SELECT count(*) FROM t").fetchone()[0]


def crashed(path: Path, count: int) -> Path:
    """A live file whose writer was killed: COUNT rows, the last of them in the -wal alone."""
    database(path, count - 1, wal=True)
    if (writer := os.fork()) == 0:
        con = sqlite3.connect(path, isolation_level=None)
        con.execute("PRAGMA wal_autocheckpoint = 0")
        con.execute("INSERT INTO t (text) VALUES ('in the wal')")
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(writer, 0)  # this one, not whatever another test has left
    assert path.with_name(path.name + "-wal").stat().st_size
    return path


@pytest.fixture
def new(tmp_path):
    return database(tmp_path / "backup.db", 7)


def test_the_new_file_is_there_with_the_old_ones_mode_and_the_old_one_is_kept(tmp_path, new):
    live = database(tmp_path / "app.db", 3)
    live.chmod(0o640)
    before = sha256_of(live)
    done = replace(live, new, sha256_of(new))
    assert (rows(live), sha256_of(live)) == (7, done.sha256)
    assert live.stat().st_mode & 0o777 == 0o640
    assert [sha256_of(kept) for kept in done.kept] == [before]
    assert not done.done_before
    assert new.exists()
    assert not list(tmp_path.glob(".*"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_the_owner_stays(tmp_path, new):
    live = database(tmp_path / "app.db", 3)
    os.chown(live, 4711, 4712)
    replace(live, new, sha256_of(new))
    assert (live.stat().st_uid, live.stat().st_gid) == (4711, 4712)


def test_a_row_that_lies_in_the_wal_alone_is_kept_and_not_replayed_into_the_new_file(tmp_path, new):
    live = crashed(tmp_path / "app.db", 4)
    done = replace(live, new, sha256_of(new))
    assert rows(live) == 7
    assert {kept.name.rpartition("Z")[2] for kept in done.kept} == {"", "-wal", "-shm"}
    assert rows(done.kept[0]) == 4


def test_undone_by_renaming_the_old_file_is_as_it_was(tmp_path, new):
    live = crashed(tmp_path / "app.db", 4)
    done = replace(live, new, sha256_of(new))
    live.rename(tmp_path / "undone")
    done.kept[0].rename(live)
    assert rows(live) == 4


def test_a_second_time_says_that_it_is_done_already_and_touches_nothing(tmp_path, new):
    live = database(tmp_path / "app.db", 3)
    first = replace(live, new, sha256_of(new))
    inode = live.stat().st_ino
    again = replace(live, new, sha256_of(new))
    assert again.done_before
    assert again.kept == first.kept
    assert live.stat().st_ino == inode


def test_what_was_written_since_the_restore_is_not_dropped_by_a_second_one(tmp_path, new):
    live = database(tmp_path / "app.db", 3)
    replace(live, new, sha256_of(new))
    with closing(sqlite3.connect(live)) as con, con:
        con.execute("INSERT INTO t (text) VALUES ('after the rollback')")
    with pytest.raises(Refused, match="written to since"):
        replace(live, new, sha256_of(new))
    assert rows(live) == 8


def test_it_refuses_while_a_process_has_the_file_open_and_names_it(tmp_path, new):
    live = database(tmp_path / "app.db", 3)
    (tmp_path / "other name").hardlink_to(live)
    with (tmp_path / "other name").open("rb"):
        with pytest.raises(Refused, match=rf"open in .*\(pid {os.getpid()}\)"):
            replace(live, new, sha256_of(new))
        assert open_by(live)[0]
    assert rows(live) == 3
    assert not list(tmp_path.glob("*.before-*"))


def test_one_who_opens_it_at_the_last_moment_is_seen_too(tmp_path, new, monkeypatch):
    live = database(tmp_path / "app.db", 3)
    seen = []

    def late(live, but=0):
        seen.append(but)
        return (["python3 (pid 7)"] if but else [], 0)

    monkeypatch.setattr(replacing, "open_by", late)
    with pytest.raises(Refused, match="opened just now by python3"):
        replace(live, new, sha256_of(new))
    assert seen == [0, os.getpid()]
    assert rows(live) == 3
    assert not list(tmp_path.glob("*.before-*"))


def test_a_process_that_hides_its_files_counts_only_where_it_may_write(tmp_path, monkeypatch):
    live = database(tmp_path / "app.db", 3)
    live.chmod(0o644)
    owner = live.stat().st_uid

    def hides():
        raise psutil.AccessDenied

    def process(pid, uid):
        info = {"name": "p", "uids": SimpleNamespace(effective=uid)}
        return SimpleNamespace(pid=pid, info=info, open_files=hides)

    theirs = [process(1, owner), process(70, owner), process(71, owner + 5)]
    monkeypatch.setattr(replacing.psutil, "process_iter", lambda attributes: theirs)
    assert open_by(live) == ([], 1)
    live.chmod(0o666)
    assert open_by(live) == ([], 2)


@pytest.mark.parametrize("wal", [False, True])
def test_it_refuses_by_sqlites_lock_where_the_processes_cannot_be_seen(tmp_path, new, monkeypatch, wal):
    live = database(tmp_path / "app.db", 3, wal=wal)
    monkeypatch.setattr(replacing, "open_by", lambda live, but=0: ([], 9))
    monkeypatch.setattr(replacing, "_PATIENCE", 0.05)
    with closing(sqlite3.connect(live, isolation_level=None)) as con:
        con.execute("BEGIN")
        con.execute("SELECT * FROM t").fetchone()  # a reader is enough
        with pytest.raises(Refused, match="in use"):
            replace(live, new, sha256_of(new))
    assert rows(live) == 3
    assert not list(tmp_path.glob("*.before-*"))


def test_another_file_than_the_one_that_was_vouched_for_is_refused(tmp_path, new):
    live = database(tmp_path / "app.db", 3)
    with pytest.raises(Refused, match="not what it was"):
        replace(live, new, "0" * 64)
    assert rows(live) == 3


def test_a_damaged_backup_is_refused_even_where_the_sha256_holds(tmp_path, new):
    raw = bytearray(new.read_bytes())
    raw[512:1024] = b"\xff" * 512
    new.write_bytes(raw)
    live = database(tmp_path / "app.db", 3)
    with pytest.raises((Refused, CouldNotLook)):
        replace(live, new, sha256_of(new))
    assert rows(live) == 3


@pytest.mark.parametrize("garbage", [b"", b"no database at all", b"SQLite format 3\x00 but no more"])
def test_a_live_file_that_is_damaged_can_be_replaced_and_is_kept_as_it_lies(tmp_path, new, garbage):
    live = tmp_path / "app.db"
    live.write_bytes(garbage)
    done = replace(live, new, sha256_of(new))
    assert rows(live) == 7
    assert done.kept[0].read_bytes() == garbage


def test_where_no_file_was_the_new_one_is_put_there(tmp_path, new):
    done = replace(tmp_path / "app.db", new, sha256_of(new))
    assert (rows(done.live), done.kept) == (7, ())


def test_a_link_to_the_live_file_is_followed_and_stays_a_link(tmp_path, new):
    (tmp_path / "disk").mkdir()
    live = database(tmp_path / "disk" / "real.db", 3)
    (tmp_path / "app.db").symlink_to(live)
    replace(tmp_path / "app.db", new, sha256_of(new))
    assert (tmp_path / "app.db").is_symlink()
    assert rows(live) == 7


@pytest.mark.parametrize("at", ["disk_usage", "copyfileobj", "fsync", "link"])
def test_a_full_disk_leaves_the_old_file_and_no_debris(tmp_path, new, monkeypatch, at):
    live = crashed(tmp_path / "app.db", 4)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    module = {"disk_usage": replacing.shutil, "copyfileobj": replacing.shutil}.get(at, os)
    monkeypatch.setattr(module, at, full)
    with pytest.raises(CouldNotLook, match="No space left"):
        replace(live, new, sha256_of(new))
    monkeypatch.undo()
    assert rows(live) == 4
    assert sorted(p.name for p in tmp_path.iterdir()) == ["app.db", "backup.db"]


def test_too_little_room_is_said_before_anything_is_written(tmp_path, new, monkeypatch):
    live = database(tmp_path / "app.db", 3)
    monkeypatch.setattr(replacing.shutil, "disk_usage", lambda path: SimpleNamespace(free=5))
    with pytest.raises(CouldNotLook, match="make room first"):
        replace(live, new, sha256_of(new))
    assert rows(live) == 3


def killed_at(step: int, live: Path, new: Path, sha256: str) -> bool:
    """A restore whose process is killed at its STEP-th call that touches the file system; whether it came so far."""
    if (child := os.fork()) == 0:
        seen = [0]

        def count(event: str, _: tuple[object, ...]) -> None:
            if event.startswith(("open", "os.", "sqlite3.", "shutil.", "fcntl.")):
                seen[0] += 1
                if seen[0] == step:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        try:
            replace(live, new, sha256)
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def test_killed_at_any_call_the_old_or_the_new_file_is_there_whole_and_a_rerun_ends_it(tmp_path, monkeypatch):
    monkeypatch.setattr(
        replacing, "open_by", lambda live, but=0: ([], 0)
    )  # a look at every process adds nothing but calls
    sha256, step, seen = "", 0, set()
    while True:
        step += 1
        folder = tmp_path / str(step)
        folder.mkdir()
        new, live = database(folder / "backup.db", 7), crashed(folder / "app.db", 4)
        sha256 = sha256_of(new)
        if not killed_at(step, live, new, sha256):
            break
        seen.add(found := rows(live))
        assert found in (4, 7)
        done = replace(live, new, sha256)
        assert rows(live) == 7
        assert done.kept
        assert rows(done.kept[0]) == 4
        assert not list(folder.glob(".*"))
    assert seen == {4, 7}
    assert step > 20


def test_killed_at_a_moment_that_nobody_chose_it_is_no_different(tmp_path, monkeypatch):
    monkeypatch.setattr(replacing, "open_by", lambda live, but=0: ([], 0))
    new = database(tmp_path / "backup.db", 3000)
    sha256, chance = sha256_of(new), random.Random(7)
    started = time.perf_counter()
    replace(crashed(tmp_path / "app.db", 4), new, sha256)
    whole = time.perf_counter() - started
    for n in range(8):
        live, moment = crashed(tmp_path / f"app{n}.db", 4), chance.uniform(0.0001, whole)
        if (child := os.fork()) == 0:
            signal.setitimer(signal.ITIMER_REAL, moment)  # its signal ends the process
            try:
                replace(live, new, sha256)
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        assert rows(live) in (4, 3000)
        replace(live, new, sha256)
        assert rows(live) == 3000
