"""A gate of a checklist as a rule of the gate engine."""

from __future__ import annotations

from metrics.gate_model import GateRule, parse_condition
from state.definition import Gate
from state.durations import parse_duration


def rule_of(gate: Gate) -> GateRule:
    """GATE as the gate engine wants it. A rule that holds back or rolls back on bad news sees only bad news;
    one that merely holds must also see good news, so no data counts against it. Raises ValueError."""
    op, threshold = parse_condition(gate.when)
    return GateRule(
        id=gate.id,
        metric=gate.metric,
        mode=gate.mode,
        op=op,
        threshold=threshold,
        over=parse_duration(gate.for_ or gate.over or "0s"),
        count=gate.count,
        interval=parse_duration(gate.interval),
        min_volume=gate.min_volume,
        clear_for=parse_duration(gate.clear_for) if gate.clear_for else -1.0,
        no_data_after=parse_duration(gate.no_data),
        direction="rollback" if gate.then == "rollback" else "go",
    )
