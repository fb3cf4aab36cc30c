"""SQLite backed up while it is written, noticed when written afterwards, and restored."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from state.verdicts import Outcome, Verdict


@pytest.fixture
def live(look) -> Path:
    path = look.project / "app.db"
    with closing(sqlite3.connect(path)) as con:
        con.execute("PRAGMA journal_mode = WAL")
        con.executescript(
            "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT);"
            "CREATE TABLE posts (id INTEGER PRIMARY KEY, author INTEGER REFERENCES users(id), body TEXT);"
        )
        con.executemany("INSERT INTO users (name) VALUES (?)", [(f"Zoë {n}",) for n in range(300)])
        con.execute("INSERT INTO posts (author, body) VALUES (1, 'first')")
        con.commit()
    return path


@contextmanager
def writing(path: Path):
    stop, began = threading.Event(), threading.Event()

    def work() -> None:
        with closing(sqlite3.connect(path, timeout=20)) as con:
            while not stop.is_set():
                con.execute("INSERT INTO users (name) VALUES ('meanwhile')")
                con.commit()
                began.set()

    thread = threading.Thread(target=work)
    thread.start()
    began.wait(10)
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.fixture
async def final(look, live) -> Outcome:
    return await look("sqlite.backup", {"source": "app.db", "into": "backups"})


async def test_a_backup_while_the_app_writes_is_whole(look, live):
    with writing(live):
        outcome = await look("sqlite.backup", {"source": "app.db", "into": "backups"})
    assert outcome.verdict is Verdict.PASS, outcome
    made = Path(outcome.evidence["path"])
    assert made.stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(made)) as con:
        assert con.execute("SELECT count(*) FROM users").fetchone()[0] + 1 == outcome.evidence["rows"]
    assert look.steps, "progress was shown"


async def test_a_backup_with_orphans_is_a_warning(look, live):
    with closing(sqlite3.connect(live)) as con:
        con.execute("INSERT INTO posts (author) VALUES (99999)")
        con.commit()
    outcome = await look("sqlite.backup", {"source": "app.db", "into": "backups"})
    assert outcome.verdict is Verdict.WARN
    assert "1 rows without a parent" in outcome.actual


async def test_a_backup_of_nothing_is_an_error(look):
    outcome = await look("sqlite.backup", {"source": "gone.db", "into": "backups"})
    assert outcome.verdict is Verdict.ERROR
    assert outcome.hint


async def test_a_plan_writes_nothing(look, live):
    plan = await look.plan("sqlite.backup", {"source": "app.db", "into": "backups"})
    assert "app.db" in plan.lines[0]
    assert not (look.project / "backups").exists()


async def test_quiet_holds_until_somebody_writes(look, live, final):
    with_ = {"source": "app.db", "backup": "final"}
    outcome = await look("sqlite.quiet", with_, evidence={"final": final})
    assert outcome.verdict is Verdict.PASS, outcome
    with closing(sqlite3.connect(live)) as con:
        con.execute("UPDATE users SET name = 'changed' WHERE id = 7")  # no count changes
        con.commit()
    outcome = await look("sqlite.quiet", with_, evidence={"final": final})
    assert outcome.verdict is Verdict.FAIL
    assert "users" in outcome.actual
    by_folder = await look("sqlite.quiet", with_ | {"backup": "backups"})
    assert by_folder.verdict is Verdict.FAIL


async def test_quiet_without_a_backup_is_unknown(look, live):
    outcome = await look("sqlite.quiet", {"source": "app.db", "backup": "final"})
    assert outcome.verdict is Verdict.UNKNOWN
    failed = Outcome.failed("no", evidence={"path": "x.db"})
    outcome = await look("sqlite.quiet", {"source": "app.db", "backup": "final"}, evidence={"final": failed})
    assert outcome.verdict is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [("300", "pass"), ("3,00", "pass"), ("299", "fail"), (None, "unknown"), ("many", "unknown"), ("", "unknown")],
)
async def test_the_count_that_is_typed_must_be_the_one_in_the_backup(look, live, final, answer, verdict):
    with_ = {"table": "users", "backup": "final", "live": "app.db"}
    outcome = await look("sqlite.counts", with_, answer=answer, evidence={"final": final})
    assert outcome.verdict == verdict
    if answer is None:
        assert "SELECT count(*)" in outcome.hint
    if verdict != "pass":
        assert "300" not in repr(outcome), "it would be typed off the screen"


async def test_the_count_fails_when_the_live_file_went_on_or_the_table_is_missing(look, live, final):
    with closing(sqlite3.connect(live)) as con:
        con.execute("INSERT INTO users (name) VALUES ('late')")
        con.commit()
    with_ = {"table": "users", "backup": "final", "live": "app.db"}
    assert (await look("sqlite.counts", with_, answer="300", evidence={"final": final})).verdict is Verdict.FAIL
    with_["table"] = 'us"; DROP'
    assert (await look("sqlite.counts", with_, answer="300", evidence={"final": final})).verdict is Verdict.FAIL


async def test_schema_and_dump_are_exported_and_reload(look, live, final):
    for check in ("sqlite.schema", "sqlite.dump"):
        outcome = await look(check, {"source": "final", "into": "out"}, evidence={"final": final})
        assert outcome.verdict is Verdict.PASS, outcome
        assert "CREATE TABLE" in Path(outcome.evidence["path"]).read_text()
        missing = await look(check, {"source": "never", "into": "out"})
        assert missing.verdict is Verdict.UNKNOWN


async def test_a_backup_that_was_touched_fails_its_restore_test_and_its_dump(look, live, final):
    with_ = {"backup": "final"}
    outcome = await look("backup.restore_test", with_, evidence={"final": final})
    assert outcome.verdict is Verdict.PASS, outcome
    assert outcome.evidence["dump"] == "equal"
    path = Path(final.evidence["path"])
    path.chmod(0o600)
    with closing(sqlite3.connect(path)) as con:
        con.execute("UPDATE users SET name = 'other' WHERE id = 3")
        con.commit()
    outcome = await look("backup.restore_test", with_, evidence={"final": final})
    assert outcome.verdict is Verdict.FAIL, outcome
    outcome = await look("sqlite.dump", {"source": "final", "into": "out"}, evidence={"final": final})
    assert outcome.verdict is Verdict.FAIL, outcome
    path.with_name(path.name + ".json").write_text("{")
    outcome = await look("backup.restore_test", with_, evidence={"final": final})
    assert outcome.verdict is Verdict.ERROR


async def test_a_count_shows_its_statement_which_runs_as_it_stands_whatever_the_table_is_called(look, live):
    table = 'odd "name'
    with closing(sqlite3.connect(live)) as con:
        con.execute('CREATE TABLE "odd ""name" (id INTEGER)')
        con.execute('INSERT INTO "odd ""name" VALUES (1), (2)')
        con.commit()
    outcome = await look("sqlite.counts", {"table": table, "backup": "app.db"}, answer="2")
    assert outcome.verdict is Verdict.PASS, outcome
    with closing(sqlite3.connect(live)) as con:
        assert con.execute(outcome.evidence["query"]).fetchone() == (2,)
