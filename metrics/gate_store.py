"""A gate's state as plain data, so that a run can be left and taken up again.

The clock of a gate means nothing to another process or after a boot: times are kept as ages, beside the wall clock
of the moment they were written. What is read is not trusted: it is a state that `freeze` can write, or refused.
"""

from __future__ import annotations

import base64
import math
import struct
import zlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from metrics.gate_model import MAX_FLIPS, Decision, GateRule, GateState, Phase, blinded
from metrics.gate_window import BUCKETS, ROW, TICK, Bucket, History, history_of
from metrics.samples import Reading, Sample

_PAST = ("armed_at", "watched_since", "breach_since", "well_since", "sight_since", "tripped_at")
_AHEAD = ("held_until", "blind_until")
_FLAGS = ("flapping", "no_data_fired", "troubled")
_LONGEST = 500  # characters of `tripped_on`
_SIGHTED = (Phase.CLEAR, Phase.BREACHING, Phase.RECOVERING)


def freeze(state: GateState, wall_now: float, now: float | None = None) -> dict[str, Any]:
    """STATE as a plain dict without None (TOML has none). WALL_NOW is seconds since the epoch; NOW the gate's
    clock at that same moment, by default that of the last step: give it, or data look younger than they are."""
    at = now if now is not None else state.now if state.now is not None else 0.0
    plain: dict[str, Any] = {
        "wall": wall_now,
        "phase": state.phase.value,
        "condition": state.condition.value,
        "flip_ages": [at - t for t in state.flips],
        "buckets": _boxed(state.seen, at),
        "run": state.run,
        "good": state.good,
        **{name: getattr(state, name) for name in _FLAGS},
    }
    for name in (*_PAST, *_AHEAD):
        moment = getattr(state, name)
        if moment is not None:
            plain[f"{name}_age"] = at - moment
    if state.newest is not None:
        one = state.newest
        plain["newest"] = {"age": at - one.at, "value": one.value, "volume": one.volume}
        plain["newest"] |= {} if one.bad is None else {"bad": one.bad}
    if state.last is not None:
        plain["last"] = state.last.value
    if state.tripped_value is not None:
        plain["tripped_value"] = state.tripped_value
    if state.tripped_on:
        plain["tripped_on"] = state.tripped_on
    if state.decision is not None:
        told = state.decision
        plain["decision"] = {"verb": told.verb, "by": told.by, "reason": told.reason, "age": at - told.at}
        plain["decision"] |= {} if told.until is None else {"until_age": at - told.until}
    return plain


def thaw(rule: GateRule, plain: Mapping[str, Any], wall_now: float, now: float) -> GateState:
    """The state that `freeze` wrote, on the clock of this process.

    Away for less than `stale_after`: everything goes on. Longer, or a wall clock that went back: what was
    seen is forgotten and the gate is UNKNOWN. An arming, a latch, a decision and trouble survive either way; an
    extension does unless the wall clock went back.

    Raises ValueError when PLAIN is not what `freeze` writes.
    """
    try:
        away = _number(wall_now) - _number(plain["wall"])
        sane = away >= 0
        state = _state(plain, now - (away if sane else 0.0), now)
    except (KeyError, TypeError, AttributeError, OverflowError, struct.error, zlib.error) as why:
        raise ValueError(f"not a gate's state: {type(why).__name__}") from why
    if not state.armed or (sane and away < rule.stale_after):
        return state
    extended = state if sane else replace(state, held_until=None, blind_until=None)
    return replace(blinded(extended), sight_since=now)


def _state(plain: Mapping[str, Any], then: float, now: float) -> GateState:
    _require(math.isfinite(now), "clock")
    phase, decision = Phase(plain["phase"]), _decision(plain.get("decision"), then)
    if phase is Phase.UNARMED:
        return GateState(now=now, decision=decision)
    times: dict[str, Any] = {
        name: then - _number(plain[f"{name}_age"]) for name in (*_PAST, *_AHEAD) if f"{name}_age" in plain
    }
    _require("armed_at" in times and all(times[name] <= then + TICK for name in _PAST if name in times), "times")
    flips = tuple(then - _number(age) for age in plain["flip_ages"])
    _require(len(flips) <= MAX_FLIPS + 1, "flips")
    seen, newest = _history(plain["buckets"], then), _newest(plain.get("newest"), then)
    _require(newest is not None or phase not in _SIGHTED, "phase")
    _require(
        (newest is None) == (not seen) and (newest is None or abs(newest.at - seen.open[-1].last) < TICK), "newest"
    )
    told = plain.get("tripped_on", "")
    _require(isinstance(told, str) and len(told) <= _LONGEST and told.isprintable(), "tripped_on")
    flags: dict[str, Any] = {name: plain[name] for name in _FLAGS}
    _require(all(isinstance(flag, bool) for flag in flags.values()), "flags")
    return GateState(
        phase=phase,
        now=now,
        seen=seen,
        newest=newest,
        flips=flips,
        last=Reading(plain["last"]) if "last" in plain else None,
        condition=Reading(plain["condition"]),
        tripped_value=_number(plain["tripped_value"]) if "tripped_value" in plain else None,
        tripped_on=told,
        decision=decision,
        **times,
        **flags,
        run=_count(plain["run"]),
        good=_count(plain["good"]),
    )


def _boxed(history: History, at: float) -> str:
    """The buckets as ages, packed: a day of them is 40 kB this way, and 100 kB in words."""
    rows = (ROW.pack(at - b.first, at - b.last, *b[2:]) for b in history)
    return base64.b85encode(zlib.compress(b"".join(rows))).decode()


def _history(text: str, then: float) -> History:
    box, limit = zlib.decompressobj(), 2 * BUCKETS * ROW.size
    raw = box.decompress(base64.b85decode(text), limit)
    _require(box.eof and not box.unused_data, "buckets")
    buckets, before = [], -math.inf
    for first_age, last_age, *rest in ROW.iter_unpack(raw):
        one = Bucket(then - first_age, then - last_age, *rest)
        _require(all(math.isfinite(number) for number in one), "bucket")
        _require(before < one.first <= one.last <= then + TICK and one.covered >= 0, "bucket")
        _require(one.samples > 0 and max(one.breaches, one.ratios) <= one.samples, "bucket")
        _require(0 <= one.bad <= one.volume, "bucket")
        buckets.append(one)
        before = one.last
    return history_of(buckets)


def _newest(table: Mapping[str, Any] | None, then: float) -> Sample | None:
    if table is None:
        return None
    bad = _number(table["bad"]) if "bad" in table else None
    return Sample(then - _number(table["age"]), _number(table["value"]), _count(table["volume"]), bad)


def _decision(table: Mapping[str, Any] | None, then: float) -> Decision | None:
    if table is None:
        return None
    verb, by, reason = table["verb"], table["by"], table["reason"]
    _require(
        verb in ("rollback", "continue", "extend") and isinstance(by, str) and isinstance(reason, str), "decision"
    )
    until = then - _number(table["until_age"]) if "until_age" in table else None
    return Decision(verb, by, reason, then - _number(table["age"]), until)


def _number(value: Any) -> float:
    _require(isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value), "number")
    return float(value)


def _count(value: Any) -> int:
    _require(isinstance(value, int) and not isinstance(value, bool) and value >= 0, "count")
    return int(value)


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(f"not a gate's state: a wrong {what}")
