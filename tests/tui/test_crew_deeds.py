"""Every act between people, pressed on a scripted engine: what is asked of the person, and what of the engine."""

from __future__ import annotations

from functools import partial
from typing import Any

import crew_story as crew
import msgspec
import pytest
import story
from cockpit_help import PLAN, Open, text_of, type_in, until

from tminus.client.messages import ReplayView, StandingView, Update
from tminus.client.people import AskView, CrewView, Presence
from tminus.client.requests import (
    Agree,
    AnswerChallenge,
    AskLease,
    Correct,
    GrantLease,
    MarkItem,
    RaiseChallenge,
    RefuseLease,
    ReleaseLease,
    Request,
    RunCheck,
    ShowPlan,
    SignOff,
    TakeLease,
)
from tui import looking
from tui.choosing import Pick
from tui.dialogs import Ask, Read

LONG = "that is the backup of this hour"


@pytest.fixture
def small(cockpit: Open) -> Open:
    """A cockpit that costs less to draw."""
    return partial(cockpit, size=(110, 34))


async def asked(app: Any, pilot: Any, kind: type = Ask) -> None:
    await until(lambda: isinstance(app.screen, kind))
    await pilot.pause()


async def said(engine: Any, count: int = 1) -> Request:
    """What the engine was asked, without its number."""
    return msgspec.structs.replace(await engine.request(count), id=0)


async def back(app: Any) -> None:
    await until(lambda: app.screen is app.bridge)


async def test_d_asks_a_driver_who_is_here_and_takes_from_one_who_is_gone(small: Open) -> None:
    async with small(crew.view(driver="bo")) as (app, pilot, engine):
        engine.answers[AskLease] = {"seq": 9, "kind": "lease.asked"}
        await pilot.press("d")
        await asked(app, pilot)
        assert "Without an answer for 60 seconds" in " ".join(text_of(app).split())
        assert app.focused is not None and app.focused.id == "no", "a stray enter asks nobody"
        await pilot.press("up")
        await type_in(pilot, "tired")
        await pilot.press("enter", "y")
        assert await said(engine) == AskLease(reason="tired")
        await until(lambda: any("they hand it over, or keep it" in one.message for one in app._notifications))
        await back(app)
        await engine.tell(Update(crew=CrewView(gone_since=story.before(70))))
        await until(lambda: app.bridge.scene.view.crew.gone_since)
        await pilot.press("d")
        await asked(app, pilot)
        assert "bo drove, and is gone since 20:43:50" in " ".join(text_of(app).split())
        await pilot.press("y")
        assert await said(engine, 2) == TakeLease()


async def test_a_screen_that_only_watches_drives_from_there_after_d_and_yes(small: Open) -> None:
    async with small(crew.view(), read_only=True) as (app, pilot, engine):
        assert "READ-ONLY" in text_of(app)
        await pilot.press("d")
        await asked(app, pilot)
        await pilot.press("y")
        await until(lambda: not app.bridge.scene.read_only)
        assert engine.asked == []
        await until(lambda: "READ-ONLY" not in text_of(app))


async def test_who_asks_for_control_rings_once_takes_no_keys_and_gets_it_or_a_word(small: Open) -> None:
    async with small(crew.view()) as (app, pilot, engine):
        bells: list[int] = []
        app.bell = lambda: bells.append(1)  # type: ignore[method-assign]
        for _ in range(2):
            await engine.tell(Update(crew=CrewView(asking=(crew.ASK,))))
            await until(lambda: "BO ASKS FOR CONTROL" in text_of(app))
        assert bells == [1] and app.screen is app.bridge
        await pilot.press("K")
        await asked(app, pilot)
        await pilot.press("y")
        assert await said(engine) == RefuseLease(uid=crew.BO)
        await back(app)
        await pilot.press("D")
        await asked(app, pilot)
        assert "bo asks for control: you look tired" in " ".join(text_of(app).split())
        await pilot.press("y")
        assert await said(engine, 2) == GrantLease(uid=crew.BO)


async def test_a_bell_that_is_turned_off_is_off_for_people_too(small: Open) -> None:
    from tui.settings import Settings

    async with small(crew.view(), settings=Settings(bell=False)) as (app, _, engine):
        bells: list[int] = []
        app.bell = lambda: bells.append(1)  # type: ignore[method-assign]
        await engine.tell(Update(crew=CrewView(asking=(crew.ASK,))))
        await until(lambda: "BO ASKS FOR CONTROL" in text_of(app))
        assert bells == []


