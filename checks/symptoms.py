"""What a database, a history of metrics and a machine say of themselves, for those who investigate."""

from __future__ import annotations

import csv
import importlib.metadata
import io
import json
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil

from checks.literals import without_literals
from metrics.history import Recording
from transfer.postgres import describe_url, look, speaking_of

_QUERY = 4096  # characters of a statement
_ROWS = 2000
VIEWS = {
    "activity": "SELECT pid, datname, usename, application_name, client_addr::text, backend_type, state,"
    " wait_event_type, wait_event, backend_start, xact_start, query_start, state_change,"
    " pg_blocking_pids(pid)::text AS blocked_by, query FROM pg_stat_activity ORDER BY xact_start NULLS LAST",
    "database": "SELECT * FROM pg_stat_database",
    "locks": "SELECT locktype, datname, relation::regclass::text, mode, granted, fastpath, pid, virtualtransaction"
    " FROM pg_locks LEFT JOIN pg_database d ON d.oid = database ORDER BY granted, pid",
    "tables": "SELECT * FROM pg_stat_user_tables ORDER BY n_live_tup DESC",
    "settings": "SELECT name, setting, unit, source, pending_restart FROM pg_settings ORDER BY name",
}
# Settings that are command lines or connection strings: whoever wrote a password wrote it there.
_TELLING = ("conninfo", "command", "passphrase", "ldap")


def postgres_views(database_url: str) -> Iterator[tuple[str, str | Exception]]:
    """(view, CSV, or why it cannot be had) of the server. Raises CouldNotLook when there is none."""
    connection = look(database_url, application_name="tminus diagnostics", statement_timeout=10)
    with closing(connection), connection.cursor() as cur:
        for view, query in VIEWS.items():
            try:
                with speaking_of(database_url, connection):
                    cur.execute("SAVEPOINT one")
                    try:
                        cur.execute(query)
                        names = [str(column[0]) for column in cur.description or ()]
                        rows = cur.fetchmany(_ROWS)
                    finally:
                        cur.execute("ROLLBACK TO SAVEPOINT one")
            except Exception as error:  # one view that is not allowed hides no other
                yield view, error
                continue
            yield view, _csv(names, [_without_values(dict(zip(names, row, strict=True))) for row in rows])
        yield "server", f"{describe_url(database_url)}\n"


def _without_values(row: dict[str, Any]) -> dict[str, Any]:
    if isinstance(query := row.get("query"), str):
        row["query"] = without_literals(query[:_QUERY])
    if any(word in str(row.get("name", "")) for word in _TELLING) and row.get("setting"):
        row["setting"] = "•••"
    return row


def _csv(names: list[str], rows: list[dict[str, Any]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def metric_summary(path: Path, over: float) -> str:
    """Every metric of the history at PATH over the last OVER seconds that it holds, as JSON. Raises HistoryError."""
    found: dict[str, Any] = {}
    with Recording(path) as recording:
        known = recording.metrics()
        for name, one in known.items():
            since = max(one.first, one.last - timedelta(seconds=over))
            seen = recording.merged(name, since, one.last)
            found[name] = {
                "unit": one.unit,
                "from": since.isoformat(),
                "to": one.last.isoformat(),
                "looks": seen.looks,
                "seen": seen.seen,
                "low": seen.low,
                "high": seen.high,
                "last": seen.last,
                "ratio": seen.ratio,
                "volume": seen.volume,
                **({f"p{p}": seen.latency.percentile(p) for p in (50, 95, 99)} if seen.latency else {}),
            }
    return json.dumps(found, indent=2)


def packages() -> str:
    """The interpreter and every package beside it, with their versions."""
    found = {f"{d.metadata['Name']}=={d.version}" for d in importlib.metadata.distributions()}
    return "\n".join([f"python {sys.version.split()[0]}", *sorted(found, key=str.lower), ""])


def host_facts(folder: Path) -> str:
    """The machine: system, processors, load, memory, disks, as JSON."""
    memory, swap, disk = psutil.virtual_memory(), psutil.swap_memory(), psutil.disk_usage(str(folder))
    facts = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "system": platform.platform(),
        "processors": os.cpu_count(),
        "load": os.getloadavg(),
        "memory": {"total": memory.total, "available": memory.available, "percent": memory.percent},
        "swap": {"total": swap.total, "percent": swap.percent},
        "disk": {"total": disk.total, "free": disk.free, "percent": disk.percent},
        "booted": datetime.fromtimestamp(psutil.boot_time(), UTC).isoformat(timespec="seconds"),
        "processes": len(psutil.pids()),
    }
    return json.dumps(facts, indent=2)
