"""Rows that vanish, in a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg2
import pytest

from metrics.samples import Measurement
from metrics.sources import SourceError
from metrics.sources.rows import METRICS, RowsSource


@pytest.fixture
def database(postgres_url: str) -> Iterator[str]:
    """A database with two tables, of 100 and 10 rows."""
    url = postgres_url.rsplit("/", 1)[0] + "/counted"
    run(postgres_url, "create database counted")
    run(url, "create table users (id int); insert into users select generate_series(1, 100)")
    run(url, 'create table "Posts" (id int); insert into "Posts" select generate_series(1, 10)')
    run(url, "create table alembic_version (version text); insert into alembic_version values (1)")
    yield url
    run(postgres_url, "drop database counted with (force)")


def run(url: str, statement: str) -> None:
    connection = psycopg2.connect(url)
    connection.autocommit = True
    connection.cursor().execute(statement)
    connection.close()


async def look(source: RowsSource) -> dict[str, Measurement]:
    return {m.metric: m for m in await source.sample()}


async def values(source: RowsSource) -> dict[str, Any]:
    return {name: one.value for name, one in (await look(source)).items()}


async def test_rows_are_counted_against_the_most_there_ever_were(database: str) -> None:
    source = RowsSource(database)
    assert await values(source) == {"rows.lost": 0, "rows.lost_share": 0, "rows.total": 110}
    run(database, "insert into users values (101)")
    assert (await values(source))["rows.total"] == 111
    run(database, 'delete from "Posts" where id <= 5; delete from users where id = 101')
    seen = await look(source)
    assert {name: one.value for name, one in seen.items()} == {
        "rows.lost": 6, "rows.lost_share": 0.5, "rows.total": 105,
    }  # fmt: skip
    assert seen["rows.lost_share"].detail == {"tables": 2, "worst": "Posts", "rows": 5, "of": 10}
    await source.stop()


async def test_a_table_that_is_gone_has_lost_all_of_its_rows(database: str) -> None:
    for tables in ((), ("users", "Posts")):
        source = RowsSource(database, tables=tables)
        await source.sample()
        run(database, "alter table users rename to moved")
        seen = await look(source)
        assert seen["rows.lost_share"].value == 1.0
        run(database, "alter table moved rename to users")
        await source.stop()


async def test_an_empty_database_has_lost_nothing_and_no_share_and_a_missing_table_is_an_error(database: str) -> None:
    run(database, 'truncate users, "Posts"')
    source = RowsSource(database)
    assert await values(source) == {"rows.lost": 0, "rows.lost_share": None, "rows.total": 0}
    await source.stop()
    source = RowsSource(database, tables=["nowhere"])
    with pytest.raises(SourceError, match="not there"):
        await source.sample()
    await source.stop()


async def test_a_count_that_takes_too_long_says_what_to_do(database: str) -> None:
    run(database, "create view slow as select 1 as n from pg_sleep(5)")
    source = RowsSource(database, tables=["slow"], timeout=0.5)
    with pytest.raises(SourceError, match="name fewer tables"):
        await source.sample()
    await source.stop()


async def test_nothing_of_the_url_is_told() -> None:
    source = RowsSource("postgresql://ada:hunter2@127.0.0.1:1/payroll")
    with pytest.raises(SourceError) as caught:
        await source.sample()
    assert not any(secret in f"{caught.value!r} {source!r}" for secret in ("ada", "hunter2", "127.0.0.1"))


def test_every_metric_has_a_meaning() -> None:
    assert set(METRICS) == {"rows.lost", "rows.lost_share", "rows.total"}
