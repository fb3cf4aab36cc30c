"""How the services of a Blueprint are wired: to the database, to their secrets, and to the deploy."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from checks.code.blueprint_command import migrates
from checks.code.blueprint_model import Blueprint, Database, Service, Variable
from checks.code.blueprint_rules import names_of
from checks.code.blueprint_shape import Say
from checks.code.blueprint_yaml import Table
from checks.code.finding import Finding, Rule
from checks.code.secrets import secret_in
from state.schema import did_you_mean

NEEDS = Rule(
    "blueprint/needs",
    "error",
    "a service without a variable that its code reads",
    "It starts with the default of the code instead: often SQLite, in a folder that each deploy empties.",
)
SQLITE = Rule(
    "blueprint/sqlite",
    "error",
    "a database URL that is still SQLite",
    "After the cutover this service goes on writing into the old file.",
)
BY_HAND = Rule(
    "blueprint/by-hand",
    "warning",
    "a database URL that is typed by hand",
    "It does not follow the database; with sync: false Render asks for it at the first creation only.",
)
NO_DATABASE = Rule(
    "blueprint/no-such-database",
    "error",
    "fromDatabase names a database that is not declared",
    "The sync fails, or takes an older database of that name in the workspace.",
)
NO_SERVICE = Rule(
    "blueprint/no-such-service",
    "warning",
    "fromService or fromGroup names what is not declared",
    "It must exist in the workspace already, or the sync fails.",
)
PROPERTY = Rule(
    "blueprint/property",
    "error",
    "a property that does not make a database URL",
    "A variable that the code reads as a URL gets a part of one.",
)
POOLED = Rule(
    "blueprint/pooled",
    "error",
    "a pooled connection string without its pool",
    "connectionPoolString needs connectionPool: pgbouncer on that database.",
)
POOLED_MIGRATION = Rule(
    "blueprint/pooled-migration",
    "warning",
    "migrations through PgBouncer",
    "Transaction pooling breaks advisory locks, SET and temporary tables, which migrations use.",
)
APART = Rule(
    "blueprint/region-apart",
    "error",
    "a service and its database in different regions",
    "The private network does not reach across regions: the internal URL is not resolved there.",
)
SECRET = Rule(
    "blueprint/secret",
    "error",
    "a secret in the file",
    "Everybody who reads the repository, now or later, has it.",
)
HEALTH = Rule(
    "blueprint/health-check",
    "warning",
    "a web service without healthCheckPath",
    "Render takes an open port for health and sends traffic to a version that cannot reach its database.",
)
AUTO_DEPLOY = Rule(
    "blueprint/auto-deploy",
    "warning",
    "no decision about automatic deploys",
    "A new service deploys every commit: also one that nobody meant to deploy, and again after a rollback.",
)
PRE_DEPLOY = Rule(
    "blueprint/pre-deploy",
    "warning",
    "migrations exist, and no preDeployCommand runs them",
    "The new version starts on the old schema, or somebody must think of it.",
)
AT_START = Rule(
    "blueprint/migration-at-start",
    "warning",
    "migrations in the start command",
    "Every instance runs them at every start, at the same time as the others.",
)
DISK = Rule(
    "blueprint/disk",
    "warning",
    "a disk attached to a service",
    "It has no zero-downtime deploys and one instance only; after the migration the database is not on the disk.",
)
DISK_SCALED = Rule(
    "blueprint/disk-scaled",
    "error",
    "a service with a disk and more than one instance",
    "Render does not scale a service that has a disk.",
)

RULES = (
    *(NEEDS, SQLITE, BY_HAND, NO_DATABASE, NO_SERVICE, PROPERTY, POOLED, POOLED_MIGRATION, APART),
    *(SECRET, HEALTH, AUTO_DEPLOY, PRE_DEPLOY, AT_START, DISK, DISK_SCALED),
)

_WHOLE = ("connectionString", "connectionPoolString")


def wiring_findings(
    blueprint: Blueprint, say: Say, *, needs: Collection[str], needed_by: Collection[str] | None, migrations: bool
) -> Iterator[Finding]:
    """NEEDS are variables that the services NEEDED_BY must have (None: all that run Python)."""
    databases = {name: one for one in blueprint.databases for name in (one.name, *one.replicas)}
    for service in blueprint.services:
        what = f"service {service.name}"
        wanted = service.name in needed_by if needed_by is not None else service.runtime == "python"
        if wanted and service.runs_code:
            for name in needs:
                yield from _needed(service, name, what, say)
        yield from _references(service, databases, what, say)
        yield from _deploy(service, what, say)
    yield from _groups(blueprint, say)
    yield from _secrets(blueprint, say)
    if migrations:
        yield from _migrations(blueprint, say)


def _needed(service: Service, name: str, what: str, say: Say) -> Iterator[Finding]:
    found = service.variables.get(name)
    if found is None:
        mend = f"add to envVars: key: {name}, fromDatabase: {{name: …, property: connectionString}}"
        yield say(NEEDS, service.line, f"{what} has no {name}", mend)
        return
    if not name.endswith(("DATABASE_URL", "DATABASE_URI", "DB_URL", "DB_URI")):
        return
    mend = "take it fromDatabase: {name: …, property: connectionString}"
    if found.source == "value" and (found.value or "").startswith("sqlite"):
        yield say(SQLITE, found.line, f"{what}: {name} is still a SQLite URL", mend)
    elif found.source == "value" and not found.value:
        yield say(NEEDS, found.line, f"{what}: {name} is empty", mend)
    elif found.source == "sync" or (found.source == "value" and "://" in (found.value or "")):
        yield say(BY_HAND, found.line, f"{what}: {name} is set by hand", mend)
    elif found.source != "fromDatabase" or (found.property and found.property not in _WHOLE):
        given = f"{found.source} {found.property}".strip()
        yield say(PROPERTY, found.line, f"{what}: {name} is {given}, not a connection string", mend)


def _references(service: Service, databases: dict[str, Database], what: str, say: Say) -> Iterator[Finding]:
    for one in service.variables.values():
        if one.source != "fromDatabase" or not one.of:
            continue
        database = databases.get(one.of)
        if database is None:
            mend = did_you_mean(one.of, names_of(tuple(databases.values())))
            yield say(NO_DATABASE, one.line, f"{what}: {one.key} is from database {one.of!r}, not declared", mend)
            continue
        if database.region != service.region:
            message = f"{what} is in {service.region}, its database {database.name} in {database.region}"
            yield say(APART, one.line, message, "give both the same region; neither can be moved after its creation")
        if one.property == "connectionPoolString":
            if not database.pooled:
                mend = f"add connectionPool: pgbouncer to database {database.name}, or take connectionString"
                yield say(POOLED, one.line, f"{what}: database {database.name} has no connection pool", mend)
            elif migrates(service.table.text("preDeployCommand") + " " + service.start_command):
                mend = "give the migrations the connectionString in a variable of their own"
                yield say(POOLED_MIGRATION, one.line, f"{what} runs migrations through {one.key}", mend)


def _deploy(service: Service, what: str, say: Say) -> Iterator[Finding]:
    table = service.table
    if service.kind == "web" and not service.health_check_path:
        mend = "add healthCheckPath: /healthz, which asks the database too"
        yield say(HEALTH, service.line, f"{what} has no healthCheckPath", mend)
    built = service.runs_code and service.runtime != "image"
    if built and not {"autoDeployTrigger", "autoDeploy"} & set(table.entries):
        mend = 'add autoDeployTrigger: "off" for the day (with its quotes), commit or checksPass after it'
        yield say(AUTO_DEPLOY, service.line, f"{what} has no autoDeployTrigger", mend)
    if migrates(service.start_command) and service.runs_code and service.kind != "cron":
        line = table.line_of("startCommand")
        yield say(AT_START, line, f"{what} runs migrations at every start", "move them into preDeployCommand")
    disk = table.get("disk")
    if disk is None:
        return
    line = table.line_of("disk")
    if service.instances > 1 or "scaling" in table.entries:
        yield say(DISK_SCALED, line, f"{what} has a disk and {service.instances} instances", "take the disk away")
    mount = table.text("disk", "mountPath") or "no path"
    mend = "take the disk away once nothing is read from it any more, also not by a rollback"
    yield say(DISK, line, f"{what} has a disk on {mount}: no zero-downtime deploy", mend)


def _groups(blueprint: Blueprint, say: Say) -> Iterator[Finding]:
    services = [one.name for one in blueprint.services]
    for service in blueprint.services:
        for entry in service.table.tables("envVars"):
            group, other = entry.text("fromGroup"), entry.text("fromService", "name")
            if group and group not in blueprint.groups:
                mend = did_you_mean(group, list(blueprint.groups))
                yield say(NO_SERVICE, entry.line, f"service {service.name}: no group {group!r} in this file", mend)
            if other and other not in services:
                mend = did_you_mean(other, services)
                yield say(NO_SERVICE, entry.line, f"service {service.name}: no service {other!r} in this file", mend)


def _secrets(blueprint: Blueprint, say: Say) -> Iterator[Finding]:
    for where, one in _literals(blueprint):
        if what := secret_in(one.key, one.value or ""):
            mend = "replace it (it is known now), and write sync: false or generateValue: true"
            yield say(SECRET, one.line, f"{where}: {one.key} holds {what}", mend)


def _literals(blueprint: Blueprint) -> Iterator[tuple[str, Variable]]:
    """Each value that is written out, with the service or group where it stands."""
    for group, variables in blueprint.groups.items():
        yield from ((f"group {group}", one) for one in variables if one.source == "value")
    for service in blueprint.services:
        own = (one for one in service.variables.values() if not one.group and one.source == "value")
        yield from ((f"service {service.name}", one) for one in own)


def _migrations(blueprint: Blueprint, say: Say) -> Iterator[Finding]:
    """One service that runs them is enough; where none does, it is told once, at the first web service."""
    running = [one for one in blueprint.services if one.runs_code and one.runtime != "static"]
    if any(migrates(_all_commands(one.table)) or one.table.text("preDeployCommand") for one in running):
        return
    for service in [one for one in running if one.kind == "web"][:1]:
        mend = "add preDeployCommand: alembic upgrade head, or keep alembic.upgrade in the checklist of every deploy"
        yield say(
            PRE_DEPLOY, service.line, f"service {service.name} has no preDeployCommand for its migrations", mend
        )


def _all_commands(table: Table) -> str:
    return " ; ".join(
        table.text(key) for key in ("buildCommand", "preDeployCommand", "startCommand", "dockerCommand")
    )
