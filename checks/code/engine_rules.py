"""What is wrong with the engines of a project: pooling, retry, drivers, and what happens before a fork."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping

from checks.code.engine_facts import DEFAULTS, Engine, Engines
from checks.code.finding import Finding, Rule
from checks.code.sources import Module, Project
from checks.code.values import UNKNOWN, External

PRE_PING = Rule(
    "engine/no-pre-ping", "error", "An engine without pool_pre_ping",
    "A managed PostgreSQL closes connections when it is restarted, resized or fails over. Without pool_pre_ping each "
    "dead connection in the pool costs one request an error 500.",
)  # fmt: skip
RECYCLE = Rule(
    "engine/no-recycle", "warning", "An engine without pool_recycle",
    "Firewalls and poolers drop idle connections after some minutes, silently. pool_recycle=300 or so closes them "
    "first.",
)  # fmt: skip
RETRY = Rule(
    "engine/no-retry", "warning", "Nothing tries again after a lost connection",
    "pool_pre_ping finds a connection that is dead before it is lent; one that dies in the middle of a transaction, "
    "and a database that is not there for some seconds, end in errors unless the work is tried again.",
)  # fmt: skip
CONTRADICTION = Rule(
    "engine/contradiction", "error", "create_engine and SQLALCHEMY_ENGINE_OPTIONS say different things",
    "Whoever tunes the pool on the day changes one of the two, and the other one is in force.",
)  # fmt: skip
UNRESOLVED = Rule(
    "engine/unresolved", "warning", "Options of an engine that cannot be read",
    "They come from where only the running program knows, so nothing could be said of them.",
)  # fmt: skip
SQLITE_URL = Rule(
    "engine/sqlite-url", "error", "An engine on a SQLite file",
    "With the environment of the live service this engine still opens SQLite: its URL is not that of DATABASE_URL.",
)  # fmt: skip
CONNECT_ARGS = Rule(
    "engine/connect-args", "error", "connect_args that only SQLite knows",
    "psycopg2 hands them to libpq, which answers: invalid connection option. No connection is made at all.",
)  # fmt: skip
POOL_CLASS = Rule(
    "engine/pool-class", "error", "A pool class that is made for SQLite, or no pool",
    "StaticPool and SingletonThreadPool share a connection where PostgreSQL needs several; NullPool opens one for "
    "each request and has no upper limit.",
)  # fmt: skip
SCHEME = Rule(
    "engine/scheme", "error", "A URL that begins with postgres://",
    "SQLAlchemy 1.4 and later: Can't load plugin: sqlalchemy.dialects:postgres. The application does not start.",
)  # fmt: skip
DRIVER = Rule(
    "engine/driver", "error", "The driver that the URL names is not required",
    "postgresql:// is psycopg2, postgresql+psycopg:// is psycopg. A build without it starts with "
    "ModuleNotFoundError.",
)  # fmt: skip
AT_IMPORT = Rule(
    "engine/connects-at-import", "error", "A connection is made before gunicorn forks",
    "With --preload every worker inherits the same socket, and they talk into each other's answers. Dispose of the "
    "engine in post_fork, or connect later.",
)  # fmt: skip
CREATE_ALL = Rule(
    "engine/create-all", "warning", "create_all() while the application starts",
    "On an empty PostgreSQL it makes the tables before Alembic does; alembic upgrade then fails: relation already "
    "exists.",
)  # fmt: skip
RULES = (
    PRE_PING, RECYCLE, RETRY, CONTRADICTION, UNRESOLVED, SQLITE_URL, CONNECT_ARGS, POOL_CLASS, SCHEME, DRIVER,
    AT_IMPORT, CREATE_ALL,
)  # fmt: skip

_ITS_ARGUMENTS = {"check_same_thread", "detect_types", "cached_statements", "isolation_level", "uri", "factory"}
_PACKAGES: Mapping[str, tuple[str, ...]] = {
    "postgresql": ("psycopg2", "psycopg2-binary", "psycopg"),
    "postgresql+psycopg2": ("psycopg2", "psycopg2-binary"),
    "postgresql+psycopg": ("psycopg",),
    "postgresql+psycopg_async": ("psycopg",),
    "postgresql+asyncpg": ("asyncpg",),
    "postgresql+pg8000": ("pg8000",),
}
_CONNECTS = re.compile(r"create_(async_)?engine\(\)\.(connect|begin|raw_connection)$|SQLAlchemy\(\)\.session\.\w+$")
_RETRIERS = re.compile(r"(^|\.)(retry|retrying|on_exception|retry_on_\w+|with_retry|retries)$", re.IGNORECASE)
_LOST = re.compile(r"(^|\.)(OperationalError|DBAPIError|InterfaceError|DisconnectionError|SQLAlchemyError)$")


def engine_findings(
    project: Project, engines: Engines, packages: frozenset[str] | None, *, preload: bool = False
) -> Iterator[Finding]:
    """What is wrong with ENGINES. PACKAGES are those that the project requires, None when that is not known; PRELOAD:
    gunicorn is told to load the application before it forks, beside what its configuration file says."""
    for engine in engines.all():
        if engine.on_sqlite:
            message = f"{engine.kind} on {(engine.url or '').partition('://')[0]}://"
            yield _finding(SQLITE_URL, engine, message, "take the URL from DATABASE_URL")
            continue
        yield from _pooling(engine)
        yield from _arguments(engine)
        yield from _driver(engine, packages)
    for made in engines.made:
        for options in engines.options:
            yield from _contradictions(made, options)
    yield from _starting(project, engines, preload)
    live = [engine for engine in engines.all() if not engine.on_sqlite]
    if live and not any(_tries_again(module) for module in project.modules):
        mend = "wrap the unit of work, as tenacity.retry(retry_if_exception_type(OperationalError)) does"
        yield _finding(RETRY, live[0], "no retry on a lost connection anywhere in the project", mend)


def _pooling(engine: Engine) -> Iterator[Finding]:
    ping, recycle = engine.option("pool_pre_ping"), engine.option("pool_recycle")
    if not engine.complete:
        missing = [name for name in ("pool_size", "pool_pre_ping") if engine.option(name) is UNKNOWN]
        if missing:
            message = f"{engine.kind}: what is passed by ** cannot be read here ({', '.join(missing)})"
            yield _finding(UNRESOLVED, engine, message, "name the options where the engine is made")
    pool = engine.options.get("poolclass")
    if isinstance(pool, External) and pool.name.endswith((".NullPool", ".StaticPool", ".SingletonThreadPool")):
        kind = pool.name.rpartition(".")[2]
        yield _finding(
            POOL_CLASS, engine, f"{engine.kind} with {kind}", "leave poolclass out: QueuePool is the default"
        )
        return
    if ping is False or ping is None:
        yield _finding(PRE_PING, engine, f"{engine.kind} without pool_pre_ping", "add pool_pre_ping=True")
    if isinstance(recycle, int | float) and recycle < 0:
        yield _finding(RECYCLE, engine, f"{engine.kind} without pool_recycle", "add pool_recycle=300")


def _arguments(engine: Engine) -> Iterator[Finding]:
    given = engine.options.get("connect_args")
    if not isinstance(given, dict):
        return
    known = set(_ITS_ARGUMENTS)
    driver = (engine.url or "").partition("://")[0]
    if driver in ("postgresql", "postgresql+psycopg2", "postgresql+psycopg"):
        known.add("timeout")  # libpq's is connect_timeout
    for name in sorted(known & {str(key) for key in given}):
        mend = "write connect_timeout" if name == "timeout" else f"pass {name} on SQLite alone"
        yield _finding(CONNECT_ARGS, engine, f"{engine.kind} with connect_args {name}", mend)


def _driver(engine: Engine, packages: frozenset[str] | None) -> Iterator[Finding]:
    scheme = (engine.url or "").partition("://")[0]
    if scheme == "postgres":
        mend = 'replace it: url.replace("postgres://", "postgresql://", 1)'
        yield _finding(SCHEME, engine, f"{engine.kind} on postgres://", mend)
    elif packages is not None and scheme in _PACKAGES and not packages & set(_PACKAGES[scheme]):
        wanted = _PACKAGES[scheme][-1] if scheme != "postgresql" else "psycopg2-binary"
        yield _finding(DRIVER, engine, f"{scheme}:// needs {wanted}, which is not required", f"add {wanted}")


def _contradictions(made: Engine, options: Engine) -> Iterator[Finding]:
    for name in DEFAULTS:
        one, other = made.option(name), options.option(name)
        if name not in made.options and name not in options.options:
            continue
        if UNKNOWN in (one, other) or one == other or made.on_sqlite:
            continue
        message = f"{name} is {one} here and {other} in {options.kind} ({options.file}:{options.line})"
        mend = f"make the engine with **{options.kind}, or say it in one place alone"
        yield _finding(CONTRADICTION, made, message, mend)


def _starting(project: Project, engines: Engines, told: bool) -> Iterator[Finding]:
    preload, disposes = _gunicorn(project, engines)
    preload = preload or told
    for call in engines.interpreter.calls.values():
        if not call.at_import:
            continue
        creates = call.name.endswith(".create_all")
        if creates and _runs_at_start(call.module.path):
            mend = "leave the schema to alembic upgrade head"
            at = (call.module.path, call.node.lineno)
            yield Finding(CREATE_ALL.id, CREATE_ALL.level, *at, f"{call.name.rpartition('.')[2]}() at import", mend)
        if preload and not disposes and (creates or _CONNECTS.search(call.name)):
            what = call.name.rpartition(".")[2]
            mend = "connect in post_fork or at the first request, or call engine.dispose() in post_fork"
            at = (call.module.path, call.node.lineno)
            yield Finding(AT_IMPORT.id, AT_IMPORT.level, *at, f"{what}() at import, and gunicorn preloads", mend)


def _runs_at_start(path: str) -> bool:
    return not re.search(r"(^|/)(scripts?|tools?|bin)/|(^|/)(init_?db|seed|create_\w+|setup)\w*\.py$", path)


def _gunicorn(project: Project, engines: Engines) -> tuple[bool, bool]:
    """Whether gunicorn's configuration preloads, and whether a hook in it disposes of the engine after the fork."""
    for module in project.modules:
        if "gunicorn" in module.path.rpartition("/")[2]:
            names = engines.interpreter.imported(module).scope.names
            hooks = [n for n in module.tree.body if isinstance(n, ast.FunctionDef) and n.name == "post_fork"]
            disposes = any("dispose" in ast.dump(hook) for hook in hooks)
            return names.get("preload_app") is True, disposes
    return False, False


def _tries_again(module: Module) -> bool:
    """Whether something in MODULE does its work again after a lost connection."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            if any(_RETRIERS.search(module.dotted(one).removesuffix("()")) for one in node.decorator_list):
                return True
        elif isinstance(node, ast.Call) and module.dotted(node.func).startswith(
            ("tenacity.", "backoff.", "retrying.")
        ):
            return True
        elif isinstance(node, ast.For | ast.While | ast.AsyncFor):
            inner = (one for part in node.body for one in ast.walk(part) if isinstance(one, ast.ExceptHandler))
            if any(_LOST.search(name) for handler in inner for name in _types(module, handler)):
                return True
    return False


def _types(module: Module, handler: ast.ExceptHandler) -> list[str]:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return [module.dotted(kind) for kind in kinds if kind is not None]


def _finding(rule: Rule, engine: Engine, message: str, mend: str) -> Finding:
    return Finding(rule.id, rule.level, engine.file, engine.line, message, mend)
