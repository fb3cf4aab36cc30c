"""The machine of the database: a real server's process tree here, Render's numbers elsewhere."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from datetime import UTC, datetime

import psutil
import psycopg2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg2.extensions import TRANSACTION_STATUS_ACTIVE

from checks import postgres_host
from checks.postgres_host import Figure, judged
from metrics.live import Live
from metrics.samples import Measurement
from metrics.sources import Metric
from state.verdicts import Verdict

CHECK = "postgres.host"
LIMITS = {"cpu": 0.8, "memory": 0.9, "disk": 0.85}


async def test_a_server_on_this_machine_is_measured_over_its_process_tree(look, database, server):
    outcome = await look(CHECK, {"database_url": database, "over": "200ms", "disk": 1.01})
    assert outcome.verdict is Verdict.PASS, outcome
    seen = os.statvfs(server.data_dir)
    assert outcome.evidence["disk"] == pytest.approx(
        1 - seen.f_bavail / (seen.f_blocks - seen.f_bfree + seen.f_bavail), abs=0.05
    )
    assert 0 < outcome.evidence["memory"] < 0.5
    assert outcome.evidence["from"].startswith("psutil")


async def test_what_it_does_meanwhile_is_seen_in_its_processor_time(look, database, connect, until):
    cursor = connect(database, autocommit=True)

    def work() -> None:
        with suppress(psycopg2.Error):
            cursor.execute("DO $$ BEGIN LOOP PERFORM 1; END LOOP; END $$")

    busy = threading.Thread(target=work)
    busy.start()
    try:
        await until(lambda: cursor.connection.info.transaction_status == TRANSACTION_STATUS_ACTIVE)
        outcome = await look(CHECK, {"database_url": database, "over": "300ms", "cpu": 0.01, "disk": 1.01})
    finally:
        cursor.connection.cancel()
        busy.join(10)
    assert outcome.verdict is Verdict.FAIL, outcome
    assert outcome.actual.startswith("cpu ")
    assert outcome.evidence["cpu"] > 0.01


@pytest.mark.parametrize("what", ["memory", "disk"])
async def test_too_much_of_it_in_use_fails(look, database, what):
    outcome = await look(CHECK, {"database_url": database, "over": "10ms", "cpu": 99.0, "disk": 1.01, what: 0.0001})
    assert outcome.verdict is Verdict.FAIL, outcome
    assert outcome.actual.startswith(what)


async def test_memory_that_is_hidden_from_this_user_is_unknown(look, database, monkeypatch):
    def hidden(pid: int) -> int:
        raise PermissionError

    monkeypatch.setattr(postgres_host, "pss", hidden)  # what a user gets who is not root
    outcome = await look(CHECK, {"database_url": database, "over": "10ms", "cpu": 99.0, "disk": 1.01})
    assert outcome.verdict is Verdict.UNKNOWN, outcome
    assert "run tminus as root" in outcome.actual


async def test_a_data_directory_that_neither_the_kernel_nor_the_server_shows_is_unknown(
    look, database, admin, monkeypatch
):
    def denied(process: psutil.Process) -> str:
        raise psutil.AccessDenied(process.pid)

    monkeypatch.setattr(psutil.Process, "cwd", denied)  # as for a user who is neither root nor PostgreSQL's own
    with_ = {"over": "10ms", "cpu": 99.0, "disk": 1.01}
    outcome = await look(CHECK, {"database_url": database, **with_})
    assert outcome.verdict is Verdict.UNKNOWN, outcome
    assert "disk: this role may not see the data directory" in outcome.actual
    outcome = await look(CHECK, {"database_url": admin, **with_})  # a role of pg_monitor is told it
    assert outcome.verdict is Verdict.PASS, outcome


class Told:
    name, interval = "render", 60.0
    metrics = {name: Metric(name, "ratio", "…") for name in ("render.database_cpu", "render.database_memory")}  # noqa: RUF012


@pytest.fixture
def elsewhere(monkeypatch):
    """This machine has no process of the server's, as when it runs on another one."""

    def none(pid: int) -> psutil.Process:
        raise psutil.NoSuchProcess(pid)

    monkeypatch.setattr(postgres_host.psutil, "Process", none)


class World:
    """A `Live` on a clock of its own, with one look at Render's metrics."""

    def __init__(self, cpu: float | None, memory: float | None) -> None:
        self.now = 1000.0
        self.live = Live([Told()], lambda: self.now)
        at = datetime(2026, 11, 22, tzinfo=UTC)
        values = {"render.database_cpu": cpu, "render.database_memory": memory}
        self.live.take(Told(), [Measurement(n, v, 1, "ratio", at) for n, v in values.items()], 0.1)


async def test_a_server_elsewhere_is_told_of_by_render(look, database, elsewhere):
    outcome = await look(CHECK, {"database_url": database}, live=World(0.31, 0.5).live)
    assert outcome.verdict is Verdict.PASS, outcome
    assert outcome.actual == "cpu 31% of its limit; memory 50% of its limit"
    outcome = await look(CHECK, {"database_url": database}, live=World(0.31, 0.95).live)
    assert outcome.verdict is Verdict.FAIL
    assert outcome.actual == "memory 95% of its limit"


async def test_a_server_elsewhere_of_which_nobody_tells_is_unknown(look, database, elsewhere):
    world = World(0.3, 0.5)
    world.now += 181
    for live in (None, Live([]), World(0.3, None).live, world.live):
        outcome = await look(CHECK, {"database_url": database}, live=live)
        assert outcome.verdict is Verdict.UNKNOWN, outcome
        assert "[metrics.render]" in outcome.hint


async def test_a_server_that_cannot_be_asked_is_an_error(look, database):
    secret = database.split(":")[2].split("@")[0]
    for url in (database.replace(secret, "canary-pass"), "postgresql://app:canary-pass@127.0.0.1:1/app"):
        outcome = await look(CHECK, {"database_url": url})
        assert outcome.verdict is Verdict.ERROR, outcome
        assert "canary" not in repr(outcome)


FIGURES = st.dictionaries(st.sampled_from(list(LIMITS)), st.builds(Figure, st.none() | st.floats(), st.just("…")))


@given(FIGURES)
def test_it_passes_only_when_all_that_there_is_was_seen_below_its_limit(figures):
    good = bool(figures) and all(f.share is not None and f.share < LIMITS[n] for n, f in figures.items())
    assert (judged(figures, LIMITS, {}).verdict is Verdict.PASS) is good
