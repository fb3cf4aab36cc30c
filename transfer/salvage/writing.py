"""The new file: one transaction on a copy of the backup, every table of it, then its references and its sequences."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote as percent_encode

from transfer import sequencing
from transfer import sqlite as lite
from transfer.catalog import sequences
from transfer.differing import walk
from transfer.digests import Part
from transfer.errors import CouldNotLook
from transfer.pairing import Finding, TablePair
from transfer.postgres import Connection, Cursor
from transfer.progress import Pace, Watch
from transfer.salvage.applying import Conflict, Table, TableSalvage
from transfer.salvage.changes import Changes
from transfer.salvage.parents import references, settle
from transfer.salvage.places import places_of
from transfer.salvage.storing import styles
from transfer.sqlite import quoted


@dataclass(frozen=True, slots=True)
class Sides:
    """The backup, open as CON, and PostgreSQL, each in one snapshot; and what goes where."""

    backup: Path
    con: sqlite3.Connection
    conn: Connection
    pairs: tuple[TablePair, ...]


Written = tuple[tuple[tuple[TableSalvage, ...], tuple[Conflict, ...]], tuple[Finding, ...]]


def write(partial: Path, sides: Sides, differ: Sequence[Part], *, rows: Mapping[int, int], watch: Watch) -> Written:
    """Carries the rows of the parts that DIFFER into PARTIAL, a copy of the backup. ROWS: PostgreSQL's, by pair.

    Raises CouldNotLook when the file cannot be made or is damaged, Cancelled.
    """
    try:
        with closing(_opened(partial, sides.backup, watch)) as new:
            new.execute("BEGIN")
            written = _written(new, sides, differ, rows, watch)
            new.execute("COMMIT")
            said = [bytes(line).decode() for (line,) in new.execute("PRAGMA main.integrity_check(5)")]
    except sqlite3.Error as e:
        watch.go_on()  # a statement that was stopped on request is an error too
        raise CouldNotLook(f"{partial.name} could not be made: {e}") from e
    if said != ["ok"]:
        raise CouldNotLook(f"the file that was made is damaged: {'; '.join(said)}")
    return written


def _opened(partial: Path, backup: Path, watch: Watch) -> sqlite3.Connection:
    """The new file, and the backup beside it as the schema was."""
    new = sqlite3.connect(f"file:{_uri(partial)}?mode=rw", uri=True, isolation_level=None)
    new.text_factory = bytearray
    # The application's triggers and actions are not for this; the file is synced as a whole before it gets its name.
    for pragma in ("foreign_keys = OFF", "synchronous = OFF", "temp_store = FILE", "recursive_triggers = ON"):
        new.execute(f"PRAGMA {pragma}")
    new.execute("ATTACH ? AS was", (f"file:{_uri(backup)}?mode=ro&immutable=1",))
    if (asked := watch.asked) is not None:
        new.set_progress_handler(lambda: bool(asked()), 1_000_000)
    return new


def _uri(path: Path) -> str:
    return percent_encode(str(path.absolute()))


def _written(
    new: sqlite3.Connection, sides: Sides, differ: Sequence[Part], rows: Mapping[int, int], watch: Watch
) -> Written:
    changes, places = Changes(new), {p.source: i for i, p in enumerate(sides.pairs)}
    by_name = {t.name: t for t in lite.tables(sides.con)}
    found: dict[str, Table] = {}
    with _triggers_off(new):
        for source, place in places.items():
            here = [x for x in differ if x.place == place]
            if here:
                pair = sides.pairs[place]
                at = places_of(sides.con, by_name[source])
                found[source] = Table(new, changes, pair, styles(sides.con, pair), at)
                _carry(sides, found[source], here, watch)
        wanted, findings = references(sides.con)
        helpless = settle(new, changes, found, wanted, found, watch)
        with sides.conn.cursor() as cur:
            _raise_sequences(new, cur, sides.pairs)
    done = tuple(_counted(pair, found.get(pair.source), rows[place]) for place, pair in enumerate(sides.pairs))
    conflicts = [c for source in places if source in found for c in found[source].conflicts]
    return (done, (*conflicts, *helpless)), findings


def _carry(sides: Sides, table: Table, parts: Sequence[Part], watch: Watch) -> None:
    pace, n = Pace(), 0
    for part in parts:
        for ours, theirs in walk(sides.con, sides.conn, table.pair, part, table.places.sql):
            table.take(ours, theirs)
            n += 1
            if pace.due():
                watch.tell("search", table.pair.target, n, 0, "changed rows")
    table.put(watch)
    watch.tell("salvage", table.pair.target, n, n, "changed rows")


def _counted(pair: TablePair, table: Table | None, rows: int) -> TableSalvage:
    if table is None:
        return TableSalvage(pair.target, 0, 0, 0, rows)
    same = rows - table.differing
    return TableSalvage(pair.target, table.inserted, table.updated, table.deleted, same)


@contextmanager
def _triggers_off(new: sqlite3.Connection) -> Iterator[None]:
    """Inside a transaction: triggers are for what applications do; they come back word for word."""
    found = new.execute("SELECT name, sql FROM main.sqlite_schema WHERE type = 'trigger' ORDER BY rowid").fetchall()
    for name, _ in found:
        new.execute(f"DROP TRIGGER main.{quoted(bytes(name).decode())}")
    yield
    for _, sql in found:
        new.execute(bytes(sql).decode())


def _raise_sequences(new: sqlite3.Connection, cur: Cursor, pairs: Sequence[TablePair]) -> None:
    """Ids that PostgreSQL gave are not given again, even those of rows that are gone by now."""
    by_table = {p.target: p for p in pairs}
    wanted = [of for of in sequences(cur) if of.table in by_table]
    for state in sequencing.states(cur, wanted, {}):
        pair, last = by_table[state.table], state.next_value - 1
        if [c.target for c in pair.key] != [state.column] or last < 1 or not _remembers(new, pair.source):
            continue
        done = new.execute(
            "UPDATE main.sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", (last, pair.source)
        ).rowcount
        if not done:  # no row was ever put in
            new.execute("INSERT INTO main.sqlite_sequence (name, seq) VALUES (?, ?)", (pair.source, last))


_NO_CODE = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|\[[^]]*\]|--[^\n]*|/\*.*?(?:\*/|\Z)""", re.DOTALL)


def _remembers(new: sqlite3.Connection, table: str) -> bool:
    """Whether a table is AUTOINCREMENT; only its SQL says so."""
    sql = new.execute("SELECT sql FROM main.sqlite_schema WHERE type = 'table' AND name = ?", (table,)).fetchone()[0]
    return re.search(r"\bautoincrement\b", _NO_CODE.sub(" ", bytes(sql).decode()), re.IGNORECASE) is not None
