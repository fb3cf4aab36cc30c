"""The one predicate, and the verdict over the run: unknown is never green."""

from __future__ import annotations

from datetime import timedelta
from itertools import product
from typing import Any

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from state_strategies import START, reasons

from state.definition import Checklist
from state.events import utc_text
from state.run import Confirmation, GateRecord, Hold, ItemState, RunState, verdict_key
from state.settled import GateLight, Go, current_phase, settled, shown_verdict, standing, why_open
from state.verdicts import Mark, Outcome, Verdict

NOW = START + timedelta(minutes=10)
OVERRIDES = (Mark.SKIPPED, Mark.WAIVED, Mark.NOT_APPLICABLE)


def checklist(*items: dict[str, Any], gates: list[dict[str, Any]] | None = None) -> Checklist:
    rows = [{"text": "x", **item} for item in items]
    phases: list[dict[str, Any]] = [{"id": "p", "title": "p", "step": [{"title": "s", "item": rows}]}]
    phases.append({"id": "q", "title": "q", "step": [{"title": "s", "item": [{"id": "later", "text": "x"}]}]})
    back = [{"title": "s", "item": [{"id": "undo", "text": "x"}]}]
    phases.append({"id": "r", "title": "r", "branch": "rollback", "step": back})
    return msgspec.convert({"schema": 1, "title": "t", "phase": phases, "gate": gates or []}, Checklist)


def seen(verdict: Verdict, at: Any = START) -> Outcome:
    return Outcome.of(verdict, "actual", expected="expected", observed_at=at)


def confirmed(*uids: int, evidence: str = "e1", **values: Any) -> ItemState:
    said = tuple(Confirmation(actor=f"u{uid}", uid=uid, utc=utc_text(NOW), evidence=evidence) for uid in uids)
    return ItemState(mark=Mark.CONFIRMED, confirmations=said, marked_at=utc_text(NOW), **values)


@st.composite
def states(draw: st.DrawFn) -> ItemState:
    outcome = draw(st.none() | st.sampled_from(Verdict).map(seen))
    uids = draw(st.lists(st.sampled_from([1, 2]), unique=True))
    state = confirmed(*uids, evidence=draw(st.sampled_from(["", "e1"])), outcome=outcome)
    return msgspec.structs.replace(
        state,
        mark=draw(st.sampled_from(Mark)),
        status=draw(st.sampled_from(["idle", "running", "interrupted"])),
        reason=draw(st.sampled_from(["", "short"]) | reasons),
        waiver_evidence=draw(st.sampled_from(["", verdict_key(outcome)])),
        waiver_until=draw(st.sampled_from(["", utc_text(NOW), utc_text(NOW + timedelta(hours=1))])),
    )


items = st.fixed_dictionaries(
    {"id": st.just("a"), "check": st.sampled_from(["", "x.y"]), "pair": st.booleans(), "critical": st.booleans()},
    optional={"marks": st.sampled_from(["check", "human", "both"]), "fresh_for": st.sampled_from(["1m", "1h"])},
)


@settings(max_examples=300)
@given(items, states())
def test_what_nobody_knows_never_settles_an_item_and_never_gives_go(keys: dict[str, Any], state: ItemState) -> None:
    one = checklist(keys)
    item = one.items["a"]
    assume(item.needs_check)
    shown = shown_verdict(item, state, NOW)
    assume(shown is None or not shown.is_known)
    run = RunState(items={"a": state})
    if state.mark not in OVERRIDES:
        assert not settled(item, state, NOW)
        assert standing(one, run, {}, NOW).go is not Go.GO
    elif settled(item, state, NOW):
        assert len(state.reason.strip()) >= 10


@settings(max_examples=300)
@given(items, states())
def test_a_settled_item_has_all_that_its_marks_ask_for(keys: dict[str, Any], state: ItemState) -> None:
    item = checklist(keys).items["a"]
    if not settled(item, state, NOW):
        assert why_open(item, state, NOW)
        return
    assert state.status == "idle"
    assert state.mark is not Mark.FAILED
    if state.mark in OVERRIDES:
        assert len(state.reason.strip()) >= 10
        assert not (item.critical and state.mark is Mark.SKIPPED)
        return
    if item.needs_check:
        good = {Verdict.PASS, Verdict.WARN} if item.needs_human else {Verdict.PASS}
        assert shown_verdict(item, state, NOW) in good
    if item.needs_human:
        counted = [c for c in state.confirmations if c.evidence or not item.needs_check]
        assert state.mark is Mark.CONFIRMED
        assert len({c.uid for c in counted}) >= (2 if item.pair else 1)


