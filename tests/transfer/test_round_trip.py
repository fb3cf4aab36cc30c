"""Any schema, any values: a copy is equal and comes back equal, or is refused by name with nothing left behind."""

from __future__ import annotations

import math
import sqlite3
import struct
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from transfer.comparing import compare
from transfer.copying import copy
from transfer.errors import Refused
from transfer.salvage import salvage
from transfer.sqlite import quoted

Run = Callable[..., list[tuple[Any, ...]]]

TEXTS = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(
    ["", "\\N", "\\.", "\t", "\r\n", "\x1c\x1d\x1e\x1f", "e\u0301", "\u202e🚀", "'\"", "NULL", "None", "-0", "1e5"]
)
# Every bit pattern of a double but NaN, which SQLite stores as NULL.
DOUBLES = (
    st.integers(0, 2**64 - 1)
    .map(lambda bits: float(struct.unpack("<d", struct.pack("<Q", bits))[0]))
    .filter(lambda x: not math.isnan(x))
)
INTEGERS = st.integers(-(2**63), 2**63 - 1) | st.integers(-2, 2)
BLOBS = st.binary(max_size=12)
MOMENTS = st.datetimes().map(lambda m: m.isoformat(" ", "microseconds"))
ANYTHING = st.none() | TEXTS | DOUBLES | INTEGERS | BLOBS | MOMENTS
# A declared type, and values that an application that declared it would store.
DECLARED: dict[str, st.SearchStrategy[Any]] = {
    "INTEGER": INTEGERS,
    "SMALLINT": st.integers(-(2**15), 2**15 - 1),
    "BOOLEAN": st.integers(0, 1),
    "REAL": DOUBLES,
    "FLOAT": DOUBLES,
    "NUMERIC(12, 2)": st.integers(-(10**11), 10**11).map(lambda n: n / 100),
    "TEXT": TEXTS,
    "VARCHAR(40)": TEXTS.map(lambda t: t[:40]),
    "DATETIME": MOMENTS,
    "DATE": st.dates().map(str),
    "BLOB": BLOBS,
    "JSON": st.sampled_from(['{"a": [1, 2.50, null]}', "[]", '"x"', " 1 "]),
    "": ANYTHING,
    "STRANGE": ANYTHING,
}
NAMES = st.sampled_from(["id", "Order", "a b", 'q"q', "%s", "rowid", "select", "ünï", "source", "x'y"])


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[tuple[str, str]], str, list[tuple[Any, ...]]]:
    """Columns (name, declared type), the table's constraints, and its rows."""
    names = draw(st.lists(NAMES, min_size=1, max_size=4, unique_by=str.casefold))
    columns = [(n, draw(st.sampled_from(list(DECLARED)))) for n in names]
    key = draw(st.sampled_from(["", f", PRIMARY KEY ({quoted(names[0])})"]))
    odd = draw(st.booleans())  # half of the tables hold every storage class in every column
    row = st.tuples(*(ANYTHING if odd else DECLARED[declared] | st.none() for _, declared in columns))
    return columns, key, draw(st.lists(row, max_size=8))


def rows_of(path: Path) -> list[Any]:
    with closing(sqlite3.connect(path)) as con:
        con.text_factory = bytes
        return con.execute("SELECT * FROM t").fetchall()


def test_any_table_is_copied_equal_and_carried_back_or_refused_by_name_with_nothing_left_behind(
    tmp_path: Path, database: str, run: Run
) -> None:
    path, back, seen = tmp_path / "a.db", tmp_path / "back.db", Counter[str]()

    @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
    @given(tables())
    def holds(table: tuple[list[tuple[str, str]], str, list[tuple[Any, ...]]]) -> None:
        columns, key, rows = table
        path.unlink(missing_ok=True)
        run(database, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
        with closing(sqlite3.connect(path)) as con:
            declared = ", ".join(f"{quoted(name)} {of}" for name, of in columns)
            con.execute(f"CREATE TABLE t ({declared}{key})")
            try:
                con.executemany(f"INSERT INTO t VALUES ({', '.join('?' * len(columns))})", rows)
            except sqlite3.IntegrityError:
                assume(False)
            con.commit()
            stored = con.execute("SELECT count(*) FROM t").fetchone()[0]
        before = path.read_bytes()
        try:
            report = copy(path, database, create_schema=True)
        except Refused as why:
            seen["refused"] += 1
            assert str(why).startswith(("t, ", "t.", "t: ", "The copy could not be proven, nothing was kept: t "))
            assert run(database, "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace") == []
        else:
            seen["copied"] += stored > 0
            assert (report.rows, report.rejected) == (stored, 0)
            assert run(database, "SELECT count(*) FROM t") == [(stored,)]
            assert compare(path, database).equal
            same = salvage(path, database, back)
            assert same.equal
            assert rows_of(back) == rows_of(path)
            back.unlink()
            run(database, "DELETE FROM t WHERE ctid = (SELECT min(ctid) FROM t)")
            if not key:
                run(database, "INSERT INTO t SELECT * FROM t")
            assert salvage(path, database, back).equal
            back.unlink()
        assert path.read_bytes() == before

    holds()
    assert seen["copied"]
    assert seen["refused"]
