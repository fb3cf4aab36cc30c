"""Every change that is being carried, and how it stands with it: on disk, as there may be millions."""

from __future__ import annotations

import pickle
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from transfer.salvage.places import Place
from transfer.values import Stored

# By name, quoted, or the rowid's.
Values = dict[str, "Stored | str"]


@dataclass(frozen=True, slots=True)
class Change:
    """One row that differs. VALUES are to be put in; WANTED is the canonical text that has to stand there then, by
    column of SQLite; OLD the row as it stood, None for a new one. GONE: deleted in PostgreSQL."""

    key: str
    values: Values
    wanted: dict[str, str | None]
    old: Values | None
    gone: bool


_SCHEMA = """
CREATE TEMP TABLE tminus_changes (
  n INTEGER PRIMARY KEY, t TEXT NOT NULL, new INTEGER NOT NULL, gone INTEGER NOT NULL, was TEXT, now TEXT,
  place BLOB, reverted INTEGER NOT NULL DEFAULT 0, data BLOB NOT NULL);
CREATE INDEX temp.tminus_by_was ON tminus_changes (t, was);
CREATE INDEX temp.tminus_by_now ON tminus_changes (t, now);
CREATE TEMP TABLE tminus_pushed (tag TEXT);
"""


class Changes:
    """The changes, in temporary tables of CON: they go with the connection and are never in the file."""

    def __init__(self, con: sqlite3.Connection) -> None:
        self._con = con
        for statement in _SCHEMA.split(";"):
            con.execute(statement)
        self._triggers = 0

    def keep(self, table: str, change: Change, was: str | None) -> None:
        """WAS: the tag of the row's place in the backup."""
        self._con.execute(
            "INSERT INTO temp.tminus_changes (t, new, gone, was, data) VALUES (?, ?, ?, ?, ?)",
            (table, change.old is None, change.gone, was, pickle.dumps(change)),
        )

    def waiting(self, table: str, *, new_rows: bool) -> Iterator[tuple[int, Change]]:
        """Those to be put in that are not yet, in the order in which they came."""
        last = 0
        while True:
            rows = self._con.execute(
                "SELECT n, data FROM temp.tminus_changes WHERE t = ? AND new = ? AND n > ? AND NOT gone"
                " ORDER BY n LIMIT 500",
                (table, new_rows, last),
            ).fetchall()
            if not rows:
                return
            for last, data in rows:
                yield last, pickle.loads(data)  # noqa: S301 - written above, by this process

    def applied(self, n: int, now: str, place: Place) -> None:
        """It stands at PLACE, the tag of which is NOW."""
        sql = "UPDATE temp.tminus_changes SET now = ?, place = ? WHERE n = ?"
        self._con.execute(sql, (now, pickle.dumps(place), n))

    def reverted(self, n: int) -> None:
        self._con.execute("UPDATE temp.tminus_changes SET reverted = 1, now = NULL, place = NULL WHERE n = ?", (n,))

    def get(self, n: int) -> tuple[Change, Place | None, bool]:
        """The change, the place where it stands, and whether it was taken back."""
        sql = "SELECT data, place, reverted FROM temp.tminus_changes WHERE n = ?"
        data, place, reverted = self._con.execute(sql, (n,)).fetchone()
        change: Change = pickle.loads(data)  # noqa: S301 - written above, by this process
        return change, None if place is None else pickle.loads(place), bool(reverted)  # noqa: S301 - the same

    def find(self, table: str, *, now: str | None = None, was: str | None = None) -> int | None:
        """The change whose row stands at NOW, or stood at WAS, that was not taken back."""
        column, tag = ("now", now) if now is not None else ("was", was)
        found = self._con.execute(
            f"SELECT n FROM temp.tminus_changes WHERE t = ? AND {column} = ? AND NOT reverted",  # noqa: S608 - one of two
            (table, tag),
        ).fetchone()
        return None if found is None else int(found[0])

    def log_deletes(self, table: str, tag: str) -> None:
        """From now on every row that leaves TABLE (SQL) leaves its TAG (SQL over OLD)."""
        self._triggers += 1
        note = f"INSERT INTO tminus_pushed VALUES ({tag})"  # noqa: S608 - the tag is SQL of ours
        self._con.execute(
            f"CREATE TEMP TRIGGER tminus_pushed_{self._triggers:d} AFTER DELETE ON {table} BEGIN {note}; END"
        )

    def pushed_out(self) -> list[str]:
        """The tags left since the last time."""
        tags = [bytes(tag).decode() for (tag,) in self._con.execute("SELECT tag FROM temp.tminus_pushed")]
        self._con.execute("DELETE FROM temp.tminus_pushed")
        return tags
