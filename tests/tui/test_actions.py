"""Every action, pressed on a scripted engine: what is asked of the person, and what of the engine."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
import story
from cockpit_help import Open, text_of, type_in, until
from textual.widgets import Button

from tminus.client.messages import (
    GateView,
    HoldView,
    ItemView,
    RunInfo,
    StandingView,
    Update,
)
from tminus.client.requests import (
    AddNote,
    CancelCheck,
    DecideGate,
    MarkItem,
    PassPhase,
    RaiseHold,
    ReleaseHold,
    RunCheck,
    ShowPlan,
    TakeLease,
)
from tui.actions import ACTIONS, BY_ID, KeysClash, remapped, why_not
from tui.choosing import Pick
from tui.dialogs import Ask, Read

REASON = "because it was agreed"


async def go_to(app: Any, pilot: Any, item: str) -> None:
    app.bridge.list.go_to(item)
    await pilot.pause()
    assert app.scene.focus == item


async def test_r_runs_a_reading_check_at_once(cockpit: Open) -> None:
    async with cockpit() as (app, pilot, engine):
        await go_to(app, pilot, "low-traffic")
        await pilot.press("r")
        assert msgspec.structs.replace(await engine.request(), id=0) == RunCheck(item="low-traffic")


async def test_r_on_a_change_shows_the_plan_and_runs_only_on_yes_with_its_digest(cockpit: Open) -> None:
    async with cockpit() as (app, pilot, engine):
        await go_to(app, pilot, "backup-final")
        await pilot.press("r")
        await until(lambda: isinstance(app.screen, Ask))
        await pilot.pause()
        assert app.focused is not None and app.focused.id == "no"
        assert "sqlite3 instance/app.db  '.backup final.db'" in text_of(app)
        assert "[bold]VALUES[/bold]" in text_of(app)
        assert engine.asked == []
        await pilot.press("y")
        request = await engine.request()
        assert isinstance(request, RunCheck) and request.go == "plan-1"


async def test_a_stray_enter_on_a_plan_is_no(cockpit: Open) -> None:
    async with cockpit() as (app, pilot, engine):
        await go_to(app, pilot, "backup-final")
        await pilot.press("r")
        await until(lambda: isinstance(app.screen, Ask))
        await pilot.pause()
        await pilot.press("enter")
        await until(lambda: app.screen is app.bridge)
        await pilot.pause()
        assert engine.asked == []


@pytest.mark.parametrize("danger", ["one-way", "a danger of tomorrow"])
async def test_a_one_way_plan_wants_the_targets_name_typed(cockpit: Open, danger: str) -> None:
    async with cockpit() as (app, pilot, engine):
        engine.answers[ShowPlan] = {"lines": ["DROP TABLE x"], "danger": danger, "target": "db-1", "digest": "p2"}
        await go_to(app, pilot, "backup-final")
        await pilot.press("r")
        await until(lambda: isinstance(app.screen, Ask))
        await pilot.pause()
        await type_in(pilot, "db-2")
        await pilot.press("enter")
        assert isinstance(app.screen, Ask) and app.screen.query_one("#yes", Button).disabled
        await pilot.press("backspace", "1", "enter")
        assert app.focused is not None and app.focused.id == "no"
        assert engine.asked == []
        await pilot.press("y")
        request = await engine.request()
        assert isinstance(request, RunCheck) and request.go == "p2"


async def test_c_reads_the_evidence_back_and_sends_its_digest(cockpit: Open) -> None:
    async with cockpit() as (app, pilot, engine):
        await go_to(app, pilot, "low-traffic")
        await pilot.press("c")
        await until(lambda: isinstance(app.screen, Ask))
        await pilot.pause()
        assert "under 20 requests" in text_of(app) and "11 requests a minute" in text_of(app)
        await pilot.press("y")
        request = await engine.request()
        assert msgspec.structs.replace(request, id=0) == MarkItem(
            item="low-traffic", mark="confirmed", evidence="abc123"
        )


async def test_a_warning_is_confirmed_with_a_reason_only(cockpit: Open) -> None:
    async with cockpit() as (app, pilot, engine):
        await go_to(app, pilot, "logs")
        await pilot.press("c")
        await until(lambda: isinstance(app.screen, Ask))
        await pilot.pause()
        await type_in(pilot, "too short")
        await pilot.press("enter")
        assert isinstance(app.screen, Ask) and "1 more character" in text_of(app)
        await type_in(pilot, " no more")
        await pilot.press("enter")
        request = await engine.request()
        assert isinstance(request, MarkItem)
        assert (request.mark, request.reason, request.evidence) == ("confirmed", "too short no more", "w1")


async def test_an_item_that_asks_is_confirmed_with_its_value(cockpit: Open) -> None:
    async with cockpit() as (app, pilot, engine):
        await go_to(app, pilot, "notify")
        await pilot.press("c")
        await until(lambda: isinstance(app.screen, Ask))
        await pilot.pause()
        await type_in(pilot, "msg 17")
        await pilot.press("enter")
        request = await engine.request()
        assert isinstance(request, MarkItem) and request.value == "msg 17"


@pytest.mark.parametrize("item", ["row-counts", "disk", "backup-final", "staging", "locust", "healthz"])
async def test_what_is_not_known_to_hold_cannot_be_confirmed(cockpit: Open, item: str) -> None:
    async with cockpit() as (app, pilot, engine):
        await go_to(app, pilot, item)
        await pilot.press("c")
        await pilot.pause()
        assert app.screen is app.bridge and engine.asked == []
        assert why_not(BY_ID["confirm"], app.scene)


async def test_nothing_is_confirmed_while_its_evidence_is_out_of_sight(cockpit: Open) -> None:
    async with cockpit(size=(80, 23)) as (app, pilot, engine):
        await go_to(app, pilot, "low-traffic")
        assert "not on the screen" in why_not(BY_ID["confirm"], app.scene)
        await pilot.press("c")
        await pilot.pause()
        assert app.screen is app.bridge and engine.asked == []
        await pilot.press("2")
        await pilot.pause()
        await pilot.press("c")
        await until(lambda: isinstance(app.screen, Ask))


async def test_a_critical_item_arms_a_second_after_its_evidence_is_shown(cockpit: Open) -> None:
    async with cockpit() as (app, pilot, _):
        await go_to(app, pilot, "rollback-plan")
        assert "read its evidence first" in why_not(BY_ID["confirm"], app.scene)
        await until(lambda: not why_not(BY_ID["confirm"], app.scene))
        await go_to(app, pilot, "low-traffic")
        await go_to(app, pilot, "rollback-plan")
        assert why_not(BY_ID["confirm"], app.scene)


@pytest.mark.parametrize(("key", "mark", "item"), [
    ("f", "failed", "low-traffic"), ("s", "skipped", "low-traffic"), ("x", "n/a", "row-counts"),
])  # fmt: skip
async def test_an_override_carries_its_reason(cockpit: Open, key: str, mark: str, item: str) -> None:
    async with cockpit() as (app, pilot, engine):
        await go_to(app, pilot, item)
        await pilot.press(key)
        await until(lambda: isinstance(app.screen, Ask))
        await pilot.pause()
        await type_in(pilot, REASON)
        await pilot.press("enter")
        request = await engine.request()
        assert isinstance(request, MarkItem) and (request.mark, request.reason) == (mark, REASON)


async def test_a_waiver_may_end(cockpit: Open) -> None:
    async with cockpit() as (app, pilot, engine):
        await go_to(app, pilot, "row-counts")
        await pilot.press("w")
        await until(lambda: isinstance(app.screen, Ask))
        await pilot.pause()
        await type_in(pilot, REASON)
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, Ask) and app.screen.question.title == "Until when?")
        await pilot.pause()
        await type_in(pilot, "2h")
        await pilot.press("enter")
        request = await engine.request()
        assert isinstance(request, MarkItem)
        assert (request.mark, request.until, request.evidence) == ("waived", "2026-11-22T22:45:00.000Z", "f00d")


async def test_a_critical_item_cannot_be_skipped(cockpit: Open) -> None:
    async with cockpit() as (app, pilot, _):
        await go_to(app, pilot, "row-counts")
        assert "may not be skipped" in why_not(BY_ID["skip"], app.scene)
        assert app.check_action("press", ("skip",)) is None


SIMPLE = [
    ("u", "oauth", MarkItem(item="oauth", mark="open")),
    ("k", "locust", CancelCheck(item="locust")),
]


@pytest.mark.parametrize(("key", "item", "wanted"), SIMPLE)
async def test_undo_and_cancel_ask_once(cockpit: Open, key: str, item: str, wanted: Any) -> None:
    async with cockpit() as (app, pilot, engine):
        await go_to(app, pilot, item)
        await pilot.press(key)
        await until(lambda: isinstance(app.screen, Ask))
        await pilot.pause()
        await pilot.press("y")
        assert msgspec.structs.replace(await engine.request(), id=0) == wanted


async def test_hold_and_note_send_their_words(cockpit: Open) -> None:
    async with cockpit() as (app, pilot, engine):
        await go_to(app, pilot, "disk")
        for number, key in enumerate("ht"):
            await pilot.press(key)
            await until(lambda: isinstance(app.screen, Ask))
            await pilot.pause()
            await type_in(pilot, "wait")
            await pilot.press("enter")
            await engine.request(number + 1)
            await until(lambda: app.screen is app.bridge)
        assert isinstance(engine.asked[0], RaiseHold) and engine.asked[0].reason == "wait"
        assert isinstance(engine.asked[1], AddNote) and (engine.asked[1].text, engine.asked[1].item) == (
            "wait",
            "disk",
        )


async def test_release_lets_go_of_the_one_hold(cockpit: Open) -> None:
    holds = (HoldView(id=7, actor="bo", utc=story.before(30), reason="something smells"),)
    async with cockpit(story.view(holds=holds)) as (app, pilot, engine):
        await pilot.press("l")
        await until(lambda: isinstance(app.screen, Ask))
        await pilot.pause()
        await pilot.press("y")
        request = await engine.request()
        assert isinstance(request, ReleaseHold) and request.hold == 7


async def test_g_passes_the_phase_only_when_the_verdict_is_go(cockpit: Open) -> None:
    async with cockpit() as (app, pilot, engine):
        assert why_not(BY_ID["go"], app.scene).startswith("NO-GO: ")
        await engine.tell(Update(standing=StandingView(go="GO", phase="final")))
        await until(lambda: app.scene.view.standing.go == "GO")
        await pilot.press("g")
        await until(lambda: isinstance(app.screen, Ask))
        await pilot.pause()
        await pilot.press("y")
        request = await engine.request()
        assert isinstance(request, PassPhase) and request.phase == "final"


async def test_d_takes_the_lease_when_nobody_drives(cockpit: Open) -> None:
    async with cockpit(story.view(run=RunInfo(title="x", t0=story.view().run.t0))) as (app, pilot, engine):
        await pilot.press("d")
        await until(lambda: isinstance(app.screen, Ask))
        await pilot.pause()
        await pilot.press("y")
        assert isinstance(await engine.request(), TakeLease)


async def test_a_tripped_gate_offers_its_decision_and_sends_it_with_a_reason(cockpit: Open) -> None:
    async with cockpit() as (app, pilot, engine):
        tripped = GateView(
            id="error-rate", text=">10%", then="rollback", armed=True, state="tripped", why="12.4% > 10%", asks=True
        )
        await engine.tell(Update(gates={"error-rate": tripped}))
        await until(lambda: isinstance(app.screen, Pick))
        await pilot.pause()
        assert "GATE TRIPPED" in "".join(text for line in app.bridge.query_one("#banner").lines for text, _ in line)
        await pilot.press("down", "enter")
        await until(lambda: isinstance(app.screen, Ask))
        await pilot.pause()
        await type_in(pilot, REASON)
        await pilot.press("enter")
        request = await engine.request()
        assert isinstance(request, DecideGate)
        assert (request.gate, request.decision, request.reason) == ("error-rate", "roll-back", REASON)


async def test_a_trip_opens_the_rollback_phase(cockpit: Open) -> None:
    async with cockpit() as (app, pilot, engine):
        await go_to(app, pilot, "low-traffic")
        tripped = GateView(
            id="error-rate", text=">10%", then="rollback", armed=True, state="tripped", why="12%", asks=True
        )
        await engine.tell(Update(gates={"error-rate": tripped}))
        await until(lambda: isinstance(app.screen, Pick))
        assert app.bridge.scene.focus == "revert"


async def test_an_extension_says_until_when(cockpit: Open) -> None:
    async with cockpit() as (app, pilot, engine):
        blind = GateView(id="p95", text="p95", then="hold", armed=True, state="unknown", why="no data", asks=True)
        await engine.tell(Update(gates={"p95": blind}))
        await until(lambda: isinstance(app.screen, Pick))
        await pilot.pause()
        assert app.screen.choice.title == "Gate sees nothing: p95"
        await pilot.press("down", "down", "down", "enter")
        await until(lambda: isinstance(app.screen, Ask))
        await pilot.pause()
        await type_in(pilot, REASON)
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, Ask) and app.screen.question.title.startswith("Extend until"))
        await pilot.pause()
        await type_in(pilot, "45m")
        await pilot.press("enter")
        request = await engine.request()
        assert (request.gate, request.decision, request.until) == ("p95", "extend", "45m")


async def test_a_trip_never_slips_over_a_pending_confirm(cockpit: Open) -> None:
    async with cockpit() as (app, pilot, engine):
        await go_to(app, pilot, "low-traffic")
        await pilot.press("c")
        await until(lambda: isinstance(app.screen, Ask))
        tripped = GateView(
            id="error-rate", text=">10%", then="rollback", armed=True, state="tripped", why="12%", asks=True
        )
        await engine.tell(Update(gates={"error-rate": tripped}))
        await until(lambda: app.bridge.scene.undecided)
        await pilot.pause()
        assert isinstance(app.screen, Ask) and app.screen.question.title == "Confirm"
        await pilot.press("n")
        await until(lambda: isinstance(app.screen, Pick))


async def test_a_refusal_shows_the_engines_words(cockpit: Open) -> None:
    async with cockpit() as (app, pilot, engine):
        engine.answers[RunCheck] = "the phase [before] is not passed"
        await go_to(app, pilot, "low-traffic")
        await pilot.press("r")
        await until(lambda: any("[before]" in note.message for note in app._notifications))


async def test_a_greyed_key_says_why(cockpit: Open) -> None:
    async with cockpit() as (app, pilot, engine):
        await go_to(app, pilot, "push")
        await pilot.press("r")
        await until(lambda: any("waits for the phase" in note.message for note in app._notifications))
        assert engine.asked == []


async def test_an_observer_may_co_sign_but_not_run(cockpit: Open) -> None:
    run = msgspec.structs.replace(story.view().run, driver="bo", driver_uid=1002)
    signed = ItemView(
        id="row-counts", verdict="pass", evidence_digest="ok1", said=(story.Said("bo", story.before(9)),)
    )
    items = {**story.items(), "row-counts": signed}
    async with cockpit(story.view(run=run, items=items)) as (app, pilot, engine):
        await go_to(app, pilot, "row-counts")
        assert "bo drives" in why_not(BY_ID["run"], app.scene)
        await until(lambda: not why_not(BY_ID["confirm"], app.scene))
        await pilot.press("c")
        await until(lambda: isinstance(app.screen, Ask))
        await pilot.pause()
        await pilot.press("y")
        request = await engine.request()
        assert isinstance(request, MarkItem) and request.evidence == "ok1"


async def test_a_read_only_screen_does_what_a_second_person_may_and_nothing_else(cockpit: Open) -> None:
    async with cockpit(read_only=True) as (app, pilot, engine):
        await go_to(app, pilot, "low-traffic")
        writing = [action for action in ACTIONS if action.danger != "none"]
        open_to_it = {action.id for action in writing if not why_not(action, app.scene)}
        assert open_to_it == {"hold", "note", "challenge", "correct", "drive"}
        assert engine.hellos[0].kind == "watcher"
        await pilot.press("r", "c", "f", "D", "L", "g")
        await pilot.pause()
        assert app.screen is app.bridge and engine.asked == []


async def test_the_screens_own_keys(cockpit: Open) -> None:
    async with cockpit(size=(80, 23)) as (app, pilot, _):
        await pilot.press("n")
        await pilot.pause()
        assert app.scene.focus == "rollback-plan"
        for key, tab in (("2", "detail"), ("3", "metrics"), ("1", "items")):
            await pilot.press(key)
            await pilot.pause()
            assert app.scene.tab == tab
        await pilot.press("slash")
        await until(lambda: isinstance(app.screen, Ask))
        await pilot.pause()
        await pilot.press(*"locust", "enter")
        await until(lambda: app.scene.focus == "locust")
        for key in ("p", "question_mark"):
            await pilot.press(key)
            await until(lambda: isinstance(app.screen, Read))
            await pilot.pause()
            await pilot.press("q")
            await until(lambda: app.screen is app.bridge)
        await pilot.press("b")
        await until(lambda: isinstance(app.screen, Pick))
        await pilot.pause()
        await pilot.press("down", "down", "down", "down", "enter")
        await until(lambda: app.scene.focus == "row-counts")
        await pilot.press("colon")
        await until(lambda: app.screen is not app.bridge)
        await pilot.press("escape")
        await until(lambda: app.screen is app.bridge)
        await pilot.press("q")
        await until(lambda: not app.is_running)


def test_every_key_reaches_the_engine_without_ctrl_and_none_is_given_twice() -> None:
    keys = [action.key for action in ACTIONS]
    assert len(keys) == len(set(keys))
    assert not any("ctrl" in key or key == "escape" for key in keys)


def test_keys_are_remapped_by_id_and_clashes_are_refused() -> None:
    assert next(action for action in remapped({"run": "f5"}) if action.id == "run").key == "f5"
    for wrong in ({"run": "c"}, {"fly": "z"}, {"run": "ctrl+s"}):
        with pytest.raises(KeysClash):
            remapped(wrong)
