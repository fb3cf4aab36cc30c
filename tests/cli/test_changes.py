"""What `tminus status --watch` tells: only what changed, in words that stand by themselves."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tminus.cli.follow import due_in, steady
from tminus.cli.show import fitted
from tminus.client.changes import changes
from tminus.client.messages import (
    BlockerView,
    GateView,
    HoldView,
    ItemFace,
    ItemView,
    MetricView,
    PhaseFace,
    RunInfo,
    Said,
    StandingView,
    StepFace,
    View,
)
from tminus.client.people import AskView, CallView, ChallengeView, CrewView, Presence

AT = "2026-11-22T22:00:00Z"
LOOK = ItemFace(id="look", text="Look at it", check="x", effect="read")
PUSH = ItemFace(id="push", text="Push it", check="x", effect="change")
PHASES = (
    PhaseFace(id="one", title="First", mode="do-confirm", branch="main", steps=(StepFace("S", (LOOK, PUSH)),)),
    PhaseFace(id="two", title="Second", mode="do-confirm", branch="main"),
)
BEFORE = View(
    phases=PHASES,
    items={"look": ItemView(id="look"), "push": ItemView(id="push")},
    gates={"errors": GateView(id="errors", text=">10%", then="rollback", armed=True, state="clear")},
    metrics={"p95": MetricView(metric="p95", label="p95", status="ok", value=120.0, text="120 ms")},
    run=RunInfo(driver="Anna", driver_uid=1000),
    standing=StandingView(go="NO-GO", phase="one", blockers=(BlockerView("item", "look", "not checked yet"),)),
)


def told(**after: Any) -> list[str]:
    return [str(one) for one in changes(BEFORE, msgspec.structs.replace(BEFORE, **after))]


def item(name: str, **state: Any) -> dict[str, ItemView]:
    return {**BEFORE.items, name: ItemView(id=name, **state)}


def test_what_did_not_change_is_not_told() -> None:
    assert told() == []
    assert told(output={"look": ("a line",)}, series={"p95": (1.0,)}) == []


def test_a_metric_is_told_when_its_status_changes_and_not_when_its_value_does() -> None:
    one = BEFORE.metrics["p95"]
    assert told(metrics={"p95": msgspec.structs.replace(one, value=130.0, text="130 ms")}) == []
    bad = msgspec.structs.replace(one, value=900.0, text="900 ms", status="bad")
    assert told(metrics={"p95": bad}) == ["metric p95: bad, was ok: 900 ms"]


def test_the_verdict_and_its_blockers() -> None:
    blockers = (*BEFORE.standing.blockers, BlockerView("gate", "errors", "tripped"))
    assert told(standing=StandingView(go="HOLD", phase="one", blockers=blockers)) == [
        "verdict: HOLD, was NO-GO", "gate errors: stands against GO",
    ]  # fmt: skip
    assert told(standing=StandingView(go="GO", phase="one")) == [
        "verdict: GO, was NO-GO", "item look: no longer stands against GO",
    ]  # fmt: skip


def test_an_item_tells_verdict_mark_and_that_it_is_settled_and_its_blocker_is_not_told_again() -> None:
    settled = item("look", verdict="pass", mark="confirmed", settled=True, said=(Said("Anna", AT),))
    standing = StandingView(go="GO", phase="one")
    assert told(items=settled, standing=standing) == [
        "verdict: GO, was NO-GO", "item look: pass, confirmed by Anna, settled",
    ]  # fmt: skip
    assert told(items=item("look", verdict="fail", actual="7 rows differ")) == ["item look: fail, 7 rows differ"]
    assert told(items=item("look", status="interrupted")) == ["item look: interrupted"]


def test_a_change_is_told_when_it_begins_and_a_look_only_when_it_saw_something() -> None:
    assert told(items=item("push", status="running")) == ["item push: running"]
    assert told(items=item("look", status="running")) == []


def test_a_check_that_says_the_same_again_is_told_of_a_change_only() -> None:
    for name, words in (("push", ["item push: pass"]), ("look", [])):
        was = {**BEFORE.items, name: ItemView(id=name, status="running", verdict="pass")}
        now = {**BEFORE.items, name: ItemView(id=name, verdict="pass")}
        before = msgspec.structs.replace(BEFORE, items=was)
        assert [str(one) for one in changes(before, msgspec.structs.replace(BEFORE, items=now))] == words


def test_the_second_persons_word_is_told() -> None:
    before = msgspec.structs.replace(BEFORE, items=item("look", mark="confirmed", said=(Said("Anna", AT),)))
    now = item("look", mark="confirmed", said=(Said("Anna", AT), Said("Bob", AT)), settled=True)
    after = msgspec.structs.replace(BEFORE, items=now)
    assert [str(one) for one in changes(before, after)] == ["item look: confirmed by Anna and Bob, settled"]


def test_a_gate_tells_its_state_why_and_that_it_waits() -> None:
    gate = msgspec.structs.replace(BEFORE.gates["errors"], state="tripped", why="12% > 10%", asks=True)
    assert told(gates={"errors": gate}) == [
        "gate errors: tripped, was clear: 12% > 10%",
        "gate errors: waits for a decision: roll-back, continue or extend",
    ]


def test_the_blocker_of_a_gate_is_not_told_beside_its_state_and_that_of_an_item_says_why() -> None:
    gate = msgspec.structs.replace(BEFORE.gates["errors"], state="unknown", why="no data")
    blockers = (*BEFORE.standing.blockers, BlockerView("gate", "errors", "no data"))
    standing = StandingView(go="NO-GO", phase="one", blockers=blockers)
    assert told(gates={"errors": gate}, standing=standing) == ["gate errors: unknown, was clear: no data"]
    blockers = (*BEFORE.standing.blockers, BlockerView("item", "push", "waits for a second person"))
    standing = StandingView(go="NO-GO", phase="one", blockers=blockers)
    assert told(standing=standing) == ["item push: stands against GO: waits for a second person"]


def p95(status: str) -> View:
    return msgspec.structs.replace(BEFORE, metrics={"p95": MetricView(metric="p95", label="p95", status=status)})


def test_a_metric_that_goes_to_and_fro_says_nothing_and_a_bad_one_is_told_at_once() -> None:
    shown, since = steady(BEFORE, BEFORE, {}, 0.0)
    for now, status in enumerate(("unknown", "ok", "unknown", "warn", "unknown", "ok"), 1):
        shown, since = steady(BEFORE, p95(status), since, float(now))
        assert changes(BEFORE, shown) == [], status
    shown, since = steady(BEFORE, p95("bad"), since, 7.0)
    assert [one.words for one in changes(BEFORE, shown)] == ["bad, was ok: no data"]
    bad = shown
    shown, since = steady(bad, p95("ok"), since, 8.0)
    assert changes(bad, shown) == []
    shown, since = steady(bad, p95("ok"), since, 18.0)
    assert [one.words for one in changes(bad, shown)] == ["ok, was bad: no data"]


def test_a_hold_is_raised_and_released() -> None:
    held = {"holds": (HoldView(id=1, actor="Bob", utc=AT, reason="smoke"),)}
    assert told(**held) == ["hold 1: by Bob: smoke"]
    before = msgspec.structs.replace(BEFORE, **held)
    assert [str(one) for one in changes(before, BEFORE)] == ["hold 1: released; it was: smoke"]


def test_a_phase_is_passed_and_the_next_one_says_how_much_it_has_open() -> None:
    blockers = tuple(BlockerView("item", f"i{n}", "open") for n in range(30))
    assert told(gone=("one",), standing=StandingView(go="NO-GO", phase="two", blockers=blockers)) == [
        "phase one: passed, First",
        "phase two: is now the current one, 30 against GO, Second",
    ]


@pytest.mark.parametrize(
    ("crew", "words"),
    [
        (CrewView(asking=(AskView(actor="Bob", uid=1, utc=AT, reason="your shift ends"),)),
         "control: Bob asks for it: your shift ends"),
        (CrewView(call=CallView(kind="phase", id="one", actor="Anna", uid=1, utc=AT)),
         "call one: Anna says GO; a second person is to agree"),
        (CrewView(call=CallView(kind="crossing", id="push", actor="Anna", uid=1, utc=AT, plan="p")),
         "call push: Anna says cross the point of no return; a second person is to agree"),
        (CrewView(call=CallView(kind="crossing", id="push", actor="Anna", uid=1, utc=AT, agreed_by="Bob")),
         "call push: Bob agrees"),
        (CrewView(challenges=(ChallengeView(id=3, item="look", actor="Bob", uid=1, utc=AT, text="which one?"),)),
         "challenge 3: by Bob on look: which one?"),
    ],
)  # fmt: skip
def test_what_goes_on_among_the_people(crew: CrewView, words: str) -> None:
    assert told(crew=crew) == [words]
    over = [str(one) for one in changes(msgspec.structs.replace(BEFORE, crew=crew), BEFORE)]
    assert len(over) == 1 and any(word in over[0] for word in ("no longer", "over", "answered"))


def test_the_drivers_screens_are_told_and_not_each_of_their_commands() -> None:
    screen = Presence(name="Anna", uid=1000, kind="cockpit")
    command = Presence(name="Anna", uid=1000, kind="command")
    other = Presence(name="Bob", uid=1001, kind="cockpit")

    def seen(*people: Presence) -> View:
        run = RunInfo(driver="Anna", driver_uid=1000, people=people)
        gone = "" if command in people or screen in people else AT
        return msgspec.structs.replace(BEFORE, run=run, crew=CrewView(gone_since=gone))

    def of_the_driver(before: View, after: View) -> list[str]:
        return [str(one) for one in changes(before, after) if one.kind == "driver"]

    assert of_the_driver(seen(other), seen(other, command)) == []
    assert of_the_driver(seen(other, command), seen(other)) == []
    assert of_the_driver(seen(screen, other), seen(other)) == ["driver: Anna has no screen open"]
    assert of_the_driver(seen(other, command), seen(other, screen)) == ["driver: Anna is here again"]


def test_the_driver_the_people_and_the_end() -> None:
    people = (
        Presence(name="Bob", uid=1001, kind="watcher"),
        Presence(name="Carla", uid=1002, kind="command"),
    )
    assert told(run=RunInfo(driver="Bob", driver_uid=1001, people=people, trouble="disk full", closed=True)) == [
        "trouble: disk full", "driver: Bob, was Anna", "run: closed", "people: Bob is here (watcher)",
    ]  # fmt: skip


def test_a_line_never_holds_more_than_text() -> None:
    held = (HoldView(id=1, actor="\x1b[31mBob", utc=AT, reason="a\nb\x07"),)
    assert told(holds=held) == ["hold 1: by Bob: a b"]


@given(st.lists(st.floats(0, 5)), st.integers(1, 5))
def test_no_second_has_more_lines_than_it_may(waits: list[float], at_most: int) -> None:
    now, came = 100.0, []
    for wait in waits:
        now += wait / 10
        now += due_in(came[-at_most:], now, at_most)
        came.append(now)
    assert all(late - early >= 1.0 - 1e-6 for early, late in zip(came, came[at_most:], strict=False))


@given(st.text(st.sampled_from("abc de-f"), max_size=200), st.integers(20, 60))
def test_a_line_broken_at_a_narrow_width_keeps_every_word(line: str, width: int) -> None:
    broken = fitted([line], width)
    assert " ".join(" ".join(broken).split()) == " ".join(line.split())
    assert all(len(part) <= width or " " not in part.strip() for part in broken)
