from __future__ import annotations

import json
import sqlite3
import stat
import threading
from contextlib import closing
from pathlib import Path

import pytest

from bench import sample
from transfer.backup import backup, verify_backup
from transfer.errors import Cancelled, CouldNotLook, Refused
from transfer.manifest import read_manifest
from transfer.quiet import written_since


@pytest.fixture
def live(tmp_path: Path) -> Path:
    path = tmp_path / "app.db"
    sample.write(path, 950)
    return path


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_a_backup_taken_while_the_application_writes_is_one_moment(tmp_path: Path, mode: str) -> None:
    live, writes, stop = tmp_path / "app.db", threading.Semaphore(0), threading.Event()
    with closing(sqlite3.connect(live, isolation_level=None)) as con:
        con.execute(f"PRAGMA journal_mode = {mode}")
        con.execute("CREATE TABLE pairs (id INTEGER PRIMARY KEY, a TEXT)")
        con.execute("CREATE TABLE other (id INTEGER PRIMARY KEY, a TEXT)")

    def write() -> None:
        with closing(sqlite3.connect(live, isolation_level=None, timeout=20)) as con:
            con.execute("PRAGMA synchronous = OFF")
            while not stop.is_set():
                con.execute("BEGIN IMMEDIATE")
                con.executemany("INSERT INTO pairs (a) VALUES (?)", [("x" * 900,)] * 20)
                con.executemany("INSERT INTO other (a) VALUES (?)", [("y" * 900,)] * 20)
                con.execute("COMMIT")
                writes.release()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(30):
            assert writes.acquire(timeout=20)
        made = backup(live, tmp_path / "backups")
        assert writes.acquire(timeout=20)
    finally:
        stop.set()
        writer.join()
    rows = {t.table: t.rows for t in made.manifest.tables}
    assert rows["pairs"] == rows["other"] >= 600
    assert made.manifest.integrity == "ok"
    assert verify_backup(made.path).ok


def test_a_backup_is_one_private_file_with_a_manifest_that_reads_back(live: Path, tmp_path: Path) -> None:
    made = backup(live, tmp_path / "backups")
    assert {p.name for p in made.path.parent.iterdir()} == {made.path.name, made.path.name + ".json"}
    assert stat.S_IMODE(made.path.stat().st_mode) == stat.S_IMODE(made.manifest_path.stat().st_mode) == 0o600
    assert read_manifest(made.path) == read_manifest(made.manifest_path) == made.manifest
    assert made.manifest.sequences == {"articles": 250, "authors": 50, "ballots": 500}
    with closing(sqlite3.connect(made.path)) as con:
        assert con.execute("PRAGMA journal_mode").fetchone() == ("delete",)


def test_every_flipped_byte_is_noticed(live: Path, tmp_path: Path) -> None:
    made = backup(live, tmp_path / "backups")
    whole = made.path.read_bytes()
    for at in (30, len(whole) // 2, len(whole) - 1):
        made.path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        seen = verify_backup(made.path)
        assert not seen.ok
        assert "sha256" in seen.problems[0]
    made.path.write_bytes(whole)
    assert verify_backup(made.path).ok


def test_a_manifest_that_was_changed_is_noticed(live: Path, tmp_path: Path) -> None:
    made = backup(live, tmp_path / "backups")
    of = json.loads(made.manifest_path.read_text())
    of["tables"][0]["rows"] += 1
    made.manifest_path.write_text(json.dumps(of))
    assert not verify_backup(made.path).ok


def test_a_missing_torn_or_foreign_file_is_said_not_guessed(live: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.db").touch()
    (tmp_path / "text.db").write_text("not a database at all")
    for name in ("absent.db", "empty.db", "text.db"):
        with pytest.raises(CouldNotLook):
            backup(tmp_path / name, tmp_path / "backups")
    made = backup(live, tmp_path / "backups")
    made.manifest_path.write_text("{")
    with pytest.raises(CouldNotLook):
        verify_backup(made.path)


def test_a_damaged_source_is_refused_and_leaves_nothing(live: Path, tmp_path: Path) -> None:
    whole = bytearray(live.read_bytes())
    with closing(sqlite3.connect(live)) as con:
        root = con.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'ballots'").fetchone()[0]
        size = con.execute("PRAGMA page_size").fetchone()[0]
    whole[(root - 1) * size : (root - 1) * size + 12] = b"\xff" * 12
    live.write_bytes(whole)
    with pytest.raises((Refused, CouldNotLook)):
        backup(live, tmp_path / "backups")
    assert list((tmp_path / "backups").iterdir()) == []


def test_a_cancelled_backup_leaves_nothing(live: Path, tmp_path: Path) -> None:
    told = []
    with pytest.raises(Cancelled):
        backup(live, tmp_path / "backups", progress=told.append, cancelled=lambda: bool(told))
    assert told
    assert list((tmp_path / "backups").iterdir()) == []


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE authors SET name = name || ' ' WHERE id = 5",
        "UPDATE authors SET score = score + 1e-10 WHERE id = 6 AND score IS NOT NULL OR id = 7",
        "UPDATE authors SET bio = '' WHERE id = (SELECT min(id) FROM authors WHERE bio IS NULL)",
        "UPDATE articles SET body = CAST(body AS BLOB) WHERE id = 4",
        "DELETE FROM ballots WHERE id = 9",
        "INSERT INTO ballots VALUES (999, 1, 1, 1, 0, '2024-01-01 00:00:00.000000', NULL);"
        "DELETE FROM ballots WHERE id = 999",
        "CREATE INDEX late ON ballots (value)",
        "CREATE TABLE late (id INTEGER PRIMARY KEY)",
    ],
)
@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_any_write_after_the_backup_is_noticed(live: Path, tmp_path: Path, change: str, mode: str) -> None:
    with closing(sqlite3.connect(live)) as writer:
        writer.execute(f"PRAGMA journal_mode = {mode}")
        made = backup(live, tmp_path / "backups")
        assert written_since(live, made.manifest).quiet
        writer.executescript(change)
        writer.commit()
        seen = written_since(live, made.manifest)
    assert not seen.quiet
    assert seen.tables or seen.sequences or seen.schema_changed


def test_a_vacuum_moves_the_signals_and_is_still_quiet(live: Path, tmp_path: Path) -> None:
    made = backup(live, tmp_path / "backups")
    with closing(sqlite3.connect(live)) as con:
        con.execute("VACUUM")
    seen = written_since(live, made.manifest)
    assert seen.quiet
    assert seen.signals_now != seen.signals_then
    assert seen.tables_looked_at == 5
