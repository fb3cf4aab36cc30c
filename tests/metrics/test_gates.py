"""Rules over time: what latches, what clears, what never passes, and what survives a restart."""

from __future__ import annotations

import math
import tomllib
from dataclasses import replace

import pytest
import tomli_w
from hypothesis import given
from hypothesis import strategies as st

from metrics.gates import (
    GateRule,
    GateState,
    Phase,
    arm,
    decide,
    disarm,
    explain,
    freeze,
    parse_condition,
    passes,
    progress,
    step,
    thaw,
)
from metrics.samples import Reading, Sample

RULE = GateRule("g", "http.error_rate", "sustained", ">", 0.10, over=60, interval=10)
MODES = [
    RULE,
    replace(RULE, mode="window"),
    replace(RULE, mode="window", partial=True, min_volume=0),
    replace(RULE, mode="consecutive", count=3),
    replace(RULE, direction="go", tolerate=2),
]


def feed(rule: GateRule, state: GateState, parts: list[float], start: float = 0.0) -> GateState:
    for k, part in enumerate(parts):
        at = start + k * rule.interval
        state = step(rule, state, Sample.ratio(at, part * 40, 40), at)
    return state


def tripped(rule: GateRule = RULE) -> GateState:
    state = feed(rule, arm(GateState(), 0), [1.0] * 7)
    assert state.phase is Phase.TRIPPED
    return state


@pytest.mark.parametrize(
    ("text", "expected"),
    [("> 10%", (">", 0.1)), ("> 500ms", (">", 500.0)), ("< 0.8", ("<", 0.8)), (">= 3", (">=", 3.0)),
     ("<=2s", ("<=", 2000.0))],
)  # fmt: skip
def test_a_condition_is_read(text: str, expected: tuple[str, float]) -> None:
    assert parse_condition(text) == expected


@pytest.mark.parametrize("text", ["", "10%", "> ", "== 3", "> nan", "> 5 apples", "> 10% or so"])
def test_what_is_no_condition_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_condition(text)


@pytest.mark.parametrize(
    "wrong",
    [{"mode": "often"}, {"op": "=="}, {"threshold": math.nan}, {"over": 1}, {"interval": 0}, {"coverage": 0},
     {"tolerate": -1}, {"mode": "consecutive", "count": 0}, {"direction": "up"}, {"no_data_after": 0}],
)  # fmt: skip
def test_a_rule_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="gate g"):
        replace(RULE, **wrong)  # type: ignore[arg-type]


def test_a_window_never_averages_percentiles() -> None:
    with pytest.raises(ValueError, match="never averaged"):
        replace(RULE, mode="window", metric="http.p95")


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
def test_what_is_no_number_reads_as_no_data(value: float | None) -> None:
    assert RULE.read(Sample(0, value)) is Reading.NODATA
    assert RULE.read(Sample.ratio(0, 0, 0)) is Reading.NODATA
    assert RULE.read(Sample(0, 0.0, error="refused")) is Reading.ERROR


nothing = st.one_of(
    st.none(),
    st.sampled_from([None, math.nan, math.inf, -math.inf]).map(lambda v: (v, "")),
    st.just((0.0, "could not look")),
)
moves = st.floats(min_value=-500, max_value=5000)


@pytest.mark.parametrize("rule", MODES, ids=lambda r: f"{r.mode}-{r.direction}-{r.partial}")
@given(steps=st.lists(st.tuples(nothing, moves), max_size=40))
def test_no_data_and_clock_jumps_never_trip_clear_or_pass(
    rule: GateRule, steps: list[tuple[tuple[float | None, str] | None, float]]
) -> None:
    state, now = arm(GateState(), 0), 0.0
    for seen, move in steps:
        now += move
        sample = None if seen is None else Sample(now, seen[0], error=seen[1])
        state = step(rule, state, sample, now)
        assert state.phase is Phase.UNKNOWN
        assert not passes(rule, state, now)
        assert progress(rule, state, now) == 0.0
        assert "?" in explain(rule, state, now)


