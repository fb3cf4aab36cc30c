"""The definition of a checklist: what `checklist.toml` says, as plain frozen data.

The JSON Schema that editors use, and that finds the mistakes in a file, is generated from these classes, so
their docstrings and descriptions are also the documentation of the format.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from state.durations import parse_duration

Id = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9.\-]{0,63}$", description="lower case, digits, '-' and '.'")]
Text = Annotated[str, Meta(min_length=1)]
Duration = Annotated[
    str,
    Meta(pattern=r"^(\d+(\.\d+)?(ms|s|m|h|d))+$", description='a number and a unit: "90s", "15m", "4h", "2d"'),
]
When = Annotated[
    str,
    Meta(
        pattern=r"^(>=|<=|>|<)\s*\d+(\.\d+)?\s*(%|ms|s|x\s+baseline)?$",
        description='"> 10%", "< 500ms", "> 2x baseline"',
    ),
]
At = Annotated[str, Meta(pattern=r"^T([+-](\d+(\.\d+)?(s|m|h|d))+)?$", description='"T-2d", "T-15m", "T", "T+10m"')]
Target = str | int | float | bool | list[str]
Column = Annotated[str, Meta(pattern=r"^.+\..+$", description='"table.column"')]

Marks = Literal["check", "human", "both"]


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, dict=True):
    """A table of the file: an unknown key is a mistake, never ignored."""


class Item(_Table, frozen=True, kw_only=True):
    """One line to be settled."""

    id: Id
    text: Text
    check: Annotated[str, Meta(description="the check that looks; none: a human item")] = ""
    with_: Annotated[dict[str, Any], Meta(description="the check's parameters")] = msgspec.field(
        name="with", default_factory=dict
    )
    marks: Annotated[Marks | None, Meta(description="whose marks settle it; both when there is a check")] = None
    pair: Annotated[bool, Meta(description="a second person confirms too")] = False
    signed_by: Annotated[list[Id], Meta(description="every one of these roles signs it, by a name")] = []
    critical: Annotated[bool, Meta(description="may not be skipped")] = False
    point_of_no_return: Annotated[bool, Meta(description="beyond it the way back is a rollback")] = False
    expect: Annotated[Duration | None, Meta(description="planned duration; late is amber")] = None
    timeout: Annotated[Duration | None, Meta(description="the check's deadline; none: the check's own")] = None
    fresh_for: Annotated[Duration | None, Meta(description="how long the evidence counts")] = None
    every: Annotated[Duration | None, Meta(description="recurring: due again after so long")] = None
    until: Annotated[Duration | None, Meta(description="recurring: for so long")] = None
    ask: Annotated[str, Meta(description="a value that the person types before the check compares it")] = ""
    how: Annotated[str, Meta(description="what to do and why, shown with the item")] = ""
    role: Annotated[str, Meta(description="who does it: a role's id")] = ""
    needs: Annotated[list[Id], Meta(description="items that must be settled first")] = []
    out_of_scope: Annotated[str, Meta(description="why this rehearsal leaves it out; of a rehearsal only")] = ""

    @property
    def needs_check(self) -> bool:
        """Whether a verdict is part of what settles it."""
        return bool(self.check) and self.marks != "human"

    @property
    def needs_human(self) -> bool:
        """Whether a person's mark is part of what settles it."""
        return not self.check or self.marks != "check"

    @property
    def fresh_seconds(self) -> float | None:
        """How long its evidence counts, in seconds; None: for the whole run."""
        return parse_duration(self.fresh_for) if self.fresh_for else None


class Step(_Table, frozen=True, kw_only=True):
    """A titled group of items."""

    title: Text
    item: list[Item] = []
    at: At | None = None


class Phase(_Table, frozen=True, kw_only=True):
    """A pause point: a group of steps with a time relative to T0."""

    id: Id
    title: Text
    step: list[Step] = []
    at: At | None = None
    mode: Annotated[
        Literal["read-do", "do-confirm"], Meta(description="read-do: in this order; do-confirm: in any")
    ] = "do-confirm"
    branch: Annotated[Literal["main", "rollback"], Meta(description="a rollback phase opens by decision only")] = (
        "main"
    )
    pair: Annotated[bool, Meta(description="a second person says GO too, after the driver")] = False

    @property
    def items(self) -> tuple[Item, ...]:
        """Its items in order."""
        return tuple(item for step in self.step for item in step.item)


class Gate(_Table, frozen=True, kw_only=True):
    """A rule over a live metric, armed and disarmed by items."""

    id: Id
    text: Text
    metric: Text
    when: When
    mode: Annotated[Literal["sustained", "window", "consecutive"], Meta(description="for · over · in a row")] = (
        "sustained"
    )
    for_: Annotated[Duration | None, Meta(description="sustained: every sample breaches for so long")] = (
        msgspec.field(name="for", default=None)
    )
    over: Annotated[Duration | None, Meta(description="window: a ratio of sums over so long")] = None
    count: Annotated[int, Meta(ge=1, description="consecutive: so many in a row")] = 3
    arm_at: Annotated[Id | None, Meta(description="the item that arms it; none: armed from the start")] = None
    disarm_at: Id | None = None
    then: Literal["warn", "hold", "rollback"] = "rollback"
    min_volume: Annotated[int, Meta(ge=0, description="requests below which a window says nothing")] = 50
    interval: Annotated[Duration, Meta(description="between two samples")] = "1s"
    coverage: Annotated[float, Meta(ge=0.5, le=1, description="the part of its time that samples must cover")] = 0.8
    tolerate: Annotated[int, Meta(ge=0, description="sustained: so many samples of the time may read otherwise")] = 0
    partial: Annotated[bool, Meta(description="window: may trip before it has been watched for all of its time")] = (
        False
    )
    settle: Annotated[Duration | None, Meta(description="what is seen so soon after the arming does not count")] = (
        None
    )
    clear_for: Annotated[
        Duration | None,
        Meta(description="well under the limit for so long is clear again; none: a third of its time"),
    ] = None
    no_data: Annotated[Duration, Meta(description="no data for so long asks for a person")] = "2m"


