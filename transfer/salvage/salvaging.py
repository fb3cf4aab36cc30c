"""The way back: what was written to PostgreSQL since the cutover, carried into a copy of the SQLite backup."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from transfer import privileges, sequencing
from transfer import sqlite as lite
from transfer.backup import check
from transfer.catalog import sequences
from transfer.comparing import Comparison, compare, paired, source
from transfer.differing import walk
from transfer.digesting import digesting, parts_of
from transfer.digests import Digest, Part
from transfer.durable import published
from transfer.errors import CouldNotLook, Refused
from transfer.pairing import Finding, TablePair
from transfer.postgres import Connection, Cursor, cancelling, connect, speaking_of
from transfer.progress import Pace, Progress, Watch
from transfer.proving import postgres_digest
from transfer.rules import NONE, Rules
from transfer.salvage.applying import Conflict, Table, TableSalvage, triggers_off
from transfer.salvage.storing import styles
from transfer.sqlite import quoted


@dataclass(frozen=True, slots=True)
class Salvage:
    """PATH is the new file, None after a dry run. EQUAL: no conflict, and every table holds what PostgreSQL's holds.

    COMPARISON is of the new file with PostgreSQL as it was a moment later.
    """

    path: Path | None
    tables: tuple[TableSalvage, ...]
    conflicts: tuple[Conflict, ...]
    comparison: Comparison | None
    equal: bool
    seconds: float
    findings: tuple[Finding, ...]


def salvage(
    backup: Path,
    database_url: str,
    into: Path,
    *,
    rules: Rules = NONE,
    dry_run: bool = False,
    progress: Callable[[Progress], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Salvage:
    """Makes the file INTO: BACKUP (the file that was copied, which is only read) with PostgreSQL's rows of now.

    RULES are those of the copy: rows that they left out stay, and values that they changed are no changes. Rows that
    SQLite does not take are listed as conflicts, the rest is carried all the same. DRY_RUN makes the file, compares
    and throws it away. Raises Refused (INTO exists, the schemas have nothing in common), CouldNotLook, Cancelled.
    """
    started, watch = time.monotonic(), Watch(progress, cancelled)
    if into.exists():
        raise Refused(f"{into} is there already; nothing is ever written over. Name another file.")
    try:
        with tempfile.TemporaryDirectory(prefix="tminus-salvage-") as folder:
            made = Path(folder) / into.name if dry_run else into
            with published(made) as partial:
                shutil.copyfile(backup, partial)
                tables, conflicts, findings = _carry(backup, database_url, partial, rules, watch)
            comparison = compare(made, database_url, rules=rules, progress=progress, cancelled=cancelled)
    except OSError as e:
        raise CouldNotLook(f"{e.filename or into}: {e.strerror or e}") from e
    same = bool(comparison.tables) and all(t.equal for t in comparison.tables)
    return Salvage(
        None if dry_run else into,
        tables,
        conflicts,
        comparison,
        same and not conflicts,
        time.monotonic() - started,
        findings,
    )


Carried = tuple[tuple[TableSalvage, ...], tuple[Conflict, ...], tuple[Finding, ...]]


def _carry(backup: Path, database_url: str, partial: Path, rules: Rules, watch: Watch) -> Carried:
    with source(backup) as con, closing(connect(database_url)) as conn:
        conn.set_session(isolation_level="REPEATABLE READ", readonly=True)
        with speaking_of(database_url, conn), cancelling(conn, watch.asked), conn.cursor() as cur:
            pairs, findings = paired(con, cur, rules)
            if not pairs:
                raise Refused("There is no table on both sides: nothing to carry back.")
            privileges.require(privileges.lacking_to_read(cur, [p.oid for p in pairs]))
            totals = [lite.count(con, p.source) for p in pairs]
            parts = parts_of(con, pairs, totals)
            with digesting(backup, pairs, parts, sum(totals)) as sharing:
                theirs = [postgres_digest(cur, pairs[x.place], x, watch, totals[x.place]) for x in parts]
                ours = sharing.finish(con, pairs, watch)
            differ = [x for x, a, b in zip(parts, ours, theirs, strict=True) if a.sha256 is None or a != b]
            tables, conflicts = _write(
                con, conn, cur, partial, pairs, differ, theirs=_rows(parts, theirs), watch=watch
            )
    told = [Finding(f.table, f.column, f"{f.text}; rebuild it", False) for f in findings if "virtual" in f.text]
    return tables, conflicts, (*(f for f in findings if "virtual" not in f.text), *told)


def _rows(parts: Sequence[Part], theirs: Sequence[Digest]) -> Counter[int]:
    found: Counter[int] = Counter()
    for part, digest in zip(parts, theirs, strict=True):
        found[part.place] += digest.rows
    return found


def _write(
    con: sqlite3.Connection,
    conn: Connection,
    cur: Cursor,
    partial: Path,
    pairs: Sequence[TablePair],
    differ: Sequence[Part],
    *,
    theirs: Counter[int],
    watch: Watch,
) -> tuple[tuple[TableSalvage, ...], tuple[Conflict, ...]]:
    done: list[TableSalvage] = []
    conflicts: list[Conflict] = []
    with closing(sqlite3.connect(partial, isolation_level=None)) as new:
        new.text_factory = bytearray
        new.execute("PRAGMA foreign_keys = OFF")
        new.execute("PRAGMA synchronous = OFF")  # the file is synced as a whole before it gets its name
        before = _lone(new)
        new.execute("BEGIN")
        with triggers_off(new):
            for place, pair in enumerate(pairs):
                here = [x for x in differ if x.place == place]
                made = _table(con, conn, new, pair, here, watch)
                unchanged = theirs[place] - made.inserted - made.updated
                done.append(TableSalvage(pair.target, made.inserted, made.updated, made.deleted, unchanged))
                conflicts += made.conflicts
            _raise_sequences(new, cur, pairs)
        new.execute("COMMIT")
        lone = _lone(new)
        conflicts += (
            Conflict(table, f"rowid={rowid}", None, f"its parent in {parent} is not there")
            for table, rowid, parent in sorted(lone - before, key=str)
        )
        said = check(new, "integrity_check")
        if said not in ("ok", str(bytearray(b"ok"))):
            raise CouldNotLook(f"the file that was made is damaged: {said}")
    return tuple(done), tuple(conflicts)


def _table(
    con: sqlite3.Connection,
    conn: Connection,
    new: sqlite3.Connection,
    pair: TablePair,
    parts: Sequence[Part],
    watch: Watch,
) -> Table:
    places = _places(con, pair)
    table, pace = Table(new, pair, styles(con, pair), places), Pace()
    try:
        for part in parts:
            for n, (ours, theirs) in enumerate(walk(con, conn, pair, part, places)):
                table.take(ours, theirs)
                if pace.due():
                    watch.tell("salvage", pair.target, n, 0, "changed rows")
        table.put()
    finally:
        table.close()
    return table


def _places(con: sqlite3.Connection, pair: TablePair) -> list[str]:
    """SQL that tells one row from every other: the rowid, or the key of a table that has none."""
    own = next(t for t in lite.tables(con) if t.name == pair.source)
    taken = {c.name.casefold() for c in own.columns}
    alias = next((a for a in ("rowid", "_rowid_", "oid") if a not in taken), None)
    if own.without_rowid or alias is None:
        return [quoted(k) for k in own.key]
    return [alias]


def _lone(new: sqlite3.Connection) -> set[tuple[str, int | None, str]]:
    """Rows without a parent: (table, rowid, parent)."""
    try:
        found = new.execute('SELECT "table", rowid, parent FROM pragma_foreign_key_check').fetchall()
    except sqlite3.OperationalError:  # a foreign key that refers to no key: nothing to hold rows against
        return set()
    return {(_text(t), rowid, _text(p)) for t, rowid, p in found}


def _text(value: str | bytes | bytearray) -> str:
    return value if isinstance(value, str) else value.decode()


def _raise_sequences(new: sqlite3.Connection, cur: Cursor, pairs: Sequence[TablePair]) -> None:
    """Ids that PostgreSQL gave are not given again, even those of rows that are gone by now."""
    if not new.execute("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'").fetchone():
        return
    by_table = {p.target: p for p in pairs}
    wanted = [of for of in sequences(cur) if of.table in by_table]
    for state in sequencing.states(cur, wanted, {}):
        pair = by_table[state.table]
        if [c.target for c in pair.key] == [state.column]:
            new.execute(
                "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", (state.next_value - 1, pair.source)
            )
