"""A recurring item is open again when its next round is due, and its earlier rounds are kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from state.definition import Checklist
from state.due import due
from state.events import Actor, Event, chained, plain, utc_text
from state.record import event_line, parse, render
from state.replaying import apply, outcome_data
from state.run import RunState
from state.settled import due_again, settled, why_open
from state.verdicts import Mark, Outcome, Verdict
from tests.engine.conftest import Flying, until
from tminus.client.requests import MarkItem
from tminus.engine import acts
from tminus.engine.views import item_view
from tminus.launch import is_up
from tminus.places import place_of

T0 = datetime(2026, 11, 22, 10, tzinfo=UTC)
ANNA, BEN = Actor(name="anna", uid=1), Actor(name="ben", uid=2)


def hours(count: float) -> datetime:
    return T0 + timedelta(hours=count)


class Flown:
    """A run of one recurring item, at whatever time the test says."""

    def __init__(self, **item: Any) -> None:
        rows = [{"id": "review", "text": "Review", "every": "4h", "until": "24h", "expect": "10m", **item}]
        phase = {"id": "p", "title": "P", "at": "T+2h", "step": [{"title": "s", "item": rows}]}
        self.checklist = msgspec.convert({"schema": 1, "title": "t", "phase": [phase]}, Checklist)
        self.item = self.checklist.items["review"]
        self.events: list[Event] = []
        self.run = RunState()
        self.happen(acts.event("run.created", ANNA, data={"t0": utc_text(T0), "title": "t"}), T0)

    def happen(self, event: Event, at: datetime) -> None:
        before = self.events[-1] if self.events else None
        event = plain(chained(before, msgspec.structs.replace(event, utc=utc_text(at))))
        self.events.append(event)
        self.run = apply(self.run, event)

    @property
    def state(self):
        return self.run.item("review")

    def mark(self, at: datetime, mark: str = "confirmed", who: Actor = ANNA, **more: Any) -> None:
        seen = self.state.outcome.digest if self.state.outcome else ""
        request = MarkItem(item="review", mark=mark, evidence=seen, **more)
        self.happen(acts.mark(self.checklist, self.run, who, request, at), at)

    def look(self, at: datetime, verdict: Verdict = Verdict.PASS) -> None:
        anew = acts.begins_round(self.item, self.state, at)
        data = {"round": len(self.state.rounds) + 2} if anew else {}
        self.happen(acts.event("check.started", ANNA, item="review", data=data), at)
        said = outcome_data(Outcome.of(verdict, f"seen at {at:%H}", observed_at=at), 1.0)
        self.happen(acts.event("check.finished", ANNA, item="review", to=str(verdict), data=said), at)

    def due(self, at: datetime):
        (one,) = due(self.checklist, self.run, at)
        return one

    def settled(self, at: datetime) -> bool:
        return settled(self.item, self.state, at)


def test_it_is_settled_until_its_next_round_is_due_and_then_open_again():
    run = Flown()
    run.mark(hours(2))
    assert run.settled(hours(5.9)) and not run.settled(hours(6))
    assert why_open(run.item, run.state, hours(7)) == "due again since 2026-11-22T16:00:00.000Z"
    run.mark(hours(7))
    assert run.settled(hours(10.9)) and not run.settled(hours(11))


def test_each_round_is_kept_with_who_said_what_and_when():
    run = Flown()
    run.mark(hours(2), value="none")
    run.mark(hours(6), "skipped", reason="nobody was awake then")
    run.mark(hours(10), who=ANNA)
    kept = [(one.utc[11:16], one.mark, one.by, one.reason, one.value) for one in run.state.rounds]
    assert kept == [
        ("12:00", "confirmed", ("anna",), "", "none"),
        ("16:00", "skipped", ("anna",), "nobody was awake then", ""),
    ]
    assert run.state.mark is Mark.CONFIRMED and run.state.reason == "" and run.state.value == ""


def test_the_record_shows_the_rounds_and_reads_back_to_the_same_state():
    run = Flown()
    for at in (2, 6, 10):
        run.mark(hours(at))
    text = render(run.run, [event_line(event) for event in run.events])
    assert text.count("[[item.round]]") == 2
    assert parse(text)[0] == run.run


def test_so_many_rounds_as_fit_into_its_time_and_then_no_more():
    run = Flown()
    for count, at in enumerate(range(2, 26, 4), 1):
        assert run.due(hours(at)).standing == "due", at
        run.mark(hours(at))
        assert run.due(hours(at)).rounds == count
    assert run.due(hours(1000)).standing == "over" and run.settled(hours(1000))


def test_undoing_opens_the_round_that_is_and_keeps_those_before():
    run = Flown()
    run.mark(hours(2))
    run.mark(hours(6))
    run.mark(hours(6.1), "open")
    assert not run.settled(hours(6.2)) and len(run.state.rounds) == 1
    assert run.due(hours(6.2)).at == hours(6)


def test_the_same_said_twice_at_once_is_one_round_and_said_early_is_the_next():
    run = Flown()
    run.mark(hours(2))
    run.mark(hours(2.1))
    assert run.state.rounds == ()
    run.mark(hours(5))
    assert len(run.state.rounds) == 1 and run.due(hours(5)).at == hours(9)


@pytest.mark.parametrize(("mark", "standing"), [("n/a", "aside"), ("waived", "aside"), ("skipped", "overdue")])
def test_what_does_not_apply_is_never_due_again_but_what_was_skipped_is(mark, standing):
    run = Flown()
    run.mark(hours(2), mark, reason="for a good reason")
    assert run.due(hours(12)).standing == standing


def test_a_check_looks_anew_in_each_round_and_what_it_saw_before_is_kept():
    run = Flown(check="x.y", marks="check")
    run.look(hours(2))
    assert run.settled(hours(3)) and not run.settled(hours(6))
    run.look(hours(6), Verdict.FAIL)
    assert run.due(hours(6.1)).why == "fail: seen at 16"
    assert [(one.verdict, one.actual) for one in run.state.rounds] == [("pass", "seen at 12")]
    run.look(hours(7))
    assert run.settled(hours(8)) and len(run.state.rounds) == 1


def test_evidence_that_grew_stale_before_the_round_was_due_does_not_unmake_the_round():
    run = Flown(check="x.y", marks="check", fresh_for="1h")
    run.look(hours(2))
    assert due_again(run.item, run.state, hours(6.5))
    run.look(hours(6.5))
    assert len(run.state.rounds) == 1


def test_a_person_confirms_the_look_of_this_round_not_of_the_last():
    run = Flown(check="x.y")
    run.look(hours(2))
    run.mark(hours(2.1))
    assert run.settled(hours(5.9)) and not run.settled(hours(6))
    with pytest.raises(acts.Refusal, match="begins with a look"):
        run.mark(hours(6.5))
    run.look(hours(6.5))
    assert why_open(run.item, run.state, hours(6.6)) == "not confirmed yet"
    run.mark(hours(6.6))
    assert run.settled(hours(6.7)) and run.state.rounds[0].by == ("anna",)


def test_a_second_person_confirms_every_round():
    run = Flown(pair=True)
    run.mark(hours(2))
    run.mark(hours(2.1), who=BEN)
    assert run.settled(hours(3))
    run.mark(hours(7))
    assert why_open(run.item, run.state, hours(7.1)) == "waits for a second person"
    run.mark(hours(7.2), who=BEN)
    assert run.settled(hours(8)) and run.state.rounds[0].by == ("anna", "ben")


def test_the_screen_shows_an_item_that_is_due_again_without_the_marks_of_its_last_round():
    run = Flown()
    run.mark(hours(2))
    view = item_view(run.checklist, run.run, run.item, hours(7))
    assert (view.mark, view.said, view.settled) == ("open", (), False)
    assert item_view(run.checklist, run.run, run.item, hours(3)).mark == "confirmed"


def test_before_its_phase_it_is_to_come_then_due_then_overdue():
    run = Flown()
    stands = [(run.due(hours(at)).standing, run.due(hours(at)).at) for at in (1.9, 2, 2.2)]
    assert stands == [("later", hours(2)), ("due", hours(2)), ("overdue", hours(2))]


def test_a_run_without_t0_cannot_tell_and_a_closed_one_has_nothing_due():
    run = Flown()
    run.run = msgspec.structs.replace(run.run, meta={})
    with pytest.raises(ValueError, match="no T0"):
        run.due(hours(2))
    run = Flown()
    run.happen(acts.event("run.closed", ANNA), hours(1))
    assert run.due(hours(9)).standing == "over"


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0.1, 9), min_size=1, max_size=12))
def test_whatever_the_gaps_it_is_settled_or_due_and_no_round_is_lost(gaps: list[float]):
    run, at, said = Flown(until=None), 2.0, 0
    for gap in gaps:
        at += gap
        late = due_again(run.item, run.state, hours(at))
        assert run.settled(hours(at)) == (said > 0 and not late)
        assert run.due(hours(at)).is_due == (not run.settled(hours(at)))
        if late or not said:
            run.mark(hours(at))
            said += 1
    assert run.due(hours(at)).rounds == len(run.state.rounds) + 1 == said


RECURS = """
schema = 1
title = "Small"
[[phase]]
id = "one"
title = "First"
[[phase.step]]
title = "s"
[[phase.step.item]]
id = "review"
text = "Review"
every = "1s"
"""


async def test_an_engine_opens_it_again_by_itself_and_the_record_tells_both_rounds(checklist: Path) -> None:
    checklist.write_text(RECURS)
    flying = Flying(checklist, place_of(checklist))
    flying.start()
    try:
        async with flying.client() as client:
            await client.ask(MarkItem(item="review", mark="confirmed"))
            await until(client, lambda view: view.items["review"].settled)
            view = await until(client, lambda view: not view.items["review"].settled)
            assert view.items["review"].mark == "open" and view.standing.go == "NO-GO"
            assert view.standing.blockers[0].why.startswith("due again since ")
        assert flying.tminus("confirm", "review").returncode == 0
        assert flying.tminus("stop").returncode == 0
        run, _ = flying.recorded()
        assert len(run.items["review"].rounds) == 1
    finally:
        if is_up(flying.place):
            flying.kill()
