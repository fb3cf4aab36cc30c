"""Whether PostgreSQL is there as the app needs it, and whether its tables are those that are expected."""

from __future__ import annotations

import re
import statistics
import time
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

from checks.alembic import heads_of, revisions_in
from checks.backups import backup_of, transfer_errors
from checks.contract import Context, check
from checks.driver import driver_of
from checks.render.connection import compared
from checks.render.reach import render_errors
from metrics.sources.render import API
from state.verdicts import Outcome
from transfer.errors import CouldNotLook
from transfer.opening import reading
from transfer.postgres import Cursor, describe_url, look, parameters, speaking_of

_UNREACHABLE = re.compile(r"could not translate host name|timeout expired|timed out|No route to host|unreachable")
_DRIVERS = {"postgresql": "psycopg2 (psycopg from SQLAlchemy 2.1 on)", "postgresql+psycopg2": "psycopg2"}
_PINGS = 5
_LOOPBACK = ("127.", "localhost", "::1", "/")
# The statements that the evidence shows are the very ones that are run.
_VERSION = "SELECT current_setting('server_version')"
_COLUMNS = (
    "SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
    " WHERE c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped"
    " AND c.relnamespace = current_schema()::regnamespace"
)
# A foreign key is two triggers of the server's own: where a load has disabled them, it is believed and not enforced.
_INVALID = (
    "SELECT indexrelid::regclass::text FROM pg_index WHERE NOT indisvalid OR NOT indisready"
    " UNION ALL SELECT conrelid::regclass::text || '.' || conname FROM pg_constraint WHERE NOT convalidated"
    " UNION ALL SELECT DISTINCT k.conrelid::regclass::text || '.' || k.conname || ' (its triggers are disabled)'"
    " FROM pg_trigger t JOIN pg_constraint k ON k.oid = t.tgconstraint WHERE t.tgisinternal AND t.tgenabled = 'D'"
)


