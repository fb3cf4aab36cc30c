"""Gates in a run: armed by items, tripped by numbers, latched until a named person decides."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from pathlib import Path

import pytest

from metrics.samples import Measurement, utc_now
from state.events import Event
from state.record_file import RecordFile
from state.redact import Redactor
from state.replaying import outcome_data
from state.verdicts import Outcome
from tminus.client.requests import DecideGate
from tminus.definition import load
from tminus.engine import acts, gatekeeping
from tminus.engine.acts import Refusal
from tminus.engine.gate_keep import kept
from tminus.engine.gatekeeping import Gatekeeper
from tminus.engine.session import Session

CHECKLIST = """
schema = 1
title = "Gated"
[[gate]]
id = "errors"
text = ">10% errors for 15 seconds"
metric = "http.error_rate"
when = "> 10%"
for = "15s"
arm_at = "start"
no_data = "10s"
then = "rollback"
[[phase]]
id = "one"
title = "First"
  [[phase.step]]
  title = "Step"
    [[phase.step.item]]
    id = "start"
    text = "Start"
[[phase]]
id = "back"
title = "Back"
branch = "rollback"
  [[phase.step]]
  title = "Step"
    [[phase.step.item]]
    id = "restore"
    text = "Restore"
"""

ANNA = acts.Actor(name="anna", uid=os.getuid())


class Flight:
    """A session with gates, on a clock that the test turns by hand."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, checklist: str = CHECKLIST) -> None:
        self.now = 1000.0
        monkeypatch.setattr(gatekeeping, "clock", lambda: self.now)
        path = folder / "checklist.toml"
        path.write_text(checklist)
        self.path = folder / "record.toml"
        self.loaded, _ = load(path)

    @contextlib.asynccontextmanager
    async def open(self, before: bytes | None = None):
        session = Session(self.loaded.checklist, RecordFile(self.path), Redactor(), lambda _: "read")
        self.session, self.keeper = session, Gatekeeper(session, acts.Actor(name="tminus", uid=0), kept(before))
        self.events: list[Event] = []
        session.after_event(self.events.append)
        writer = asyncio.create_task(self.keeper.write())
        try:
            yield self
        finally:
            writer.cancel()
            await session.close()

    async def settle_start(self) -> None:
        request = acts_mark("start")
        await self.session.act(lambda run, now: acts.mark(self.loaded.checklist, run, ANNA, request, now))
        await self.written("gate.armed")

    async def written(self, kind: str) -> None:
        async with asyncio.timeout(20):
            while self.session.run.last is None or self.session.run.last.kind != kind:
                await asyncio.sleep(0.005)

    async def trips(self) -> None:
        """Waits until the trip is on disk."""
        await self.becomes("tripped")

    async def becomes(self, state: str) -> None:
        """Waits until the record says so of the gate."""
        async with asyncio.timeout(20):
            while self.session.run.gates["errors"].state != state:
                await asyncio.sleep(0.005)

    async def told_of(self, state: str) -> Event:
        """The event that made the gate STATE, once everybody was told; the record has it a moment before."""
        async with asyncio.timeout(20):
            while not (told := [event for event in self.events if event.to == state]):
                await asyncio.sleep(0.005)
        return told[0]

    def pass_seconds(self, count: int, bad: float | None) -> None:
        for _ in range(count):
            self.now += 1
            value = None if bad is None else bad / 10
            self.keeper.feed([Measurement("http.error_rate", value, 10, "ratio", utc_now(), bad=bad)])

    @property
    def gate(self):
        return self.session.view.gates["errors"]


def answer(decision: str, reason: str, until: str = "") -> DecideGate:
    return DecideGate(gate="errors", decision=decision, reason=reason, until=until)


def acts_mark(item: str):
    from tminus.client import MarkItem

    return MarkItem(item=item, mark="confirmed")


@pytest.fixture
def flight(tmp_path, monkeypatch) -> Flight:
    return Flight(tmp_path, monkeypatch)


async def test_a_gate_is_grey_until_its_item_is_settled(flight) -> None:
    async with flight.open():
        flight.pass_seconds(60, bad=9)
        assert flight.gate.state == "unarmed"
        await flight.settle_start()
        assert flight.gate.state == "unknown"
        assert flight.session.view.standing.go == "NO-GO"
        flight.pass_seconds(1, bad=0)
        assert flight.gate.state == "clear"
        assert flight.session.view.standing.go == "GO"


