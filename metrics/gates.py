"""The gate engine: samples and a clock in, a state out. No I/O, no clock of its own.

Conventions, which the golden scenarios hold to the second:
- A sample belongs to the moment it was taken. The run of breaches begins AT its first sample, so that 15
  minutes "sustained" from a sample at 15:00 are full with the sample at 30:00.
- A rule trips, clears and passes on a sample that was seen, never on time alone: windows end at the newest
  sample, and what time does by itself is to lose sight.
- A gap of exactly `stale_after` still holds the clock; a longer one starts it anew.
- A window is (newest - over, newest], and speaks only together with its last twelfth.
"""

from __future__ import annotations

import math
from dataclasses import replace

from metrics.gate_condition import parse_condition
from metrics.gate_model import MAX_FLIPS, Decision, GateRule, GateState, Phase, Verb, blinded
from metrics.gate_store import freeze, thaw
from metrics.gate_text import explain, progress, trip_text
from metrics.gate_window import NOTHING, TICK, History, Tally, added, reaches, tally
from metrics.samples import Reading, Sample

__all__ = [
    "Decision", "GateRule", "GateState", "Phase", "arm", "decide", "disarm", "explain", "freeze",
    "parse_condition", "passes", "progress", "step", "thaw", "trip_text",
]  # fmt: skip

MIN_REASON = 10  # characters of a reason: an override says why


def arm(state: GateState, now: float) -> GateState:
    """STATE armed at NOW with nothing seen: what came before (maintenance mode) does not count. One that is
    armed already stays as it is. Raises ValueError when NOW is no time."""
    if not math.isfinite(now):
        raise ValueError("a gate is armed at a time")
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
    """STATE after BY's decision about a trip, or about a loss of sight (`no_data_fired`).

    rollback  of a trip: the latch stays, with its decision. Of a loss of sight: the gate latches now, so that
              data that come back do not undo what a person decided
    continue  the latch is lifted and everything seen is forgotten: the rule needs its whole time again, and of
              a loss of sight the no-data timer too
    extend    until UNTIL, a time of the person's choice, what was decided about does not speak again: the rule
              of a trip does not trip, what was seen stays, and it still speaks of a loss of sight; the timer of
              a loss of sight keeps still while there is none, and the rule still trips

    Raises ValueError when there is nothing to decide, nobody who decides, no reason, or no UNTIL ahead.
    """
    latched = state.phase is Phase.TRIPPED
    if not latched and not state.no_data_fired:
        raise ValueError("there is nothing to decide: the gate has not tripped")
    if verb not in ("rollback", "continue", "extend"):
        raise ValueError("decide rollback, continue or extend")
    if not by.strip() or not math.isfinite(now):
        raise ValueError("a decision needs a name and a time")
    if len(reason.strip()) < MIN_REASON:
        raise ValueError(f"a decision needs a reason of {MIN_REASON} characters or more")
    if verb == "extend" and (until is None or not math.isfinite(until) or not until > now):
        raise ValueError("an extension needs a time ahead")
    decision = Decision(verb, by.strip(), reason.strip(), now, until if verb == "extend" else None)
    if verb == "rollback":
        if latched:
            return replace(state, decision=decision)
        return replace(
            state, phase=Phase.TRIPPED, decision=decision, tripped_at=now, tripped_on="rolled back without sight"
        )
    lifted = replace(
        state,
        phase=Phase.UNKNOWN,
        decision=decision,
        tripped_at=None,
        tripped_value=None,
        tripped_on="",
        no_data_fired=False,
        sight_since=now,
        held_until=until if verb == "extend" and latched else None,
        blind_until=until if verb == "extend" and state.no_data_fired else None,
    )
    return lifted if verb == "extend" else replace(blinded(lifted), troubled=False)


