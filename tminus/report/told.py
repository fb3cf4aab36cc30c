"""A record, as the sections of a report ask for it: times, plans, phases, people. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from state.definition import offset_seconds
from state.durations import format_duration, parse_duration
from state.events import Event
from state.run import ItemState, RunState


@dataclass(frozen=True)
class PlannedPhase:
    """A phase: its title, its branch, and its planned start in seconds from T0; None: not planned."""

    id: str
    title: str
    branch: str
    offset: float | None


@dataclass(frozen=True)
class Told:
    """A record that was read: the run as it ended, its events, and the name of its file."""

    run: RunState
    events: Sequence[Event]
    name: str

    @property
    def meta(self) -> dict[str, Any]:
        """What it is a run of."""
        return self.run.meta

    @cached_property
    def t0(self) -> datetime | None:
        """T0, if the record names one."""
        return moment(str(self.meta.get("t0", "")))

    @cached_property
    def began(self) -> datetime | None:
        """When the run began."""
        return moment(self.events[0].utc) if self.events else None

    @cached_property
    def ended(self) -> datetime | None:
        """When the last thing happened."""
        return moment(self.events[-1].utc) if self.events else None

    @cached_property
    def outline(self) -> dict[str, list[str]]:
        """Item id → phase, text, check, marks; "gate:ID" → text, metric, mode, limit, span."""
        lines = self.meta.get("outline", {})
        return {str(key): str(line).split(" | ") for key, line in lines.items()} if isinstance(lines, dict) else {}

    @cached_property
    def phases(self) -> dict[str, PlannedPhase]:
        """The phases in order. A record from before they were kept has them by name alone, and not planned."""
        plans = self.meta.get("phases")
        if not isinstance(plans, dict):
            names = dict.fromkeys(
                line[0] for key, line in self.outline.items() if not key.startswith(("gate:", "rule:"))
            )
            return {name: PlannedPhase(name, name, "main", None) for name in names if name}
        return {str(key): _planned(str(key), plan) for key, plan in plans.items()}

    def text(self, item: str) -> str:
        """The words of ITEM."""
        line = self.outline.get(item, [])
        return line[1] if len(line) > 1 else item

    def check_of(self, item: str) -> str:
        """The name of the check behind ITEM; empty when the record does not say."""
        line = self.outline.get(item, [])
        return line[2] if len(line) > 2 else ""

    def items_of(self, phase: str) -> list[tuple[str, ItemState]]:
        """The items of PHASE that something happened to, in the order of the checklist."""
        return [
            (key, self.run.items[key])
            for key, line in self.outline.items()
            if key in self.run.items and line[0] == phase
        ]

    def expected(self, item: str) -> float | None:
        """How long ITEM was planned to take, in seconds."""
        plan = self.meta.get("expected", {})
        text = plan.get(item) if isinstance(plan, dict) else None
        try:
            return parse_duration(text) if isinstance(text, str) else None
        except ValueError:
            return None

    def is_late(self, item: str, state: ItemState) -> bool:
        """Whether ITEM took longer than it was planned to."""
        planned = self.expected(item)
        return planned is not None and state.seconds > planned

    def clock(self, at: datetime | None) -> str:
        """AT as T0's clock shows it: "T+12m"."""
        if at is None or self.t0 is None:
            return ""
        return offset_text((at - self.t0).total_seconds())


def _planned(key: str, plan: Any) -> PlannedPhase:
    said = plan if isinstance(plan, dict) else {}
    try:
        offset = offset_seconds(str(said["at"])) if said.get("at") else None
    except (ValueError, IndexError):
        offset = None
    return PlannedPhase(key, str(said.get("title", key)), str(said.get("branch", "main")), offset)


def moment(text: str) -> datetime | None:
    """TEXT (RFC 3339) as a moment; None when it is none."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at.astimezone(UTC) if at.tzinfo else None


def shown(at: datetime | None) -> str:
    """AT in UTC, to the second."""
    return f"{at:%Y-%m-%d %H:%M:%S}Z" if at else ""


def offset_text(seconds: float) -> str:
    """SECONDS from T0.

    >>> offset_text(-120.4), offset_text(0), offset_text(3725)
    ('T-2m', 'T+0s', 'T+1h2m')
    """
    return f"T{'-' if seconds <= -0.5 else '+'}{span(abs(seconds))}"


def span(seconds: float) -> str:
    """SECONDS as a duration, whole ones where that says enough.

    >>> span(0.25), span(12.3), span(3725.2)
    ('0.2s', '12s', '1h2m')
    """
    if seconds < 10:
        return f"{seconds:.1f}s" if seconds > 0 else "0s"
    return format_duration(round(seconds))
