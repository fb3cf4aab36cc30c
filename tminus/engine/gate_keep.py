"""What outlives an engine of its gates, and what a trip leaves in the record. Pure.

The record says which gates are armed, which have tripped and what was decided; it is believed first. How far a gate
had come is kept beside it, and goes on only when the run was away for less than the gate's `stale_after`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import math
from collections.abc import Mapping
from typing import Any

import msgspec

from metrics import gates
from metrics.gate_model import GateRule, GateState, Phase
from metrics.rules import rule_of
from metrics.samples import Measurement
from metrics.views import value_text
from state.definition import Checklist, Gate
from state.run import GateRecord, RunState

BASELINE = "metrics.baseline"  # the check whose evidence is a baseline

Kept = Mapping[str, Any]


def rules_of(checklist: Checklist, run: RunState, units: Mapping[str, str]) -> dict[str, GateRule]:
    """The rule of every gate: its limit made of the baseline that RUN holds where it is a multiple of one, and its
    numbers told in the UNITS of their metrics."""
    return {
        gate.id: dataclasses.replace(
            rule_of(gate, baseline_of(checklist, run, gate.metric)), unit=units.get(gate.metric, "")
        )
        for gate in checklist.gate
    }


def baseline_of(checklist: Checklist, run: RunState, metric: str) -> float | None:
    """What METRIC was before the cutover, as an item of the check `metrics.baseline` has seen it."""
    for item in checklist.items.values():
        outcome = run.item(item.id).outcome if item.check == BASELINE else None
        value = outcome.evidence.get(metric) if outcome is not None and outcome.verdict.is_known else None
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
    return None


def keep(rules: Mapping[str, GateRule], states: Mapping[str, GateState], wall: float, now: float) -> bytes:
    """The armed ones of STATES, as `kept` reads them. WALL is seconds since the epoch, NOW the gates' clock."""
    return msgspec.json.encode(
        {
            key: {"rule": _digest(rules[key]), "state": gates.freeze(state, wall, now)}
            for key, state in states.items()
            if state.armed
        }
    )


def kept(data: bytes | None) -> dict[str, Kept]:
    """What `keep` wrote; nothing for what it did not."""
    try:
        found = msgspec.json.decode(data or b"{}", type=dict[str, dict[str, Any]])
    except msgspec.MsgspecError:
        return {}
    return dict(found)


def resumed(rule: GateRule, record: GateRecord | None, before: Kept | None, wall: float, now: float) -> GateState:
    """The gate after a restart, by its RECORD and, where that does not speak against it, by what was kept BEFORE."""
    if record is None or not record.armed:
        return GateState()
    state = _thawed(rule, before, wall, now) or gates.arm(GateState(), now)
    # A decision to roll back latches a gate that had lost sight as well.
    latched = record.decision == "roll-back" or (record.state == "tripped" and not record.decision)
    if latched and state.phase is not Phase.TRIPPED:
        return dataclasses.replace(state, phase=Phase.TRIPPED, tripped_at=now)
    if record.state == "tripped" and not latched and state.phase is Phase.TRIPPED:
        return gates.arm(GateState(), now)  # it was decided after this was kept
    return state


def _thawed(rule: GateRule, before: Kept | None, wall: float, now: float) -> GateState | None:
    if not before or before.get("rule") != _digest(rule):  # another rule: what it saw means nothing to this one
        return None
    try:
        state = gates.thaw(rule, before["state"], wall, now)
    except (ValueError, KeyError, TypeError):
        return None
    return state if state.armed else None


def _digest(rule: GateRule) -> str:
    return hashlib.sha256(repr(rule).encode()).hexdigest()[:16]


def evidence_of(gate: Gate, state: GateState, newest: Measurement | None, now: float) -> dict[str, Any]:
    """What a trip (or a loss of sight) was decided from, for the record: the rule, the newest look, and its source's
    own words. Small, and without None."""
    data: dict[str, Any] = {"metric": gate.metric, "rule": rule_text(gate)}
    if newest is not None:
        data["value"] = value_text(newest.value, newest.unit)
        data["of"] = newest.volume
        data["seen"] = newest.at.isoformat(timespec="seconds")
        detail = {
            key: value for key, value in newest.detail.items() if isinstance(value, str) or math.isfinite(value)
        }
        if newest.error:
            detail["error"] = newest.error
        if detail:
            data["detail"] = detail
    if state.breach_since is not None:
        data["breaching_for"] = round(now - state.breach_since, 1)
    return data


def rule_text(gate: Gate) -> str:
    """GATE's rule in the words of the checklist.

    >>> rule_text(Gate(id="g", text="g", metric="http.error_rate", when="> 10%", for_="15m"))
    'http.error_rate > 10%, sustained for 15m'
    """
    long = {"sustained": f"for {gate.for_}", "window": f"over {gate.over}", "consecutive": f"{gate.count} in a row"}
    return f"{gate.metric} {gate.when}, {gate.mode} {long[gate.mode]}"