@given(st.lists(st.sampled_from([0.0, 0.09, 0.5, 1.0, None]), max_size=60), st.sampled_from(MODES))
def test_a_trip_has_a_breach_behind_it_and_a_pass_none(parts: list[float | None], rule: GateRule) -> None:
    state = arm(GateState(), 0)
    for k, part in enumerate(parts):
        at = k * 10.0
        before, state = (
            state,
            step(rule, state, Sample(at, part, 40, None if part is None else part * 40), at),
        )
        newest = [p for p in parts[: k + 1] if p is not None][-1:]
        windows = [[p for p in parts[max(k + 1 - n, 0) : k + 1] if p is not None] for n in (6, 2)]
        judged = windows if rule.mode == "window" else [newest]
        if state.phase is Phase.TRIPPED and before.phase is not Phase.TRIPPED:
            assert part is not None
            assert all(sum(w) / len(w) > 0.1 for w in judged)
        if passes(rule, state, at):
            assert state.phase is Phase.CLEAR
            assert all(sum(w) / len(w) <= 0.1 for w in judged)
        if before.phase is Phase.TRIPPED:
            assert state.phase is Phase.TRIPPED


def test_a_gap_of_stale_after_holds_the_clock_and_a_longer_one_restarts_it() -> None:
    held = feed(RULE, arm(GateState(), 0), [1.0] * 3)
    held = step(RULE, held, Sample.ratio(50, 40, 40), 50)
    assert held.breach_since == 0
    late = feed(RULE, arm(GateState(), 0), [1.0] * 3)
    late = step(RULE, late, Sample.ratio(50.5, 40, 40), 50.5)
    assert late.breach_since == 50.5


def test_a_run_with_too_few_samples_does_not_trip() -> None:
    rule = replace(RULE, stale_after=30)
    state = arm(GateState(), 0)
    for at in (0, 30, 60, 90):
        state = step(rule, state, Sample.ratio(at, 40, 40), at)
    assert state.phase is Phase.BREACHING


def test_many_samples_in_a_moment_do_not_stand_for_a_whole_window() -> None:
    rule = replace(RULE, mode="window")
    state = arm(GateState(), 0)
    state = step(rule, state, Sample.ratio(0, 0, 40), 0)
    for k in range(200):
        at = 55 + k / 100
        state = step(rule, state, Sample.ratio(at, 40, 40), at)
    assert state.phase is Phase.UNKNOWN


def test_a_clock_that_goes_back_restarts_the_gate() -> None:
    state = feed(RULE, arm(GateState(), 100), [1.0] * 5, start=100)
    state = step(RULE, state, None, 50)
    assert (state.phase, state.newest) == (Phase.UNKNOWN, None)


@pytest.mark.parametrize("at", [-1.0, 4.0, 200.0, 60.0])
def test_samples_from_before_the_arming_the_future_or_long_ago_are_not_believed(at: float) -> None:
    state = arm(GateState(), 5)
    assert step(RULE, state, Sample(at, 0.0), 100).newest is None


def test_a_gate_clears_only_under_the_margin_and_for_long_enough() -> None:
    state = feed(RULE, arm(GateState(), 0), [0.0, 0.5, 0.09, 0.09, 0.09, 0.09])
    assert state.phase is Phase.RECOVERING  # 9% is under the limit, not under 8%
    state = feed(RULE, state, [0.01, 0.01], start=60)
    assert state.phase is Phase.RECOVERING
    assert step(RULE, state, Sample.ratio(80, 0, 40), 80).phase is Phase.CLEAR


def test_a_rule_below_a_limit_recovers_though_nothing_can_lie_above_it() -> None:
    rule = replace(RULE, metric="up", op="<", threshold=0.99)
    state = arm(GateState(), 0)
    for k, value in enumerate([1.0, 0.5, 1.0, 1.0, 1.0]):
        state = step(rule, state, Sample(k * 10, value), k * 10)
    assert state.phase is Phase.CLEAR


def test_three_in_a_row_trip_and_two_do_not() -> None:
    rule = replace(RULE, mode="consecutive", count=3)
    state = feed(rule, arm(GateState(), 0), [1.0, 1.0, 0.0, 1.0, 1.0])
    assert (state.phase, progress(rule, state, 40)) == (Phase.BREACHING, pytest.approx(2 / 3))
    assert feed(rule, state, [1.0], start=50).phase is Phase.TRIPPED


