"""A run of the past is shown as it was, moves as it is told to, and can be changed by nobody."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from cockpit_help import text_of, until
from flown import EVENTS, Flown, minutes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from textual.pilot import Pilot

from metrics.history import Recording, history_path
from state.events import Actor, utc_text
from state.loader import load_checklist
from state.record_file import RecordFile
from state.redact import Redactor
from state.replaying import outcome_data
from state.verdicts import Mark, Outcome, Verdict
from tminus.cli import cli
from tminus.client import AddNote, Client, MarkItem, PassPhase, Play, Refused, StopEngine
from tminus.client.messages import View
from tminus.engine import acts
from tminus.engine.records import opening_events
from tminus.engine.session import Session
from tminus.replay.deck import MOVES, SPEEDS, Deck
from tminus.replay.load import Unplayable, deck_at, load_tape
from tminus.replay.player import Player, playing
from tminus.replay.tape import Tape, view_at
from tui.actions import ACTIONS, BY_ID, why_not
from tui.app import Cockpit
from tui.theme import Look

ROOT = Path(__file__).parents[2]


def seen(flown: Flown, at: float) -> View:
    """The view AT minutes from T0."""
    tape = flown.tape
    with Recording(history_path(flown.record)) as recording:
        return view_at(tape, tape.position(minutes(at)), minutes(at), recording)


# --- what is shown -----------------------------------------------------------------------------------------


async def test_every_picture_is_the_one_that_the_engine_showed_when_it_happened(flown: Flown, tmp_path: Path) -> None:
    path = tmp_path / "live.toml"
    loaded = load_checklist(flown.checklist)
    anna = Actor(name="anna", uid=1000)
    session = Session(loaded.checklist, record := RecordFile(path), Redactor(), lambda _: "")
    shown: list[View] = []
    session.after_event(lambda _: shown.append(session.view))

    async def act(kind: str, **fields: object) -> None:
        await session.act(lambda _run, _now: acts.event(kind, anna, **fields))

    for event in opening_events(loaded, record, anna, "2026-11-22T22:00:00.000Z"):
        await session.act(lambda _run, _now, event=event: event)
    await act("lease.taken")
    await act("check.started", item="look")
    outcome = Outcome.of(Verdict.PASS, "exit code 0", observed_at=datetime.now(UTC))
    await act("check.finished", item="look", to="pass", data=outcome_data(outcome, 0.5))
    mark = MarkItem(item="say", mark="confirmed")
    await session.act(lambda run, now: acts.mark(loaded.checklist, run, anna, mark, now))
    await act("hold.raised", reason="wait for the customer", data={"id": 1})
    await act("hold.released", data={"id": 1})
    await act("phase.go", item="one")
    await act("gate.armed", item="errors")
    await session.close()
    tape, history = load_tape(path, flown.checklist)
    assert history is None
    for position, view in enumerate(shown, 1):
        again = view_at(tape, position, tape.times[position - 1], None)
        gateless = position < len(shown)  # of the gates only the record's words are known
        assert (again.items, again.holds, again.gone, again.phases) == (
            view.items,
            view.holds,
            view.gone,
            view.phases,
        )
        assert again.run == view.run
        assert again.standing == view.standing or not gateless
    assert [blocker.id for blocker in view_at(tape, len(shown), tape.end, None).standing.blockers] == [
        "errors",
        "push",
    ]


def test_before_and_after_each_turn_of_the_run_its_state_is_what_the_record_says(flown: Flown) -> None:
    begun, failed, passed = seen(flown, -14.5), seen(flown, -13), seen(flown, -10.5)
    assert begun.items["look"].status == "running"
    assert (failed.items["look"].verdict, failed.items["look"].actual) == ("fail", "exit code 1")
    assert passed.items["look"].settled
    assert [hold.reason for hold in seen(flown, -3).holds] == ["the customer calls"]
    assert (seen(flown, -3).standing.go, seen(flown, -1.5).standing.go, seen(flown, 0).standing.phase) == (
        "HOLD",
        "GO",
        "two",
    )
    assert seen(flown, 0).run.driver == "anna"


def test_a_gate_is_shown_as_it_was_recorded_and_grey_until_it_was_armed(flown: Flown) -> None:
    states = {at: seen(flown, at).gates["errors"].state for at in (0, 1.5, 3, 22, 27, 31)}
    assert states == {0: "unarmed", 1.5: "unknown", 3: "clear", 22: "breaching", 27: "tripped", 31: "tripped"}
    assert "err 50.0% > 10% for 05:00 (recorded 22:26:00 UTC)" in seen(flown, 27).gates["errors"].why
    assert (seen(flown, 27).standing.go, seen(flown, 31).standing.go) == ("ROLL BACK", "NO-GO")
    assert seen(flown, 31).gates["errors"].decision == "continue"


def test_a_gate_is_unknown_where_nobody_can_have_looked_and_a_trip_alone_stays(flown: Flown) -> None:
    tape = flown.tape

    def state(kind: str, at: float, recording: Recording | None) -> str:
        """After an engine event at 10 minutes, of a run whose gate was clear from 2 on."""
        event = msgspec.structs.replace(tape.events[1], kind=kind, utc=utc_text(minutes(10)))
        cut = Tape(tape.checklist, (*tape.events[:14], event), shown=tape.shown)
        return view_at(cut, 15, minutes(at), recording).gates["errors"].state

    assert (state("note", 11, None), state("engine.stopped", 11, None), state("engine.started", 11, None)) == (
        "clear",
        "unknown",
        "unknown",
    )
    with Recording(history_path(flown.record)) as recording:
        assert (state("note", 44, recording), state("note", 47, recording)) == ("clear", "unknown")
    assert seen(flown, 29).gates["errors"].state == seen(flown, 100).gates["errors"].state == "tripped"


def test_a_criterion_of_success_is_not_clear_before_its_whole_window_was(flown: Flown) -> None:
    flown.checklist.write_text(flown.checklist.read_text().replace('then = "rollback"', 'then = "hold"'))
    assert [seen(flown, at).gates["errors"].state for at in (3, 6.9, 7)] == ["unknown", "unknown", "clear"]


def test_what_a_rehearsal_left_out_needs_nothing_in_its_replay_either() -> None:
    tape, _ = load_tape(ROOT / "docs" / "example-record.toml", ROOT / "checklist.toml")
    view = view_at(tape, len(tape.events), tape.end, None)
    assert view.items["create-database"].settled
    assert not {"create-database", "render-yaml"} & {blocker.id for blocker in view.standing.blockers}


def test_the_metrics_are_those_of_the_moment_with_their_series_and_their_age(flown: Flown) -> None:
    early, late, silent = seen(flown, 10.1), seen(flown, 20.6), seen(flown, 46.5)
    assert (early.metrics["http.error_rate"].text, late.metrics["http.error_rate"].text) == ("0.0%", "50.0%")
    assert (early.metrics["http.error_rate"].status, late.metrics["http.error_rate"].status) == ("ok", "bad")
    assert late.metrics["http.error_rate"].threshold == 0.1
    assert late.series["http.error_rate"][-5:] == (0.0, 0.0, 0.5, 0.5, 0.5)
    assert late.metrics["http.error_rate"].observed_at == "2026-11-22T22:20:30.000+00:00"
    assert silent.metrics["http.error_rate"].status == "stale"
    assert seen(flown, -21).metrics == {}


def test_the_record_of_another_checklist_is_played_with_what_is_strange_in_it_unknown() -> None:
    tape, history = load_tape(ROOT / "docs" / "example-record.toml", ROOT / "checklist.toml")
    assert history is None
    assert any("is not what it was in this run" in note for note in tape.notes)
    assert any("without metrics" in note for note in tape.notes)
    for position in range(1, len(tape.events) + 1, 7):
        view = view_at(tape, position, tape.times[position - 1], None)
        assert view.standing.go in ("NO-GO", "HOLD", "ROLL BACK", "GO")


def test_items_and_gates_that_the_checklist_does_not_know_are_unknown_and_never_settled(flown: Flown) -> None:
    text = flown.checklist.read_text()
    flown.checklist.write_text(text.replace('id = "say"', 'id = "tell"').replace('id = "errors"', 'id = "faults"'))
    view = seen(flown, 27)
    strange = view.items["say"]
    assert (strange.verdict, strange.settled, strange.mark) == ("unknown", False, "confirmed")
    assert [(phase.title, [face.text for face in phase.items]) for phase in view.phases][-1] == (
        "Not in this checklist",
        ["Say it"],
    )
    assert (view.gates["errors"].state, view.gates["errors"].text) == ("unknown", "too many errors")
    assert not view.items["tell"].settled


def test_a_clock_that_was_put_back_never_runs_the_tape_backwards(flown: Flown) -> None:
    tape = flown.tape
    late = msgspec.structs.replace(tape.events[4], utc="2026-11-22T23:30:00.000Z")
    moved = Deck.of(Tape(tape.checklist, (*tape.events[:4], late, *tape.events[5:])))
    assert list(moved.tape.times) == sorted(moved.tape.times)
    assert moved.tape.times[5] == moved.tape.times[4]


# --- how it moves ------------------------------------------------------------------------------------------


def test_it_plays_at_its_speed_pauses_and_stops_at_the_end(flown: Flown) -> None:
    deck = flown.deck
    assert deck.after(100) == deck
    deck = deck.moved("play").after(10)
    assert deck.moment == minutes(-20) + timedelta(seconds=600)
    paused = deck.moved("play")
    assert paused.after(1e9) == paused
    end = deck.after(1e300)
    assert (end.moment, end.position, end.playing, end.at_end) == (deck.tape.end, len(EVENTS), False, True)
    again = end.moved("play")
    assert (again.moment, again.playing) == (deck.tape.begin, True)


def test_the_speeds_go_one_by_one_and_end_at_both_ends(flown: Flown) -> None:
    deck, speeds = flown.deck, []
    for _ in range(9):
        deck = deck.moved("slower")
    for _ in range(9):
        speeds.append(deck.speed)
        deck = deck.moved("faster")
    assert tuple(speeds[: len(SPEEDS)]) == SPEEDS
    assert deck.speed == SPEEDS[-1]


def test_it_jumps_from_event_to_event_also_between_those_of_one_instant(flown: Flown) -> None:
    deck = flown.deck.moved("begin")
    seen_positions = [deck.position]
    while not deck.at_end:
        deck = deck.moved("event-next")
        seen_positions.append(deck.position)
    assert seen_positions == [*range(1, len(EVENTS) + 1), len(EVENTS)]  # after the last, the end of the metrics
    assert deck.moved("event-back").position == len(EVENTS)
    between = deck.at(minutes(-7))
    assert (between.position, between.moved("event-back").moment) == (8, minutes(-10))
    assert between.moved("event-back").moved("event-back").position == 7


def test_it_jumps_to_pause_points_trips_holds_and_failures(flown: Flown) -> None:
    deck, found = flown.deck, []
    for _ in range(6):
        deck = deck.moved("big-next")
        found.append(EVENTS[deck.position - 1][1])
    assert found == ["check.finished", "hold.raised", "phase.go", "gate.changed", "gate.decided", "phase.go"]
    assert deck.moved("big-next").at_end
    assert EVENTS[deck.moved("big-back").position - 1][1] == "gate.decided"
    assert flown.deck.moved("big-back").position == 1


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(sorted(MOVES)) | st.floats(0, 1000), max_size=25))
def test_whatever_is_pressed_it_stays_on_the_tape_with_as_many_events_as_the_moment_has_seen(
    flown: Flown, moves: list[str | float]
) -> None:
    deck = flown.deck
    for move in moves:
        deck = deck.moved(move) if isinstance(move, str) else deck.after(move)
        assert deck.tape.begin <= deck.moment <= deck.tape.end
        assert 1 <= deck.position <= deck.tape.position(deck.moment)
        assert deck.tape.times[deck.position - 1] <= deck.moment


@pytest.mark.parametrize(
    ("where", "at", "position"),
    [("T+10m", 10, 14), ("T", 0, 11), ("T-15m", -15, 4), ("9", -5, 9), ("2026-11-22T22:26:30Z", 26.5, 16), ("99999", 40, 18),
     ("T+9000d", 44.75, 18)],
)  # fmt: skip
def test_it_begins_where_it_is_told_to(flown: Flown, where: str, at: float, position: int) -> None:
    deck = deck_at(flown.deck, where)
    assert (deck.moment, deck.position) == (minutes(at), position)


@pytest.mark.parametrize("where", ["", "soon", "T+", "T+10", "-3", "T+99999999999999d"])
def test_a_place_that_is_none_is_refused(flown: Flown, where: str) -> None:
    with pytest.raises(ValueError):
        deck_at(flown.deck, where)


# --- the player --------------------------------------------------------------------------------------------


class Clock:
    """A clock that is turned by hand."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@asynccontextmanager
