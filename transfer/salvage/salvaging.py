"""The way back: what was written to PostgreSQL since the cutover, carried into a copy of the SQLite backup."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing, nullcontext
from dataclasses import dataclass
from pathlib import Path

from transfer import privileges
from transfer import sqlite as lite
from transfer.comparing import Comparison, compare, paired, source
from transfer.digesting import digesting, parts_of
from transfer.digests import Digest, Part
from transfer.durable import published
from transfer.errors import CouldNotLook, Refused
from transfer.pairing import Finding
from transfer.postgres import cancelling, connect, speaking_of
from transfer.progress import Progress, Watch
from transfer.proving import postgres_digest
from transfer.rules import NONE, Rules
from transfer.salvage.applying import Conflict, TableSalvage
from transfer.salvage.writing import Sides, write


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
    SQLite does not take are listed as conflicts, and so is a table or a column that stands on one side only; the
    rest is carried all the same. The file gets its name when all is done. DRY_RUN makes it, compares and throws it
    away. Raises Refused (INTO exists, or what a killed salvage left; nothing in common), CouldNotLook, Cancelled.
    """
    started, watch = time.monotonic(), Watch(progress, cancelled)
    _look_where(into)
    try:
        with (
            tempfile.TemporaryDirectory(prefix="tminus-salvage-") if dry_run else nullcontext(into.parent) as folder,
            published(Path(folder) / into.name) as partial,
        ):
            shutil.copyfile(backup, partial)
            carried, findings = _carry(backup, database_url, partial, rules, watch)
            comparison = compare(partial, database_url, rules=rules, progress=progress, cancelled=cancelled)
            watch.go_on()
    except OSError as e:
        raise CouldNotLook(f"{e.filename or into}: {e.strerror or e}") from e
    tables, conflicts = carried
    # A migration since the cutover: what stands on one side only was not carried, and no comparison looked at it.
    apart = {(f.table, f.column): f.text for f in (*findings, *comparison.findings) if f.blocks}
    conflicts += tuple(Conflict(table, "", column, text) for (table, column), text in apart.items())
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


def _look_where(into: Path) -> None:
    """A journal beside a new file would be played into it, so what a killed salvage left has to go first."""
    if into.exists():
        raise Refused(f"{into} is there already; nothing is ever written over. Name another file.")
    tails = (".partial", ".partial-journal", ".partial-wal", ".partial-shm", "-journal", "-wal", "-shm")
    left = [beside.name for tail in tails if (beside := into.with_name(into.name + tail)).exists()]
    if left:
        raise Refused(
            f"{into.parent}: {', '.join(left)} is there: another salvage is writing, or one was killed. If none is"
            " writing, remove it and try again: it is no file that was finished."
        )


Carried = tuple[tuple[TableSalvage, ...], tuple[Conflict, ...]]


def _carry(
    backup: Path, database_url: str, partial: Path, rules: Rules, watch: Watch
) -> tuple[Carried, tuple[Finding, ...]]:
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
            sides = Sides(backup, con, conn, pairs)
            carried, of_keys = write(partial, sides, differ, rows=_rows(parts, theirs), watch=watch)
    told = [Finding(f.table, f.column, f"{f.text}; rebuild it", False) for f in findings if "virtual" in f.text]
    return carried, (*(f for f in findings if "virtual" not in f.text), *told, *of_keys)


def _rows(parts: Sequence[Part], theirs: Sequence[Digest]) -> Counter[int]:
    found: Counter[int] = Counter()
    for part, digest in zip(parts, theirs, strict=True):
        found[part.place] += digest.rows
    return found