def step(rule: GateRule, state: GateState, sample: Sample | None, now: float) -> GateState:
    """STATE at NOW, after SAMPLE if one came. Call it with None between samples, to see sight being lost.

    A sample from the future, from before the arming (and the time to settle) or a decision to go on, not newer
    than the newest one or older than `stale_after` is not believed. A clock that went back makes the gate forget
    what it saw.
    """
    if not state.armed or not math.isfinite(now):
        return state
    if state.now is not None and now < state.now:
        tripped_at = None if state.tripped_at is None else min(state.tripped_at, now)
        state = replace(blinded(state), armed_at=now, sight_since=now, tripped_at=tripped_at)
        state = replace(state, held_until=None, blind_until=None)
    usable, last = None, state.last
    if sample is not None and _believable(rule, state, sample, now):
        usable, last = rule.usable(sample), rule.read(sample)
    state = _lose_sight(rule, replace(state, now=now, last=last), now if usable is None else usable.at)
    if usable is None:
        flapping = state.flapping and _flapping(rule, state.flips, now)
        return state if flapping == state.flapping else replace(state, flapping=flapping)
    bad = _bad(rule, usable)
    before = None if state.newest is None else state.newest.at
    seen = added(state.seen, usable, breach=bad, before=before, span=rule.span, interval=rule.interval)
    windowed = rule.mode == "window"
    long = tally(seen, usable.at, rule.over) if windowed else NOTHING
    short = tally(seen, usable.at, rule.lately) if windowed else NOTHING
    return _judge(rule, _see(rule, state, usable, seen, long.value if windowed else usable.value), long, short)


def passes(rule: GateRule, state: GateState, now: float) -> bool:
    """Whether the gate is good: armed, sighted, watched for the whole of its span, and clear, with no breach in
    the span beyond `tolerate` (of a rollback gate: none). A window goes by its value instead, and by that of its
    last twelfth. Everything unknown is no, and time alone never turns a no into a yes.
    """
    newest = state.newest
    if state.phase is not Phase.CLEAR or state.no_data_fired or newest is None or rule.threshold is None:
        return False
    if state.now is None or not math.isfinite(now) or now < state.now or now - newest.at > rule.stale_after:
        return False
    if _flapping(rule, state.flips, newest.at):
        return False
    if rule.mode == "consecutive":
        return state.good >= rule.count
    long = tally(state.seen, newest.at, rule.over)
    if not _enough(rule, state, long, partial=False):
        return False
    if rule.mode == "window":
        lately = tally(state.seen, newest.at, rule.lately).value
        return not any(value is None or rule.breaches(value) for value in (long.value, lately))
    return long.breaches <= (rule.tolerate if rule.direction == "go" else 0)


def _believable(rule: GateRule, state: GateState, sample: Sample, now: float) -> bool:
    if sample.at > now or now - sample.at > rule.stale_after + TICK:
        return False
    if state.armed_at is not None and sample.at + TICK < state.armed_at + rule.settle:
        return False
    told = state.decision
    if told is not None and told.verb == "continue" and sample.at < told.at <= now:
        return False
    return state.newest is None or sample.at > state.newest.at


def _bad(rule: GateRule, sample: Sample) -> bool:
    return sample.value is not None and rule.breaches(sample.value)


def _lose_sight(rule: GateRule, state: GateState, until: float) -> GateState:
    """STATE with the gap between the newest usable sample and UNTIL taken into account."""
    since = state.sight_since
    if since is not None and state.armed_at is not None:
        since = max(since, state.armed_at + rule.settle)
    put_off = state.blind_until is not None and until < state.blind_until
    if not state.no_data_fired and since is not None and not put_off and reaches(until - since, rule.no_data_after):
        state = replace(state, no_data_fired=True)
    newest = state.newest
    if newest is None or until - newest.at <= rule.stale_after + TICK:
        return state
    if rule.mode != "window":
        return blinded(state)
    # Its cover and its last twelfth deal with gaps: it says that it cannot see, and begins to recover anew.
    phase = state.phase if state.phase is Phase.TRIPPED else Phase.UNKNOWN
    return replace(state, phase=phase, condition=Reading.NODATA, breach_since=None, well_since=None)


