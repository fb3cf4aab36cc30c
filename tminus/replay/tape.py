"""The tape: a record and its checklist, cut at every event, and the view at any moment of it. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property

from metrics.history import Recording
from metrics.rules import rule_of
from state.clean import clean, shorten
from state.definition import Checklist, Gate
from state.events import Event, utc_text
from state.run import GateRecord, ItemState, RunState, apply
from state.settled import GateLight
from tminus.client.messages import GateView, ItemFace, ItemView, PhaseFace, RunInfo, StepFace, View
from tminus.engine.views import is_complete, phase_faces, role_views, run_sections
from tminus.replay.metrics import Shown, metrics_at

STRANGE = "not-in-this-checklist"


class Untimely(ValueError):
    """An event without a time that can be believed."""


@dataclass(frozen=True)
class Tape:
    """A run that was. `states` has the run after 0, 1, 2 … events; `times` are those of the events, made to never
    go back; `notes` say what is missing or not as it was."""

    checklist: Checklist
    events: tuple[Event, ...]
    record: str = ""
    notes: tuple[str, ...] = ()
    shown: Mapping[str, Shown] = field(default_factory=dict)
    ends: datetime | None = None  # of the last sample, when that is later than the last event

    @cached_property
    def states(self) -> tuple[RunState, ...]:
        """The run after each number of events. Raises what `apply` raises for events that make no sense."""
        found = [RunState()]
        for event in self.events:
            found.append(apply(found[-1], event))
        return tuple(found)

    @cached_property
    def times(self) -> tuple[datetime, ...]:
        """When each event happened. A clock that was put back holds still here. Raises Untimely."""
        found: list[datetime] = []
        for event in self.events:
            try:
                at = event.at
            except ValueError as error:
                raise Untimely(f"event {event.seq} has no time that can be read") from error
            if at.tzinfo is None:
                raise Untimely(f"event {event.seq} does not say in which time zone it happened")
            found.append(max(at, found[-1]) if found else at)
        return tuple(found)

    @property
    def begin(self) -> datetime:
        """When the first event happened."""
        return self.times[0]

    @property
    def end(self) -> datetime:
        """When the last event happened, or the last sample was taken."""
        return max(self.times[-1], self.ends) if self.ends else self.times[-1]

    @property
    def t0(self) -> datetime | None:
        """T0 of the run; None when it has none."""
        try:
            at = datetime.fromisoformat(str(self.states[-1].meta.get("t0", "")))
        except ValueError:
            return None
        return at if at.tzinfo else None

    def position(self, moment: datetime) -> int:
        """How many events had happened at MOMENT."""
        return bisect_right(self.times, moment)

    @cached_property
    def faces(self) -> tuple[PhaseFace, ...]:
        """The phases, and one more for the items that the record knows and this checklist does not."""
        known = phase_faces(self.checklist, lambda _: "")
        strange = [key for key in self.states[-1].items if key not in self.checklist.items]
        if not strange:
            return known
        items = tuple(ItemFace(id=key, text=self._text(key)) for key in strange)
        steps = (StepFace("Items of the record", items),)
        return (
            *known,
            PhaseFace(id=STRANGE, title="Not in this checklist", mode="do-confirm", branch="main", steps=steps),
        )

    def _text(self, key: str) -> str:
        """The text of an item or a gate as the record's outline keeps it; its id when it does not."""
        outline = self.states[-1].meta.get("outline", {})
        parts = str(outline.get(key, "")).split(" | ") if isinstance(outline, dict) else []
        return (parts[0] if key.startswith("gate:") else parts[1] if len(parts) > 1 else "") or key


def view_at(tape: Tape, position: int, moment: datetime, recording: Recording | None) -> View:
    """What the screens showed at MOMENT, when POSITION events had happened.

    What the record holds is exact. Gates are as the record last says, with the numbers of that moment: how far
    they were between two changes is not in it. Raises what a record that makes no sense makes `state` raise,
    and HistoryError.
    """
    run = tape.states[position]
    gates = gate_views(tape, run, moment)
    lights = {key: GateLight(key, gate.state, gate.why) for key, gate in gates.items()}
    sections = run_sections(tape.checklist, run, lights, moment)
    strange = {key: _strange(key, state) for key, state in run.items.items() if key not in tape.checklist.items}
    assert sections.standing is not None
    metrics, series = metrics_at(recording, tape.shown, moment) if recording else ({}, {})
    return View(
        run=_info(tape, run, moment),
        roles=role_views(tape.checklist),
        phases=tape.faces,
        items=sections.items | strange,
        gates=gates,
        metrics=metrics,
        series=series,
        holds=sections.holds or (),
        gone=sections.gone or (),
        standing=sections.standing,
    )


