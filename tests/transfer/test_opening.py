"""Opening a SQLite file touches nothing of it, whoever has it open or left it how."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from transfer.audit.auditing import audit
from transfer.backup import backup
from transfer.errors import CouldNotLook
from transfer.opening import header, reading
from transfer.quiet import written_since

ROOT = Path(__file__).parents[2]
READ = "SELECT group_concat(v) FROM (SELECT v FROM t ORDER BY id)"
WRITE = """
import sqlite3, sys
con = sqlite3.connect(sys.argv[1], timeout=0.1, isolation_level=None)
con.executescript(sys.argv[2])
con.close()
"""


def write(path: Path, statements: str) -> str:
    """What another process says when it opens PATH, writes, and closes it."""
    done = subprocess.run(
        [sys.executable, "-c", WRITE, str(path), statements], check=False, capture_output=True, text=True
    )
    return done.stderr


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file, and the folder itself: bytes and when they were last changed."""
    return {p.name: (p.stat().st_size, p.stat().st_mtime_ns) for p in [folder, *folder.iterdir()]}


def rows(path: Path) -> str:
    with reading(path) as con:
        return con.execute(READ).fetchone()[0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (home := tmp_path / "home").mkdir()
    return home


@pytest.fixture
def asleep(folder: Path) -> Path:
    """A file in WAL mode that nobody has open."""
    path = folder / "app.db"
    with closing(sqlite3.connect(path)) as con:
        con.execute("PRAGMA journal_mode = WAL")
        con.executescript("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t (v) VALUES ('a'), ('b')")
    assert [p.name for p in folder.iterdir()] == ["app.db"]
    return path


@pytest.fixture
def awake(asleep: Path) -> Iterator[Path]:
    """The same while a writer has it open, his last row in the -wal alone."""
    with closing(sqlite3.connect(asleep, isolation_level=None)) as con:
        con.execute("PRAGMA wal_autocheckpoint = 0")
        con.execute("INSERT INTO t (v) VALUES ('c')")
        yield asleep


def test_what_sleeps_is_read_and_nothing_of_it_is_touched(asleep: Path) -> None:
    before = listing(asleep.parent)
    assert rows(asleep) == "a,b"
    assert listing(asleep.parent) == before


def test_neither_do_backup_quiet_and_audit_touch_it(asleep: Path, tmp_path: Path) -> None:
    before = listing(asleep.parent)
    made = backup(asleep, tmp_path / "backups")
    assert made.manifest.signals.journal_mode == "wal"
    assert written_since(asleep, made.manifest).quiet
    audit(asleep)
    assert listing(asleep.parent) == before


def test_the_newest_row_of_a_writer_is_seen_and_he_goes_on(awake: Path) -> None:
    before = set(listing(awake.parent))
    with reading(awake) as con:
        assert con.execute(READ).fetchone()[0] == "a,b,c"
        assert write(awake, "INSERT INTO t (v) VALUES ('d')") == ""
        assert con.execute(READ).fetchone()[0] == "a,b,c"
    assert rows(awake) == "a,b,c,d"
    assert set(listing(awake.parent)) == before


def test_what_is_written_while_the_sleeping_file_is_read_waits_in_the_wal(asleep: Path) -> None:
    with reading(asleep) as con:
        assert write(asleep, "INSERT INTO t (v) VALUES ('c')") == ""
        assert con.execute(READ).fetchone()[0] == "a,b"
    assert rows(asleep) == "a,b,c"


def test_a_sleeping_file_that_is_written_meanwhile_is_not_vouched_for(asleep: Path) -> None:
    with pytest.raises(CouldNotLook, match="was written while it was read"), reading(asleep) as con:
        assert write(asleep, "INSERT INTO t (v) VALUES ('c'); PRAGMA wal_checkpoint") == ""
        con.execute(READ).fetchone()


def test_the_rows_of_a_crash_are_seen_without_making_the_shm_that_is_missing(awake: Path, tmp_path: Path) -> None:
    (left := tmp_path / "left").mkdir()
    for name in ("app.db", "app.db-wal"):
        shutil.copy2(awake.parent / name, left / name)
    before = listing(left)
    assert rows(left / "app.db") == "a,b,c"
    assert listing(left) == before


def test_an_empty_wal_that_somebody_left_is_nothing(asleep: Path) -> None:
    asleep.with_name("app.db-wal").touch()
    asleep.with_name("app.db-shm").touch()
    before = listing(asleep.parent)
    assert rows(asleep) == "a,b"
    assert listing(asleep.parent) == before


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_a_read_only_folder_can_be_read_by_anybody(asleep: Path, mode: str) -> None:
    write(asleep, f"PRAGMA journal_mode = {mode}")
    asleep.chmod(0o444)
    asleep.parent.chmod(0o555)
    for parent in asleep.parent.parents:
        if not parent.stat().st_mode & 0o001:
            parent.chmod(0o711)
    before = listing(asleep.parent)
    child = os.fork()
    if not child:
        said = 1
        try:
            if not os.geteuid():
                os.setuid(65534)  # whom the permissions hold for
            said = int(rows(asleep) != "a,b" or os.access(asleep.parent, os.W_OK))
        finally:
            os._exit(said)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    asleep.parent.chmod(0o755)
    assert listing(asleep.parent).keys() == before.keys()


def test_who_is_alone_with_it_is_said(asleep: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transfer.opening._TRIES", 1)
    connect = sqlite3.connect
    monkeypatch.setattr("transfer.opening.sqlite3.connect", lambda *a, **k: connect(*a, **{**k, "timeout": 0}))
    alone = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('PRAGMA locking_mode = EXCLUSIVE');"
    alone += "c.execute('BEGIN IMMEDIATE'); c.execute('DELETE FROM t'); print('in', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", alone, str(asleep)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "in\n"
        with pytest.raises(CouldNotLook, match="locked"), reading(asleep):
            pass
        other.kill()


def test_a_writer_with_a_rollback_journal_waits_until_the_backup_has_its_pages(folder: Path, tmp_path: Path) -> None:
    path = folder / "app.db"
    with closing(sqlite3.connect(path)) as con:
        con.executescript("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT); INSERT INTO t (v) VALUES ('a')")
    said: list[str] = []

    def meanwhile(_: object) -> None:
        if not said:
            said.append(write(path, "INSERT INTO t (v) VALUES ('b')"))

    made = backup(path, tmp_path / "backups", progress=meanwhile)
    assert "database is locked" in said[0]
    assert made.manifest.rows == 1


def test_the_header_tells_the_mode_and_what_is_no_database(asleep: Path, tmp_path: Path) -> None:
    assert header(asleep).wal
    write(asleep, "PRAGMA journal_mode = DELETE; INSERT INTO t (v) VALUES ('c')")
    first = header(asleep)
    write(asleep, "INSERT INTO t (v) VALUES ('d')")
    assert (first.wal, header(asleep).change_counter - first.change_counter) == (False, 1)
    (empty := tmp_path / "empty.db").touch()
    with pytest.raises(CouldNotLook, match="not a SQLite database"):
        header(empty)
    with pytest.raises(CouldNotLook, match="No such file"):
        header(tmp_path / "gone.db")
