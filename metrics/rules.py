"""A gate of a checklist as a rule of the gate engine."""

from __future__ import annotations

from metrics.gate_condition import condition_of
from metrics.gate_model import GateRule
from state.definition import Gate
from state.durations import parse_duration


def rule_of(gate: Gate, baseline: float | None = None) -> GateRule:
    """GATE as the gate engine wants it. A rule that holds back or rolls back on bad news sees only bad news;
    one that merely holds must also see good news, so no data counts against it.

    BASELINE is what its metric was before the cutover, in the metric's own unit, for a limit that is a multiple
    of it; without one such a gate is blind: UNKNOWN, never clear, never tripping. When the baseline becomes known
    (or is another) make the rule anew, and arm the gate anew if it has seen anything: it remembers what breached
    the limit of that time. Raises ValueError.
    """
    condition = condition_of(gate.when)
    return GateRule(
        id=gate.id,
        metric=gate.metric,
        mode=gate.mode,
        op=condition.op,
        threshold=condition.limit(baseline),
        factor=condition.number if condition.of_baseline else None,
        baseline=baseline if condition.of_baseline else None,
        over=parse_duration(gate.for_ or gate.over or "0s"),
        count=gate.count,
        interval=parse_duration(gate.interval),
        coverage=gate.coverage,
        min_volume=gate.min_volume,
        clear_for=parse_duration(gate.clear_for) if gate.clear_for else -1.0,
        no_data_after=parse_duration(gate.no_data),
        direction="rollback" if gate.then == "rollback" else "go",
        partial=gate.partial,
        tolerate=gate.tolerate,
        settle=parse_duration(gate.settle) if gate.settle else 0.0,
    )
