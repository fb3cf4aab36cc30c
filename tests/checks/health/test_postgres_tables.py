"""Indexes and constraints that are there, and do not hold."""

from __future__ import annotations

import psycopg2
import pytest

from state.verdicts import Verdict

CHECK = "postgres.tables"


@pytest.fixture
def with_(database, run):
    run(
        database,
        "CREATE TABLE alembic_version (version_num varchar(32) PRIMARY KEY)",
        "INSERT INTO alembic_version VALUES ('abc')",
        "CREATE TABLE users (id int PRIMARY KEY, email text)",
        "CREATE TABLE posts (id int PRIMARY KEY, users_id int CONSTRAINT author REFERENCES users)",
        "INSERT INTO users VALUES (1, 'same'), (2, 'same')",
    )
    return {"database_url": database, "head": "abc"}


async def test_an_index_that_could_not_be_built_fails(look, with_, run):
    assert (await look(CHECK, with_)).verdict is Verdict.PASS
    with pytest.raises(psycopg2.errors.UniqueViolation):
        run(with_["database_url"], "CREATE UNIQUE INDEX CONCURRENTLY users_email ON users (email)")
    outcome = await look(CHECK, with_)
    assert outcome.verdict is Verdict.FAIL
    assert "invalid: users_email" in outcome.actual


async def test_a_foreign_key_whose_triggers_a_load_has_disabled_fails(look, with_, run, admin):
    run(admin, "ALTER TABLE posts DISABLE TRIGGER ALL")
    outcome = await look(CHECK, with_)
    assert outcome.verdict is Verdict.FAIL
    assert "posts.author (its triggers are disabled)" in outcome.actual
    run(admin, "ALTER TABLE posts ENABLE TRIGGER ALL")
    assert (await look(CHECK, with_)).verdict is Verdict.PASS


async def test_another_revision_than_the_head_fails(look, with_):
    outcome = await look(CHECK, with_ | {"head": "abd"})
    assert outcome.verdict is Verdict.FAIL
    assert "revision abc, not abd" in outcome.actual
