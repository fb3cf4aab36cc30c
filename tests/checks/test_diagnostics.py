"""diagnostics.bundle: everything that helps, and no secret in any of it."""

from __future__ import annotations

import gzip
import json
import os
import tarfile
from contextlib import closing
from datetime import UTC, datetime

import psycopg2
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from checks.archive import Archive
from checks.literals import without_literals
from metrics.history import History
from metrics.samples import Measurement
from rehearsal.postgres import running_postgres
from state.redact import Redactor
from state.verdicts import Verdict

CANARY = 'C4N4RY-9f8e7d6c5b"&<'
PLAIN = "C4N4RY"


@pytest.fixture(scope="module")
def server():
    with running_postgres(fsync=False) as running:
        yield running.superuser_url


def members(path):
    with tarfile.open(path) as tar:
        return {m.name.partition("/")[2]: tar.extractfile(m).read().decode() for m in tar.getmembers()}


@pytest.fixture
def planted(look, monkeypatch):
    """A project whose every input holds the canary, as it would by accident."""
    monkeypatch.setenv("SHOP_ACCESS", CANARY)  # not named like a secret: the checklist's reference tells
    monkeypatch.setenv("OTHER_TOKEN", f"{PLAIN}-other-token")
    project = look.project
    (project / "checklist.toml").write_text('[targets]\nshop = "${env:SHOP_ACCESS}"\n')
    (project / "artefacts.toml").write_text(
        f'seen = {json.dumps(f"said {CANARY} once")}\nurl = "https://u:{PLAIN}-pw@h/"\n'
    )
    (project / "artefacts.toml.wal").write_text(json.dumps({"actual": CANARY}) + "\n")
    text = f"12:00 line one\nkey {CANARY} end\nAuthorization: Bearer {PLAIN}bearer12345\npassword={PLAIN}-assigned\n"
    text += (
        f"-----BEGIN RSA PRIVATE KEY-----\n{PLAIN}abc\n{PLAIN}def\n-----END RSA PRIVATE KEY-----\nlast \x1b[31mline\n"
    )
    (project / f"app {PLAIN}-other-token.log").write_text(text)
    with gzip.open(project / "old.log.gz", "wt") as file:
        file.write(text)
    history = History(project / "artefacts.metrics.db")
    history.add(
        [Measurement(metric=f"http.{PLAIN}-other-token", at=datetime.now(UTC), value=0.5, volume=1, unit="s")]
    )
    assert history.flush()
    history.close()
    return {"logs": [f"app {PLAIN}-other-token.log", "old.log.gz"]}


async def test_no_canary_of_any_input_is_in_it_nor_in_what_is_said(look, planted, server):
    with closing(psycopg2.connect(server)) as con:
        with con.cursor() as cur:
            cur.execute("SELECT %s, pg_backend_pid()", (f"{PLAIN}-in-a-statement",))
            cur.execute(f"SET application_name = '{PLAIN}-other-token'")
            cur.execute(f"SELECT '{PLAIN}-in-a-statement'")
        outcome = await look("diagnostics.bundle", planted | {"database_url": server})
    assert outcome.verdict is Verdict.PASS, outcome
    path = look.project / outcome.evidence["path"]
    found = members(path)
    assert set(found) >= {
        "MANIFEST", "artefacts.toml", "artefacts.toml.wal", "metrics.json", "host.json", "packages.txt", "log-old.log",
        "postgres-activity.csv", "postgres-database.csv", "postgres-locks.csv", "postgres-settings.csv",
    }  # fmt: skip
    for name, text in found.items():
        assert PLAIN not in name + text, name
    assert PLAIN not in repr(outcome) + repr(look.lines)
    assert "max_connections" in found["postgres-settings.csv"]
    assert "SELECT ?" in found["postgres-activity.csv"]
    assert "last line" in found["log-old.log"]
    assert "psycopg2-binary==" in found["packages.txt"]
    assert next(iter(json.loads(found["metrics.json"]).values()))["last"] == 0.5
    assert path.stat().st_mode & 0o777 == 0o600
    assert [p.name for p in path.parent.iterdir()] == [path.name]


