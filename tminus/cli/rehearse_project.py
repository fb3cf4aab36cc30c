"""`tminus rehearse --project`: the migration of somebody's own project, with nothing of it touched."""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import click

from rehearsal.postgres import Postgres, PostgresError, running_postgres
from tminus.cli.common import COULD_NOT_LOOK, DOES_NOT_HOLD, HOLDS, UNUSABLE, end
from tminus.cli.db.lines import rule_lines, size
from tminus.cli.db.options import rules_of
from tminus.cli.db.work import Answer, Lines, carry_out
from tminus.cli.project_report import report_lines, report_page
from tminus.practice.migrating import NoInterpreter
from tminus.survey import Survey, survey
from transfer.audit import Audit
from transfer.progress import Progress

ROOM, TIMES = 300 * 2**20, 5  # bytes of an empty PostgreSQL, and how often the file is held: copies, tables, indexes


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for. "" and None: found in the project."""

    project: Path
    sqlite: Path | None
    python: str
    rules: Path | None
    into: Path
    as_json: bool


def rehearse_project(asked: Asked) -> NoReturn:
    """Rehearse, print what came out, write the page of it, exit. 2 when it cannot begin."""
    if not asked.project.is_dir():
        end(UNUSABLE, f"no folder {asked.project}")
    found = survey(asked.project)
    sqlite, python = _sqlite(asked, found), _python(asked, found)
    rules = asked.rules or _own_rules(found.root)
    told = rules_of(rules)
    click.echo(f"the file     {sqlite}, which is only read", err=True)
    way = f"{found.migrations.where}, run by {python} in a copy of the code" if found.migrations else ""
    click.echo(f"the tables   {way or 'made from the schema in SQLite: there is no alembic.ini'}", err=True)
    if rules is not None:
        click.echo(f"the rules    {rules}", err=True)
    _has_room(sqlite)
    click.echo("starting a PostgreSQL that is thrown away afterwards", err=True)
    try:
        with running_postgres(fsync=False) as postgres, tempfile.TemporaryDirectory(prefix="tminus-rehearsal-") as at:

            def work(on: Lines) -> Answer:
                return _rehearsed(asked, found, sqlite, python, told, postgres, Path(at), on)

            secrets = [postgres.url, postgres.url.split(":")[2].split("@")[0]]
            carry_out("rehearsal", work, as_json=asked.as_json, secrets=secrets, stopping="stopping")
    except PostgresError as error:
        end(UNUSABLE, str(error))


def _rehearsed(
    asked: Asked, found: Survey, sqlite: Path, python: str, told: object, postgres: Postgres, at: Path, on: Lines
) -> Answer:
    from checks.rules import Told
    from tminus.practice.migration import rehearse

    assert isinstance(told, Told)
    try:
        done = rehearse(
            found,
            sqlite,
            python,
            postgres.url,
            at,
            told=told,
            suggest=_suggested,
            progress=on.progress,
            said=lambda line: on.progress(Progress(f"migrations: {line[:60]}", None, 0, 0, "")),
            cancelled=on.cancelled,
        )
    except NoInterpreter as error:
        return Answer(UNUSABLE, [str(error)], {"problem": str(error)})
    code = HOLDS if done.equal else DOES_NOT_HOLD if done.tables else COULD_NOT_LOOK
    now = datetime.now(UTC)
    asked.into.mkdir(parents=True, exist_ok=True)
    page = asked.into / f"{now:%Y%m%dT%H%M%SZ}-{found.root.name}.md"
    page.write_text(report_page(done, now), encoding="utf-8")
    return Answer(code, [*report_lines(done), "", f"written to {page}"], done)


def _suggested(audit: Audit) -> list[str]:
    return rule_lines(f.rule for f in audit.findings if f.rule and not f.settled and f.severity == "blocks")


def _sqlite(asked: Asked, found: Survey) -> Path:
    if asked.sqlite is not None:
        if not asked.sqlite.is_file():
            end(UNUSABLE, f"no file {asked.sqlite}")
        return asked.sqlite.resolve()
    if len(found.sqlite) == 1:
        return found.root / found.sqlite[0].value
    if not found.sqlite:
        end(UNUSABLE, f"no SQLite file was found in {asked.project}: name it with --sqlite FILE")
    listed = "\n".join(f"  {one.value:<28} {one.where}" for one in found.sqlite)
    return end(UNUSABLE, f"several SQLite files: name the one that is meant with --sqlite FILE\n{listed}")


def _python(asked: Asked, found: Survey) -> str:
    """The interpreter as an absolute path; a virtual environment's link is kept as it is."""
    if asked.python:
        path = shutil.which(asked.python)
        if path is None:
            end(UNUSABLE, f"no interpreter {asked.python}")
        return str(Path(path).absolute())
    if found.python is not None:
        return str(found.root / found.python.value)
    if found.migrations is not None:
        note = "no .venv, venv or env in the project: its migrations are run by tminus's own interpreter (--python)"
        click.echo(note, err=True)
    return sys.executable


def _has_room(sqlite: Path) -> None:
    """Ends with 2 when the copies and the database would not fit where temporary files go."""
    folder = Path(tempfile.gettempdir())
    needed, free = ROOM + TIMES * sqlite.stat().st_size, shutil.disk_usage(folder).free
    if free < needed:
        end(UNUSABLE, f"{folder} has {size(free)} free, and {size(needed)} are needed: set TMPDIR to a larger place")


def _own_rules(root: Path) -> Path | None:
    """The project's checklist, if it says anything of the data."""
    checklist = root / "checklist.toml"
    text = checklist.read_text(encoding="utf-8", errors="replace") if checklist.is_file() else ""
    return checklist if any(line.strip().startswith("[transfer") for line in text.splitlines()) else None
