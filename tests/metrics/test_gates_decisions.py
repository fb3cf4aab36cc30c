"""What a person decides about a gate that tripped, or that lost sight."""

from __future__ import annotations

import math

import pytest

from metrics.gates import GateRule, GateState, Phase, arm, decide, disarm, explain, freeze, passes, step, thaw
from metrics.samples import Sample

RULE = GateRule("g", "http.error_rate", "sustained", ">", 0.10, over=60, interval=10)
WHY = "the probe host restarts"


def feed(state: GateState, parts: list[float], start: float) -> GateState:
    for k, part in enumerate(parts):
        at = start + k * 10
        state = step(RULE, state, Sample.ratio(at, part * 40, 40), at)
    return state


def tripped() -> GateState:
    state = feed(arm(GateState(), 0), [1.0] * 7, 0)
    assert state.phase is Phase.TRIPPED
    return state


def blind() -> GateState:
    """Good until 90, then nothing; at 210 the no-data timer has fired."""
    state = step(RULE, feed(arm(GateState(), 0), [0.0] * 10, 0), None, 210)
    assert (state.phase, state.no_data_fired) == (Phase.UNKNOWN, True)
    return state


def test_continuing_needs_a_name_and_a_reason_and_takes_the_whole_time_again() -> None:
    with pytest.raises(ValueError, match="name"):
        decide(tripped(), "continue", by=" ", reason="known spike", now=60)
    with pytest.raises(ValueError, match="reason"):
        decide(tripped(), "continue", by="ada", reason="ok", now=60)
    with pytest.raises(ValueError, match="nothing to decide"):
        decide(arm(GateState(), 0), "continue", by="ada", reason="known spike", now=60)
    state = decide(tripped(), "continue", by="ada", reason="known spike", now=60)
    state = feed(state, [1.0] * 6, 70)
    assert state.phase is Phase.BREACHING
    assert feed(state, [1.0], 130).phase is Phase.TRIPPED


def test_an_extension_keeps_the_gate_from_tripping_until_its_end() -> None:
    with pytest.raises(ValueError, match="ahead"):
        decide(tripped(), "extend", by="ada", reason="known spike", now=60, until=60)
    state = decide(tripped(), "extend", by="ada", reason="known spike", now=60, until=100)
    state = feed(state, [1.0] * 3, 70)
    assert state.phase is Phase.BREACHING
    assert feed(state, [1.0], 100).phase is Phase.TRIPPED


def test_a_rollback_decision_stays_on_the_latch() -> None:
    state = decide(tripped(), "rollback", by="ada", reason="errors do not end", now=61)
    assert state.phase is Phase.TRIPPED
    assert "ada: rollback" in explain(RULE, state, 61)
    assert not disarm(state, 70).armed


def test_an_extension_of_a_trip_does_not_silence_a_loss_of_sight() -> None:
    state = decide(tripped(), "extend", by="ada", reason="known spike", now=60, until=5000)
    state = step(RULE, feed(state, [1.0] * 3, 70), None, 90 + RULE.no_data_after)
    assert state.no_data_fired
    assert "needs a person" in explain(RULE, state, 210)


def test_an_extension_says_how_long_it_holds_and_ends_when_the_person_said() -> None:
    state = decide(tripped(), "extend", by="ada", reason="known spike", now=60, until=163)
    state = feed(state, [1.0] * 10, 70)
    assert state.phase is Phase.BREACHING
    assert "extended for 00:03" in explain(RULE, state, 160)
    assert feed(state, [1.0], 170).phase is Phase.TRIPPED


@pytest.mark.parametrize("until", [None, math.nan, math.inf, 59.0, 60.0])
def test_an_extension_without_a_time_ahead_is_refused(until: float | None) -> None:
    with pytest.raises(ValueError, match="ahead"):
        decide(tripped(), "extend", by="ada", reason=WHY, now=60, until=until)


def test_to_continue_without_sight_starts_the_timer_anew_and_believes_nothing_older() -> None:
    state = decide(blind(), "continue", by="ada", reason=WHY, now=210)
    assert step(RULE, state, Sample.ratio(205, 0, 40), 215).newest is None
    assert not step(RULE, state, None, 329).no_data_fired
    again = step(RULE, state, None, 330)
    assert again.no_data_fired and not passes(RULE, again, 330)


def test_to_extend_without_sight_keeps_the_timer_still_until_then_and_no_longer() -> None:
    state = decide(blind(), "extend", by="ada", reason=WHY, now=210, until=900)
    quiet = step(RULE, state, None, 899)
    assert (quiet.phase, quiet.no_data_fired) == (Phase.UNKNOWN, False)
    assert "extended for 00:01" in explain(RULE, quiet, 899)
    assert not passes(RULE, quiet, 899)
    assert step(RULE, quiet, None, 900).no_data_fired


def test_an_extension_of_blindness_ends_with_the_next_sample_and_holds_back_no_trip() -> None:
    state = decide(blind(), "extend", by="ada", reason=WHY, now=210, until=9000)
    state = feed(state, [1.0] * 7, 220)
    assert state.phase is Phase.TRIPPED
    lost = decide(blind(), "extend", by="ada", reason=WHY, now=210, until=9000)
    lost = step(RULE, feed(lost, [0.0], 220), None, 220 + RULE.no_data_after)
    assert lost.no_data_fired


def test_to_roll_back_without_sight_latches_so_that_data_do_not_undo_it() -> None:
    state = decide(blind(), "rollback", by="ada", reason=WHY, now=210)
    state = feed(state, [0.0] * 20, 220)
    assert state.phase is Phase.TRIPPED
    assert not passes(RULE, state, 410)
    assert "ada: rollback" in explain(RULE, state, 410)
    assert not disarm(state, 420).armed


def test_extensions_survive_a_restart_but_not_a_wall_clock_that_went_back() -> None:
    for state in (tripped(), blind()):
        now = state.now or 0.0
        held = decide(state, "extend", by="ada", reason=WHY, now=now, until=now + 500)
        back = thaw(RULE, freeze(held, 1000.0, now), 1100.0, 7.0)
        assert [t for t in (back.held_until, back.blind_until) if t is not None] == [pytest.approx(7 + 400)]
        assert back.decision is not None and back.decision.until == pytest.approx(407)
        jumped = thaw(RULE, freeze(held, 1000.0, now), 900.0, 7.0)
        assert (jumped.held_until, jumped.blind_until) == (None, None)


def test_trouble_is_not_forgotten_by_looking_away() -> None:
    """A gap is no recovery: without it the same samples would still be recovering."""
    state = feed(arm(GateState(), 0), [1.0] * 3, 0)
    state = feed(state, [0.0], 200)
    assert state.phase is Phase.RECOVERING
    assert feed(state, [0.0] * 2, 210).phase is Phase.CLEAR


def test_the_words_of_a_decision_must_be_one_of_three() -> None:
    with pytest.raises(ValueError, match="rollback, continue or extend"):
        decide(tripped(), "ignore", by="ada", reason=WHY, now=60)  # type: ignore[arg-type]
