"""Reading a checklist: TOML and its overlay in, a `Checklist` out, or every mistake with its line."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from state.clean import clean
from state.definition import Checklist, Item
from state.mending import mended, renamed
from state.overrides import items_with_places, origin, overridden, override_problems
from state.problems import ChecklistError, KeyPath, Problem, dotted
from state.redact import Redactor
from state.rules import Found, broken_rules
from state.schema import mistakes

# (key path below the item, what is wrong, what would be right) of an item's check and parameters.
ItemProblems = Callable[[Item, Checklist], Iterable[tuple[KeyPath, str, str]]]

SCHEMA = 1

_OVERLAY_KEYS = frozenset(
    {
        "schema",
        "title",
        "extends",
        "record_dir",
        "rehearsal",
        "alone",
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


class _Source(msgspec.Struct, frozen=True):
    path: Path
    raw: bytes
    data: dict[str, Any]


def load_checklist(path: Path, item_problems: ItemProblems | None = None) -> Loaded:
    """Read PATH, apply it to what it extends, and check it whole.

    ITEM_PROBLEMS looks at the check and the parameters of each item; without it only the file's own form is
    judged. Raises ChecklistError with every mistake found, of form and of sense alike.
    """
    sources = [_read(path)]
    top = sources[0].data
    found: list[Found] = []
    if isinstance(extends := top.get("extends"), str) and extends:
        sources.append(_read(path.parent / extends))
        base = sources[1].data
        for key in sorted(set(top) - _OVERLAY_KEYS):
            found.append(((key,), "an overlay cannot bring this", "use [override.ID], or write it in the base"))
        if base.get("extends"):
            found.append((("extends",), f"{extends} extends another file itself", "extend that one"))
        data = _overlaid(base, {key: value for key, value in top.items() if key in _OVERLAY_KEYS})
    else:
        data = top
    for source in sources:
        if isinstance(version := source.data.get("schema"), int) and version > SCHEMA:
            # Whatever else looks wrong may be right there.
            newer = f"written for a newer tminus (schema {version}; this one reads up to {SCHEMA})"
            raise ChecklistError([_problem([source], ("schema",), newer, "update tminus")])
    checklist = _judged(data, found, item_problems)
    if checklist is None or found:
        raise ChecklistError([_problem(sources, *one) for one in dict.fromkeys(found)])
    digest = hashlib.sha256(b"\0".join(source.raw for source in sources)).hexdigest()
    return Loaded(checklist=checklist, path=path, sha256=digest)


def _judged(data: dict[str, Any], found: list[Found], item_problems: ItemProblems | None) -> Checklist | None:
    """The checklist in DATA with its overrides applied, and all that is wrong with it added to FOUND.

    Where a place does not fit the schema, a stand-in takes it, so that the rules can judge all the others.
    """
    places: list[KeyPath] = []
    try:
        checklist = msgspec.convert(data, Checklist)
    except (msgspec.ValidationError, RecursionError) as error:
        for mistake in mistakes(data):
            found.append((mistake.path, mistake.message, mistake.mend))
            places.append(mistake.place)
        if (stood_in := _stood_in(data)) is None:
            # The schema is generated from the same classes; should it ever be milder, the error still stands.
            found.extend([] if places else [((), str(error), "")])
            return None
        checklist = stood_in
    changed = overridden(checklist)
    wrong = [(origin(checklist, path), message, mend) for path, message, mend in broken_rules(changed)]
    wrong += override_problems(checklist)
    for place, item in items_with_places(changed):
        for below, message, mend in item_problems(item, changed) if item_problems else ():
            wrong.append((origin(checklist, (*place, *below)), message, mend))
    found.extend(one for one in wrong if not _said_already(one[0], places))
    return changed


def _stood_in(data: dict[str, Any]) -> Checklist | None:
    for _ in range(4):  # a misspelled key that is put right may hold a wrong value in its turn
        again = list(mistakes(data))
        for mistake in again:
            if mistake.allowed:
                data = renamed(data, mistake.place, mistake.allowed)
        data = mended(data, [mistake.place for mistake in again if not mistake.allowed])
        try:
            return msgspec.convert(data, Checklist)
        except msgspec.ValidationError:
            continue
    return None


def _said_already(path: KeyPath, places: list[KeyPath]) -> bool:
    return any(path[: len(place)] == place for place in places)


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
    except (ValueError, RecursionError) as error:
        line, message, mend = 0, f"not TOML: {error or 'nested too deep'}", "mend the file; nothing of it was read"
    raise ChecklistError([Problem(file=path.name, line=line, path="", message=clean(message), mend=mend)])


def _overlaid(base: dict[str, Any], top: dict[str, Any]) -> dict[str, Any]:
    merged = base | {key: value for key, value in top.items() if key not in ("targets", "metrics", "override")}
    for key in ("targets", "metrics", "override"):
        under, over = base.get(key, {}), top.get(key, {})
        # What is no table is a mistake, and must stay in sight.
        merged[key] = under | over if isinstance(under, dict) and isinstance(over, dict) else (over or under)
    return merged


def _problem(sources: list[_Source], path: KeyPath, message: str, mend: str) -> Problem:
    from state.locate import line_of, locate

    source = next((s for s in sources if _has(s.data, path)), sources[-1])
    safe = Redactor()
    return Problem(
        file=source.path.name,
        line=line_of(locate(source.raw), path),
        path=clean(dotted(path)),
        message=safe(clean(message)),
        mend=safe(clean(mend)),
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
