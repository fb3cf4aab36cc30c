"""Sources from the tables of a checklist: `[metrics.http]`, `[metrics.postgres]` and so on.

A table's name says which source it is. A second one of a kind has a name of its own and says `source = "log"`;
its metrics then begin with that name: `[metrics.worker]` with `source = "log"` reports `worker.error_rate`.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from metrics.sources import Source
from metrics.sources.renamed import Renamed
from metrics.tables import ConfigError, Table

__all__ = ["KINDS", "ConfigError", "build_sources"]

# Each is a module of this name in metrics.sources with METRICS, KEYS and build(table). Loaded when asked for.
KINDS = (
    "http", "postgres", "rows", "pgbouncer", "pool", "prometheus", "sentry", "render", "log", "host", "locust",
)  # fmt: skip


def build_sources(tables: Mapping[str, Any], base: Path = Path()) -> tuple[Source, ...]:
    """The sources that TABLES (what stands under `metrics`) ask for, in their order; their paths are relative to
    BASE, the folder of the checklist. Raises ConfigError."""
    return tuple(_built(name, Table(f"metrics.{name}", table, base)) for name, table in tables.items())


def _built(name: str, table: Table) -> Source:
    kind = table.take("source", name)
    if kind not in KINDS:
        where = "source" if kind != name else ""
        raise ConfigError(f"{table.path}.{where}".rstrip("."), f"no such source; there are {', '.join(KINDS)}")
    source: Source = import_module(f"metrics.sources.{kind}").build(table)
    table.done()
    return source if kind == name else Renamed(source, name)


def promised(name: str, table: Mapping[str, Any]) -> frozenset[str]:
    """What the source of TABLE, called NAME, reports, as far as that can be told without its settings."""
    kind = table.get("source", name)
    if kind not in KINDS:
        return frozenset()
    queries = table.get("queries")
    own = [f"{kind}.{one}" for one in queries] if kind == "prometheus" and isinstance(queries, Mapping) else []
    names = [*import_module(f"metrics.sources.{kind}").METRICS, *own]
    return frozenset(names if kind == name else (f"{name}.{one.partition('.')[2]}" for one in names))
