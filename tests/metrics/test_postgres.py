"""The server's view, against a real PostgreSQL."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import psycopg2
import pytest

from metrics.samples import Measurement
from metrics.sources import SourceError
from metrics.sources.postgres import APPLICATION_NAME, PostgresSource


@contextlib.contextmanager
def session(url: str, *, autocommit: bool = True) -> Iterator[Any]:
    connection = psycopg2.connect(url)
    connection.autocommit = autocommit
    try:
        yield connection
    finally:
        connection.close()


@contextlib.asynccontextmanager
async def looking(url: str) -> AsyncIterator[PostgresSource]:
    source = PostgresSource(url)
    await source.start()
    try:
        yield source
    finally:
        await source.stop()


async def look(source: PostgresSource) -> dict[str, Measurement]:
    return {m.metric: m for m in await source.sample()}


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


async def test_connections_are_counted_against_what_is_usable(postgres_url: str) -> None:
    async with looking(postgres_url) as source:
        before = (await look(source))["pg.connections"].value
        with session(postgres_url), session(postgres_url):
            seen = await look(source)
    assert seen["pg.usable"].value == 17  # of 20, less 3 for superusers
    assert before is not None and seen["pg.connections"].value == before + 2
    assert seen["pg.usage"].value == pytest.approx((before + 2) / 17)


async def test_one_named_connection_is_all_it_takes_and_it_is_given_back(postgres_url: str) -> None:
    count = "select count(*) from pg_stat_activity where application_name = %s"
    with session(postgres_url) as admin, admin.cursor() as cursor:
        async with looking(postgres_url) as source:
            await look(source)
            await look(source)
            cursor.execute(count, (APPLICATION_NAME,))
            assert cursor.fetchone() == (1,)
        cursor.execute("select pg_stat_clear_snapshot()")
        cursor.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = %s",
            (APPLICATION_NAME,),
        )  # waits for the server to have seen the close
        cursor.execute(count, (APPLICATION_NAME,))
        assert cursor.fetchone() == (0,)


async def test_sleepers_in_a_transaction_and_the_blocked_are_counted(postgres_url: str) -> None:
    with session(postgres_url, autocommit=False) as holder, session(postgres_url) as waiter:
        with holder.cursor() as cursor:
            cursor.execute("select pg_advisory_xact_lock(7)")
        pid = waiter.info.backend_pid
        blocked = threading.Thread(target=lambda: waiter.cursor().execute("select pg_advisory_xact_lock(7)"))
        blocked.start()
        with session(postgres_url) as admin, admin.cursor() as cursor:
            for _ in range(200):
                cursor.execute("select cardinality(pg_blocking_pids(%s)), pg_sleep(0.01)", (pid,))
                if cursor.fetchone()[0]:
                    break
        async with looking(postgres_url) as source:
            seen = await look(source)
        holder.rollback()
        blocked.join(10)
    assert seen["pg.idle_in_transaction"].value == 1
    assert seen["pg.blocked"].value == 1


async def test_a_role_that_may_not_see_states_still_counts_every_session(postgres_url: str, plain_role: str) -> None:
    with session(postgres_url, autocommit=False) as other:
        other.cursor().execute("select 1")
        async with looking(postgres_url) as all_seeing, looking(plain_role) as source:
            whole = (await look(all_seeing))["pg.connections"].value
            seen = await look(source)
    assert seen["pg.connections"].value == (whole or 0) + 1
    assert seen["pg.idle_in_transaction"].value is None  # one is there, but hidden


async def test_the_tightest_limit_is_the_one_that_counts(postgres_url: str, plain_role: str) -> None:
    with session(postgres_url) as admin, admin.cursor() as cursor:
        cursor.execute("alter role plain connection limit 2")
        async with looking(plain_role) as source:
            seen = await look(source)
    assert (seen["pg.connections"].value, seen["pg.usable"].value) == (1, 2)
    assert seen["pg.usage"].detail["limit"] == "role"


async def test_a_connection_that_was_cut_is_made_anew(postgres_url: str) -> None:
    async with looking(postgres_url) as source:
        await look(source)
        with session(postgres_url) as admin, admin.cursor() as cursor:
            cursor.execute(
                "select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = %s",
                (APPLICATION_NAME,),
            )
        with pytest.raises(SourceError):
            await source.sample()
        assert (await look(source))["pg.usage"].value is not None


async def test_nothing_of_the_url_is_told() -> None:
    async with looking("postgresql://ada:hunter2@127.0.0.1:1/payroll") as source:
        with pytest.raises(SourceError) as caught:
            await source.sample()
    told = f"{caught.value!r} {caught.value.__cause__!r} {source!r}"
    assert not any(secret in told for secret in ("ada", "hunter2", "payroll", "127.0.0.1"))
