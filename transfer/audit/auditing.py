"""The audit from end to end: what goes where, its values, its references, its keys, its schema."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

from transfer import catalog, pairing
from transfer import sqlite as lite
from transfer.audit.assumed import Constraints, assumed, assumed_constraints, target_constraints
from transfer.audit.beyond import beyond
from transfer.audit.findings import Audit, AuditFinding, Severity
from transfer.audit.keys import keys
from transfer.audit.looking import Sides, install_fold
from transfer.audit.references import orphans
from transfer.audit.structure import held_against, structure, to_be_made
from transfer.audit.values import values
from transfer.expressions import install
from transfer.opening import reading
from transfer.pairing import Finding, TablePair
from transfer.postgres import cancelling, connect, describe_url, speaking_of
from transfer.progress import Progress, Watch
from transfer.rules import Rules, read_rules
from transfer.ruling import ruled
from transfer.schema import report
from transfer.schema.line import CARRIED
from transfer.schema.model import Schema
from transfer.schema.reading import read


def audit(
    sqlite: Path,
    database_url: str | None = None,
    *,
    rules: Rules | Mapping[str, tuple[str, ...]] | None = None,
    private: Collection[str] = (),
    progress: Callable[[Progress], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Audit:
    """Everything in SQLITE (live or a backup) that PostgreSQL would refuse, change or not carry. Reads only.

    Held against the tables of DATABASE_URL, or, without one, those that we would create. RULES that the user
    wrote settle findings; values of PRIVATE columns ("table.column") are not shown.
    Raises CouldNotLook, Refused (a rule for nothing), Cancelled.
    """
    started, watch = time.monotonic(), Watch(progress, cancelled)
    given = rules if isinstance(rules, Rules) else read_rules(rules or {}, tuple(private))
    with _source(sqlite) as con:
        schema = read(con)
        target = None if database_url is None else describe_url(database_url)
        if database_url is None:
            pairs, told = _paired(con, assumed(con, schema), given)
            to = assumed_constraints(schema, pairs)
            found = list(to_be_made(con))
        else:
            with closing(connect(database_url)) as conn:
                conn.set_session(isolation_level="REPEATABLE READ", readonly=True)
                with speaking_of(database_url, conn), cancelling(conn, cancelled), conn.cursor() as cur:
                    pairs, told = _paired(con, catalog.tables(cur), given)
                    lines = report(con, cur)
                    carried = frozenset(
                        (x.table, x.name) for x in lines if x.thing == "unique" and x.state == CARRIED
                    )
                    to = target_constraints(cur, pairs, carried)
                    found = [*held_against(lines), *beyond(cur, pairs)]
        found += structure(con, schema, will_be_made=database_url is None)
        found += (f for f in map(_of_pairing, told) if f.text not in {x.text for x in found if x.table == f.table})
        if not pairs:
            text = "there is no table to copy"
            found.append(AuditFinding("", None, "schema", Severity.BLOCKS, None, (), text))
        # Keys are SQLite's work alone and the values nearly all Python's, so that they go side by side.
        with ThreadPoolExecutor(1, thread_name_prefix="transfer-audit") as beside:
            rows_held = beside.submit(_held, sqlite, schema, pairs, to, Watch(None, cancelled))
            found += values(con, pairs, watch)
            found += rows_held.result()
        rows = sum(lite.count(con, p.source) for p in pairs)
    ordered = sorted(found, key=lambda f: (list(Severity).index(f.severity), f.settled, f.table, f.column or ""))
    return Audit(tuple(ordered), len(pairs), rows, time.monotonic() - started, target)


def _paired(
    con: sqlite3.Connection, target: Sequence[catalog.Table], rules: Rules
) -> tuple[tuple[TablePair, ...], tuple[Finding, ...]]:
    return ruled(*pairing.pair(lite.tables(con), lite.virtual_tables(con), target), rules, con)


def _held(
    path: Path, schema: Schema, pairs: Sequence[TablePair], to: Constraints, watch: Watch
) -> list[AuditFinding]:
    with _source(path) as con:
        install_fold(con)
        if watch.asked is not None:
            con.set_progress_handler(watch.asked, 1_000_000)  # SQLite's steps: a few times a second
        sides = Sides(con, schema, {p.target: p for p in pairs}, to)
        try:
            return [*orphans(sides, watch), *keys(sides, watch)]
        except sqlite3.OperationalError:
            watch.go_on()  # it was interrupted on request, rather than unreadable
            raise


@contextmanager
def _source(path: Path) -> Iterator[sqlite3.Connection]:
    with reading(path) as con:
        con.text_factory = bytearray
        install(con)
        yield con


def _of_pairing(found: Finding) -> AuditFinding:
    severity = Severity.BLOCKS if found.blocks else Severity.NOTE
    return AuditFinding(found.table, found.column, "schema", severity, None, (), found.text)
