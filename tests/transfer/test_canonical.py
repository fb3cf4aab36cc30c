from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from transfer.canonical import canonical, readable, sendable
from transfer.comparing import compare
from transfer.copying import copy
from transfer.errors import Refused
from transfer.forms import lane
from transfer.rows import FIELD, PROVEN, ROW, SENT
from transfer.types import Type, type_of
from transfer.values import Unfit, Value

Run = Callable[..., list[tuple[Any, ...]]]

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
floats = st.floats(allow_nan=False).map(lambda x: x + 0.0)
moments = st.datetimes().map(lambda m: m.strftime("%Y").zfill(4) + m.strftime("-%m-%d %H:%M:%S.%f"))
COLUMNS: dict[str, st.SearchStrategy[Any]] = {
    "bigint": st.integers(-(2**63), 2**63 - 1),
    "boolean": st.integers(0, 1),
    "double precision": floats,
    "numeric(12,2)": st.integers(-(10**11), 10**11).map(lambda n: n / 100),
    "text": texts,
    "timestamp": moments,
    "timestamptz": moments,
    "date": st.dates().map(str),
    "time": st.times().map(lambda t: t.strftime("%H:%M:%S.%f")),
    "bytea": st.binary(),
    "json": st.dictionaries(texts, floats.filter(math.isfinite) | texts | st.none()).map(json.dumps),
    "jsonb": st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(-1e30, 1e30) | texts,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    ).map(lambda v: json.dumps(v, ensure_ascii=False)),
    "uuid": st.uuids().map(lambda u: u.hex),
}
SEPARATORS = [
    "\x1f",
    "\x1e",
    "\x1d",
    "\\N",
    "\\.",
    "\t",
    "\r\n",
    "\b\f\v\x7f",
    "",
    "é",
    "e\u0301",
    "\u202e🚀",
    "\\",
]


@pytest.fixture(scope="module")
def typed(postgres_url: str, run: Run) -> Iterator[str]:
    run(postgres_url, "CREATE DATABASE typed")
    url = postgres_url.removesuffix("postgres") + "typed"
    columns = ", ".join(f"c{i} {t}" for i, t in enumerate(COLUMNS))
    run(url, f"CREATE TABLE t (id int PRIMARY KEY, {columns})")
    yield url


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(rows=st.lists(st.tuples(*(s | st.none() for s in COLUMNS.values())), max_size=8))
def test_whatever_the_values_a_copy_is_equal(rows: list[Any], typed: str, tmp_path_factory: Any) -> None:
    path = tmp_path_factory.mktemp("typed") / "a.db"
    with closing(sqlite3.connect(path)) as con:
        # Without affinity, so that values are stored as they are given.
        con.execute(f"CREATE TABLE t (id INTEGER PRIMARY KEY, {', '.join(f'c{i}' for i in range(len(COLUMNS)))})")
        marks = ",".join("?" * (len(COLUMNS) + 1))
        con.executemany(f"INSERT INTO t VALUES ({marks})", [(i, *row) for i, row in enumerate(rows)])
        con.commit()
    assert copy(path, typed, allow_rows_in=["t"]).proof.equal
    assert compare(path, typed).equal


