"""PgBouncer's own view, against Debian's PgBouncer."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import psycopg2
import pytest

from metrics.samples import Measurement
from metrics.sources import SourceError
from metrics.sources.pgbouncer import METRICS, PgBouncerSource, _of_pools, _of_totals, _totals
from tests.transfer import servers

pytestmark = pytest.mark.skipif(servers.PGBOUNCER is None, reason="no pgbouncer here")


@dataclass
class Pooled:
    """A pool with one server connection: through it, and its admin console."""

    url: str

    @property
    def console(self) -> str:
        return f"postgresql://stats@127.0.0.1:{urlsplit(self.url).port}/pgbouncer"


@pytest.fixture(scope="module")
def pooled() -> Iterator[Pooled]:
    with (
        servers.server() as at,
        servers.pgbouncer(at.port, "transaction", stats_users="stats", default_pool_size=1) as url,
    ):
        yield Pooled(url)


async def look(source: PgBouncerSource) -> dict[str, Measurement]:
    return {m.metric: m for m in await source.sample()}


async def look_until(source: PgBouncerSource, metric: str) -> dict[str, Measurement]:
    """Looks until METRIC is over 0."""
    async with asyncio.timeout(10):
        while not (seen := await look(source))[metric].value:
            await asyncio.sleep(0.01)
    return seen


async def test_a_client_that_waits_for_a_server_is_seen_and_seen_to_be_served(pooled: Pooled) -> None:
    source = PgBouncerSource(pooled.console)
    holder, waiter = psycopg2.connect(pooled.url), psycopg2.connect(pooled.url)
    holder.cursor().execute("select 1")  # its transaction keeps the only server
    waiting = threading.Thread(target=lambda: waiter.cursor().execute("select 1"))
    waiting.start()
    seen = await look_until(source, "pgbouncer.clients_waiting")
    await look_until(source, "pgbouncer.max_wait")
    assert seen["pgbouncer.servers_active"].value == 1
    assert (seen["pgbouncer.usage"].value, seen["pgbouncer.usage"].detail["fullest"]) == (1.0, "postgres")
    holder.rollback()
    waiting.join(10)
    waiter.rollback()
    seen = await look(source)
    assert seen["pgbouncer.clients_waiting"].value == 0
    assert set(seen) == set(METRICS)
    await source.stop()
    holder.close()
    waiter.close()


async def test_totals_are_differences_and_a_first_look_is_no_data(pooled: Pooled) -> None:
    source = PgBouncerSource(pooled.console, database="postgres")
    with closing(psycopg2.connect(pooled.url)) as client:
        client.autocommit = True
        client.cursor().execute("select 1")
        first = await look(source)
        assert first["pgbouncer.transactions"].detail["why"] == "first look"
        client.cursor().execute("select pg_sleep(0.002)")
        seen = await look(source)
        assert (seen["pgbouncer.transactions"].value or 0) > 0
        assert (seen["pgbouncer.query_time"].value or 0) > 0
    await source.stop()


async def test_a_database_without_a_pool_is_no_data(pooled: Pooled) -> None:
    source = PgBouncerSource(pooled.console, database="elsewhere")
    seen = await look(source)
    assert all(one.value is None and "elsewhere" in str(one.detail["why"]) for one in seen.values())
    await source.stop()


async def test_a_url_that_is_no_console_is_an_error(pooled: Pooled) -> None:
    source = PgBouncerSource(pooled.url)
    with pytest.raises(SourceError, match="PgBouncer: "):
        await source.sample()
    await source.stop()


async def test_nothing_of_the_url_is_told() -> None:
    source = PgBouncerSource("postgresql://ada:hunter2@127.0.0.1:1/pgbouncer")
    with pytest.raises(SourceError) as caught:
        await source.sample()
    assert not any(secret in f"{caught.value!r} {source!r}" for secret in ("ada", "hunter2", "127.0.0.1"))


def test_what_a_build_does_not_tell_is_no_data() -> None:
    pools = [{"database": "a", "cl_waiting": 2, "sv_active": 1}]
    seen = {one.metric: one for one in _of_pools(pools, [{"name": "a", "pool_size": 4}])}
    assert (seen["pgbouncer.clients_waiting"].value, seen["pgbouncer.usage"].value) == (2, 0.25)
    for name in ("pgbouncer.max_wait", "pgbouncer.clients_active", "pgbouncer.servers_idle"):
        assert (seen[name].value, seen[name].detail["why"]) == (None, "this build does not tell it")
    old, new = _totals([{"total_xact_count": 5}]), _totals([{"total_xact_count": 5}])
    told = {one.metric: one.value for one in _of_totals(replace(old, at=1.0), replace(new, at=2.0))}
    assert told == {"pgbouncer.transactions": 0.0, "pgbouncer.wait_time": None, "pgbouncer.query_time": None}
    untold = _of_totals(replace(_totals([{}]), at=1.0), replace(new, at=2.0))
    assert {one.value for one in untold} == {None}
