"""sqlite.restore: what an earlier item vouches for takes the place of the live file."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from state.verdicts import Outcome, Verdict
from transfer.backup import backup


def database(path, rows):
    with closing(sqlite3.connect(path, isolation_level=None)) as con:
        con.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES t)")
        con.executemany("INSERT INTO t (parent) VALUES (?)", [(1,)] * rows)
    return path


@pytest.fixture
def made(look):
    """(live, carried, final): the live file of 3 rows, the evidence of a salvage of 9 and of a final backup of 5."""
    live = database(look.project / "app.db", 3)
    (look.project / "kept").mkdir()
    items = []
    for count in (9, 5):
        one = backup(database(look.project / f"{count}.db", count), look.project / "kept")
        items.append(Outcome.passed("made", evidence={"path": str(one.path), "sha256": one.sha256}))
    return live, *items


def count(path):
    with closing(sqlite3.connect(path)) as con:
        return con.execute("SELECT count(*) FROM t").fetchone()[0]


WITH = {"live": "app.db", "backup": "salvage", "otherwise": "final"}


async def test_the_carried_back_file_is_put_there_and_the_hint_says_how_to_undo(look, made):
    live, carried, final = made
    evidence = {"salvage": carried, "final": final}
    plan = await look.plan("sqlite.restore", WITH, evidence=evidence)
    assert plan.danger == "reversible"
    assert plan.target == str(live)
    assert str(carried.evidence["path"]) in plan.lines[0]
    outcome = await look("sqlite.restore", WITH, evidence=evidence)
    assert outcome.verdict is Verdict.PASS, outcome
    assert count(live) == 9
    assert count(look.project / outcome.evidence["kept 1"]) == 3
    assert "to undo" in outcome.hint
    assert outcome.evidence["sha256"] == carried.evidence["sha256"]
    again = await look("sqlite.restore", WITH, evidence=evidence)
    assert again.verdict is Verdict.PASS
    assert again.actual.startswith("already done")


@pytest.mark.parametrize("salvage", [None, Outcome.error("PostgreSQL is gone")])
async def test_without_it_the_final_backup_is_taken_with_a_warning(look, made, salvage):
    live, _, final = made
    evidence = {"final": final} | ({"salvage": salvage} if salvage else {})
    plan = await look.plan("sqlite.restore", WITH, evidence=evidence)
    assert "is lacking" in plan.lines[0]
    outcome = await look("sqlite.restore", WITH, evidence=evidence)
    assert outcome.verdict is Verdict.WARN
    assert "is lacking" in outcome.actual
    assert count(live) == 5


async def test_a_file_with_conflicts_is_nearer_to_the_truth_than_the_final_backup(look, made):
    live, carried, final = made
    conflicts = Outcome.failed("9 rows inserted; 1 conflicts", evidence=carried.evidence)
    outcome = await look("sqlite.restore", WITH, evidence={"salvage": conflicts, "final": final})
    assert (outcome.verdict, "1 conflicts" in outcome.actual) == (Verdict.WARN, True)
    assert count(live) == 9


async def test_it_does_nothing_where_it_should_not(look, made):
    live, carried, _ = made
    nothing = await look("sqlite.restore", {"live": "app.db", "backup": "salvage"})
    assert nothing.verdict is Verdict.UNKNOWN
    (look.project / "bare.db").write_bytes((look.project / "9.db").read_bytes())
    bare = await look("sqlite.restore", {"live": "app.db", "backup": "bare.db"})
    assert (bare.verdict, "nothing says" in bare.actual) == (Verdict.FAIL, True)
    with live.open("rb"):
        busy = await look("sqlite.restore", WITH, evidence={"salvage": carried})
    assert (busy.verdict, "stop the application" in busy.actual) == (Verdict.FAIL, True)
    other = Outcome.passed("made", evidence={**carried.evidence, "sha256": "0" * 64})
    wrong = await look("sqlite.restore", WITH, evidence={"salvage": other})
    assert (wrong.verdict, "is not what it was" in wrong.actual) == (Verdict.FAIL, True)
    assert count(live) == 3
    assert (await look("sqlite.restore", WITH, evidence={"salvage": carried}, go=False)).verdict is Verdict.ERROR