@check("postgres.connect", timeout="60s", fresh_for="10m")
@render_errors
@transfer_errors
def connects(
    ctx: Context,
    *,
    database_url: str,
    host: str | None = None,
    database: str | None = None,
    min_version: int = 13,
    timezone: str = "UTC",
    tls: Literal["auto", "require", "ignore"] = "auto",
    python: str | None = None,
    scheme: str | None = None,
    render_database: str | None = None,
    token: str | None = None,
    api_url: str = API,
) -> Outcome:
    """DATABASE_URL connects, names the expected HOST and DATABASE, and the server fits: version, UTF8, TLS, rights.

    TLS "auto" asks for it on hosts with a domain; TIMEZONE is what the role's sessions start with. PYTHON is the
    application's interpreter: the driver that the URL's scheme needs must be installed there (SCHEME: what the
    application makes of it, as in "postgresql+psycopg2"). RENDER_DATABASE (id or name; TOKEN is a Render API key):
    DATABASE_URL must name one of the addresses that the API tells of it.
    """
    named = parameters(database_url)
    where = describe_url(database_url)
    written = database_url.partition("://")[0].lower()
    scheme = scheme or written
    told = compared(ctx, database_url, render_database, token, api_url) if render_database is not None else None
    if told is not None and not told.kind:
        what = f"DATABASE_URL leads to {where}, and {told.name} is at {told.told}"
        hint = "copy the connection string from the dashboard again"
        return Outcome.failed(what, expected=f"the address of {told.name}", hint=hint)
    driver, unloadable = _DRIVERS.get(scheme, scheme.partition("+")[2] or "none"), ""
    if python is not None:
        driver, unloadable = driver_of(ctx, python, scheme)
    started = time.perf_counter()
    try:
        connection = look(database_url, application_name="tminus check", statement_timeout=10)
    except CouldNotLook as blind:
        if _UNREACHABLE.search(str(blind)):
            raise
        hint = "see the host, the role and the password in DATABASE_URL, and that the server is up"
        return Outcome.failed(str(blind), expected="connects", hint=hint)
    connected_ms = (time.perf_counter() - started) * 1000
    with closing(connection), speaking_of(database_url, connection), connection.cursor() as cur:
        seen = _server(cur)
        pings = []
        for _ in range(_PINGS):
            began = time.perf_counter()
            _one(cur, "SELECT 1")
            pings.append((time.perf_counter() - began) * 1000)
    remote = "." in named.get("host", "") and not named.get("host", "").startswith(_LOOPBACK)
    evidence: dict[str, object] = seen | {
        "at": where,
        "query": _VERSION,
        "connect_ms": round(connected_ms, 1),
        "latency_ms": round(statistics.median(pings), 2),
        "driver": driver,
    }
    wrong = _mismatches(seen, named, host, database, min_version)
    doubts = []
    if told is not None:
        evidence["render"] = f"{told.kind} address of {told.name}"
        if "pool" in told.kind:
            doubts.append("it leads to the pooler: migrations need the direct address")
    if unloadable:
        wrong.append(f"the application has no driver for {scheme}:// ({unloadable})")
    if not seen["tls"] and tls == "require":
        wrong.append("the connection is not encrypted")
    elif not seen["tls"] and tls == "auto" and remote:
        doubts.append("the connection is not encrypted")
    if seen["timezone"] not in {timezone, f"Etc/{timezone}"}:
        doubts.append(f"time zone {seen['timezone']}, not {timezone}")
    if written == "postgres" and scheme == written:
        doubts.append("SQLAlchemy knows no scheme postgres://: the app must rewrite it to postgresql+psycopg2://")
    actual = f"PostgreSQL {seen['version']} at {where}, {evidence['latency_ms']} ms"
    expected = "connects to a server that fits"
    if wrong:
        hint = "correct DATABASE_URL, the role's rights (GRANT CREATE ON SCHEMA public), or the driver"
        return Outcome.failed(f"{actual}: {'; '.join(wrong)}", expected=expected, evidence=evidence, hint=hint)
    if doubts:
        hint = "decide whether that may stay"
        return Outcome.warned(f"{actual}: {'; '.join(doubts)}", expected=expected, evidence=evidence, hint=hint)
    return Outcome.passed(actual, expected=expected, evidence=evidence)


def _server(cur: Cursor) -> dict[str, Any]:
    # reset_val is what a session of this role starts with, whatever this one has set since.
    zone = _one(cur, "SELECT reset_val FROM pg_settings WHERE name = 'TimeZone'")
    may = _one(cur, "SELECT coalesce(has_schema_privilege(current_schema(), 'CREATE'), false)")
    return {
        "version": _one(cur, _VERSION),
        "version_num": _one(cur, "SELECT current_setting('server_version_num')::int"),
        "encoding": _one(cur, "SELECT current_setting('server_encoding')"),
        "timezone": zone,
        "tls": _one(cur, "SELECT coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false)"),
        "database": _one(cur, "SELECT current_database()"),
        "role": _one(cur, "SELECT current_user::text"),
        "may_create": may,
    }


def _mismatches(
    seen: dict[str, Any], named: dict[str, str], host: str | None, database: str | None, min_version: int
) -> list[str]:
    wrong = []
    if host is not None and named.get("host", "") != host:
        wrong.append(f"host {named.get('host', 'none')}, not {host}")
    if database is not None and seen["database"] != database:
        wrong.append(f"database {seen['database']}, not {database}")
    if seen["version_num"] < min_version * 10000:
        wrong.append(f"version {seen['version']} is older than {min_version}")
    if seen["encoding"] != "UTF8":
        wrong.append(f"encoding {seen['encoding']}, not UTF8")
    if not seen["may_create"]:
        wrong.append(f"role {seen['role']} may not create tables")
    return wrong


