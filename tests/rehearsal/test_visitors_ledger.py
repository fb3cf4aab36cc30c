"""The ledger knows what must be there, and says what is not."""

import dataclasses
import sqlite3
from pathlib import Path

import pytest

from rehearsal.ledger import Entry, expected, read_ledger, session_digest, verify

AT = "2026-11-22T10:00:00.000+00:00"


@dataclasses.dataclass(frozen=True)
class Place:
    folder: Path
    sqlite: Path
    database_url: str
    ledger: Path


@pytest.fixture
def place(tmp_path: Path, project: Path) -> Place:
    copy = tmp_path / "app.db"
    with sqlite3.connect(project / "instance" / "app.db") as source:
        source.execute("VACUUM INTO ?", (str(copy),))
    return Place(tmp_path, copy, "", tmp_path / "ledger.jsonl")


def write(place: Place, *entries: Entry) -> None:
    place.ledger.write_text("".join(entry.line() for entry in entries))


def entry_of(place: Place, kind: str, query: str) -> Entry:
    with sqlite3.connect(place.sqlite) as connection:
        key, holds = connection.execute(query).fetchone()
    return Entry(kind, str(key), str(holds), AT, "sqlite")


def test_what_is_there_is_not_missing_and_what_was_deleted_is(place: Place) -> None:
    entries = [
        entry_of(place, "user", "SELECT username, email FROM users LIMIT 1"),
        entry_of(
            place,
            "reply",
            "SELECT id, replace(body, char(13,10), char(10)) FROM posts WHERE parent_id NOTNULL",
        ),
        entry_of(place, "vote", "SELECT username||'/'||post_id, value FROM votes v JOIN users u ON u.id = user_id"),
        entry_of(place, "mod_list", "SELECT id, name FROM mod_lists"),
    ]
    with sqlite3.connect(place.sqlite) as connection:
        sid = connection.execute("SELECT id FROM user_sessions").fetchone()[0]
    entries.append(Entry("session", session_digest(sid), "", AT, "sqlite"))
    write(place, *entries)
    found = verify(place)
    assert (found.checked, found.missing) == (5, [])
    with sqlite3.connect(place.sqlite) as connection:
        connection.execute("DELETE FROM mod_lists WHERE id = ?", (entries[3].key,))
        connection.execute("DELETE FROM user_sessions WHERE id = ?", (sid,))
    assert [line.split()[0] for line in verify(place).missing] == ["mod_list", "session"]


def test_a_row_that_holds_something_else_is_missing(place: Place) -> None:
    right = entry_of(place, "user", "SELECT username, email FROM users LIMIT 1")
    write(place, dataclasses.replace(right, holds="other@example.org"))
    assert len(verify(place).missing) == 1


def test_tables_that_are_not_there_hold_nothing(place: Place) -> None:
    write(place, entry_of(place, "user", "SELECT username, email FROM users LIMIT 1"))
    with sqlite3.connect(place.sqlite) as connection:
        for (table,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            if table != "sqlite_sequence":
                connection.execute(f"DROP TABLE {table}")
    assert len(verify(place).missing) == 1


def test_a_session_that_was_ended_and_an_earlier_vote_are_not_expected() -> None:
    said = [
        Entry("session", "s", "", AT, "sqlite"),
        Entry("vote", "a/1", "1", AT, "sqlite"),
        Entry("vote", "a/1", "-1", AT, "sqlite"),
        Entry("logout", "s", "", AT, "asked"),
    ]
    assert expected(said) == [said[2]]


def test_a_last_line_cut_short_is_left_out_and_another_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    whole = Entry("post", "1", "título\u2028 mit Zeile", AT, "sqlite")
    path.write_text(whole.line() + '{"kind": "po')
    assert list(read_ledger(path)) == [whole]
    path.write_text('{"kind": "po\n' + whole.line())
    with pytest.raises(ValueError, match=":1:"):
        list(read_ledger(path))