async def played(flown: Flown, tmp_path: Path) -> AsyncIterator[tuple[Player, Path, Clock]]:
    clock, socket = Clock(), tmp_path / "engine.sock"
    with Recording(history_path(flown.record)) as recording:
        player = Player(flown.deck, recording, clock)
        async with await player.listen(socket):
            yield player, socket, clock
            await player.hang_up()


async def test_whatever_acts_is_refused_and_the_record_stays_as_it_was(flown: Flown, tmp_path: Path) -> None:
    before = flown.record.read_bytes()
    async with played(flown, tmp_path) as (_, socket, _), Client(socket, watch=True) as client:
        view = client.view
        for request in (
            MarkItem(item="say", mark="failed", reason="no" * 9),
            PassPhase(phase="two"),
            AddNote(text="x"),
            StopEngine(),
        ):
            with pytest.raises(Refused, match="this is a replay"):
                await client.ask(request)
        with pytest.raises(Refused, match="does not know 'rewind'"):
            await client.ask(Play(do="rewind"))
        assert client.view == view
    assert flown.record.read_bytes() == before


async def test_an_engine_refuses_to_be_played(flown: Flown, tmp_path: Path) -> None:
    from tminus.engine.answers import Answers

    with contextlib.closing(RecordFile(tmp_path / "live.toml")) as record:
        session = Session(load_checklist(flown.checklist).checklist, record, Redactor(), lambda _: "")
        with pytest.raises(acts.Refusal):
            await Answers(session, None, None, lambda: None)(Actor(name="anna", uid=1), Play(do="end"))  # type: ignore[arg-type]


