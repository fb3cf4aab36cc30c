"""A checklist together with the checks it names: what the engine and every headless command start from."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from checks.journeys.naming import journey_problems, misnamed
from checks.params import item_problems
from checks.registry import Registry
from checks.rules import rule_problems
from metrics.config import ConfigError, build_sources, promised
from metrics.rules import rule_of
from state.definition import Checklist, Item
from state.durations import format_duration
from state.loader import Loaded, load_checklist
from state.locate import line_of, locate
from state.problems import ChecklistError, KeyPath, Problem, dotted
from state.schema import did_you_mean
from state.targets import MissingTarget, resolve

_JITTER = 1.05  # of a gate's interval that its source's may be


def load(path: Path) -> tuple[Loaded, Registry]:
    """The checklist at PATH, checked down to the parameters of its checks, its gates and its metric sources.

    Raises ChecklistError with every mistake found: a wrong form hides no unknown check, and a plugin that the
    checklist names and that cannot be loaded is a mistake too.
    """
    registries: list[Registry] = []

    def look(item: Item, checklist: Checklist) -> Iterable[tuple[KeyPath, str, str]]:
        if not registries:
            registries.append(Registry.load(checklist.plugins, path.parent))
        yield from item_problems(registries[0])(item, checklist)
        yield from misnamed(item, checklist, path.parent)

    try:
        loaded = load_checklist(path, look)
    except ChecklistError as error:
        raise ChecklistError([*error.problems, *_broken_plugins(registries)]) from error
    registry = registries[0] if registries else Registry.load(loaded.checklist.plugins, path.parent)
    journeys = journey_problems(loaded.checklist, path.parent)
    if problems := [*_broken_plugins([registry]), *_watching(loaded), *journeys]:
        raise ChecklistError(problems)
    return loaded, registry


def _broken_plugins(registries: Iterable[Registry]) -> list[Problem]:
    """The plugins that a checklist names itself; a broken package of somebody else's refuses no checklist."""
    return [p for registry in registries for p in registry.problems if p.file in registry.plugins]


def _watching(loaded: Loaded) -> list[Problem]:
    found = list(_sense(loaded.checklist, loaded.path.parent))
    lines = locate(loaded.path.read_bytes()) if found else {}
    return [
        Problem(file=loaded.path.name, line=line_of(lines, path), path=dotted(path), message=message, mend=mend)
        for path, message, mend in found
    ]


def _sense(checklist: Checklist, base: Path) -> Iterator[tuple[KeyPath, str, str]]:
    yield from _gates_and_sources(checklist, base)
    yield from (
        (("transfer", *path), message, mend) for path, message, mend in rule_problems(checklist.transfer.rules)
    )


def _gates_and_sources(checklist: Checklist, base: Path) -> Iterator[tuple[KeyPath, str, str]]:
    reported, complete = set[str](), bool(checklist.metrics)
    pace: dict[str, float] = {}
    targets = resolve(checklist.targets, os.environ)
    for name, table in checklist.metrics.items():
        try:
            for source in build_sources({name: targets.fill(table)}, base):
                reported |= source.metrics.keys()
                pace |= dict.fromkeys(source.metrics, source.interval)
        except MissingTarget:  # a setting of the day: the run shows the source as unknown, and names the setting
            reported |= promised(name, table)
        except ConfigError as error:
            complete = False
            yield ("metrics", name), str(error), ""
    for index, gate in enumerate(checklist.gate):
        try:
            expects = rule_of(gate).interval
        except ValueError as error:
            yield ("gate", index), str(error), ""
            continue
        if (every := pace.get(gate.metric, 0.0)) > expects * _JITTER:
            said = format_duration(every)
            what = f"{gate.metric} is looked at every {said}: to a gate that expects more, samples would be missing"
            yield ("gate", index, "interval"), what, f'interval = "{said}"'
        if complete and gate.metric not in reported:
            near = did_you_mean(gate.metric, sorted(reported))
            yield ("gate", index, "metric"), f"no source of [metrics] reports {gate.metric!r}", near


__all__ = ["Loaded", "Registry", "load"]