async def test_what_cannot_be_had_is_named_with_the_reason(look, planted):
    (look.project / "binary.log").write_bytes(b"\0\1\2")
    (look.project / "artefacts.metrics.db").write_bytes(b"no history")
    with_ = {"logs": [*planted["logs"], "gone.log", "binary.log"], "database_url": "postgresql://u:pw@127.0.0.1:1/x"}
    outcome = await look("diagnostics.bundle", with_)
    assert outcome.verdict is Verdict.WARN
    manifest = members(look.project / outcome.evidence["path"])["MANIFEST"]
    for part, reason in (
        ("logs", "gone.log: No such file"),
        ("logs", "binary.log: not text"),
        ("database", "127.0.0.1"),
        ("metrics", ""),
    ):
        assert any(line.startswith(f"lacking  {part}: ") and reason in line for line in manifest.splitlines()), (
            manifest
        )
    assert "gone.log" in outcome.actual + repr(outcome.evidence)
    none = await look("diagnostics.bundle", planted)
    assert (none.verdict, "not configured: database_url" in none.actual) == (Verdict.WARN, True)


async def test_nothing_that_speaks_of_the_trouble_is_an_error(look):
    outcome = await look("diagnostics.bundle", {})
    assert outcome.verdict is Verdict.ERROR
    assert "nothing that speaks of the trouble" in outcome.actual


async def test_it_keeps_to_its_size_and_says_what_was_left_out(look, planted):
    (look.project / "long.log").write_text("".join(f"line {n} of many\n" for n in range(20_000)))
    outcome = await look("diagnostics.bundle", {"logs": ["long.log", "old.log.gz"], "at_most": 60_000})
    found = members(look.project / outcome.evidence["path"])
    assert sum(len(text.encode()) for name, text in found.items() if name != "MANIFEST") <= 60_000
    assert "line 19999 of many" in found["log-long.log"]
    assert "bytes alone" in found["MANIFEST"]
    assert "no room" in found["MANIFEST"]
    short = await look("diagnostics.bundle", {"logs": ["long.log"], "tail": 100})
    log = members(look.project / short.evidence["path"])["log-long.log"]
    assert log.startswith("line 1999")
    assert len(log) <= 100


async def test_the_plan_names_what_is_read_and_shows_no_password(look):
    plan = await look.plan("diagnostics.bundle", {"logs": ["a.log"], "database_url": "postgresql://u:hunter22@h/x"})
    assert plan.danger == "safe"
    assert "hunter22" not in repr(plan)
    assert "a.log" in plan.lines[0]


def test_a_full_disk_leaves_no_half_an_archive(tmp_path, monkeypatch):
    archive = Archive(Redactor(), 10_000)
    archive.add("host", "x", "text")

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        archive.write(tmp_path / "a.tar.gz")
    assert list(tmp_path.iterdir()) == []


@given(st.text(alphabet="a'\\\"$E-/*7 \n", max_size=12), st.text(alphabet="a'\\$7 \n", max_size=8))
@example("\\", "")
@example("'", "")
def test_whatever_a_value_holds_it_is_gone_and_what_comes_after_is_not_taken_for_it(value, other):
    quoted = "'" + (value + "Zq").replace("'", "''") + "'"
    escaped = "E'" + (other + "Zq").replace("\\", "\\\\").replace("'", "\\'") + "'"
    shown = without_literals(f'SELECT "na\'me", {quoted} AS b, {escaped}, $t${value.replace("$", "")}Zq$t$, tail')
    assert "Zq" not in shown
    assert shown == 'SELECT "na\'me", ? AS b, ?, ?, tail'


@pytest.mark.parametrize(
    ("sql", "shown"),
    [
        ("SELECT 'cut in the mid", "SELECT ?"),
        ("SELECT 1 -- my secret\n, 2", "SELECT ? , ?"),
        ("a /* b /* c */ 'secret' */", "a"),
        ("SELECT $1, t2.c3, 1.5e10, .5", "SELECT $1, t2.c3, ?, ?"),
        ("SELECT $$it's$$, U&'x'", "SELECT ?, U&?"),
    ],
)
def test_statements_keep_their_form(sql, shown):
    assert without_literals(sql) == shown
