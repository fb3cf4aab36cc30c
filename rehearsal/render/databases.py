"""Databases as the API has them: two of the stage's one PostgreSQL. Exports are real dumps."""

import shutil
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg2
from psycopg2.extras import RealDictCursor

from rehearsal.processes import alive, end, exit_code, spawn
from rehearsal.render.api import Answer, Asked, page
from rehearsal.render.book import Base, Export, new_id
from rehearsal.render.deploying import Steps
from rehearsal.render.platform import Platform, Refused
from rehearsal.render.services import owner_shape
from rehearsal.render.shelf import STAGING_DATABASE

VERSION = "18"


def base_shape(p: Platform, one: Base) -> dict[str, Any]:
    server = p.server()
    up = server is not None and alive(server.process)
    return {
        "id": one.id,
        "connectionPool": "none",
        "createdAt": one.created_at,
        "dashboardUrl": f"https://dashboard.render.com/d/{one.id}",
        "databaseName": one.database,
        "databaseUser": "app",
        "diskAutoscalingEnabled": False,
        "diskSizeGB": 15,
        "highAvailabilityEnabled": False,
        "ipAllowList": [],
        "name": one.name,
        "owner": owner_shape(p),
        "plan": "basic_1gb",
        "readReplicas": [],
        "region": "frankfurt",
        "role": "primary",
        "status": "available" if up else "unavailable",
        "suspended": "suspended" if p.postgres_suspended else "not_suspended",
        "suspenders": ["user"] if p.postgres_suspended else [],
        "updatedAt": one.created_at,
        "version": VERSION,
    }


def url_of(p: Platform, one: Base) -> str:
    return p.stage.staging_database_url if one.name == STAGING_DATABASE else p.stage.database_url


def _base(asked: Asked) -> Base:
    found = next((one for one in asked.platform.book.bases if one.id == asked.words[0]), None)
    if found is None:
        raise KeyError(asked.words[0])
    return found


def list_bases(asked: Asked) -> Answer:
    p, names = asked.platform, asked.params.get("name")
    found = [base_shape(p, one) for one in p.book.bases if not names or one.name in names]
    return page(asked, "postgres", [(one["id"], one) for one in found])


def get_base(asked: Asked) -> Answer:
    return 200, base_shape(asked.platform, _base(asked))


def connection_info(asked: Asked) -> Answer:
    url = url_of(asked.platform, _base(asked))
    parts = urlsplit(url)
    command = f"PGPASSWORD={parts.password} psql -h {parts.hostname} -p {parts.port} -U {parts.username} "
    return 200, {
        "password": parts.password,
        "internalConnectionString": url,
        "externalConnectionString": url,
        "psqlCommand": command + parts.path.lstrip("/"),
    }


def recovery(asked: Asked) -> Answer:
    return 200, {"recoveryStatus": "AVAILABLE", "startsAt": _base(asked).created_at}


def restart(asked: Asked) -> Answer:
    p, _ = asked.platform, _base(asked)

    def steps() -> Steps[None]:
        yield
        p.turn("off")
        yield
        p.turn("on")

    p.do(lambda: p.run(steps()))
    return 202, None


def suspend(asked: Asked) -> Answer:
    return _suspended(asked, True)


def resume(asked: Asked) -> Answer:
    return _suspended(asked, False)


def _suspended(asked: Asked, wanted: bool) -> Answer:
    p, _ = asked.platform, _base(asked)

    def change() -> None:
        p.postgres_suspended = wanted
        p.turn("off" if wanted else "on")

    p.do(change)
    return 202, None


# Exports


def export_path(p: Platform, ident: str) -> Path:
    return p.layout.folder / "exports" / f"{ident}.dir.tar.gz"


def export_file(p: Platform, name: str) -> Path | None:
    """The file of a finished export by the last part of its address."""
    known = {f"{one.id}.dir.tar.gz": one for one in p.book.exports if one.ready}
    return export_path(p, known[name].id) if name in known else None