async def test_of_several_people_one_is_picked_and_the_first_choice_is_nobody(small: Open) -> None:
    carl = Presence(name="carl", uid=77, kind="cockpit", login="carl")
    dora = AskView(actor="dora", uid=78, utc=story.before(5))
    view = crew.view(asking=(crew.ASK, dora))
    view = msgspec.structs.replace(view, run=msgspec.structs.replace(view.run, people=(*crew.PEOPLE, carl)))
    async with small(view) as (app, pilot, engine):
        await pilot.press("D")
        await asked(app, pilot, Pick)
        assert [key for key, _ in app.screen.choice.options] == ["", str(crew.BO), "78", "77"]
        await pilot.press("enter")
        await back(app)
        assert engine.asked == []
        await pilot.press("D")
        await asked(app, pilot, Pick)
        await pilot.press("down", "down", "down", "enter")
        await asked(app, pilot)
        await pilot.press("y")
        assert await said(engine) == GrantLease(uid=77)
        await back(app)
        await pilot.press("K")
        await asked(app, pilot, Pick)
        await pilot.press("down", "enter")
        await asked(app, pilot)
        await pilot.press("y")
        assert await said(engine, 2) == RefuseLease(uid=78)
        await back(app)
        await pilot.press("L")
        await asked(app, pilot)
        await pilot.press("y")
        assert await said(engine, 3) == ReleaseLease()


async def test_a_challenge_is_about_the_item_or_on_a_phase_about_the_run(small: Open) -> None:
    async with small(crew.view(driver="bo"), read_only=True) as (app, pilot, engine):
        for number, where in enumerate(("disk", "final"), 1):
            app.bridge.list.go_to(where)
            await pilot.press("C")
            await asked(app, pilot)
            await type_in(pilot, "is it so?")
            await pilot.press("enter")
            item = where if number == 1 else ""
            assert await said(engine, number) == RaiseChallenge(item=item, text="is it so?")
            await back(app)


async def test_blockers_lead_to_what_was_challenged_and_the_answer_is_long_enough(small: Open) -> None:
    of_run = msgspec.structs.replace(crew.CHALLENGE, id=4, item="", text="is the team awake?")
    async with small(crew.challenged(crew.view(), of_run)) as (app, pilot, engine):
        app.bridge.list.go_to("disk")
        await pilot.press("b")
        await asked(app, pilot, Pick)
        await pilot.press("enter")
        await until(lambda: app.bridge.list.item == "row-counts")
        await pilot.press("b")
        await asked(app, pilot, Pick)
        await pilot.press("down", "enter")
        await until(lambda: isinstance(app.screen, Pick) and app.screen.choice.title == "Answer which challenge?")
        await pilot.pause()
        await pilot.press("enter")  # that of the item under the cursor
        await asked(app, pilot)
        await type_in(pilot, "yes")
        await pilot.press("enter")
        assert isinstance(app.screen, Ask), "three letters explain nothing"
        await type_in(pilot, LONG)
        await pilot.press("enter")
        assert await said(engine) == AnswerChallenge(challenge=3, text=f"yes{LONG}")


async def test_agreeing_shows_the_whole_plan_and_wants_its_target_typed(small: Open) -> None:
    async with small(crew.deploying(crew.view(driver="bo", call=crew.CROSSING)), read_only=True) as (
        app, pilot, engine,
    ):  # fmt: skip
        await pilot.press("A")
        await asked(app, pilot)
        for line in PLAN["lines"]:
            assert str(line) in text_of(app)
        await pilot.press("y")  # goes into the field
        assert isinstance(app.screen, Ask) and engine.asked == []
        await pilot.press("backspace")
        await type_in(pilot, "db-prod")
        await pilot.press("enter")
        assert app.focused is not None and app.focused.id == "no"
        await pilot.press("y")
        assert await said(engine) == Agree(item="push", plan="plan-1")


async def test_a_plan_that_changed_since_the_call_is_not_agreed_to(small: Open) -> None:
    async with small(crew.deploying(crew.view(driver="bo", call=crew.CROSSING))) as (app, pilot, engine):
        engine.answers[ShowPlan] = {**PLAN, "digest": "plan-2"}
        await pilot.press("A")
        await until(lambda: any("The plan changed since bo called" in one.message for one in app._notifications))
        assert app.screen is app.bridge and engine.asked == []


async def test_the_driver_is_told_whether_a_go_calls_somebody_or_runs(small: Open) -> None:
    mine = msgspec.structs.replace(crew.CROSSING, uid=crew.MY_UID, agreed_by="bo")
    calls = {
        "this calls a second person": None,
        "calls a second person anew": msgspec.structs.replace(mine, plan="plan-0"),
        "bo agreed to this very plan": mine,
    }
    async with small(crew.deploying(crew.view())) as (app, pilot, engine):
        engine.answers[RunCheck] = {"seq": 9, "kind": "call.made"}
        app.bridge.list.go_to("push")
        for number, (told, call) in enumerate(calls.items(), 1):
            await engine.tell(Update(crew=CrewView(call=call)))
            await until(lambda call=call: app.bridge.scene.view.crew.call == call)
            await pilot.press("r")
            await asked(app, pilot)
            assert told in " ".join(text_of(app).split())
            await pilot.press("y")
            assert await said(engine, number) == RunCheck(item="push", go="plan-1")
            await until(lambda: any("A second person is called" in one.message for one in app._notifications))
            await back(app)


