"""The gates of a run: armed by items, fed by the metrics, and written down whenever one changes its mind."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType

import msgspec

from metrics import gates
from metrics.gate_model import GateState, Op, Phase
from metrics.samples import Measurement, clock, sample_of
from state.definition import Checklist, Gate
from state.events import Actor, Event
from state.run import GateRecord, RunState
from state.settled import GateLight, settled
from tminus.client.messages import GateView
from tminus.engine import acts
from tminus.engine.gate_keep import Kept, evidence_of, keep, resumed, rules_of
from tminus.engine.session import NotRecorded, Session

_log = logging.getLogger("tminus.engine")
RETRY = 1.0
SHOW_EVERY = 0.9  # seconds; a change of mind is shown at once
_RUNNING = (Phase.BREACHING, Phase.RECOVERING, Phase.TRIPPED)


class Gatekeeper:
    """Follows every gate. Changes of mind go into the record through one queue, in their order."""

    def __init__(
        self,
        session: Session,
        actor: Actor,
        kept: Mapping[str, Kept] = MappingProxyType({}),
        units: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._session = session
        self._actor = actor
        self._units = units
        self._rules = rules_of(session.checklist, session.run, units)
        now, wall = clock(), time.time()
        self._states = {
            key: resumed(rule, session.run.gates.get(key), kept.get(key), wall, now)
            for key, rule in self._rules.items()
        }
        # What the record says, not what was thawed: a trip that did not reach the disk is written now.
        self._recorded = {
            key: _said(session.run.gates.get(key, GateRecord()), self._states[key]) for key in self._rules
        }
        self._newest: dict[str, Measurement] = {}
        self._shown = float("-inf")
        self._fed = {rule.metric for rule in self._rules.values()}
        self._arming: set[str] = set()  # gates whose arming is on its way to the disk
        self._writing: asyncio.Queue[Event] = asyncio.Queue()
        session.after_event(self._heard)

    def feed(self, seen: Iterable[Measurement]) -> None:
        """Take what a source measured just now, let the clock of every gate go on, and show them."""
        now = clock()
        newest = {one.metric: one for one in seen}
        self._newest |= {metric: one for metric, one in newest.items() if metric in self._fed}
        by_metric = {metric: sample_of(one, now) for metric, one in newest.items() if metric in self._fed}
        changed = False
        for key, rule in self._rules.items():
            self._states[key] = gates.step(rule, self._states[key], by_metric.get(rule.metric), now)
            changed |= self._note_change(key, now)
        if changed or now - self._shown >= SHOW_EVERY or now < self._shown:
            self.show(now)

    def show(self, now: float) -> None:
        """Show every gate as it is at NOW."""
        self._shown = now
        views = {gate.id: self._view(gate, now) for gate in self._session.checklist.gate}
        lights = {key: GateLight(key, view.state, view.why) for key, view in views.items()}
        self._session.show_gates(views, lights)

    def keep(self) -> bytes:
        """Every armed gate as it is now, for the next engine of this run."""
        return keep(self._rules, self._states, time.time(), clock())

    def keep_running(self) -> bytes:
        """Those gates whose clock runs: that alone is worth writing every second."""
        running = {key: state for key, state in self._states.items() if state.phase in _RUNNING}
        return keep(self._rules, running, time.time(), clock())

    def write_soon(self, event: Event) -> None:
        """Put EVENT in the queue of what the engine itself has to record."""
        self._writing.put_nowait(event)

    async def write(self) -> None:
        """Write the changes as they come. Runs until cancelled."""
        while True:
            event = await self._writing.get()
            while True:
                try:
                    await self._session.act(lambda _run, _now, event=event: event)  # type: ignore[misc]
                    break
                except NotRecorded:
                    await asyncio.sleep(RETRY)
                except ValueError as error:  # evidence that a record cannot hold; the change of mind itself counts
                    _log.error("the evidence of %s cannot be recorded: %s", event.item, error)
                    if not event.data:
                        break
                    event = msgspec.structs.replace(event, data={})

    def arm_what_is_due(self) -> None:
        """Arm and disarm by the items that are settled. The record is asked, so a restart finds the same."""
        run, now = self._session.run, datetime.now(UTC)
        for gate in self._session.checklist.gate:
            armed = run.gates.get(gate.id, GateRecord()).armed
            due = _is_due(self._session.checklist, run, gate, now)
            if due != armed and gate.id not in self._arming:
                self._arming.add(gate.id)
                kind = "gate.armed" if due else "gate.disarmed"
                self._writing.put_nowait(acts.event(kind, self._actor, item=gate.id))

    def _heard(self, event: Event) -> None:
        now = clock()
        if event.kind in ("gate.armed", "gate.disarmed"):
            self._arming.discard(event.item)
        match event.kind:
            case "gate.armed":
                self._states[event.item] = gates.arm(self._states[event.item], now)
                self._recorded[event.item] = _word(self._states[event.item])
            case "gate.disarmed":
                self._states[event.item] = GateState(now=now)
                self._recorded[event.item] = "unarmed"
            case "gate.decided":
                self._decide(event, now)
            case "gate.changed":
                pass  # it is on disk: now it may be shown
            case "mark" | "check.finished" | "run.created":
                self._take_baseline(now)
                self.arm_what_is_due()
                return
            case _:
                return
        self.show(now)

    def _take_baseline(self, now: float) -> None:
        """A gate whose limit is a multiple of what was normal begins anew with each baseline. A latch stays."""
        for key, rule in rules_of(self._session.checklist, self._session.run, self._units).items():
            if rule == self._rules[key]:
                continue
            self._rules[key] = rule
            if self._states[key].armed and self._states[key].phase is not Phase.TRIPPED:
                self._states[key] = gates.arm(GateState(), now)

    @property
    def limits(self) -> dict[str, tuple[Op, float]]:
        """The limit to draw for each metric: that of the first gate on it that has one."""
        found: dict[str, tuple[Op, float]] = {}
        for rule in self._rules.values():
            if rule.threshold is not None:
                found.setdefault(rule.metric, (rule.op, rule.threshold))
        return found

    def _decide(self, event: Event, now: float) -> None:
        verb = {"roll-back": "rollback", "continue": "continue", "extend": "extend"}[event.to]
        rule = self._rules[event.item]
        until = None
        if verb == "extend":
            said = event.data.get("until")
            more = (datetime.fromisoformat(said) - event.at).total_seconds() if said else rule.span
            until = now + max(more, 60.0 if not said else 1.0)
        self._states[event.item] = gates.decide(
            self._states[event.item],
            verb,  # type: ignore[arg-type]  # the table above holds its three words
            by=event.actor,
            reason=event.reason,
            now=now,
            until=until,
        )
        # What follows from the decision itself is no new change of mind: as one it would ask for another decision.
        if verb == "rollback":
            self._recorded[event.item] = _word(self._states[event.item])

    def _note_change(self, key: str, now: float) -> bool:
        """Whether the gate KEY has changed its mind; then it is written down."""
        word = _word(self._states[key])
        if word == self._recorded[key]:
            return False
        self._recorded[key] = word
        rule, state = self._rules[key], self._states[key]
        gate = self._session.checklist.gates[key]
        data = evidence_of(gate, state, self._newest.get(rule.metric), now) if word in ("tripped", "blind") else {}
        why = state.tripped_on if word == "tripped" and state.tripped_on else gates.explain(rule, state, now)
        self._writing.put_nowait(acts.event("gate.changed", self._actor, item=key, to=word, reason=why, data=data))
        return True

    def _view(self, gate: Gate, now: float) -> GateView:
        rule, state = self._rules[gate.id], self._states[gate.id]
        record = self._session.run.gates.get(gate.id, GateRecord())
        shown = str(state.phase)
        if state.phase is Phase.CLEAR and gate.then != "rollback" and not gates.passes(rule, state, now):
            shown = "unknown"  # a criterion of success is met only by a whole window of good data
        if state.no_data_fired and state.phase is not Phase.TRIPPED:
            shown = "unknown"
        if state.phase is Phase.TRIPPED and record.state != "tripped":
            shown = "breaching"  # a trip is shown once it is on disk, a moment from now
        return GateView(
            id=gate.id,
            text=gate.text,
            then=gate.then,
            armed=state.armed,
            state=shown,
            why=gates.explain(rule, state, now) if state.armed else "",
            progress=round(gates.progress(rule, state, now), 3),
            flapping=state.flapping,
            decision=record.decision,
            asks=record.asks,
            metric=gate.metric,
        )


def _is_due(checklist: Checklist, run: RunState, gate: Gate, now: datetime) -> bool:
    def is_settled(item_id: str | None) -> bool:
        return item_id is not None and settled(checklist.items[item_id], run.item(item_id), now)

    record = run.gates.get(gate.id, GateRecord())
    if is_settled(gate.disarm_at):
        # No item lifts a latch: what tripped waits for its decision.
        return record.armed and record.state == "tripped" and not record.decision
    # Once armed it stays so: an item that is opened again does not blind its gate.
    return record.armed or gate.arm_at is None or is_settled(gate.arm_at)


def _said(record: GateRecord, state: GateState) -> str:
    """What the record says of a gate. Once a rollback was decided its latch is no change of mind that asks again."""
    return _word(state) if record.decision == "roll-back" else record.state


def _word(state: GateState) -> str:
    """The state as the record keeps it. Breaching and recovering are one change of mind, not a dozen; flapping is
    one, not hundreds; a gate that has seen nothing for too long is blind, and asks for a person."""
    if state.phase is not Phase.TRIPPED:
        if state.no_data_fired:
            return "blind"
        if state.flapping:
            return "flapping"
    return "breaching" if state.phase is Phase.RECOVERING else str(state.phase)
