"""The copy: all of a SQLite backup into the schema that migrations made, in one transaction, with proof."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psycopg2

from transfer import catalog, privileges, sequencing
from transfer import sqlite as lite
from transfer.comparing import Comparison, Proofs, Sides, judge, paired, source
from transfer.digesting import digesting, parts_of
from transfer.errors import CommitUnknown, Refused
from transfer.loading import TableCopy, load
from transfer.pairing import Finding, TablePair
from transfer.postgres import Connection, Cursor, cancelling, connect, describe_url, speaking_of
from transfer.progress import Progress, Watch
from transfer.proving import postgres_digest
from transfer.rules import NONE, NULL_ORPHAN, Rules
from transfer.ruling import RuleUse, nulled, write_rejects
from transfer.sequencing import SequenceState
from transfer.target import analyze, check_schemas, make_ready, put_all_back


@dataclass(frozen=True, slots=True)
class CopyReport:
    """A copy that was proven and, unless DRY_RUN, committed. SECONDS is all of it, ROWS_PER_SECOND too.

    ROWS of SQLite = those copied (ROWS) + REJECTED, which are in the file REJECTS. RULES: what rules changed.
    """

    target: str
    dry_run: bool
    tables: tuple[TableCopy, ...]
    rows: int
    rejected: int
    rejects: Path | None
    rules: tuple[RuleUse, ...]
    bytes: int
    seconds: float
    rows_per_second: float
    seconds_by_stage: dict[str, float]
    sequences: tuple[SequenceState, ...]
    proof: Comparison
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class _Job:
    """What was asked for."""

    sqlite: Path
    target: str
    dry_run: bool
    allow_rows_in: Collection[str]
    rules: Rules
    rejects: Path | None
    create_schema: bool
    started: float


def copy(
    sqlite: Path,
    database_url: str,
    *,
    progress: Callable[[Progress], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    dry_run: bool = False,
    allow_rows_in: Collection[str] = (),
    rules: Rules = NONE,
    rejects: Path | None = None,
    create_schema: bool = False,
) -> CopyReport:
    """Copies a settled SQLite file into an empty schema: load, keys, sequences, proof, commit; or nothing.

    Tables named in ALLOW_ROWS_IN may hold rows; these are replaced. DRY_RUN does all of it and takes it back.
    RULES say what becomes of values that do not fit; rows that they leave out are written to the file REJECTS.
    CREATE_SCHEMA makes the tables first, as the file's own schema says.
    Raises Refused (schemas differ, target not empty, a value does not fit, the proof failed), CouldNotLook,
    Cancelled; after any of these the target is as it was, except when the server died during COMMIT, which
    is said.
    """
    watch = Watch(progress, cancelled)
    target = describe_url(database_url)
    job = _Job(sqlite, target, dry_run, allow_rows_in, rules, rejects, create_schema, time.monotonic())
    with source(sqlite) as con:
        conn = connect(database_url)
        try:
            with speaking_of(database_url, conn), _removed_on_failure(rejects):
                with cancelling(conn, cancelled), conn.cursor() as cur:
                    report, small = _transfer(job, con, conn, cur, watch)
                watch.go_on()
                if dry_run:
                    conn.rollback()
                else:
                    _commit(conn, target)
                    with suppress(psycopg2.Error), conn.cursor() as cur:  # autovacuum does it otherwise
                        analyze(cur, small)
                        conn.commit()
                return report
        finally:
            with suppress(psycopg2.Error):
                conn.rollback()
            conn.close()


def _commit(conn: Connection, target: str) -> None:
    try:
        conn.commit()
    except psycopg2.OperationalError:
        raise CommitUnknown(
            f"{target}: the connection broke during COMMIT, so the copy is either wholly there or not at all."
            " Compare to find out which."
        ) from None


@contextmanager
def _removed_on_failure(rejects: Path | None) -> Iterator[None]:
    """A list of rows left out by a copy that never was would mislead."""
    existed = rejects is not None and rejects.exists()
    try:
        yield
    except CommitUnknown:
        raise  # then the copy may be there
    except BaseException:
        if rejects is not None and not existed:
            rejects.unlink(missing_ok=True)
        raise


def _transfer(
    job: _Job, con: sqlite3.Connection, conn: Connection, cur: Cursor, watch: Watch
) -> tuple[CopyReport, list[TablePair]]:
    """Everything inside the transaction; neither commits nor rolls back. Also the tables to be analyzed later."""
    clock = _Stages()
    made = _create(con, cur) if job.create_schema else ()
    pairs, findings = paired(con, cur, job.rules)
    findings = (
        *dict.fromkeys((*made, *findings)),
        *(Finding(t.table, None, t.text, False) for t in catalog.triggers(cur)),
    )
    check_schemas(pairs, findings)
    privileges.require(privileges.lacking_to_fill(cur, [p.oid for p in pairs]))
    totals = [lite.count(con, p.source) for p in pairs]
    used: Counter[tuple[str, str]] = Counter()
    rejected = _reject(job, con, pairs, used)
    parts = parts_of(con, pairs, totals)
    ready = make_ready(cur, pairs, totals, job.allow_rows_in)
    clock.next("prepare")

    of = {p.oid: (p, total) for p, total in zip(pairs, totals, strict=True)}
    copied = []
    for pair, total in (of[oid] for oid in ready.order):
        left_out, frozen = rejected[pair.target], pair.oid in ready.truncated
        copied.append(load(con, cur, pair, watch, total=total, rejected=left_out, frozen=frozen, used=used))
    clock.next("copy")

    with digesting(job.sqlite, pairs, parts, sum(totals)) as sharing:
        put_all_back(cur, pairs, ready, watch)
        clock.next("index")
        theirs = tuple(postgres_digest(cur, pairs[x.place], x, watch, totals[x.place]) for x in parts)
        ours = sharing.finish(con, pairs, watch)
    sequences = sequencing.set_all(cur, pairs, lite.sequences(con))
    sides = Sides(con, conn, pairs, findings)
    proof = judge(sides, Proofs(parts, ours, theirs), watch=watch, limit=10, started=clock.at)
    if not proof.equal or not all(s.ok for s in sequences):
        raise Refused(_disproof(proof))
    clock.next("prove")

    rows, seconds = sum(t.rows for t in copied), time.monotonic() - job.started
    report = CopyReport(
        target=job.target,
        dry_run=job.dry_run,
        tables=tuple(copied),
        rows=rows,
        rejected=sum(rejected.values()),
        rejects=job.rejects if rejected else None,
        rules=tuple(RuleUse(column, rule, n) for (column, rule), n in sorted(used.items())),
        bytes=sum(t.bytes for t in copied),
        seconds=seconds,
        rows_per_second=rows / seconds if seconds else 0.0,
        seconds_by_stage=dict(clock.taken),
        sequences=sequences,
        proof=proof,
        findings=findings,
    )
    return report, [p for p in pairs if p.oid not in ready.truncated]


def _create(con: sqlite3.Connection, cur: Cursor) -> tuple[Finding, ...]:
    from transfer.schema import create

    con.text_factory = str
    try:
        return create(con, cur)
    finally:
        con.text_factory = bytearray


def _reject(
    job: _Job, con: sqlite3.Connection, pairs: Sequence[TablePair], used: Counter[tuple[str, str]]
) -> Counter[str]:
    """Rows left out by rules, by table, each of them on disk in the reject file before anything is copied."""
    for pair in pairs:
        for column in pair.columns:
            if column.orphaned:
                used[f"{pair.target}.{column.target}", NULL_ORPHAN] += nulled(con, pair, column)
    if not any(p.keep for p in pairs):
        return Counter()
    rejected: Counter[str] = Counter()
    for reject in write_rejects(job.rejects, con, pairs):
        rejected[reject.table] += 1
        used[f"{reject.table}.{reject.column}", reject.rule] += 1
    return rejected


class _Stages:
    """A stop watch with a name for each lap, in seconds."""

    def __init__(self) -> None:
        self.at = time.monotonic()
        self.taken: dict[str, float] = {}

    def next(self, name: str) -> None:
        now = time.monotonic()
        self.taken[name] = now - self.at
        self.at = now


def _disproof(proof: Comparison) -> str:
    named = [
        f"{d.table} {d.key} {d.column or 'row'}: SQLite {d.sqlite!r}, PostgreSQL {d.postgres!r}"
        for d in proof.differences[:5]
    ]
    named += [f"sequence {s.sequence} would give {s.next_value} again" for s in proof.sequences if not s.ok]
    named += [f"foreign key {f.name}: {f.orphans} orphans" for f in proof.foreign_keys if not f.ok]
    return f"The copy could not be proven, nothing was kept: {'; '.join(named) or 'the contents differ'}"