@pytest.mark.parametrize(
    ("keys", "state", "why"),
    [
        ({}, ItemState(), "not confirmed yet"),
        ({}, confirmed(1), ""),
        ({"pair": True}, confirmed(1), "waits for a second person"),
        ({"pair": True}, confirmed(1, 2), ""),
        ({"check": "x"}, ItemState(), "not checked yet"),
        ({"check": "x"}, ItemState(outcome=seen(Verdict.PASS)), "not confirmed yet"),
        ({"check": "x"}, confirmed(1, outcome=seen(Verdict.PASS)), ""),
        ({"check": "x"}, confirmed(1, outcome=seen(Verdict.WARN)), ""),
        ({"check": "x"}, confirmed(1, outcome=seen(Verdict.FAIL)), "fail: actual"),
        (
            {"check": "x"},
            confirmed(1, evidence="", outcome=seen(Verdict.PASS)),
            "confirmed before there was anything",
        ),
        ({"check": "x", "marks": "check"}, ItemState(outcome=seen(Verdict.PASS)), ""),
        ({"check": "x", "marks": "check"}, ItemState(outcome=seen(Verdict.WARN)), "warn: actual"),
        ({"check": "x", "marks": "human"}, confirmed(1, evidence=""), ""),
        ({"critical": True}, ItemState(mark=Mark.SKIPPED, reason="not needed today"), "critical: may not be skipped"),
        ({}, ItemState(mark=Mark.SKIPPED, reason="not needed today"), ""),
        ({}, ItemState(mark=Mark.SKIPPED, reason="no"), "skipped without a reason"),
        ({}, ItemState(mark=Mark.FAILED, reason="the disk is full"), "marked failed: the disk is full"),
        ({}, confirmed(1, status="running"), "running"),
        ({}, confirmed(1, status="interrupted"), "interrupted"),
    ],
)
def test_what_an_item_still_needs(keys: dict[str, Any], state: ItemState, why: str) -> None:
    said = why_open(checklist({"id": "a", **keys}).items["a"], state, NOW)
    assert said.startswith(why) if why else not said


def test_a_waiver_ends_at_its_time_and_with_its_evidence() -> None:
    item = checklist({"id": "a", "check": "x"}).items["a"]
    waived = ItemState(
        mark=Mark.WAIVED,
        reason="known and harmless",
        outcome=seen(Verdict.FAIL),
        waiver_evidence=verdict_key(seen(Verdict.FAIL)),
        waiver_until=utc_text(NOW),
    )
    assert not why_open(item, waived, NOW - timedelta(seconds=1))
    assert why_open(item, waived, NOW).startswith("the waiver ended")
    other = msgspec.structs.replace(waived, outcome=seen(Verdict.ERROR))
    assert why_open(item, other, START) == "the evidence changed since the waiver"


def test_evidence_that_was_confirmed_fresh_stays_but_a_later_look_ages() -> None:
    item = checklist({"id": "a", "check": "x", "fresh_for": "15m"}).items["a"]
    state = confirmed(1, outcome=seen(Verdict.PASS), finished_at=utc_text(START))
    assert settled(item, state, NOW + timedelta(days=1))
    again = msgspec.structs.replace(
        state, outcome=seen(Verdict.PASS, NOW + timedelta(hours=1)), finished_at=utc_text(NOW + timedelta(hours=1))
    )
    assert settled(item, again, NOW + timedelta(hours=1, minutes=5))
    assert why_open(item, again, NOW + timedelta(hours=2)) == "stale: run it again"


def test_a_look_in_the_future_or_at_no_known_hour_is_stale() -> None:
    assert seen(Verdict.PASS, NOW + timedelta(minutes=1)).as_seen_at(NOW, 60) is Verdict.STALE
    assert seen(Verdict.PASS, NOW.replace(tzinfo=None)).as_seen_at(NOW, None) is Verdict.STALE


GATE = {"id": "g", "text": "g", "metric": "m", "when": "> 1", "for": "1m", "arm_at": "a"}
DONE = RunState(items={"a": confirmed(1)})


@pytest.mark.parametrize("then", ["warn", "hold", "rollback"])
@pytest.mark.parametrize("light", ["unarmed", "pending", "unknown", "recovering", "tripped", "anything", None])
def test_an_armed_gate_that_is_not_clear_never_gives_go(then: str, light: str | None) -> None:
    one = checklist({"id": "a"}, gates=[{**GATE, "then": then}])
    run = msgspec.structs.replace(DONE, gates={"g": GateRecord(armed=True, state="clear")})
    lights = {"g": GateLight("g", light)} if light else {}
    found = standing(one, run, lights, NOW)
    assert found.go is Go.NO_GO
    assert [b.kind for b in found.blockers] == ["gate"]
    assert standing(one, run, {"g": GateLight("g", "clear")}, NOW).go is Go.GO


