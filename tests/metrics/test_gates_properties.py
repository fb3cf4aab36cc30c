"""What must hold of a gate whatever it is fed: doubt is never good news, and a bucket hides nothing."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import accumulate

import pytest
from gate_reference import Naive
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from metrics.gate_window import BUCKETS, EMPTY, added, tally
from metrics.gates import GateRule, GateState, Phase, arm, decide, explain, freeze, passes, progress, step, thaw
from metrics.samples import Sample

RULE = GateRule("g", "http.error_rate", "sustained", ">", 0.10, over=60, interval=10)
RULES = {
    "sustained": RULE,
    "sustained-go": replace(RULE, direction="go"),
    "tolerant": replace(RULE, tolerate=2),
    "tolerant-go": replace(RULE, tolerate=2, direction="go"),
    "settling": replace(RULE, settle=35),
    "window": replace(RULE, mode="window"),
    "window-go": replace(RULE, mode="window", direction="go"),
    "partial": replace(RULE, mode="window", partial=True),
    "consecutive": replace(RULE, mode="consecutive", count=3),
}
rules = st.sampled_from(list(RULES.values()))

# What comes is (part of 40 requests that failed | a word), so often, so many seconds apart.
GOOD, BAD = (0.0, 0.05, 0.09), (0.15, 0.5, 1.0)
NOTHING = ("silence", "none", "nan", "inf", "error", "idle", "too many", "negative", "future", "old", "again")
segments = st.lists(
    st.tuples(
        st.one_of(st.sampled_from((*GOOD, *BAD, "flicker")), st.sampled_from(NOTHING)),
        st.integers(1, 9),
        st.sampled_from([10, 10, 10, 5, 15, 30, 31, 100, 3000, -5, -300]),
    ),
    max_size=14,
)


@dataclass(frozen=True)
class Step:
    sample: Sample | None
    now: float
    usable: bool


def sample_of(what: float | str, now: float, newest: float | None) -> Sample | None:
    match what:
        case float():
            return Sample.ratio(now, round(what * 40, 3), 40)
        case "flicker":
            return Sample.ratio(now, 40 * (now // 10 % 2), 40)
        case "silence":
            return None
        case "none":
            return Sample(now, None)
        case "nan" | "inf":
            return Sample(now, math.nan if what == "nan" else math.inf, 40)
        case "error":
            return Sample(now, 0.0, 40, error="refused")
        case "idle":
            return Sample(now, 0.0, 0, 0)
        case "too many":
            return Sample(now, 0.0, 40, 41)
        case "negative":
            return Sample(now, -1.0, 40, -40)
        case "future":
            return Sample.ratio(now + 1, 0, 40)
        case "old":
            return Sample.ratio(now - 500, 0, 40)
    return None if newest is None else Sample.ratio(newest, 0, 40)


def steps(plan: list[tuple[float | str, int, int]], now: float = 0.0) -> Iterator[Step]:
    newest: float | None = None
    for what, times, apart in plan:
        for n in range(times):
            # A jump back or far ahead happens once; the rest of its segment goes on at the usual pace.
            now += apart if n == 0 or 0 < apart < 100 else 10
            if newest is not None and newest > now:
                newest = None
            sample, usable = sample_of(what, now, newest), isinstance(what, float) or what == "flicker"
            yield Step(sample, now, usable)
            newest = now if usable else newest


def flown(rule: GateRule, plan: list[tuple[float | str, int, int]]) -> GateState:
    state = arm(GateState(), 0)
    for one in steps(plan):
        state = step(rule, state, one.sample, one.now)
    return state


@settings(max_examples=500)
@given(rules, segments)
def test_the_engine_agrees_with_one_that_keeps_every_sample(rule: GateRule, plan) -> None:
    state, naive = arm(GateState(), 0), Naive(rule, 0)
    for one in steps(plan):
        state = step(rule, state, one.sample, one.now)
        naive.step(one.sample, one.now)
        assert (state.phase, state.no_data_fired) == (naive.phase, naive.no_data)
        assert passes(rule, state, one.now) == naive.passes(one.now)


@given(rules, segments)
def test_only_a_sample_that_says_something_trips_clears_or_passes(rule: GateRule, plan) -> None:
    state = arm(GateState(), 0)
    for one in steps(plan):
        before, state = state, step(rule, state, one.sample, one.now)
        if before.phase is Phase.TRIPPED:
            assert state.phase is Phase.TRIPPED
        if not one.usable:
            assert state.phase in (before.phase, Phase.UNKNOWN)
            assert not passes(rule, state, one.now) or passes(rule, before, before.now or 0.0)
        assert 0.0 <= progress(rule, state, one.now) <= 1.0
        assert explain(rule, state, one.now)


@given(rules, segments, st.floats(-1e9, 1e9))
def test_a_clock_jump_by_itself_never_trips_clears_or_passes(rule: GateRule, plan, jump: float) -> None:
    state = flown(rule, plan)
    now = state.now or 0.0
    after = step(rule, state, None, now + jump)
    assert after.phase in (state.phase, Phase.UNKNOWN)
    assert (after.phase is Phase.TRIPPED) == (state.phase is Phase.TRIPPED)
    assert not passes(rule, after, now + jump) or (now + jump >= now and passes(rule, state, now))


@example(RULES["consecutive"], [(0.15, 1, 10), (0.0, 5, 5)])  # three in a row count, however fast they come
@given(rules, segments)
def test_what_passes_was_watched_for_its_whole_span_and_is_good(rule: GateRule, plan) -> None:
    state, believed, before = arm(GateState(), 0), [], 0.0
    for one in steps(plan):
        newest, state = state.newest, step(rule, state, one.sample, one.now)
        believed, before = ([] if one.now < before else believed), one.now
        if state.newest is not newest and state.newest is not None:
            believed.append(state.newest)
        if not passes(rule, state, one.now):
            continue
        end = believed[-1].at
        inside = [s for s in believed if end - rule.span < s.at <= end]
        if rule.mode == "consecutive":
            assert len(believed) >= rule.count
            inside = believed[-rule.count :]
        bad = sum(rule.breaches(s.value or 0.0) for s in inside)
        assert state.armed and one.now - end <= rule.stale_after
        assert rule.mode == "consecutive" or end - believed[0].at >= rule.span - rule.interval
        if rule.mode == "window":
            assert sum(s.bad or 0 for s in inside) <= 0.1 * sum(s.volume for s in inside)
        else:
            assert bad <= (rule.tolerate if rule.direction == "go" else 0)


@pytest.mark.parametrize("name", ["sustained", "sustained-go", "tolerant", "window", "window-go"])
@given(st.lists(st.integers(15, 30), min_size=1, max_size=30), st.sampled_from(GOOD + BAD))
def test_fewer_samples_than_the_cover_asks_for_never_trip_or_pass(name: str, apart: list[int], part: float) -> None:
    rule, state = RULES[name], arm(GateState(), 0)
    for now in accumulate(apart):
        state = step(rule, state, Sample.ratio(now, part * 40, 40), now)
        assert state.phase is not Phase.TRIPPED
        assert not passes(rule, state, now)


@given(
    st.lists(st.tuples(st.booleans(), st.sampled_from([10, 10, 10, 12, 30, 40])), max_size=40), st.integers(0, 400)
)
def test_one_good_sample_more_never_makes_a_sustained_gate_trip(plan: list[tuple[bool, int]], extra: int) -> None:
    times = list(accumulate((apart for _, apart in plan), initial=0))[1:]
    breaches = dict(zip(times, (bad for bad, _ in plan), strict=True))
    assume(extra not in breaches)
    without, with_it = arm(GateState(), 0), arm(GateState(), 0)
    for now in sorted({*times, extra}):
        sample = Sample.ratio(now, 40 if breaches.get(now) else 0, 40)
        with_it = step(RULE, with_it, sample, now)
        if now in breaches:
            without = step(RULE, without, sample, now)
        assert with_it.phase is not Phase.TRIPPED or without.phase is Phase.TRIPPED


@given(rules, segments, segments, st.integers(0, 29), st.integers(-4000, 4000))
def test_a_gate_taken_up_soon_is_as_if_it_had_never_been_away(rule: GateRule, plan, future, away, shift) -> None:
    stayed = flown(rule, plan)
    left_at = stayed.now or 0.0
    plain = json.loads(json.dumps(freeze(stayed, 5000.0, left_at)))
    back_at = left_at + away
    back = thaw(rule, plain, 5000.0 + away, back_at + shift)
    stayed, back = step(rule, stayed, None, back_at), step(rule, back, None, back_at + shift)
    for one in steps(future, back_at):
        stayed = step(rule, stayed, one.sample, one.now)
        moved = None if one.sample is None else replace(one.sample, at=one.sample.at + shift)
        back = step(rule, back, moved, one.now + shift)
        assert (back.phase, back.no_data_fired, back.tripped_on) == (
            stayed.phase,
            stayed.no_data_fired,
            stayed.tripped_on,
        )
        assert passes(rule, back, one.now + shift) == passes(rule, stayed, one.now)
        assert explain(rule, back, one.now + shift) == explain(rule, stayed, one.now)


@given(rules, segments, st.one_of(st.floats(30, 1e9), st.floats(-1e9, -1)))
def test_a_gate_taken_up_late_knows_its_latch_its_arming_and_nothing_else(rule: GateRule, plan, away) -> None:
    state = flown(rule, plan)
    back = thaw(rule, freeze(state, 2e9), 2e9 + away, 17.0)
    assert back.phase is (Phase.TRIPPED if state.phase is Phase.TRIPPED else Phase.UNKNOWN)
    assert (back.armed, back.newest, back.tripped_on) == (True, None, state.tripped_on)
    assert back.troubled == state.troubled
    assert not passes(rule, back, 17.0)


rubbish = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.just(10**400),
        st.floats(),
        st.text(max_size=5),
        st.sampled_from(["clear", "tripped", "unarmed"]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=8,
)
GOING = freeze(
    decide(
        flown(RULE, [(1.0, 8, 10)]), "extend", by="ada", reason="a known spike", now=80.0, until=500.0
    ), 0.0
)  # fmt: skip


@settings(max_examples=300)
@given(st.data())
def test_a_damaged_state_is_refused_or_is_a_state(data: st.DataObject) -> None:
    plain = json.loads(json.dumps(GOING))
    table = plain
    while True:
        key = data.draw(st.sampled_from(sorted(table)) if isinstance(table, dict) else st.integers(0, len(table) - 1))
        if not (isinstance(table[key], (dict, list)) and table[key]) or data.draw(st.booleans()):
            break
        table = table[key]
    if isinstance(table, dict) and data.draw(st.booleans()):
        del table[key]
    else:
        table[key] = data.draw(rubbish)
    try:
        state = thaw(RULE, plain, 1.0, 100.0)
    except ValueError:
        return
    assert explain(RULE, state, 100.0)
    assert not passes(RULE, state, 100.0)  # nothing in it was good: no damage makes it so
    json.dumps(freeze(step(RULE, state, Sample.ratio(101, 0, 40), 101), 0.0), allow_nan=False)


@given(
    st.lists(st.tuples(st.floats(0.001, 2.0), st.integers(0, 9)), min_size=1, max_size=300),
    st.sampled_from([1.0, 60.0, 400.0]),
)
def test_a_window_of_buckets_is_sharp_to_one_width_at_its_old_edge(
    plan: list[tuple[float, int]], over: float
) -> None:
    span, history, before, samples = 400.0, EMPTY, None, []
    for (_, bad), at in zip(plan, accumulate(apart for apart, _ in plan), strict=True):
        one = Sample.ratio(at, bad, 9)
        history = added(history, one, breach=bad > 4, before=before, span=span, interval=1.0)
        samples.append(one)
        before = at
    seen, end = tally(history, samples[-1].at, over), samples[-1].at
    sharp = [s for s in samples if s.at > end - over + 2e-6]
    fuzzy = [s for s in samples if s.at > end - over - span / BUCKETS - 1e-6]
    assert len(sharp) <= seen.count <= len(fuzzy)
    assert sum(s.bad > 4 for s in sharp) <= seen.breaches <= sum(s.bad > 4 for s in fuzzy)
    assert 0 <= seen.covered <= over + 1e-6
    assert len(list(history)) <= BUCKETS + 34
