"""A view as plain lines: for pipes, phones, screen readers, and terminals that are broken."""

from __future__ import annotations

from state.clean import clean
from tminus.client.messages import ItemView, View


def status_lines(view: View) -> list[str]:
    """Where the run stands: the verdict, what stands against it, the phases, the gates and the numbers."""
    run = view.run
    lines = [
        f"{run.title}{' (rehearsal)' if run.rehearsal else ''}   record {run.record}",
        f"verdict  {view.standing.go}   phase {view.standing.phase}   driver {run.driver or 'nobody'}",
    ]
    if run.trouble:
        lines.append(f"trouble  {run.trouble}")
    lines += [f"held     {hold.id} by {hold.actor}: {hold.reason}" for hold in view.holds]
    lines += [f"blocker  {b.kind} {b.id}: {b.why}" for b in view.standing.blockers]
    lines += [
        f"decide   {gate.id} waits for a person: tminus decide {gate.id} roll-back|continue|extend --reason TEXT"
        for gate in view.gates.values()
        if gate.asks
    ]
    for phase in view.phases:
        done = sum(view.items[item.id].settled for item in phase.items)
        state = "passed" if phase.id in view.gone else "now" if phase.id == view.standing.phase else ""
        lines.append(f"phase    {phase.id:<14} {done:>3}/{len(phase.items):<3} {state:<7}{phase.title}")
    for gate in view.gates.values():
        lines.append(f"gate     {gate.id:<22} {gate.state:<10} {gate.why or gate.text}")
    for metric in view.metrics.values():
        lines.append(f"metric   {metric.label:<22} {metric.text or '?':>12}  {metric.status:<8}{metric.source}")
    return [clean(line) for line in lines]  # what somebody wrote is part of its line, and never a line of ours


def item_lines(view: View, item_id: str) -> list[str]:
    """One item whole: challenge, response, evidence, marks, and what blocks it."""
    face = next((item for phase in view.phases for item in phase.items if item.id == item_id), None)
    state = view.items.get(item_id)
    if face is None or state is None:
        return [f"no item {item_id!r}"]
    lines = [f"{face.id}: {face.text}", f"  state     {state_words(state)}"]
    facts = {
        "check": f"{face.check} ({face.effect})" if face.check else "",
        "how": face.how,
        "expected": state.expected,
        "actual": state.actual,
        "hint": state.hint,
        "seen at": state.observed_at,
        "evidence": state.evidence_digest,
        "marks": ", ".join(f"{said.actor} at {said.utc}" for said in state.said),
        "reason": state.reason,
        "open": state.why_open,
        "blocked": state.blocked,
    }
    lines += [f"  {key:<9} {value}" for key, value in facts.items() if value]
    lines += [f"    {key} = {value}" for key, value in state.evidence.items()]
    return [line.replace("\n", "\n" + " " * 12) for line in lines]


def state_words(state: ItemView) -> str:
    """The state of an item in words: running, its mark, its verdict, or open."""
    if state.status != "idle":
        return state.status
    parts = [state.verdict, state.mark if state.mark != "open" else ""]
    said = ", ".join(part for part in parts if part) or "open"
    return f"{said} (settled)" if state.settled else said
