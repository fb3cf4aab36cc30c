"""What a gate says of itself: in one line, as a part of one, and when it trips."""

from __future__ import annotations

from metrics.gate_model import GateRule, GateState, Phase
from metrics.gate_window import Tally, tally
from metrics.samples import Reading

_LABELS = {"error_rate": "err"}


def progress(rule: GateRule, state: GateState, now: float) -> float:
    """How near the gate is to tripping, 0..1; 1 is tripped. Time of the run, or the run's count, or, of a
    window, its value against the limit."""
    if state.phase is Phase.TRIPPED:
        return 1.0
    if state.phase is Phase.UNARMED or state.newest is None or rule.threshold is None:
        return 0.0
    if rule.mode == "consecutive":
        return min(state.run / rule.count, 1.0)
    if rule.mode == "sustained":
        return 0.0 if state.breach_since is None else min(max(now - state.breach_since, 0) / rule.over, 1.0)
    value = tally(state.seen, now, rule.over).value
    if value is None:
        return 0.0
    part, whole = (value, rule.threshold) if rule.op[0] == ">" else (rule.threshold, value)
    if whole <= 0:
        return 1.0 if rule.breaches(value) else 0.0
    return min(max(part / whole, 0.0), 1.0)


def explain(rule: GateRule, state: GateState, now: float) -> str:
    """One line: the value against the limit, what is going on for how long, and on what evidence.

    `err 12.4% > 10%  breaching 09:15 of 15:00  37/37 samples  1,482 requests`
    """
    name = _name(rule)
    if state.phase is Phase.UNARMED:
        return f"{name} {_limit(rule)}  not armed"
    newest = state.newest
    stale = newest is None or now - newest.at > rule.stale_after or rule.threshold is None
    if stale and state.phase is not Phase.TRIPPED:
        return _join(f"{name} ? {_limit(rule)}", _blind(rule, state, now))
    since = state.breach_since
    run = rule.mode == "sustained" and since is not None
    back = min(now - since, rule.over) if run and since is not None else rule.span
    if not run and state.watched_since is not None:
        back = min(back, now - state.watched_since + rule.interval)
    seen = tally(state.seen, now, back)
    value = seen.value if rule.mode == "window" else newest.value if newest else None
    head = f"{name} ?" if value is None or stale else f"{name} {number(value, rule)}"
    bad = value is not None and not stale and rule.breaches(value)
    compared = _limit(rule) if bad else f"(limit {_limit(rule)})"
    return _join(f"{head} {compared}", *_story(rule, state, now), *_evidence(rule, seen, back))


def trip_text(rule: GateRule, state: GateState) -> str:
    """Which rule tripped, why and on what evidence, at its newest sample. What it said when it tripped is kept in
    `state.tripped_on`.

    `error-rate tripped: err 12.4% > 10% for 15:00 of 15:00, 60/60 samples, 2,400 requests, source http`
    """
    newest = state.newest
    if newest is None:
        return f"{rule.id} tripped"
    seen = tally(state.seen, newest.at, rule.span)
    value = seen.value if rule.mode == "window" else newest.value
    parts = [f"{_name(rule)} {'?' if value is None else number(value, rule)} {_limit(rule)}"]
    if rule.mode == "window":
        lately = tally(state.seen, newest.at, rule.lately).value
        watched = newest.at - (newest.at if state.watched_since is None else state.watched_since) + rule.interval
        parts[0] += f" over {_mmss(min(watched, rule.over))}"
        parts += [f"the last {_mmss(rule.lately)} {number(lately, rule)}"] if lately is not None else []
    elif rule.mode == "consecutive":
        parts.append(f"{state.run} of {rule.count} in a row")
    elif rule.tolerate:
        parts[0] += f" for {_mmss(rule.over)}"
        parts.append(f"{seen.breaches} of {seen.count} breaching, {rule.tolerate} others tolerated")
    else:
        since = newest.at if state.breach_since is None else state.breach_since
        parts[0] += f" for {_mmss(newest.at - since)} of {_mmss(rule.over)}"
    parts += _evidence(rule, seen, rule.span)
    return f"{rule.id} tripped: {', '.join(parts)}, source {rule.metric.split('.', 1)[0]}"


def number(value: float, rule: GateRule) -> str:
    """VALUE in the unit of RULE's metric, as short as it can honestly be."""
    tail = rule.metric.rsplit(".", 1)[-1]
    if rule.unit in ("ratio", "%") or (not rule.unit and tail.endswith(("_rate", "usage", "ratio"))):
        return f"{value * 100:.4g}%" if abs(value) < 1 else f"{value * 100:.0f}%"
    if rule.unit == "ms" or (not rule.unit and tail in ("p50", "p95", "p99")):
        return f"{value:,.0f}ms"
    return f"{value:,.4g}" + (f" {rule.unit}" if rule.unit and rule.unit != "count" else "")


