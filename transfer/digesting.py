"""SQLite's side of a proof: sha256 of each table's canonical COPY text, read in a process of its own.

A second process reads the file again, so that the proof does not rest on the bytes the copy happened to send,
and works beside the server instead of after it. Run as `python -m transfer.digesting`, job on stdin.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from transfer.errors import CouldNotLook, TransferError
from transfer.expressions import install
from transfer.pairing import ColumnPair, TablePair
from transfer.progress import Watch
from transfer.rows import copy_text, is_utf8, key_order, select
from transfer.sqlite import reading
from transfer.types import Kind, Type


@dataclass(frozen=True, slots=True)
class Digest:
    """ROWS and sha256 of the canonical text; SHA256 is None when a value fits no canonical form."""

    rows: int
    sha256: str | None


def digest(con: sqlite3.Connection, pair: TablePair) -> Digest:
    """Reads the whole table, in key order. CON as comparing.source() gives it."""
    hasher, rows = hashlib.sha256(), 0
    try:
        for n, chunk in copy_text(con, select(pair, pair.columns, key_order(pair, utf8=is_utf8(con)))):
            rows += n
            hasher.update(chunk)
    except sqlite3.OperationalError as e:
        if "user-defined function" not in str(e):
            raise
        return Digest(0, None)
    return Digest(rows, hasher.hexdigest())


class Pending:
    """Digests that are being made elsewhere."""

    def __init__(self, process: subprocess.Popen[bytes], errors: IO[bytes]) -> None:
        self._process = process
        self._errors = errors

    def result(self, watch: Watch) -> tuple[Digest, ...]:
        """Waits for them, in the order of the pairs. Raises CouldNotLook when the reading failed."""
        while True:
            watch.go_on()
            try:
                out, _ = self._process.communicate(timeout=0.1)
                break
            except subprocess.TimeoutExpired:
                continue
        if self._process.returncode:
            self._errors.seek(0)
            said = self._errors.read().decode(errors="replace").strip().splitlines()
            raise CouldNotLook(f"The SQLite file could not be read again: {said[-1] if said else 'no reason'}")
        return tuple(Digest(**json.loads(line)) for line in out.splitlines())


@contextmanager
def digesting(path: Path, pairs: Sequence[TablePair]) -> Iterator[Pending]:
    """Digests of PAIRS from the file at PATH, begun at once; stopped when the block ends early."""
    root = str(Path(__file__).resolve().parent.parent)
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))}
    with tempfile.TemporaryFile() as job, tempfile.TemporaryFile() as errors:
        job.write(json.dumps({"path": str(path), "pairs": [asdict(p) for p in pairs]}).encode())
        job.seek(0)
        argv = [sys.executable, "-m", "transfer.digesting"]
        with subprocess.Popen(argv, stdin=job, stdout=subprocess.PIPE, stderr=errors, env=env) as process:
            try:
                yield Pending(process, errors)
            finally:
                if process.poll() is None:
                    process.kill()


def _pair(of: dict[str, Any]) -> TablePair:
    columns = tuple(_column(c) for c in of["columns"])
    key = tuple(_column(c) for c in of["key"])
    return TablePair(of["source"], of["schema"], of["target"], of["oid"], columns, key)


def _column(of: dict[str, Any]) -> ColumnPair:
    t = of["type"]
    return ColumnPair(of["source"], of["target"], Type(**t | {"kind": Kind(t["kind"])}), of["generated"])


def main() -> int:
    job = json.load(sys.stdin)
    try:
        with reading(Path(job["path"]), settled=True) as con:
            con.text_factory = bytes
            install(con)
            for of in job["pairs"]:
                print(json.dumps(asdict(digest(con, _pair(of)))), flush=True)
    except TransferError as e:
        print(e, file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