def test_a_go_gate_passes_after_its_whole_span_and_not_one_sample_before() -> None:
    rule = replace(RULE, direction="go")
    early = feed(rule, arm(GateState(), 0), [0.0] * 5)
    assert early.phase is Phase.CLEAR and not passes(rule, early, 40)
    full = feed(rule, early, [0.0], start=50)
    assert passes(rule, full, 50)
    assert not passes(rule, full, 50 + rule.stale_after + 1)
    assert not passes(rule, GateState(), 50)


def test_a_window_without_the_volume_says_nothing() -> None:
    rule = replace(RULE, mode="window", min_volume=50)
    state = arm(GateState(), 0)
    for k in range(20):
        state = step(rule, state, Sample.ratio(k * 10, 1, 2), k * 10)
    assert state.phase is Phase.UNKNOWN and not passes(rule, state, 190)


def test_a_window_is_a_ratio_of_sums() -> None:
    rule = replace(RULE, mode="window", min_volume=0)
    state = arm(GateState(), 0)
    for k in range(12):  # one idle minute's 100% of one request does not outweigh a thousand good ones
        bad, volume = (1, 1) if k % 2 else (0, 1000)
        state = step(rule, state, Sample.ratio(k * 10, bad, volume), k * 10)
    assert state.phase is Phase.CLEAR


def test_unarmed_is_grey_and_ignores_samples() -> None:
    state = step(RULE, GateState(), Sample(0, 1.0), 0)
    assert state == GateState()
    assert explain(RULE, state, 0).endswith("not armed")


def test_a_tripped_gate_latches_and_still_says_what_goes_on() -> None:
    state = feed(RULE, tripped(), [0.0] * 20, start=70)
    assert state.phase is Phase.TRIPPED
    assert "no longer breaching" in explain(RULE, state, 260)
    with pytest.raises(ValueError, match="named decision"):
        disarm(state, 260)


def test_a_gate_taken_up_soon_goes_on_where_it_was() -> None:
    state = feed(RULE, arm(GateState(), 1000), [1.0] * 6, start=1000)
    plain = tomllib.loads(tomli_w.dumps(freeze(state, wall_now=5_000.0)))
    back = thaw(RULE, plain, wall_now=5_010.0, now=7.0)
    assert back.breach_since == pytest.approx(7 - 60)
    assert step(RULE, back, Sample.ratio(7.0, 40, 40), 7.0).phase is Phase.TRIPPED


@pytest.mark.parametrize("away", [30.0, 4000.0, -1.0])
def test_a_gate_taken_up_late_has_seen_nothing(away: float) -> None:
    state = feed(RULE, arm(GateState(), 1000), [0.0] * 9, start=1000)
    back = thaw(RULE, freeze(state, wall_now=5_000.0), wall_now=5_000.0 + away, now=7.0)
    assert (back.phase, back.newest) == (Phase.UNKNOWN, None)
    assert not passes(RULE, back, 7.0)


@pytest.mark.parametrize("phase", ["clear", "breaching", "recovering"])
def test_a_state_that_claims_to_have_seen_without_a_sample_is_refused(phase: str) -> None:
    with pytest.raises(ValueError, match="phase"):
        thaw(RULE, freeze(arm(GateState(), 0), 0.0) | {"phase": phase}, 1.0, 1.0)


def test_a_latch_and_its_decision_survive_any_time_away() -> None:
    state = decide(tripped(), "rollback", by="ada", reason="errors do not end", now=61)
    back = thaw(RULE, freeze(state, wall_now=0.0), wall_now=9e6, now=3.0)
    assert back.phase is Phase.TRIPPED
    assert back.decision is not None and back.decision.by == "ada"


@pytest.mark.parametrize(
    "damage",
    [{"phase": "fine"}, {"buckets": "?"}, {"buckets": 3}, {"buckets": "c-lqq"}, {"run": "x"}, {"wall": None}],
)
def test_a_damaged_state_is_refused(damage: dict[str, object]) -> None:
    plain = freeze(feed(RULE, arm(GateState(), 0), [0.0] * 3), wall_now=0.0) | damage
    with pytest.raises(ValueError):
        thaw(RULE, plain, wall_now=1.0, now=1.0)
