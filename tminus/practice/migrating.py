"""A project's own migrations, run by its own interpreter in a copy of its code, against a database of ours."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from checks.alembic import revisions_in
from checks.contract import Completed, Context, Stopped
from state.clean import clean, shorten
from state.redact import Redactor
from tminus.survey import Survey
from transfer.errors import Cancelled, CouldNotLook
from transfer.postgres import connect

TIMEOUT = 15 * 60.0  # seconds for one command
_URL = re.compile(r"^(postgres|postgresql|mysql|mariadb|mssql|oracle|sqlite)(\+\w+)?://", re.IGNORECASE)
_LINES = 6  # of what a failed migration said


@dataclass(frozen=True, slots=True)
class Migrated:
    """How the schema came to be. PROBLEM: why the migrations do not make it, with HINT; "" when they do."""

    by: str
    revision: str
    seconds: float
    problem: str = ""
    hint: str = ""


class NoInterpreter(Exception):
    """The interpreter cannot run the migrations; the text says what is missing."""


class _Asked(threading.Event):
    """Set when the caller asks to stop."""

    def __init__(self, asked: Callable[[], bool]) -> None:
        super().__init__()
        self._asked = asked

    def is_set(self) -> bool:
        return self._asked()


def migrate(
    found: Survey,
    code: Path,
    python: str,
    url: str,
    *,
    said: Callable[[str], None],
    cancelled: Callable[[], bool],
) -> Migrated:
    """Run the migrations of the project FOUND in the copy CODE of it, against the empty database at URL.

    SAID is told each line that they print. Raises NoInterpreter, CouldNotLook, Cancelled.
    """
    plan = found.migrations
    if plan is None:
        raise CouldNotLook("no alembic.ini")
    folder = code / plan.folder.relative_to(found.root)
    for ini in code.rglob("alembic.ini"):
        _point(ini, url)
    base = [python, "-m", "alembic"] if plan.by == "alembic" else [python, "-m", "flask", "db"]
    # Not the deadline of the whole, but of one command: see `timeout`.
    ctx = Context(item="rehearsal", project=folder, artefacts=code, cancelled=_Asked(cancelled), on_log=said)

    shown = " ".join(("alembic" if plan.by == "alembic" else "flask db", "upgrade head"))
    try:
        done = ctx.run_sync([*base, "upgrade", "head"], env=_environment(url, found), timeout=TIMEOUT)
    except FileNotFoundError:
        raise NoInterpreter(f"no interpreter {python}: name the application's own with --python") from None
    except PermissionError as error:
        raise NoInterpreter(f"{python}: {error.strerror}") from None
    except TimeoutError as error:
        return Migrated(shown, "", TIMEOUT, str(error), "does a migration wait for something?")
    except Stopped:
        raise Cancelled("Stopped on request.") from None
    if missing := re.search(r"No module named '?(alembic|flask|flask_migrate)\b(?!\.)", done.stderr):
        raise NoInterpreter(f"{python} has no {missing[1]}: name the application's own interpreter with --python")
    if done.exit_code != 0:
        return failed(shown, done, Redactor.knowing([url]))
    with closing(connect(url)) as connection, connection.cursor() as cur:
        there = revisions_in(cur)
    if not there:
        problem = f"{shown} ended well, but the database has no revision"
        hint = "the application must take its database from DATABASE_URL: it may have migrated another one"
        return Migrated(shown, "", done.seconds, problem, hint)
    return Migrated(shown, ", ".join(there), done.seconds)


def failed(by: str, done: Completed, redact: Redactor) -> Migrated:
    """What PROBLEM and HINT are made of what the command printed."""
    lines = [line for line in (done.stdout + "\n" + done.stderr).splitlines() if line.strip()]
    errors = [line for line in lines if re.search(r"Error\b|FAILED|error:", line)]
    told = shorten(redact(clean(" | ".join((errors or lines or ["it said nothing"])[-_LINES:]))), 600)
    hint = "read the revision that it names for what only SQLite takes: PRAGMA, AUTOINCREMENT, integer booleans"
    if driver := re.search(r"No module named '(psycopg2?)'", done.stderr):
        # https://docs.sqlalchemy.org/en/21/changelog/migration_21.html
        package = "psycopg2-binary" if driver[1] == "psycopg2" else "psycopg[binary]"
        hint = (
            f"its interpreter has no {driver[1]}: add {package} to its requirements. For postgresql:// "
            "SQLAlchemy 2.1 takes psycopg (3), earlier ones psycopg2"
        )
    elif "Multiple head revisions" in done.stderr:
        hint = "one head is needed: alembic merge heads"
    return Migrated(by, "", done.seconds, f"it failed (exit code {done.exit_code}): {told}", hint)


def _environment(url: str, found: Survey) -> dict[str, str]:
    """What is put over ours: every variable that names a database names the one that is practised on."""
    databases = {name: url for name, value in os.environ.items() if _URL.match(value)}
    own = {"DATABASE_URL": url, "SQLALCHEMY_DATABASE_URI": url, "SQLALCHEMY_DATABASE_URL": url}
    start = re.search(r"\b([A-Za-z_][\w.]*):([A-Za-z_]\w*)", found.start.value) if found.start else None
    app = {"FLASK_APP": f"{start[1]}:{start[2]}"} if start and "FLASK_APP" not in os.environ else {}
    return {**databases, **own, **app, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}


def _point(ini: Path, url: str) -> None:
    """Let an alembic.ini that names a database name the one at URL: the file's own may be the one in use."""
    text = ini.read_text(encoding="utf-8", errors="replace")
    line = f"sqlalchemy.url = {url.replace('%', '%%')}"
    ini.write_text(re.sub(r"^\s*sqlalchemy\.url\s*=.*$", lambda _: line, text, flags=re.MULTILINE), encoding="utf-8")
