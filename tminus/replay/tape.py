"""The tape: a record and its checklist, cut at every event, and the view at any moment of it. Pure."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from metrics.history import Recording
from state.definition import Checklist
from state.events import Event, utc_text
from state.replaying import apply
from state.run import ItemState, RunState
from state.settled import GateLight
from tminus.client.messages import ItemFace, ItemView, PhaseFace, RunInfo, StepFace, View
from tminus.engine.views import is_complete, phase_faces, role_views, run_sections
from tminus.replay.gates import gate_views
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
        items = tuple(ItemFace(id=key, text=self.texts.get(key, key)) for key in strange)
        steps = (StepFace("Items of the record", items),)
        return (
            *known,
            PhaseFace(id=STRANGE, title="Not in this checklist", mode="do-confirm", branch="main", steps=steps),
        )

    @cached_property
    def texts(self) -> dict[str, str]:
        """The text of every item and gate ("gate:ID") as the record's outline keeps it."""
        outline = self.states[-1].meta.get("outline", {})
        if not isinstance(outline, dict):
            return {}
        # A gate's line begins with its text, an item's with its phase.
        lines = {key: str(line).split(" | ") for key, line in outline.items()}
        place = {key: 0 if key.startswith("gate:") else min(1, len(parts) - 1) for key, parts in lines.items()}
        return {key: parts[place[key]] for key, parts in lines.items()}


def view_at(tape: Tape, position: int, moment: datetime, recording: Recording | None) -> View:
    """What the screens showed at MOMENT, when POSITION events had happened.

    What the record holds is exact; of the gates see `tminus.replay.gates`. Raises what a record that makes no
    sense makes `state` raise, and HistoryError.
    """
    run = tape.states[position]
    metrics, series = metrics_at(recording, tape.shown, moment) if recording else ({}, {})
    engine = next((one for one in reversed(tape.events[:position]) if one.kind.startswith("engine.")), None)
    seen = metrics if recording else None
    gates = gate_views(tape.checklist, run, moment, tape.texts, engine, seen)
    lights = {key: GateLight(key, gate.state, gate.why) for key, gate in gates.items()}
    sections = run_sections(tape.checklist, run, lights, moment)
    strange = {key: _strange(key, state) for key, state in run.items.items() if key not in tape.checklist.items}
    assert sections.standing is not None
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
        times=sections.times,
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
