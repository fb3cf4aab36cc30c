"""Which packages a project says it needs where it runs: requirements*.txt, pyproject.toml, Pipfile, lock files."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

_NAME = re.compile(r"^\s*([A-Za-z0-9][A-Za-z0-9._-]*)")
_LARGEST = 2_000_000
# What a live service is built without: the groups and files of those who work on the project.
_WORKSHOP = re.compile(r"(^|[-_./])(dev|develop|development|tests?|testing|lint|docs?|typing|types|ci)([-_.]|$)")


def required(root: Path) -> frozenset[str] | None:
    """The names in lower case with dashes; None when the project has no such file."""
    files = [*sorted(root.glob("requirements*.txt")), *sorted(root.glob("requirements/*.txt"))]
    files = [path for path in files if not _WORKSHOP.search(path.name)] or files
    found: set[str] = set()
    read = False
    for path in files:
        text = _read(path)
        read = read or text is not None
        found |= {name for line in (text or "").splitlines() if (name := _name(line))}
    for name in ("pyproject.toml", "Pipfile", "poetry.lock", "uv.lock"):
        text = _read(root / name)
        if text is None:
            continue
        try:
            found |= set(_names(tomllib.loads(text)))
        except (tomllib.TOMLDecodeError, RecursionError, AttributeError, TypeError):
            continue  # not the shape that the file has to have
        read = read or bool(found)
    return frozenset(found) if read else None


def _read(path: Path) -> str | None:
    try:
        return path.read_text(errors="replace") if path.stat().st_size <= _LARGEST else None
    except OSError:
        return None


def _name(line: str) -> str:
    match = _NAME.match(line.partition("#")[0])
    return _normal(match[1]) if match else ""


def _names(table: dict[str, Any]) -> list[str]:
    project = table.get("project", {})
    listed: list[Any] = list(project.get("dependencies", []))
    groups = [*project.get("optional-dependencies", {}).values(), *_live(table.get("dependency-groups", {}))]
    for group in groups:
        listed += group
    poetry = table.get("tool", {}).get("poetry", {})
    tables = [poetry.get("dependencies", {}), table.get("packages", {})]
    tables += [group.get("dependencies", {}) for group in _live(poetry.get("group", {}))]
    names = [_name(one) for one in listed if isinstance(one, str)]
    for one in tables:
        if isinstance(one, dict):
            names += map(_normal, one)
        elif isinstance(one, list):  # a lock file's [[package]]
            names += [_normal(str(entry.get("name", ""))) for entry in one if isinstance(entry, dict)]
    return [name for name in names if name]


def _live(groups: dict[str, Any]) -> list[Any]:
    return [group for name, group in groups.items() if not _WORKSHOP.search(name.lower())]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
