"""Whether the items of a checklist and the journeys that they name fit together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from checks.journeys.model import JourneyError
from checks.journeys.reading import file_problems, journeys_in
from state.definition import Checklist, Item
from state.problems import KeyPath, Problem
from state.schema import did_you_mean
from state.targets import MissingTarget, Targets, resolve

CHECK = "http.journey"
_USUAL = "journeys.toml"


def misnamed(item: Item, checklist: Checklist, base: Path) -> Iterator[tuple[KeyPath, str, str]]:
    """What is wrong with the journey that ITEM names; the file itself is judged by `journey_problems`."""
    if item.check != CHECK:
        return
    path = _file(item, resolve(checklist.targets, {}), base)
    name = item.with_.get("name")
    if path is None or not isinstance(name, str) or "${" in name:
        return
    if not path.is_file():
        yield ("with", "file"), f"no file {path.name}", "write the journeys, or name their file: file = …"
        return
    try:
        known = journeys_in(path)
    except JourneyError:
        return  # told with its lines, once for all items
    if name not in known:
        yield ("with", "name"), f"no journey {name!r} in {path.name}", did_you_mean(name, known)


def journey_problems(checklist: Checklist, base: Path) -> list[Problem]:
    """Every mistake in the files of journeys that CHECKLIST, which lies in the folder BASE, names."""
    targets = resolve(checklist.targets, {})
    uses: dict[Path, dict[str, set[str]]] = {}
    for item in checklist.items.values():
        if item.check == CHECK and (path := _file(item, targets, base)) is not None and path.is_file():
            given = item.with_.get("vars")
            names = set(given) if isinstance(given, Mapping) else set()
            known = uses.setdefault(path, {}).get(str(item.with_.get("name")))
            # Two items that walk it: what both of them set can be relied upon.
            uses[path][str(item.with_.get("name"))] = names if known is None else known & names
    return [problem for path, walked in uses.items() for problem in file_problems(path, walked)]


def _file(item: Item, targets: Targets, base: Path) -> Path | None:
    """The file of ITEM's journeys; None where only the day will tell."""
    try:
        said = targets.fill(item.with_.get("file", _USUAL))
    except (MissingTarget, KeyError):
        return None
    return base / Path(said).expanduser() if isinstance(said, str) else None
