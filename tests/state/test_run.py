"""Events become state: by replay and by appending alike, and what was cut off is never passed."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from state_strategies import event, outcomes, runs

from state.events import Event
from state.record import parse, projection, render
from state.record_file import RecordFile
from state.replaying import apply, outcome_data, replay
from state.run import verdict_key
from state.verdicts import Mark, Outcome, Verdict


@settings(max_examples=40, deadline=None)
@given(runs())
def test_replay_equals_what_was_appended_and_its_projection(events: list[Event]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        record = RecordFile(Path(folder) / "run.toml")
        for one in events:
            record.append(one)
        assert record.state == replay(events)
        state, lines = record.snapshot()
        assert projection(parse(render(state, lines))[0]) == projection(replay(events))
        record.close()
        again = RecordFile(Path(folder) / "run.toml")
        assert again.state == replay(events)
        again.close()


@given(outcomes())
def test_a_check_that_ran_when_the_engine_died_is_interrupted_and_has_no_verdict(outcome: Outcome) -> None:
    state = replay(
        [
            event("check.finished", item="a", to=str(outcome.verdict), data=outcome_data(outcome, 1.0)),
            event("check.started", item="a"),
            event("engine.started", to="resumed"),
        ]
    )
    assert (state.item("a").status, state.item("a").outcome) == ("interrupted", None)


@given(outcomes(), outcomes())
def test_a_confirmation_survives_a_new_look_only_when_it_passes(first: Outcome, second: Outcome) -> None:
    state = replay([event("check.finished", item="a", to=str(first.verdict), data=outcome_data(first, 1.0))])
    state = apply(state, event("mark", item="a", to="confirmed", data={"evidence": first.digest}))
    state = apply(state, event("check.finished", item="a", to=str(second.verdict), data=outcome_data(second, 1.0)))
    assert state.item("a").mark is (Mark.CONFIRMED if second.verdict is Verdict.PASS else Mark.OPEN)


@given(outcomes(), outcomes())
def test_a_waiver_drops_when_what_was_seen_changes(first: Outcome, second: Outcome) -> None:
    state = replay([event("check.finished", item="a", to=str(first.verdict), data=outcome_data(first, 1.0))])
    waived = event("mark", item="a", to="waived", reason="known and harmless", data={"waives": verdict_key(first)})
    state = apply(state, waived)
    state = apply(state, event("check.finished", item="a", to=str(second.verdict), data=outcome_data(second, 1.0)))
    same = verdict_key(first) == verdict_key(second)
    assert state.item("a").mark is (Mark.WAIVED if same else Mark.OPEN)


def test_who_waived_one_row_did_not_waive_a_thousand() -> None:
    one, thousand = (Outcome.failed(f"{n} rows differ", expected="0 rows differ") for n in (1, 1000))
    assert verdict_key(one) != verdict_key(thousand)


def test_the_same_person_twice_is_one_confirmation_and_another_adds_to_it() -> None:
    marks = [event("mark", item="a", to="confirmed", uid=uid) for uid in (1000, 1000, 1001)]
    assert [c.uid for c in replay(marks).item("a").confirmations] == [1000, 1001]


def test_a_tripped_gate_needs_a_new_decision_when_it_trips_again() -> None:
    state = replay(
        [
            event("gate.armed", item="g"),
            event("gate.changed", item="g", to="tripped", reason="12%"),
            event("gate.decided", item="g", to="continue", reason="a known batch job"),
            event("gate.changed", item="g", to="tripped", reason="60%"),
        ]
    )
    assert (state.gates["g"].decision, state.gates["g"].trips) == ("", 2)


def test_a_decision_to_roll_back_stays_decided() -> None:
    state = replay([event("gate.decided", item="g", to="roll-back", reason="12% for 15 minutes")])
    assert state.rollback_decided


def test_a_hold_is_open_until_its_own_release() -> None:
    state = replay(
        [
            event("hold.raised", reason="wait, the disk", data={"id": 1}, utc="2026-11-22T20:00:00.000Z"),
            event("hold.raised", reason="and the backup", data={"id": 2}),
            event("hold.released", data={"id": 1}),
        ]
    )
    assert [hold.id for hold in state.open_holds] == [2]
