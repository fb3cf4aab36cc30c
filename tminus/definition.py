"""A checklist together with the checks it names: what the engine and every headless command start from."""

from __future__ import annotations

from pathlib import Path

from checks.params import item_problems
from checks.registry import Registry
from state.loader import Loaded, load_checklist


def load(path: Path) -> tuple[Loaded, Registry]:
    """The checklist at PATH, checked down to the parameters of its checks, and the registry that has them.

    Raises ChecklistError with every mistake found.
    """
    form = load_checklist(path)
    registry = Registry.load(form.checklist.plugins, path.parent)
    return load_checklist(path, item_problems(registry)), registry


__all__ = ["Loaded", "Registry", "load"]