class Role(_Table, frozen=True, kw_only=True):
    """Somebody who takes part: the contact list, and who signs off."""

    id: Id
    title: Text
    name: str = ""
    contact: str = ""


class Transfer(_Table, frozen=True, kw_only=True):
    """What is known of the data that is moved: nothing is changed, left out or hidden without a line here."""

    private: Annotated[list[Column], Meta(description="columns whose values are never shown or recorded")] = []
    rules: Annotated[
        dict[str, str | list[str]],
        Meta(description='what to do with values that PostgreSQL refuses: "table.column" = "rule" or ["rule", …]'),
    ] = {}


class Override(_Table, frozen=True, kw_only=True):
    """What an overlay changes of an item or a gate it inherits; what is left out stays as it was."""

    check: str | None = None
    with_: dict[str, Any] | None = msgspec.field(name="with", default=None)
    marks: Marks | None = None
    pair: bool | None = None
    expect: Duration | None = None
    timeout: Duration | None = None
    fresh_for: Duration | None = None
    every: Duration | None = None
    until: Duration | None = None
    ask: str | None = None
    how: str | None = None
    for_: Duration | None = msgspec.field(name="for", default=None)
    over: Duration | None = None
    min_volume: int | None = None
    no_data: Duration | None = None
    settle: Duration | None = None
    clear_for: Duration | None = None
    out_of_scope: str | None = None


class Checklist(_Table, frozen=True, kw_only=True):
    """The whole file."""

    schema: Annotated[Literal[1], Meta(description="the version of this format")]
    title: Text
    phase: Annotated[list[Phase], Meta(min_length=1)]
    record_dir: Annotated[str, Meta(description="where records are written and committed")] = "deployments"
    rehearsal: Annotated[bool, Meta(description="a practice run; the record says so")] = False
    alone: Annotated[bool, Meta(description="flown by one: nothing waits for a second; of a rehearsal only")] = False
    take_over_after: Annotated[
        Duration, Meta(description="a driver who is gone, or does not answer, for so long may be relieved")
    ] = "60s"
    commit: Annotated[Literal["by-hand", "at-sign-off"], Meta(description="when the record is committed to git")] = (
        "by-hand"
    )
    extends: Annotated[str, Meta(description="the checklist that this file is an overlay of")] = ""
    plugins: Annotated[list[str], Meta(description="Python files with checks of your own")] = []
    targets: Annotated[dict[str, Target], Meta(description="what the checks look at; ${env:NAME} for secrets")] = {}
    role: list[Role] = []
    gate: list[Gate] = []
    metrics: Annotated[dict[str, dict[str, Any]], Meta(description="live sources, one table each")] = {}
    transfer: Annotated[Transfer, Meta(description="rules for the data that is moved")] = Transfer()
    override: Annotated[dict[str, Override], Meta(description="changes to inherited items and gates, by id")] = {}

    @cached_property
    def items(self) -> Mapping[str, Item]:
        """Every item by its id, in order."""
        return {item.id: item for phase in self.phase for item in phase.items}

    @cached_property
    def gates(self) -> Mapping[str, Gate]:
        """Every gate by its id, in order."""
        return {gate.id: gate for gate in self.gate}

    @cached_property
    def _phase_by_item(self) -> Mapping[str, Phase]:
        return {item.id: phase for phase in self.phase for item in phase.items}

    def phase_of(self, item_id: str) -> Phase:
        """The phase that holds the item. Raises KeyError for an unknown one."""
        return self._phase_by_item[item_id]

    @property
    def main_phases(self) -> tuple[Phase, ...]:
        """The phases of the way forward, without the rollback branch."""
        return tuple(phase for phase in self.phase if phase.branch == "main")

    def outline(self) -> Iterator[tuple[str, str]]:
        """(id, line) for every item and gate: what the record keeps of the definition, and drift is shown in."""
        for phase in self.phase:
            for item in phase.items:
                yield (
                    item.id,
                    " | ".join((phase.id, item.text, item.check or "human", item.marks or "default")),
                )
        for gate in self.gate:
            yield (
                f"gate:{gate.id}",
                " | ".join((gate.text, gate.metric, gate.mode, gate.when, gate.for_ or gate.over or "")),
            )
        for key, rule in self.transfer.rules.items():
            yield f"rule:{key}", rule if isinstance(rule, str) else ", ".join(rule)
        if self.transfer.private:
            yield "transfer:private", ", ".join(self.transfer.private)


def offset_seconds(at: str) -> float:
    """Seconds from T0 of a phase's `at`.

    >>> offset_seconds("T-2d"), offset_seconds("T"), offset_seconds("T+10m")
    (-172800.0, 0.0, 600.0)
    """
    if at == "T":
        return 0.0
    return (-1.0 if at[1] == "-" else 1.0) * parse_duration(at[2:])