def _see(rule: GateRule, state: GateState, sample: Sample, seen: History, value: float | None) -> GateState:
    """STATE with what it counts brought up to a usable SAMPLE. A window changes sides as a whole, by its VALUE: a
    lone request that failed in an idle second is not trouble. Without one it stays on its side."""
    bad = rule.breaches(value) if value is not None else state.run > 0
    well = value is not None and rule.well_clear(value)
    flips = tuple(t for t in state.flips if sample.at - t < rule.span)
    if state.newest is not None and (state.run > 0) != bad:
        flips = (*flips, sample.at)[-MAX_FLIPS - 1 :]
    return replace(
        state,
        seen=seen,
        newest=sample,
        watched_since=sample.at if state.watched_since is None else state.watched_since,
        breach_since=(sample.at if state.breach_since is None else state.breach_since) if bad else None,
        well_since=(sample.at if state.well_since is None else state.well_since) if well else None,
        run=state.run + 1 if bad else 0,
        good=0 if _bad(rule, sample) else state.good + 1,
        flips=flips,
        flapping=_flapping(rule, flips, sample.at),
        troubled=state.troubled or bad,
        no_data_fired=False,
        blind_until=None,
        sight_since=sample.at,
    )


def _flapping(rule: GateRule, flips: tuple[float, ...], at: float) -> bool:
    return sum(at - t < rule.span for t in flips) > MAX_FLIPS


def _enough(rule: GateRule, state: GateState, seen: Tally, *, partial: bool) -> bool:
    """Whether the window has been watched for long enough, without too many holes, and has the volume."""
    if state.watched_since is None or state.newest is None or seen.value is None:
        return False
    watched = state.newest.at - state.watched_since + rule.interval
    if not partial and not reaches(watched, rule.over):
        return False
    expected = min(rule.over, watched) if partial else rule.over
    return reaches(seen.covered, rule.coverage * expected) and (
        not (rule.mode == "window" and seen.ratio) or seen.volume >= rule.min_volume
    )


def _judge(rule: GateRule, state: GateState, long: Tally, short: Tally) -> GateState:
    """STATE with its condition and its phase, after a usable sample. LONG and SHORT are of mode "window"."""
    if state.newest is None or state.now is None:
        return state
    if rule.mode == "window":
        condition, tripping = _window(rule, state, long, short)
    else:
        condition = Reading.BREACH if _bad(rule, state.newest) else Reading.CLEAR
        tripping = condition is Reading.BREACH and _long_enough(rule, state, state.newest.at)
    if state.phase is Phase.TRIPPED:
        return replace(state, condition=condition)
    held = state.held_until is not None and state.now < state.held_until
    if tripping and not held:
        tripped = replace(
            state,
            phase=Phase.TRIPPED,
            condition=condition,
            tripped_at=state.now,
            tripped_value=long.value if rule.mode == "window" else state.newest.value,
            decision=None,
            held_until=None,
        )
        return replace(tripped, tripped_on=trip_text(rule, tripped))
    phase = _phase(rule, state, condition, short.value)
    return replace(state, phase=phase, condition=condition, troubled=state.troubled and phase is not Phase.CLEAR)


def _window(rule: GateRule, state: GateState, long: Tally, short: Tally) -> tuple[Reading, bool]:
    if long.value is None or short.value is None or not _enough(rule, state, long, partial=rule.partial):
        return Reading.NODATA, False
    bad = rule.breaches(long.value) and rule.breaches(short.value)
    return (Reading.BREACH if bad else Reading.CLEAR), bad


def _long_enough(rule: GateRule, state: GateState, at: float) -> bool:
    """Whether breaches up to AT, the newest sample, have gone on for as long as the rule says."""
    if rule.mode == "consecutive":
        return state.run >= rule.count
    if state.watched_since is None or not reaches(at - state.watched_since, rule.over):
        return False
    if rule.tolerate == 0:
        lasting = state.breach_since is not None and reaches(at - state.breach_since, rule.over)
    else:
        inside = tally(state.seen, at, rule.over + 2 * TICK)  # both ends count here: 15 minutes have 61 samples
        lasting = inside.count - inside.breaches <= rule.tolerate
    return lasting and reaches(tally(state.seen, at, rule.over).covered, rule.coverage * rule.over)


def _phase(rule: GateRule, state: GateState, condition: Reading, lately: float | None) -> Phase:
    if condition is Reading.BREACH:
        return Phase.BREACHING
    if condition is not Reading.CLEAR or state.newest is None:
        return Phase.UNKNOWN
    if rule.mode == "window" and lately is not None and rule.breaches(lately):
        return Phase.BREACHING
    well_for = 0.0 if state.well_since is None else state.newest.at - state.well_since
    if (state.troubled or state.flips) and (state.well_since is None or not reaches(well_for, rule.clear_for)):
        return Phase.RECOVERING
    return Phase.CLEAR
