"""One read of a whole project: the findings of every rule that needs nothing but files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from checks.code.blueprint import BlueprintError
from checks.code.blueprint import findings_of as blueprint_findings
from checks.code.engine import application_findings, opened, preloads
from checks.code.env_example import findings_of as example_findings
from checks.code.environment import read_project
from checks.code.finding import Finding, switched
from checks.code.migration_rules import migration_findings
from checks.code.surroundings import surroundings_of
from transfer.errors import CouldNotLook


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
    service = surroundings_of(folder, None, environment)[0]
    findings = [
        *application_findings(project, service.environment, preload=preloads(folder, service)),
        *migration_findings(project),
        *_of_settings(folder, migrations=bool(project.migrations)),
    ]
    return Read(len(project.modules) + len(project.migrations), switched(findings, off))


def _of_settings(folder: Path, *, migrations: bool) -> Iterator[Finding]:
    """What is wrong in render.yaml and .env.example, where they are there."""
    try:
        if (file := folder / "render.yaml").is_file():
            yield from blueprint_findings(file.read_text("utf-8-sig"), file.name, migrations=migrations)
        if (file := folder / ".env.example").is_file():
            yield from example_findings(file.read_text("utf-8-sig"), file.name, read_project(folder))
    except (BlueprintError, UnicodeDecodeError, OSError) as error:
        raise CouldNotLook(str(error)) from None
