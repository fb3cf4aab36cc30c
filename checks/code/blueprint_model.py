"""The services and databases of a Blueprint, as the rest of the tool asks for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from checks.code.blueprint_command import preloads, workers_of
from checks.code.blueprint_yaml import BlueprintError, Scalar, Table, as_text, read_tree

Source = Literal["value", "generateValue", "sync", "fromDatabase", "fromService"]
SOURCES: tuple[Source, ...] = ("value", "generateValue", "sync", "fromDatabase", "fromService")

# What stands for a value that only Render knows.
_STAND_IN: Mapping[str, str] = {
    "connectionString": "postgresql://user@host/database",
    "connectionPoolString": "postgresql://user@host/database",
    "host": "host",
    "port": "5432",
    "user": "user",
    "database": "database",
}


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable: where its value comes from. `value` is the literal one, or what stands for one of a
    database; None when only Render knows. `of` and `property` name what it refers to, `group` where it stands."""

    key: str
    line: int
    source: Source
    value: str | None = None
    of: str = ""
    property: str = ""
    group: str = ""


@dataclass(frozen=True, slots=True)
class Service:
    """One service. `kind` is web, static, pserv, worker, cron or keyvalue; `region` is the default where none is
    named; `workers` is None where the command does not say (a configuration file may); `instances` is the most there
    may be. `environment` holds the values that are known; `variables` all of them."""

    name: str
    kind: str
    runtime: str
    plan: str
    region: str
    line: int
    start_command: str
    health_check_path: str
    root: str
    instances: int
    variables: Mapping[str, Variable]
    table: Table

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables whose value is known; a connection string of a database as a stand-in without a password."""
        return {key: one.value for key, one in self.variables.items() if one.value is not None}

    @property
    def workers(self) -> int | None:
        """Worker processes of one instance, where the command or the environment says so."""
        return workers_of(self.start_command, self.environment)

    @property
    def preload(self) -> bool:
        """Whether gunicorn loads the application before it forks."""
        return preloads(self.start_command, self.environment, native=self.runtime == "python")

    @property
    def runs_code(self) -> bool:
        """Whether code of the project runs in it."""
        return self.kind in ("web", "pserv", "worker", "cron")


@dataclass(frozen=True, slots=True)
class Database:
    """One database. `region` is the default where none is named; `plan` and `version` are empty then."""

    name: str
    plan: str
    region: str
    version: str
    replicas: tuple[str, ...]
    pooled: bool
    line: int
    table: Table


@dataclass(frozen=True, slots=True)
class Blueprint:
    """All of a Blueprint, whether at the top or in an environment of a project."""

    services: tuple[Service, ...]
    databases: tuple[Database, ...]
    groups: Mapping[str, tuple[Variable, ...]]
    tree: Table


def read_blueprint(path: Path) -> Blueprint:
    """The Blueprint in the file PATH. Raises BlueprintError with file and line for what is no YAML, OSError."""
    return blueprint_of(read_tree(text_of(path), path.name))


def text_of(path: Path) -> str:
    """The text of the file PATH. Raises BlueprintError for what is no text, OSError."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BlueprintError(path.name, 0, f"not UTF-8 at byte {error.start}") from None


def blueprint_of(tree: Table) -> Blueprint:
    """What TREE declares. What does not fit is passed over: the rules of the shape speak of it."""
    places = tuple(places_of(tree))
    groups = {
        name: tuple(_own(group, name))
        for place in places
        for group in place.tables("envVarGroups")
        if (name := group.text("name"))
    }
    services = tuple(_service(one, groups) for place in places for one in place.tables("services"))
    databases = tuple(_database(one) for place in places for one in place.tables("databases"))
    return Blueprint(services, databases, groups, tree)


def places_of(tree: Table) -> Iterator[Table]:
    """The tables that may hold services, databases and groups."""
    yield tree
    ungrouped = tree.get("ungrouped")
    if isinstance(ungrouped, Table):
        yield ungrouped
    for project in tree.tables("projects"):
        yield from project.tables("environments")


def kind_of(service: Table) -> str:
    """The kind of SERVICE: its type, but "static" for a static site, and "keyvalue" for its old name."""
    kind = service.text("type")
    if kind == "redis":
        return "keyvalue"
    return "static" if kind == "web" and runtime_of(service) == "static" else kind


def runtime_of(service: Table) -> str:
    """The runtime, also under the key's old name."""
    return service.text("runtime") or service.text("env")


def _service(table: Table, groups: Mapping[str, tuple[Variable, ...]]) -> Service:
    named = [one.text("fromGroup") for one in table.tables("envVars")]
    # A service's own variables stand before those of its groups.
    grouped = {one.key: one for group in named for one in groups.get(group, ())}
    own = {one.key: one for one in _own(table, "")}
    highest = table.number("scaling", "maxInstances")
    return Service(
        name=table.text("name"),
        kind=kind_of(table),
        runtime=runtime_of(table),
        plan=table.text("plan"),
        region=table.text("region") or "oregon",
        line=table.line,
        start_command=table.text("startCommand") or table.text("dockerCommand"),
        health_check_path=table.text("healthCheckPath"),
        root=table.text("rootDir"),
        instances=highest or table.number("numInstances") or 1,
        variables={**grouped, **own},
        table=table,
    )


def _own(holder: Table, group: str) -> Iterator[Variable]:
    for entry in holder.tables("envVars"):
        key = entry.text("key")
        source = next((one for one in SOURCES if one in entry.entries), None)
        if not key or source is None:
            continue
        value: str | None = None
        given = entry.get("value")
        if source == "value" and isinstance(given, Scalar):
            value = as_text(given)
        elif source == "fromDatabase":
            value = _STAND_IN.get(entry.text(source, "property"))
        name, prop = entry.text(source, "name"), entry.text(source, "property")
        yield Variable(key, entry.line_of("key"), source, value, name, prop, group)


def _database(table: Table) -> Database:
    return Database(
        name=table.text("name"),
        plan=table.text("plan"),
        region=table.text("region") or "oregon",
        version=table.text("postgresMajorVersion"),
        replicas=tuple(one.text("name") for one in table.tables("readReplicas")),
        pooled=table.text("connectionPool") == "pgbouncer",
        line=table.line,
        table=table,
    )