def _info(tape: Tape, run: RunState, moment: datetime) -> RunInfo:
    meta = run.meta
    return RunInfo(
        id=str(meta.get("id", "")),
        title=str(meta.get("title", tape.checklist.title)),
        record=tape.record,
        rehearsal=bool(meta.get("rehearsal", False)),
        t0=utc_text(tape.t0) if tape.t0 else "",
        started=str(meta.get("started", "")),
        driver=run.driver,
        driver_uid=run.driver_uid,
        closed=run.closed,
        complete=is_complete(tape.checklist, run, moment),
    )


def gate_views(tape: Tape, run: RunState, moment: datetime) -> dict[str, GateView]:
    """Every gate as the record of RUN last says."""
    known = {gate.id: _gate(gate, run.gates.get(gate.id, GateRecord()), moment) for gate in tape.checklist.gate}
    strange = {
        key: GateView(id=key, text=shorten(tape._text(f"gate:{key}"), 120), then="", armed=gate.armed,
                      state="unknown" if gate.armed else "unarmed", why="this checklist does not know it")
        for key, gate in run.gates.items()
        if key not in known
    }  # fmt: skip
    return known | strange


def _gate(gate: Gate, record: GateRecord, moment: datetime) -> GateView:
    state, why = (record.state if record.armed else "unarmed"), record.why
    if record.armed and state == "unarmed":
        state, why = "unknown", "armed, and nothing seen yet"
    elif state == "clear" and gate.then != "rollback" and not _seen_through(gate, record, moment):
        state, why = "unknown", f"clear, and not yet for a whole window; {why}"
    if record.armed and record.changed_at:
        why = f"{why} (recorded {record.changed_at[11:19]} UTC)"
    return GateView(
        id=gate.id,
        text=gate.text,
        then=gate.then,
        armed=record.armed,
        state=state,
        why=clean(why) if record.armed else "",
        progress=1.0 if state == "tripped" else 0.0,
        decision=record.decision,
    )


def _seen_through(gate: Gate, record: GateRecord, moment: datetime) -> bool:
    """Whether a criterion of success was clear for its whole window: before that no screen said so."""
    try:
        return moment - datetime.fromisoformat(record.changed_at) >= timedelta(seconds=rule_of(gate).span)
    except (ValueError, TypeError):
        return False


def _strange(key: str, state: ItemState) -> ItemView:
    """An item of the record that the checklist at hand does not have: nobody can say whether it is settled."""
    return ItemView(
        id=key,
        status=state.status,
        verdict="unknown",
        mark=str(state.mark),
        why_open="this checklist does not know it",
        actual=state.outcome.actual if state.outcome else "",
        reason=state.reason,
        attempts=state.attempts,
        blocked="this checklist does not know it",
    )


def big(event: Event) -> bool:
    """Whether EVENT is one to jump to: a pause point, a gate that tripped, a hold, something that failed."""
    match event.kind:
        case "phase.go" | "hold.raised" | "gate.decided" | "run.closed":
            return True
        case "gate.changed":
            return event.to == "tripped"
        case "check.finished":
            return event.to in ("fail", "error")
        case "mark":
            return event.to == "failed"
    return False


def told(event: Event) -> str:
    """EVENT in one line of words."""
    item, reason = event.item, f": {event.reason}" if event.reason else ""
    match event.kind:
        case "run.created":
            words = "the run begins"
        case "run.closed":
            words = "the run is closed"
        case "engine.started":
            words = f"the engine {event.to or 'started'}"
        case "phase.go":
            words = f"GO: the pause point of {item} is passed"
        case "check.started":
            words = f"{item}: its check begins"
        case "check.finished":
            seen = str(event.data.get("actual", ""))
            words = f"{item}: {event.to}" + (f", {seen}" if seen else "")
        case "mark":
            words = f"{item}: {event.to}{reason}"
        case "hold.raised":
            words = f"HOLD{reason}"
        case "hold.released":
            words = f"the hold is over{reason}"
        case "lease.taken":
            words = f"{event.actor} drives"
        case "gate.changed" | "gate.decided":
            words = f"gate {item}: {event.to}{reason}"
        case "note":
            words = f"note{f' on {item}' if item else ''}{reason}"
        case _:
            words = " ".join(part for part in (event.kind, item, event.to) if part) + reason
    return shorten(clean(words), 300)
