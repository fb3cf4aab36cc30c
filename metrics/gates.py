"""The gate engine: samples and a clock in, a state out. No I/O, no clock of its own.

Conventions, which the golden scenarios hold to the second:
- A sample belongs to the moment it was taken. The run of breaches begins AT its first sample, so that 15
  minutes "sustained" from a sample at 15:00 are full with the sample at 30:00.
- A rule trips on a sample that was seen, never on time alone: no data cannot trip.
- A gap of exactly `stale_after` still holds the clock; a longer one starts it anew.
- A window is (now - over, now], and speaks only together with its last twelfth.
"""

from __future__ import annotations

import math
from dataclasses import replace

from metrics.gate_model import (
    MAX_FLIPS,
    MAX_SAMPLES,
    Decision,
    GateRule,
    GateState,
    Phase,
    Verb,
    blinded,
    parse_condition,
)
from metrics.gate_store import freeze, thaw
from metrics.gate_text import explain, progress
from metrics.gate_window import Tally, reaches, tally, trailing
from metrics.samples import Reading, Sample

__all__ = [
    "Decision", "GateRule", "GateState", "Phase", "arm", "decide", "disarm", "explain", "freeze",
    "parse_condition", "passes", "progress", "step", "thaw",
]  # fmt: skip

MIN_REASON = 10  # characters of a reason: an override says why


def arm(state: GateState, now: float) -> GateState:
    """STATE armed at NOW with nothing seen: what came before (maintenance mode) does not count. One that is
    armed already stays as it is."""
    if state.armed:
        return state
    return GateState(phase=Phase.UNKNOWN, now=now, armed_at=now, sight_since=now)


def disarm(state: GateState, now: float) -> GateState:
    """STATE unarmed. Raises ValueError while a trip waits for its decision: no item lifts a latch."""
    if state.phase is Phase.TRIPPED and state.decision is None:
        raise ValueError("the gate has tripped and waits for a named decision")
    return GateState(now=now, decision=state.decision)


def decide(
    state: GateState, verb: Verb, *, by: str, reason: str, now: float, until: float | None = None
) -> GateState:
    """STATE after BY's decision about a trip, or about a loss of sight.

    rollback  the latch stays, with its decision
    continue  the latch is lifted and everything seen is forgotten: the rule needs its whole time again
    extend    the latch is lifted and the rule cannot trip before UNTIL; what was seen stays

    Raises ValueError when there is nothing to decide, nobody who decides, no reason, or no UNTIL ahead.
    """
    if state.phase is not Phase.TRIPPED and not state.no_data_fired:
        raise ValueError("there is nothing to decide: the gate has not tripped")
    if not by.strip():
        raise ValueError("a decision needs a name")
    if len(reason.strip()) < MIN_REASON:
        raise ValueError(f"a decision needs a reason of {MIN_REASON} characters or more")
    if verb == "extend" and (until is None or not math.isfinite(until) or until <= now):
        raise ValueError("an extension needs a time ahead")
    decision = Decision(verb, by.strip(), reason.strip(), now, until if verb == "extend" else None)
    if verb == "rollback":
        return replace(state, decision=decision)
    lifted = replace(
        state,
        phase=Phase.UNKNOWN,
        decision=decision,
        tripped_at=None,
        tripped_value=None,
        no_data_fired=False,
        sight_since=now,
        held_until=until if verb == "extend" else None,
    )
    return lifted if verb == "extend" else blinded(lifted)


def step(rule: GateRule, state: GateState, sample: Sample | None, now: float) -> GateState:
    """STATE at NOW, after SAMPLE if one came. Call it with None between samples, to see sight being lost.

    A sample from the future, from before the arming, not newer than the newest one or older than
    `stale_after` is not believed. A clock that went back makes
    the gate forget what it saw.
    """
    if not state.armed or not math.isfinite(now):
        return state
    if state.now is not None and now < state.now:
        state = replace(blinded(state), armed_at=now, sight_since=now, held_until=None)
    state = replace(state, now=now)
    if sample is not None and not _believable(rule, state, sample, now):
        sample = None
    if sample is not None:
        state = replace(state, last=rule.read(sample))
    usable = sample is not None and sample.value is not None
    state = _lose_sight(rule, state, sample.at if usable and sample is not None else now)
    if usable and sample is not None:
        state = _see(rule, state, sample, now)
    return _judge(rule, state, now, fresh=usable)


