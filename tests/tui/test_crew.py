"""What goes on between people, as functions of a scene: what is greyed and why, what is told, and what rings."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import crew_story as crew
import msgspec
import pytest
import story

from tminus.client.messages import BlockerView, HoldView, ItemView, Said, StandingView, View
from tminus.client.people import AskView, CallView, Presence, RefusalView
from tui.actions import ACTIONS, BY_ID, why_not
from tui.banner import banner_lines
from tui.chrome import keybar_lines
from tui.crew import looking_at, notices, told
from tui.crew_lines import challenge_lines, people_lines
from tui.detail import detail_lines
from tui.glyphs import ASCII
from tui.guide import ways
from tui.item_list import row_line
from tui.lines import Line, width_of
from tui.lines import text_of as line_text
from tui.readback import asked_again, readback_lines
from tui.rows import Row
from tui.scene import ARM_SECONDS, Scene
from tui.sign_off import above_lines, roles_for, signature_lines
from tui.verdict_bar import verdict_lines

KEYS = tuple((action.id, action.shown_key) for action in ACTIONS)
READY = {"detail_visible": True, "shown_for": ARM_SECONDS}


def scene(view: View, **more: Any) -> Scene:
    known = {"view": view, "now": story.NOW, "me": "anna", "uid": crew.MY_UID, "connected": True, "keys": KEYS}
    return Scene(**{**known, **READY, **more})


def later(before: Scene, seconds: float) -> Scene:
    return replace(before, now=before.now + timedelta(seconds=seconds))


def words(lines: Any) -> str:
    return " ".join(" ".join(line_text(line) for line in lines).split())


def why(action: str, at: Scene) -> str:
    return why_not(BY_ID[action], at)


# --- the lease ---------------------------------------------------------------------------------------------------


def test_who_observes_asks_for_control_and_everything_of_the_drivers_says_so() -> None:
    at = scene(crew.view(driver="bo"), focus="low-traffic")
    driven = ["run", "confirm", "fail", "skip", "waive", "na", "undo", "cancel", "go", "decide"]
    assert [
        name for name in driven if "bo drives: only the driver may; d asks for control" not in why(name, at)
    ] == []
    for name in ("hold", "note", "challenge", "drive", "correct", "people"):
        assert why(name, at) == ""
    assert why("hand-over", at) == why("keep", at) == why("let-go", at) == "bo drives, not you"


def test_a_driver_who_does_not_answer_is_relieved_when_the_time_is_up_and_not_before() -> None:
    ask = AskView(actor="anna", uid=crew.MY_UID, utc=story.before(20))
    at = scene(crew.view(driver="bo", asking=(ask,)))
    assert why("drive", at) == ("you asked bo at 20:44:40: from 20:45:41 on (in 41s) you may take over: d"), (
        "to the second, and never before the engine says so"
    )
    assert "you may take over now: d" in words(banner_lines(later(at, 41), 120))
    assert why("drive", later(at, 41)) == ""
    assert "d drive" in words(keybar_lines(ACTIONS, later(at, 41), 80, 1))


def test_a_driver_who_is_gone_is_told_in_bar_and_banner_with_the_time_of_relief() -> None:
    at = scene(crew.view(driver="bo", gone_since=story.before(50)))
    assert "drives bo, gone 00:50" in words(verdict_lines(at, 120))
    assert "BO IS GONE since 20:44:10 from 20:45:11 on (in 11s) you may take over: d" in words(banner_lines(at, 120))
    assert why("drive", at).startswith("bo is gone since 20:44:10")
    assert why("drive", later(at, 11)) == ""
    back = crew.view(driver="bo")
    assert "gone" not in words(verdict_lines(scene(back), 120)) and banner_lines(scene(back), 120) == []


def test_a_screen_that_only_watches_drives_once_its_person_has_control_and_says_so() -> None:
    at = scene(crew.view(driver="anna"), read_only=True)
    assert why("drive", at) == ""
    assert "d drives from here" in why("run", at)
    assert notices(at) == [], "another screen of the driver's own is asked for nothing"
    before = scene(crew.view(driver="bo"), read_only=True)
    assert told(before, at) == [("You have control, after bo. This screen only watches: d drives from here", True)]


def test_what_became_of_the_lease_is_told_once_to_whom_it_concerns() -> None:
    mine, bos, nobodys = (scene(crew.view(driver=driver)) for driver in ("anna", "bo", ""))
    assert told(mine, bos) == [("bo has control", True)]
    assert told(bos, nobodys) == [("bo drives no longer: nobody does", True)]
    assert told(mine, nobodys) == [], "who let go knows"
    assert told(nobodys, bos) == told(bos, bos) == []
    no = RefusalView(actor="bo", uid=crew.MY_UID, utc=story.before(1), reason="in the middle of it")
    refused = scene(crew.view(driver="bo", refused=no))
    assert told(bos, refused) == [("bo keeps control: in the middle of it", True)]
    assert told(refused, refused) == []
    assert told(replace(mine, connected=False), bos) == [], "what was meanwhile is on the screen"


def test_control_is_handed_to_who_is_here_alone() -> None:
    alone = msgspec.structs.replace(story.view().run, people=crew.PEOPLE[:1], driver_uid=crew.MY_UID)
    view = msgspec.structs.replace(crew.view(), run=alone)
    assert "nobody else is here" in why("hand-over", scene(view))
    assert why("hand-over", scene(crew.view())) == ""
    assert why("keep", scene(crew.view())) == "nobody asks for control"


# --- presence ----------------------------------------------------------------------------------------------------


def test_the_list_marks_where_the_others_look_and_never_where_oneself_does() -> None:
    at = scene(crew.view())
    assert [one.name for one in looking_at(at, "disk")] == ["bo"] and looking_at(at, "low-traffic") == ()

    def row(item: str, where: Scene) -> Line:
        return row_line(Row("item", item, face=where.faces[item]), where, 80, at=False)

    assert "@BO " in line_text(row("disk", at)) and "@" not in line_text(row("low-traffic", at))
    more = Presence(name="carl", uid=77, kind="cockpit", item="disk")
    run = msgspec.structs.replace(at.view.run, people=(*crew.PEOPLE, more))
    crowded = scene(msgspec.structs.replace(at.view, run=run), glyphs=ASCII)
    assert "@BO+1 " in line_text(row("disk", crowded))
    assert width_of(row("disk", crowded)) <= 80


def test_the_page_of_people_says_who_from_where_as_what_and_where_they_look() -> None:
    page = words(people_lines(scene(crew.view(asking=(crew.ASK,), challenges=(crew.CHALLENGE,))), 90))
    assert "anna (you) drives" in page and "bo observes (read-only screen)" in page
    assert "bo, uid 4002, ssh 192.0.2.7, since 20:40:00 looks at Free disk space on the database host (disk)" in page
    assert "bo asks for control since 20:44:40: you look tired" in page
    assert "bo challenges row-counts: Which backup is that, last night's?" in page


# --- challenges --------------------------------------------------------------------------------------------------


def test_an_open_challenge_stands_first_in_its_items_detail_with_who_answers_it() -> None:
    view = crew.challenged(crew.view())
    first = words(detail_lines(scene(view, focus="row-counts"), 80)[:3])
    assert first == (
        "¿ CHALLENGED by bo 20:43:25, 1m35s ago Which backup is that, last night's? "
        "R answers it: the phase does not end before"
    )
    bos = msgspec.structs.replace(view, run=crew.view(driver="bo").run)
    assert "bo answers it before the phase ends" in words(challenge_lines(scene(bos), "row-counts", 80))
    assert "R takes it back, with a reason" in words(challenge_lines(scene(view, uid=crew.BO), "row-counts", 80))


def test_the_driver_answers_any_challenge_and_others_take_back_their_own() -> None:
    view = crew.challenged(crew.view(driver="bo"))
    mine = msgspec.structs.replace(crew.CHALLENGE, id=4, uid=crew.MY_UID, actor="anna", item="")
    assert why("answer", scene(crew.view())) == "no challenge waits for an answer"
    assert "bo answers; you may take back what you challenged yourself" in why("answer", scene(view))
    assert why("answer", scene(crew.challenged(crew.view(driver="bo"), mine), read_only=True)) == ""
    assert why("answer", scene(crew.challenged(crew.view()))) == ""


def test_a_new_challenge_rings_for_the_driver_and_not_for_who_raised_it() -> None:
    view = crew.challenged(crew.view())
    assert [one.rings for one in notices(scene(view))] == [True]
    own = msgspec.structs.replace(crew.CHALLENGE, uid=crew.MY_UID)
    crewed = msgspec.structs.replace(view.crew, challenges=(own,))
    assert [one.rings for one in notices(scene(msgspec.structs.replace(view, crew=crewed)))] == [False]
    assert notices(scene(view, uid=crew.BO)) == []


# --- pause points ------------------------------------------------------------------------------------------------


def test_the_second_go_is_for_whoever_did_not_say_the_first() -> None:
    call = CallView(kind="phase", id="final", actor="bo", uid=crew.BO, utc=story.before(10))
    go = StandingView(go="GO", phase="final")
    view = msgspec.structs.replace(crew.view(driver="bo", call=call), standing=go)
    for read_only in (False, True):
        at = scene(view, read_only=read_only)
        assert why("go", at) == ""
        assert "GO SAID BY BO 20:44:50 a second person says theirs: press g" in words(banner_lines(at, 120))
        assert "g go" in words(keybar_lines(ACTIONS, at, 80, 1))
    assert "another login" in why("go", scene(view, uid=crew.BO))
    uncalled = scene(msgspec.structs.replace(crew.view(driver="bo"), standing=go), read_only=True)
    assert "the driver says GO first" in why("go", uncalled)


def test_a_call_that_something_made_void_is_told_to_who_made_it_and_one_that_was_answered_is_not() -> None:
    made = CallView(kind="phase", id="final", actor="anna", uid=crew.MY_UID, utc=story.before(10))
    go = StandingView(go="GO", phase="final")
    called = scene(msgspec.structs.replace(crew.view(call=made), standing=go))
    assert "anna said GO, a second person says theirs" in words(verdict_lines(called, 120))
    over = scene(crew.view())
    assert [text.partition(":")[0] for text, _ in told(called, over)] == ["Your call is void"]
    assert told(called, scene(msgspec.structs.replace(crew.view(), gone=("pre", "final")))) == []
    crossing = msgspec.structs.replace(crew.CROSSING, uid=crew.MY_UID, agreed_by="bo")
    before = crew.deploying(crew.view(call=crossing))
    begun = {**before.items, "push": ItemView(id="push", status="running", attempts=1)}
    after = msgspec.structs.replace(before, crew=over.view.crew, items=begun)
    assert told(scene(before), scene(after)) == []


def test_only_another_than_who_called_agrees_and_only_once() -> None:
    view = crew.deploying(crew.view(driver="bo", call=crew.CROSSING))
    assert why("agree", scene(view)) == "" and notices(scene(view))[0].rings
    assert "another login" in why("agree", scene(view, uid=crew.BO))
    waits = words(banner_lines(scene(view, uid=crew.BO, me="bo"), 160))
    assert "waits for a second person to agree (anna): Push the release" in waits
    agreed = msgspec.structs.replace(crew.CROSSING, agreed_by="anna")
    view = crew.deploying(crew.view(driver="bo", call=agreed))
    assert why("agree", scene(view)) == "anna agreed already"
    notice = notices(scene(view, uid=crew.BO))[0]
    assert notice.rings and notice.text.startswith("r runs it")
    assert why("agree", scene(crew.view())) == "nobody calls a second person to the point of no return"


def test_the_ways_on_are_those_of_who_looks() -> None:
    view = crew.deploying(crew.view(driver="bo", call=crew.CROSSING))
    assert [way for way, _ in ways(scene(view, focus="push"))] == ["agree"]
    assert [way for way, _ in ways(scene(view, focus="push", uid=crew.BO))] == ["people"]
    assert [way for way, _ in ways(scene(crew.view(driver="bo"), focus="disk"))] == ["challenge", "drive"]


def test_a_critical_value_is_asked_for_again_and_not_read_back() -> None:
    view = crew.view()
    (phase,) = (one for one in view.phases if one.id == "final")
    items = [msgspec.structs.replace(face, critical=True) for face in phase.items if face.id == "notify"]
    steps = (msgspec.structs.replace(phase.steps[0], items=tuple(items)),)
    phases = tuple(msgspec.structs.replace(one, steps=steps) if one is phase else one for one in view.phases)
    said = ItemView(
        id="notify", mark="confirmed", settled=True, value="msg 17", said=(Said("anna", story.before(9)),)
    )
    at = scene(msgspec.structs.replace(view, phases=phases, items={"notify": said}))
    assert [face.id for face in asked_again(at)] == ["notify"]
    text = words(readback_lines(at, 90))
    assert "Notify the team: its value is asked once more (anna)" in text and "msg 17" not in text
    waived = msgspec.structs.replace(said, mark="waived")
    assert asked_again(replace(at, view=msgspec.structs.replace(at.view, items={"notify": waived}))) == []


def test_a_phase_of_the_rollback_is_passed_while_the_verdict_stays_roll_back() -> None:
    done = {**story.items(), "revert": ItemView(id="revert", settled=True, mark="confirmed")}
    standing = StandingView(go="ROLL BACK", phase="rollback")
    view = msgspec.structs.replace(crew.view(), items=done, standing=standing)
    assert why("go", scene(view)) == ""
    opened = msgspec.structs.replace(view, items={**done, "revert": ItemView(id="revert", why_open="not yet")})
    assert why("go", scene(opened)).startswith("ROLL BACK")
    asked = msgspec.structs.replace(standing, blockers=(BlockerView("challenge", "revert", "bo challenges: sure?"),))
    assert "sure?" in why("go", scene(msgspec.structs.replace(view, standing=asked)))


# --- signing -----------------------------------------------------------------------------------------------------


def test_each_signs_for_the_role_that_names_them_and_the_driver_attests_the_others() -> None:
    view = crew.signing(crew.view())
    at = scene(view, focus="sign-off")
    assert [role.id for role in roles_for(at)] == ["dev", "dba"], "one's own comes first; support has signed"
    assert why("confirm", at) == ""
    bo = scene(crew.signing(crew.view()), focus="sign-off", me="bo", uid=crew.BO, read_only=True)
    assert [role.id for role in roles_for(bo)] == ["dba"] and why("confirm", bo) == ""
    dora = scene(view, focus="sign-off", me="dora", uid=9)
    assert "Development Lead (Anna), Database owner (Bo) signs by that name" in why("confirm", dora)
    assert why("confirm", replace(at, detail_visible=False)).startswith("its evidence is not on the screen")


def test_what_is_signed_is_told_in_the_items_own_words() -> None:
    at = scene(crew.signing(crew.view()), focus="sign-off")
    text = words(above_lines(at, 90))
    assert "1 waived Test OAuth login (oauth): OAuth is not configured in production (anna)" in text
    assert "1 late Row counts of the backup equal the live database (row-counts): took 3s, planned 1m30s" in text
    assert "2 challenged" in text and "the run" in text
    told = [line_text(line) for line in signature_lines(crew.SIGN, crew.SIGNING, at)]
    assert told == [
        " __ Development Lead Anna",
        " __ Database owner Bo",
        " Dora (attested by anna) signed for Support lead 20:44:30",
    ]


# --- by whom -----------------------------------------------------------------------------------------------------


def test_people_are_told_apart_by_the_uid_and_never_by_a_name() -> None:
    hold = HoldView(id=1, actor="anna", uid=crew.BO, utc=story.before(9), reason="smell")
    view = msgspec.structs.replace(crew.view(driver="bo"), holds=(hold,))
    assert "they or the driver may release it" in why("release", scene(view))
    assert why("release", scene(view, me="someone", uid=crew.BO)) == ""
    said = ItemView(id="row-counts", verdict="pass", evidence_digest="e", said=(Said("anna", story.before(9), 5),))
    same_name = msgspec.structs.replace(crew.view(driver="bo"), items={"row-counts": said})
    assert why("confirm", scene(same_name, focus="row-counts")) == ""
    assert "you confirmed it already" in why("confirm", scene(same_name, focus="row-counts", me="other", uid=5))


@pytest.mark.parametrize("width", [40, 80, 160])
def test_no_line_between_people_is_wider_than_its_screen(width: int) -> None:
    view = crew.challenged(crew.view(asking=(crew.ASK,), call=crew.CROSSING))
    lines = banner_lines(scene(view), width)
    assert lines and all(width_of(line) <= width for line in lines)


def test_nothing_is_asked_in_a_replay_or_of_an_engine_that_has_gone() -> None:
    view = crew.view(asking=(crew.ASK,))
    assert notices(scene(view)) != [] and notices(scene(view, connected=False)) == []
