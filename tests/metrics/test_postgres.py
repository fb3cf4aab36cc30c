"""The server's view, against a real PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import psutil
import psycopg2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.samples import Measurement
from metrics.sources import SourceError
from metrics.sources.connect_errors import failure_of, misuse_of
from metrics.sources.connect_probe import APPLICATION_NAME as PROBE_NAME
from metrics.sources.postgres import APPLICATION_NAME, METRICS, PostgresSource
from metrics.sources.postgres_stats import Counters, grown
from tests.transfer import servers


@contextlib.contextmanager
def session(url: str, *, autocommit: bool = True, name: str = "an app") -> Iterator[Any]:
    connection = psycopg2.connect(url, application_name=name)
    connection.autocommit = autocommit
    try:
        yield connection
    finally:
        connection.close()


@contextlib.asynccontextmanager
async def looking(url: str, **settings: Any) -> AsyncIterator[PostgresSource]:
    source = PostgresSource(url, **({"interval": 0.1} | settings))
    await source.start()
    try:
        yield source
    finally:
        await source.stop()


async def once(source: PostgresSource) -> dict[str, Measurement]:
    """A sample that comes after a try to connect has ended."""
    if source._probe is not None:
        async with asyncio.timeout(10):
            while not source._probe._ended:
                await asyncio.sleep(0.005)
    return {m.metric: m for m in await source.sample()}


async def look(source: PostgresSource) -> dict[str, Measurement]:
    """The sample in which the server has answered, or the look has failed: that takes several on a busy machine."""
    async with asyncio.timeout(30):
        while True:
            seen = await once(source)
            if not any(one.error == "PostgreSQL: no answer yet" for one in seen.values()):
                return seen


async def count(source: PostgresSource, sessions: int) -> None:
    """There are so many: one of the test before may still be on its way out."""
    async with asyncio.timeout(20):
        while (await look(source))["pg.connections"].value != sessions:
            pass


@pytest.fixture
def plain_role(postgres_url: str) -> Iterator[str]:
    """A role without any privilege."""
    with session(postgres_url) as admin, admin.cursor() as cursor:
        cursor.execute("create role plain login password 'plain-sight'")
        try:
            yield re.sub(r"//postgres:[^@]+@", "//plain:plain-sight@", postgres_url)
        finally:
            cursor.execute("select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = 'plain'")
            cursor.execute("drop role plain")


async def test_every_metric_that_is_promised_is_reported_in_its_unit(postgres_url: str) -> None:
    async with looking(postgres_url) as source:
        seen = await look(source)
    assert {name: one.unit for name, one in seen.items()} == {name: face.unit for name, face in METRICS.items()}
    assert not any(one.error for one in seen.values())


async def test_connections_are_counted_against_what_is_usable(postgres_url: str) -> None:
    async with looking(postgres_url, probe=False) as source:
        await count(source, 1)
        with session(postgres_url), session(postgres_url):
            seen = await look(source)
    assert seen["pg.usable"].value == 17  # of 20, less 3 for superusers
    assert seen["pg.connections"].value == 3
    assert seen["pg.usage"].value == pytest.approx(3 / 17)
    assert seen["pg.usage"].detail["app an app"] == 2


async def test_sessions_are_told_by_their_state(postgres_url: str) -> None:
    with session(postgres_url), session(postgres_url, autocommit=False) as broken, session(postgres_url) as busy:
        with contextlib.suppress(psycopg2.Error):
            broken.cursor().execute("select 1 / 0")
        working = threading.Thread(target=_sleeping, args=(busy,))
        working.start()
        with session(postgres_url) as admin, admin.cursor() as cursor:
            servers.until(lambda: _active(cursor) == 1)
            async with looking(postgres_url, probe=False) as source:
                seen = await look(source)
            busy.cancel()
        working.join(10)
    assert seen["pg.active"].value == 2  # the sleeper, and our own look
    assert seen["pg.idle"].value == 2  # the first one, and the admin
    assert seen["pg.idle_in_transaction"].value == 1


def _sleeping(connection: Any) -> None:
    with contextlib.suppress(psycopg2.errors.QueryCanceled):
        connection.cursor().execute("select pg_sleep(5)")


def _active(cursor: Any) -> int:
    cursor.execute("select count(*) from pg_stat_activity where query = 'select pg_sleep(5)' and state = 'active'")
    return int(cursor.fetchone()[0])


async def test_one_named_connection_is_all_it_takes_and_it_is_given_back(postgres_url: str) -> None:
    count = "select count(*) from pg_stat_activity where application_name in (%s, %s)"
    names = (APPLICATION_NAME, PROBE_NAME)
    with session(postgres_url) as admin, admin.cursor() as cursor:
        async with looking(postgres_url, probe=False) as source:
            await look(source)
            await look(source)
            cursor.execute(count, names)
            assert cursor.fetchone() == (1,)
        servers.until(lambda: cursor.execute(count, names) or cursor.fetchone() == (0,))


async def test_sleepers_in_a_transaction_and_the_blocked_are_counted(postgres_url: str) -> None:
    with session(postgres_url, autocommit=False) as holder, session(postgres_url) as waiter:
        with holder.cursor() as cursor:
            cursor.execute("select pg_advisory_xact_lock(7)")
        pid = waiter.info.backend_pid
        blocked = threading.Thread(target=lambda: waiter.cursor().execute("select pg_advisory_xact_lock(7)"))
        blocked.start()
        with session(postgres_url) as admin, admin.cursor() as cursor:
            servers.until(
                lambda: cursor.execute("select cardinality(pg_blocking_pids(%s))", (pid,)) or cursor.fetchone()[0]
            )
            async with looking(postgres_url) as source:
                seen = await look(source)
        holder.rollback()
        blocked.join(10)
    assert seen["pg.idle_in_transaction"].value == 1
    assert seen["pg.blocked"].value == 1
    assert (seen["pg.longest_transaction"].value or 0) > 0
    assert (seen["pg.longest_idle_in_transaction"].value or 0) > 0


async def test_a_role_that_may_not_see_states_still_counts_every_session(postgres_url: str, plain_role: str) -> None:
    with session(postgres_url, autocommit=False) as other:
        other.cursor().execute("select 1")
        async with looking(postgres_url, probe=False) as all_seeing, looking(plain_role, probe=False) as source:
            await count(all_seeing, 3)  # with that of the fixture
            seen = await look(source)
    assert seen["pg.connections"].value == 4
    for name in ("pg.active", "pg.idle", "pg.idle_in_transaction", "pg.longest_transaction"):
        assert seen[name].value is None  # one is there, but hidden
        assert "hide their state" in str(seen[name].detail["why"])


async def test_a_member_of_pg_monitor_that_does_not_inherit_sees_no_states(
    postgres_url: str, plain_role: str
) -> None:
    with session(postgres_url) as admin, session(postgres_url, autocommit=False) as other, admin.cursor() as cursor:
        other.cursor().execute("select 1")
        cursor.execute("alter role plain noinherit; grant pg_monitor to plain")
        async with looking(plain_role, probe=False) as source:
            seen = await look(source)
    assert seen["pg.idle_in_transaction"].value is None


@pytest.mark.parametrize("whose", ["role", "database"])
async def test_the_tightest_limit_is_the_one_that_counts(postgres_url: str, plain_role: str, whose: str) -> None:
    with session(postgres_url) as admin, admin.cursor() as cursor:
        here = {"role": "role plain", "database": "database postgres"}[whose]
        cursor.execute(f"alter {here} connection limit 4")
        try:
            async with looking(plain_role, probe=False) as source:
                seen = await look(source)
        finally:
            cursor.execute("alter database postgres connection limit -1")
    assert seen["pg.usable"].value == 4
    assert seen["pg.connections"].value == 1 if whose == "role" else (seen["pg.connections"].value or 0) >= 2
    assert seen["pg.usage"].detail["limit"] == whose


async def test_counters_are_differences_without_our_own_looks(postgres_url: str) -> None:
    async with looking(postgres_url) as source:
        first = await look(source)
        with session(postgres_url, autocommit=False) as app, app.cursor() as cursor:
            for n in range(40):
                cursor.execute("select 1")
                app.rollback() if n % 4 == 0 else app.commit()
            cursor.execute("select pg_stat_force_next_flush()")
            app.commit()
        seen = await look(source)
    assert first["pg.transactions"].value is None and first["pg.transactions"].detail["why"] == "first look"
    assert seen["pg.rollbacks"].bad == 10
    assert 40 <= seen["pg.rollbacks"].volume <= 44
    assert (seen["pg.cache_hit"].value or 0) > 0.5
    assert seen["pg.deadlocks"].value == 0


A_RESET = datetime(2026, 11, 22, tzinfo=UTC)
BEFORE = Counters(100.0, 50, 5, 0, 0, 900, 100, None)


@pytest.mark.parametrize(
    "after",
    [
        replace(BEFORE, at=105.0, reset=A_RESET),
        replace(BEFORE, at=105.0, commits=49),
        replace(BEFORE, at=105.0, temp_bytes=-1),
        BEFORE,
    ],
)
def test_counters_that_were_reset_say_nothing(after: Counters) -> None:
    assert grown(BEFORE, after, 0) is None
    assert grown(None, after, 0) is None


@given(*[st.integers(0, 2**62)] * 6, st.integers(0, 3))
def test_a_difference_is_never_negative(c: int, r: int, d: int, t: int, h: int, m: int, ours: int) -> None:
    found = grown(BEFORE, Counters(101.0, c, r, d, t, h, m, None), ours)
    if found is not None:
        assert min(found.commits, found.rollbacks, found.deadlocks, found.temp_bytes, found.hits, found.reads) >= 0
        assert found.cache_hit is None or 0 <= found.cache_hit <= 1


async def test_a_connection_that_was_cut_is_made_anew(postgres_url: str) -> None:
    async with looking(postgres_url) as source:
        await look(source)
        with session(postgres_url) as admin, admin.cursor() as cursor:
            cursor.execute(
                "select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = %s",
                (APPLICATION_NAME,),
            )
        cut = await look(source)
        assert cut["pg.usage"].value is None and cut["pg.usage"].error.startswith("PostgreSQL: ")
        assert cut["pg.connect_failures"].value == 0
        assert (await look(source))["pg.usage"].value is not None


async def test_nothing_of_the_url_is_told() -> None:
    async with looking("postgresql://ada:hunter2@127.0.0.1:1/payroll") as source:
        told = f"{await source.sample()!r} {source!r}"
    assert not any(secret in told for secret in ("ada", "hunter2", "payroll", "127.0.0.1"))


async def test_a_refused_connection_is_a_failure_that_was_seen_and_the_rest_is_no_data() -> None:
    async with looking("postgresql://ada@127.0.0.1:1/payroll") as source:
        seen = await look(source)
    refused = seen.pop("pg.connect_failures")
    assert (refused.value, refused.bad, refused.volume, refused.detail["why"]) == (1.0, 1.0, 1, "refused")
    assert all(one.value is None and one.error for one in seen.values())


async def test_a_server_without_a_free_slot_is_a_failure(postgres_url: str, plain_role: str) -> None:
    with session(postgres_url) as admin, admin.cursor() as cursor:
        async with looking(plain_role) as source:
            assert (await look(source))["pg.connect_failures"].value == 0
            cursor.execute("alter role plain connection limit 1")
            seen = await look(source)
    assert seen["pg.usage"].value == 1.0  # what is open goes on
    assert (seen["pg.connect_failures"].value, seen["pg.connect_failures"].detail["why"]) == (1.0, "no slot is free")


@pytest.mark.parametrize(
    ("wrong", "why"),
    [("//nobody:pw@", "the password or the user is not accepted"), ("/nowhere", "there is no such database")],
)
async def test_a_question_that_is_wrong_is_no_failure_of_the_database(
    postgres_url: str, wrong: str, why: str
) -> None:
    url = (
        re.sub(r"//postgres:[^@]+@", wrong, postgres_url) if "@" in wrong else postgres_url.rsplit("/", 1)[0] + wrong
    )
    async with looking(postgres_url, probe_url=url) as source:
        seen = (await look(source))["pg.connect_failures"]
    assert (seen.value, seen.volume, seen.error) == (None, 0, f"PostgreSQL: {why}")


@pytest.mark.parametrize(
    ("text", "failure"),
    [
        ('connection to server at "h", port 5432 failed: Connection refused', "refused"),
        ("FATAL:  sorry, too many clients already", "no slot is free"),
        ("FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute", "no slot is free"),
        ('FATAL:  too many connections for role "x"', "no slot is free"),
        ("FATAL:  no more connections allowed (max_client_conn)", "no slot is free"),
        ("FATAL:  the database system is starting up", "not ready"),
        ("connection to server at h failed: timeout expired", "no answer"),
        ("FATAL:  query_wait_timeout", "no answer"),
        ("server closed the connection unexpectedly\n\tThis probably means", "dropped"),
        ('FATAL:  password authentication failed for user "ada"', ""),
        ('could not translate host name "db" to address', ""),
        ("SSL error: certificate verify failed", ""),
        ("FATAL:  etwas anderes", ""),
    ],
)
def test_the_texts_of_failures_are_told_from_those_of_wrong_questions(text: str, failure: str) -> None:
    assert failure_of(text) == failure
    assert not (failure and misuse_of(text))


async def test_a_server_that_hangs_is_an_error_in_time_and_holds_nobody_up() -> None:
    with servers.server() as at:
        async with looking(at.url(), timeout=0.5) as source:
            await look(source)
            pids = [at.pid, *(child.pid for child in psutil.Process(at.pid).children())]
            for pid in pids:
                os.kill(pid, signal.SIGSTOP)
            try:
                async with asyncio.timeout(10):
                    while (seen := await once(source))["pg.connect_failures"].value != 1.0:
                        pass
                assert seen["pg.usage"].value is None
                assert seen["pg.usage"].error.startswith("PostgreSQL: ")
                assert seen["pg.connect_failures"].detail["why"] == "no answer"
            finally:
                for pid in pids:
                    os.kill(pid, signal.SIGCONT)
            async with asyncio.timeout(10):
                while (await once(source))["pg.usage"].value is None:
                    await asyncio.sleep(0.05)


@pytest.mark.parametrize("version", servers.installed())
async def test_it_looks_at_every_version_and_through_a_transaction_pool(version: str) -> None:
    with servers.server(servers.installed()[version]) as at, contextlib.ExitStack() as stack:
        urls = [at.url()]
        if servers.PGBOUNCER:
            urls.append(stack.enter_context(servers.pgbouncer(at.port, "transaction", default_pool_size=2)))
        for url in urls:
            async with looking(url) as source:
                await look(source)
                seen = await look(source)
            assert {name for name, one in seen.items() if one.error} == set()
            assert seen["pg.usage"].value is not None and seen["pg.connect_failures"].value == 0
            assert (seen["pg.database_size"].value or 0) > 2**20


async def test_a_look_that_is_asked_again_too_early_says_so(postgres_url: str) -> None:
    async with looking(postgres_url) as source:
        first = asyncio.ensure_future(source._main.look(lambda connection: connection.cursor().execute("select 1")))
        await asyncio.sleep(0)
        with pytest.raises(SourceError, match="has not come back"):
            await source._main.look(lambda connection: None)
        await first


async def test_a_look_whose_sample_was_cancelled_is_ended_by_the_stop() -> None:
    mine = asyncio.current_task()
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, and answers nothing
        async with looking(f"postgresql://127.0.0.1:{silent.getsockname()[1]}/x", probe=False) as source:
            sample = asyncio.create_task(source.sample())
            await asyncio.to_thread(silent.accept)
            sample.cancel()
            await asyncio.gather(sample, return_exceptions=True)
        assert asyncio.all_tasks() - {mine} == set()
