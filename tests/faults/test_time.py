"""Clocks that are set, machines that sleep, engines that are stopped: said in the record, and nothing green by it."""

from __future__ import annotations

import asyncio
import os
import signal
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from state.record_file import RecordFile
from state.redact import Redactor
from state.replaying import outcome_data
from state.verdicts import Outcome, Verdict
from tests.engine.conftest import CHECKLIST, until
from tests.faults.conftest import Engine, Nest, soon
from tminus.client import Client, RunCheck
from tminus.definition import load
from tminus.engine import acts, session
from tminus.engine.drifting import DefinitionFile
from tminus.engine.heartbeat import GAP, Beat, Heartbeat
from tminus.engine.session import Session
from tminus.engine.vigil import Vigil

ANNA = acts.Actor(name="anna", uid=os.getuid())
HOUR = 3600.0


class Clocks:
    """Both clocks, turned by hand."""

    def __init__(self) -> None:
        self.wall, self.seconds = datetime.now(UTC), 1000.0

    def __call__(self) -> Beat:
        return Beat(self.wall, self.seconds)

    def pass_seconds(self, seconds: float, *, step: float = 0.0) -> None:
        """SECONDS pass, and somebody sets the wall clock by STEP."""
        self.seconds += seconds
        self.wall += timedelta(seconds=seconds + step)


def test_seconds_that_pass_are_nothing_to_tell() -> None:
    clocks = Clocks()
    heart = Heartbeat(clocks)
    for late in (1.0, 1.2, 3.0, GAP - 1, 0.0):
        clocks.pass_seconds(late, step=0.01)  # a clock that is slewed
        assert heart.beat() == ()
    assert heart.seen_no_later_than(0.0) is None


@pytest.mark.parametrize(("step", "way"), [(-HOUR, "back by 1h"), (HOUR, "forward by 1h"), (-3.0, "back by 3s")])
def test_a_clock_that_was_set_is_said_with_both_times(step: float, way: str) -> None:
    clocks = Clocks()
    heart = Heartbeat(clocks)
    clocks.pass_seconds(1.0, step=step)
    (said,) = heart.beat()
    assert way in said and clocks.wall.strftime("%H:%M:%S") in said
    clocks.pass_seconds(1.0)
    assert heart.beat() == ()


def test_a_time_of_standing_still_is_said_and_what_was_seen_is_as_old_as_the_moment_before() -> None:
    clocks = Clocks()
    heart = Heartbeat(clocks)
    before, began = clocks.wall, clocks.seconds
    clocks.pass_seconds(300)
    assert heart.seen_no_later_than(began) == before  # also before any beat has shown it
    (said,) = heart.beat()
    assert "stood still for 5m" in said
    assert heart.seen_no_later_than(began) == before
    assert heart.seen_no_later_than(clocks.seconds) is None  # a look that began after it


class Run:
    """A session whose wall clock is turned by hand, and the vigil over it."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clocks = Clocks()

        class Turned(datetime):
            @classmethod
            def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
                return self.clocks.wall

        for module in (session, acts):
            monkeypatch.setattr(module, "datetime", Turned)
        path = folder / "checklist.toml"
        path.write_text(CHECKLIST.replace('text = "Look at it"', 'text = "Look at it"\n    fresh_for = "10m"'))
        loaded, _ = load(path)
        self.checklist = loaded.checklist
        self.session = Session(loaded.checklist, RecordFile(folder / "record.toml"), Redactor(), lambda _: "read")
        self.vigil = Vigil(self.session, ANNA, DefinitionFile(loaded), Heartbeat(self.clocks))

    async def act(self, kind: str, **fields: object) -> None:
        await self.session.act(lambda run, now: acts.event(kind, ANNA, **fields))

    async def see(self, item: str) -> None:
        seen = outcome_data(Outcome.of(Verdict.PASS, "seen", observed_at=self.clocks.wall), 1.0)
        await self.act("check.started", item=item)
        await self.act("check.finished", item=item, to="pass", data=seen)


@pytest.mark.parametrize("step", [-HOUR, HOUR])
async def test_evidence_from_before_the_clock_was_set_is_stale_and_the_record_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: float
) -> None:
    run = Run(tmp_path, monkeypatch)
    await run.act("run.created", data={"id": "x"})
    await run.see("look")
    assert run.session.view.items["look"].settled
    run.clocks.pass_seconds(1.0, step=step)
    await run.vigil.look()
    look = run.session.view.items["look"]
    assert (look.verdict, look.settled) == ("stale", False)
    assert "the clock of this machine was set" in run.session.run.notes[-1].text
    await run.see("look")
    assert run.session.view.items["look"].settled
    await run.session.close()
    again = RecordFile(tmp_path / "record.toml")  # which verifies it: the order is that of the numbers
    assert [event.seq for event in (again.state.last,) if event] == [run.session.run.last.seq]  # type: ignore[union-attr]
    again.close()


async def test_a_waiver_has_ended_when_the_clock_went_past_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run(tmp_path, monkeypatch)
    await run.act("run.created", data={"id": "x"})
    until_then = (run.clocks.wall + timedelta(minutes=30)).isoformat()
    await run.act("mark", item="say", to="waived", reason="for half an hour", data={"until": until_then})
    assert run.session.view.items["say"].settled
    run.clocks.pass_seconds(1.0, step=HOUR)
    await run.vigil.look()
    assert not run.session.view.items["say"].settled
    await run.session.close()


GATED = """
[[gate]]
id = "memory"
text = "Memory in use"
metric = "host.memory"
mode = "sustained"
for = "2s"
when = "> 100%"
interval = "200ms"
min_volume = 1
then = "rollback"

[metrics.host]
interval = "200ms"
"""


async def test_an_engine_that_was_stopped_sees_a_gap_and_takes_nothing_from_before_it_as_fresh(
    nest: Nest, engine: Engine
) -> None:
    engine.stop()
    engine.checklist.write_text(
        CHECKLIST.replace('["echo", ', '["sh", "-c", "touch begun; until [ -e go ]; do sleep 0.02; done", ').replace(
            'text = "Look at it"', 'text = "Look at it"\n    fresh_for = "1s"'
        )
        + GATED
    )
    engine.launch("gap=1.5")
    soon(lambda: engine.listens, "the engine to listen")
    go = engine.checklist.with_name("go")
    async with Client(engine.place.socket, name="anna", watch=True) as client:
        await until(client, lambda v: "memory" in v.gates and v.gates["memory"].state == "clear")
        await client.ask(RunCheck(item="look"))
        soon(engine.checklist.with_name("begun").exists, "the look to begin")
        engine.signal(signal.SIGSTOP)
        try:
            go.touch()  # the program ends well while nobody hears of it
            await asyncio.sleep(2.5)
        finally:
            engine.signal(signal.SIGCONT)
        view = await until(client, lambda v: v.items["look"].verdict not in ("", "pass"))
        assert view.items["look"].verdict == "stale" and not view.items["look"].settled
        assert "pass" in [one.verdict for one in view.items["look"].tries]
    engine.stop()
    run, events = engine.recorded()
    assert any("stood still for" in note.text for note in run.notes)
    assert any(event.kind == "gate.changed" and event.to == "unknown" for event in events), [
        (event.kind, event.to) for event in events if event.item == "memory"
    ]
