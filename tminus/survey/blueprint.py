"""What render.yaml says of the services: names, the health path, domains, regions. Read as data alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from checks.code.blueprint_yaml import BlueprintError, Scalar, Sequence, Table, as_text, read_tree
from state.clean import clean
from tminus.survey.found import Found, text_of


@dataclass(frozen=True, slots=True)
class Blueprint:
    """WEB services and DATABASES by name; the rest of the first web service alone. TROUBLE: why it says nothing."""

    web: tuple[Found, ...] = ()
    databases: tuple[Found, ...] = ()
    health_path: Found | None = None
    region: Found | None = None
    domain: Found | None = None
    start: Found | None = None
    variables: tuple[str, ...] = field(default=())
    trouble: str = ""


def blueprint(folder: Path) -> Blueprint | None:
    """The Blueprint of the project in FOLDER; None when there is none."""
    name = next((n for n in ("render.yaml", "render.yml") if (folder / n).is_file()), None)
    if name is None:
        return None
    try:
        data = read_tree(text_of(folder / name), name)
    except BlueprintError as error:
        return Blueprint(trouble=f"{name} is no YAML" + (f" (line {error.line})" if error.line else ""))
    services = [
        (f"{name}: services[{n}]", one) for n, one in enumerate(data.tables("services")) if one.text("type") == "web"
    ]
    databases = [(f"{name}: databases[{n}]", one) for n, one in enumerate(data.tables("databases"))]
    where, first = services[0] if services else ("", Table(0))
    domains = first.get("domains")
    listed = domains.items[:1] if isinstance(domains, Sequence) else ()
    domain = next((as_text(one) for one in listed if isinstance(one, Scalar)), "")
    return Blueprint(
        web=tuple(found for at, one in services if (found := _text(one, "name", at))),
        databases=tuple(found for at, one in databases if (found := _text(one, "name", at))),
        health_path=_text(first, "healthCheckPath", where),
        region=_text(first, "region", where),
        domain=Found(clean(domain), f"{where}.domains[0]") if domain else None,
        start=_text(first, "startCommand", where),
        variables=tuple(key for one in first.tables("envVars") if (key := one.text("key"))),
    )


def _text(table: Table, key: str, where: str) -> Found | None:
    value = table.text(key)
    return Found(clean(value), f"{where}.{key}") if value else None
