"""Gates as a checklist writes them, what they say of themselves, and what a long window costs."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import fields, is_dataclass, replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.gate_condition import Condition, condition_of, parse_condition
from metrics.gates import GateRule, GateState, Phase, arm, explain, freeze, passes, progress, step, thaw, trip_text
from metrics.rules import rule_of
from metrics.samples import Reading, Sample
from state.definition import Gate

RULE = GateRule("error-rate", "http.error_rate", "sustained", ">", 0.10, over=60, interval=10)


def gate(**more: object) -> Gate:
    plain = {"id": "error-rate", "text": "errors", "metric": "http.error_rate", "when": "> 10%", "for": "60s"}
    return msgspec.convert(plain | {"interval": "10s"} | more, Gate)


def feed(rule: GateRule, state: GateState, parts: list[float], start: float = 0.0) -> GateState:
    for k, part in enumerate(parts):
        at = start + k * rule.interval
        state = step(rule, state, Sample.ratio(at, part * 40, 40), at)
    return state


def test_a_condition_of_a_baseline_is_a_multiple_of_it() -> None:
    condition = condition_of("> 2x baseline")
    assert condition == Condition(">", 2.0, "x", of_baseline=True)
    assert (condition.limit(0.03), condition.limit(0.0), condition.limit()) == (pytest.approx(0.06), 0.0, None)
    with pytest.raises(ValueError, match="baseline"):
        parse_condition("> 2x baseline")


@pytest.mark.parametrize("text", ["> 2x", "> 2 baseline", "> 2% baseline", "> 0x baseline", "> -1x baseline"])
def test_what_is_no_multiple_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a condition"):
        condition_of(text)


@pytest.mark.parametrize("when", ["> 2x baseline", ">= 1.5x  baseline", "> 10%", "< 500ms", ">= 3"])
def test_a_checklist_may_write_each_of_these(when: str) -> None:
    assert rule_of(gate(when=when), 0.5).op == when.split(maxsplit=1)[0]


@pytest.mark.parametrize("when", ["> 2x", "> 2 baseline", "> 2xbaseline", "about 2x baseline"])
def test_a_checklist_may_write_none_of_these(when: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        gate(when=when)


@pytest.mark.parametrize("baseline", [None, math.nan, math.inf, -1.0])
@given(parts=st.lists(st.sampled_from([0.0, 0.5, 1.0]), max_size=20))
def test_without_a_baseline_a_gate_is_unknown_whatever_it_sees(baseline: float | None, parts: list[float]) -> None:
    rule = rule_of(gate(when="> 2x baseline", then="hold"), baseline)
    state = feed(rule, arm(GateState(), 0), parts)
    now = state.now or 0.0
    assert (state.phase, passes(rule, state, now), progress(rule, state, now)) == (Phase.UNKNOWN, False, 0.0)
    assert rule.read(Sample(0, 0.0)) is Reading.NODATA


def test_a_gate_without_a_baseline_says_so_and_asks_for_a_person_in_the_end() -> None:
    rule = rule_of(gate(when="> 2x baseline"))
    state = step(rule, arm(GateState(), 0), Sample.ratio(10, 0, 40), 10)
    assert explain(rule, state, 10) == "err ? > 2x baseline  UNKNOWN no baseline captured"
    assert explain(rule, step(rule, state, None, 120), 120).endswith("no baseline captured: needs a person")


def test_a_baseline_of_zero_has_no_multiple_but_more_than_that() -> None:
    assert rule_of(gate(when="> 2x baseline"), 0.0).threshold == 0.0
    for when in (">= 2x baseline", "< 2x baseline", "<= 0.5x baseline"):
        rule = rule_of(gate(when=when), 0.0)
        assert rule.threshold is None
        assert "no multiple of 0%" in explain(rule, arm(GateState(), 0), 1)


def test_when_the_baseline_becomes_known_the_same_gate_begins_to_see() -> None:
    written = gate(when="> 2x baseline")
    state = feed(rule_of(written), arm(GateState(), 0), [1.0] * 8)
    rule = rule_of(written, 0.04)
    state = feed(rule, state, [0.5] * 7, start=80)
    assert state.phase is Phase.TRIPPED
    assert "err 50% > 8% = 2x baseline 4% for 01:00 of 01:00" in state.tripped_on


def test_a_gate_settles_before_it_believes_anything() -> None:
    rule = rule_of(gate(settle="2m"))
    state = feed(rule, arm(GateState(), 0), [1.0] * 12)
    assert (state.phase, state.newest) == (Phase.UNKNOWN, None)
    assert explain(rule, state, 110) == "err ? > 10%  UNKNOWN settling 01:50 of 02:00"
    assert feed(rule, state, [0.0], start=120).phase is Phase.CLEAR


def test_the_no_data_timer_begins_after_the_time_to_settle() -> None:
    rule = rule_of(gate(settle="2m", no_data="1m"))
    assert not step(rule, arm(GateState(), 0), None, 179).no_data_fired
    assert step(rule, arm(GateState(), 0), None, 180).no_data_fired


def test_every_key_of_a_gate_reaches_its_rule() -> None:
    rule = rule_of(gate(settle="5s", tolerate=2, coverage=0.9, clear_for="3s", no_data="4s", then="hold"))
    assert (rule.settle, rule.tolerate, rule.coverage) == (5, 2, 0.9)
    assert (rule.clear_for, rule.no_data_after, rule.direction) == (3, 4, "go")
    windowed = {"for": None, "over": "60s", "mode": "window"}
    assert rule_of(gate(partial=True, min_volume=7, **windowed)).partial


@pytest.mark.parametrize(
    ("more", "why"),
    [({"tolerate": 6}, "tolerate"), ({"partial": True}, "partial"),
     ({"mode": "consecutive", "tolerate": 1}, "tolerate")],
)  # fmt: skip
def test_a_key_that_would_make_a_gate_say_nothing_is_refused(more: dict[str, object], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        rule_of(gate(**more))


@pytest.mark.parametrize("more", [{"coverage": 0.4}, {"coverage": 1.1}, {"tolerate": -1}, {"settle": "soon"}])
def test_a_value_out_of_its_bounds_is_refused_by_the_schema(more: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        gate(**more)


@pytest.mark.parametrize("bad", [41, -1, -0.001])
def test_counts_that_cannot_be_are_no_data(bad: float) -> None:
    assert RULE.read(Sample(0, 0.0, 40, bad)) is Reading.NODATA
    assert step(RULE, arm(GateState(), 0), Sample(1, 0.0, 40, bad), 1).newest is None


def test_of_a_ratio_its_counts_speak_and_not_a_value_beside_them() -> None:
    assert RULE.read(Sample(0, 0.0, 40, 40)) is Reading.BREACH


@pytest.mark.parametrize("value", [1e101, -1e308])
def test_a_number_that_no_metric_has_is_no_data(value: float) -> None:
    assert RULE.read(Sample(0, value)) is Reading.NODATA


def test_a_metric_that_is_a_ratio_now_and_a_gauge_then_has_no_value_over_both() -> None:
    rule = replace(RULE, mode="window", min_volume=0)
    state = feed(rule, arm(GateState(), 0), [0.0] * 6)
    assert passes(rule, state, 50)
    mixed = step(rule, state, Sample(60, 0.0), 60)
    assert mixed.phase is Phase.UNKNOWN and not passes(rule, mixed, 60)
    breaching = feed(rule, state, [1.0] * 3, start=60)
    assert step(rule, breaching, Sample(90, 0.0), 90).flips == breaching.flips  # no value is no change of side


def test_time_alone_does_not_make_a_gate_pass() -> None:
    early = feed(RULE, arm(GateState(), 0), [0.0] * 5, start=5)  # 5..45: one sample short
    assert not any(passes(RULE, step(RULE, early, None, at), at) for at in range(46, 76))
    criterion = replace(RULE, direction="go", clear_for=0.0)
    blip = feed(criterion, arm(GateState(), 0), [0.5, 0.0, 0.0, 0.0, 0.0, 0.0])
    assert blip.phase is Phase.CLEAR
    assert not any(passes(criterion, step(criterion, blip, None, at), at) for at in range(51, 81))
    assert passes(criterion, feed(criterion, blip, [0.0], start=60), 60)


def test_what_flaps_does_not_pass_however_much_it_tolerates() -> None:
    rule = replace(RULE, over=100, direction="go", tolerate=5, clear_for=10)
    state = feed(rule, arm(GateState(), 0), [0.0] * 3 + [0.5, 0.0, 0.5, 0.0, 0.0, 0.0, 0.0])
    assert state.phase is Phase.CLEAR and state.flapping
    assert not passes(rule, state, 90)
    assert passes(rule, feed(rule, state, [0.0] * 4, start=100), 130)


def test_a_window_that_lost_sight_recovers_for_its_whole_time_anew() -> None:
    rule = replace(RULE, mode="window", min_volume=0, clear_for=60, coverage=0.5)
    state = feed(rule, arm(GateState(), 0), [1.0] + [0.0] * 6)
    assert state.phase is Phase.RECOVERING and state.well_since == 60
    state = feed(rule, state, [0.0] * 4, start=140)
    assert state.phase is Phase.RECOVERING
    assert feed(rule, state, [0.0] * 3, start=180).phase is Phase.CLEAR


def test_a_partial_window_may_trip_early_and_never_passes_early() -> None:
    rule = replace(RULE, mode="window", partial=True)
    assert feed(rule, arm(GateState(), 0), [1.0] * 2).phase is Phase.TRIPPED
    early = feed(rule, arm(GateState(), 0), [0.0] * 5)
    assert early.phase is Phase.CLEAR and not passes(rule, early, 40)
    assert passes(rule, feed(rule, early, [0.0], start=50), 50)


def test_a_trip_says_which_rule_why_and_on_what_and_keeps_saying_it() -> None:
    state = feed(RULE, arm(GateState(), 0), [0.0] * 3 + [0.15] * 7)
    said = "error-rate tripped: err 15% > 10% for 01:00 of 01:00, 6/6 samples, 240 requests, source http"
    assert state.tripped_on == trip_text(RULE, state) == said
    later = feed(RULE, state, [0.0] * 9, start=100)
    assert later.tripped_on == said
    assert thaw(RULE, freeze(later, 0.0), 9e5, 1.0).tripped_on == said


@pytest.mark.parametrize(
    ("more", "said"),
    [({"mode": "window"}, "err 50% > 10% over 01:00, the last 00:20 50%, 6/6 samples, 240 requests"),
     ({"mode": "consecutive", "count": 3}, "err 50% > 10%, 3 of 3 in a row, 120 requests"),
     ({"tolerate": 2}, "err 50% > 10% for 01:00, 6 of 6 breaching, 2 others tolerated, 6/6 samples, 240 requests")],
)  # fmt: skip
def test_each_mode_says_why_it_tripped(more: dict[str, object], said: str) -> None:
    rule = replace(RULE, **more)  # type: ignore[arg-type]
    assert feed(rule, arm(GateState(), 0), [0.5] * 7).tripped_on == f"error-rate tripped: {said}, source http"


def test_recovering_says_under_what_and_for_how_long() -> None:
    state = feed(RULE, arm(GateState(), 0), [0.5, 0.09])
    assert "recovering 00:00 of 00:20, not under 8% yet" in explain(RULE, state, 10)
    assert "recovering 00:10 of 00:20 under 8%" in explain(RULE, feed(RULE, state, [0.0, 0.0], start=20), 30)


def size(thing: object, seen: set[int]) -> int:
    if id(thing) in seen or isinstance(thing, type):
        return 0
    seen.add(id(thing))
    parts = [getattr(thing, f.name) for f in fields(thing)] if is_dataclass(thing) else []
    parts += list(thing) if isinstance(thing, tuple) else []
    return sys.getsizeof(thing) + sum(size(part, seen) for part in parts)


@pytest.mark.parametrize("mode", ["sustained", "window"])
def test_a_rule_over_four_hours_at_one_sample_a_second_trips_to_the_second_and_stays_small(mode: str) -> None:
    rule = GateRule("g", "http.error_rate", mode, ">", 0.10, over=14_400, interval=1)  # type: ignore[arg-type]
    state = arm(GateState(), 0)
    for at in range(1, 14_400):
        state = step(rule, state, Sample.ratio(at, 5, 40), at)
        assert state.phase is not Phase.TRIPPED
    last = 14_400 if mode == "window" else 14_401
    for at in range(14_400, last + 1):
        state = step(rule, state, Sample.ratio(at, 5, 40), at)
    assert (state.phase, state.tripped_at) == (Phase.TRIPPED, last)
    assert size(state, set()) < 100_000
    assert len(json.dumps(freeze(state, 0.0))) < 60_000


def test_a_rule_over_seven_days_passes_when_the_last_breach_is_out_of_its_span() -> None:
    rule = GateRule("g", "x", "sustained", ">", 5, over=7 * 86_400, interval=60, direction="go", clear_for=60)
    state = step(rule, arm(GateState(), 0), Sample(60, 9), 60)
    first = None
    for at in range(120, 8 * 86_400, 60):
        state = step(rule, state, Sample(at, 1), at)
        if first is None and at > 7 * 86_400 and passes(rule, state, at):
            first = at
    assert first is not None
    assert 60 + 7 * 86_400 <= first <= 60 + 7 * 86_400 * (1 + 1 / 960) + 60
