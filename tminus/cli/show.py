"""A view as plain lines: for pipes, phones, screen readers, and terminals that are broken."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from state.clean import clean
from tminus.client.messages import GateView, ItemView, Said, View
from tminus.client.people import CallView
from tminus.client.readback import signed_before


def fitted(lines: Iterable[str], width: int = 0) -> list[str]:
    """LINES broken between words at WIDTH; 0: at that of the terminal, or not at all where there is none.

    >>> fitted(["hold     1 by Anna: the error rate looks odd"], 30)
    ['hold     1 by Anna: the error', '  rate looks odd']
    """
    wide = width or (shutil.get_terminal_size().columns if sys.stdout.isatty() else 0)
    if not wide:
        return list(lines)
    broken = textwrap.TextWrapper(
        max(wide, 20), subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )
    return [part for line in lines for part in (broken.wrap(line) if len(line) > wide else [line])]


def facts_of(view: View) -> dict[str, Any]:
    """VIEW for a machine: without what is in the checklist anyway, and without output and courses of metrics."""
    light = msgspec.structs.replace(view, phases=(), output={}, series={})
    return {key: value for key, value in msgspec.to_builtins(light).items() if key not in _HEAVY}


_HEAVY = ("phases", "output", "series")


def status_lines(view: View) -> list[str]:
    """Where the run stands: the verdict, what stands against it, the people, the phases, the gates, the numbers."""
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
        f"decide   {gate.id} waits for a person: tminus roll-back {gate.id} --reason TEXT, or "
        f"tminus decide {gate.id} continue|extend --reason TEXT"
        for gate in view.gates.values()
        if gate.asks
    ]
    lines += _crew_lines(view)
    for phase in view.phases:
        done = sum(view.items[item.id].settled for item in phase.items)
        state = "passed" if phase.id in view.gone else "now" if phase.id == view.standing.phase else ""
        lines.append(f"phase    {phase.id:<14} {done:>3}/{len(phase.items):<3} {state:<7}{phase.title}")
    for gate in view.gates.values():
        lines.append(f"gate     {gate.id:<22} {gate.state:<10} {gate.why or gate.text}")
    for metric in view.metrics.values():
        lines.append(f"metric   {metric.label:<22} {metric.text or '?':>12}  {metric.status:<8}{metric.source}")
    return [clean(line) for line in lines]  # what somebody wrote is part of its line, and never a line of ours


def _crew_lines(view: View) -> Iterator[str]:
    crew, run = view.crew, view.run
    if crew.gone_since:
        yield f"driver   {run.driver} has no screen open; last heard of at {crew.gone_since}"
    for ask in crew.asking:
        why = f": {ask.reason}" if ask.reason else ""
        how = "tminus hand-over, or tminus refuse --reason TEXT"
        yield f"control  {ask.actor} asks for it since {ask.utc}{why} ({how})"
    if crew.call is not None:
        yield f"call     {call_words(crew.call)}"
    for challenge in crew.challenges:
        where = challenge.item or "the run"
        yield f"asked    challenge {challenge.id} by {challenge.actor} on {where}: {challenge.text}"
    # A command like this one is here for a moment only.
    for person in run.people:
        if person.kind != "command":
            looks = f", looks at {person.item}" if person.item else ""
            yield f"here     {person.name} ({person.kind}, {person.origin}){looks}"
    yield from _signature_lines(view)
    for role in view.roles:
        if reached := ", ".join(filter(None, (role.name, role.contact))):
            yield f"contact  {role.title}: {reached}"


def _signature_lines(view: View) -> Iterator[str]:
    for phase in view.phases:
        for face in phase.items:
            if not face.signed_by or (not (said := view.items[face.id].said) and phase.id != view.standing.phase):
                continue
            before = signed_before(view.items[face.id])
            late = " (before something changed above the line)"
            signed = {one.role: one.actor + (late if one in before else "") for one in said}
            told = ", ".join(f"{role} {signed.get(role, '(not yet)')}" for role in face.signed_by)
            yield f"signed   {face.id}: {told}"


def call_words(call: CallView) -> str:
    """What CALL waits for, and the command that is its answer."""
    if call.kind == "phase":
        return f"{call.actor} says GO to {call.id}; it takes two. From another login: tminus go {call.id}"
    if call.agreed_by:
        return f"{call.agreed_by} agrees to cross at {call.id}; {call.actor} goes: tminus do {call.id}"
    return f"{call.actor} is about to cross at {call.id}; it takes two. From another login: tminus agree {call.id}"


def gate_lines(gate: GateView) -> list[str]:
    """One gate: its rule, where it is, why, and what was decided."""
    facts = {"why": gate.why, "then": gate.then, "metric": gate.metric, "decided": gate.decision}
    lines = [f"gate     {gate.id}: {gate.text}", f"  state     {gate.state}{' (flapping)' if gate.flapping else ''}"]
    return [*lines, *(f"  {key:<9} {value}" for key, value in facts.items() if value)]


def numbers_of(view: View, gate: GateView) -> list[str]:
    """The newest value of the metric that GATE is a rule over, with its age's beginning and its source."""
    metric = view.metrics.get(gate.metric)
    if metric is None:
        return []
    seen = f" at {metric.observed_at}" if metric.observed_at else ""
    return [f"  now       {metric.label} {metric.text or '?'} ({metric.status}){seen}, {metric.source}"]


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
        "asks": face.ask,
        "expected": state.expected,
        "actual": state.actual,
        "hint": state.hint,
        "seen at": state.observed_at,
        "evidence": state.evidence_digest,
        "value": state.value,
        "marks": ", ".join(_said(said) for said in state.said),
        "reason": state.reason,
        "until": state.until,
        "open": state.why_open,
        "blocked": state.blocked,
    }
    lines += [f"  {key:<9} {value}" for key, value in facts.items() if value]
    lines += [f"    {key} = {value}" for key, value in state.evidence.items()]
    challenges = [one for one in view.crew.challenges if one.item == item_id]
    lines += [f"  asked     challenge {one.id} by {one.actor}: {one.text}" for one in challenges]
    return [line.replace("\n", "\n" + " " * 12) for line in lines]


def _said(said: Said) -> str:
    return f"{said.actor} at {said.utc}{f' for {said.role}' if said.role else ''}"


def state_words(state: ItemView) -> str:
    """The state of an item in words: running, its mark, its verdict, or open."""
    if state.status != "idle":
        return state.status
    parts = [state.verdict, state.mark if state.mark != "open" else ""]
    said = ", ".join(part for part in parts if part) or "open"
    return f"{said} (settled)" if state.settled else said
