"""Whether the server's sessions are healthy, and whether the app still holds the SQLite file."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from checks.backups import transfer_errors
from checks.contract import Context, Seconds, check
from checks.postgres_asking import CLIENTS, GRANT, asking
from metrics.live import STALE_INTERVALS
from metrics.sources.postgres_stats import Sessions, ask_sessions
from state.clean import clean, shorten
from state.durations import format_duration
from state.verdicts import Outcome
from transfer.postgres import Cursor, describe_url
from transfer.replacing import open_by

_SHOWN = 6
# pg_locks.waitstart is there since PostgreSQL 14; before, the wait is as old as its statement at most.
_SESSIONS = f"""
SELECT a.pid, coalesce(a.usename::text, '(gone)'), coalesce(nullif(a.application_name, ''), '(no name)'), a.state,
       extract(epoch FROM clock_timestamp() - a.xact_start)::float8,
       extract(epoch FROM clock_timestamp() - a.state_change)::float8,
       CASE WHEN w.pid IS NULL THEN '{{}}' ELSE pg_blocking_pids(a.pid) END,
       coalesce(extract(epoch FROM clock_timestamp() - coalesce(w.since, a.query_start)), 0)::float8
  FROM pg_stat_activity a
  LEFT JOIN (SELECT pid, min((to_jsonb(l) ->> 'waitstart')::timestamptz) AS since
               FROM pg_locks l WHERE NOT granted GROUP BY pid) w ON w.pid = a.pid
 WHERE {CLIENTS} AND a.datname = current_database() AND a.pid <> pg_backend_pid()
 ORDER BY a.xact_start NULLS LAST, a.pid
"""  # noqa: S608
# A transaction that was prepared and never ended belongs to no session, and holds its locks over a restart.
_PREPARED = """
SELECT gid, extract(epoch FROM clock_timestamp() - prepared)::float8
  FROM pg_prepared_xacts WHERE database = current_database() ORDER BY prepared
"""
_MEANING = {None: "hidden", "disabled": "not tracked"}


@dataclass(frozen=True, slots=True)
class Session:
    """A client's session in this database, as pg_stat_activity has it; ages in seconds.

    To a role without pg_monitor another role's STATE and ages are None: nobody knows how that session is.
    """

    pid: int
    role: str
    application: str
    state: str | None
    transaction: float | None
    in_state: float | None
    blocked_by: tuple[int, ...]
    blocked_for: float

    @property
    def known(self) -> bool:
        """Whether its state can be seen (and is tracked at all)."""
        return self.state not in _MEANING

    def __str__(self) -> str:
        return f"pid {self.pid} ({shorten(clean(self.application), 40)}, role {self.role})"


@dataclass(frozen=True, slots=True)
class Limits:
    """What is too long (seconds), and too much of the usable connections (a share)."""

    idle_in_transaction: float
    transaction: float
    blocked: float
    usage: float


@check("postgres.connections", timeout="30s", fresh_for="5m")
@transfer_errors
def connections(
    ctx: Context,
    *,
    database_url: str,
    idle_in_transaction: Seconds = Seconds(60.0),  # noqa: B008 (immutable)
    transaction: Seconds = Seconds(300.0),  # noqa: B008
    blocked: Seconds = Seconds(1.0),  # noqa: B008
    usage: float = 0.8,
    sqlite: Path | None = None,
) -> Outcome:
    """No session idles in a transaction, waits for another's lock or is in a transaction for too long.

    The server's connections stay below the share USAGE of what is usable, and no process of this machine but our own
    has the file SQLITE (or its -wal, -shm) open. Sessions of this database are judged. A role without pg_monitor does
    not see the state of other roles' sessions: then it is unknown.
    """
    limits = Limits(idle_in_transaction, transaction, blocked, usage)
    with asking(database_url) as cur:
        server, _ = ask_sessions(cur)
        sessions = _sessions(cur)
        cur.execute(_PREPARED)
        prepared = [(str(gid), float(age)) for gid, age in cur.fetchall()]
    wrong = [*_full(server, limits), *troubles(sessions, limits), *_left_prepared(prepared, limits), *_refused(ctx)]
    doubts = _hidden(sessions)
    evidence = _evidence(database_url, server, sessions)
    held: list[str] = []
    if sqlite is not None:
        held, unseen = _held(sqlite)
        wrong += held
        doubts += unseen
        evidence["sqlite"] = "; ".join([*held, *(one.what for one in unseen)]) or f"{sqlite.name}: open nowhere here"
    evidence |= {f"trouble {n}": one for n, one in enumerate(wrong[:_SHOWN], 1)}
    expected = (
        f"no session idle in transaction over {format_duration(idle_in_transaction)}, none blocked, no transaction"
        f" over {format_duration(transaction)}, under {usage:.0%} of the connections in use"
    )
    if wrong:
        more = f" and {len(wrong) - _SHOWN} more" if wrong[_SHOWN:] else ""
        hint = "find out what it does there; SELECT pg_terminate_backend(pid) ends a session"
        if held:
            mend = "what has the SQLite file open writes there still: restart it with DATABASE_URL"
            hint = mend if held == wrong else f"{mend}; {hint}"
        return Outcome.failed("; ".join(wrong[:_SHOWN]) + more, expected=expected, evidence=evidence, hint=hint)
    if doubts:
        what, hint = "; ".join(one.what for one in doubts), "; ".join(one.hint for one in doubts)
        return Outcome.unknown(what, hint=hint, evidence=evidence)
    states = Counter(session.state for session in sessions)
    told = ", ".join(f"{count} {state}" for state, count in states.most_common()) or "no other session"
    _, used, usable = server.tightest()
    return Outcome.passed(f"{told}; {used} of {usable} connections", expected=expected, evidence=evidence)


def troubles(sessions: Sequence[Session], limits: Limits) -> list[str]:
    """What is wrong with SESSIONS, in words, the blocked ones first. A session is named for one thing only."""
    by_pid = {session.pid: session for session in sessions}
    blocked, idle, long = [], [], []
    for one in sessions:
        if one.blocked_by and one.blocked_for >= limits.blocked:
            who = ", ".join(_named(pid, by_pid) for pid in one.blocked_by[:3])
            blocked.append(f"{one} waits {_age(one.blocked_for)} for {who}")
        elif (one.state or "").startswith("idle in transaction") and (
            one.in_state or 0
        ) >= limits.idle_in_transaction:
            idle.append(f"{one} {one.state} for {_age(one.in_state)}")
        elif one.transaction is not None and one.transaction >= limits.transaction:
            long.append(f"{one} in a transaction for {_age(one.transaction)}")
    return [*blocked, *idle, *long]


def _named(pid: int, by_pid: Mapping[int, Session]) -> str:
    if pid == 0:
        return "a prepared transaction"
    blocker = by_pid.get(pid)
    return f"pid {pid}" if blocker is None else f"{blocker}, {blocker.state or 'whose state is hidden'}"


def _age(seconds: float | None) -> str:
    return format_duration(round(seconds or 0.0))


def _sessions(cur: Cursor) -> tuple[Session, ...]:
    cur.execute(_SESSIONS)
    return tuple(
        Session(pid, role, application, state, transaction, in_state, tuple(by), waited)
        for pid, role, application, state, transaction, in_state, by, waited in cur.fetchall()
    )


def _full(server: Sessions, limits: Limits) -> list[str]:
    limit, used, usable = server.tightest()
    if usable > 0 and used / usable < limits.usage:
        return []
    return [f"{used} of {usable} connections in use ({limit}'s limit)"]


def _left_prepared(prepared: Sequence[tuple[str, float]], limits: Limits) -> list[str]:
    return [
        f"the prepared transaction {shorten(clean(gid), 40)} has been open for {_age(age)}"
        for gid, age in prepared
        if age >= limits.transaction
    ]


def _refused(ctx: Context) -> list[str]:
    """What the run's own tries to connect say, where there are any."""
    metric, live = "pg.connect_failures", ctx.live
    newest = live.newest(metric) if live is not None else None
    if live is None or newest is None or not newest.value:
        return []
    if (live.age(metric) or 0.0) > STALE_INTERVALS * live.interval(metric):
        return []  # of then; that we are connected is of now
    return [f"{newest.value:.0%} of the new connections were refused"]


