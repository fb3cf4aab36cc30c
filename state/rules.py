"""What a checklist must hold beyond its form: ids that are unique, references that lead somewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from state.definition import Checklist, Gate
from state.durations import parse_duration
from state.problems import KeyPath
from state.schema import did_you_mean
from state.targets import references

Found = tuple[KeyPath, str, str]

_URL_PASSWORD = re.compile(r"[a-z][a-z0-9+.\-]{0,30}://[^\s:/@]{0,200}:[^\s/@]{1,500}@", re.IGNORECASE)
_ENV = re.compile(r"\$\{env:[A-Za-z_][A-Za-z0-9_]*\}")


def broken_rules(checklist: Checklist) -> Iterator[Found]:
    """(key path, what is wrong, what would be right) for every rule that CHECKLIST breaks."""
    if checklist.alone and not checklist.rehearsal:
        yield ("alone",), "only a rehearsal is flown by one person alone", "take it out"
    yield from _ids(checklist)
    yield from _items(checklist)
    for index, gate in enumerate(checklist.gate):
        yield from _gate(checklist, gate, ("gate", index))
    yield from _order(checklist)
    yield from _references(checklist)
    yield from _secrets(checklist)


def _ids(checklist: Checklist) -> Iterator[Found]:
    places: dict[str, list[tuple[KeyPath, str]]] = {"phase": [], "item": [], "gate": [], "role": []}
    for p, phase in enumerate(checklist.phase):
        places["phase"].append((("phase", p, "id"), phase.id))
        for s, step in enumerate(phase.step):
            for i, item in enumerate(step.item):
                places["item"].append((("phase", p, "step", s, "item", i, "id"), item.id))
    places["gate"] = [(("gate", g, "id"), gate.id) for g, gate in enumerate(checklist.gate)]
    places["role"] = [(("role", r, "id"), role.id) for r, role in enumerate(checklist.role)]
    for kind, found in places.items():
        seen: set[str] = set()
        for path, name in found:
            if name in seen:
                yield path, f"the {kind} id {name!r} is used twice", "give it an id of its own"
            seen.add(name)


def _items(checklist: Checklist) -> Iterator[Found]:
    roles = [role.id for role in checklist.role]
    for p, phase in enumerate(checklist.phase):
        for s, step in enumerate(phase.step):
            for i, item in enumerate(step.item):
                path: KeyPath = ("phase", p, "step", s, "item", i)
                if item.marks in ("check", "both") and not item.check:
                    yield (
                        (*path, "marks"),
                        f"marks = {item.marks!r}, but no check",
                        'name a check, or marks = "human"',
                    )
                if item.with_ and not item.check:
                    yield (*path, "with"), "parameters without a check", "name the check that takes them"
                if item.pair and item.marks == "check":
                    yield (*path, "pair"), "no person is asked, so no second one", 'marks = "both"'
                if item.signed_by and item.check:
                    yield (*path, "signed_by"), "what is signed is no check's to settle", "take the check out"
                for n, role in enumerate(item.signed_by):
                    if role not in roles:
                        yield (*path, "signed_by", n), f"no role {role!r}", did_you_mean(role, roles)
                if item.point_of_no_return and not item.pair and not checklist.rehearsal:
                    yield (*path, "point_of_no_return"), "crossing it takes two people", "add pair = true"
                if item.out_of_scope and not checklist.rehearsal:
                    mend = "leave it in, and let a person mark it n/a with the reason"
                    yield (*path, "out_of_scope"), "only a rehearsal leaves items out", mend
                if item.until and not item.every:
                    yield (*path, "until"), "recurs until, but never says how often", 'add every = "4h"'
                if item.role and item.role not in roles:
                    yield (*path, "role"), f"no role {item.role!r}", did_you_mean(item.role, roles)
                for n, need in enumerate(item.needs):
                    if need not in checklist.items:
                        yield (
                            (*path, "needs", n),
                            f"no item {need!r}",
                            did_you_mean(need, list(checklist.items)),
                        )


def _gate(checklist: Checklist, gate: Gate, path: KeyPath) -> Iterator[Found]:
    for key in ("arm_at", "disarm_at"):
        item_id = getattr(gate, key)
        if item_id is not None and item_id not in checklist.items:
            yield (*path, key), f"no item {item_id!r}", did_you_mean(item_id, list(checklist.items))
    for key, value in (("for", gate.for_), ("over", gate.over), ("interval", gate.interval)):
        if _zero(value):
            yield (*path, key), f"{value} is no time at all", "write how long"
    if gate.mode == "sustained" and not gate.for_:
        yield path, "a sustained gate does not say how long", 'add for = "15m"'
    if gate.mode == "window" and not gate.over:
        yield path, "a window gate does not say over how long", 'add over = "15m"'
    if gate.mode != "sustained" and gate.for_:
        yield (
            (*path, "for"),
            f'"for" means sustained, but mode = {gate.mode!r}',
            'mode = "sustained", or use "over"',
        )
    if gate.mode != "window" and gate.over:
        yield (
            (*path, "over"),
            f'"over" means a window, but mode = {gate.mode!r}',
            'mode = "window", or use "for"',
        )


def _references(checklist: Checklist) -> Iterator[Found]:
    known = sorted(checklist.targets)
    for name, target in checklist.targets.items():
        for where, text in _texts(target, ("targets", name)):
            for reference in references(_ENV.sub("", text)):
                yield where, f"${{{reference}}} in a target", "write the value, or ${env:NAME}"
    places: list[tuple[KeyPath, Any]] = [(("metrics", key), table) for key, table in checklist.metrics.items()]
    for p, phase in enumerate(checklist.phase):
        for s, step in enumerate(phase.step):
            places += [(("phase", p, "step", s, "item", i, "with"), item.with_) for i, item in enumerate(step.item)]
    for path, value in places:
        for where, reference in _walk(value, path):
            if reference.startswith("env:"):
                yield (
                    where,
                    f"${{{reference}}} outside of [targets]",
                    "name it in [targets] and use that name here",
                )
            elif reference not in checklist.targets:
                yield where, f"no target {reference!r}", did_you_mean(reference, known)


def _zero(value: str | None) -> bool:
    return value is not None and parse_duration(value) == 0


def _order(checklist: Checklist) -> Iterator[Found]:
    """Waits that can never end: for itself, in a circle, or for what comes later."""
    place = {item.id: (p, n) for p, phase in enumerate(checklist.phase) for n, item in enumerate(phase.items)}
    for p, phase in enumerate(checklist.phase):
        if not phase.items:
            yield ("phase", p), "there is nothing in it to settle", "write an item, or take the phase out"
        for s, step in enumerate(phase.step):
            for i, item in enumerate(step.item):
                for n, need in enumerate(item.needs):
                    path: KeyPath = ("phase", p, "step", s, "item", i, "needs", n)
                    if need == item.id:
                        yield path, "an item cannot wait for itself", "take it out"
                    elif need in place and (
                        place[need][0] > p or (phase.mode == "read-do" and place[need] > place[item.id])
                    ):
                        yield (
                            path,
                            f"{need!r} comes later, so it would wait for ever",
                            "take it out, or move the item",
                        )
                    elif need in place and item.id in _needed_by(checklist, need):
                        yield path, f"{need!r} waits for this item in its turn", "take one of the two out"


def _needed_by(checklist: Checklist, item_id: str) -> set[str]:
    """Every item that ITEM_ID waits for, directly or not."""
    found: set[str] = set()
    ahead = [item_id]
    while ahead:
        item = checklist.items.get(ahead.pop())
        fresh = set(item.needs) - found if item else set()
        found |= fresh
        ahead += fresh
    return found


def _walk(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    for where, text in _texts(value, path):
        for reference in references(text):
            yield where, reference


def _secrets(checklist: Checklist) -> Iterator[Found]:
    places: list[tuple[KeyPath, Any]] = [(("targets",), checklist.targets), (("metrics",), checklist.metrics)]
    for p, phase in enumerate(checklist.phase):
        for s, step in enumerate(phase.step):
            places += [(("phase", p, "step", s, "item", i, "with"), item.with_) for i, item in enumerate(step.item)]
    for path, value in places:
        for where, text in _texts(value, path):
            if _URL_PASSWORD.search(_ENV.sub("", text)):
                yield where, "a password in the file", "put it in the environment, and write ${env:NAME} in [targets]"


def _texts(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    """Every string in VALUE, with its key path."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _texts(item, (*path, index))
