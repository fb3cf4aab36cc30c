"""What the live service brings to the code: its environment, its workers and instances, as render.yaml says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from checks.code.blueprint import BlueprintError, read_blueprint
from checks.code.engine_facts import Engines
from checks.code.sources import Project
from transfer.errors import CouldNotLook


@dataclass(frozen=True, slots=True)
class Surroundings:
    """One service: its variables, gunicorn's workers (None: not said), how many instances run, and whether gunicorn
    loads the application before it forks (on Render it does, unless GUNICORN_CMD_ARGS is set)."""

    name: str = "the service"
    environment: Mapping[str, str] = field(default_factory=dict)
    workers: int | None = None
    instances: int = 1
    preload: bool = False


def surroundings_of(
    project: Path, render_yaml: Path | None, environment: Mapping[str, str] | None = None
) -> tuple[Surroundings, ...]:
    """The services of RENDER_YAML that name a DATABASE_URL, or all; ENVIRONMENT is added. Unless said it is the
    render.yaml in PROJECT; without one, there is one service that has nothing but ENVIRONMENT.

    Raises CouldNotLook.
    """
    added = dict(environment or {})
    file = render_yaml if render_yaml is not None else project / "render.yaml"
    if render_yaml is not None and not file.is_file():
        raise CouldNotLook(f"no file {file}")
    if not file.is_file():
        return (Surroundings(environment=added),)
    try:
        services = read_blueprint(file).services
    except (BlueprintError, OSError) as error:
        raise CouldNotLook(str(error)) from None
    found = tuple(
        Surroundings(s.name, {**s.environment, **added}, s.workers, s.instances, s.preload) for s in services
    )
    with_database = tuple(one for one in found if "DATABASE_URL" in one.environment)
    return with_database or found or (Surroundings(environment=added),)


def workers_of(project: Project, engines: Engines, service: Surroundings) -> tuple[int | None, str]:
    """How many processes one instance runs, and where that is said: the start command, gunicorn's configuration,
    WEB_CONCURRENCY; else gunicorn's own default, 1. None: it is said, but cannot be read."""
    if service.workers is not None:
        return service.workers, "render.yaml"
    for module in project.modules:
        if "gunicorn" in module.path.rpartition("/")[2]:
            names = engines.interpreter.imported(module).scope.names
            if "workers" in names:
                workers = names["workers"]
                known = isinstance(workers, int) and not isinstance(workers, bool)
                return (workers if known else None), module.path
    concurrency = service.environment.get("WEB_CONCURRENCY", "")
    if concurrency.isdigit():
        return int(concurrency), "WEB_CONCURRENCY"
    return 1, "gunicorn's default"