@pytest.mark.parametrize(("then", "go"), [("warn", Go.NO_GO), ("hold", Go.HOLD), ("rollback", Go.ROLL_BACK)])
def test_a_tripped_gate_demands_what_it_says_until_somebody_decides(then: str, go: Go) -> None:
    one = checklist({"id": "a"}, gates=[{**GATE, "then": then}])
    clear = {"g": GateLight("g", "clear")}
    tripped = GateRecord(armed=True, state="tripped", why="12%")
    assert standing(one, msgspec.structs.replace(DONE, gates={"g": tripped}), clear, NOW).go is go
    decided = msgspec.structs.replace(tripped, decision="continue")
    assert standing(one, msgspec.structs.replace(DONE, gates={"g": decided}), clear, NOW).go is Go.GO


def test_an_unarmed_gate_is_silent_but_one_that_arms_itself_counts_from_the_start() -> None:
    assert standing(checklist({"id": "a"}, gates=[GATE]), DONE, {}, NOW).go is Go.GO
    always = {key: value for key, value in GATE.items() if key != "arm_at"}
    assert standing(checklist({"id": "a"}, gates=[always]), DONE, {}, NOW).go is Go.NO_GO


def test_a_hold_blocks_whatever_else_is_settled() -> None:
    hold = Hold(id=1, actor="grace", uid=2, utc=utc_text(NOW), reason="wait")
    found = standing(checklist({"id": "a"}), msgspec.structs.replace(DONE, holds=(hold,)), {}, NOW)
    assert (found.go, found.blockers[0].why) == (Go.HOLD, "grace: wait")


def test_what_turns_out_wrong_after_its_pause_point_blocks_but_what_grows_old_does_not() -> None:
    one = checklist({"id": "a", "check": "x", "marks": "check", "fresh_for": "1m"})
    passed = RunState(items={"a": ItemState(outcome=seen(Verdict.PASS)), "later": confirmed(1)}, gone={"p": "then"})
    assert standing(one, passed, {}, NOW).go is Go.GO
    for verdict in set(Verdict) - {Verdict.PASS}:
        items_now = {**passed.items, "a": ItemState(outcome=seen(verdict))}
        found = standing(one, msgspec.structs.replace(passed, items=items_now), {}, NOW)
        assert (found.go, found.phase, found.blockers[0].id) == (Go.NO_GO, "q", "a")


def test_an_empty_phase_is_no_go() -> None:
    empty = msgspec.convert({"schema": 1, "title": "t", "phase": [{"id": "p", "title": "p"}]}, Checklist)
    assert standing(empty, RunState(), {}, NOW).go is Go.NO_GO


def test_after_the_decision_the_rollback_branch_is_flown() -> None:
    one = checklist({"id": "a"})
    run = msgspec.structs.replace(DONE, rollback_decided=True)
    assert current_phase(one, run).id == "r"
    assert standing(one, run, {}, NOW).go is Go.ROLL_BACK


def test_go_has_no_blockers_and_everything_else_has_some() -> None:
    for mark, hold in product([Mark.OPEN, Mark.CONFIRMED], [False, True]):
        holds = (Hold(id=1, actor="g", uid=2, utc="", reason="r"),) if hold else ()
        state = confirmed(1) if mark is Mark.CONFIRMED else ItemState()
        found = standing(checklist({"id": "a"}), RunState(items={"a": state}, holds=holds), {}, NOW)
        assert (found.go is Go.GO) == (not found.blockers)


def test_only_a_rehearsal_leaves_items_out_and_what_it_leaves_out_needs_nothing(tmp_path) -> None:
    from state.loader import load_checklist
    from state.problems import ChecklistError

    text = """
    schema = 1
    title = "x"
    {rehearsal}
    [[phase]]
    id = "a"
    title = "A"
      [[phase.step]]
      title = "S"
        [[phase.step.item]]
        id = "i"
        text = "I"
        critical = true
        out_of_scope = "there is no such service here"
    """
    path = tmp_path / "checklist.toml"
    path.write_text(text.format(rehearsal=""))
    with pytest.raises(ChecklistError, match="only a rehearsal"):
        load_checklist(path)
    path.write_text(text.format(rehearsal="rehearsal = true"))
    item = load_checklist(path).checklist.items["i"]
    assert settled(item, ItemState(), NOW)
