"""SQLite's side of a proof, shared between this process and a second one.

A second process reads the file again, so that the proof does not rest on the bytes the copy happened to send, and
works beside the server instead of after it. What it has not begun when PostgreSQL's side is done, this process
takes over from the end. Run as `python -m transfer.digesting`: what to read, pickled, then a part a line.
"""

from __future__ import annotations

import json
import os
import pickle
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO

from transfer.digests import Digest, Part, hasher_of, ordered_by, split
from transfer.errors import CouldNotLook, TransferError
from transfer.expressions import ALIAS, install
from transfer.opening import reading
from transfer.pairing import TablePair
from transfer.progress import Watch
from transfer.rows import PROVEN, copy_text, select
from transfer.sqlite import quoted
from transfer.values import Unfit

# Rows that take about as long to read as a process takes to start.
WORTH_SHARING = 20_000
_CHUNK_BYTES = 96_000


def parts_of(con: sqlite3.Connection, pairs: Sequence[TablePair], rows: Sequence[int]) -> tuple[Part, ...]:
    """The parts of every table, in the order of PAIRS; ROWS of each as counted."""
    parts: list[Part] = []
    for place, (pair, n) in enumerate(zip(pairs, rows, strict=True)):
        low = high = None
        if len(key := ordered_by(pair)) == 1:
            name = quoted(key[0].source)
            low, high = con.execute(f"SELECT min({name}), max({name}) FROM {quoted(pair.source)}").fetchone()  # noqa: S608
        numbers = isinstance(low, int) and isinstance(high, int)
        parts += split(place, pair, n, low, high) if numbers else [Part(place)]
    return tuple(parts)


def digest(con: sqlite3.Connection, pair: TablePair, part: Part) -> Digest:
    """Reads a part in the order of its key. CON as comparing.source() gives it."""
    hasher, rows = hasher_of(pair), 0
    keys = [f"{ALIAS}.{quoted(c.source)}" for c in ordered_by(pair)]
    sql = select(
        pair,
        pair.columns,
        where=part.where(keys[0]) if keys else "",
        order="ORDER BY " + ", ".join(keys) if keys else "",
    )
    try:
        for n, chunk in copy_text(con, sql, pair.columns, PROVEN, chunk_bytes=_CHUNK_BYTES):
            rows += n
            hasher.update(chunk)
    except Unfit:
        return Digest(0, None)
    return Digest(rows, hasher.hexdigest())


class Sharing:
    """Parts to be read; another process, if there is one, is at work on them from the front."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts
        self._left = deque(range(len(parts)))
        self._done: dict[int, Digest] = {}
        self._feeder: threading.Thread | None = None
        self._errors: IO[bytes] | None = None

    def share(self, process: subprocess.Popen[bytes], errors: IO[bytes]) -> None:
        self._errors = errors
        self._feeder = threading.Thread(target=self._feed, args=[process], name="transfer-digests", daemon=True)
        self._feeder.start()

    def _feed(self, process: subprocess.Popen[bytes]) -> None:
        """Hands the other process a part at a time."""
        to, back = process.stdin, process.stdout
        assert to is not None and back is not None
        with suppress(OSError, ValueError):  # it is gone: told by finish()
            while True:
                try:
                    i = self._left.popleft()
                except IndexError:
                    return
                to.write(json.dumps(asdict(self._parts[i])).encode() + b"\n")
                to.flush()
                self._done[i] = Digest(**json.loads(back.readline()))

    def finish(self, con: sqlite3.Connection, pairs: Sequence[TablePair], watch: Watch) -> tuple[Digest, ...]:
        """Helps from the end until all are done; in the order of the parts. Raises CouldNotLook."""
        while True:
            try:
                i = self._left.pop()
            except IndexError:
                break
            pair = pairs[self._parts[i].place]
            watch.tell("prove", pair.target, len(self._done), len(self._parts), "parts of SQLite")
            self._done[i] = digest(con, pair, self._parts[i])
        while self._feeder is not None and self._feeder.is_alive():
            watch.go_on()
            self._feeder.join(0.1)
        if len(self._done) != len(self._parts):
            said = []
            if self._errors is not None:
                self._errors.seek(0)
                said = self._errors.read().decode(errors="replace").strip().splitlines()
            raise CouldNotLook(f"The SQLite file could not be read again: {said[-1] if said else 'no reason'}")
        return tuple(self._done[i] for i in range(len(self._parts)))


@contextmanager
def digesting(path: Path, pairs: Sequence[TablePair], parts: Sequence[Part], rows: int) -> Iterator[Sharing]:
    """Digests of PARTS of PAIRS from the file at PATH, begun at once; stopped when the block ends early.

    For few ROWS no second process is started: that takes longer than reading them.
    """
    sharing = Sharing(parts)
    if rows < WORTH_SHARING:
        yield sharing
        return
    root = str(Path(__file__).resolve().parent.parent)
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))}
    with tempfile.TemporaryFile() as errors:
        argv = [sys.executable, "-m", "transfer.digesting"]
        pipe = subprocess.PIPE
        # A session of its own: Ctrl+C at the terminal is for this process, which ends the other.
        process = subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=errors, env=env, start_new_session=True)
        try:
            assert process.stdin is not None
            with suppress(OSError):
                pickle.dump((path.absolute(), list(pairs)), process.stdin)
            sharing.share(process, errors)
            yield sharing
        finally:
            if process.poll() is None:
                process.kill()
            with suppress(OSError):
                process.communicate()


def main() -> int:
    path, pairs = pickle.load(sys.stdin.buffer)  # noqa: S301 - from the process that started this one
    try:
        with reading(path, settled=True) as con:
            con.text_factory = bytearray
            install(con)
            for line in sys.stdin.buffer:
                part = Part(**json.loads(line))
                print(json.dumps(asdict(digest(con, pairs[part.place], part))), flush=True)
    except TransferError as e:
        print(e, file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
