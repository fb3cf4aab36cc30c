"""What the survey answers of each target that the shipped checklist has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tminus.survey.found import Found, shown
from tminus.survey.project import Survey


@dataclass(frozen=True, slots=True)
class Answer:
    """The VALUE of a target and WHERE it was found. None: it was not, WHERE says why, and FALLBACK stands there."""

    value: Any | None
    where: str = ""
    fallback: Any | None = None


# What targets mean, where the shipped checklist says nothing of them, or says it of its own.
MEANINGS = {
    "sqlite": "the database that is left",
    "staging_database_url": "the PostgreSQL of the staging service",
    "base_url": "where people reach the application",
    "staging_url": "where the staging service is reached",
    "test_command": "the application's test suite, as one would type it",
    "outbox": "the folder where the application leaves its mail, for the journey of the password reset",
    "staging_outbox": "the same of the staging service",
    "restart_command": "how the application is restarted, for the journey that proves that sessions survive it",
    "staging_restart_command": "the same of the staging service",
    "log_files": "the log that is read for errors, beside this file",
    "staging_log_files": "the same of the staging service",
}

# Targets whose shipped value is as good as any: the person may change it, and need not.
OWN = {
    "backups": "made when it is needed; not in git",
    "journeys": "written beside this file",
}


def answers(found: Survey) -> dict[str, Answer]:
    """The answers by target. A target that is not among them is one that the survey knows nothing of."""
    plan = found.blueprint
    web = plan.web if plan else ()
    live, staging = _live(web), [one for one in web if "staging" in one.value]
    python = found.python
    tests = found.tests
    interpreter = python.value if python else "python3"
    return {
        "sqlite": _named(found.sqlite, "no SQLite file was found"),
        "database_url": Answer("${env:DATABASE_URL}", found.database_variable.where)
        if found.database_variable
        else Answer(None, "DATABASE_URL is named nowhere in the project"),
        "base_url": Answer(f"https://{plan.domain.value}", plan.domain.where)
        if plan and plan.domain
        else Answer(None, "no domain in render.yaml; without one it is on Render's page of the service"),
        "staging_url": Answer(None, "no staging service is described"),
        "render_service": _named(live, "no web service in render.yaml"),
        "render_staging": _named(staging, 'no web service with "staging" in its name in render.yaml'),
        "render_database": _named(_live(plan.databases if plan else ()), "no database in render.yaml"),
        **_push(found),
        "app_dir": _app_dir(found),
        "python": Answer(python.value, python.where)
        if python
        else Answer(None, "no .venv, venv or env here", "python3"),
        "test_command": Answer([interpreter, "-m", "pytest", "-q", tests.value], tests.where)
        if tests
        else Answer(None, "no folder tests/", [interpreter, "-m", "pytest", "-q"]),
        "restart_command": _restart(live),
        "staging_restart_command": _restart(staging),
        "log_files": Answer([one.value for one in found.log_files], "; ".join(one.where for one in found.log_files))
        if found.log_files
        else Answer(None, "no log file is named in the code, and none lies in logs/"),
    }


def pushed_to(found: Survey) -> tuple[Found, str] | None:
    """The remote and the branch that a push deploys: the remote called render, or the only one."""
    remotes = [one for one in found.remotes if one.value == "render"] or list(found.remotes)
    return (remotes[0], found.branch) if len(remotes) == 1 and found.branch else None


def _push(found: Survey) -> dict[str, Answer]:
    if (push := pushed_to(found)) is None:
        seen = ", ".join(one.value for one in found.remotes) or "no remote"
        return {
            "git_remote": Answer(None, f"in .git/config: {seen}", "render"),
            "git_branch": Answer(None, "the branch that is deployed", "main"),
        }
    return {
        "git_remote": Answer(push[0].value, push[0].where),
        "git_branch": Answer(push[1], ".git/HEAD"),
    }


def _live(found: Sequence[Found]) -> list[Found]:
    return [one for one in found if "staging" not in one.value]


def _named(found: Sequence[Found], none: str) -> Answer:
    if len(found) == 1:
        return Answer(found[0].value, found[0].where)
    several = "; ".join(f"{one.value}: {one.where}" for one in found)
    return Answer(None, f"several: {several}" if several else none)


def _app_dir(found: Survey) -> Answer:
    if found.migrations is None:
        return Answer(None, "no alembic.ini was found", ".")
    return Answer(shown(found.migrations.folder, found.root), found.migrations.where)


def _restart(services: list[Found]) -> Answer:
    if len(services) != 1:
        names = ", ".join(one.value for one in services)
        return Answer(None, f"several services: {names}" if names else "no such service in render.yaml")
    return Answer(["render", "restart", services[0].value, "--confirm"], services[0].where)
