"""What render.yaml says of the services: names, the health path, domains, regions. Read as data alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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
    import yaml

    try:
        data = yaml.safe_load(text_of(folder / name))
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        return Blueprint(trouble=f"{name} is no YAML" + (f" (line {mark.line + 1})" if mark else ""))
    if not isinstance(data, dict):
        return Blueprint(trouble=f"{name} names no services")
    services = [
        (f"{name}: services[{n}]", one) for n, one in _tables(data.get("services")) if one.get("type") == "web"
    ]
    databases = [(f"{name}: databases[{n}]", one) for n, one in _tables(data.get("databases"))]
    where, first = services[0] if services else ("", {})
    domains = first.get("domains")
    return Blueprint(
        web=tuple(found for at, one in services if (found := _text(one, "name", at))),
        databases=tuple(found for at, one in databases if (found := _text(one, "name", at))),
        health_path=_text(first, "healthCheckPath", where),
        region=_text(first, "region", where),
        domain=Found(clean(domains[0]), f"{where}.domains[0]")
        if isinstance(domains, list) and domains and isinstance(domains[0], str)
        else None,
        start=_text(first, "startCommand", where),
        variables=tuple(
            str(one["key"]) for _, one in _tables(first.get("envVars")) if isinstance(one.get("key"), str)
        ),
    )


def _tables(value: Any) -> Iterator[tuple[int, dict[str, Any]]]:
    yield from ((n, one) for n, one in enumerate(value if isinstance(value, list) else ()) if isinstance(one, dict))


def _text(table: dict[str, Any], key: str, where: str) -> Found | None:
    value = table.get(key)
    return Found(clean(value), f"{where}.{key}") if isinstance(value, str) and value else None