@check("postgres.tables", timeout="60s", fresh_for="10m")
@transfer_errors
def tables(
    ctx: Context,
    *,
    database_url: str,
    sqlite: str | None = None,
    app: Path | None = None,
    python: str = "python",
    head: str | None = None,
) -> Outcome:
    """Every table and column of the SQLITE file (a file or a backup's item id) exists, and the revision is the head.

    The head is HEAD, or what Alembic says in the folder APP; no index and no constraint may be invalid, and no
    foreign key disabled.
    """
    if sqlite is None and app is None and head is None:
        return Outcome.unknown("nothing to compare with", hint="give sqlite = …, and app = … or head = …")
    wanted = sqlite_columns(backup_of(ctx, sqlite)) if sqlite is not None else {}
    if sqlite is not None and not wanted:
        return Outcome.unknown("the SQLite file holds no table", hint="is it the right file?")
    if app is not None and head is None:
        heads = heads_of(ctx, app, python, database_url)
        if len(heads) != 1:
            hint = "merge the heads: alembic merge heads"
            return Outcome.failed(f"{len(heads)} heads: {', '.join(heads) or 'none'}", expected="one head", hint=hint)
        head = heads[0]
    connection = look(database_url, application_name="tminus check", statement_timeout=20)
    with closing(connection), speaking_of(database_url, connection), connection.cursor() as cur:
        there = postgres_columns(cur)
        revisions = revisions_in(cur)
        cur.execute(_INVALID)
        invalid = [str(row[0]) for row in cur.fetchall()]
    missing = missing_columns(wanted, there)
    evidence: dict[str, object] = {
        "at": describe_url(database_url),
        "query": _COLUMNS,
        "tables": len(there),
        "tables_expected": len(wanted),
        "columns_expected": sum(map(len, wanted.values())),
        "revision": ", ".join(revisions) or "none",
        "head": head or "not looked at",
    }
    wrong = [f"missing: {', '.join(missing[:8])}" + (f" and {len(missing) - 8} more" if missing[8:] else "")]
    wrong = wrong if missing else []
    if head is not None and revisions != [head]:
        wrong.append(f"revision {', '.join(revisions) or 'none'}, not {head}")
    if invalid:
        wrong.append(f"invalid: {', '.join(invalid[:8])}")
    if not there:
        wrong.append("the database holds no table")
    expected = f"{len(wanted) or 'the'} tables with all their columns, revision {head or '(not looked at)'}"
    if wrong:
        hint = "run alembic.upgrade; what is still missing is missing in the migrations"
        return Outcome.failed("; ".join(wrong), expected=expected, evidence=evidence, hint=hint)
    actual = f"{len(there)} tables, nothing missing, revision {evidence['revision']}"
    return Outcome.passed(actual, expected=expected, evidence=evidence)


def sqlite_columns(path: Path) -> dict[str, list[str]]:
    """Tables and their columns in a SQLite file. Raises CouldNotLook."""
    if not path.is_file():
        raise CouldNotLook(f"no file {path}")
    with reading(path) as con:
        found = con.execute(
            "SELECT m.name, c.name FROM sqlite_master m, pragma_table_xinfo(m.name) c"
            " WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY m.name, c.cid"
        ).fetchall()
    columns: dict[str, list[str]] = {}
    for table, column in found:
        columns.setdefault(table, []).append(column)
    return columns


def postgres_columns(cur: Cursor) -> dict[str, set[str]]:
    """The same of the current schema of PostgreSQL, in lower case."""
    cur.execute(_COLUMNS)
    columns: dict[str, set[str]] = {}
    for table, column in cur.fetchall():
        columns.setdefault(table.casefold(), set()).add(column.casefold())
    return columns


def missing_columns(wanted: dict[str, list[str]], there: dict[str, set[str]]) -> list[str]:
    """What of WANTED is not THERE: "table", or "table.column"."""
    found = []
    for table, columns in wanted.items():
        if table.casefold() not in there:
            found.append(table)
            continue
        found += [f"{table}.{c}" for c in columns if c.casefold() not in there[table.casefold()]]
    return found


def _one(cur: Cursor, query: str) -> Any:
    cur.execute(query)
    row = cur.fetchone()
    assert row is not None
    return row[0]
