"""How full the pool is: a real page over HTTP and a real server, or what a run's sources say."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.pool import Side, judged
from metrics.live import Live
from metrics.samples import Measurement
from metrics.sources import Metric
from state.verdicts import Verdict

CHECK = "pool.usage"


def page_of(*checked_out: int) -> str:
    """The page of an app with a worker for each of CHECKED_OUT, each with 5 connections and 5 more."""
    return "".join(
        f'sqlalchemy_pool_size{{pid="{pid}"}} 5\nsqlalchemy_pool_checked_out{{pid="{pid}"}} {out}\n'
        f'sqlalchemy_pool_max_overflow{{pid="{pid}"}} 5\n'
        for pid, out in enumerate(checked_out)
    )


CALM = page_of(2, 3)
NAMES = ("pool.app_usage", "pool.app_used", "pool.app_capacity", "pg.usage", "pg.connections", "pg.usable")
METRICS = {name: Metric(name, "", "…") for name in NAMES}


class Page(ThreadingHTTPServer):
    body, status = CALM, 200

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/metrics"


class _Serve(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(self.server.status)
        self.end_headers()
        self.wfile.write(self.server.body.encode())

    def log_message(self, *what: object) -> None: ...


@pytest.fixture(scope="module")
def listening() -> Iterator[Page]:
    with Page(("127.0.0.1", 0), _Serve) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def page(listening: Page) -> Page:
    listening.body, listening.status = CALM, 200
    return listening


class Told:
    """A source of both sides whose looks the test makes by hand."""

    name, interval = "pool", 1.0
    metrics = METRICS


class World:
    """A `Live` on a clock of its own."""

    def __init__(self, **values: float | None) -> None:
        self.now = 1000.0
        self.live = Live([Told()], lambda: self.now)
        at = datetime(2026, 11, 22, tzinfo=UTC)
        told = {name.replace("_", ".", 1): value for name, value in values.items()}
        seen = [Measurement(name, value, 1, "", at, {"workers": "2 workers summed"}) for name, value in told.items()]
        self.live.take(Told(), seen, 0.1)


async def test_both_sides_under_the_limit_pass_with_used_and_capacity(look, database, page):
    outcome = await look(CHECK, {"database_url": database, "metrics_url": page.url})
    assert outcome.verdict is Verdict.PASS, outcome
    assert outcome.actual.startswith("app 25%, 5 of 20 (2 workers summed); server ")
    assert outcome.evidence["app used"] == 5
    assert outcome.evidence["server capacity"] == 37


async def test_a_full_pool_of_the_app_fails(look, database, page):
    page.body = page_of(9, 7)
    outcome = await look(CHECK, {"database_url": database, "metrics_url": page.url})
    assert outcome.verdict is Verdict.FAIL
    assert outcome.actual == "app 80%, 16 of 20 (2 workers summed)"


async def test_a_full_server_fails_and_so_does_one_that_gives_no_connection(
    look, admin, database, page, run, connect
):
    run(admin, f"ALTER DATABASE {database.rpartition('/')[2]} CONNECTION LIMIT 5")
    with_ = {"database_url": database, "metrics_url": page.url}
    for _ in range(3):
        connect(database, autocommit=True)
    outcome = await look(CHECK, with_)
    assert outcome.verdict is Verdict.FAIL
    assert outcome.actual == "server 80%, 4 of 5 (database's limit)"
    for _ in range(2):
        connect(database, autocommit=True)
    outcome = await look(CHECK, with_)
    assert outcome.verdict is Verdict.FAIL, outcome
    assert "too many connections" in outcome.actual


async def test_a_page_of_one_worker_is_a_warning(look, database, page):
    page.body = "sqlalchemy_pool_size 5\nsqlalchemy_pool_checked_out 1\n"
    outcome = await look(CHECK, {"database_url": database, "metrics_url": page.url, "workers": 4})
    assert outcome.verdict is Verdict.WARN, outcome
    assert "one of 4 workers only" in outcome.actual


async def test_a_side_that_nobody_told_of_is_unknown_and_named(look, database, page):
    for with_, said in (
        ({"database_url": database}, "app: nobody says"),
        ({"metrics_url": page.url}, "server: nobody says"),
        ({"metrics_url": page.url, "database_url": "${db}"}, ""),
    ):
        outcome = await look(CHECK, with_, targets={"db": "${env:DATABASE_URL}"})
        assert outcome.verdict is Verdict.UNKNOWN, outcome
        assert said in outcome.actual
        assert outcome.hint
    page.body = "up 1\n"
    outcome = await look(CHECK, {"database_url": database, "metrics_url": page.url})
    assert outcome.verdict is Verdict.UNKNOWN, outcome
    assert "no sqlalchemy_pool_checked_out" in outcome.actual


async def test_a_page_or_a_server_that_cannot_be_asked_is_an_error(look, database, page):
    page.status = 500
    outcome = await look(CHECK, {"database_url": database, "metrics_url": page.url})
    assert outcome.verdict is Verdict.ERROR
    assert "status 500" in outcome.actual
    page.status = 200
    for broken in (
        {"database_url": "postgresql://app:canary-pass@127.0.0.1:1/app"},
        {"metrics_url": "nonsense://canary-pass@/["},
        {"names": {"sizes": "x"}},
    ):
        outcome = await look(CHECK, {"database_url": database, "metrics_url": page.url} | broken)
        assert outcome.verdict is Verdict.ERROR, outcome
        assert "canary" not in repr(outcome)


async def test_a_run_tells_both_sides_until_what_it_saw_is_old(look):
    world = World(pool_app_usage=0.5, pg_usage=0.2, pg_connections=20.0, pg_usable=100.0)
    outcome = await look(CHECK, {}, live=world.live)
    assert outcome.verdict is Verdict.PASS, outcome
    assert outcome.actual == "app 50% (2 workers summed); server 20%, 20 of 100 (server's limit)"
    world.now += 4
    outcome = await look(CHECK, {}, live=world.live)
    assert outcome.verdict is Verdict.UNKNOWN
    assert "last seen 4 s ago" in outcome.actual


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ({"pool_app_usage": 0.9, "pg_usage": 0.2}, Verdict.FAIL),
        ({"pool_app_usage": 0.9}, Verdict.FAIL),  # bad enough, whatever the other side is
        ({"pool_app_usage": 0.2, "pg_usage": 0.8}, Verdict.FAIL),
        ({"pool_app_usage": None, "pg_usage": 0.2}, Verdict.UNKNOWN),
        ({"pool_app_usage": 0.2, "pg_usage": None}, Verdict.UNKNOWN),
    ],
)
async def test_a_run_that_saw_too_much_fails_and_one_that_saw_too_little_is_unknown(look, values, verdict):
    outcome = await look(CHECK, {}, live=World(**values).live)
    assert outcome.verdict is verdict, outcome


SIDES = st.builds(
    Side, st.just("a side"), usage=st.none() | st.floats(), of=st.sampled_from(["", "one of 2 workers"])
)


@given(SIDES, SIDES)
def test_it_passes_only_when_both_sides_were_seen_below_the_limit(app, server):
    seen = all(side.usage is not None and side.usage < 0.8 for side in (app, server))
    assert (judged((app, server), 0.8).verdict in (Verdict.PASS, Verdict.WARN)) is seen
