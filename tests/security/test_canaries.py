"""A flight with a secret in every place where one may be: not one is found in anything that was written or said."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import tempfile
from base64 import b64encode
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
import psycopg2
import pytest
import tomli_w
from canaries import MARK, PASSWORD, SECRETS, Processes, database_url, songs, unpacked
from hostile import on_a_terminal
from hostile_run import environment

from rehearsal.postgres import Postgres
from tminus.client import (
    AddNote,
    Client,
    EngineGone,
    MarkItem,
    RaiseHold,
    Refused,
    RunCheck,
    ShowPlan,
    StopEngine,
    TakeLease,
)
from tminus.launch import start_engine, wait_until_ended
from tminus.places import Place, place_of

PLUGIN = f'''
import os, sys, urllib.parse, json, logging
from tminus import Outcome, check

KEPT = {list(SECRETS)!r}

@check("ours.tells", effect="read", timeout="20s")
async def tells(ctx, *, secret: str):
    """Tells all that it was given, in every way."""
    for form in (secret, urllib.parse.quote(secret), json.dumps(secret), repr(secret), secret.encode()):
        ctx.log(f"the secret is {{form}}")
        ctx.progress(1, 2, "rows", str(form))
        print("printed", form)
        logging.getLogger("ours").error("logged %s", form)
    sys.stderr.write(secret + "\\n")
    cut = ("x" * 1990 + secret)
    return Outcome.failed(secret, expected=json.dumps(secret), hint=repr(secret), evidence={{secret: secret, "cut": cut}})

@check("ours.crashes", effect="read", timeout="20s")
def crashes(ctx, *, secret: str):
    """Crashes with what it was given."""
    raise RuntimeError(f"cannot connect with {{secret}}") from ValueError(repr({{"password": secret}}))

@check("ours.gives", effect="read", timeout="20s", process=True)
def gives(ctx, *, secret: str):
    """Crashes with it in a process of its own."""
    sys.stderr.write(secret + "\\n")
    raise RuntimeError(f"cannot connect with {{secret}}")
'''
PRINTS = (
    "import os, json, base64, urllib.parse, html, shlex; s = os.environ['GIVEN']; "
    "print(s, json.dumps(s), repr(s), urllib.parse.quote(s, safe=''), html.escape(s), shlex.quote(s)); "
    "print('Authorization: Basic', base64.b64encode(('me:' + s).encode()).decode()); "
    "print(base64.b64encode(s.encode()).decode()); raise SystemExit(s)"
)


def checklist(web: int) -> dict:
    """An item for every door that a secret goes through."""
    site, names = f"http://127.0.0.1:{web}/echo", [*SECRETS]
    reads = {
        "connects": ("postgres.connect", {"database_url": "${database}"}),
        "wrong": ("postgres.connect", {"database_url": "${wrong_url}"}),
        "malformed": ("postgres.connect", {"database_url": "${malformed_url}"}),
        "compares": ("transfer.compare", {"backup": "app.db", "database_url": "${database}"}),
        "journey": ("http.journey", {"base_url": site, "file": "j.toml", "name": "j", "vars": {"password": "${journey_password}"}}),
        "deploys": ("deploy.follow", {"service": "srv-1", "token": "${render_api_key}", "commit": "a" * 40, "api_url": site}),
        "health": ("http.health", {"url": "${site_url}"}),
        "pushes": ("git.push", {"remote": "origin", "branch": "main"}),
    }  # fmt: skip
    for name in names:
        low = name.lower()
        reads[f"tells-{low.replace('_', '-')}"] = ("ours.tells", {"secret": f"${{{low}}}"})
    for name in ("JOURNEY_PASSWORD", "OAUTH_SECRET"):
        low = name.lower()
        reads[f"crashes-{low.replace('_', '-')}"] = ("ours.crashes", {"secret": f"${{{low}}}"})
        reads[f"gives-{low.replace('_', '-')}"] = ("ours.gives", {"secret": f"${{{low}}}"})
        argv = {"argv": ["python", "-c", PRINTS], "env": {"GIVEN": f"${{{low}}}"}}
        reads[f"prints-{low.replace('_', '-')}"] = ("command.probe", argv)
    s3 = {"access_key_id": "${aws_access_key_id}", "secret_access_key": "${aws_secret_access_key}", "endpoint": site}
    reads |= {
        "stores": ("backup.store", {"backup": "app.db", "to": "s3://kept/x", "options": {**s3, "region": "x"}}),
        "notifies": ("notify.team", {"text": "hello", "to": ["${smtp_url}"], "within": "2s"}),
        "bundles": ("diagnostics.bundle", {"logs": ["app.log"], "database_url": "${database}"}),
    }
    items = [{"id": key, "text": key, "check": name, "with": given} for key, (name, given) in reads.items()]
    targets = {name.lower(): f"${{env:{name}}}" for name in names} | {
        "database": "${env:DATABASE_URL}",
        "site_url": "${env:SITE_URL}",
    }
    metrics = {
        "prom": {
            "source": "prometheus", "url": site, "token": "${prometheus_token}",
            "queries": {"x": {"query": "up", "unit": "count"}}, "interval": "1s",
        },
        "sentry": {
            "source": "sentry", "url": site, "token": "${sentry_auth_token}", "organization": "us", "project": 1,
            "interval": "1s",
        },
        "postgres": {"source": "postgres", "url": "${wrong_url}", "interval": "1s"},
    }  # fmt: skip
    return {
        "schema": 1,
        "title": "Canaries",
        "plugins": ["ours.py"],
        "targets": targets,
        "metrics": metrics,
        "phase": [{"id": "one", "title": "One", "step": [{"title": "s", "item": items}]}],
    }


@dataclass
class Sung:
    """What there is to look through after the flight: the folders, and all that was said on the way."""

    folders: tuple[Path, ...]
    inputs: frozenset[str]
    said: dict[str, bytes]
    processes: Processes
    verdicts: dict[str, str]


@pytest.fixture(scope="module")
def sung(server: Postgres, evil: tuple[int, list[dict[str, str]]]) -> Iterator[Sung]:
    with closing(psycopg2.connect(server.superuser_url)) as conn:
        conn.autocommit = True
        conn.cursor().execute("CREATE ROLE canary LOGIN PASSWORD %s IN ROLE app", (PASSWORD,))
    url = database_url(server.url)
    with tempfile.TemporaryDirectory(prefix="tm-") as base, Processes() as processes:
        project, runtime, temporary = (Path(base, name) for name in ("project", "run", "tmp"))
        for folder in (project, runtime, temporary):
            folder.mkdir()
        inputs = written(project, evil[0])
        environ = {
            **{key: os.environ[key] for key in ("PATH", "PYTHONPATH")},
            **SECRETS,
            "DATABASE_URL": url,
            "SITE_URL": f"http://me:{MARK}-site@127.0.0.1:{evil[0]}/echo",
            "XDG_RUNTIME_DIR": str(runtime),
            "XDG_STATE_HOME": str(runtime),
            "HOME": str(project),
            "TMPDIR": str(temporary),
        }
        with environment({"XDG_RUNTIME_DIR": str(runtime)}):
            place = place_of(project / "checklist.toml")
        pid = start_engine(project / "checklist.toml", place, environ=environ)
        said: dict[str, bytes] = {}
        try:
            verdicts = asyncio.run(flown(place, said))
            for argv in (
                ["status"],
                ["status", "--json"],
                ["check", "wrong", "tells-oauth-secret"],
                ["code"],
                ["init", "--dry-run"],
                ["db", "compare", "--sqlite", "app.db", "--postgres-env", "MALFORMED_URL"],
            ):
                said[" ".join(argv)] = on_a_terminal(argv, project, environ)[1]
            asyncio.run(stopped(place))
            wait_until_ended(place)
        except BaseException:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            raise
        yield Sung((project, runtime, temporary), inputs, said, processes, verdicts)


def written(project: Path, web: int) -> frozenset[str]:
    """The project, and the names of the files in which its secrets stand by right."""
    (project / "checklist.toml").write_text(tomli_w.dumps(checklist(web)))
    (project / "ours.py").write_text(PLUGIN)
    form = 'form = { password = "${password}" }, headers = { X-Token = "${password}" }'
    step = (
        f'{{ name = "log in", method = "POST", path = "/echo", {form}, capture = {{ token = "value=.([^\\"]+)" }} }}'
    )
    (project / "j.toml").write_text(f"[journey.j]\nstep = [ {step} ]\n")
    (project / ".env").write_text("".join(f"{key}='{value}'\n" for key, value in SECRETS.items()))
    (project / "config.py").write_text(
        f"SECRET_KEY = '{MARK}-app-settings'\nSQLALCHEMY_DATABASE_URI = 'sqlite:///app.db'\n"
    )
    (project / "app.log").write_text("".join(f"2026-11-23 ERROR {key}={value}\n" for key, value in SECRETS.items()))
    with closing(sqlite3.connect(project / "app.db")) as con:
        con.execute("CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT)")
        con.commit()
    git = ["git", "-c", "user.name=anna", "-c", "user.email=a@example.org"]
    for words in (["init", "-q", "-b", "main"], ["add", "checklist.toml"], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *words], cwd=project, check=True)
    with (project / ".git" / "config").open("a") as config:
        config.write(f'[remote "origin"]\nurl = http://me:{MARK}%2Fgit@127.0.0.1:{web}/git/repository.git\n')
    return frozenset({".env", "config.py", "app.log", "config"})


async def flown(place: Place, said: dict[str, bytes]) -> dict[str, str]:
    """Run every check, changes too, and listen to all that the engine says. The verdicts."""
    async with asyncio.timeout(60), Client(place.socket, name="anna", watch=True) as client:
        heard = asyncio.create_task(listening(client, said))
        await client.ask(TakeLease())
        faces = [face for phase in client.view.phases for face in phase.items]
        for face in faces:
            go = ""
            with suppress(Refused):
                if face.effect == "change":
                    plan = (await client.ask(ShowPlan(item=face.id))).data
                    said[f"plan of {face.id}"] = msgspec.json.encode(plan)
                    go = plan["digest"]
                await client.ask(RunCheck(item=face.id, go=go))
        async for view in client.updates():
            if not any(one.status == "running" for one in view.items.values()):
                break
        await client.ask(AddNote(text=f"I used DATABASE_URL={database_url('x://a@b/c')}"))
        await client.ask(RaiseHold(reason=f"it says password={MARK}-in-words to everybody"))
        with suppress(Refused):
            await client.ask(MarkItem(item="wrong", mark="failed", reason=f"the token: Bearer {MARK}-in-a-reason"))
        heard.cancel()
        said["connects"] = client.view.items["connects"].actual.encode()
        said["the last view"] = msgspec.json.encode(client.view)
        return {key: str(one.verdict) for key, one in client.view.items.items()}


async def listening(client: Client, said: dict[str, bytes]) -> None:
    with suppress(EngineGone):
        async for view in client.updates():
            said["the views"] = said.get("the views", b"") + msgspec.json.encode((view.output, view.progress))


async def stopped(place: Place) -> None:
    async with Client(place.socket, name="anna") as client:
        await client.ask(StopEngine())


def test_every_door_was_gone_through(sung: Sung) -> None:
    assert sung.verdicts["connects"] == "pass", sung.said["connects"]
    expected = {
        "tells": "fail",
        "crashes": "error",
        "prints": "fail",
        "gives": "error",
        "journey": "fail",
        "deploys": "error",
    }
    for name, verdict in sung.verdicts.items():
        kind = name.partition("-")[0]
        assert verdict == expected.get(kind, verdict) and verdict, (name, verdict)


def test_nothing_that_was_said_holds_a_secret(sung: Sung) -> None:
    assert not [name for name, raw in sung.said.items() if b"No such option" in raw]
    assert {name: found for name, raw in sung.said.items() if (found := songs(raw))} == {}


def test_no_file_holds_a_secret(sung: Sung) -> None:
    files = [path for folder in sung.folders for path in folder.rglob("*") if path.is_file()]
    mine = [path for path in files if path.name not in sung.inputs and "__pycache__" not in path.parts]
    kinds = {path.suffix for path in mine}
    assert {".toml", ".db", ".log", ".gz"} <= kinds, kinds
    plugin = {"ours.py", "j.toml", "checklist.toml"}
    assert {str(path): found for path in mine if path.name not in plugin and (found := songs(unpacked(path)))} == {}


def test_git_was_given_its_password_all_the_same(sung: Sung, evil: tuple[int, list[dict[str, str]]]) -> None:
    basic = "Basic " + b64encode(f"me:{MARK}/git".encode()).decode()
    assert basic in {one.get("Authorization") for one in evil[1]}


def test_no_argument_of_any_process_holds_a_secret(sung: Sung) -> None:
    assert any(b"checks.worker" in line for line in sung.processes.seen)
    assert any(b"git" in line for line in sung.processes.seen)
    assert sung.processes.heard == set()
