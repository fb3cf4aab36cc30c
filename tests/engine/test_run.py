"""A run from the first look to the sign-off, through the socket."""

from __future__ import annotations

import asyncio
import subprocess
from datetime import UTC, datetime

import pytest

from tests.engine.conftest import until
from tminus.cli.show import item_lines
from tminus.client import (
    AddNote,
    CancelCheck,
    MarkItem,
    PassPhase,
    Plan,
    RaiseHold,
    Refused,
    ReleaseHold,
    RunCheck,
    ShowPlan,
)


async def settle_first_phase(client) -> None:
    await client.ask(RunCheck(item="look"))
    await until(client, lambda v: v.items["look"].settled)
    plan = Plan(**(await client.ask(ShowPlan(item="change"))).data)
    await client.ask(RunCheck(item="change", go=plan.digest))
    view = await until(client, lambda v: v.items["change"].verdict == "pass")
    await client.ask(MarkItem(item="change", mark="confirmed", evidence=view.items["change"].evidence_digest))
    await client.ask(MarkItem(item="say", mark="confirmed"))
    await until(client, lambda v: v.standing.go == "GO")
    await client.ask(PassPhase(phase="one"))
    await until(client, lambda v: v.standing.phase == "two")


async def test_a_run_goes_from_no_go_to_go_and_the_record_tells_it(engine) -> None:
    async with engine.client() as client:
        assert client.view.standing.go == "NO-GO"
        assert [b.id for b in client.view.standing.blockers] == ["look", "change", "say"]
        await settle_first_phase(client)
    assert engine.tminus("stop").returncode == 0
    run, events = engine.recorded()
    assert run.gone.keys() == {"one"}
    assert [e.actor for e in events if e.kind == "check.finished"] == ["command.probe", "command.run"]
    assert (engine.checklist.parent / "done").exists()


async def test_a_change_runs_only_on_a_go_for_the_plan_that_was_shown(engine) -> None:
    async with engine.client() as client:
        await client.ask(RunCheck(item="look"))
        await until(client, lambda v: v.items["look"].settled)
        for go in ("", "0123456789abcdef"):
            with pytest.raises(Refused, match="plan"):
                await client.ask(RunCheck(item="change", go=go))
        plan = Plan(**(await client.ask(ShowPlan(item="change"))).data)
        assert "touch done" in plan.lines[0]
    assert not (engine.checklist.parent / "done").exists()


async def test_a_change_waits_for_its_turn_but_looking_may_run_ahead(engine) -> None:
    async with engine.client() as client:
        plan = Plan(**(await client.ask(ShowPlan(item="change"))).data)
        with pytest.raises(Refused, match="Look at it"):
            await client.ask(RunCheck(item="change", go=plan.digest))
        await client.ask(RunCheck(item="fails"))
        view = await until(client, lambda v: v.items["fails"].verdict == "fail")
        assert "comes first" in view.items["fails"].blocked


async def test_a_tick_needs_the_evidence_that_was_on_the_screen(engine) -> None:
    async with engine.client() as client:
        await settle_first_phase(client)
        with pytest.raises(Refused, match="nobody has looked"):
            await client.ask(MarkItem(item="fails", mark="confirmed"))
        await client.ask(RunCheck(item="fails"))
        view = await until(client, lambda v: v.items["fails"].verdict == "fail")
        with pytest.raises(Refused, match="not the one you saw"):
            await client.ask(MarkItem(item="fails", mark="confirmed", evidence="0" * 16))
        with pytest.raises(Refused, match="says fail"):
            await client.ask(MarkItem(item="fails", mark="confirmed", evidence=view.items["fails"].evidence_digest))


