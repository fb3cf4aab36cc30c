"""kill -9 of the engine at random moments of a flight: what was acknowledged is there once, and nothing is green by it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from state.record_file import read_record, read_with_log
from tests.faults.conftest import Engine, Nest
from tests.faults.flying import GATED, Ledger, Somebody
from tminus.client import Client
from tminus.places import place_of

A_RUN = 50  # kills of one run: then another is begun, so that the moments stay spread over all that an engine does


async def fly_until_killed(engine: Engine, ledger: Ledger, draw: random.Random, moments: Sequence[float]) -> None:
    """Two people act on ENGINE at the same time, and it is killed after a while of at most one of MOMENTS seconds."""
    async with asyncio.timeout(60):
        clients = [Client(engine.place.socket, name="anna", watch=True) for _ in range(2)]
        for client in clients:
            await client.__aenter__()
        for status in (item.status for item in clients[0].view.items.values()):
            assert status != "running"
        flights = [asyncio.create_task(Somebody(client, ledger, draw).fly()) for client in clients]
        await asyncio.sleep(draw.uniform(0, draw.choice(moments)))
        engine.kill()
        await asyncio.gather(*flights)
        for client in clients:
            await client.__aexit__(None, None, None)


@pytest.mark.parametrize(("kills", "seed"), [(15, 7), pytest.param(320, 11, marks=pytest.mark.long)])
async def test_what_was_acknowledged_is_there_once_whenever_the_engine_was_killed(
    nest: Nest, checklist: Path, kills: int, seed: int
) -> None:
    draw, began = random.Random(seed), time.monotonic()
    checklist.write_text(GATED)
    passed = told = unknown = refused = interrupted = at_start = 0
    for first in range(0, kills, A_RUN):
        engine, ledger = Engine(nest, checklist, place_of(checklist)), Ledger()
        done = checklist.with_name("done")
        done.unlink(missing_ok=True)
        record = None
        for _ in range(first, min(first + A_RUN, kills)):
            if draw.random() < 0.2:  # on its way up
                engine.launch()
                await asyncio.sleep(draw.uniform(0, 0.06))
                at_start += 1
                engine.kill()
            else:
                engine.start()
                await fly_until_killed(engine, ledger, draw, (0.02, 0.1) if kills < 100 else (0.02, 0.1, 0.3))
            logs = sorted(engine.folder.glob("*.toml.wal")) if engine.folder.is_dir() else []
            if not logs:
                continue  # killed before there was anything
            record = logs[-1].with_name(logs[-1].name.removesuffix(".wal"))
            run, events = read_with_log(record)  # which verifies the chain
            assert "Traceback" not in engine.said, engine.said[-6000:]
            ledger.holds(events)
            began_changes = sum(event.kind == "check.started" and event.item == "change" for event in events)
            assert len(done.read_text().splitlines() if done.exists() else ()) <= began_changes
            interrupted += sum(item.status == "running" for item in run.items.values())
        engine.start()
        async with Client(engine.place.socket, name="anna", watch=True) as client:
            assert all(item.status != "running" for item in client.view.items.values())
            assert not any(item.settled and item.status == "interrupted" for item in client.view.items.values())
        engine.stop()
        assert record is not None
        ledger.holds(read_record(record)[1])
        assert not list(engine.folder.glob(".*.partial"))
        passed += ledger.passed
        record.rename(record.with_suffix(".over"))
        told, unknown, refused = (
            told + len(ledger.told), unknown + len(ledger.unknown), refused + len(ledger.refused)
        )  # fmt: skip
    assert told >= kills // 2
    assert passed or kills < 100
    print(
        f"\n{kills} kills ({at_start} on the way up) in {time.monotonic() - began:.0f} s: {told} acts acknowledged, "
        f"{refused} refused, {unknown} without an answer, {interrupted} checks cut off, "
        f"{passed} pause points passed"
    )
