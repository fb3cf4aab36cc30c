"""`[transfer]` of the checklist: its mistakes, and its way to the checks that go by it."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from checks.contract import Context
from checks.rules import told
from state.loader import load_checklist
from state.problems import ChecklistError
from state.verdicts import Verdict
from tminus.client import Client, RunCheck
from tminus.definition import load
from tminus.launch import start_engine
from tminus.places import place_of

TABLE = {
    "private": ["users.email"],
    "rules": {"users.age": "cast", "logs": "skip-table", "a.b": ["strip-nul", "null"]},
}
HEARD = """
from tminus import Context, Outcome, check
import json

@check("ours.heard", process={process})
def heard(ctx: Context) -> Outcome:
    return Outcome.passed(json.dumps(dict(ctx.transfer), sort_keys=True))
"""
CHECKLIST = """
schema = 1
title = "T"
plugins = ["ours.py"]
{transfer}
[[phase]]
id = "one"
title = "One"
  [[phase.step]]
  title = "Step"
    [[phase.step.item]]
    id = "heard"
    text = "What was heard"
    check = "ours.heard"
    marks = "check"
"""
PRIVATE = '[transfer]\nprivate = ["users.email"]'


def written(folder: Path, transfer: str, *, process: bool = False) -> Path:
    (folder / "ours.py").write_text(HEARD.format(process=process))
    path = folder / "checklist.toml"
    path.write_text(CHECKLIST.format(transfer=transfer))
    return path


@pytest.mark.parametrize("process", [False, True])
async def test_a_check_hears_it_in_this_process_and_in_one_of_its_own(look, process):
    look.plugin(HEARD.format(process=process))
    outcome = await look("ours.heard", transfer=TABLE)
    assert json.loads(outcome.actual) == TABLE


async def test_a_plan_hears_it_too(look):
    plan = await look.plan("transfer.copy", {"backup": "x", "database_url": "postgresql://a/b"}, transfer=TABLE)
    lines = "\n".join(plan.lines)
    assert "RULE users.age: cast" in lines
    assert "RULE a.b: strip-nul, null" in lines
    assert "rejects" in lines
    make = {"backup": "x", "database_url": "postgresql://a/b", "create_schema": True}
    assert (await look.plan("transfer.copy", make)).lines[2].startswith("CREATE the tables")
    silent = await look.plan("transfer.copy", {"backup": "x", "database_url": "postgresql://a/b"})
    assert "RULE" not in "\n".join(silent.lines)
    assert "rejects" not in "\n".join(silent.lines)


def test_a_headless_check_hears_it(tmp_path):
    written(tmp_path, PRIVATE, process=True)
    argv = [sys.executable, "-m", "tminus", "check", "heard", "--format", "json"]
    ended = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    (found,) = json.loads(ended.stdout)
    assert json.loads(found["outcome"]["actual"]) == {"private": ["users.email"], "rules": {}}


async def test_a_check_of_a_run_hears_it(tmp_path):
    path = written(tmp_path, PRIVATE)
    place = place_of(path)
    start_engine(path, place)
    async with Client(place.socket, name="anna", watch=True) as client, asyncio.timeout(20):
        await client.ask(RunCheck(item="heard"))
        async for view in client.updates():
            if view.items["heard"].verdict:
                break
    stop = [sys.executable, "-m", "tminus", "stop"]
    await asyncio.to_thread(subprocess.run, stop, cwd=tmp_path, capture_output=True, timeout=60, check=True)
    assert json.loads(view.items["heard"].actual)["private"] == ["users.email"]


def test_a_rule_alone_and_a_list_of_rules_are_read_the_same_way(tmp_path):
    context = Context(item="x", project=tmp_path, artefacts=tmp_path, transfer=TABLE)
    heard = told(context)
    assert heard.rules == {"users.age": ("cast",), "logs": ("skip-table",), "a.b": ("strip-nul", "null")}
    assert heard.private == {"users.email"}
    nothing = told(Context(item="x", project=tmp_path, artefacts=tmp_path))
    assert nothing.keywords == {}


@pytest.mark.parametrize(
    ("transfer", "said"),
    [
        ("[transfer]\nprivat = []", ["checklist.toml:6", "transfer.privat", "'private'"]),
        ('[transfer]\nprivate = ["email"]', ["checklist.toml:6", "transfer.private[0]", "table.column"]),
        ('[transfer.rules]\n"users.age" = 3', ["checklist.toml:6", "transfer.rules.users.age", "3"]),
        ('transfer = "x"', ["checklist.toml:5", "transfer", "a table"]),
    ],
)
def test_a_mistake_of_form_is_told_with_its_line(tmp_path, transfer, said):
    with pytest.raises(ChecklistError) as caught:
        load_checklist(written(tmp_path, transfer))
    (problem,) = caught.value.problems
    for part in said:
        assert part in str(problem)


def test_every_unknown_rule_is_told_with_its_line_and_what_was_meant(tmp_path):
    pytest.importorskip("transfer.rules", reason="rules for values are not there yet")
    transfer = '[transfer.rules]\n"users.age" = "casst"\n"users.bio" = "null"\n"logs" = ["skip-tabel"]'
    with pytest.raises(ChecklistError) as caught:
        load(written(tmp_path, transfer))
    assert [p.line for p in caught.value.problems] == [6, 8]
    first, second = caught.value.problems
    assert (first.path, "'cast'" in first.mend) == ("transfer.rules.users.age", True)
    assert "'skip-table'" in second.mend


def test_the_rules_are_part_of_what_a_run_remembers_of_its_checklist(tmp_path):
    transfer = '[transfer]\nprivate = ["users.email"]\n[transfer.rules]\n"users.age" = ["cast", "null"]'
    outline = dict(load_checklist(written(tmp_path, transfer)).checklist.outline())
    assert outline["rule:users.age"] == "cast, null"
    assert outline["transfer:private"] == "users.email"


# --- and what the checks of the move make of it -------------------------------------------------------------------


def small(path: Path, script: str) -> None:
    with closing(sqlite3.connect(path)) as con:
        con.executescript(script)


def sql(url: str, *statements: str) -> None:
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cur:
        for statement in statements:
            cur.execute(statement)


USERS = """
CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT, age INTEGER);
INSERT INTO users VALUES (1, 'ada@example.org', 36), (2, 'canary-4711@example.org', 'x');
"""
TARGET = "CREATE TABLE users (id int PRIMARY KEY, email text, age int)"


async def test_a_backup_that_was_touched_is_not_copied(look, database):
    small(look.project / "app.db", USERS.replace("'x'", "7"))
    sql(database, TARGET)
    made = await look("sqlite.backup", {"source": "app.db", "into": "backups"})
    small(Path(made.evidence["path"]), "UPDATE users SET age = 8")
    outcome = await look("transfer.copy", {"backup": "f", "database_url": database}, evidence={"f": made})
    assert outcome.verdict is Verdict.FAIL
    assert "sha256" in outcome.actual


async def test_a_rule_settles_a_value_and_what_it_leaves_out_is_a_file_of_the_run(look, database):
    pytest.importorskip("transfer.rules", reason="rules for values are not there yet")
    small(look.project / "app.db", USERS)
    sql(database, TARGET)
    made = await look("sqlite.backup", {"source": "app.db", "into": "backups"})
    call = {"backup": "f", "database_url": database}
    refused = await look("transfer.copy", call, evidence={"f": made})
    assert refused.verdict is Verdict.FAIL
    ruled = {"evidence": {"f": made}, "transfer": {"rules": {"users.age": "skip-row"}}}
    done = await look("transfer.copy", call, **ruled)
    assert done.verdict is Verdict.PASS, done
    assert (done.evidence["rows"], done.evidence["rejected"]) == (1, 1)
    assert "1 left out by rules" in done.actual
    rejects = Path(done.evidence["rejects"])
    assert rejects.parent == look.project / "artefacts"
    assert json.loads(rejects.read_text())["key"] == {"id": 2}
    assert done.evidence["rule skip-row of users.age"] == 1
    again = await look("transfer.copy", call, **ruled)
    assert "already" in again.actual, again
    assert (await look("transfer.compare", call, **ruled)).verdict is Verdict.PASS
    assert (await look("transfer.compare", call, evidence={"f": made})).verdict is Verdict.FAIL


async def test_a_private_value_is_in_no_outcome_and_no_line(look, database):
    pytest.importorskip("transfer.rules", reason="rules for values are not there yet")
    small(look.project / "app.db", USERS.replace("'x'", "7"))
    sql(database, TARGET)
    made = await look("sqlite.backup", {"source": "app.db", "into": "backups"})
    call = {"backup": "f", "database_url": database}
    hidden = {"evidence": {"f": made}, "transfer": {"private": ["users.email"]}}
    assert (await look("transfer.copy", call, **hidden)).verdict is Verdict.PASS
    sql(database, "UPDATE users SET email = 'canary-else' WHERE id = 2", "DELETE FROM users WHERE id = 1")
    sql(database, "INSERT INTO users VALUES (3, 'canary-new', 1)")
    differs = await look("transfer.compare", call, **hidden)
    assert differs.verdict is Verdict.FAIL
    assert "users" in differs.actual
    occupied = await look("transfer.copy", call, **hidden)
    assert occupied.verdict is Verdict.FAIL
    assert "canary" not in repr((differs, occupied, look.lines, look.steps))
    assert "canary" in repr(await look("transfer.compare", call, evidence={"f": made}))