async def test_damage_that_is_met_on_the_way_is_said_and_the_replay_goes_on(flown: Flown, tmp_path: Path) -> None:
    async with played(flown, tmp_path) as (player, _, _):
        tape = player.deck.tape
        broken = msgspec.structs.replace(
            tape.states[7].items["look"],
            marked_at="never",
            mark=Mark.WAIVED,
            waiver_until="soon",
            reason="because it is so",
        )
        tape.__dict__["states"] = (
            *tape.states[:7],
            msgspec.structs.replace(tape.states[7], items={"look": broken}),
            *tape.states[8:],
        )
        player.move(Play(do="begin"))
        good = player.view()
        player.deck = player.deck.at_event(7)
        assert (player.view().replay or good.replay).notes == ("this moment cannot be shown (ValueError)",)  # type: ignore[union-attr]
        assert player.view().items == good.items
        player.deck = player.deck.at_event(8)
        assert (player.view().replay or good.replay).notes == ()  # type: ignore[union-attr]


def test_the_players_own_thread_serves_and_ends(flown: Flown) -> None:
    async def position() -> int:
        async with Client(socket, watch=True) as client:
            await client.ask(Play(do="end"))
            await until(lambda: client.view.replay and client.view.replay.position == len(EVENTS))
            assert client.view.metrics
            return client.view.replay.position if client.view.replay else 0

    with playing(flown.deck, history_path(flown.record)) as socket:
        assert socket.stat().st_mode & 0o777 and socket.parent.stat().st_mode & 0o077 == 0
        assert asyncio.run(position()) == len(EVENTS)
    assert not socket.parent.exists()


