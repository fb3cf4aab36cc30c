"""One read of a whole project: the findings of every rule that needs nothing but files."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from checks.code.engine import application_findings, opened, start_commands
from checks.code.finding import Finding, switched
from checks.code.migration_rules import migration_findings
from checks.code.surroundings import surroundings_of


@dataclass(frozen=True, slots=True)
class Read:
    """What was read, and what was found."""

    files: int
    findings: tuple[Finding, ...]


def read_code(
    folder: Path, *, environment: Mapping[str, str] | None = None, tests: bool = False, off: Sequence[str] = ()
) -> Read:
    """Everything that is wrong in the project at FOLDER, without running any of it. Raises CouldNotLook."""
    project = opened(folder, tests)
    render = folder / "render.yaml"
    service = surroundings_of(render if render.is_file() else None, environment)[0]
    findings = [
        *application_findings(project, service.environment, start_commands(folder)),
        *migration_findings(project),
        *_of_others(folder),
    ]
    return Read(len(project.modules) + len(project.migrations), switched(findings, off))


def _of_others(folder: Path) -> Iterator[Finding]:
    """Those of render.yaml and .env.example."""
    for name in ("blueprint", "env_example"):
        if importlib.util.find_spec(f"checks.code.{name}") is not None:
            look = getattr(importlib.import_module(f"checks.code.{name}"), "project_findings", None)
            if look is not None:
                yield from look(folder)
