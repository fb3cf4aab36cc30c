"""Rows a second of a copy, a copy with its proof, and a comparison, beside a ceiling and a peer, in one run.

    python -m bench.transfer postgresql://... [rows]

The database named must be empty; it is filled and emptied again. The ceiling is COPY of ready-made
text into the same schema, keys and indexes taken down and put back; the peer is SQLAlchemy's executemany.
"""

from __future__ import annotations

import io
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from bench import sample
from transfer import constraints
from transfer.comparing import compare, paired, source
from transfer.copying import copy
from transfer.postgres import connect
from transfer.proving import target_name
from transfer.rows import copy_text, select

PEER_ROWS = 40_000


def fresh(url: str) -> None:
    conn = connect(url)
    with conn, conn.cursor() as cur:
        cur.execute("DROP SCHEMA public CASCADE")
        cur.execute("CREATE SCHEMA public")
        cur.execute(sample.POSTGRES)
    conn.close()


def ceiling(path: Path, url: str) -> float:
    """Seconds of the server's own work: the text is made before the clock starts."""
    conn = connect(url)
    with source(path) as con, conn, conn.cursor() as cur:
        pairs, _ = paired(con, cur)
        ready = [
            io.BytesIO(b"".join(c for _, c in copy_text(con, select(p, p.columns, sending=True)))) for p in pairs
        ]
        started = time.monotonic()
        oids = {p.oid for p in pairs}
        down = constraints.to_take_down(constraints.definitions(cur, oids), oids)
        constraints.take_down(cur, down)
        names = ", ".join(map(target_name, pairs))
        cur.execute(f"TRUNCATE {names}")
        for pair, text in zip(pairs, ready, strict=True):
            cur.copy_expert(f"COPY {target_name(pair)} FROM STDIN (FREEZE)", text, size=65536)
        for d in sorted(down, key=lambda d: d.type == "f"):
            constraints.put_back(cur, d)
        conn.commit()
        seconds = time.monotonic() - started
    conn.close()
    return seconds


def peer(path: Path, url: str) -> float:
    """Seconds of reflecting both sides, reading with SQLAlchemy and inserting with executemany."""
    ours = sa.create_engine(f"sqlite:///{path}")
    theirs = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg2://"))
    started = time.monotonic()
    read, write = sa.MetaData(), sa.MetaData()
    read.reflect(ours)
    write.reflect(theirs)
    with ours.connect() as a, theirs.begin() as b:
        for table in ("authors", "articles", "logins", "ballots"):
            result = a.execution_options(yield_per=5000).execute(sa.select(read.tables[table]))
            for rows in result.mappings().partitions(5000):
                b.execute(sa.insert(write.tables[table]), [dict(r) for r in rows])
    seconds = time.monotonic() - started
    ours.dispose()
    theirs.dispose()
    return seconds


def main() -> None:
    url, rows = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 200_000
    with tempfile.TemporaryDirectory() as folder:
        path, small = Path(folder) / "app.db", Path(folder) / "small.db"
        sample.write(path, rows)
        sample.write(small, min(rows, PEER_ROWS))
        print(f"{rows:,} rows, {path.stat().st_size / 2**20:.1f} MiB")

        def show(what: str, seconds: float, n: int) -> None:
            print(f"{what:46} {seconds:7.2f} s {n / seconds:10,.0f} rows/s")

        work: list[tuple[str, Callable[[], float], int]] = [
            ("ceiling: COPY of ready-made text", lambda: ceiling(path, url), rows),
            ("peer: SQLAlchemy executemany", lambda: peer(small, url), min(rows, PEER_ROWS)),
        ]
        for what, run, n in work:
            fresh(url)
            show(what, run(), n)
        fresh(url)
        report = copy(path, url)
        proof = report.seconds_by_stage["prove"]
        show("copy (without the proof)", report.seconds - proof, rows)
        show("copy with proof, committed", report.seconds, rows)
        started = time.monotonic()
        equal = compare(path, url).equal
        show(f"compare (equal: {equal})", time.monotonic() - started, rows)
        print("stages:", ", ".join(f"{k} {v:.2f} s" for k, v in report.seconds_by_stage.items()))


if __name__ == "__main__":
    main()
