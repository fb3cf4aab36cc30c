"""Migrations, run by the app's own interpreter in the app's own folder: by Alembic, or by Flask-Migrate around it.

Exit codes (Alembic 1.20): 0 done, 255 failed; `flask db` (Flask-Migrate 4.1): 0 done, 1 failed.
"""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path

from checks.backups import transfer_errors
from checks.contract import Completed, Context, Plan, check
from checks.processes import shown_argv
from checks.whereabouts import where
from state.durations import format_duration
from state.verdicts import Outcome
from transfer.errors import CouldNotLook
from transfer.postgres import Cursor, describe_url, look, speaking_of

_REVISION = re.compile(r"^([A-Za-z0-9_\-]+)((?: \([a-z ]+\))*)$")


def interpreter(ctx: Context, python: str) -> str:
    """PYTHON as a name in PATH, or as a path below the project."""
    return str(ctx.project / Path(python).expanduser()) if "/" in python or python.startswith("~") else python


def by_flask(ini: Path) -> bool:
    """Whether the env.py beside INI, an alembic.ini, asks Flask for the application: only `flask db` can run it."""
    try:
        return "current_app" in ini.with_name("env.py").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False


def program(app: Path) -> tuple[str, ...]:
    """What runs the migrations of APP, as words after the interpreter.

    Flask-Migrate keeps its alembic.ini in migrations/, beside an env.py that needs the application.
    """
    flask = not (app / "alembic.ini").is_file() and by_flask(app / "migrations" / "alembic.ini")
    return ("-m", "flask", "db") if flask else ("-m", "alembic")


def heads_of(ctx: Context, app: Path, python: str, database_url: str) -> list[str]:
    """The heads of the migrations in APP. Raises CouldNotLook."""
    done = _run(ctx, app, python, database_url, "heads")
    if done.exit_code != 0:
        raise CouldNotLook(f"alembic heads failed (exit code {done.exit_code}): {last_words(done)}")
    return [match[1] for line in done.stdout.splitlines() if (match := _REVISION.match(line.strip()))]


def revisions_in(cur: Cursor) -> list[str]:
    """What the database itself says, whichever URL env.py may have used; empty without a revision."""
    cur.execute("SELECT to_regclass('alembic_version') IS NOT NULL")
    if cur.fetchone() != (True,):
        return []
    cur.execute("SELECT version_num FROM alembic_version ORDER BY 1")
    return [str(row[0]) for row in cur.fetchall()]


def _revisions(database_url: str) -> list[str]:
    connection = look(database_url, application_name="tminus check", statement_timeout=10)
    with closing(connection), speaking_of(database_url, connection), connection.cursor() as cur:
        return revisions_in(cur)


def _run(ctx: Context, app: Path, python: str, database_url: str, *words: str) -> Completed:
    words = (*program(app), *words)
    if "alembic" in words and not (app / "alembic.ini").is_file():
        raise CouldNotLook(f"no alembic.ini in {app}")
    argv = [interpreter(ctx, python), *words]
    try:
        return ctx.run_sync(argv, cwd=app, env={"DATABASE_URL": database_url})
    except FileNotFoundError:
        raise CouldNotLook(f"no interpreter {argv[0]!r}: name the app's own, as in .venv/bin/python") from None
    except PermissionError as error:
        raise CouldNotLook(f"{argv[0]}: {error.strerror}") from None


def last_words(done: Completed) -> str:
    """The line of a failed program that says why."""
    lines = [line.strip() for line in (done.stdout + "\n" + done.stderr).splitlines() if line.strip()]
    failed = [line for line in lines if "FAILED" in line or "Error" in line]
    return (failed or lines or ["it said nothing"])[-1]


def _plan_upgrade(ctx: Context, *, app: Path, database_url: str, python: str) -> Plan:
    argv = [interpreter(ctx, python), *program(app), "upgrade", "head"]
    target = describe_url(database_url)
    lines = (shown_argv(argv), *where(ctx, app), f"with DATABASE_URL = {target}")
    return Plan(lines, "reversible", target)


@check("alembic.upgrade", effect="change", timeout="15m", plan=_plan_upgrade)
@transfer_errors
def upgrade(ctx: Context, *, app: Path, database_url: str, python: str = "python") -> Outcome:
    """Runs `alembic upgrade head` in the folder APP with the interpreter PYTHON; the revision must be the head after.

    DATABASE_URL goes by the environment. Where Flask-Migrate keeps the migrations it is `flask db upgrade head`.
    """
    heads = heads_of(ctx, app, python, database_url)
    if len(heads) != 1:
        hint = "merge them: alembic merge heads"
        return Outcome.failed(f"{len(heads)} heads: {', '.join(heads) or 'none'}", expected="one head", hint=hint)
    before = _revisions(database_url)
    done = _run(ctx, app, python, database_url, "upgrade", "head")
    evidence: dict[str, object] = {
        "target": describe_url(database_url),
        "before": ", ".join(before) or "none",
        "head": heads[0],
        "exit_code": done.exit_code,
        "seconds": round(done.seconds, 2),
    }
    expected = f"revision {heads[0]}"
    if done.exit_code != 0:
        hint = "PostgreSQL took the migration back as a whole; mend the revision that the log names, run it again"
        return Outcome.failed(
            f"alembic upgrade failed: {last_words(done)}", expected=expected, evidence=evidence, hint=hint
        )
    after = _revisions(database_url)
    evidence["after"] = ", ".join(after) or "none"
    actual = f"{evidence['before']} → {evidence['after']} in {format_duration(done.seconds)}"
    if after != heads:
        hint = "does env.py take its URL from DATABASE_URL? It may have migrated another database"
        return Outcome.failed(actual, expected=expected, evidence=evidence, hint=hint)
    return Outcome.passed(actual, expected=expected, evidence=evidence)