async def test_what_waits_for_a_second_person_is_not_called_twice(small: Open) -> None:
    mine = msgspec.structs.replace(crew.CROSSING, uid=crew.MY_UID)
    async with small(crew.deploying(crew.view(call=mine))) as (app, pilot, engine):
        app.bridge.list.go_to("push")
        await pilot.press("r")
        await until(lambda: any("waits for a second person" in one.message for one in app._notifications))
        assert app.screen is app.bridge and engine.asked == []


async def test_signing_covers_what_stood_above_and_another_is_attested(small: Open) -> None:
    async with small(crew.signing(crew.view()), size=(160, 48)) as (app, pilot, engine):
        app.bridge.list.go_to("sign-off")
        await pilot.pause()
        await pilot.press("c")
        await asked(app, pilot, Pick)
        await pilot.press("enter")  # one's own role comes first
        await asked(app, pilot)
        assert app.focused is not None and app.focused.id == "no"
        await pilot.press("y")
        assert await said(engine) == SignOff(item="sign-off", role="dev", evidence="above-1")
        await back(app)
        await pilot.press("c")
        await asked(app, pilot, Pick)
        await pilot.press("down", "enter")
        await asked(app, pilot)
        assert "Bo signs by your hand: you attest it" in " ".join(text_of(app).split())
        await pilot.press("y")
        assert await said(engine, 2) == SignOff(item="sign-off", role="dba", evidence="above-1", name="Bo")


async def test_a_witness_may_be_named_by_the_first_of_two_and_need_not_be(small: Open) -> None:
    seen = msgspec.structs.replace(story.items()["low-traffic"], id="row-counts", evidence_digest="e9")
    async with small(story.view(items={"row-counts": seen}), size=(160, 48)) as (app, pilot, engine):
        app.bridge.list.go_to("row-counts")
        await until(lambda: not app._why_not("confirm"))
        for number, witness in enumerate(("", "Carla"), 1):
            await pilot.press("c")
            await asked(app, pilot)
            assert app.focused is not None and app.focused.id == "no", "a stray enter confirms nothing"
            if witness:
                await pilot.press("up")
                await type_in(pilot, witness)
                await pilot.press("enter")
            await pilot.press("y")
            wanted = MarkItem(item="row-counts", mark="confirmed", evidence="e9", witness=witness)
            assert await said(engine, number) == wanted
            await back(app)


async def test_a_correction_names_the_event_and_says_what_was_so(small: Open) -> None:
    async with small(crew.view(driver="bo")) as (app, pilot, engine):
        await pilot.press("T")
        await asked(app, pilot)
        await type_in(pilot, "x1")
        await pilot.press("enter")
        assert isinstance(app.screen, Ask) and "a number, as tminus report tells it" in text_of(app)
        await pilot.press("backspace", "backspace", *"12", "enter")
        await until(lambda: isinstance(app.screen, Ask) and app.screen.question.title == "Correct event 12")
        await pilot.pause()
        await type_in(pilot, LONG)
        await pilot.press("enter")
        assert await said(engine) == Correct(seq=12, text=LONG)


async def test_the_page_of_people_opens(small: Open) -> None:
    async with small(crew.view()) as (app, pilot, _):
        await pilot.press("P")
        await asked(app, pilot, Read)
        assert "observes (read-only screen)" in " ".join(text_of(app).split())


# --- where one looks -----------------------------------------------------------------------------------------------


async def test_where_one_looks_is_told_at_rest_and_only_when_it_changed(
    small: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "REST", 0.05)
    async with small() as (app, pilot, engine):
        await until(lambda: engine.looks == [app.scene.focus])
        first = app.scene.focus
        for item in ("disk", "staging", "locust", "oauth"):
            app.bridge.list.go_to(item)
        await until(lambda: engine.looks == [first, "oauth"])
        app.bridge.list.go_to("disk")
        app.bridge.list.go_to("oauth")
        await engine.tell(Update(standing=StandingView(go="GO", phase="final")))
        await until(lambda: app.scene.view.standing.go == "GO")
        await pilot.pause(0.15)
        assert engine.looks == [first, "oauth"] and engine.asked == []
        app.bridge.list.go_to("final")
        await until(lambda: engine.looks == [first, "oauth", ""])
        app.bridge.list.go_to("disk")
        await until(lambda: engine.looks[-1] == "disk")
        await engine.stop()
        await until(lambda: not app.scene.connected)
        await engine.start()  # one that knows of nobody yet
        await until(lambda: engine.looks[4:] == ["disk"])


async def test_nobody_is_told_where_one_looks_in_a_replay(small: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "REST", 0.02)
    view = msgspec.structs.replace(crew.view(asking=(crew.ASK,)), replay=ReplayView(moment=story.before(0)))
    async with small(view) as (app, pilot, engine):
        app.bridge.list.go_to("oauth")
        await pilot.pause(0.1)
        assert engine.looks == []
        assert "ASKS FOR CONTROL" not in text_of(app) and "this is a replay" in app._why_not("keep")