# --- the screen --------------------------------------------------------------------------------------------


@asynccontextmanager
async def screen(flown: Flown, tmp_path: Path) -> AsyncIterator[tuple[Cockpit, Pilot[int], Player, Clock]]:
    async with played(flown, tmp_path) as (player, socket, clock):
        app = Cockpit(socket, name="bo", look=Look("tminus-dark", False, False))
        async with app.run_test(size=(140, 40)) as pilot:
            await until(lambda: app.scene.connected)
            await pilot.pause()
            yield app, pilot, player, clock


async def test_the_cockpit_plays_and_jumps_and_its_clock_is_the_one_of_the_run(flown: Flown, tmp_path: Path) -> None:
    async with screen(flown, tmp_path) as (app, pilot, player, clock):
        assert "REPLAY T-00:20:00" in text_of(app)
        assert "paused (60x)  event 2 of 18" in text_of(app)
        await pilot.press("space")
        await until(lambda: app.scene.view.replay.playing)
        clock.seconds += 10
        assert player.turn()
        await player.show()
        await until(lambda: app.scene.view.replay.position == 8)
        await pilot.pause()
        assert app.scene.now == minutes(-10)
        assert "event 8 of 18  say: confirmed" in text_of(app)
        await pilot.press("space", "right_curly_bracket")
        await until(lambda: app.scene.view.replay.position == 9)
        await pilot.pause()
        assert "HOLD: the customer calls" in text_of(app)
        assert "T-00:05:00" in text_of(app)
        await pilot.press("dollar_sign")
        await until(lambda: app.scene.view.replay.position == len(EVENTS))
        await pilot.press("left_square_bracket", "minus", "0")
        await until(lambda: (app.scene.view.replay.position, app.scene.view.replay.speed) == (1, 10.0))


