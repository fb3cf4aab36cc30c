"""The survey of a project's folder: everything that a checklist needs to know of it, with where it stands."""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tminus.survey.blueprint import Blueprint, blueprint
from tminus.survey.database import Migrations, interpreter, migrations, sqlite_files
from tminus.survey.found import Found, files, shown, text_of

_ROUTE = re.compile(r"""(\w+)\.(?:route|get|add_url_rule)\(\s*["'](/[\w\-/.]*)["']""")
_EXPORTER = re.compile(r"\bPrometheusMetrics\(")  # of prometheus-flask-exporter, which serves /metrics
_HEALTH = re.compile(r"/(healthz?|health[-_]?check|ping|up|ready|livez|readyz|status)$")
_LOG = re.compile(
    r"""(?:FileHandler\(\s*(?:filename\s*=\s*)?|(?:error_?log|accesslog|filename)["']?\s*[:=]\s*)["']([^"'{}]+\.log)["']"""
)


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found in the folder ROOT. A tuple with several: the project does not say which one is meant."""

    root: Path
    sqlite: tuple[Found, ...]
    migrations: Migrations | None
    python: Found | None
    blueprint: Blueprint | None
    database_variable: Found | None
    health_paths: tuple[Found, ...]
    metrics_path: Found | None
    log_files: tuple[Found, ...]
    start: Found | None
    requirements: Found | None
    tests: Found | None
    remotes: tuple[Found, ...]
    branch: str


def survey(root: Path) -> Survey:
    """Look at the project in ROOT. Reads files, runs nothing, and never takes a value out of .env."""
    root = root.resolve()
    plan = blueprint(root)
    routes = tuple(_routes(root))
    remotes, branch = _git(root)
    health = tuple(r for r in routes if _HEALTH.search(r.value))
    if plan is not None and plan.health_path is not None:
        health = (plan.health_path,)
    return Survey(
        root=root,
        sqlite=sqlite_files(root),
        migrations=migrations(root),
        python=interpreter(root),
        blueprint=plan,
        database_variable=_database_variable(root, plan),
        health_paths=_unlike(health),
        metrics_path=next((r for r in routes if r.value == "/metrics"), None),
        log_files=_unlike(tuple(_logs(root))),
        start=_procfile(root) or (plan.start if plan else None),
        requirements=_requirements(root),
        tests=_tests(root),
        remotes=remotes,
        branch=branch,
    )


def _unlike(found: tuple[Found, ...]) -> tuple[Found, ...]:
    return tuple({one.value: one for one in reversed(found)}.values())[::-1]


def _lines(root: Path) -> Iterator[tuple[str, str]]:
    for path in files(root, ".py"):
        if "test" in shown(path, root):
            continue
        for number, line in enumerate(text_of(path).splitlines(), 1):
            yield f"{shown(path, root)} line {number}", line


def _routes(root: Path) -> Iterator[Found]:
    for where, line in _lines(root):
        for of, path in _ROUTE.findall(line):
            prefix = "" if of in ("app", "application") else f" (of {of!r}: is there a url_prefix before it?)"
            yield Found(path, where + prefix)
        if _EXPORTER.search(line):
            yield Found("/metrics", where)


def _logs(root: Path) -> Iterator[Found]:
    yield from (Found(match[1], where) for where, line in _lines(root) for match in _LOG.finditer(line))
    for folder in (root / "logs", root / "log"):
        if folder.is_dir():
            yield from (Found(shown(p, root), f"a file in {folder.name}/") for p in sorted(folder.glob("*.log")))


def _database_variable(root: Path, plan: Blueprint | None) -> Found | None:
    """That DATABASE_URL is set somewhere. Its value is a secret: only the name is looked for."""
    for name in (".env", ".env.example", ".flaskenv"):
        for number, line in enumerate(text_of(root / name).splitlines(), 1):
            if re.match(r"\s*(?:export\s+)?DATABASE_URL\s*=", line):
                return Found("DATABASE_URL", f"{name} line {number} (its value was not taken)")
    if plan is not None and "DATABASE_URL" in plan.variables:
        return Found("DATABASE_URL", "render.yaml: envVars")
    found = (Found("DATABASE_URL", where) for where, line in _lines(root) if "DATABASE_URL" in line)
    return next(found, None)


def _procfile(root: Path) -> Found | None:
    match = re.search(r"^web:\s*(.+)$", text_of(root / "Procfile"), re.MULTILINE)
    return Found(match[1].strip(), "Procfile: web") if match else None


def _requirements(root: Path) -> Found | None:
    names = ("requirements.txt", "pyproject.toml", "Pipfile", "setup.cfg")
    return next((Found(name, name) for name in names if (root / name).is_file()), None)


def _tests(root: Path) -> Found | None:
    for name in ("tests", "test"):
        if (root / name).is_dir():
            return Found(name, f"the folder {name}/")
    return None


def _git(root: Path) -> tuple[tuple[Found, ...], str]:
    """The remotes by name, without their URLs (which may hold a token), and the branch that is checked out."""
    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(re.sub(r"^\s+", "", text_of(root / ".git" / "config"), flags=re.MULTILINE))
    except configparser.Error:
        return (), ""
    names = [m[1] for section in parser.sections() if (m := re.fullmatch(r'remote "(.+)"', section))]
    head = re.fullmatch(r"ref: refs/heads/(\S+)", text_of(root / ".git" / "HEAD").strip())
    return tuple(Found(name, f".git/config: remote {name}") for name in sorted(names)), head[1] if head else ""