def list_exports(asked: Asked) -> Answer:
    p, base = asked.platform, _base(asked)
    root = p.stage.render_api.removesuffix("/v1")
    return 200, [
        {"id": one.id, "createdAt": one.created_at}
        | ({"url": f"{root}/exports/{one.id}.dir.tar.gz"} if one.ready else {})
        for one in reversed(p.book.exports)
        if one.base == base.id
    ]


def create_export(asked: Asked) -> Answer:
    p, base = asked.platform, _base(asked)

    def begin() -> None:
        if any(not one.ready and one.base == base.id for one in p.book.exports):
            raise Refused("an export is in progress", 409)
        export = Export(new_id("exp"), base.id)
        with p.book.change():
            p.book.exports.append(export)
        p.run(_export(p, base, export))

    p.do(begin)
    return 202, None


def _export(p: Platform, base: Base, export: Export) -> Steps[None]:
    server, parts = p.server(), urlsplit(url_of(p, base))
    assert server is not None
    file = export_path(p, export.id)
    folder = file.with_suffix("").with_suffix("")
    file.parent.mkdir(mode=0o700, exist_ok=True)
    dump = [
        str(server.bin_dir / "pg_dump"), "-Fd", "-f", str(folder), "-h", "127.0.0.1", "-p", str(parts.port),
        "-U", str(parts.username), "-d", base.database,
    ]  # fmt: skip
    unfinished = file.with_suffix(".unfinished")
    pack = ["tar", "-czf", str(unfinished), "-C", str(folder.parent), folder.name]
    log = p.layout.logs / "exports.log"
    try:
        for argv in (dump, pack):
            note = p.layout.run_file(export.id)
            env = {"PATH": "/usr/bin:/bin", "PGPASSWORD": str(parts.password)}
            process = spawn("export", argv, log=log, env=env, run_file=note)
            try:
                while (code := exit_code(process)) is None:
                    yield
            finally:
                end(process, patience=1.0)
                note.unlink(missing_ok=True)
            if code != 0:
                raise RuntimeError(f"{argv[0]} ended with {code}")
        unfinished.rename(file)
        with p.book.change():
            export.ready = True
    except Exception as error:
        print(f"export failed: {error}", flush=True)
        with p.book.change():
            p.book.exports.remove(export)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        unfinished.unlink(missing_ok=True)


# What runs in it

PROCESSES = """
SELECT pid, usename AS username, datname AS "databaseName", application_name AS "applicationName",
       client_addr::text AS "clientAddr", state, query, query_start AS "queryStart", backend_start AS "backendStart",
       coalesce(extract(epoch FROM now() - query_start), 0)::float AS duration, wait_event AS "waitEvent",
       wait_event_type AS "waitEventType", leader_pid IS NULL AS "isLeader"
FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


def processes(asked: Asked) -> Answer:
    p, base = asked.platform, _base(asked)
    server = p.server()
    if server is None or not alive(server.process):
        raise Refused("the database is not available", 503)
    address = f"{server.superuser_url.rsplit('/', 1)[0]}/{base.database}"
    connection = psycopg2.connect(address, connect_timeout=5, cursor_factory=RealDictCursor)
    try:
        with connection.cursor() as cursor:
            cursor.execute(PROCESSES)
            rows = [dict(row) for row in cursor.fetchall()]
    finally:
        connection.close()
    for row in rows:
        for key in ("queryStart", "backendStart"):
            row[key] = row[key].isoformat() if row[key] else None
    return 200, {"processes": rows}


ROUTES = [
    ("GET", "/postgres", list_bases),
    ("GET", "/postgres/{id}", get_base),
    ("GET", "/postgres/{id}/connection-info", connection_info),
    ("GET", "/postgres/{id}/recovery", recovery),
    ("GET", "/postgres/{id}/export", list_exports),
    ("POST", "/postgres/{id}/export", create_export),
    ("POST", "/postgres/{id}/restart", restart),
    ("POST", "/postgres/{id}/suspend", suspend),
    ("POST", "/postgres/{id}/resume", resume),
    ("GET", "/postgres/{id}/query/processes", processes),
]