async def test_nothing_that_acts_can_be_pressed_and_no_question_opens_by_itself(flown: Flown, tmp_path: Path) -> None:
    async with screen(flown, tmp_path) as (app, pilot, player, _):
        player.deck = player.deck.at(minutes(27))
        await player.show()
        await until(lambda: app.scene.undecided)
        for action in ACTIONS:
            assert bool(why_not(action, app.scene)) or action.danger == "none"
        await pilot.press("c", "h", "g", "r")
        await pilot.pause()
        assert app.screen is app.bridge
        assert "space play/pause" in text_of(app)
        assert "c confirm" not in text_of(app)


def test_a_replays_keys_have_no_place_on_the_screen_of_a_run() -> None:
    from tui.replay import offered
    from tui.scene import Scene

    live = Scene(view=View())
    assert not any(action.scope == "replay" for action in offered(ACTIONS, live))
    assert why_not(BY_ID["play"], live) == "only in a replay: tminus replay RECORD"
    assert {action.id for action in ACTIONS if action.scope == "replay"} == set(MOVES)


# --- the command -------------------------------------------------------------------------------------------


def ran(*argv: object) -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["replay", *map(str, argv)])
    return result.exit_code, result.output


def test_printed_it_tells_every_event_and_the_metrics_up_to_each_pause_point(flown: Flown) -> None:
    code, out = ran(flown.record, "-C", flown.checklist, "--print")
    lines = out.splitlines()
    assert code == 0
    assert lines[0] == "Small: 18 events in run.toml"
    events = [line for line in lines if line[:5].strip().isdecimal()]
    assert len(events) == len(EVENTS)
    assert events[8] == "    9* 2026-11-22 21:55:00Z       T-5m  anna              HOLD: the customer calls"
    second = lines[lines.index(next(line for line in lines if "two is passed" in line)) + 1]
    assert "http.error_rate" in second and "24.5% (405 of 1,650)" in second


def test_without_its_history_the_summaries_of_the_record_are_printed() -> None:
    code, out = ran(ROOT / "docs" / "example-record.toml", "-C", ROOT / "checklist.toml", "--print")
    assert code == 0
    assert "note: no metric history at example-record.metrics.db" in out
    assert re.search(r"http.p95 +looks \d+, seen \d+", out)


@pytest.mark.parametrize("damage", ["cut", "changed", "binary", "empty", "gone"])
def test_a_record_that_cannot_be_believed_ends_with_2_and_says_why(flown: Flown, damage: str) -> None:
    text = flown.record.read_text()
    match damage:
        case "cut":
            flown.record.write_text(text[: len(text) // 2])
        case "changed":
            flown.record.write_text(text.replace("the customer calls", "all is well"))
        case "binary":
            flown.record.write_bytes(b"\xff\xfe\x00record")
        case "empty":
            flown.record.write_text("")
        case "gone":
            flown.record.unlink()
    code, out = ran(flown.record, "-C", flown.checklist, "--print")
    assert code == 2
    assert flown.record.name in out
    with pytest.raises(Unplayable):
        load_tape(flown.record, flown.checklist)


def test_a_sealed_record_whose_times_make_no_sense_is_refused_by_name(flown: Flown) -> None:
    record = RecordFile(path := flown.record.with_name("odd.toml"))
    for utc in ("2026-11-22T22:00:00.000Z", "half past nine"):
        record.append(
            msgspec.structs.replace(acts.event("note", Actor(name="x", uid=1), reason="\x1b[31mred"), utc=utc)
        )
    record.close()
    code, out = ran(path, "-C", flown.checklist, "--print")
    assert (code, out.strip()) == (2, "odd.toml cannot be played: event 2 has no time that can be read")


def test_a_checklist_that_is_not_there_and_a_place_that_is_none_end_with_2(flown: Flown) -> None:
    assert ran(flown.record, "-C", "nowhere.toml")[0] == 2
    code, out = ran(flown.record, "-C", flown.checklist, "--at", "soon")
    assert code == 2 and "soon" in out
