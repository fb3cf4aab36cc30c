"""The engines of a project: every create_engine and SQLALCHEMY_ENGINE_OPTIONS, with what their arguments come to."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from checks.code.calling import Call
from checks.code.interpreter import Interpreter, Setting
from checks.code.sources import Project
from checks.code.values import OPEN, UNKNOWN, External, Url

PLACEHOLDER = "postgresql://user:password@host/database"
RELEVANT = r"engine|create_all|SQLALCHEMY_|SQLAlchemy\("
# SQLAlchemy 2.0, QueuePool and create_engine.
DEFAULTS: Mapping[str, Any] = {
    "pool_size": 5, "max_overflow": 10, "pool_timeout": 30, "pool_recycle": -1, "pool_pre_ping": False,
}  # fmt: skip
_MAKERS = re.compile(r"^(sqlalchemy|sqlmodel)\b.*\.(create_engine|create_async_engine)$")
_FROM_CONFIG = re.compile(r"^sqlalchemy\b.*\.(async_)?engine_from_config$")
_FLASK = re.compile(r"^(flask_sqlalchemy(_lite)?|app)?\.?SQLAlchemy$|^flask_sqlalchemy\.SQLAlchemy$")
_NOT_LIVE = re.compile(r"test|dev|local|debug", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine, or the options of one. `url` is None when it is not known. `complete`: every option is known to be
    there or not; the value of one may still be UNKNOWN. `kind` is the function, or the setting."""

    kind: str
    file: str
    line: int
    url: str | None
    options: Mapping[str, Any]
    complete: bool = True

    @property
    def on_sqlite(self) -> bool:
        return self.url is not None and self.url.startswith("sqlite")

    def option(self, name: str) -> Any:
        """The value of an option, its default where it is not given; UNKNOWN when nobody can say."""
        if name in self.options:
            value = self.options[name]
            return value if isinstance(value, int | float | bool | str | type(None)) else UNKNOWN
        return DEFAULTS.get(name) if self.complete else UNKNOWN


@dataclass(frozen=True)
class Engines:
    """What a project says of its engines. `options` are SQLALCHEMY_ENGINE_OPTIONS as the live application gets them,
    one for each place that sets them; `flask` whether Flask-SQLAlchemy makes an engine of them."""

    made: tuple[Engine, ...]
    options: tuple[Engine, ...]
    flask: Call | None
    interpreter: Interpreter

    def all(self) -> tuple[Engine, ...]:
        """Each engine that the application will have, once."""
        if self.options and (self.flask is not None or not self.made):
            return (*self.made, max(self.options, key=_demand))
        if self.flask is not None and not self.made:
            bare = Engine("SQLAlchemy()", self.flask.module.path, self.flask.node.lineno, None, {})
            return (bare,)
        return self.made


def engines_of(project: Project, environment: Mapping[str, str]) -> Engines:
    """The engines of PROJECT in ENVIRONMENT; a DATABASE_URL that it does not name is taken as some PostgreSQL."""
    interpreter = Interpreter(project, {"DATABASE_URL": PLACEHOLDER, **environment}, RELEVANT).run()
    calls = list(interpreter.calls.values())
    made = [engine for call in calls if (engine := _engine(call)) is not None]
    flask = next((call for call in calls if _FLASK.match(call.name)), None)
    live = [s for s in interpreter.settings if not _NOT_LIVE.search(s.owner)]
    urls = [_url(s.value) for s in live if s.name == "SQLALCHEMY_DATABASE_URI"]
    url = next((one for one in reversed(urls) if one is not None), None)
    settings = _not_overridden(project, _last([s for s in live if s.name == "SQLALCHEMY_ENGINE_OPTIONS"]))
    options = [_options("SQLALCHEMY_ENGINE_OPTIONS", s.module.path, s.line, url, s.value) for s in settings]
    if flask is not None and "engine_options" in flask.keywords:
        given = flask.keywords["engine_options"]
        options.append(_options("engine_options", flask.module.path, flask.node.lineno, url, given))
    return Engines(tuple(made), tuple(options), flask, interpreter)


def _engine(call: Call) -> Engine | None:
    if _MAKERS.match(call.name):
        url = call.arguments[0] if call.arguments else call.keywords.get("url", UNKNOWN)
        options = {k: v for k, v in call.keywords.items() if k not in ("url", OPEN)}
        kind = call.name.rpartition(".")[2]
        return Engine(kind, call.module.path, call.node.lineno, _url(url), options, OPEN not in call.keywords)
    if _FROM_CONFIG.match(call.name):
        given = call.arguments[0] if call.arguments else UNKNOWN
        prefix = call.arguments[1] if len(call.arguments) > 1 else call.keywords.get("prefix", "sqlalchemy.")
        known = isinstance(given, dict) and isinstance(prefix, str)
        pairs = given.items() if isinstance(given, dict) and known else ()
        options = {str(k).removeprefix(prefix): v for k, v in pairs if str(k).startswith(prefix)}
        options |= {k: v for k, v in call.keywords.items() if k not in ("prefix", OPEN)}
        kind = call.name.rpartition(".")[2]
        return Engine(kind, call.module.path, call.node.lineno, _url(options.pop("url", UNKNOWN)), options, known)
    return None


def _options(kind: str, file: str, line: int, url: str | None, value: Any) -> Engine:
    if not isinstance(value, dict):
        return Engine(kind, file, line, url, {}, complete=False)
    return Engine(kind, file, line, url, {k: v for k, v in value.items() if k != OPEN}, OPEN not in value)


def _url(value: Any) -> str | None:
    if isinstance(value, Url):
        return value.text
    return value if isinstance(value, str) else None


def _last(settings: list[Setting]) -> list[Setting]:
    """The last value that each owner is given, known ones before those that are not."""
    found: dict[tuple[str, str], Setting] = {}
    for setting in settings:
        at = (setting.module.path, setting.owner)
        if at not in found or isinstance(setting.value, dict) or not isinstance(found[at].value, dict):
            found[at] = setting
    known = [s for s in found.values() if isinstance(s.value, dict)]
    # `app.config["SQLALCHEMY_ENGINE_OPTIONS"] = config.OPTIONS` says no more than what it takes over.
    return known or [s for s in found.values() if not isinstance(s.value, External)]


def _not_overridden(project: Project, settings: list[Setting]) -> list[Setting]:
    """SETTINGS without those of a class whose heir among the live ones says its own."""
    bases: dict[str, set[str]] = {}
    for module in project.modules:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ClassDef):
                named = {module.dotted(base).rpartition(".")[2] for base in node.bases}
                bases[node.name] = bases.get(node.name, set()) | named

    def ancestors(name: str, seen: frozenset[str] = frozenset()) -> frozenset[str]:
        for base in bases.get(name, set()) - seen:
            seen = ancestors(base, seen | {base})
        return seen

    overridden = frozenset[str]().union(*(ancestors(setting.owner) for setting in settings))
    return [setting for setting in settings if not setting.owner or setting.owner not in overridden]


def _demand(engine: Engine) -> int:
    size, more = engine.option("pool_size"), engine.option("max_overflow")
    return size + more if isinstance(size, int) and isinstance(more, int) else 0
