"""One table through COPY: sent in chunks, counted on both ends, and every refusal led back to a row of SQLite."""

from __future__ import annotations

import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg2

from transfer import refusing
from transfer.errors import Refused
from transfer.pairing import TablePair
from transfer.postgres import Cursor
from transfer.progress import Pace, Watch
from transfer.proving import target_name
from transfer.rows import SENT, copy_text, select
from transfer.sqlite import quoted
from transfer.values import Unfit

# Below the socket's buffer, so that server and client work at the same time instead of in turns.
_CHUNK_BYTES = 48_000


@dataclass(frozen=True, slots=True)
class TableCopy:
    """ROWS sent and stored, REJECTED rows left out by rules, BYTES of COPY text, SECONDS of sending."""

    table: str
    rows: int
    bytes: int
    seconds: float
    rejected: int = 0


def load(
    con: sqlite3.Connection,
    cur: Cursor,
    pair: TablePair,
    watch: Watch,
    *,
    total: int,
    rejected: int,
    frozen: bool,
    used: Counter[tuple[str, str]],
) -> TableCopy:
    """Fills an empty table with the rows that are carried: TOTAL in SQLite less those REJECTED by rules.

    FROZEN: it was truncated in this transaction, so that its rows can be written as needing no later freezing.
    USED counts what the rules changed, by ("table.column", rule). Raises Refused, naming the row.
    """
    started = time.monotonic()
    sent = [c for c in pair.columns if not c.generated]
    changed: Counter[tuple[str, str]] = Counter()
    chunks = copy_text(con, select(pair, sent), sent, SENT, chunk_bytes=_CHUNK_BYTES, used=changed)
    reader = _Reader(chunks, watch, pair.target, total - rejected)
    names = ", ".join(quoted(c.target) for c in sent)
    try:
        cur.copy_expert(f"COPY {target_name(pair)} ({names}) FROM STDIN{' (FREEZE)' if frozen else ''}", reader)
    except Exception as e:
        if isinstance(reader.failure, Unfit):
            raise refusing.unfit(con, pair, sent) or Refused(f"{pair.target}: {reader.failure}") from None
        if reader.failure is not None:
            raise reader.failure from None
        if isinstance(e, psycopg2.DataError | psycopg2.IntegrityError):
            raise refusing.refused_by_server(con, pair, sent, e) from None
        raise
    if not cur.rowcount == reader.rows == total - rejected:
        raise refusing.unfit(con, pair, sent) or Refused(
            f"{pair.target}: {total} rows in SQLite, {rejected} left out by rules, {reader.rows} sent,"
            f" {cur.rowcount} stored. Nothing kept."
        )
    used.update({(f"{pair.target}.{column}", rule): n for (column, rule), n in changed.items()})
    watch.tell("copy", pair.target, reader.rows, total - rejected, "rows")
    return TableCopy(pair.target, reader.rows, reader.bytes, time.monotonic() - started, rejected)


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
