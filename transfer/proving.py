"""PostgreSQL's side of a proof."""

from __future__ import annotations

import io

from transfer.digests import Digest, Hashing, Part, hasher_of, ordered_by
from transfer.expressions import ALIAS, on_postgres
from transfer.pairing import TablePair
from transfer.postgres import Cursor
from transfer.progress import Pace, Watch
from transfer.sqlite import quoted

_BUFFER = 128 * 1024


def target_name(pair: TablePair) -> str:
    return f"{quoted(pair.schema)}.{quoted(pair.target)}"


def canonical_values(pair: TablePair, cast: str = "") -> str:
    return ", ".join(f"({on_postgres(c.target, c.type)}){cast}" for c in pair.columns)


def postgres_digest(cur: Cursor, pair: TablePair, part: Part, watch: Watch, total: int = 0) -> Digest:
    """The counterpart of digesting.digest: the same text, made by the server."""
    keys = [f"{ALIAS}.{quoted(c.target)}" for c in ordered_by(pair)]
    where = part.where(keys[0]) if keys else ""
    query = (
        f"SELECT {canonical_values(pair)} FROM {target_name(pair)} AS {ALIAS}"  # noqa: S608 - names are quoted
        f"{' WHERE ' + where if where else ''}{' ORDER BY ' + ', '.join(keys) if keys else ''}"
    )
    hasher, pace = hasher_of(pair), Pace()

    def tell(rows: int) -> None:
        if pace.due():
            watch.tell("prove", pair.target, rows, total, "rows")

    sink = Hashing(hasher, tell)
    with io.BufferedWriter(sink, _BUFFER) as writer:
        cur.copy_expert(f"COPY ({query}) TO STDOUT", writer)
    return Digest(sink.rows, hasher.hexdigest())
