"""Repositories, databases and logs whose every name and word is hostile: the checks say of them plain lines alone."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import psycopg2
import pytest
from hostile import EVERYTHING, MARK, PAYLOADS, UNTERMINATED, harms, nameable, on_a_terminal, storable
from psycopg2 import sql

from checks.perfdata import parse_perfdata
from state.verdicts import Verdict
from tests.checks.git_world import World

TEXT = storable(EVERYTHING)
BARE = TEXT.replace("\0", "")
TABLE = (
    "".join(ch for ch in BARE if ch not in "\n\r")[:20] + "\x1b]0;31337\x07"
)  # PostgreSQL keeps 63 bytes of a name
COLUMN = "\x9b31337H\u202e\x1b[31337m\"'"
TO = {"remote": "render", "branch": "main"}


def plain(said: object, lines: list[str]) -> bytes:
    """SAID as it goes over the wire; nothing in it and in LINES may be more than text."""
    raw = msgspec.json.encode(said)
    assert harms(raw) == []
    assert all(line.isprintable() for line in lines), lines
    return raw


async def test_what_a_repository_says(look, tmp_path: Path) -> None:
    world = World(look.project, tmp_path)
    author = ("-c", f"user.name={nameable(BARE)}", "-c", "user.email=e@example.org")
    (world.here / nameable(BARE)).write_text("x")
    world.git("add", "-A")
    world.git(*author, "commit", "-q", "-m", BARE)
    hook = world.there / "hooks" / "pre-receive"
    (world.there / "words").write_bytes(b"\r\x1b[31337A\x9b31337H" + EVERYTHING.encode("utf-8", "replace") + b"\xff")
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ncat '{world.there / 'words'}' >&2\nexit 1\n")
    hook.chmod(0o755)
    plan = await look.plan("git.push", TO)
    assert MARK.encode() in plain(plan, look.lines)
    refused = await look("git.push", TO)
    assert refused.verdict is Verdict.FAIL
    plain(refused, look.lines)
    hook.unlink()
    done = await look("git.push", TO)
    assert done.verdict is Verdict.PASS, done
    plain(done, look.lines)
    (world.here / nameable(BARE)).write_text("changed")
    dirty = await look("git.push", TO)
    assert dirty.verdict is not Verdict.PASS
    plain(dirty, look.lines)


async def test_names_that_git_would_take_for_options(look, tmp_path: Path) -> None:
    World(look.project, tmp_path)
    for name in (f"--upload-pack=touch {tmp_path}/hacked", "-x", "main:refs/heads/other", "\x1b]0;31337\x07", "a..b"):
        for given in ({"remote": name, "branch": "main"}, {"remote": "render", "branch": name}):
            seen = await look("git.push", given)
            assert seen.verdict is not Verdict.PASS, given
            plain(seen, look.lines)
    assert not (tmp_path / "hacked").exists()


def on_both_sides(sqlite: Path, url: str, there: str) -> None:
    """A table of hostile names and contents in a file, and the same but for one row in PostgreSQL."""
    quoted, column = TABLE.replace('"', '""'), COLUMN.replace('"', '""')
    with closing(sqlite3.connect(sqlite)) as con:
        con.execute(f'CREATE TABLE "{quoted}" (id INTEGER PRIMARY KEY, "{column}" TEXT)')
        con.execute(f'INSERT INTO "{quoted}" VALUES (1, ?)', (BARE,))
        con.commit()
    with closing(psycopg2.connect(url)) as conn, conn.cursor() as cur:
        names = {"table": sql.Identifier(TABLE), "column": sql.Identifier(COLUMN)}
        cur.execute(sql.SQL("CREATE TABLE {table} (id integer PRIMARY KEY, {column} text)").format(**names))
        cur.execute(sql.SQL("INSERT INTO {table} VALUES (1, %s)").format(**names), (there,))
        conn.commit()


@pytest.mark.parametrize("there", [BARE, f"other {UNTERMINATED}"], ids=["the same", "another row"])
async def test_databases_with_hostile_names_and_rows(look, database: str, tmp_path: Path, there: str) -> None:
    source = look.project / "app.db"
    on_both_sides(source, database, there)
    seen = {}
    for name, given in {
        "postgres.tables": {"sqlite": "app.db"},
        "transfer.audit": {"backup": "app.db"},
        "transfer.compare": {"backup": "app.db"},
    }.items():
        seen[name] = await look(name, {**given, "database_url": database})
        assert "crashed" not in seen[name].actual, seen[name]
        plain(seen[name], look.lines)
    environ = {"TARGET_URL": database, "XDG_CONFIG_HOME": str(tmp_path), "TERM": "dumb"}
    code, raw = on_a_terminal(
        ["db", "compare", "--sqlite", "app.db", "--postgres-env", "TARGET_URL"], look.project, environ
    )
    assert harms(raw) == [] and b"Traceback" not in raw
    assert code == (0 if there == BARE else 1), raw[-2000:]


@pytest.mark.parametrize("check", ["logs.clean", "logs.timeouts", "logs.review"])
async def test_logs_with_hostile_lines(look, check: str) -> None:
    lines = [f"2026-11-23 10:00:00 ERROR QueuePool limit {text}" for text in (*PAYLOADS.values(), UNTERMINATED)]
    name = nameable(BARE)[:60] + ".log"
    (look.project / name).write_bytes(
        "\n".join(lines).encode("utf-8", "replace") + b"\n\x9b31337H ERROR TimeoutError\n"
    )
    seen = await look(check, {"files": [name]})
    assert "crashed" not in seen.actual, seen
    plain(seen, look.lines)


async def test_the_output_of_a_program_and_a_plugin_of_another_language(look) -> None:
    (look.project / "out").write_bytes(
        b"\xff\x9b31337H" + EVERYTHING.encode("utf-8", "replace") + b" | a=\x1b[31337m;1;2\n" + b"x" * 100_000
    )
    for check in ("command.probe", "command.plugin"):
        seen = await look(check, {"argv": ["sh", "-c", "cat out; cat out >&2; exit 2"]})
        assert seen.verdict is Verdict.FAIL
        plain(seen, look.lines)


@pytest.mark.parametrize("piece", ["x", "'", "'' ", "a=", "a=1;", "' '", "=", "\x1b"])
def test_the_figures_of_a_program_cost_no_more_than_their_length(piece: str) -> None:
    began = time.process_time()
    parse_perfdata(piece * (100_000 // len(piece)))
    assert time.process_time() - began < 5  # it was a minute


async def test_a_message_that_is_sent_holds_no_more_than_its_words(look, evil: tuple[int, Any]) -> None:
    to: dict[str, Any] = {"text": TEXT, "title": TEXT, "to": f"json://127.0.0.1:{evil[0]}/status"}
    seen = await look("notify.team", to)
    plain(seen, look.lines)
    plain(await look.plan("notify.team", to), look.lines)