def passes(rule: GateRule, state: GateState, now: float) -> bool:
    """Whether the gate is good: armed, sighted, watched for the whole of its span, and clear.

    A go gate moreover allows no breach within the span beyond `tolerate`. Everything unknown is no.
    """
    newest = state.newest
    if state.phase is not Phase.CLEAR or state.flapping or state.no_data_fired or newest is None:
        return False
    if state.now is None or not math.isfinite(now) or now < state.now or now - newest.at > rule.stale_after:
        return False
    if rule.mode == "consecutive":
        recent = state.samples[-rule.count :]
        return len(recent) == rule.count and not any(_bad(rule, s) for s in recent)
    seen = tally(state.samples, now, rule.over, rule.interval)
    if not _enough(rule, state, seen, now):
        return False
    if rule.mode == "window":
        lately = _lately(rule, state, now).value
        return not any(value is None or rule.breaches(value) for value in (seen.value, lately))
    breaches = sum(_bad(rule, s) for s in trailing(state.samples, now, rule.over))
    return rule.direction == "rollback" or breaches <= rule.tolerate


def _believable(rule: GateRule, state: GateState, sample: Sample, now: float) -> bool:
    if sample.at > now or now - sample.at > rule.stale_after + 1e-6:
        return False
    if state.armed_at is not None and sample.at < state.armed_at:
        return False
    return state.newest is None or sample.at > state.newest.at


def _bad(rule: GateRule, sample: Sample) -> bool:
    return sample.value is not None and rule.breaches(sample.value)


def _lose_sight(rule: GateRule, state: GateState, until: float) -> GateState:
    """STATE with the gap between the newest usable sample and UNTIL taken into account."""
    if state.sight_since is not None and reaches(until - state.sight_since, rule.no_data_after):
        state = replace(state, no_data_fired=True)
    newest = state.newest
    if newest is None or until - newest.at <= rule.stale_after + 1e-6:
        return state
    if rule.mode == "window":  # its cover and its last twelfth deal with gaps: it only says that it cannot see
        phase = state.phase if state.phase is Phase.TRIPPED else Phase.UNKNOWN
        return replace(state, phase=phase, condition=Reading.NODATA)
    return blinded(state)


def _see(rule: GateRule, state: GateState, sample: Sample, now: float) -> GateState:
    """STATE with a usable SAMPLE taken in."""
    kept = tuple(s for s in state.samples if now - s.at <= rule.span + rule.interval)[-MAX_SAMPLES:]
    samples = (*kept, sample)
    # A window changes sides as a whole: a lone request that failed in an idle second is not trouble.
    windowed = rule.mode == "window"
    value = tally(samples, now, rule.over, rule.interval).value if windowed else sample.value
    bad = value is not None and rule.breaches(value)
    well = value is not None and rule.well_clear(value)
    flips = tuple(t for t in state.flips if now - t < rule.span)
    if state.samples and (state.run > 0) != bad:
        flips = (*flips, sample.at)
    return replace(
        state,
        samples=samples,
        watched_since=sample.at if state.watched_since is None else state.watched_since,
        breach_since=(sample.at if state.breach_since is None else state.breach_since) if bad else None,
        well_since=(sample.at if state.well_since is None else state.well_since) if well else None,
        run=state.run + 1 if bad else 0,
        flips=flips[-MAX_SAMPLES:],
        flapping=len(flips) > MAX_FLIPS,
        no_data_fired=False,
        sight_since=sample.at,
    )