async def test_a_trip_latches_asks_for_a_decision_and_opens_the_rollback_only_by_it(flight) -> None:
    async with flight.open():
        await flight.settle_start()
        flight.pass_seconds(1, bad=0)
        flight.pass_seconds(15, bad=5)
        assert flight.gate.state == "breaching"
        flight.pass_seconds(1, bad=5)
        assert flight.gate.state == "breaching"  # not on disk yet, so not shown yet
        await flight.trips()
        await asyncio.sleep(0)
        assert flight.session.view.standing.go == "ROLL BACK"
        assert "50%" in flight.session.run.gates["errors"].why
        flight.pass_seconds(120, bad=0)
        assert flight.gate.state == "tripped"
        assert not flight.session.run.rollback_decided
        with pytest.raises(Refusal, match="reason"):
            await flight.session.act(lambda run, _: acts.decide_gate(run, ANNA, answer("roll-back", "yes")))
        await flight.session.act(
            lambda run, _: acts.decide_gate(run, ANNA, answer("roll-back", "half of all requests fail"))
        )
        assert flight.session.view.standing.phase == "back"
        assert flight.session.run.gates["errors"].decided_by == "anna"


async def test_to_go_on_takes_a_name_and_a_reason_and_the_gate_begins_anew(flight) -> None:
    async with flight.open():
        await flight.settle_start()
        flight.pass_seconds(1, bad=0)
        flight.pass_seconds(16, bad=5)
        await flight.trips()
        await flight.session.act(
            lambda run, _: acts.decide_gate(run, ANNA, answer("continue", "one bad client, now blocked"))
        )
        assert flight.gate.state == "unknown"
        flight.pass_seconds(1, bad=0)
        assert flight.session.view.standing.go == "GO"


async def test_no_data_never_trips_but_stands_against_go(flight) -> None:
    async with flight.open():
        await flight.settle_start()
        flight.pass_seconds(5, bad=0)
        flight.pass_seconds(60, bad=None)
        assert flight.gate.state == "unknown"
        assert flight.session.view.standing.go == "NO-GO"
        assert flight.session.run.gates["errors"].trips == 0


async def test_a_trip_survives_a_restart_and_an_armed_gate_is_blind_after_one(flight) -> None:
    async with flight.open():
        await flight.settle_start()
        flight.pass_seconds(3, bad=0)
    async with flight.open():
        assert flight.gate.state == "unknown" if flight.session.view.gates else True
        flight.pass_seconds(1, bad=0)
        flight.pass_seconds(16, bad=5)
        await flight.trips()
    async with flight.open():
        flight.pass_seconds(30, bad=0)
        assert flight.gate.state == "tripped"
        assert flight.session.view.standing.go == "ROLL BACK"


async def test_the_record_keeps_which_rule_tripped_why_and_from_what(flight) -> None:
    async with flight.open():
        await flight.settle_start()
        flight.pass_seconds(1, bad=0)
        flight.pass_seconds(16, bad=5)
        trip = await flight.told_of("tripped")
        assert trip.data["rule"] == "http.error_rate > 10%, sustained for 15s"
        assert (trip.data["value"], trip.data["of"]) == ("50.0%", 10)
        assert "tripped: err 50% > 10% for 00:15 of 00:15" in trip.reason


async def test_a_gate_that_sees_nothing_for_too_long_asks_for_a_person(flight) -> None:
    async with flight.open():
        await flight.settle_start()
        flight.pass_seconds(5, bad=0)
        assert not flight.gate.asks
        flight.pass_seconds(15, bad=None)
        await flight.becomes("blind")
        flight.pass_seconds(1, bad=None)
        assert flight.gate.asks and flight.gate.state == "unknown"
        assert flight.session.run.gates["errors"].trips == 0
        extension = answer("extend", "the metrics page is being restarted", "5m")
        await flight.session.act(lambda run, _: acts.decide_gate(run, ANNA, extension))
        assert not flight.gate.asks
        assert flight.session.view.standing.go == "NO-GO"


async def test_an_extension_lasts_as_long_as_the_person_said(flight) -> None:
    async with flight.open():
        await flight.settle_start()
        flight.pass_seconds(1, bad=0)
        flight.pass_seconds(16, bad=5)
        await flight.trips()
        for until, why in (("1999-01-01T00:00:00Z", "past"), ("soon", "no moment")):
            late = answer("extend", "the fix is on its way", until)
            with pytest.raises(Refusal, match=why):
                await flight.session.act(lambda run, _, late=late: acts.decide_gate(run, ANNA, late))
        request = answer("extend", "the fix is on its way", "60s")
        await flight.session.act(lambda run, _: acts.decide_gate(run, ANNA, request))
        flight.pass_seconds(58, bad=5)
        await asyncio.sleep(0)
        assert flight.session.run.gates["errors"].trips == 1
        flight.pass_seconds(5, bad=5)
        async with asyncio.timeout(20):
            while flight.session.run.gates["errors"].trips < 2:
                await asyncio.sleep(0.005)


async def test_a_short_restart_goes_on_where_the_gate_was(flight) -> None:
    async with flight.open():
        await flight.settle_start()
        flight.pass_seconds(1, bad=0)
        flight.pass_seconds(10, bad=5)
        before = flight.keeper.keep_running()
    async with flight.open(before):
        flight.pass_seconds(6, bad=5)
        await flight.trips()


