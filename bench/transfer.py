"""Rows a second of a copy, a copy with its proof, and a comparison, beside the server's own limit and its peers.

    python -m bench.transfer SUPERUSER_URL [FOLDER] [--rounds N] [--scale X] [--only NAME ...]

Makes the databases with bench/gen.py in FOLDER (they are kept there and used again), fills databases of its own on
the server, and runs every contender once a round, one after the other, so that all of them meet the same machine;
what is printed are medians. The limit is the server reading a text file that lies ready on its own disk, keys and
indexes taken down and put back just as the copy does. The peers: pgloader, tuned, when it is installed, and
SQLAlchemy's executemany on a fiftieth of the rows. Each of our own runs is a process of its own, for its memory.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg2

from bench import gen, schema
from transfer import sqlite as lite
from transfer.comparing import compare, paired, source
from transfer.copying import copy
from transfer.loading import load
from transfer.postgres import connect
from transfer.progress import Watch
from transfer.proving import target_name
from transfer.rows import SENT, copy_text, select
from transfer.target import analyze, make_ready, put_all_back

PGLOADER = """
LOAD DATABASE FROM sqlite://{path} INTO {url}
WITH create no tables, truncate, drop indexes, reset sequences,
     prefetch rows = 1000, batch rows = 1000, batch size = 4MB
EXCLUDING TABLE NAMES LIKE 'alembic_version';
"""


def limit(path: Path, url: str, text: Path, *, freeze: bool) -> float:
    """Seconds of the server's own work; the text was made before the clock starts."""
    conn = connect(url)
    with source(path) as con, conn, conn.cursor() as cur:
        pairs, _ = paired(con, cur)
        totals = [lite.count(con, p.source) for p in pairs]
        by_oid = {p.oid: p for p in pairs}
        started = time.monotonic()
        ready = make_ready(cur, pairs, totals, ())
        for oid in ready.order:
            names = ", ".join(lite.quoted(c.target) for c in by_oid[oid].columns)
            options = "(FREEZE)" if freeze and oid in ready.truncated else ""
            cur.execute(f"COPY {target_name(by_oid[oid])} ({names}) FROM '{text / by_oid[oid].target}' {options}")
        put_all_back(cur, pairs, ready, Watch())
        conn.commit()
        analyze(cur, [p for p in pairs if p.oid not in ready.truncated])
        conn.commit()
        seconds = time.monotonic() - started
    conn.close()
    return seconds


def copy_alone(path: Path, url: str) -> float:
    """Our copy without its proof: everything else is the same."""
    conn = connect(url)
    started = time.monotonic()
    with source(path) as con, conn, conn.cursor() as cur:
        pairs, _ = paired(con, cur)
        totals = [lite.count(con, p.source) for p in pairs]
        of = {p.oid: (p, n) for p, n in zip(pairs, totals, strict=True)}
        ready = make_ready(cur, pairs, totals, ())
        for pair, n in (of[oid] for oid in ready.order):
            frozen = pair.oid in ready.truncated
            load(con, cur, pair, Watch(), total=n, rejected=0, frozen=frozen, used=Counter())
        put_all_back(cur, pairs, ready, Watch())
        conn.commit()
        analyze(cur, [p for p in pairs if p.oid not in ready.truncated])
        conn.commit()
    conn.close()
    return time.monotonic() - started


def copy_proven(path: Path, url: str) -> float:
    report = copy(path, url)
    assert report.proof.equal
    return report.seconds


def compare_alone(path: Path, url: str) -> float:
    seen = compare(path, url)
    assert seen.equal
    return seen.seconds


OURS: dict[str, Callable[[Path, str], float]] = {
    "copy": copy_alone,
    "copy + proof": copy_proven,
    "compare": compare_alone,
}


def in_a_process(what: str, path: Path, url: str) -> tuple[float, float]:
    """Seconds, and MiB at the most of this process and the one it starts, together."""
    argv = [sys.executable, "-m", "bench.transfer", url, str(path), "--run", what]
    found = json.loads(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)
    return found["seconds"], found["mib"]


def executemany(path: Path, url: str) -> float:
    import sqlalchemy as sa

    ours, theirs = sa.create_engine(f"sqlite:///{path}"), sa.create_engine(url.replace("://", "+psycopg2://", 1))
    started = time.monotonic()
    read, write = sa.MetaData(), sa.MetaData()
    read.reflect(ours)
    write.reflect(theirs)
    with ours.connect() as a, theirs.begin() as b:
        for table in write.sorted_tables:
            result = a.execution_options(yield_per=5000).execute(sa.select(read.tables[table.name]))
            for rows in result.mappings().partitions(5000):
                b.execute(sa.insert(table), [dict(r) for r in rows])
    seconds = time.monotonic() - started
    ours.dispose()
    theirs.dispose()
    return seconds


