"""What the detail says: of an item all that a person needs before they put their name to it, of a phase its times."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest
import story
from hypothesis import given
from hypothesis import strategies as st

from tminus.client.messages import (
    Attempt,
    HoldView,
    ItemFace,
    ItemView,
    PhaseFace,
    PhaseTimes,
    RunInfo,
    Said,
    StandingView,
    StepFace,
    View,
)
from tui.actions import ACTIONS
from tui.detail import detail_lines
from tui.guide import followed, guided, next_stop, ways
from tui.item_list import row_line
from tui.lines import text_of, width_of
from tui.readback import readback_lines
from tui.rows import phase_at, rows_of
from tui.scene import Scene
from tui.schedule import projection, schedule

KEYS = tuple((action.id, action.shown_key) for action in ACTIONS)


def scene(focus: str = "low-traffic", view: View | None = None, **more: Any) -> Scene:
    seen = view or story.view()
    return Scene(view=seen, now=story.NOW, me=story.ME, uid=os.getuid(), connected=True, focus=focus, keys=KEYS,
                 phase_focus=phase_at(seen, focus), **more)  # fmt: skip


def told(lines: Any) -> str:
    return "\n".join(text_of(line) for line in lines)


def with_item(name: str, **changes: Any) -> View:
    view = story.view()
    items = {**view.items, name: msgspec.structs.replace(view.items[name], **changes)}
    return msgspec.structs.replace(view, items=items)


# --- an item ---------------------------------------------------------------------------------------------------


def test_the_challenge_says_what_who_with_what_and_where_the_check_looks() -> None:
    text = told(detail_lines(scene(), 60))
    for part in (
        "Confirm low-traffic period",
        "Look at the analytics of the last four weeks.",
        "by Driver, Anna, +49 30 1234",
        "check http.traffic (read)",
        "base_url = https://skymodderai.com",
    ):
        assert part in text


def test_how_it_was_seen_stands_apart_from_what_was_seen() -> None:
    text = told(detail_lines(scene(), 60))
    evidence, seen_by, looks = text.index("EVIDENCE"), text.index("SEEN BY"), text.index("LOOKS AT")
    assert evidence < seen_by < text.index("https://skymodderai.com/metrics") < looks
    assert "url" not in text[evidence:seen_by]


def test_earlier_attempts_are_kept_the_latest_first() -> None:
    tries = tuple(Attempt(story.before(900 - n), "fail", f"try {n}", 2.0) for n in range(1, 7))
    text = told(detail_lines(scene("row-counts", with_item("row-counts", tries=tries, attempts=6)), 70))
    assert "EARLIER ATTEMPTS (+2 before)" in text
    assert text.index("try 5") < text.index("try 4") < text.index("try 3")
    assert "try 6" not in text and "try 2" not in text
    running = with_item("row-counts", tries=tries, attempts=7, status="running", started_at=story.before(1))
    assert "try 6" in told(detail_lines(scene("row-counts", running), 70))


def test_the_marks_say_who_is_missing() -> None:
    assert "nobody yet" in told(detail_lines(scene("row-counts"), 60))
    once = with_item("row-counts", said=(Said("anna", story.before(60)),), verdict="pass")
    text = told(detail_lines(scene("row-counts", once), 60))
    assert "anna confirmed" in text and "60 s ago" in text.replace("1m ago", "60 s ago")
    assert "a second person, not anna" in text
    assert "MARKS  settled by its check alone" in told(detail_lines(scene("disk"), 60))


@pytest.mark.parametrize(
    ("item", "changes", "keys"),
    [
        ("low-traffic", {}, ["c"]),
        ("row-counts", {}, ["r", "w"]),
        ("staging", {}, ["r", "w"]),
        ("backup-final", {}, ["r"]),
        ("locust", {}, ["k"]),
        ("push", {}, ["b", "g"]),
        ("revert", {"blocked": "the rollback opens when somebody decides to roll back"}, ["o"]),
        ("notify", {"mark": "failed", "why_open": "marked failed"}, ["u", "w"]),
        ("disk", {"verdict": "warn"}, ["r", "w"]),
        ("oauth", {}, []),
    ],
)
def test_what_stands_in_the_way_comes_with_the_keys_that_go_on(
    item: str, changes: dict[str, Any], keys: list[str]
) -> None:
    at = scene(item, with_item(item, **changes))
    assert [at.key(action) for action, _ in ways(at)] == keys
    text = told(detail_lines(at, 60))
    assert all(f"\n  {key} " in text for key in keys)


def test_a_hold_is_released_by_its_key_as_remapped() -> None:
    view = with_item("notify", blocked="held by bo: the graphs look odd")
    held = (HoldView(id=1, actor="bo", utc=story.before(9), reason="the graphs look odd"),)
    keys = tuple((name, "F7" if name == "release" else key) for name, key in KEYS)
    text = told(detail_lines(replace(scene("notify", msgspec.structs.replace(view, holds=held)), keys=keys), 60))
    assert "held by bo: the graphs look odd" in text and "  F7 releases the hold (bo" in text


def test_a_second_person_is_asked_for_by_name_of_the_first() -> None:
    at = scene("row-counts", with_item("row-counts", verdict="pass", said=(Said("anna", story.before(5)),)))
    assert "not anna" in dict(ways(at))["confirm"]


@given(st.sampled_from(sorted(story.items())), st.integers(38, 120), st.text(max_size=40))
def test_no_line_of_the_detail_is_wider_than_the_pane(item: str, width: int, text: str) -> None:
    view = with_item(item, actual=text, why_open=text, tries=(Attempt("", text, text, 1.0),) * 3, attempts=3)
    for at in (scene(item, view), scene("final", view), scene("nowhere", view)):
        assert [text_of(line) for line in detail_lines(at, width) if width_of(line) > width] == []


# --- a phase ---------------------------------------------------------------------------------------------------


def test_a_phase_shows_its_mode_progress_times_and_what_stands_against_it() -> None:
    text = told(detail_lines(scene("final"), 70))
    assert "Any order. At the end g reads all of it back" in text
    assert "1 of 9 settled" in text and "FAIL" in text and "WAIV" in text
    assert "early 00:00:00" not in text
    assert "planned" in text and "began" in text and "late 00:00:40" in text
    assert "6 against GO" in text and "row-counts: fail: 41,021 rows in users" in text
    ahead = told(detail_lines(scene("deploy"), 60))
    assert "In this order" in ahead and "The next is: Push the release" in ahead
    assert "2 open" in ahead and "begins" in ahead
    over = told(detail_lines(scene("pre"), 60))
    assert "passed" in over and "took" in over and "all of it is settled" in over


def two_phases(mode: str = "read-do", settled: tuple[str, ...] = (), **more: Any) -> View:
    def phase(name: str, at: float | None) -> PhaseFace:
        items = tuple(ItemFace(id=f"{name}{n}", text=f"{name}{n}", expect=60.0) for n in range(3))
        return PhaseFace(id=name, title=name, mode=mode, branch="main", offset=at, steps=(StepFace("", items),))

    items = {name: ItemView(id=name, settled=True, mark="confirmed") for name in settled}
    sections: dict[str, Any] = {
        "phases": (phase("a", -600.0), phase("b", 0.0)),
        "items": items,
        "run": RunInfo(t0=story.before(-900)),
        "standing": StandingView(phase="a"),
    }
    return View(**{**sections, **more})


def test_read_do_has_one_next_item_and_do_confirm_has_none() -> None:
    assert guided(two_phases()) == "a0"
    assert guided(two_phases(settled=("a0", "a2"))) == "a1"
    assert guided(two_phases(settled=("a0", "a1", "a2"))) == ""
    assert guided(two_phases("do-confirm")) == ""


def test_the_list_points_at_the_item_whose_turn_it_is() -> None:
    def pointed(view: View) -> list[str]:
        at = scene(view=view)
        rows = rows_of(view, {})
        lines = [text_of(row_line(row, at, 60, at=False)) for row in rows]
        return [row.key for row, line in zip(rows, lines, strict=True) if line.startswith(" " + at.glyphs.arrow)]

    assert pointed(two_phases(settled=("a0",))) == ["a1"]
    assert pointed(two_phases("do-confirm", settled=("a0",))) == []
    assert pointed(two_phases(settled=("a0", "a1", "a2"))) == []


def test_next_leads_to_the_item_whose_turn_it_is_and_from_it_onwards() -> None:
    view = two_phases(settled=("a0",))
    assert next_stop(view, "b2") == "a1"
    assert next_stop(view, "a1") == "a2"
    assert next_stop(two_phases("do-confirm", settled=("a0",)), "b1") == "b2"


def test_the_cursor_follows_only_the_guided_item_as_it_is_settled() -> None:
    before, after = two_phases(), two_phases(settled=("a0",))
    assert followed(before, after, "a0") == "a1"
    assert followed(before, after, "a2") == ""
    assert followed(before, before, "a0") == ""
    looked = msgspec.structs.replace(after, items={"a0": ItemView(id="a0", settled=True, verdict="pass")})
    assert followed(before, looked, "a0") == ""  # its check settled it: what it saw is still to be read
    assert followed(two_phases("do-confirm"), two_phases("do-confirm", settled=("a0",)), "a0") == ""
    # The last one of a phase leads nowhere: the pause point is a person's.
    assert followed(two_phases(settled=("a0", "a1")), two_phases(settled=("a0", "a1", "a2")), "a2") == ""


def test_a_schedule_keeps_facts_and_projects_what_is_ahead() -> None:
    began = PhaseTimes(began=story.before(60))
    slots = schedule(two_phases(settled=("a0",), times={"a": began}), story.NOW)
    # T0 is in 15 minutes: phase a was planned 5 minutes from now and began a minute ago, phase b waits for T0.
    assert slots["a"].drift == -360.0
    assert slots["a"].ends == story.NOW + timedelta(seconds=120)
    assert slots["b"].begins == story.NOW + timedelta(seconds=900)
    late = schedule(two_phases(run=RunInfo(t0=story.before(600))), story.NOW)
    assert late["b"].begins == story.NOW + timedelta(seconds=180)
    assert late["b"].drift == 780.0
    closed = two_phases(run=RunInfo(t0=story.before(-900), closed=True))
    assert schedule(closed, story.NOW)["a"].ends is None and projection(closed, story.NOW).finish is None
    # Nobody began phase a, which is planned in five minutes: it does not begin before that, nor by itself.
    waiting = schedule(two_phases(), story.NOW)["a"]
    assert not waiting.begun and waiting.begins == story.NOW + timedelta(seconds=300)
    practice = schedule(two_phases(run=RunInfo(t0=story.before(600), rehearsal=True)), story.NOW)
    assert practice["b"].drift is None  # its phases follow each other at once
    unplanned = schedule(two_phases(run=RunInfo()), story.NOW)
    assert unplanned["b"].planned is None and unplanned["b"].drift is None


moments = st.one_of(st.just(""), st.just("rubbish"), st.floats(-1e9, 1e9).map(story.before))
offsets = st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False))


@given(moments, moments, moments, offsets, st.floats(0, 1e12), st.booleans())
def test_no_plan_breaks_the_projection(
    t0: str, began: str, passed: str, offset: float | None, expect: float, gone: bool
) -> None:
    steps = (StepFace("", (ItemFace(id="x", text="x", expect=expect),)),)
    phases = tuple(
        PhaseFace(id=name, title=name, mode="read-do", branch="main", offset=offset, steps=steps) for name in "ab"
    )
    view = View(run=RunInfo(t0=t0), phases=phases, times={"a": PhaseTimes(began=began, passed=passed)},
                gone=("a",) if gone else (), standing=StandingView(phase="a"))  # fmt: skip
    found = projection(view, story.NOW)
    assert found.drift is None or abs(found.drift) < 1e11
    assert set(schedule(view, story.NOW)) == {"a", "b"}
    assert detail_lines(scene("a", view), 60)


# --- the read-back ---------------------------------------------------------------------------------------------


def test_the_read_back_names_all_that_is_not_simply_done() -> None:
    view = story.view()
    changed = {
        "oauth": {"reason": "OAuth is not configured in production"},
        "low-traffic": {"settled": True, "verdict": "warn", "actual": "21 a minute"},
        "row-counts": {"settled": True, "verdict": "pass", "actual": "41,023 rows", "seconds": 200.0,
                       "said": (Said("anna", story.before(9)), Said("bo", story.before(5)))},
        "staging": {"settled": True, "mark": "n/a", "reason": "there is no staging"},
        "locust": {"settled": True, "mark": "skipped", "status": "idle", "reason": "done yesterday"},
    }  # fmt: skip
    items = {k: msgspec.structs.replace(v, **changed.get(k, {})) for k, v in view.items.items()}
    text = " ".join(told(readback_lines(scene(view=msgspec.structs.replace(view, items=items)), 100)).split())
    for part in (
        "5 of 9 items settled",
        "1 by override: waived Test OAuth login: OAuth is not configured in production (anna)",
        "1 by override: skipped Load test with Locust: done yesterday",
        "1 by override: not applicable Staging runs this very commit: there is no staging",
        "confirmed with a warning Confirm low-traffic period: warn: 21 a minute",
        "1 late Row counts of the backup equal the live database: took 3m20s, planned 1m30s",
        "1 critical, as seen Row counts of the backup equal the live database: 41,023 rows (anna and bo)",
        "4 still open",
        "Free disk space on the database host",
        "passes the pause point",
    ):
        assert part in text, part


def test_a_phase_that_is_simply_done_reads_back_in_a_few_lines() -> None:
    view = two_phases(settled=("a0", "a1", "a2"))
    text = told(readback_lines(scene("a0", view), 60))
    assert "3 of 3 items settled" in text and "override" not in text and "Going on passes the pause point." in text
