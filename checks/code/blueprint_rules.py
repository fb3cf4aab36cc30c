"""What a Blueprint of the right shape still gets wrong: the database that is not reached, not safe, or not kept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import ip_network

from checks.code.blueprint_model import Blueprint, Database
from checks.code.blueprint_schema import DATABASE_PLANS, LEGACY_DATABASE_PLANS, SERVICE_PLANS
from checks.code.blueprint_shape import Say
from checks.code.blueprint_yaml import Sequence as Items
from checks.code.blueprint_yaml import Table
from checks.code.finding import Finding, Rule
from state.schema import did_you_mean

PLAN = Rule(
    "blueprint/plan",
    "error",
    "a plan that Render does not offer",
    "Render refuses the Blueprint; nothing in it is applied.",
)
LEGACY = Rule(
    "blueprint/legacy-plan",
    "error",
    "a legacy plan of a database",
    "No new database can be created on a legacy plan.",
)
FREE_DATABASE = Rule(
    "blueprint/free-database",
    "error",
    "a database on the free plan",
    "It expires 30 days after its creation and is deleted 14 days later with all data; it has no backups.",
)
FREE_SERVICE = Rule(
    "blueprint/free-service",
    "warning",
    "a service on the free plan",
    "It sleeps when nobody calls and has one small instance; private services, workers and cron jobs cannot be free.",
)
DUPLICATE = Rule(
    "blueprint/duplicate-name",
    "error",
    "the same name twice",
    "A resource may be declared in one place only.",
)
VERSION = Rule(
    "blueprint/database-version",
    "warning",
    "a database without postgresMajorVersion",
    "It gets the newest version of the day, which may not be the one of staging, and cannot be changed afterwards.",
)
OPEN = Rule(
    "blueprint/database-open",
    "warning",
    "a database that the whole internet may reach",
    "Without ipAllowList, or with 0.0.0.0/0 in it, only the password is between the data and everybody.",
)
SIZE = Rule(
    "blueprint/database-size",
    "error",
    "a disk size that Render does not take",
    "diskSizeGB is 1 or a multiple of 5, and is not valid on a legacy plan.",
)
AVAILABILITY = Rule(
    "blueprint/high-availability",
    "error",
    "high availability on a plan or version without it",
    "It needs a Pro or Accelerated plan and PostgreSQL 13 or later.",
)
REPLICAS = Rule(
    "blueprint/replicas",
    "warning",
    "read replicas that will be destroyed or refused",
    "readReplicas: [] destroys those that exist; more than five are refused.",
)

RULES = (
    *(PLAN, LEGACY, FREE_DATABASE, FREE_SERVICE, DUPLICATE, VERSION),
    *(OPEN, SIZE, AVAILABILITY, REPLICAS),
)


def database_findings(blueprint: Blueprint, say: Say) -> Iterator[Finding]:
    """What is wrong with each database by itself, and with the plans of all."""
    yield from _names(blueprint, say)
    yield from _service_plans(blueprint, say)
    for database in blueprint.databases:
        table, what = database.table, f"database {database.name}"
        yield from _database_plan(database, what, say)
        if not database.version:
            mend = 'add postgresMajorVersion: "18", the version that staging was tested with'
            yield say(VERSION, database.line, f"{what} names no postgresMajorVersion", mend)
        yield from _reach(table, what, say)
        yield from _extras(database, what, say)


def _names(blueprint: Blueprint, say: Say) -> Iterator[Finding]:
    databases = [("database", one.name, one.line) for one in blueprint.databases]
    for word, named in (
        ("service", [("service", one.name, one.line) for one in blueprint.services]),
        ("database", databases),
    ):
        seen: dict[str, int] = {}
        for _, name, line in named:
            if name and name in seen:
                yield say(DUPLICATE, line, f"{word} {name} is declared in line {seen[name]} too", "keep one of them")
            seen.setdefault(name, line)


def _service_plans(blueprint: Blueprint, say: Say) -> Iterator[Finding]:
    for one in blueprint.services:
        line, what = one.table.line_of("plan"), f"service {one.name}"
        if one.plan and one.plan not in SERVICE_PLANS:
            yield say(PLAN, line, f"{what}: unknown plan {one.plan!r}", did_you_mean(one.plan, list(SERVICE_PLANS)))
        elif one.plan == "free" and one.kind in ("pserv", "worker", "cron"):
            yield say(PLAN, line, f"{what}: there is no free plan for type {one.kind}", "write plan: starter")
        elif one.plan == "free" and one.kind == "web":
            yield say(FREE_SERVICE, line, f"{what} is on the free plan", "write plan: starter, or a larger one")
        elif one.kind == "cron" and one.plan in ("pro max", "pro ultra"):
            yield say(PLAN, line, f"{what}: there is no plan {one.plan!r} for cron jobs", "write plan: pro plus")


def _database_plan(database: Database, what: str, say: Say) -> Iterator[Finding]:
    plan, line = database.plan, database.table.line_of("plan")
    if plan == "free":
        mend = "write plan: basic-256mb, or a larger one"
        yield say(FREE_DATABASE, line, f"{what} is on the free plan, which expires after 30 days", mend)
    elif plan in LEGACY_DATABASE_PLANS:
        mend = f"write plan: {LEGACY_DATABASE_PLANS[plan]} (the same memory)"
        yield say(LEGACY, line, f"{what}: {plan!r} is a legacy plan", mend)
    elif plan and plan not in DATABASE_PLANS:
        near = did_you_mean(plan.replace("_", "-"), list(DATABASE_PLANS))
        yield say(PLAN, line, f"{what}: unknown plan {plan!r}", near)


def _reach(table: Table, what: str, say: Say) -> Iterator[Finding]:
    mend = "write ipAllowList: [] (the private network alone), or the addresses that need it"
    if "ipAllowList" not in table.entries:
        yield say(OPEN, table.line, f"{what} has no ipAllowList and is open to every address", mend)
    for entry in table.tables("ipAllowList"):
        source = entry.text("source")
        try:
            everybody = ip_network(source, strict=False).prefixlen == 0
        except ValueError:
            message = f"{what}: {source!r} in ipAllowList is no address or range"
            if source:
                yield say(OPEN, entry.line, message, "write it as 203.0.113.4/30")
            continue
        if everybody:
            yield say(OPEN, entry.line, f"{what} is open to every address ({source})", mend)


def _extras(database: Database, what: str, say: Say) -> Iterator[Finding]:
    table = database.table
    for key in ("diskSizeGB", "previewDiskSizeGB"):
        size = table.number(key)
        if size is None:
            continue
        if size != 1 and size % 5:
            yield say(SIZE, table.line_of(key), f"{what}: {key} is {size}", f"write {size + 5 - size % 5}")
        elif database.plan in LEGACY_DATABASE_PLANS:
            yield say(
                SIZE, table.line_of(key), f"{what}: a legacy plan has no {key}", "take it out, or change the plan"
            )
    if table.text("highAvailability", "enabled") == "true":
        small = (
            database.plan.partition("-")[0] not in ("pro", "accelerated") or database.plan in LEGACY_DATABASE_PLANS
        )
        old = database.version.isdecimal() and int(database.version) < 13
        if small or old:
            lacks = f"plan {database.plan or 'basic-256mb'}" if small else f"PostgreSQL {database.version}"
            line = table.line_of("highAvailability")
            yield say(
                AVAILABILITY, line, f"{what}: no high availability with {lacks}", "write plan: pro-4gb or larger"
            )
    replicas = table.get("readReplicas")
    if isinstance(replicas, Items) and not replicas.items:
        line = table.line_of("readReplicas")
        yield say(REPLICAS, line, f"{what}: an empty readReplicas destroys those that exist", "leave the key out")
    elif isinstance(replicas, Items) and len(replicas.items) > 5:
        line = table.line_of("readReplicas")
        yield say(REPLICAS, line, f"{what}: {len(replicas.items)} readReplicas", "keep five at most")


def names_of(databases: Sequence[Database]) -> list[str]:
    """What fromDatabase may name: the databases and their read replicas."""
    return [name for one in databases for name in (one.name, *one.replicas) if name]