async def test_after_a_long_restart_the_clock_begins_anew(flight, monkeypatch) -> None:
    async with flight.open():
        await flight.settle_start()
        flight.pass_seconds(1, bad=0)
        flight.pass_seconds(10, bad=5)
        before = flight.keeper.keep()
    wall = time.time()
    monkeypatch.setattr(gatekeeping.time, "time", lambda: wall + 60)
    async with flight.open(before):
        flight.pass_seconds(10, bad=5)
        assert flight.gate.state == "breaching"
        assert flight.session.run.gates["errors"].trips == 0


async def test_a_trip_that_did_not_reach_the_disk_is_written_after_the_restart(flight) -> None:
    async with flight.open():
        await flight.settle_start()
        flight.pass_seconds(1, bad=0)
        flight.pass_seconds(16, bad=5)
        before = flight.keeper.keep()
        flight.keeper._writing = asyncio.Queue()  # the engine dies before it is written
    async with flight.open(before):
        flight.pass_seconds(1, bad=5)
        await flight.trips()


async def test_what_was_kept_of_another_rule_or_is_rubbish_is_not_believed(flight) -> None:
    async with flight.open():
        await flight.settle_start()
        flight.pass_seconds(1, bad=0)
        flight.pass_seconds(14, bad=5)
        before = flight.keeper.keep()
    for rubbish in (b"{", b"[]", before.replace(b'"rule":"', b'"rule":"x'), before.replace(b'"phase"', b'"faze"')):
        async with flight.open(rubbish):
            flight.pass_seconds(3, bad=5)
            assert flight.session.run.gates["errors"].trips == 0


async def test_a_gate_that_flaps_is_one_line_of_the_record_not_hundreds(flight) -> None:
    async with flight.open():
        await flight.settle_start()
        for _ in range(40):
            flight.pass_seconds(1, bad=5)
            flight.pass_seconds(1, bad=0)
        await flight.told_of("flapping")
        assert flight.gate.flapping
        changes = [event.to for event in flight.events if event.kind == "gate.changed"]
        assert changes.count("flapping") == 1 and len(changes) < 10
        assert flight.session.view.standing.go == "NO-GO"


async def test_a_limit_that_is_a_multiple_of_a_baseline_waits_for_it_and_then_holds(tmp_path, monkeypatch) -> None:
    relative = CHECKLIST.replace('when = "> 10%"', 'when = "> 2x baseline"').replace(
        'text = "Start"',
        'text = "Start"\n    [[phase.step.item]]\n    id = "base"\n    text = "Base"\n    check = "metrics.baseline"\n'
        '    with = { metrics = ["http.error_rate"], over = "1m" }',
    )
    flight = Flight(tmp_path, monkeypatch, relative)
    async with flight.open():
        await flight.settle_start()
        flight.pass_seconds(60, bad=9)
        assert flight.gate.state == "unknown" and flight.session.run.gates["errors"].trips == 0
        seen = Outcome.passed("seen", evidence={"http.error_rate": 0.2})
        look = acts.event("check.finished", ANNA, item="base", to="pass", data=outcome_data(seen, 1.0))
        await flight.session.act(lambda run, now: look)
        flight.pass_seconds(20, bad=3)
        assert flight.gate.state == "clear"
        flight.pass_seconds(16, bad=5)
        await flight.trips()
        assert "40%" in flight.session.run.gates["errors"].why


async def test_a_rollback_decided_without_sight_is_decided_once_and_survives_a_restart(flight) -> None:
    async with flight.open():
        await flight.settle_start()
        flight.pass_seconds(15, bad=None)
        await flight.becomes("blind")
        rollback = answer("roll-back", "nobody can see anything any more")
        await flight.session.act(lambda run, _: acts.decide_gate(run, ANNA, rollback))
        flight.pass_seconds(5, bad=0)
        await asyncio.sleep(0.05)
        before = flight.keeper.keep()
        assert flight.session.run.gates["errors"].decision == "roll-back"
    for kept_before in (before, None):
        async with flight.open(kept_before):
            flight.pass_seconds(5, bad=0)
            await asyncio.sleep(0.05)
            assert flight.session.run.gates["errors"].decision == "roll-back"
            assert flight.session.run.rollback_decided and not flight.gate.asks


async def test_evidence_that_a_record_cannot_hold_does_not_keep_a_trip_out_of_it(flight) -> None:
    async with flight.open():
        await flight.settle_start()
        huge = Measurement("http.error_rate", 0.5, 10, "ratio", utc_now(), {"n": 2**70}, bad=5.0)
        for _ in range(17):
            flight.now += 1
            flight.keeper.feed([huge])
        trip = await flight.told_of("tripped")
        assert trip.data == {} and "err 50%" in trip.reason
