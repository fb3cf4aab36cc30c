"""Poolers between us and the server: session mode works, anything less is refused with the reason."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import sample
from tests.transfer import servers
from transfer.comparing import compare
from transfer.copying import copy
from transfer.errors import CouldNotLook, Refused
from transfer.pooler import TURNS, Pooling, judged
from transfer.postgres import connect, look

bouncer = pytest.mark.skipif(servers.PGBOUNCER is None, reason="pgbouncer is not installed")


@pytest.fixture(scope="module")
def behind() -> Iterator[servers.Running]:
    with servers.server() as at:
        yield at


@pytest.fixture
def app(tmp_path: Path) -> Path:
    path = tmp_path / "app.db"
    sample.write(path, 380)
    return path


@bouncer
@pytest.mark.parametrize(
    "settings",
    [{}, {"default_pool_size": 1}, {"server_round_robin": 1, "min_pool_size": 3}],
    ids=["stack", "one", "ring"],
)
@pytest.mark.parametrize("mode", ["transaction", "statement"])
def test_a_pool_by_transaction_or_statement_is_refused_and_its_sessions_are_left_as_they_were(
    behind: servers.Running, mode: str, settings: dict[str, object]
) -> None:
    with servers.pgbouncer(behind.port, mode, **settings) as url:
        if "min_pool_size" in settings:
            _make_processes(url, 3)
        before = servers.execute(url, "SELECT current_setting('DateStyle'), current_setting('lock_timeout')")
        with pytest.raises(Refused, match=r"transaction or statement mode.*direct address"):
            connect(url)
        assert servers.execute(url, "SELECT current_setting('DateStyle'), current_setting('lock_timeout')") == before


@bouncer
def test_a_copy_through_a_pool_by_session_is_proven(app: Path, behind: servers.Running) -> None:
    url = servers.fresh(behind.url(), sample.POSTGRES)
    name = url.rsplit("/", 1)[1]
    with servers.pgbouncer(behind.port, "session") as pooled:
        assert copy(app, _at(pooled, name)).proof.equal
        assert compare(app, _at(pooled, name)).equal


@bouncer
def test_a_session_pool_that_is_full_is_told_from_a_pool_by_transaction(behind: servers.Running) -> None:
    with servers.pgbouncer(behind.port, "session", default_pool_size=1) as url:
        conn = connect(url)
        with closing(conn), conn.cursor() as cur:
            cur.execute("SELECT current_setting('bytea_output'), current_setting('row_security')")
            assert cur.fetchall() == [("hex", "off")]


@bouncer
def test_a_start_up_option_that_the_pooler_refuses_is_named(behind: servers.Running) -> None:
    refused = pytest.raises(CouldNotLook, match="pooler is in between that refuses this")
    with servers.pgbouncer(behind.port, "session") as url, refused:
        connect(url + "?options=-csearch_path%3Dother")


def test_a_server_reached_directly_needs_no_second_connection(
    behind: servers.Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    real = servers.psycopg2.connect
    monkeypatch.setattr("psycopg2.connect", lambda *a, **k: made.append(1) or real(*a, **k))
    connect(behind.url()).close()
    assert len(made) == 1


def test_what_the_turns_say() -> None:
    each = {"A": 11, "B": 12}
    session = [("A", 11), *((who, each[who]) for who in TURNS)]
    assert judged(11, [("A", 11)]) is Pooling.NONE
    assert judged(1, session) is Pooling.SESSION
    assert judged(1, session[:5]) is Pooling.UNKNOWN
    assert judged(1, [("A", 11), ("A", 11), ("B", 11)]) is Pooling.TRANSACTION
    assert judged(1, [("A", 11), ("A", 12), ("B", 13)]) is Pooling.TRANSACTION
    assert judged(1, [("A", 11), ("B", None)]) is Pooling.UNKNOWN
    assert judged(1, [("A", 11), ("B", None), ("A", 11)]) is Pooling.UNKNOWN
    assert judged(1, [("A", 11), ("B", None), ("A", 11), ("B", None)]) is Pooling.SESSION
    assert judged(1, [("A", 11), ("B", 12), ("B", None), ("A", 11)]) is Pooling.UNKNOWN
    assert judged(1, [("A", 11)]) is Pooling.UNKNOWN


@given(size=st.integers(1, 9), take=st.sampled_from(["stack", "ring"]), start=st.integers(0, 8))
def test_no_pool_that_is_a_stack_or_a_ring_looks_like_a_session(size: int, take: str, start: int) -> None:
    seen: list[tuple[str, int | None]] = []
    for turn, who in enumerate("A" + TURNS):
        seen.append((who, 100 + (start % size if take == "stack" else (start + turn) % size)))
    assert judged(1, seen) is Pooling.TRANSACTION


def _make_processes(url: str, count: int) -> None:
    """So that the pool has more than one process to lend: all of them are asked at the same time."""
    asking = [threading.Thread(target=servers.execute, args=(url, "SELECT pg_sleep(0.1)")) for _ in range(count)]
    for each in asking:
        each.start()
    for each in asking:
        each.join()


def _at(url: str, database: str) -> str:
    return f"{url.rsplit('/', 1)[0]}/{database}"


@bouncer
def test_a_look_through_a_pool_by_transaction_leaves_nothing_set(behind: servers.Running) -> None:
    with servers.pgbouncer(behind.port, "transaction", default_pool_size=1) as url:
        conn = look(url, application_name="looking", statement_timeout=7)
        with closing(conn), conn.cursor() as cur:
            cur.execute("SELECT current_setting('statement_timeout'), current_setting('transaction_read_only')")
            assert cur.fetchall() == [("7s", "on")]
        assert servers.execute(
            url, "SELECT current_setting('statement_timeout'), current_setting('transaction_read_only')"
        ) == [("0", "off")]
