"""What an overlay changes of the items and gates it inherits, and where in the files each change was said."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

import msgspec

from state.definition import Checklist, Gate, Item, Override
from state.problems import KeyPath
from state.rules import Found
from state.schema import did_you_mean

T = TypeVar("T", Item, Gate)


def overridden(checklist: Checklist) -> Checklist:
    """CHECKLIST with its overrides applied, and, flown by one person alone, without what waits for a second one."""
    phases = [
        msgspec.structs.replace(
            phase,
            step=[
                msgspec.structs.replace(
                    step,
                    item=[_alone(checklist, _changed(item, checklist.override.get(item.id))) for item in step.item],
                )
                for step in phase.step
            ],
            pair=phase.pair and not checklist.alone,
        )
        for phase in checklist.phase
    ]
    gates = [_changed(gate, checklist.override.get(gate.id)) for gate in checklist.gate]
    return msgspec.structs.replace(checklist, phase=phases, gate=gates)


def _alone(checklist: Checklist, item: Item) -> Item:
    return msgspec.structs.replace(item, pair=False, signed_by=[]) if checklist.alone else item


def _changed(thing: T, override: Override | None) -> T:
    if override is None:
        return thing
    changes = {field: value for field, value in _said(override) if field in thing.__struct_fields__}
    return msgspec.structs.replace(thing, **changes)


def _said(override: Override) -> Iterator[tuple[str, object]]:
    for field in override.__struct_fields__:
        if (value := getattr(override, field)) is not None:
            yield field, value


def override_problems(checklist: Checklist) -> Iterable[Found]:
    """Overrides of what does not exist, or of what the thing does not have."""
    known: dict[str, Item | Gate] = {**checklist.items, **checklist.gates}
    for name, override in checklist.override.items():
        if name not in known:
            yield ("override", name), f"no item or gate {name!r}", did_you_mean(name, list(known))
            continue
        things = [thing for thing in (checklist.items.get(name), checklist.gates.get(name)) if thing is not None]
        for field, _ in _said(override):
            if not any(field in thing.__struct_fields__ for thing in things):
                kind = "a gate" if name in checklist.gates else "an item"
                key = field.rstrip("_")
                yield ("override", name, key), f"{name!r} is {kind}, and has no {key!r}", "take it out"


def items_with_places(checklist: Checklist) -> Iterator[tuple[KeyPath, Item]]:
    """Every item with its key path, those with an id that is used twice too."""
    for p, phase in enumerate(checklist.phase):
        for s, step in enumerate(phase.step):
            for i, item in enumerate(step.item):
                yield ("phase", p, "step", s, "item", i), item


def origin(checklist: Checklist, path: KeyPath) -> KeyPath:
    """Where what stands at PATH of the overridden CHECKLIST was said: in an override, or at PATH itself."""
    thing: Item | Gate | None = None
    match path:
        case ("phase", int(p), "step", int(s), "item", int(i), *below):
            thing = checklist.phase[p].step[s].item[i]
        case ("gate", int(g), *below):
            thing = checklist.gate[g]
    if thing is None or not below or thing.id not in checklist.override:
        return path
    said = {field.rstrip("_") for field, _ in _said(checklist.override[thing.id])}
    return ("override", thing.id, *below) if below[0] in said else path
