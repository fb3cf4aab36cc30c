"""The seeded data is valid, awkward, and the same every time."""

import json
import shutil
import sqlite3
import time
from pathlib import Path

import pytest

from rehearsal.seed import migrate, seed
from rehearsal.stage import APP_SOURCE


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> sqlite3.Connection:
    folder = tmp_path_factory.mktemp("seed")
    shutil.copytree(APP_SOURCE, folder / "app")
    databases = [folder / "a.db", folder / "b.db"]
    migrate(folder / "app", database_url=f"sqlite:///{databases[0]}")
    shutil.copy(*databases)
    for path in databases:
        began = time.monotonic()
        seed(path, users=2000)
        assert time.monotonic() - began < 5
    connection = sqlite3.connect(databases[0])
    connection.execute("ATTACH ? AS other", (str(databases[1]),))
    return connection


def one(connection: sqlite3.Connection, query: str) -> object:
    return connection.execute(query).fetchone()[0]


def test_the_numbers_of_rows(seeded: sqlite3.Connection) -> None:
    found = {t: one(seeded, f"SELECT count(*) FROM {t}") for t in ("users", "user_sessions", "posts", "votes")}
    assert found == {"users": 2000, "user_sessions": 6000, "posts": 10_000, "votes": 20_000}


def test_the_same_seed_gives_the_same_rows(seeded: sqlite3.Connection) -> None:
    columns = {
        "users": "id, username, bio, reputation, settings, avatar",
        "posts": "*",
        "mod_lists": "*",
        "votes": "*",
    }
    for table, named in columns.items():
        differs = f"SELECT count(*) FROM (SELECT {named} FROM {table} EXCEPT SELECT {named} FROM other.{table})"
        assert one(seeded, differs) == 0


def test_it_is_clean_for_the_declared_types(seeded: sqlite3.Connection) -> None:
    assert seeded.execute("PRAGMA foreign_key_check").fetchall() == []
    assert one(seeded, "PRAGMA integrity_check") == "ok"
    assert one(seeded, "SELECT max(length(username)) FROM users") <= 40  # type: ignore[operator]
    assert one(seeded, "SELECT max(length(title)) FROM posts") <= 200  # type: ignore[operator]
    assert one(seeded, "SELECT count(*) FROM users WHERE is_active NOT IN (0, 1) OR is_admin NOT IN (0, 1)") == 0
    assert one(seeded, "SELECT count(*) FROM posts WHERE instr(body, char(0)) > 0") == 0
    for (text,) in seeded.execute("SELECT settings FROM users WHERE settings IS NOT NULL"):
        assert "theme" in json.loads(text)


def test_it_is_awkward(seeded: sqlite3.Connection) -> None:
    for condition in (
        "users WHERE bio IS NULL",
        "users WHERE bio = ''",
        "users WHERE instr(bio, '🐉')",
        "users WHERE username LIKE '李雷%'",
        "users WHERE avatar = x''",
        "users WHERE length(avatar) > 100",
        "users WHERE reputation < 0",
        "posts WHERE instr(body, char(13) || char(10))",
        "posts WHERE instr(body, char(9))",
        "posts WHERE length(body) > 9000",
        "posts WHERE created_at NOT LIKE '%.000000'",
        "posts WHERE parent_id IS NOT NULL",
    ):
        assert one(seeded, f"SELECT count(*) FROM {condition}") > 0, condition  # type: ignore[operator]
    assert one(seeded, "SELECT max(id) > count(*) FROM posts") == 1


def test_seeding_twice_adds_nothing(tmp_path: Path, seeded: sqlite3.Connection) -> None:
    copy = tmp_path / "copy.db"
    seeded.execute("VACUUM INTO ?", (str(copy),))
    with pytest.raises(sqlite3.IntegrityError):
        seed(copy, users=10)
    with sqlite3.connect(copy) as again:
        assert one(again, "SELECT count(*) FROM users") == 2000
