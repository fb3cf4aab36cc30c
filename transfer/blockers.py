"""Who holds the lock that was waited for in vain."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from psycopg2.extensions import cursor as Cursor

# Asked once the wait is over, when pg_blocking_pids() has forgotten it: whoever holds a lock on a table of the
# schema stands in the way of ACCESS EXCLUSIVE. What the role may not see of another's session is NULL.
_HOLDERS = """
SELECT l.pid, a.usename::text, coalesce(nullif(a.application_name, ''), a.backend_type), a.state,
       coalesce(a.query_start, a.backend_start), array_agg(DISTINCT c.relname::text)
FROM pg_locks l
JOIN pg_class c ON c.oid = l.relation
LEFT JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'relation' AND l.granted AND c.relkind IN ('r', 'p') AND l.pid IS DISTINCT FROM pg_backend_pid()
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND c.relnamespace = current_schema()::regnamespace
GROUP BY 1, 2, 3, 4, 5
ORDER BY 5, 1
LIMIT 5
"""


@dataclass(frozen=True, slots=True)
class Blocker:
    """A session that holds locks on TABLES; PID None is a prepared transaction. STATE as in pg_stat_activity."""

    pid: int | None
    role: str | None
    application: str | None
    state: str | None
    since: datetime | None
    tables: tuple[str, ...]


def holders(cur: Cursor) -> tuple[Blocker, ...]:
    """At most five, the one that has been at it longest first."""
    cur.execute(_HOLDERS)
    return tuple(
        Blocker(pid, role, application, state, since, tuple(tables))
        for pid, role, application, state, since, tables in cur.fetchall()
    )


def described(blocker: Blocker) -> str:
    b = blocker
    tables = ", ".join(b.tables[:3]) + (" and more" if b.tables[3:] else "")
    if b.pid is None:
        return f"a prepared transaction on {tables} (see pg_prepared_xacts)"
    parts = [b.application or "", f"role {b.role}" if b.role else "", b.state or "state not shown to this role"]
    if b.since is not None:
        parts.append(f"query started {b.since:%Y-%m-%d %H:%M:%S %Z}".rstrip())
    return f"pid {b.pid} ({', '.join(p for p in parts if p)}) on {tables}"
