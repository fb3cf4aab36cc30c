"""Whether the code is ready for PostgreSQL: its engines, and how many connections they may ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from checks.backups import transfer_errors
from checks.code.engine_facts import DEFAULTS, Engine, engines_of
from checks.code.engine_rules import engine_findings
from checks.code.finding import Finding, outcome_of, switched
from checks.code.requirements import required
from checks.code.sources import Project, read_project
from checks.code.sql_in_code import sql_findings
from checks.code.sqlite_use import sqlite_findings
from checks.code.surroundings import Surroundings, surroundings_of, workers_of
from checks.code.values import UNKNOWN
from checks.contract import Context, Stopped, check
from state.verdicts import Outcome
from transfer.errors import CouldNotLook
from transfer.postgres import look, speaking_of

OVERLAP = 2  # instances of the old and of the new deploy run side by side


def application_findings(
    project: Project,
    environment: Mapping[str, str],
    *,
    preload: bool = False,
    advance: Callable[[int], None] = lambda number: None,
) -> Iterator[Finding]:
    """Everything that is wrong in PROJECT's own code, its migrations apart. PRELOAD: gunicorn loads it before it
    forks; its configuration file is read in any case. ADVANCE hears the number of each file, and may raise."""
    yield from project.unread
    engines = engines_of(project, environment)
    yield from engine_findings(project, engines, required(project.root), preload=preload)
    for number, module in enumerate(project.modules):
        advance(number)
        yield from sqlite_findings(module)
        yield from sql_findings(module)


def preloads(root: Path, service: Surroundings) -> bool:
    """Whether gunicorn loads the application before it forks, as SERVICE, the Procfile or the Dockerfile says."""
    found: list[str] = []
    for name in ("Procfile", "render.yaml", "Dockerfile"):
        try:
            found += (root / name).read_text(errors="replace").splitlines()
        except OSError:
            continue
    asked = (line for line in found if "gunicorn" in line and not line.lstrip().startswith("#"))
    return service.preload or any("--preload" in line for line in asked)


def opened(project: Path, tests: bool = False) -> Project:
    """The project at PROJECT. Raises CouldNotLook when there is no such folder."""
    if not project.is_dir():
        raise CouldNotLook(f"no folder {project}")
    try:
        return read_project(project, tests=tests)
    except OSError as error:
        raise CouldNotLook(f"{project}: {error.strerror}") from None


@check("code.engine", timeout="2m", fresh_for="1d")
@transfer_errors
def engine(
    ctx: Context,
    *,
    project: Path = Path(),
    render_yaml: Path | None = None,
    environment: dict[str, str] | None = None,
    tests: bool = False,
    off: list[str] | None = None,
) -> Outcome:
    """Reads the Python files of PROJECT: every engine with its pool, retry, what still opens SQLite, and SQL that
    PostgreSQL would not take.

    Values are worked out in the environment that RENDER_YAML (the project's own) sets, and ENVIRONMENT. TESTS reads
    the tests too. OFF names rules that are not looked at: "engine/no-retry", or "sql/" for all of a subject
    (docs/code.md).
    """
    read = opened(project, tests)
    service = surroundings_of(project, render_yaml, environment)[0]

    def advance(number: int) -> None:
        if ctx.cancelled.is_set():
            raise Stopped("cancelled")
        ctx.progress(number, len(read.modules), "files", read.modules[number].path)

    told = preloads(project, service)
    found = application_findings(read, service.environment, preload=told, advance=advance)
    findings = switched(found, off or ())
    engines = engines_of(read, service.environment).all()
    looked_at = f"{len(read.modules)} Python files"
    evidence = {f"engine {one.file}:{one.line}": described(one) for one in engines[:6]}
    if not read.modules:
        return Outcome.unknown(f"no Python file in {project}", hint="project = … names the application's folder")
    if not engines and not findings:
        what = f"no create_engine and no SQLALCHEMY_ENGINE_OPTIONS in {looked_at}"
        return Outcome.unknown(what, hint="project = … names the folder of db.py", evidence=evidence)
    expected = "pooled engines on PostgreSQL with pre-ping and retry; nothing that only SQLite takes"
    return outcome_of(findings, looked_at=looked_at, expected=expected, evidence=evidence)


@check("code.engine_options", timeout="2m", fresh_for="1d")
@transfer_errors
def engine_options(
    ctx: Context,
    *,
    project: Path = Path(),
    render_yaml: Path | None = None,
    environment: dict[str, str] | None = None,
    workers: int | None = None,
    instances: int | None = None,
    overlap: bool = True,
    limit: int | None = None,
    database_url: str | None = None,
) -> Outcome:
    """The options of the engines in PROJECT, worked out in the live environment; their demand fits the limit.

    Demand is (pool_size + max_overflow) × workers × instances, doubled with OVERLAP for the two deploys that run side
    by side. WORKERS and INSTANCES are those of RENDER_YAML or gunicorn's configuration unless said. LIMIT is read
    from the server of DATABASE_URL (max_connections less what is reserved, the role's, the database's) unless said.
    """
    read = opened(project)
    evidence: dict[str, object] = {}
    total: float = 0
    for service in surroundings_of(project, render_yaml, environment):
        engines = engines_of(read, service.environment)
        used = [one for one in engines.all() if not one.on_sqlite]
        if not used:
            hint = "make an engine on DATABASE_URL, or set SQLALCHEMY_ENGINE_OPTIONS; project = … names the folder"
            return Outcome.unknown(f"no engine on PostgreSQL in {len(read.modules)} Python files", hint=hint)
        evidence |= {f"{one.file}:{one.line}": described(one) for one in used[:6]}
        each = [capacity(one) for one in used]
        if None in each:
            blind = used[each.index(None)]
            what = f"{blind.file}:{blind.line}: the size of the pool cannot be worked out"
            return Outcome.unknown(
                what, hint="name pool_size and max_overflow, or environment = { … }", evidence=evidence
            )
        processes, source = (workers, "as given") if workers is not None else workers_of(read, engines, service)
        if processes is None:
            what = f"{source}: how many workers there will be cannot be worked out"
            return Outcome.unknown(what, hint="say workers = …", evidence=evidence)
        running = service.instances if instances is None else instances
        pool = sum(size for size in each if size is not None)
        total += pool * processes * running * (OVERLAP if overlap else 1)
        evidence[f"demand of {service.name}"] = _sum(pool, processes, source, running, overlap)
    return _judged(total, limit, database_url, evidence)


def _judged(total: float, limit: int | None, database_url: str | None, evidence: dict[str, object]) -> Outcome:
    wanted = "no upper limit" if total == float("inf") else f"{total:.0f}"
    evidence["demand"] = wanted
    if limit is None and not database_url:
        hint = "say limit = …, or database_url = … to read it from the server"
        return Outcome.unknown(
            f"demand {wanted} connections, and no limit to hold it against", hint=hint, evidence=evidence
        )
    allowed, whose = (limit, "as given") if limit is not None else live_limit(database_url or "")
    evidence |= {"limit": allowed, "limit_of": whose}
    expected = f"at most {allowed} connections ({whose})"
    actual = f"{wanted} connections of {allowed} that the server gives"
    if total > allowed:
        hint = "lower pool_size, max_overflow or the workers, take a larger plan, or put a pooler in between"
        return Outcome.failed(actual, expected=expected, evidence=evidence, hint=hint)
    return Outcome.passed(actual, expected=expected, evidence=evidence)


def capacity(engine: Engine) -> float | None:
    """The most connections that one process takes by ENGINE; infinite without a limit, None when it is not known."""
    if str(getattr(engine.options.get("poolclass"), "name", "")).endswith("NullPool"):
        return float("inf")
    size, more = engine.option("pool_size"), engine.option("max_overflow")
    if not isinstance(size, int) or not isinstance(more, int):
        return None
    return float("inf") if size == 0 or more < 0 else size + more  # SQLAlchemy: pool_size 0 is no limit


def live_limit(database_url: str) -> tuple[int, str]:
    """The most connections that the server gives to this role and database, and whose limit that is. Raises
    CouldNotLook."""
    from metrics.sources.postgres_stats import ask_sessions

    connection = look(database_url, application_name="tminus check", statement_timeout=10)
    with closing(connection), speaking_of(database_url, connection), connection.cursor() as cursor:
        seen, _ = ask_sessions(cursor)
    limits = [(seen.max_connections - seen.superuser_reserved - seen.reserved, "the server")]
    limits += [(seen.role_limit, "the role")] if seen.role_limit >= 0 else []
    limits += [(seen.database_limit, "the database")] if seen.database_limit >= 0 else []
    return min(limits)


def described(engine: Engine) -> str:
    """ "create_engine: pool_size=5 max_overflow=10 …", what is not known as ?."""
    shown = [f"{name}={'?' if engine.option(name) is UNKNOWN else engine.option(name)}" for name in DEFAULTS]
    scheme = (engine.url or "?").partition("://")[0]
    return f"{engine.kind} on {scheme}: {' '.join(shown)}"


def _sum(pool: float, workers: int, source: str, instances: int, overlap: bool) -> str:
    factors: Sequence[str] = [f"{pool:g} a process", f"{workers} workers ({source})", f"{instances} instances"]
    return " × ".join([*factors, *(["2 deploys side by side"] if overlap else [])])


__all__ = ["Surroundings", "application_findings", "capacity", "live_limit", "opened", "preloads"]