def _enough(rule: GateRule, state: GateState, seen: Tally, now: float) -> bool:
    """Whether the window has been watched for long enough, without too many holes, and has the volume."""
    if state.watched_since is None or seen.value is None:
        return False
    watched = now - state.watched_since + rule.interval
    if not rule.partial and not reaches(watched, rule.over):
        return False
    expected = min(rule.over, watched) if rule.partial else rule.over
    return reaches(seen.covered, rule.coverage * expected) and (
        not (rule.mode == "window" and seen.ratio) or seen.volume >= rule.min_volume
    )


def _judge(rule: GateRule, state: GateState, now: float, *, fresh: bool) -> GateState:
    """The phase of STATE. Only a FRESH usable sample can trip it or clear it."""
    if state.flips and state.flapping:
        recent = sum(now - t < rule.span for t in state.flips)
        state = replace(state, flapping=recent > MAX_FLIPS)
    if not fresh:
        return state
    condition, tripping = _CONDITIONS[rule.mode](rule, state, now)
    state = replace(state, condition=condition)
    if state.phase is Phase.TRIPPED:
        return state
    held = state.held_until is not None and now < state.held_until
    if tripping and not held:
        newest = state.newest
        return replace(
            state,
            phase=Phase.TRIPPED,
            tripped_at=now,
            tripped_value=newest.value if newest else None,
            decision=None,
            held_until=None,
        )
    return replace(state, phase=_phase(rule, state, now, condition))


def _phase(rule: GateRule, state: GateState, now: float, condition: Reading) -> Phase:
    if condition is Reading.BREACH:
        return Phase.BREACHING
    if condition is not Reading.CLEAR:
        return Phase.UNKNOWN
    if rule.mode == "window":
        lately = _lately(rule, state, now).value
        if lately is not None and rule.breaches(lately):
            return Phase.BREACHING
    troubled = state.phase in (Phase.BREACHING, Phase.RECOVERING) or state.run > 0 or bool(state.flips)
    well_for = 0.0 if state.well_since is None else now - state.well_since
    if troubled and (state.well_since is None or not reaches(well_for, rule.clear_for)):
        return Phase.RECOVERING
    return Phase.CLEAR


def _sustained(rule: GateRule, state: GateState, now: float) -> tuple[Reading, bool]:
    newest = state.newest
    if newest is None:
        return Reading.NODATA, False
    bad = _bad(rule, newest)
    covered = tally(state.samples, now, rule.over, rule.interval).covered
    sighted = reaches(covered, rule.coverage * rule.over)
    if rule.tolerate == 0:
        long_enough = state.breach_since is not None and reaches(newest.at - state.breach_since, rule.over)
        return (Reading.BREACH if bad else Reading.CLEAR), bad and long_enough and sighted
    inside = [s for s in state.samples if reaches(rule.over, newest.at - s.at)]
    spared = sum(not _bad(rule, s) for s in inside) <= rule.tolerate
    full = state.watched_since is not None and reaches(newest.at - state.watched_since, rule.over)
    return (Reading.BREACH if bad else Reading.CLEAR), bad and spared and full and sighted


def _window(rule: GateRule, state: GateState, now: float) -> tuple[Reading, bool]:
    long = tally(state.samples, now, rule.over, rule.interval)
    short = _lately(rule, state, now)
    if long.value is None or short.value is None or not _enough(rule, state, long, now):
        return Reading.NODATA, False
    bad = rule.breaches(long.value) and rule.breaches(short.value)
    return (Reading.BREACH if bad else Reading.CLEAR), bad


def _lately(rule: GateRule, state: GateState, now: float) -> Tally:
    """The last twelfth of the window, two intervals at the least: it tells trouble that goes on from trouble
    that is over."""
    return tally(state.samples, now, max(rule.over / 12, 2 * rule.interval), rule.interval)


def _consecutive(rule: GateRule, state: GateState, _now: float) -> tuple[Reading, bool]:
    newest = state.newest
    bad = newest is not None and _bad(rule, newest)
    return (Reading.BREACH if bad else Reading.CLEAR), bad and state.run >= rule.count


_CONDITIONS = {"sustained": _sustained, "window": _window, "consecutive": _consecutive}
