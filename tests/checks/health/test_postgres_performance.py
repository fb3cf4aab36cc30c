"""What a database says of its own performance: made slow, dirty and short of room on a real server."""

from __future__ import annotations

from dataclasses import replace

import psycopg2
import pytest

from checks.postgres_performance import Limits, findings
from checks.postgres_statistics import Statistics
from state.verdicts import Verdict

CHECK = "postgres.performance"
GOOD = Statistics(None, 9_000, 8_990, 0, 0, 7_000_000, 3, 0, (), (), (), (), (), 0.0, 0)  # fmt: skip
LIMITS = Limits(0.5, 20, 0.95, 0.2, 10_000, 0.8, 300.0, 1_048_576, 1_073_741_824)


@pytest.fixture
def counted(database, admin, run):
    """A small table with a key, read often enough to be judged, on a server that counts its statements."""
    run(admin, "CREATE EXTENSION pg_stat_statements")
    run(
        database,
        "CREATE TABLE things (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, label text)",
        "INSERT INTO things (label) SELECT 'x' FROM generate_series(1, 2000)",
        "SET enable_seqscan = off",
        "DO $$ BEGIN FOR i IN 1..800 LOOP PERFORM label FROM things WHERE id = i; END LOOP; END $$",
    )
    return database


async def test_a_database_in_order_passes(look, counted, admin, run):
    outcome = await look(CHECK, {"database_url": counted, "cache_hit": 0.1})
    assert outcome.verdict is Verdict.PASS, outcome
    assert outcome.evidence["tables"] == 1
    assert outcome.evidence["blocks"] >= 1000
    assert outcome.evidence["statements"] > 0
    assert outcome.evidence["fullest_sequence"].startswith("public.things_id_seq 0.00%")


async def test_a_slow_statement_fails_and_is_shown_without_its_values(look, counted, admin, run):
    run(counted, *["SELECT 'canary-value', pg_sleep(0.002), count(*) FROM things WHERE label <> 'canary-word'"] * 3)
    run(admin, *["COMMENT ON TABLE things IS 'canary-comment'"] * 3)
    with_ = {"database_url": counted, "slow": "2ms", "calls": 3, "cache_hit": 0.1}
    outcome = await look(CHECK, with_)
    assert outcome.verdict is Verdict.FAIL, outcome
    assert "ms in the mean of 3 calls: SELECT $1, pg_sleep($2), count(*) FROM things" in outcome.actual
    assert "canary" not in repr(outcome)
    assert outcome.evidence["slowest 1"].endswith("FROM things WHERE label <> $3")
    outcome = await look(CHECK, with_ | {"calls": 4})
    assert "pg_sleep" not in outcome.actual


async def test_dead_rows_fail(look, counted, run, connect, until):
    run(counted, "ALTER TABLE things SET (autovacuum_enabled = off)", "DELETE FROM things WHERE id > 500")
    watcher = connect(counted, autocommit=True)

    def told() -> bool:
        watcher.execute("SELECT n_dead_tup FROM pg_stat_user_tables")
        return watcher.fetchone() == (1500,)

    await until(told)
    with_ = {"database_url": counted, "cache_hit": 0.1}
    outcome = await look(CHECK, with_ | {"dead_rows": 1000})
    assert outcome.verdict is Verdict.FAIL
    assert "table public.things: 1,500 dead rows beside 500 live ones" in outcome.actual
    assert (await look(CHECK, with_)).verdict is Verdict.PASS


async def test_what_the_catalogue_tells_of_fails_or_warns(look, counted, admin, run):
    run(
        counted,
        "CREATE TABLE loose (a smallint)",
        "CREATE SEQUENCE fed AS bigint OWNED BY loose.a",
        "SELECT setval('fed', 30000)",
        "CREATE INDEX never ON things (label)",
    )
    run(admin, "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'things_pkey'::regclass")
    outcome = await look(CHECK, {"database_url": counted, "cache_hit": 0.1, "unused": 1})
    assert outcome.verdict is Verdict.FAIL, outcome
    assert "index public.things_pkey is invalid" in outcome.actual
    assert "sequence public.fed has used 92% of its range" in outcome.actual  # of its column's, a smallint
    run(admin, "UPDATE pg_index SET indisvalid = true", "SELECT setval('fed', 7)")
    outcome = await look(CHECK, {"database_url": counted, "cache_hit": 0.1, "unused": 1})
    assert outcome.verdict is Verdict.WARN, outcome
    assert "indexes that nobody has used: public.never (" in outcome.actual
    assert "tables without a primary key: public.loose" in outcome.actual


async def test_a_failed_concurrent_index_is_invalid(look, counted, run):
    with pytest.raises(psycopg2.errors.UniqueViolation):
        run(counted, "CREATE UNIQUE INDEX CONCURRENTLY broken ON things (label)")
    outcome = await look(CHECK, {"database_url": counted, "cache_hit": 0.1})
    assert outcome.verdict is Verdict.FAIL
    assert outcome.actual == "index public.broken is invalid"


async def test_a_long_transaction_fails_and_a_hidden_one_is_unknown(look, counted, admin, run, connect):
    connect(admin).execute("SELECT 1")
    outcome = await look(CHECK, {"database_url": counted, "cache_hit": 0.1})
    assert outcome.verdict is Verdict.UNKNOWN, outcome
    assert "1 sessions of other roles hide their transactions" in outcome.actual
    assert "GRANT pg_monitor" in outcome.hint
    outcome = await look(CHECK, {"database_url": admin, "cache_hit": 0.1, "transaction": "0s"})
    connect(counted).execute("SELECT 1")
    outcome = await look(CHECK, {"database_url": counted, "cache_hit": 0.1, "transaction": "0s"})
    assert outcome.verdict is Verdict.FAIL
    assert "a transaction is open for" in outcome.actual


async def test_a_server_that_counts_no_statements_is_a_warning_that_says_how(look, database, run):
    run(database, "CREATE TABLE things (id int PRIMARY KEY)")
    outcome = await look(CHECK, {"database_url": database, "cache_hit": 0.1})
    assert outcome.verdict is Verdict.WARN, outcome
    assert "pg_stat_statements is not there" in outcome.actual
    assert "CREATE EXTENSION pg_stat_statements" in outcome.hint


async def test_an_empty_database_is_unknown(look, database):
    assert (await look(CHECK, {"database_url": database})).verdict is Verdict.UNKNOWN


async def test_a_server_that_cannot_be_asked_is_an_error(look, database):
    secret = database.split(":")[2].split("@")[0]
    for url in (database.replace(secret, "canary-pass"), "postgresql://app:canary-pass@127.0.0.1:1/app"):
        outcome = await look(CHECK, {"database_url": url})
        assert outcome.verdict is Verdict.ERROR, outcome
        assert "canary" not in repr(outcome)


def test_counters_beyond_their_limits_are_told():
    assert findings(GOOD, None, LIMITS).wrong == []
    slow = findings(replace(GOOD, hits=4_500), None, LIMITS)
    assert slow.wrong == ["only 50.0% of 9,000 blocks were found in memory"]
    few = findings(replace(GOOD, blocks=20, hits=0), None, LIMITS)
    assert few.wrong == []
    assert any("too few to judge the cache" in one for one in few.doubts)
    spilled = findings(replace(GOOD, temp_files=3, temp_bytes=2 * 10**9), None, LIMITS)
    assert any("3 temporary files" in one for one in spilled.doubts)
