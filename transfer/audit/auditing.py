"""The audit from end to end: what goes where, its values, its references, its schema."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

from transfer import catalog, pairing
from transfer import sqlite as lite
from transfer.audit.assumed import assumed
from transfer.audit.findings import Audit, AuditFinding, Severity
from transfer.audit.references import duplicates, orphans
from transfer.audit.structure import structure
from transfer.audit.values import values
from transfer.expressions import install
from transfer.pairing import Finding, TablePair
from transfer.postgres import cancelling, connect, describe_url, speaking_of
from transfer.progress import Progress, Watch
from transfer.rules import Rules, read_rules
from transfer.ruling import ruled
from transfer.schema.model import Schema
from transfer.schema.reading import read
from transfer.sqlite import reading


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

    Held against the types of DATABASE_URL's tables, or, without one, those that we would create. RULES that the user
    wrote settle findings; values of PRIVATE columns ("table.column") are not shown.
    Raises CouldNotLook, Refused (a rule for nothing), Cancelled.
    """
    started, watch = time.monotonic(), Watch(progress, cancelled)
    given = rules if isinstance(rules, Rules) else read_rules(rules or {}, tuple(private))
    with _source(sqlite) as con:
        schema = read(con)
        tables = lite.tables(con)
        shadows = lite.virtual_tables(con)
        if database_url is None:
            target = None
            pairs, told = ruled(*pairing.pair(tables, shadows, assumed(con, schema)), given, con)
            found = list(structure(con, schema, None))
        else:
            target = describe_url(database_url)
            with closing(connect(database_url)) as conn:
                conn.set_session(isolation_level="REPEATABLE READ", readonly=True)
                with speaking_of(database_url, conn), cancelling(conn, cancelled), conn.cursor() as cur:
                    pairs, told = ruled(*pairing.pair(tables, shadows, catalog.tables(cur)), given, con)
                    found = [*structure(con, schema, cur), *duplicates(con, pairs, cur, watch)]
        found += (f for f in map(_of_pairing, told) if f.text not in {x.text for x in found if x.table == f.table})
        # The references are SQLite's work alone and the values nearly all Python's, so that they go side by side.
        with ThreadPoolExecutor(1, thread_name_prefix="transfer-audit") as beside:
            lacking = beside.submit(_orphans, sqlite, schema, pairs, cancelled)
            found += values(con, pairs, watch)
            found += lacking.result()
        rows = sum(lite.count(con, p.source) for p in pairs)
    ordered = sorted(found, key=lambda f: (list(Severity).index(f.severity), f.settled, f.table, f.column or ""))
    return Audit(tuple(ordered), len(pairs), rows, time.monotonic() - started, target)


def _orphans(
    path: Path, schema: Schema, pairs: Sequence[TablePair], cancelled: Callable[[], bool] | None
) -> list[AuditFinding]:
    with _source(path) as con:
        if cancelled is not None:
            con.set_progress_handler(cancelled, 1_000_000)  # SQLite's steps: a few times a second
        return list(orphans(con, schema, pairs))


@contextmanager
def _source(path: Path) -> Iterator[sqlite3.Connection]:
    with reading(path) as con:
        con.text_factory = bytearray
        install(con)
        yield con


def _of_pairing(found: Finding) -> AuditFinding:
    severity = Severity.BLOCKS if found.blocks else Severity.NOTE
    return AuditFinding(found.table, found.column, "schema", severity, None, (), found.text)