async def test_a_waiver_needs_a_reason_and_is_over_when_the_verdict_changes(engine) -> None:
    async with engine.client() as client:
        await settle_first_phase(client)
        await client.ask(RunCheck(item="fails"))
        await until(client, lambda v: v.items["fails"].verdict == "fail")
        with pytest.raises(Refused, match="10 characters"):
            await client.ask(MarkItem(item="fails", mark="waived", reason="because"))
        await client.ask(MarkItem(item="fails", mark="waived", reason="known, harmless tonight", until="1h"))
        view = await until(client, lambda v: v.items["fails"].mark == "waived")
        assert view.items["fails"].settled
        assert view.items["fails"].verdict == "fail"
        assert f"  until     {view.items['fails'].until}" in item_lines(view, "fails")
        assert datetime.fromisoformat(view.items["fails"].until) > datetime.now(UTC)


async def test_a_second_person_is_never_the_same_login(engine) -> None:
    async with engine.client() as client, engine.client("somebody else") as other:
        await settle_first_phase(client)
        await client.ask(MarkItem(item="pair", mark="confirmed"))
        view = await until(client, lambda v: v.items["pair"].mark == "confirmed")
        assert view.items["pair"].why_open == "waits for a second person"
        with pytest.raises(Refused, match="another login"):
            await other.ask(MarkItem(item="pair", mark="confirmed"))


async def test_any_hold_stops_progress_until_it_is_released(engine) -> None:
    async with engine.client() as client:
        await settle_first_phase(client)
        await client.ask(RaiseHold(reason="the graph looks odd"))
        view = await until(client, lambda v: bool(v.holds))
        assert view.standing.go == "HOLD"
        with pytest.raises(Refused, match="held by anna"):
            await client.ask(MarkItem(item="pair", mark="confirmed"))
        await client.ask(ReleaseHold())
        await until(client, lambda v: v.standing.go == "NO-GO")


async def test_a_running_check_streams_its_output_and_can_be_cancelled(engine) -> None:
    async with engine.client() as client:
        await client.ask(RunCheck(item="slow"))
        view = await until(client, lambda v: "begun" in v.output.get("slow", ()))
        assert view.items["slow"].status == "running"
        with pytest.raises(Refused, match="running already"):
            await client.ask(RunCheck(item="slow"))
        await client.ask(CancelCheck(item="slow"))
        view = await until(client, lambda v: v.items["slow"].status == "idle")
        assert view.items["slow"].verdict == "error"


async def test_a_watcher_sees_what_another_does_at_once(engine) -> None:
    async with engine.client() as client, engine.client("bert") as watcher:
        await until(watcher, lambda v: {p.name for p in v.run.people} == {"anna", "bert"})
        await client.ask(AddNote(text="looks calm", item="say"))
        await client.ask(RunCheck(item="look"))
        await until(watcher, lambda v: v.items["look"].verdict == "pass")


async def test_no_secret_reaches_the_record_the_screen_the_log_or_argv(engine) -> None:
    async with engine.client() as client:
        await client.ask(RunCheck(item="look"))
        view = await until(client, lambda v: v.items["look"].verdict == "pass")
        assert "sesame" not in repr(view)
        listed = await asyncio.to_thread(subprocess.run, ["ps", "axww"], capture_output=True, text=True, check=True)
        assert "sesame" not in listed.stdout
    assert "sesame" not in engine.tminus("status", "look").stdout
    engine.tminus("stop")
    written = [p for p in engine.checklist.parent.rglob("*") if p.is_file()] + [engine.place.log]
    assert all(b"sesame" not in p.read_bytes() for p in written)


async def test_a_reason_that_holds_a_secret_is_redacted_before_it_is_written(engine) -> None:
    async with engine.client() as client:
        await client.ask(AddNote(text="the password is sesame-open-canary, do not tell"))
        await client.ask(RaiseHold(reason="postgresql://app:hunter2222@db/app refuses"))
    engine.tminus("stop")
    text = engine.record.read_text()
    assert "sesame-open-canary" not in text
    assert "hunter2222" not in text


async def test_a_secret_with_a_control_character_in_its_middle_is_redacted_too(engine) -> None:
    async with engine.client() as client:
        await client.ask(AddNote(text="it is sesame-\x1b[31mopen-\x07canary"))
    engine.tminus("stop")
    assert "canary" not in engine.record.read_text()
