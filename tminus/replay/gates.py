"""The gates of a moment of the past, as the record has them. Pure.

The record keeps each change of a gate's mind, not how far it was between two of them. Where nobody can have been
looking (no engine, no samples, a restart since) a gate is unknown, whatever was said last: a trip alone stays.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from metrics.rules import rule_of
from state.clean import clean, shorten
from state.definition import Checklist, Gate
from state.events import Event
from state.run import GateRecord, RunState
from tminus.client.messages import GateView, MetricView


def gate_views(
    checklist: Checklist,
    run: RunState,
    moment: datetime,
    texts: Mapping[str, str],
    engine: Event | None,
    metrics: Mapping[str, MetricView] | None,
) -> dict[str, GateView]:
    """Every gate of RUN at MOMENT. ENGINE is the last event that an engine came or went with; METRICS what was
    measured, None when nothing was kept; TEXTS what the record's outline calls the gates that CHECKLIST lacks."""
    views: dict[str, GateView] = {}
    for gate in checklist.gate:
        record = run.gates.get(gate.id, GateRecord())
        doubt = _doubt(gate, record, moment, engine, metrics) if record.armed and record.state != "tripped" else ""
        views[gate.id] = _gate(gate, record, doubt)
    for key in run.gates.keys() - views.keys():
        armed = run.gates[key].armed
        views[key] = GateView(
            id=key,
            text=shorten(clean(texts.get(f"gate:{key}", key)), 120),
            then="",
            armed=armed,
            state="unknown" if armed else "unarmed",
            why="this checklist does not know it",
        )
    return views


def _gate(gate: Gate, record: GateRecord, doubt: str) -> GateView:
    state = {"blind": "unknown", "flapping": "breaching"}.get(record.state, record.state)
    state = ("unknown" if doubt else state) if record.armed else "unarmed"
    why = "; ".join(part for part in (doubt, record.why) if part)
    if record.changed_at:
        why = f"{why} (recorded {record.changed_at[11:19]} UTC)"
    return GateView(
        id=gate.id,
        text=gate.text,
        then=gate.then,
        armed=record.armed,
        state=state,
        why=clean(why) if record.armed else "",
        progress=1.0 if state == "tripped" else 0.0,
        flapping=record.state == "flapping" and not doubt,
        decision=record.decision,
        asks=record.asks,
        metric=gate.metric,
    )


def _doubt(
    gate: Gate,
    record: GateRecord,
    moment: datetime,
    engine: Event | None,
    metrics: Mapping[str, MetricView] | None,
) -> str:
    """Why what was said last of GATE need not hold at MOMENT; empty when it does."""
    if record.state == "unarmed":
        return "armed, and nothing seen yet"
    if engine is not None and engine.kind == "engine.stopped":
        return "no engine was up"
    if metrics is not None and (gate.metric not in metrics or metrics[gate.metric].status == "stale"):
        return "nobody was looking at its metric"
    try:
        changed = datetime.fromisoformat(record.changed_at)
        if engine is not None and changed < engine.at:
            return "nothing seen since the engine came back"
        # A criterion of success is met only by a whole window: before that no screen said so.
        span = timedelta(seconds=rule_of(gate).span)
    except (ValueError, TypeError):
        return "its record cannot be read"
    if record.state == "clear" and gate.then != "rollback" and moment - changed < span:
        return "clear, and not yet for a whole window"
    return ""
