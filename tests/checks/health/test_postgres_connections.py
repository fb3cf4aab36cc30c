"""Sessions that idle, wait and hold on, made by real second sessions; and who has the SQLite file open."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import psycopg2
import pytest

from metrics.live import Live
from metrics.samples import Measurement
from metrics.sources import Metric
from state.verdicts import Verdict

CHECK = "postgres.connections"
NOW = {"idle_in_transaction": "0s", "transaction": "0s", "blocked": "0s"}


@contextmanager
def an_app_on(path: Path) -> Iterator[int]:
    """A process that has the SQLite file open; its pid."""
    code = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('SELECT * FROM t'); print(1, flush=True);"
        " sys.stdin.read()"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdin=pipe, stdout=pipe) as app:
        assert app.stdout is not None
        app.stdout.readline()
        yield app.pid
        app.communicate()


async def test_sessions_that_do_no_harm_pass_with_their_states_and_applications(look, database, connect):
    connect(database, name="gunicorn", autocommit=True).execute("SELECT 1")
    connect(database, name="gunicorn", autocommit=True).execute("SELECT 1")
    outcome = await look(CHECK, {"database_url": database})
    assert outcome.verdict is Verdict.PASS, outcome
    assert outcome.evidence["state idle"] == 2
    assert outcome.evidence["app gunicorn"] == 2
    assert outcome.evidence["usable"] == 37
    assert "2 idle" in outcome.actual


async def test_a_session_that_idles_in_its_transaction_fails_with_its_application(look, database, connect):
    cursor = connect(database, name="a worker")
    cursor.execute("SELECT 1")
    outcome = await look(CHECK, {"database_url": database, "idle_in_transaction": "0s"})
    assert outcome.verdict is Verdict.FAIL
    assert "a worker" in outcome.actual
    assert "idle in transaction for" in outcome.actual
    assert (await look(CHECK, {"database_url": database})).verdict is Verdict.PASS  # it did so for a moment only
    with suppress(psycopg2.Error):
        cursor.execute("SELECT 1/0")
    outcome = await look(CHECK, {"database_url": database, "idle_in_transaction": "0s"})
    assert "(aborted)" in outcome.actual


async def test_a_blocked_session_fails_and_says_who_blocks_it(look, database, run, connect, until):
    run(database, "CREATE TABLE t (a int)")
    holder = connect(database, name="the holder")
    holder.execute("LOCK TABLE t")
    waiting = connect(database, name="the waiting")

    def wait() -> None:
        with suppress(psycopg2.Error):
            waiting.execute("SELECT * FROM t")

    thread = threading.Thread(target=wait)
    thread.start()
    try:
        watcher = connect(database, autocommit=True)

        def waits() -> bool:
            watcher.execute("SELECT count(*) FROM pg_locks WHERE relation = 't'::regclass AND NOT granted")
            return watcher.fetchone() != (0,)

        await until(waits)
        outcome = await look(CHECK, {"database_url": database, "blocked": "0s"})
        assert outcome.verdict is Verdict.FAIL
        waits_for = outcome.actual.split(" waits ")
        assert "the waiting" in waits_for[0]
        assert f"pid {holder.connection.info.backend_pid} (the holder" in waits_for[1]
        assert "idle in transaction" in waits_for[1]
        assert outcome.evidence["blocked"] == 1
    finally:
        holder.connection.rollback()
        thread.join(10)


async def test_a_long_transaction_and_one_that_was_prepared_and_forgotten_fail(look, database, run, connect):
    cursor = connect(database, name="a report")
    cursor.execute("SELECT 1")
    outcome = await look(CHECK, {"database_url": database, "transaction": "0s"})
    assert outcome.verdict is Verdict.FAIL
    assert "(a report, role app) in a transaction for" in outcome.actual
    cursor.connection.rollback()
    run(database, "BEGIN", "CREATE TABLE t (a int)", "PREPARE TRANSACTION 'left'")
    try:
        outcome = await look(CHECK, {"database_url": database, "transaction": "0s"})
        assert outcome.verdict is Verdict.FAIL
        assert "prepared transaction left" in outcome.actual
    finally:
        run(database, "ROLLBACK PREPARED 'left'")


async def test_too_many_connections_fail_before_and_after_the_last_one(look, admin, database, run, connect):
    name = database.rpartition("/")[2]
    run(admin, f"ALTER DATABASE {name} CONNECTION LIMIT 4")
    for _ in range(3):
        connect(database, autocommit=True)
    outcome = await look(CHECK, {"database_url": database})
    assert outcome.verdict is Verdict.FAIL
    assert "4 of 4 connections in use (database's limit)" in outcome.actual
    connect(database, autocommit=True)
    outcome = await look(CHECK, {"database_url": database})
    assert outcome.verdict is Verdict.FAIL, outcome
    assert "too many connections" in outcome.actual


async def test_states_that_are_hidden_from_the_role_are_unknown_until_it_is_in_pg_monitor(
    look, admin, database, run, connect
):
    run(admin, "CREATE ROLE plain LOGIN PASSWORD 'canary-plain'")
    plain = database.replace(f"//app:{database.split(':')[2].split('@')[0]}@", "//plain:canary-plain@")
    connect(database, name="hidden one").execute("SELECT 1")
    try:
        outcome = await look(CHECK, {"database_url": plain, **NOW})
        assert outcome.verdict is Verdict.UNKNOWN, outcome
        assert "1 sessions of other roles hide their state (app)" in outcome.actual
        assert "GRANT pg_monitor" in outcome.hint
        run(admin, "GRANT pg_monitor TO plain")
        outcome = await look(CHECK, {"database_url": plain, **NOW})
        assert outcome.verdict is Verdict.FAIL
        assert "hidden one" in outcome.actual
    finally:
        run(admin, "DROP ROLE plain")


async def test_a_session_that_is_not_tracked_is_unknown(look, admin, database, connect):
    connect(admin).execute("SET track_activities = off")
    outcome = await look(CHECK, {"database_url": admin})
    assert outcome.verdict is Verdict.UNKNOWN, outcome
    assert "not tracked" in outcome.actual


class Told:
    """A source whose looks the test makes by hand."""

    name, interval = "postgres", 1.0
    metrics = {"pg.connect_failures": Metric("New connections refused", "ratio", "…")}  # noqa: RUF012


async def test_connections_that_the_run_saw_refused_fail_until_that_is_long_ago(look, database):
    now = 1000.0
    live = Live([Told()], lambda: now)
    refused = Measurement("pg.connect_failures", 0.25, 4, "ratio", datetime(2026, 11, 22, tzinfo=UTC), bad=1.0)
    live.take(Told(), [refused], 0.1)
    outcome = await look(CHECK, {"database_url": database}, live=live)
    assert outcome.verdict is Verdict.FAIL
    assert outcome.actual == "25% of the new connections were refused"
    now += 10
    assert (await look(CHECK, {"database_url": database}, live=live)).verdict is Verdict.PASS


async def test_a_sqlite_file_that_a_process_still_has_open_fails_with_its_pid(look, database, tmp_path):
    path = look.project / "app.db"
    with closing(sqlite3.connect(path)) as ours:
        ours.execute("PRAGMA journal_mode = wal")
        ours.execute("CREATE TABLE t (a)")
        ours.commit()
        outcome = await look(CHECK, {"database_url": database, "sqlite": "app.db"})
        assert outcome.verdict is Verdict.PASS, outcome  # it is only we who have it open
    with an_app_on(path) as pid:
        outcome = await look(CHECK, {"database_url": database, "sqlite": "app.db"})
    assert outcome.verdict is Verdict.FAIL, outcome
    assert "app.db is open in" in outcome.actual
    assert "restart" in outcome.hint
    assert f"(pid {pid})" in outcome.actual
    outcome = await look(CHECK, {"database_url": database, "sqlite": "app.db"})
    assert outcome.verdict is Verdict.PASS, outcome
    with an_app_on(path) as pid:
        path.rename(path.with_name("renamed.db"))
        outcome = await look(CHECK, {"database_url": database, "sqlite": "renamed.db"})
        assert outcome.verdict is Verdict.FAIL, outcome
        path.with_name("renamed.db").unlink()
        outcome = await look(CHECK, {"database_url": database, "sqlite": "renamed.db"})
        assert outcome.verdict is Verdict.FAIL, outcome
        assert f"(pid {pid})" in outcome.actual
        assert "deleted" in outcome.actual
    outcome = await look(CHECK, {"database_url": database, "sqlite": "moved.db"})
    assert outcome.verdict is Verdict.UNKNOWN


@pytest.mark.parametrize("broken", ["no server", "wrong password"])
async def test_a_server_that_cannot_be_asked_is_an_error_and_tells_no_password(look, database, broken):
    password = database.split(":")[2].split("@")[0]
    url = database.replace(password, "canary-pass")
    url = url if broken == "wrong password" else "postgresql://app:canary-pass@127.0.0.1:1/app"
    outcome = await look(CHECK, {"database_url": url})
    assert outcome.verdict is Verdict.ERROR, outcome
    assert "canary" not in repr(outcome)


async def test_a_url_that_is_not_set_is_unknown(look):
    outcome = await look(CHECK, {"database_url": "${db}"}, targets={"db": "${env:DATABASE_URL}"})
    assert outcome.verdict is Verdict.UNKNOWN
