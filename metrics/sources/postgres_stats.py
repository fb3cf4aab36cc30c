"""What one look at PostgreSQL's statistics says: sessions and limits as they are, counters as differences. Pure,
but for the two functions that ask.

Sessions are counted by `datname is not null`: to a role without pg_monitor, state and backend_type of other roles'
sessions are NULL, and counting by them would silently undercount (PostgreSQL docs, pg_stat_activity; tried on 14
to 18).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from metrics.samples import divide
from state.clean import clean, shorten

_NO_LIMIT = -1
_SESSIONS = """
with mine as (
  select rolconnlimit from pg_roles where rolname = current_user
), here as (select datconnlimit from pg_database where datname = current_database()),
sessions as (
  -- Workers of the server's own stand in no application's way; where they are hidden they have no user either.
  select * from pg_stat_activity
   where datname is not null and usesysid is not null and coalesce(backend_type, 'client backend') = 'client backend'
)
select current_setting('max_connections')::int,
       current_setting('superuser_reserved_connections')::int,
       coalesce(nullif(current_setting('reserved_connections', true), ''), '0')::int,
       mine.rolconnlimit, here.datconnlimit,
       count(pid),
       count(*) filter (where usename = current_user),
       count(*) filter (where sessions.datname = current_database()),
       count(*) filter (where state = 'active'),
       count(*) filter (where state = 'idle'),
       count(*) filter (where state = 'idle in transaction'),
       count(*) filter (where state = 'idle in transaction (aborted)'),
       count(*) filter (where pid is not null and state is null),
       coalesce(max(extract(epoch from clock_timestamp() - xact_start))
         filter (where pid <> pg_backend_pid()), 0)::float8,
       coalesce(max(extract(epoch from clock_timestamp() - state_change))
         filter (where state like 'idle in transaction%'), 0)::float8,
       (select count(distinct pid) from pg_locks where not granted)
  from mine, here left join sessions on true
 group by 1, 2, 3, 4, 5
"""
_APPLICATIONS = """
select coalesce(nullif(application_name, ''), '(no name)'), count(*)
  from pg_stat_activity where datname is not null and usesysid is not null group by 1 order by 2 desc, 1 limit 5
"""
_COUNTERS = """
select xact_commit, xact_rollback, deadlocks, temp_bytes, blks_hit, blks_read, stats_reset
  from pg_stat_database where datname = current_database()
"""


@dataclass(frozen=True, slots=True)
class Sessions:
    """One look at pg_stat_activity and at the limits; the counts are sessions of all databases, LONGEST and
    LONGEST_IDLE seconds of a transaction of another session."""

    max_connections: int
    superuser_reserved: int
    reserved: int
    role_limit: int
    database_limit: int
    total: int
    of_role: int
    of_database: int
    active: int
    idle: int
    idle_in_transaction: int
    aborted: int
    hidden: int
    longest: float
    longest_idle: float
    blocked: int

    @property
    def knows_states(self) -> bool:
        """Whether no session hides its state from this role. Seen, not asked: a member of pg_monitor that does not
        inherit sees none."""
        return self.hidden == 0

    def tightest(self) -> tuple[str, int, int]:
        """The limit nearest to being reached: (whose, connections counted, connections allowed)."""
        server = self.max_connections - self.superuser_reserved - self.reserved
        limits = [("server", self.total, server)]
        if self.role_limit != _NO_LIMIT:
            limits.append(("role", self.of_role, self.role_limit))
        if self.database_limit != _NO_LIMIT:
            limits.append(("database", self.of_database, self.database_limit))
        return min(limits, key=lambda limit: limit[2] - limit[1])


@dataclass(frozen=True, slots=True)
class Counters:
    """The cumulative counters of this database, at AT seconds of the clock."""

    at: float
    commits: int
    rollbacks: int
    deadlocks: int
    temp_bytes: int
    hits: int
    reads: int
    reset: datetime | None


@dataclass(frozen=True, slots=True)
class Grown:
    """How the counters grew between two looks, SECONDS apart."""

    seconds: float
    commits: int
    rollbacks: int
    deadlocks: int
    temp_bytes: int
    hits: int
    reads: int

    @property
    def cache_hit(self) -> float | None:
        """Blocks found in memory / blocks wanted."""
        return divide(self.hits, self.hits + self.reads)


def grown(before: Counters | None, after: Counters, ours: int) -> Grown | None:
    """The difference, without OURS, the commits that were our own looks. None for a first look, and when the counters
    were reset or fell: then a difference means nothing."""
    if before is None or before.reset != after.reset or after.at <= before.at:
        return None
    names = ("commits", "rollbacks", "deadlocks", "temp_bytes", "hits", "reads")
    by = {name: getattr(after, name) - getattr(before, name) for name in names}
    if any(value < 0 for value in by.values()):
        return None
    return Grown(after.at - before.at, **(by | {"commits": max(by["commits"] - ours, 0)}))


def ask_sessions(cursor: Any) -> tuple[Sessions, Mapping[str, float | str]]:
    """The sessions, and how many of them each of the five largest applications has."""
    cursor.execute(_SESSIONS)
    seen = Sessions(*cursor.fetchone())
    cursor.execute(_APPLICATIONS)
    return seen, {f"app {shorten(clean(name), 30)}": count for name, count in cursor.fetchall()}


def ask_counters(cursor: Any, at: float) -> Counters:
    """The counters as they are."""
    cursor.execute(_COUNTERS)
    return Counters(at, *cursor.fetchone())