def _name(rule: GateRule) -> str:
    return rule.label or _LABELS.get(rule.metric.rsplit(".", 1)[-1], rule.metric)


def _limit(rule: GateRule) -> str:
    """The operator and the limit, and what it is a multiple of."""
    multiple = f"{rule.factor:g}x baseline" if rule.factor is not None else ""
    if rule.threshold is None:
        return f"{rule.op} {multiple}"
    limit = f"{rule.op} {number(rule.threshold, rule)}"
    if not multiple:
        return limit
    return f"{limit} = {multiple}" + ("" if rule.baseline is None else f" {number(rule.baseline, rule)}")


def _join(*parts: str) -> str:
    return "  ".join(part for part in parts if part)


def _mmss(seconds: float) -> str:
    whole = int(max(seconds, 0.0) + 1e-6)
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minutes:02}:{second:02}"


def _blind(rule: GateRule, state: GateState, now: float) -> str:
    if rule.threshold is None:
        why = "no baseline captured" if rule.baseline is None else f"no multiple of {number(rule.baseline, rule)}"
        return f"UNKNOWN {why}" + (": needs a person" if state.no_data_fired else "")
    if state.armed_at is not None and now < state.armed_at + rule.settle:
        return f"UNKNOWN settling {_mmss(now - state.armed_at)} of {_mmss(rule.settle)}"
    for_long = _mmss(now - state.sight_since) if state.sight_since is not None else "?"
    last = ", could not look" if state.last is Reading.ERROR else ""
    if state.no_data_fired:
        return f"UNKNOWN no data for {for_long}{last}: needs a person"
    if state.blind_until is not None and now < state.blind_until:
        return f"UNKNOWN no data for {for_long}{last}, extended for {_mmss(state.blind_until - now)}"
    return f"UNKNOWN no data for {for_long} of {_mmss(rule.no_data_after)}{last}"


def _story(rule: GateRule, state: GateState, now: float) -> list[str]:
    story = []
    if state.phase is Phase.TRIPPED:
        ago = _mmss(now - (state.tripped_at if state.tripped_at is not None else now))
        told = {Reading.BREACH: "still breaching", Reading.CLEAR: "no longer breaching"}
        decided = f"{state.decision.by}: {state.decision.verb}" if state.decision else "waits for a decision"
        story += [f"TRIPPED {ago} ago, {told.get(state.condition, 'sight lost')}", decided]
    elif state.phase is Phase.BREACHING and rule.mode == "sustained" and state.breach_since is not None:
        story.append(f"breaching {_mmss(now - state.breach_since)} of {_mmss(rule.over)}")
    elif state.phase is Phase.BREACHING and rule.mode == "consecutive":
        story.append(f"breaching {state.run} of {rule.count} in a row")
    elif state.phase is Phase.UNKNOWN:
        watched = now - state.watched_since if state.watched_since is not None else 0.0
        story.append(f"UNKNOWN too little data, watched {_mmss(watched)} of {_mmss(rule.span)}")
    elif state.phase is Phase.RECOVERING:
        story.append(_recovering(rule, state, now))
    else:
        story.append(state.phase.value)
    if state.flapping:
        story.append("FLAPPING")
    if state.held_until is not None and now < state.held_until:
        story.append(f"extended for {_mmss(state.held_until - now)}")
    return story


def _recovering(rule: GateRule, state: GateState, now: float) -> str:
    """Clear is not merely on the good side of the limit: under it by a margin, and for a time."""
    well = now - state.well_since if state.well_since is not None else 0.0
    told = f"recovering {_mmss(well)} of {_mmss(rule.clear_for)}"
    if rule.threshold is None or rule.op[0] == "<" or rule.threshold <= 0:
        return told
    margin = number(rule.clear_ratio * rule.threshold, rule)
    return f"{told} under {margin}" if state.well_since is not None else f"{told}, not under {margin} yet"


def _evidence(rule: GateRule, seen: Tally, back: float) -> list[str]:
    if rule.mode == "consecutive":
        return [f"{seen.volume:,} requests"] if seen.ratio else []
    covered, expected = round(seen.covered / rule.interval), round(back / rule.interval)
    return [f"{covered}/{expected} samples", *([f"{seen.volume:,} requests"] if seen.ratio else [])]
