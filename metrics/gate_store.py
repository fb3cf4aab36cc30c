"""A gate's state as plain data, so that a run can be left and taken up again.

The clock of a gate means nothing to another process: times are kept as ages, beside the wall clock of the
moment they were written.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from metrics.gate_model import Decision, GateRule, GateState, Phase, blinded
from metrics.samples import Reading, Sample

_TIMES = (
    "armed_at",
    "watched_since",
    "breach_since",
    "well_since",
    "sight_since",
    "tripped_at",
    "held_until",
)


def freeze(state: GateState, wall_now: float, now: float | None = None) -> dict[str, Any]:
    """STATE as a plain dict without None (TOML has none). WALL_NOW is seconds since the epoch; NOW the gate's
    clock at that moment, by default that of the last step."""
    at = now if now is not None else state.now if state.now is not None else 0.0
    plain: dict[str, Any] = {
        "wall": wall_now,
        "phase": state.phase.value,
        "condition": state.condition.value,
        "run": state.run,
        "flapping": state.flapping,
        "no_data_fired": state.no_data_fired,
        "flip_ages": [at - t for t in state.flips],
        "samples": [
            {"age": at - s.at, "value": s.value, "volume": s.volume} | ({} if s.bad is None else {"bad": s.bad})
            for s in state.samples
        ],
    }
    for name in _TIMES:
        moment = getattr(state, name)
        if moment is not None:
            plain[f"{name}_age"] = at - moment
    if state.last is not None:
        plain["last"] = state.last.value
    if state.tripped_value is not None:
        plain["tripped_value"] = state.tripped_value
    if state.decision is not None:
        told = state.decision
        plain["decision"] = {"verb": told.verb, "by": told.by, "reason": told.reason, "age": at - told.at} | (
            {} if told.until is None else {"until_age": at - told.until}
        )
    return plain


def thaw(rule: GateRule, plain: Mapping[str, Any], wall_now: float, now: float) -> GateState:
    """The state that `freeze` wrote, on the clock of this process.

    Away for less than `stale_after`: everything goes on. Longer, or a wall clock that went back: what was
    seen is forgotten and the gate is UNKNOWN. An arming and a latch survive either way.

    Raises ValueError when PLAIN is not what `freeze` writes.
    """
    try:
        away = float(wall_now) - float(plain["wall"])
        sane = math.isfinite(away) and away >= 0
        state = _state(plain, now - (away if sane else 0.0), now)
    except (KeyError, TypeError, AttributeError) as why:
        raise ValueError(f"not a gate's state: {type(why).__name__} {why}") from why
    if not state.armed or (sane and away < rule.stale_after):
        return state
    return replace(blinded(state), sight_since=now)


def _state(plain: Mapping[str, Any], then: float, now: float) -> GateState:
    def moment(name: str, table: Mapping[str, Any] = plain) -> float | None:
        return then - float(table[name]) if name in table else None

    told = plain.get("decision")
    samples = tuple(
        Sample(then - float(s["age"]), float(s["value"]), int(s["volume"]), s.get("bad")) for s in plain["samples"]
    )
    if any(s.value is None for s in samples):
        raise ValueError("not a gate's state: a sample without a value")
    return GateState(
        phase=Phase(plain["phase"]),
        now=now,
        samples=samples,
        run=int(plain["run"]),
        flips=tuple(then - float(age) for age in plain["flip_ages"]),
        last=Reading(plain["last"]) if "last" in plain else None,
        condition=Reading(plain["condition"]),
        flapping=bool(plain["flapping"]),
        no_data_fired=bool(plain["no_data_fired"]),
        tripped_value=plain.get("tripped_value"),
        decision=None
        if told is None
        else Decision(told["verb"], told["by"], told["reason"], then - float(told["age"]), moment("until_age", told)),
        **{name: moment(f"{name}_age") for name in _TIMES},
    )
