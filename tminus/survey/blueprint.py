"""What render.yaml says of the web services: names, the health path, the domain. Read as data alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from checks.code.blueprint_model import Database, Service, blueprint_of
from checks.code.blueprint_yaml import BlueprintError, Scalar, Sequence, as_text, read_tree
from state.clean import clean
from tminus.survey.found import Found, text_of


@dataclass(frozen=True, slots=True)
class Blueprint:
    """The names of the WEB services and the DATABASES; the rest of the first service alone. TROUBLE: why it says
    nothing."""

    web: tuple[Found, ...] = ()
    databases: tuple[Found, ...] = ()
    health_path: Found | None = None
    domain: Found | None = None
    start: Found | None = None
    variables: tuple[str, ...] = ()
    trouble: str = ""


def blueprint(folder: Path) -> Blueprint | None:
    """The Blueprint of the project in FOLDER; None when there is none."""
    name = next((n for n in ("render.yaml", "render.yml") if (folder / n).is_file()), None)
    if name is None:
        return None
    try:
        read = blueprint_of(read_tree(text_of(folder / name), name))
    except BlueprintError as error:
        return Blueprint(trouble=clean(error.message) + (f" (line {error.line})" if error.line else ""))
    services = [one for one in read.services if one.kind == "web"]
    if not services:
        return Blueprint(trouble="" if read.services else "it names no services")
    first = services[0]
    return Blueprint(
        web=tuple(found for one in services if (found := _found(name, one, "name", one.name))),
        databases=tuple(found for one in read.databases if (found := _found(name, one, "name", one.name))),
        health_path=_found(name, first, "healthCheckPath", first.health_check_path),
        domain=_domain(name, first),
        start=_found(name, first, "startCommand", first.table.text("startCommand")),
        variables=tuple(first.variables),
    )


def _found(file: str, service: Service | Database, key: str, value: str) -> Found | None:
    return Found(clean(value), f"{file} line {service.table.line_of(key)}") if value else None


def _domain(file: str, service: Service) -> Found | None:
    domains = service.table.get("domains")
    first = domains.items[0] if isinstance(domains, Sequence) and domains.items else None
    return Found(clean(as_text(first)), f"{file} line {first.line}") if isinstance(first, Scalar) else None
