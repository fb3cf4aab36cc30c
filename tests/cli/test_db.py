"""`tminus db`: what each command does, what it refuses, and the exit code that says so."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tminus.cli import cli

ON = ("--postgres-env", "TARGET_URL")


def db(*argv: object) -> Result:
    return CliRunner().invoke(cli, ["db", *map(str, argv)])


def backed_up(live: Path) -> Path:
    result = db("backup", "--sqlite", live, "--into", live.parent / "backups", "--json")
    assert result.exit_code == 0, result.output
    return Path(json.loads(result.stdout)["result"]["path"])


@pytest.fixture
def backup(live: Path) -> Path:
    return backed_up(live)


def test_a_backup_says_where_it_is_and_what_it_holds(live) -> None:
    result = db("backup", "--sqlite", live, "--into", live.parent / "backups")
    assert result.exit_code == 0, result.output
    path, rows, digest, manifest = result.stdout.splitlines()
    assert Path(path).stat().st_mode & 0o777 == 0o600
    assert rows.startswith("951 rows in 5 tables")  # alembic_version's one is backed up too
    assert json.loads(Path(manifest.split(" ", 1)[1]).read_text())["sha256"] == digest.split()[1]


def test_the_whole_way_there(live, backup, target, run) -> None:
    assert db("quiet", "--sqlite", live, "--manifest", backup).exit_code == 0
    dry = db("copy", "--sqlite", backup, *ON, "--dry-run")
    assert dry.exit_code == 0, dry.output
    assert "WOULD BE COPIED" in dry.stdout
    assert run(target, "SELECT count(*) FROM authors") == [(0,)]
    done = db("copy", "--sqlite", backup, *ON)
    assert done.exit_code == 0, done.output
    assert "COPIED: 950 rows of 4 tables" in done.stdout
    assert "proven equal" in done.stdout
    assert run(target, "SELECT count(*) > 0 FROM authors") == [(True,)]
    equal = db("compare", "--sqlite", backup, *ON)
    assert equal.exit_code == 0, equal.output
    assert equal.stdout.startswith("EQUAL: 4 tables, 950 rows")


def test_a_change_in_the_target_is_named_by_table_key_and_column(backup, target, run) -> None:
    assert db("copy", "--sqlite", backup, *ON).exit_code == 0
    run(target, "UPDATE authors SET name = 'Mallory' WHERE id = 3")
    different = db("compare", "--sqlite", backup, *ON)
    assert different.exit_code == 1
    assert different.stdout.startswith("DIFFERENT")
    (line,) = [x for x in different.stdout.splitlines() if "Mallory" in x]
    assert "authors  id=3  name" in line
    (found,) = json.loads(db("compare", "--sqlite", backup, *ON, "--json").stdout)["result"]["differences"]
    assert (found["table"], found["key"], found["column"]) == ("authors", "id=3", "name")


def test_the_limit_bounds_the_differences_of_a_table(backup, target, run) -> None:
    assert db("copy", "--sqlite", backup, *ON).exit_code == 0
    run(target, "UPDATE authors SET name = 'Mallory'")
    found = json.loads(db("compare", "--sqlite", backup, *ON, "--limit", 2, "--json").stdout)
    assert found["exit"] == 1
    assert len(found["result"]["differences"]) == 2


def test_a_copy_takes_only_a_backup_that_is_what_its_manifest_says(live, backup, target, change, run) -> None:
    plain = db("copy", "--sqlite", live, *ON)
    assert plain.exit_code == 1
    assert "tminus db backup" in plain.stderr
    change(backup, "UPDATE authors SET name = 'later' WHERE id = 1")
    touched = db("copy", "--sqlite", backup, *ON)
    assert touched.exit_code == 1
    assert "sha256 differs" in touched.stderr
    assert db("copy", "--sqlite", backup, *ON, "--unverified").exit_code == 1  # a manifest that says no is heard
    assert run(target, "SELECT count(*) FROM authors") == [(0,)]
    trusted = db("copy", "--sqlite", live, *ON, "--unverified")
    assert trusted.exit_code == 0, trusted.output


def test_a_target_with_rows_is_refused_until_they_may_be_replaced(backup, target, run) -> None:
    assert db("copy", "--sqlite", backup, *ON).exit_code == 0
    again = db("copy", "--sqlite", backup, *ON)
    assert again.exit_code == 1
    assert "authors" in again.stderr
    tables = [x for name in ("authors", "logins", "articles", "ballots") for x in ("--replace", name)]
    run(target, "DELETE FROM ballots")
    assert db("copy", "--sqlite", backup, *ON, *tables).exit_code == 0
    assert run(target, "SELECT count(*) > 0 FROM ballots") == [(True,)]


def test_quiet_names_the_tables_that_were_written(live, backup, change) -> None:
    change(live, "UPDATE authors SET name = 'later' WHERE id = 1")
    written = db("quiet", "--sqlite", live, "--manifest", f"{backup}.json")
    assert written.exit_code == 1
    assert written.stdout.startswith("WRITTEN since")
    assert "authors" in written.stdout
    assert "articles" not in written.stdout


def test_restore_proves_both_forms_and_refuses_a_backup_that_was_touched(tmp_path, backup, change) -> None:
    proven = db("restore", "--sqlite", backup, "--into", tmp_path / "one")
    assert proven.exit_code == 0, proven.output
    assert proven.stdout.count("EQUAL: from the") == 2
    assert (tmp_path / "one" / "restored-dump.db").is_file()
    change(backup, "DELETE FROM ballots WHERE id = 1")
    broken = db("restore", "--sqlite", backup, "--into", tmp_path / "two", "--no-dump")
    assert broken.exit_code == 1
    assert "NOT EQUAL" in broken.stdout
    assert "ballots" in broken.stdout


def test_schema_and_dump_write_sql_that_gives_the_same_back_and_overwrite_nothing(tmp_path, live) -> None:
    for command in ("schema", "dump"):
        out = tmp_path / f"{command}.sql"
        assert db(command, "--sqlite", live, "--out", out).exit_code == 0
        with closing(sqlite3.connect(":memory:")) as con:
            con.executescript(out.read_text())
            counted = con.execute("SELECT count(*) > 0 FROM authors").fetchone()[0]
        assert counted == (command == "dump")
        before = out.read_bytes()
        assert db(command, "--sqlite", live, "--out", out).exit_code == 3
        assert out.read_bytes() == before


@pytest.mark.parametrize("command", ["backup", "quiet", "restore", "dump", "copy", "compare"])
def test_a_file_that_is_not_there_or_is_no_database_is_3_with_a_document_all_the_same(
    tmp_path, monkeypatch, command
) -> None:
    monkeypatch.setenv("TARGET_URL", "postgresql://app@127.0.0.1:1/app")
    more = {
        "backup": ("--into", tmp_path / "x"),
        "quiet": ("--manifest", tmp_path / "none.json"),
        "restore": ("--into", tmp_path / "x"),
        "dump": ("--out", tmp_path / "x.sql"),
    }.get(command, ON)
    (tmp_path / "rubbish.db").write_text("no database")
    for name in ("none.db", "rubbish.db"):
        result = db(command, "--sqlite", tmp_path / name, *more, "--json")
        assert result.exit_code == 3, result.output
        told = json.loads(result.stdout)
        assert (told["exit"], told["result"], told["error"]["kind"]) == (3, None, "could not look")


def test_a_server_that_is_not_there_is_3_and_no_password_is_told(backup, monkeypatch) -> None:
    monkeypatch.setenv("TARGET_URL", "postgresql://app:canary-pass@127.0.0.1:1/app")
    for command in ("copy", "compare"):
        for more in ((), ("--json",)):
            result = db(command, "--sqlite", backup, *ON, *more)
            assert result.exit_code == 3, result.output
            assert "127.0.0.1:1" in result.output
            assert "canary" not in result.output


def test_a_password_in_argv_is_warned_about_and_one_in_the_environment_is_not(backup, monkeypatch) -> None:
    url = "postgresql://app:canary-pass@127.0.0.1:1/app"
    monkeypatch.setenv("TARGET_URL", url)
    public = db("compare", "--sqlite", backup, "--postgres", url)
    assert "argv" in public.stderr
    assert "canary" not in public.output
    assert "argv" not in db("compare", "--sqlite", backup, *ON).stderr
    assert "argv" not in db("compare", "--sqlite", backup, "--postgres", "postgresql://app@127.0.0.1:1/app").stderr


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ((), "which database"),
        (("--postgres-env", "NEVER_SET"), "NEVER_SET is not set"),
        (("--postgres", "mysql://x"), "postgresql://"),
        (("--postgres", "postgresql://a/b", "--postgres-env", "X"), "one of them"),
        (("--postgres", "postgresql://a/b", "--rules", "none.toml"), "none.toml"),
        (("--postgres", "postgresql://a/b", "--private", "email"), "users.email"),
    ],
)
def test_usage_is_2_and_says_what_would_be_right(backup, more, said) -> None:
    result = db("compare", "--sqlite", backup, *more)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("title = 'x'", "no [transfer]"),
        ("[transfer]\nprivat = []", "privat"),
        ("[transfer]\nprivate = ['email']", "transfer"),
        ("[transfer.rules]\n'a.b' = 3", "transfer"),
        ("[transfer", "not TOML"),
    ],
)
def test_a_file_of_rules_that_says_nothing_or_nonsense_is_2(tmp_path, text, said) -> None:
    (tmp_path / "rules.toml").write_text(text)
    on = ("--postgres", "postgresql://app@127.0.0.1:1/app")
    result = db("compare", "--sqlite", tmp_path / "none.db", *on, "--rules", tmp_path / "rules.toml")
    assert result.exit_code == 2, result.output
    assert said in result.stderr


def test_a_name_with_control_characters_reaches_no_terminal(tmp_path, target) -> None:
    path = tmp_path / "odd.db"
    with closing(sqlite3.connect(path)) as con:
        con.execute('CREATE TABLE "a\x1b[31mb" (id INTEGER PRIMARY KEY)')
        con.execute('INSERT INTO "a\x1b[31mb" VALUES (1)')
        con.commit()
    result = db("copy", "--sqlite", backed_up(path), *ON)
    assert result.exit_code == 1
    assert "ab: only in SQLite" in result.stderr
    assert "\x1b" not in result.output


def test_a_private_column_that_is_misspelled_is_refused_before_a_value_is_shown(backup, target) -> None:
    for command in ("copy", "compare"):
        for wrong in ("authors.emial", "authors.EMAIL", "nowhere.email"):
            result = db(command, "--sqlite", backup, *ON, "--private", wrong)
            assert result.exit_code == 1, result.output
            assert f"no column {wrong!r}" in result.stderr
    assert "'authors.email'" in db("compare", "--sqlite", backup, *ON, "--private", "authors.emial").stderr


def test_nothing_to_compare_is_not_equal(tmp_path, server) -> None:
    path = tmp_path / "empty.db"
    with closing(sqlite3.connect(path)) as con:
        con.execute("PRAGMA user_version = 3")
    result = db("compare", "--sqlite", path, "--postgres", server)
    assert result.exit_code == 3, result.output
    assert db("backup", "--sqlite", path, "--into", tmp_path / "b").exit_code == 3


@pytest.mark.parametrize("argv", [["db", "--help"], ["db", "copy", "--help"], ["db", "audit", "--help"]])
def test_help_loads_none_of_the_heavy_rooms_and_shows_an_example(argv) -> None:
    code = (
        f"import sys; sys.argv = ['tminus', *{argv}]; import tminus.cli; tminus.cli.cli(standalone_mode=False);"
        "print(*(m.partition('.')[0] for m in sys.modules), file=sys.stderr)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert not {"transfer", "psycopg2", "checks", "metrics", "textual", "sqlalchemy"} & set(ended.stderr.split())
    assert "tminus db" in ended.stdout


@pytest.mark.parametrize("name", sorted(__import__("tminus.cli.db", fromlist=["x"]).command.commands))
def test_every_command_teaches_an_example_what_it_writes_and_what_it_never_touches(name) -> None:
    told = db(name, "--help").output
    assert f"tminus db {name} --sqlite" in told
    words = " ".join(told.split())
    assert any(x in words for x in ("Writes", "writes"))
    assert any(x in words for x in ("ever touches", "writes nothing", "Writes nothing"))


# --- what comes with the rules, the audit, the schema's report and the salvage ------------------------------------


@pytest.fixture
def rules(tmp_path: Path) -> Any:
    pytest.importorskip("transfer.rules", reason="rules for values are not there yet")

    def written(text: str) -> Path:
        path = tmp_path / "rules.toml"
        path.write_text(text)
        return path

    return written


def test_an_unknown_rule_is_told_with_its_line_and_what_was_meant(rules, backup, target) -> None:
    path = rules(
        '[transfer.rules]\n"authors.name" = "strip-nul"\n"authors.bio" = "truncat"\n"logins" = "skip-tabel"\n'
    )
    result = db("copy", "--sqlite", backup, *ON, "--rules", path)
    assert result.exit_code == 2, result.output
    assert "rules.toml:3" in result.stderr
    assert "'truncate'" in result.stderr
    assert "rules.toml:4" in result.stderr


def test_a_row_that_a_rule_leaves_out_is_in_the_reject_file_and_told(
    rules, live, target, change, run, tmp_path
) -> None:
    change(live, "UPDATE authors SET joined_at = '2024-02-30' WHERE id = (SELECT max(id) FROM authors)")
    change(live, "UPDATE logins SET author_id = 1")
    change(live, "UPDATE articles SET author_id = 1")
    change(live, "UPDATE ballots SET author_id = 1")
    backup = backed_up(live)
    refused = db("copy", "--sqlite", backup, *ON)
    assert refused.exit_code == 1
    path = rules('[transfer.rules]\n"authors.joined_at" = "skip-row"\n')
    rejects = tmp_path / "rejects.jsonl"
    done = db("copy", "--sqlite", backup, *ON, "--rules", path, "--rejects", rejects, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["result"]["rejected"] == 1
    assert "2024-02-30" in rejects.read_text()
    assert db("compare", "--sqlite", backup, *ON, "--rules", path).exit_code == 0
    assert db("compare", "--sqlite", backup, *ON).exit_code == 1


def test_a_private_value_is_in_no_output(rules, live, target, change, run) -> None:
    canary = "canary-4711@example.org"
    change(live, f"UPDATE authors SET email = '{canary}' WHERE id = 2")
    backup = backed_up(live)
    told = rules('[transfer]\nprivate = ["authors.email"]\n')
    assert db("copy", "--sqlite", backup, *ON, "--rules", told).exit_code == 0
    run(target, "UPDATE authors SET email = 'canary-else@example.org' WHERE id = 2", "DELETE FROM ballots",
        "DELETE FROM logins", "INSERT INTO authors (id, email, name, active, joined_at, balance) VALUES"
        " (99999, 'canary-new@example.org', 'n', true, now(), 0)")  # fmt: skip
    for more in (("--rules", told), ("--private", "authors.email")):
        for form in ((), ("--json",)):
            result = db("compare", "--sqlite", backup, *ON, *more, *form)
            assert result.exit_code == 1, result.output
            assert "canary" not in result.output
            assert "authors" in result.stdout


@pytest.mark.parametrize(
    "wrong",
    [
        "UPDATE authors SET email = 'canary' || char(0) || 'x' WHERE id = 2",  # refused by COPY
        "UPDATE authors SET email = replace(hex(zeroblob(150)), '00', 'canary') WHERE id = 2",  # by its length
        "UPDATE authors SET email = 'canary@example.org' WHERE id IN (2, 3)",  # by the unique key
    ],
)
def test_a_private_value_is_in_no_refusal(rules, live, target, change, wrong) -> None:
    with closing(sqlite3.connect(live)) as con:  # without the unique key, which would refuse the third there
        con.executescript(
            "CREATE TABLE plain AS SELECT * FROM authors; DROP TABLE authors; ALTER TABLE plain RENAME TO authors;"
        )
    change(live, wrong)
    told = rules('[transfer]\nprivate = ["authors.email"]\n')
    refused = db("copy", "--sqlite", backed_up(live), *ON, "--rules", told)
    assert refused.exit_code == 1, refused.output
    assert "authors" in refused.stderr
    assert "canary" not in refused.output


def test_an_audit_finds_what_postgres_refuses_and_teaches_the_rule(live, target, change, tmp_path) -> None:
    pytest.importorskip("transfer.audit", reason="the audit is not there yet")
    assert db("audit", "--sqlite", live, *ON).exit_code == 0
    change(live, "UPDATE authors SET joined_at = '2024-02-30' WHERE id = 4")
    found = db("audit", "--sqlite", live, *ON)
    assert found.exit_code == 1, found.output
    assert "NOT CLEAN" in found.stdout
    assert "authors.joined_at" in found.stdout
    assert "2024-02-30" in found.stdout
    assert json.loads(db("audit", "--sqlite", live, *ON, "--json").stdout)["result"]["findings"]
    hidden = db("audit", "--sqlite", live, *ON, "--private", "authors.joined_at")
    assert "2024-02-30" not in hidden.output
    (tmp_path / "rules.toml").write_text('[transfer.rules]\n"authors.joined_at" = "null"\n')
    pytest.importorskip("transfer.rules", reason="rules for values are not there yet")
    settled = db("audit", "--sqlite", live, *ON, "--rules", tmp_path / "rules.toml")
    assert "settled" in settled.stdout


def test_the_tables_are_made_when_that_is_asked_for(backup, target, run) -> None:
    pytest.importorskip("transfer.schema", reason="making tables is not there yet")
    run(target, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    assert db("copy", "--sqlite", backup, *ON).exit_code == 1
    dry = db("copy", "--sqlite", backup, *ON, "--create-schema", "--dry-run")
    assert dry.exit_code == 0, dry.output
    assert run(target, "SELECT to_regclass('authors')") == [(None,)]
    done = db("copy", "--sqlite", backup, *ON, "--create-schema")
    assert done.exit_code == 0, done.output
    assert "COPIED: 950 rows of 4 tables" in done.stdout
    assert db("compare", "--sqlite", backup, *ON).exit_code == 0


def test_the_schemas_are_held_against_each_other(live, target, run) -> None:
    if not hasattr(pytest.importorskip("transfer.schema", reason="schemas are not there yet"), "report"):
        pytest.skip("the schema report is not there yet")
    run(target, "DROP INDEX ix_logins_author_id")
    found = db("schema", "--sqlite", live, *ON)
    assert found.exit_code == 1, found.output
    assert "logins" in found.stdout
    assert json.loads(db("schema", "--sqlite", live, *ON, "--json").stdout)["result"]


def test_salvage_brings_back_what_was_written_since(backup, target, run, tmp_path) -> None:
    pytest.importorskip("transfer.salvage", reason="the salvage is not there yet")
    assert db("copy", "--sqlite", backup, *ON).exit_code == 0
    run(target, "UPDATE authors SET name = 'Renamed since' WHERE id = 3")
    into = tmp_path / "back.db"
    counted = db("salvage", "--sqlite", backup, *ON, "--into", into, "--dry-run")
    assert counted.exit_code == 0, counted.output
    assert not into.exists()
    done = db("salvage", "--sqlite", backup, *ON, "--into", into)
    assert done.exit_code == 0, done.output
    with closing(sqlite3.connect(into)) as con:
        assert con.execute("SELECT name FROM authors WHERE id = 3").fetchone() == ("Renamed since",)
    assert db("salvage", "--sqlite", backup, *ON, "--into", into).exit_code in (1, 3)  # nothing is overwritten
