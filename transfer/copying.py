"""The copy: all of a SQLite backup into the schema that migrations made, in one transaction, with proof."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg2

from transfer import constraints, refusing, sequencing
from transfer import sqlite as lite
from transfer.comparing import Comparison, judge, paired, source
from transfer.digesting import digesting
from transfer.errors import CouldNotLook, Refused
from transfer.pairing import ColumnPair, Finding, TablePair
from transfer.postgres import Connection, Cursor, cancelling, connect, describe_url, speaking_of
from transfer.progress import Pace, Progress, Watch
from transfer.proving import postgres_digest, target_name
from transfer.rows import copy_text, select
from transfer.sequencing import SequenceState
from transfer.sqlite import quoted

# Below this, taking keys and indexes down and putting them back costs more than keeping them up.
BIG = 10_000


@dataclass(frozen=True, slots=True)
class TableCopy:
    """ROWS sent and stored, BYTES of COPY text, SECONDS of sending."""

    table: str
    rows: int
    bytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class CopyReport:
    """A copy that was proven and, unless DRY_RUN, committed. SECONDS is all of it, ROWS_PER_SECOND too."""

    target: str
    dry_run: bool
    tables: tuple[TableCopy, ...]
    rows: int
    bytes: int
    seconds: float
    rows_per_second: float
    seconds_by_stage: dict[str, float]
    sequences: tuple[SequenceState, ...]
    proof: Comparison
    findings: tuple[Finding, ...]


def copy(
    sqlite: Path,
    database_url: str,
    *,
    progress: Callable[[Progress], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
    dry_run: bool = False,
    allow_rows_in: Collection[str] = (),
) -> CopyReport:
    """Copies a settled SQLite file into an empty schema: load, keys, sequences, proof, commit; or nothing.

    Tables named in ALLOW_ROWS_IN may hold rows; these are replaced. DRY_RUN does all of it and takes it back.
    Raises Refused (schemas differ, target not empty, a value does not fit, the proof failed), CouldNotLook,
    Cancelled; after any of these the target is as it was, except when the server died during COMMIT, which
    is said.
    """
    started, watch = time.monotonic(), Watch(progress, cancelled)
    with source(sqlite) as con:
        conn = connect(database_url)
        try:
            with speaking_of(database_url, conn):
                with cancelling(conn, cancelled), conn.cursor() as cur:
                    report = _transfer(
                        sqlite, con, conn, cur, watch=watch, started=started, allow_rows_in=allow_rows_in
                    )
                    report = replace(report, target=describe_url(database_url), dry_run=dry_run)
                watch.go_on()
                if dry_run:
                    conn.rollback()
                else:
                    _commit(conn, database_url)
                return report
        finally:
            with suppress(psycopg2.Error):
                conn.rollback()
            conn.close()


def _commit(conn: Connection, database_url: str) -> None:
    try:
        conn.commit()
    except psycopg2.OperationalError:
        raise CouldNotLook(
            f"{describe_url(database_url)}: the connection broke during COMMIT, so the copy is either"
            " wholly there or not at all. Compare to find out which."
        ) from None


def _transfer(
    path: Path,
    con: sqlite3.Connection,
    conn: Connection,
    cur: Cursor,
    *,
    watch: Watch,
    started: float,
    allow_rows_in: Collection[str],
) -> CopyReport:
    """Everything inside the transaction; neither commits nor rolls back."""
    clock = _Stages()
    pairs, findings = paired(con, cur)
    _check_schemas(pairs, findings)
    names = ", ".join(target_name(p) for p in pairs)
    cur.execute(f"LOCK TABLE {names} IN ACCESS EXCLUSIVE MODE")
    _check_empty(cur, pairs, allow_rows_in)
    totals = {p.source: lite.count(con, p.source) for p in pairs}
    oids = [p.oid for p in pairs]
    before = constraints.definitions(cur, oids)
    down = constraints.to_take_down(before, {p.oid for p in pairs if totals[p.source] > BIG})
    constraints.take_down(cur, down)
    cur.execute(f"TRUNCATE {names}")
    clock.next("prepare")

    copied = tuple(_load(con, cur, p, watch, totals[p.source]) for p in pairs)
    clock.next("copy")

    with digesting(path, pairs) as pending:
        for done, d in enumerate(sorted(down, key=lambda d: d.type == "f")):
            watch.tell("index", d.table, done, len(down), "definitions")
            _put_back(cur, d)
        constraints.check_same(before, constraints.definitions(cur, oids))
        cur.execute(f"ANALYZE {names}")
        clock.next("index")
        theirs = [postgres_digest(cur, p, watch, totals[p.source]) for p in pairs]
        ours = pending.result(watch)
    sequences = sequencing.set_all(cur, pairs, lite.sequences(con))
    proof = judge(con, conn, pairs, ours, theirs, findings=findings, watch=watch, limit=10, started=clock.at)
    if not proof.equal or not all(s.ok for s in sequences):
        raise Refused(_disproof(proof))
    clock.next("prove")

    rows, seconds = sum(t.rows for t in copied), time.monotonic() - started
    return CopyReport(
        target="",
        dry_run=False,
        tables=copied,
        rows=rows,
        bytes=sum(t.bytes for t in copied),
        seconds=seconds,
        rows_per_second=rows / seconds if seconds else 0.0,
        seconds_by_stage=dict(clock.taken),
        sequences=sequences,
        proof=proof,
        findings=findings,
    )


class _Stages:
    """A stop watch with a name for each lap, in seconds."""

    def __init__(self) -> None:
        self.at = time.monotonic()
        self.taken: dict[str, float] = {}

    def next(self, name: str) -> None:
        now = time.monotonic()
        self.taken[name] = now - self.at
        self.at = now


def _check_schemas(pairs: Sequence[TablePair], findings: Sequence[Finding]) -> None:
    blocking = [f for f in findings if f.blocks]
    if blocking:
        said = "; ".join(f"{f.table}{'.' + f.column if f.column else ''}: {f.text}" for f in blocking)
        raise Refused(f"The two schemas differ, nothing was copied: {said}")
    if not pairs:
        raise Refused("There is no table to copy: are the migrations applied, and is this the right file?")


def _check_empty(cur: Cursor, pairs: Sequence[TablePair], allowed: Collection[str]) -> None:
    unknown = set(allowed) - {p.target for p in pairs}
    if unknown:
        raise Refused(f"Tables that may hold rows, but do not exist: {', '.join(sorted(unknown))}")
    full = []
    for p in pairs:
        if p.target not in allowed:
            cur.execute(f"SELECT EXISTS (SELECT FROM {target_name(p)})")  # noqa: S608
            if cur.fetchall() != [(False,)]:
                full.append(p.target)
    if full:
        raise Refused(
            f"The target is not empty: {', '.join(full)} hold rows. Nothing was copied. Use an empty schema,"
            " or name the tables whose rows may be replaced."
        )


class _Reader:
    """What COPY reads: chunks of COPY text, counted. Keeps what went wrong; the driver would flatten it."""

    def readline(self, size: int = -1, /) -> bytes:  # asked for by the type of copy_expert(), never called by it
        raise NotImplementedError

    def __init__(self, chunks: Iterator[tuple[int, bytes]], watch: Watch, table: str, total: int) -> None:
        self.rows = self.bytes = 0
        self.failure: BaseException | None = None
        self._chunks, self._watch, self._table, self._total = chunks, watch, table, total
        self._pace = Pace()

    def read(self, size: int = -1, /) -> bytes:
        try:
            if self._pace.due():
                self._watch.tell("copy", self._table, self.rows, self._total, "rows")
            rows, chunk = next(self._chunks, (0, b""))
        except BaseException as e:
            self.failure = e
            raise
        self.rows += rows
        self.bytes += len(chunk)
        return chunk


def _load(con: sqlite3.Connection, cur: Cursor, pair: TablePair, watch: Watch, total: int) -> TableCopy:
    started = time.monotonic()
    sent: list[ColumnPair] = [c for c in pair.columns if not c.generated]
    reader = _Reader(copy_text(con, select(pair, sent, sending=True)), watch, pair.target, total)
    names = ", ".join(quoted(c.target) for c in sent)
    try:
        cur.copy_expert(f"COPY {target_name(pair)} ({names}) FROM STDIN (FREEZE)", reader)
    except Exception as e:
        if isinstance(reader.failure, sqlite3.OperationalError) and "user-defined" in str(reader.failure):
            raise refusing.unfit(con, pair, sent) from None
        if reader.failure is not None:
            raise reader.failure from None
        if isinstance(e, psycopg2.DataError | psycopg2.IntegrityError):
            raise refusing.refused_by_server(con, pair, sent, e) from None
        raise
    if not cur.rowcount == reader.rows == total:
        raise Refused(
            f"{pair.target}: {total} rows in SQLite, {reader.rows} sent, {cur.rowcount} stored. Nothing kept."
        )
    watch.tell("copy", pair.target, total, total, "rows")
    return TableCopy(pair.target, reader.rows, reader.bytes, time.monotonic() - started)


def _put_back(cur: Cursor, d: constraints.Definition) -> None:
    try:
        constraints.put_back(cur, d)
    except psycopg2.IntegrityError as e:
        raise Refused(
            f"{d.table}: the rows do not keep {d.name} ({d.text}): {e.diag.message_primary}."
            f" {e.diag.message_detail or ''} Nothing was copied. Correct the rows in SQLite and try again."
        ) from None


def _disproof(proof: Comparison) -> str:
    named = [
        f"{d.table} {d.key} {d.column or 'row'}: SQLite {d.sqlite!r}, PostgreSQL {d.postgres!r}"
        for d in proof.differences[:5]
    ]
    named += [f"sequence {s.sequence} would give {s.next_value} again" for s in proof.sequences if not s.ok]
    named += [f"foreign key {f.name}: {f.orphans} orphans" for f in proof.foreign_keys if not f.ok]
    return f"The copy could not be proven, nothing was kept: {'; '.join(named) or 'the contents differ'}"