@dataclass(frozen=True, slots=True)
class Doubt:
    """What could not be seen, and what would show it."""

    what: str
    hint: str


def _hidden(sessions: Sequence[Session]) -> list[Doubt]:
    doubts = []
    if hidden := [one for one in sessions if one.state is None]:
        roles = ", ".join(sorted({one.role for one in hidden})[:4])
        doubts.append(Doubt(f"{len(hidden)} sessions of other roles hide their state ({roles})", GRANT))
    if untracked := [one for one in sessions if one.state == "disabled"]:
        doubts.append(Doubt(f"{len(untracked)} sessions are not tracked", "SET track_activities = on"))
    return doubts


def _held(sqlite: Path) -> tuple[list[str], list[Doubt]]:
    """Who has the file open, and what could not be seen of that."""
    if gone := _deleted(sqlite):
        return [f"{sqlite.name} was deleted or replaced, and is still open in {', '.join(gone[:4])}"], []
    if not sqlite.exists():
        mend = "name it as it is called now, or leave sqlite out"
        return [], [Doubt(f"no file {sqlite.name} on this machine", mend)]
    users, unseen = open_by(sqlite, os.getpid())
    held = [f"{sqlite.name} is open in {', '.join(users[:4])}"] if users else []
    if not unseen:
        return held, []
    what = f"{unseen} processes that may have {sqlite.name} open cannot be looked into"
    return held, [Doubt(what, "run tminus as the app's user, or as root")]


def _deleted(sqlite: Path) -> list[str]:
    """Who has a file open that was called SQLITE and has no name any more: what is written there is lost."""
    gone, holders = f"{sqlite.resolve()} (deleted)", []
    for process in psutil.process_iter(["name"]):
        with suppress(OSError):
            if any(str(link.readlink()) == gone for link in Path(f"/proc/{process.pid}/fd").iterdir()):
                holders.append(f"{process.info['name']} (pid {process.pid})")
    return holders


def _evidence(database_url: str, server: Sessions, sessions: Sequence[Session]) -> dict[str, object]:
    limit, used, usable = server.tightest()
    states = Counter(_MEANING.get(one.state, one.state) for one in sessions)
    evidence: dict[str, object] = {"at": describe_url(database_url), "connections": used, "usable": usable}
    evidence |= {"limit": limit, "usage": round(used / usable, 3) if usable > 0 else "none is usable"}
    evidence |= {f"state {state}": count for state, count in states.most_common()}
    evidence["blocked"] = sum(bool(one.blocked_by) for one in sessions)
    ages = [one.transaction for one in sessions if one.transaction is not None]
    evidence["longest_transaction_s"] = round(max(ages, default=0.0), 1)
    applications = Counter(shorten(clean(one.application), 40) for one in sessions)
    return evidence | {f"app {name}": count for name, count in applications.most_common(_SHOWN)}
