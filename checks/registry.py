"""Which checks there are: the built-in ones, those of installed packages, and those of the project's own files."""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import importlib.util
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from checks.contract import MARK, CheckSpec, Effect
from state.problems import Problem

GROUP = "tminus.checks"

# Named here so that a list of checks and a "did you mean" import none of them.
BUILT_IN: Mapping[str, tuple[str, ...]] = {
    "checks.command": ("command.run", "command.probe", "command.plugin"),
    "checks.sqlite": ("sqlite.backup", "sqlite.quiet", "sqlite.counts", "sqlite.schema", "sqlite.dump"),
    "checks.backup": ("backup.restore_test",),
    "checks.postgres": ("postgres.connect", "postgres.tables"),
    "checks.postgres_connections": ("postgres.connections",),
    "checks.postgres_performance": ("postgres.performance",),
    "checks.postgres_host": ("postgres.host",),
    "checks.restore_test": ("postgres.restore_test",),
    "checks.pool": ("pool.usage",),
    "checks.alembic": ("alembic.upgrade",),
    "checks.audit": ("transfer.audit",),
    "checks.transfer": ("transfer.copy", "transfer.compare"),
    "checks.salvage": ("transfer.salvage",),
    "checks.restore": ("sqlite.restore",),
    "checks.diagnostics": ("diagnostics.bundle",),
    "checks.http": ("http.health",),
    "checks.journey": ("http.journey",),
    "checks.load": ("load.locust",),
    "checks.daily": ("metrics.daily",),
    "checks.capacity": ("postgres.capacity",),
    "checks.headroom": ("pool.headroom",),
    "checks.traffic": ("traffic.low",),
    "checks.logs": ("logs.clean", "logs.timeouts"),
    "checks.review": ("logs.review",),
    "checks.metrics": ("metrics.preflight", "metrics.baseline", "metrics.within"),
    "checks.items": ("items.passed",),
    "checks.git_push": ("git.push",),
    "checks.git_revert": ("git.revert",),
    "checks.rollback": ("rollback.ready",),
    "checks.code.blueprint": ("code.blueprint",),
    "checks.code.env_example": ("code.env_example",),
    "checks.code.engine": ("code.engine", "code.engine_options"),
    "checks.code.migrations": ("code.migrations",),
    "checks.test_suite": ("command.test_suite",),
    "checks.notify": ("notify.team",),
    "checks.store": ("backup.store",),
    "checks.render.database": ("render.database", "render.backups"),
    "checks.render.plan": ("render.plan", "render.cost"),
    "checks.render.deploys": ("deploy.staging", "deploy.follow"),
    "checks.render.changes": ("deploy.stop", "deploy.maintenance"),
    "checks.render.rollback": ("deploy.rollback",),
    "checks.render.jobs": ("deploy.job",),
}
_MODULE = {name: module for module, names in BUILT_IN.items() for name in names}


@dataclass(frozen=True, slots=True)
class Registry:
    """The checks that a checklist may name. `problems` are the plugins that could not be loaded, with the reason."""

    plugins: tuple[str, ...]
    base: Path
    added: Mapping[str, CheckSpec]
    problems: tuple[Problem, ...] = ()

    @classmethod
    def load(cls, plugins: Sequence[str] = (), base: Path = Path()) -> Registry:
        """The built-in checks, the entry points of the group "tminus.checks", and the files PLUGINS below BASE.

        A plugin that cannot be loaded is a problem, never a crash, and takes nothing else with it.
        """
        added: dict[str, CheckSpec] = {}
        problems: list[Problem] = []
        for source, module in _modules(plugins, base, problems):
            for spec in _specs(module):
                if spec.name in _MODULE or spec.name in added:
                    mend = "give it a name of its own, as in ours.queue"
                    problems.append(_problem(source, f"{spec.name!r} is the name of another check", mend=mend))
                else:
                    added[spec.name] = spec
        return cls(tuple(plugins), base, added, tuple(problems))

    def names(self) -> tuple[str, ...]:
        """Every name, sorted."""
        return tuple(sorted({*_MODULE, *self.added}))

    def effect_of(self, name: str) -> Effect:
        """What the check of that name may do. One that nobody knows might do anything."""
        spec = self.get(name)
        return spec.effect if spec else "change"

    def get(self, name: str) -> CheckSpec | None:
        """The check of that name, or None. A built-in one is imported now."""
        if name not in _MODULE:
            return self.added.get(name)
        module = importlib.import_module(_MODULE[name])
        return next((spec for spec in _specs(module) if spec.name == name), None)


def _modules(plugins: Sequence[str], base: Path, problems: list[Problem]) -> Iterator[tuple[str, object]]:
    for entry in importlib.metadata.entry_points(group=GROUP):
        try:
            yield entry.name, entry.load()
        except (Exception, SystemExit) as error:
            mend = f"mend or remove the package that brings {entry.value}"
            problems.append(_problem(entry.name, _cause(error), mend=mend))
    for plugin in plugins:
        path = base / plugin
        try:
            yield plugin, _imported(path)
        except (Exception, SystemExit) as error:
            mend = "" if path.is_file() else "plugins = [ … ] names Python files, relative to the checklist"
            problems.append(_problem(plugin, _cause(error), _line(error, path), mend))


def _imported(path: Path) -> ModuleType:
    name = f"tminus_plugin_{path.stem}_{hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path.name} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where typing and pickling look a function's module up
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _specs(source: object) -> Iterator[CheckSpec]:
    """The checks of a module, in their order; of a single check function, that one."""
    seen: set[str] = set()
    for value in (source, *vars(source).values()) if isinstance(source, ModuleType) else (source,):
        spec = getattr(value, MARK, None) if callable(value) else None
        if isinstance(spec, CheckSpec) and spec.name not in seen:
            seen.add(spec.name)
            yield spec


def _cause(error: BaseException) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _line(error: BaseException, path: Path) -> int:
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return error.lineno or 0
    frames = traceback.extract_tb(error.__traceback__)
    return next((frame.lineno or 0 for frame in reversed(frames) if frame.filename == str(path)), 0)


def _problem(file: str, message: str, line: int = 0, mend: str = "") -> Problem:
    return Problem(file=file, line=line, path="", message=message, mend=mend)
