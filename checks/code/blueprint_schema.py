"""What Render takes in a Blueprint: every key with its type, which services take it, and what has replaced it.

Our own list, from Render's Blueprint YAML Reference (November 2026); Render's JSON Schema states no licence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["text", "whole number", "true or false", "list of text", "table", "list of tables", "text or number"]

REGIONS = ("oregon", "ohio", "virginia", "frankfurt", "singapore")
RUNTIMES = ("node", "python", "elixir", "go", "ruby", "rust", "docker", "image", "static")
TYPES = ("web", "pserv", "worker", "cron", "keyvalue", "redis")

SERVICE_PLANS = ("free", "starter", "standard", "pro", "pro plus", "pro max", "pro ultra")
_SIZES = {
    "basic": ("256mb", "1gb", "4gb"),
    "pro": ("4gb", "8gb", "16gb", "32gb", "64gb", "128gb", "192gb", "256gb", "384gb", "512gb"),
    "accelerated": (*("16gb", "32gb", "64gb", "128gb", "256gb", "384gb", "512gb", "768gb", "1024gb"),),
}
DATABASE_PLANS = ("free", *(f"{tier}-{size}" for tier, sizes in _SIZES.items() for size in sizes))
# The legacy plans of a database, and the present ones with the same memory.
LEGACY_DATABASE_PLANS: Mapping[str, str] = {
    "starter": "basic-256mb",
    "standard": "basic-1gb",
    "pro": "pro-4gb",
    "pro plus": "pro-8gb",
}

# What runs code of ours; a static site is a web service with the runtime "static".
_SERVERS = frozenset({"web", "pserv", "worker"})
_CODE = _SERVERS | {"cron"}
_BUILT = _CODE | {"static"}
_SITES = frozenset({"web", "static"})
_ALL = _BUILT | {"keyvalue"}


@dataclass(frozen=True, slots=True)
class Key:
    """One key: its kind, the SECTION that says what is in its table or tables, its CHOICES, the services that TAKE
    it, and for a deprecated one what to write INSTEAD. LEAST and MOST bound a number, both included."""

    kind: Kind = "text"
    section: str = ""
    choices: tuple[str, ...] = ()
    takes: frozenset[str] = _ALL
    required: bool = False
    instead: str = ""
    least: int | None = None
    most: int | None = None


def _table(section: str, takes: frozenset[str] = _ALL) -> Key:
    return Key("table", section, takes=takes)


def _tables(section: str, takes: frozenset[str] = _ALL) -> Key:
    return Key("list of tables", section, takes=takes)


_NAME = Key(required=True)
_SWITCH = ("enabled", "disabled")
_RESOURCES = {"services": _tables("service"), "databases": _tables("database"), "envVarGroups": _tables("group")}

# What fromService may ask of a service, by its type; the others have no address.
PROPERTIES: Mapping[str, tuple[str, ...]] = {
    "web": ("host", "port", "hostport"),
    "pserv": ("host", "port", "hostport"),
    "keyvalue": ("connectionString", "host", "port"),
    "redis": ("connectionString", "host", "port"),
}

# Sections by name; "service" and "database" are also judged by the rules of their own in blueprint_rules.py.
SECTIONS: Mapping[str, Mapping[str, Key]] = {
    "blueprint": {
        **_RESOURCES,
        "projects": _tables("project"),
        "ungrouped": _table("ungrouped"),
        "previews": _table("previews"),
        "previewsEnabled": Key("true or false", instead="previews: {generation: automatic}"),
        "previewsExpireAfterDays": Key("whole number", instead="previews: {expireAfterDays: …}"),
    },
    "ungrouped": _RESOURCES,
    "project": {"name": _NAME, "environments": Key("list of tables", "environment", required=True)},
    "environment": {
        "name": _NAME,
        **_RESOURCES,
        "networking": _table("networking"),
        "permissions": _table("permissions"),
    },
    "networking": {"isolation": Key(choices=_SWITCH)},
    "permissions": {"protection": Key(choices=_SWITCH)},
    "previews": {
        "generation": Key(choices=("off", "manual", "automatic")),
        "expireAfterDays": Key("whole number", least=1),
    },
    "group": {"name": _NAME, "envVars": _tables("group variable")},
    "group variable": {
        "key": _NAME,
        "value": Key("text or number"),
        "generateValue": Key("true or false"),
        "previewValue": Key("text or number"),
    },
    "service": {
        "name": _NAME,
        "type": Key(choices=TYPES, required=True),
        "runtime": Key(choices=RUNTIMES, takes=_BUILT),
        "env": Key(choices=RUNTIMES, takes=_BUILT, instead="runtime"),
        "plan": Key(),
        "previewPlan": Key(takes=_CODE | {"keyvalue"}),
        "region": Key(choices=REGIONS, takes=_CODE | {"keyvalue"}),
        "repo": Key(takes=_BUILT),
        "branch": Key(takes=_BUILT),
        "rootDir": Key(takes=_BUILT),
        "buildCommand": Key(takes=_BUILT),
        "preDeployCommand": Key(takes=_BUILT),
        "startCommand": Key(takes=_CODE),
        "healthCheckPath": Key(takes=frozenset({"web"})),
        "autoDeployTrigger": Key(choices=("commit", "checksPass", "off"), takes=_BUILT),
        "autoDeploy": Key("true or false", takes=_BUILT, instead='autoDeployTrigger: commit, checksPass or "off"'),
        "numInstances": Key("whole number", takes=_SERVERS, least=0),
        "scaling": _table("scaling", _SERVERS),
        "disk": _table("disk", _SERVERS),
        "domain": Key(takes=_SITES, instead="domains"),
        "domains": Key("list of text", takes=_SITES),
        "renderSubdomainPolicy": Key(choices=_SWITCH, takes=_SITES),
        "ipAllowList": _tables("address", _SITES | {"keyvalue"}),
        "maintenanceMode": _table("maintenance", frozenset({"web"})),
        "maxShutdownDelaySeconds": Key("whole number", takes=_SERVERS, least=1, most=300),
        "initialDeployHook": Key(takes=_BUILT),
        "buildFilter": _table("filter", _BUILT),
        "envVars": _tables("variable", _BUILT),
        "previews": _table("service previews", _BUILT),
        "pullRequestPreviewsEnabled": Key("true or false", takes=_BUILT, instead="previews: {generation: automatic}"),
        "dockerCommand": Key(takes=_CODE),
        "dockerfilePath": Key(takes=_CODE),
        "dockerContext": Key(takes=_CODE),
        "registryCredential": _table("credential", _CODE),
        "image": _table("image", _CODE),
        "schedule": Key(takes=frozenset({"cron"})),
        "staticPublishPath": Key(takes=frozenset({"static"})),
        "headers": _tables("header", frozenset({"static"})),
        "routes": _tables("route", frozenset({"static"})),
        "maxmemoryPolicy": Key(
            choices=(
                "allkeys-lru",
                "volatile-lru",
                "allkeys-random",
                "volatile-random",
                "volatile-ttl",
                "noeviction",
            ),
            takes=frozenset({"keyvalue"}),
        ),
    },
    "scaling": {
        "minInstances": Key("whole number", required=True, least=1),
        "maxInstances": Key("whole number", required=True, least=1),
        "targetCPUPercent": Key("whole number", least=1, most=90),
        "targetMemoryPercent": Key("whole number", least=1, most=90),
    },
    "disk": {"name": _NAME, "mountPath": _NAME, "sizeGB": Key("whole number", least=1)},
    "address": {"source": _NAME, "description": Key()},
    "maintenance": {"enabled": Key("true or false"), "uri": Key()},
    "filter": {"paths": Key("list of text"), "ignoredPaths": Key("list of text")},
    "service previews": {
        "generation": Key(choices=("off", "manual", "automatic")),
        "plan": Key(),
        "numInstances": Key("whole number", least=1),
    },
    "credential": {"fromRegistryCreds": _table("named")},
    "image": {"url": _NAME, "creds": _table("credential")},
    "named": {"name": _NAME},
    "header": {"path": _NAME, "name": _NAME, "value": _NAME},
    "route": {"type": Key(choices=("redirect", "rewrite"), required=True), "source": _NAME, "destination": _NAME},
    "variable": {
        "key": Key(),
        "value": Key("text or number"),
        "previewValue": Key("text or number"),
        "generateValue": Key("true or false"),
        "sync": Key("true or false"),
        "fromDatabase": _table("from database"),
        "fromService": _table("from service"),
        "fromGroup": Key(),
    },
    "from database": {
        "name": _NAME,
        "property": Key(
            choices=("connectionString", "connectionPoolString", "host", "port", "user", "password", "database"),
            required=True,
        ),
    },
    "from service": {
        "name": _NAME,
        "type": Key(choices=TYPES, required=True),
        "property": Key(choices=("host", "port", "hostport", "connectionString")),
        "envVarKey": Key(),  # one of the two; see PROPERTIES
    },
    "database": {
        "name": _NAME,
        "plan": Key(),
        "previewPlan": Key(),
        "diskSizeGB": Key("whole number", least=1),
        "previewDiskSizeGB": Key("whole number", least=1),
        "storageAutoscalingEnabled": Key("true or false"),
        "region": Key(choices=REGIONS),
        "ipAllowList": _tables("address"),
        "connectionPool": Key(choices=("pgbouncer", "none")),
        "postgresMajorVersion": Key(),
        "databaseName": Key(),
        "user": Key(),
        "readReplicas": _tables("named"),
        "highAvailability": _table("availability"),
    },
    "availability": {"enabled": Key("true or false", required=True)},
}
