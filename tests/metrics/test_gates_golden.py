"""The golden scenarios of ">10% … 15 min": 15 s polls, 40 requests a poll, the fault starts at 15:00."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from metrics.gates import GateRule, GateState, Phase, arm, explain, passes, step
from metrics.samples import Reading, Sample

POLL, REQUESTS, FAULT, END = 15, 40, 15 * 60, 60 * 60
Scenario = Callable[[int], float | None]  # second -> failed part, None: no metrics


def clock(text: str) -> int:
    minutes, seconds = text.split(":")
    return int(minutes) * 60 + int(seconds)


def total(_t: int) -> float | None:
    return 1.0


def steady(_t: int) -> float | None:
    return 0.125


def blip(t: int) -> float | None:
    return 1.0 if t < clock("18:00") else 0.0


def flapping(t: int) -> float | None:
    return 0.30 if (t - FAULT) % 75 < 60 else 0.05


def with_a_gap(t: int) -> float | None:
    return None if clock("29:00") <= t < clock("29:30") else 0.5


def dead(t: int) -> float | None:
    return 0.5 if t < clock("17:30") else None


SCENARIOS: dict[str, Scenario] = {
    "A": total, "B": steady, "C": blip, "D": flapping, "E": with_a_gap, "F": dead,
}  # fmt: skip


@dataclass(frozen=True)
class Flight:
    states: dict[int, GateState]

    def first(self, wanted: Callable[[GateState], bool], after: int = 0) -> int | None:
        return next((t for t, s in self.states.items() if t >= after and wanted(s)), None)

    @property
    def tripped(self) -> int | None:
        return self.first(lambda s: s.phase is Phase.TRIPPED)


def rule(mode: str, **more: object) -> GateRule:
    return GateRule("g", "http.error_rate", mode, ">", 0.10, over=900, interval=POLL, **more)  # type: ignore[arg-type]


def fly(gate: GateRule, fault: Scenario, every: int = 1) -> Flight:
    """The gate's state at every second, ticked between the polls too."""
    state, states = arm(GateState(), 0), {}
    for t in range(0, END, every):
        sample = None
        if t % POLL == 0:
            part = 0.0 if t < FAULT else fault(t)
            sample = None if part is None else Sample.ratio(t, part * REQUESTS, REQUESTS)
        state = step(gate, state, sample, t)
        states[t] = state
    return Flight(states)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("A", "30:00"), ("B", "30:00"), ("C", None), ("D", None), ("E", "30:00"), ("F", None)],
)
def test_sustained_trips_at(name: str, expected: str | None) -> None:
    assert fly(rule("sustained"), SCENARIOS[name]).tripped == (clock(expected) if expected else None)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("A", "16:30"), ("B", "27:00"), ("C", "16:30"), ("D", "20:45"), ("E", "18:00"), ("F", None)],
)
def test_window_trips_at(name: str, expected: str | None) -> None:
    assert fly(rule("window"), SCENARIOS[name]).tripped == (clock(expected) if expected else None)


def test_window_of_a_blip_speaks_last_at_18_45_and_stays_latched() -> None:
    flight = fly(rule("window"), blip)
    speaking = [t for t, s in flight.states.items() if s.condition is Reading.BREACH and t % POLL == 0]
    assert (speaking[0], speaking[-1]) == (clock("16:30"), clock("18:45"))
    assert flight.states[clock("19:00")].condition is Reading.CLEAR
    assert flight.states[END - 1].phase is Phase.TRIPPED


def test_flapping_is_shown_from_the_fourth_change_of_side() -> None:
    assert fly(rule("sustained"), flapping).first(lambda s: s.flapping) == clock("17:15")


def test_steady_trouble_is_not_called_flapping() -> None:
    assert fly(rule("sustained"), steady).first(lambda s: s.flapping) is None


@pytest.mark.parametrize("mode", ["sustained", "window", "consecutive"])
def test_no_metrics_at_all_fire_the_no_data_timer_two_minutes_after_the_last_sample(mode: str) -> None:
    gate = rule(mode, count=100)
    flight = fly(gate, dead)
    assert flight.tripped is None
    assert flight.first(lambda s: s.no_data_fired) == clock("19:15")
    assert flight.first(lambda s: s.phase is Phase.UNKNOWN, FAULT) == clock("17:15") + 46
    assert not any(passes(gate, s, t) for t, s in flight.states.items() if t >= FAULT + POLL)
    assert "needs a person" in explain(gate, flight.states[clock("19:15")], clock("19:15"))


@pytest.mark.parametrize(("mode", "partial"), [("sustained", False), ("window", False), ("window", True)])
def test_one_error_among_the_first_four_requests_never_trips(mode: str, partial: bool) -> None:
    gate = rule(mode, partial=partial)
    state = arm(GateState(), 0)
    for k, bad in enumerate([1, 0, 0, 0]):
        state = step(gate, state, Sample.ratio(k * POLL, bad, 1), k * POLL)
    for t in range(4 * POLL, END, POLL):
        state = step(gate, state, Sample.ratio(t, 0, REQUESTS), t)
        assert state.phase is not Phase.TRIPPED


def test_the_line_of_a_breaching_gate_says_value_limit_time_and_evidence() -> None:
    gate = rule("sustained")
    at = FAULT + clock("9:15")
    line = explain(gate, fly(gate, lambda _t: 0.125).states[at], at)
    assert line == "err 12.5% > 10%  breaching 09:15 of 15:00  37/37 samples  1,480 requests"


def test_a_forty_eight_of_sixty_rule_tolerates_twelve_others() -> None:
    assert fly(rule("sustained", tolerate=12), steady).tripped == clock("27:00")
    assert fly(rule("sustained", tolerate=13), steady).tripped == clock("26:45")