def pgloader(path: Path, url: str) -> float:
    with tempfile.NamedTemporaryFile("w", suffix=".load") as commands:
        commands.write(PGLOADER.format(path=path, url=url))
        commands.flush()
        started = time.monotonic()
        subprocess.run(["pgloader", "--on-error-stop", commands.name], check=True, stdout=subprocess.DEVNULL)
        return time.monotonic() - started


def database(server: str, name: str) -> str:
    conn = psycopg2.connect(server)
    conn.autocommit = True
    with conn.cursor() as cur:
        cur.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        cur.execute(f"CREATE DATABASE {name}")
    conn.close()
    return urlunsplit(urlsplit(server)._replace(path=f"/{name}"))


def texts(path: Path, url: str, folder: Path) -> None:
    """The COPY text of every table, readable by the server."""
    conn = connect(url)
    folder.mkdir()
    folder.chmod(0o755)
    with source(path) as con, conn.cursor() as cur:
        for p in paired(con, cur)[0]:
            with (folder / p.target).open("wb") as f:
                for _, c in copy_text(con, select(p, p.columns), p.columns, SENT, chunk_bytes=48_000):
                    f.write(c)
    conn.close()


def rounds(server: str, path: Path, n: int, only: list[str]) -> None:
    url = database(server, "tminus_bench")
    schema.make(url, path)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        text = Path(folder) / "text"
        texts(path, url, text)
        rows = sum(lite.count(con, t.name) for con in [_open(path)] for t in lite.tables(con))
        small = path.with_name("fiftieth.db")
        work: dict[str, Callable[[], tuple[float, float]]] = {
            "limit: COPY from a ready text file": lambda: (limit(path, url, text, freeze=False), 0),
            "limit: the same, FREEZE": lambda: (limit(path, url, text, freeze=True), 0),
        }
        work |= {f"tminus {w}": (lambda w=w: in_a_process(w, path, url)) for w in OURS}  # type: ignore[misc]
        if shutil.which("pgloader"):
            work["pgloader, tuned, no proof"] = lambda: (pgloader(path, url), 0)
        if path.stem == "big":
            work["SQLAlchemy executemany (a fiftieth)"] = lambda: (executemany(small, url), 0)
        seconds, mib = defaultdict(list), defaultdict(list)
        for _ in range(n):
            for what, run in work.items():
                if only and not any(o in what for o in only):
                    continue
                if what != "tminus compare":
                    schema.make(url, path)
                s, m = run()
                seconds[what].append(s)
                mib[what].append(m)
                print(f"  {what:40} {s:7.2f} s", file=sys.stderr)
    print(f"\n{path.name}: {rows:,} rows, {path.stat().st_size / 2**20:,.0f} MiB, medians of {n}")
    first = statistics.median(seconds[next(iter(seconds))])
    for what, found in seconds.items():
        s = statistics.median(found) * (50 if "fiftieth" in what else 1)
        peak = f"{max(mib[what]):5.0f} MiB" if max(mib[what]) else ""
        print(f"{what:40} {s:7.2f} s {rows / s:10,.0f} rows/s {first / s:6.2f} x the first {peak}")


def _open(path: Path):  # type: ignore[no-untyped-def]
    import sqlite3

    return sqlite3.connect(f"file:{path}?mode=ro", uri=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("server")
    parser.add_argument("folder", nargs="?", type=Path, default=Path(tempfile.gettempdir()) / "tminus-bench")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--run", choices=OURS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run:
        seconds = OURS[given.run](given.folder, given.server)
        kib = sum(resource.getrusage(w).ru_maxrss for w in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        print(json.dumps({"seconds": seconds, "mib": kib / 1024}))
        return
    given.folder.mkdir(parents=True, exist_ok=True)
    for name, make in (
        ("big", lambda p: gen.big(p, given.scale)),
        ("fiftieth", lambda p: gen.big(p, given.scale / 50)),
        ("many", gen.many),
    ):
        if not (path := given.folder / f"{name}.db").exists():
            make(str(path))
        path.chmod(0o644)
    for name in ("big", "many"):
        rounds(given.server, given.folder / f"{name}.db", given.rounds, given.only)


if __name__ == "__main__":
    main()
