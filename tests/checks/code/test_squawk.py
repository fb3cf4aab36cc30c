"""What squawk advises on the SQL of the migrations: the real program, on small texts."""

from __future__ import annotations

import json
import sys
import tomllib
from pathlib import Path

import pytest

from checks.code import squawk as subject
from checks.code.squawk import FILE, MOST, NoAdvice, advice, advised, findings_of, squawk
from checks.contract import Context

SAMPLE = Path(__file__).parents[3] / "rehearsal" / "app"
SQL = """\
BEGIN;

CREATE TABLE alembic_version (
    version_num CHAR(32) NOT NULL
);

-- Running upgrade  -> a1

CREATE TABLE countries (
    id SERIAL NOT NULL,
    code CHAR(2),
    name VARCHAR(40),
    PRIMARY KEY (id)
);

-- Running upgrade a1 -> b2, more of them

ALTER TABLE countries ADD COLUMN iso CHAR(3);
ALTER TABLE countries ADD COLUMN heads integer NOT NULL;
CREATE INDEX ix ON countries (code);
ALTER TABLE countries ADD CONSTRAINT fk FOREIGN KEY (heads) REFERENCES countries (id);
ALTER TABLE countries ADD CONSTRAINT uq UNIQUE (iso);
ALTER TABLE countries ALTER COLUMN name TYPE text;
ALTER TABLE countries RENAME COLUMN name TO called;
ALTER TABLE countries DROP COLUMN heads;
DROP INDEX ix;

COMMIT;
"""


@pytest.fixture
def ctx(tmp_path: Path) -> Context:
    return Context(item="i", project=tmp_path, artefacts=tmp_path)


@pytest.fixture
def program() -> str:
    found = squawk()
    assert found is not None, "pip install 'tminus[squawk]'"
    return found


def writes(sql: str, exit_code: int = 0) -> tuple[str, ...]:
    """A program that writes SQL, whatever it is asked."""
    return (sys.executable, "-S", "-c", f"import sys; sys.stdout.write({sql!r}); sys.exit({exit_code})")


def said(*rules: str, line: float = 0) -> str:
    return json.dumps([{"rule_name": rule, "line": line, "message": "m", "help": None} for rule in rules])


def test_types_are_advised_once_a_rule_by_line_and_revision_and_locks_are_not(ctx, program, tmp_path):
    found = {one.rule: one for one in advised(ctx, program, SQL, tmp_path)}
    assert set(found) == {"squawk/ban-char-field", "squawk/prefer-bigint-over-int", "squawk/prefer-identity"}
    char = found["squawk/ban-char-field"]
    assert (char.level, char.where) == ("warning", f"{FILE}:{SQL[: SQL.index('code CHAR')].count(chr(10)) + 1}")
    assert char.message.startswith("revision a1, 1 more place: Using `character` is likely a mistake")
    assert char.mend == "see https://squawkhq.com/docs/ban-char-field"
    assert found["squawk/prefer-identity"].mend == "Use an `IDENTITY` column instead."


def test_the_revision_is_the_one_above_the_line():
    assert findings_of(said("ban-char-field", line=17), SQL)[0].message == "revision b2: m"


def test_what_is_switched_off_is_not_advised(ctx, tmp_path):
    found, words = advice(ctx, writes(SQL), tmp_path, {}, ["squawk/prefer-identity", "squawk/ban-char-field"])
    assert [one.rule for one in found] == ["squawk/prefer-bigint-over-int"]
    assert words == "1 advised"
    assert advice(ctx, ("no-such-program",), tmp_path, {}, ["squawk/"]) == ((), "off")


def test_a_project_s_own_choice_of_rules_is_heeded(ctx, program, tmp_path):
    (tmp_path / ".squawk.toml").write_text('excluded_rules = ["ban-char-field", "prefer-identity"]')
    assert [one.rule for one in advised(ctx, program, SQL, tmp_path)] == ["squawk/prefer-bigint-over-int"]


def test_that_choice_is_seen_beside_the_advice(ctx, program, tmp_path):
    (tmp_path / ".squawk.toml").write_text('excluded_rules = ["ban-char-field"]')
    (inner := tmp_path / "app").mkdir()
    for folder in (tmp_path, inner):
        assert advice(ctx, writes(SQL), folder, {}, [])[1] == "2 advised, .squawk.toml heeded"


@pytest.mark.long
def test_the_sample_application_says_of_each_advice_that_it_does_not_follow_why(ctx, program, tmp_path):
    env = {"DATABASE_URL": "postgresql+psycopg2://nobody@localhost/nothing"}
    sql = ctx.run_sync([sys.executable, "-m", "alembic", "upgrade", "head", "--sql"], cwd=SAMPLE, env=env).stdout
    assert advice(ctx, writes(sql), SAMPLE, {}, []) == ((), "nothing to advise, .squawk.toml heeded")
    unheeded = {one.rule for one in advised(ctx, program, sql, tmp_path)}
    chosen = tomllib.loads((SAMPLE / ".squawk.toml").read_text())["excluded_rules"]
    assert unheeded == {f"squawk/{rule}" for rule in chosen}


def test_sql_that_has_nothing_to_advise_on(ctx, program, tmp_path):
    assert advised(ctx, program, "-- Running upgrade  -> a1\nSELECT 1;\n", tmp_path) == ()


def test_without_the_program_there_is_no_advice(ctx, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(subject.sys, "executable", str(tmp_path / "python"))
    assert advice(ctx, writes(SQL), tmp_path, {}, []) == ((), "not installed")


@pytest.mark.parametrize("alembic", [writes(SQL, 1), writes("INFO nothing to write"), ("no-such-program",)])
def test_where_env_py_writes_no_sql_there_is_no_advice(ctx, tmp_path, alembic):
    assert advice(ctx, alembic, tmp_path, {}, []) == ((), "no SQL offline")


def test_sql_that_squawk_does_not_understand_is_said(ctx, tmp_path):
    sql = "-- Running upgrade  -> a1\nSELECT 1;\nCREAT it;\n"
    assert advice(ctx, writes(sql), tmp_path, {}, []) == ((), "no advice: line 3 of the SQL is not understood")


@pytest.mark.parametrize(
    "garbage", ["", "oops", "{}x", "7", "[7]", '[{"line": 1}]', '[{"rule_name": "a", "line": "x"}]']
)
def test_an_answer_that_is_no_answer_is_said(garbage):
    with pytest.raises(NoAdvice, match="its answer is not understood"):
        findings_of(garbage, SQL)


def test_a_program_that_fails_is_said(ctx, tmp_path):
    (program := tmp_path / "squawk").write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)
    with pytest.raises(NoAdvice, match="exit code 3"):
        advised(ctx, str(program), SQL, tmp_path)


def test_time_is_bounded(ctx, tmp_path, monkeypatch):
    monkeypatch.setattr(subject, "_SECONDS", 0.0)
    assert advice(ctx, writes(SQL), tmp_path, {}, []) == ((), "no advice in time")


def test_no_more_than_a_page_of_it(ctx, tmp_path, monkeypatch):
    (program := tmp_path / "squawk").write_text(
        f"#!/bin/sh\necho '{said(*(f'rule-{n}' for n in range(50)), line=9)}'\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    found, words = advice(ctx, writes(SQL), tmp_path, {}, [])
    assert (len(found), words) == (MOST, "50 advised")
