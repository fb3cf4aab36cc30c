"""Reading a checklist: TOML and its overlay in, a `Checklist` out, or every mistake with its line."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from state.definition import Checklist, Gate, Item, Override
from state.problems import ChecklistError, KeyPath, Problem, dotted
from state.rules import broken_rules
from state.schema import mistakes

# (key path below the item, what is wrong, what would be right) of an item's check and parameters.
ItemProblems = Callable[[Item, Checklist], Iterable[tuple[KeyPath, str, str]]]

_OVERLAY_KEYS = frozenset(
    {
        "schema",
        "title",
        "extends",
        "record_dir",
        "rehearsal",
        "plugins",
        "targets",
        "role",
        "metrics",
        "override",
    }
)


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """A checklist with where it came from. `sha256` is of the file, and of what it extends."""

    checklist: Checklist
    path: Path
    sha256: str


T = TypeVar("T", Item, Gate)


class _Source(msgspec.Struct, frozen=True):
    path: Path
    raw: bytes
    data: dict[str, Any]


def load_checklist(path: Path, item_problems: ItemProblems | None = None) -> Loaded:
    """Read PATH, apply it to what it extends, and check it whole.

    ITEM_PROBLEMS looks at the check and the parameters of each item; without it only the file's own form is
    judged. Raises ChecklistError with every mistake found.
    """
    top = _read(path)
    sources = [top]
    if "extends" in top.data and isinstance(top.data["extends"], str):
        base = _read(path.parent / top.data["extends"])
        sources.append(base)
        stray = set(top.data) - _OVERLAY_KEYS
        if stray:
            raise ChecklistError(
                [
                    _problem(
                        sources,
                        (key,),
                        "an overlay cannot bring this",
                        "use [override.ID], or write it in the base",
                    )
                    for key in stray
                ]
            )
        data = _overlaid(base.data, top.data)
    else:
        data = top.data
    checklist = _converted(data, sources)
    problems = [_problem(sources, *found) for found in broken_rules(checklist)]
    if not problems:
        checklist = _overridden(checklist)
        for place, item in _places(checklist):
            for below, message, mend in item_problems(item, checklist) if item_problems else ():
                problems.append(_problem(sources, _origin(checklist, item, place, below), message, mend))
    if problems:
        raise ChecklistError(problems)
    digest = hashlib.sha256(b"\0".join(source.raw for source in sources)).hexdigest()
    return Loaded(checklist=checklist, path=path, sha256=digest)


def _read(path: Path) -> _Source:
    try:
        raw = path.read_bytes()
    except OSError as error:
        mend = "name another file, or write one: `tminus validate --help` shows how"
        raise ChecklistError(
            [Problem(file=path.name, line=0, path="", message=error.strerror or str(error), mend=mend)]
        ) from error
    try:
        return _Source(path, raw, tomllib.loads(raw.decode()))
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        message, mend = "not UTF-8", "save the file as UTF-8"
    except tomllib.TOMLDecodeError as error:
        # Python 3.11 says the place in the message alone: "… (at line 3, column 7)".
        _, _, place = str(error).rpartition("(at line ")
        digits = place.partition(",")[0]
        line = int(digits) if digits.isdecimal() else raw.count(b"\n") + 1
        message, mend = (
            f"not TOML: {str(error).partition(' (at ')[0]}",
            "mend the line; nothing below it was read",
        )
    raise ChecklistError([Problem(file=path.name, line=line, path="", message=message, mend=mend)])


def _overlaid(base: dict[str, Any], top: dict[str, Any]) -> dict[str, Any]:
    merged = base | {key: value for key, value in top.items() if key not in ("targets", "metrics", "override")}
    for key in ("targets", "metrics", "override"):
        merged[key] = base.get(key, {}) | top.get(key, {})
    return merged


def _converted(data: dict[str, Any], sources: list[_Source]) -> Checklist:
    try:
        return msgspec.convert(data, Checklist)
    except msgspec.ValidationError as error:
        problems = [_problem(sources, *found) for found in mistakes(data)]
        # The schema is generated from the same classes; should it ever be milder, the first error still stands.
        raise ChecklistError(problems or [_problem(sources, (), str(error), "")]) from error


def _overridden(checklist: Checklist) -> Checklist:
    phases = [
        msgspec.structs.replace(
            phase,
            step=[
                msgspec.structs.replace(
                    step, item=[_changed(item, checklist.override.get(item.id)) for item in step.item]
                )
                for step in phase.step
            ],
        )
        for phase in checklist.phase
    ]
    gates = [_changed(gate, checklist.override.get(gate.id)) for gate in checklist.gate]
    return msgspec.structs.replace(checklist, phase=phases, gate=gates)


def _changed(thing: T, override: Override | None) -> T:
    if override is None:
        return thing
    changes = {
        field: value
        for field in override.__struct_fields__
        if (value := getattr(override, field)) is not None and field in thing.__struct_fields__
    }
    return msgspec.structs.replace(thing, **changes)


def _places(checklist: Checklist) -> Iterable[tuple[KeyPath, Item]]:
    for p, phase in enumerate(checklist.phase):
        for s, step in enumerate(phase.step):
            for i, item in enumerate(step.item):
                yield ("phase", p, "step", s, "item", i), item


def _origin(checklist: Checklist, item: Item, place: KeyPath, below: KeyPath) -> KeyPath:
    override = checklist.override.get(item.id)
    said = (
        override is not None and below and getattr(override, "with_" if below[0] == "with" else str(below[0]), None)
    )
    return ("override", item.id, *below) if said else (*place, *below)


def _problem(sources: list[_Source], path: KeyPath, message: str, mend: str) -> Problem:
    from state.locate import line_of, locate

    source = next((s for s in sources if _has(s.data, path)), sources[-1])
    return Problem(
        file=source.path.name,
        line=line_of(locate(source.raw), path),
        path=dotted(path),
        message=message,
        mend=mend,
    )


def _has(data: Mapping[str, Any] | list[Any], path: KeyPath) -> bool:
    """Whether DATA says anything at PATH; the longest beginning counts, so that an overlay owns what it touches."""
    return not path or (isinstance(data, dict) and path[0] in data and _reaches(data[path[0]], path[1:]))


def _reaches(value: Any, path: KeyPath) -> bool:
    if len(path) < 2:
        return True
    if isinstance(value, dict):
        return path[0] in value
    return isinstance(value, list) and isinstance(path[0], int) and path[0] < len(value)