@pytest.mark.parametrize("key", ["text", "uuid", "timestamp", "numeric(12,2)", "bytea", "bigint", "double precision"])
def test_keys_of_any_type_are_walked_in_the_same_order(key: str, tmp_path: Path, database: str, run: Run) -> None:
    values: set[Any] = set(SEPARATORS) if key == "text" else set()
    find = COLUMNS[key]

    @settings(max_examples=30, deadline=None, database=None, derandomize=True)
    @given(find)
    def collect(value: Any) -> None:
        values.add(value)

    collect()
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as con:
        con.execute("CREATE TABLE t (k PRIMARY KEY, v INTEGER)")
        con.executemany("INSERT OR IGNORE INTO t VALUES (?, ?)", [(v, i) for i, v in enumerate(values)])
        con.commit()
    run(database, f"CREATE TABLE t (k {key} PRIMARY KEY, v int)")
    assert copy(path, database).proof.equal
    run(database, "UPDATE t SET v = v + 1000 WHERE k = (SELECT k FROM t ORDER BY v LIMIT 1)")
    assert [(d.column, d.kind) for d in compare(path, database).differences] == [("v", "value")]


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16le"])
def test_separators_and_escapes_arrive_as_they_are(tmp_path: Path, database: str, run: Run, encoding: str) -> None:
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as con:
        con.execute(f"PRAGMA encoding = '{encoding}'")
        con.execute("CREATE TABLE t (k TEXT PRIMARY KEY, s TEXT)")
        con.executemany("INSERT INTO t VALUES (?, ?)", [(s, s or None) for s in SEPARATORS])
        con.commit()
    run(database, "CREATE TABLE t (k text PRIMARY KEY, s text)")
    assert copy(path, database).proof.equal
    assert set(run(database, "SELECT k, s FROM t")) == {(s, s or None) for s in SEPARATORS}


@given(floats)
@example(1e15)
@example(1234567890123456.5)
@example(-9999999999999998.0)
@example(1e16)
@example(5e-324)
def test_a_double_reads_back_to_the_last_bit(x: float) -> None:
    double = type_of("float8", "double precision")
    text, sent = canonical(x, double), sendable(x, double)
    assert text is not None
    assert sent is not None
    assert float(sent) == x
    assert readable(text, double) == sent


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_as_a_whole_and_value_by_value_agree(name: str) -> None:
    of: Type = type_of({"bigint": "int8", "boolean": "bool", "double precision": "float8"}.get(name, name), name)
    if name.startswith("numeric"):
        of = type_of("numeric", name, ((12 << 16) | 2) + 4)
        assert of.scale == 2
    whole = lane(of, null=PROVEN.null, sending=False)

    @settings(max_examples=60, deadline=None)
    @given(
        st.lists(COLUMNS[name], min_size=1)
        | st.lists(COLUMNS[name] | st.none())
        | st.lists(COLUMNS[name] | st.none() | st.integers(-3, 3) | st.floats() | st.just("x") | st.binary())
    )
    def agree(values: list[Value]) -> None:
        stored = [bytearray(v.encode()) if isinstance(v, str) else v for v in values]
        try:
            printed, column = whole(stored)
        except Unfit:
            with pytest.raises(Unfit):
                _ = [canonical(v, of) for v in values]
            return
        for text, value in zip(column, values, strict=True):
            with suppress(Unfit):  # else only the server, or the other side, can tell
                expected = canonical(value, of)
                assert printed % text == (PROVEN.null if expected is None else expected.encode())

    agree()


def test_a_text_that_holds_what_joins_values_is_not_taken_for_two(tmp_path: Path, database: str, run: Run) -> None:
    for table in ("t (id INTEGER PRIMARY KEY, s TEXT, r TEXT)", "t (s TEXT)"):
        for joint in (FIELD, ROW, SENT.null):
            path = tmp_path / "a.db"
            path.unlink(missing_ok=True)
            with closing(sqlite3.connect(path)) as con:
                con.execute(f"CREATE TABLE {table}")
                con.execute(f"INSERT INTO t (s) VALUES (CAST(X'61{joint.hex()}62' AS TEXT))")
                con.commit()
            run(database, "DROP TABLE IF EXISTS t", f"CREATE TABLE {table.replace('INTEGER', 'int')}")
            with pytest.raises(Refused, match=r"t, (id=1|row 1), column s: 'a|not valid UTF-8"):
                copy(path, database)


def test_a_double_in_a_real_column_is_refused_rather_than_cut(tmp_path: Path, database: str, run: Run) -> None:
    path = tmp_path / "a.db"
    with closing(sqlite3.connect(path)) as con:
        con.executescript(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, r REAL); INSERT INTO t VALUES (1, 0.1), (2, 123456789.1)"
        )
    run(database, "CREATE TABLE t (id int PRIMARY KEY, r real)")
    with pytest.raises(Refused, match=r"id=1, column r: 0.1: more digits than real keeps"):
        copy(path, database)
