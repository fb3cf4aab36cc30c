"""The Python files of a project, parsed; what cannot be parsed is said, never passed over."""

from __future__ import annotations

import ast
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from checks.code.finding import Finding, Rule

LARGEST = 1_000_000  # bytes of a file
MOST = 5_000  # files
_SKIPPED = {"node_modules", "__pycache__", "site-packages", "build", "dist", "venv", "env", "virtualenv"}
_TEST_FOLDER = re.compile(r"^tests?$", re.IGNORECASE)
_TEST_FILE = re.compile(r"^(test_.*|.*_test|conftest)\.py$")

UNREADABLE = Rule(
    "code/unreadable",
    "warning",
    "A Python file could not be parsed",
    "Nothing in it was looked at, so nothing that is wrong in it is named. A file that Python itself cannot read "
    "fails on the day it is imported.",
)
RULES = (UNREADABLE,)


@dataclass(frozen=True)
class Module:
    """A parsed file. `path` is relative to the project, with slashes; `name` as it is imported."""

    path: str
    name: str
    text: str
    tree: ast.Module

    @property
    def is_package(self) -> bool:
        return self.path.endswith("__init__.py")

    @cached_property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @cached_property
    def imports(self) -> Mapping[str, str]:
        """The dotted name that each name in it stands for: {"sa": "sqlalchemy", "connect": "sqlite3.connect"}."""
        found: dict[str, str] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    head = alias.name.partition(".")[0]
                    found[alias.asname or head] = alias.name if alias.asname else head
            elif isinstance(node, ast.ImportFrom):
                base = absolute(self, node)
                for alias in node.names:
                    found[alias.asname or alias.name] = f"{base}.{alias.name}"
        return found

    def dotted(self, node: ast.AST) -> str:
        """The dotted name that an expression like `sa.orm.Session` means; empty for another expression.

        A call in the middle is kept as "()": `SQLAlchemy().session` is "flask_sqlalchemy.SQLAlchemy().session".
        """
        parts: list[str] = []
        while True:
            if isinstance(node, ast.Attribute):
                parts.append(f".{node.attr}")
                node = node.value
            elif isinstance(node, ast.Call):
                parts.append("()")
                node = node.func
            elif isinstance(node, ast.Name):
                return self.imports.get(node.id, node.id) + "".join(reversed(parts))
            else:
                return ""


@dataclass(frozen=True)
class Project:
    """The modules of the application and, apart from them, those of its migrations. `unread` are findings."""

    root: Path
    modules: tuple[Module, ...]
    migrations: tuple[Module, ...]
    unread: tuple[Finding, ...]

    @cached_property
    def _by_name(self) -> Mapping[str, Module]:
        found: dict[str, Module] = {}
        for module in self.modules:
            found.setdefault(module.name, module)
        return found

    @cached_property
    def _by_tail(self) -> Mapping[str, tuple[Module, ...]]:
        found: dict[str, tuple[Module, ...]] = {}
        for module in self.modules:
            parts = module.name.split(".")
            for start in range(1, len(parts)):
                tail = ".".join(parts[start:])
                found[tail] = (*found.get(tail, ()), module)
        return found

    def module(self, name: str, near: Module | None = None) -> Module | None:
        """The module imported as NAME: from the project's folder, from beside NEAR, or from wherever one alone can be
        meant."""
        beside = "" if near is None else near.name.rpartition(".")[0]
        for full in (name, f"{beside}.{name}"):
            if full in self._by_name:
                return self._by_name[full]
        others = self._by_tail.get(name, ())
        return others[0] if len(others) == 1 else None


def absolute(module: Module, node: ast.ImportFrom) -> str:
    """The dotted name after `from`, relative ones resolved."""
    if not node.level:
        return node.module or ""
    parts = module.name.split(".")
    keep = len(parts) - node.level + (1 if module.is_package else 0)
    return ".".join([*parts[: max(keep, 0)], *([node.module] if node.module else [])])


def read_project(root: Path, *, tests: bool = False) -> Project:
    """Every Python file below ROOT but for virtual environments, hidden folders, node_modules and, unless TESTS, the
    tests. Symbolic links to folders are not followed. Raises OSError when ROOT cannot be listed."""
    modules: list[Module] = []
    migrations: list[Module] = []
    unread: list[Finding] = []
    for count, (path, migrating) in enumerate(_files(root, tests)):
        shown = path.relative_to(root).as_posix()
        if count >= MOST:
            unread.append(_unread(shown, 0, f"more than {MOST} Python files: the rest was not read"))
            break
        found = _parsed(path, shown)
        if isinstance(found, Finding):
            unread.append(found)
        else:
            (migrations if migrating else modules).append(found)
    return Project(root, tuple(modules), tuple(migrations), tuple(unread))


def parse(source: bytes, path: str) -> Module | Finding:
    """SOURCE as the module of PATH, or the finding that it is none. Never raises."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an invalid escape is not our subject
            tree = ast.parse(source)
    except SyntaxError as error:
        return _unread(path, error.lineno or 0, f"not Python: {error.msg}")
    except (ValueError, RecursionError, MemoryError) as error:
        return _unread(path, 0, f"not Python: {type(error).__name__}")
    name = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".").removeprefix("src.")
    return Module(path, name, source.decode(errors="replace"), tree)


def _parsed(path: Path, shown: str) -> Module | Finding:
    try:
        if path.stat().st_size > LARGEST:
            return _unread(shown, 0, f"larger than {LARGEST // 1000} kB: not read")
        return parse(path.read_bytes(), shown)
    except OSError as error:
        return _unread(shown, 0, f"cannot be read: {error.strerror}")


def _files(root: Path, tests: bool) -> Iterator[tuple[Path, bool]]:
    """(file, whether it belongs to migrations), in the order of their names."""

    def refuse(error: OSError) -> None:
        if Path(error.filename) == root:
            raise error

    migrating: set[str] = set()
    for folder, folders, names in os.walk(root, onerror=refuse):
        here = Path(folder)
        if "versions" in folders and "env.py" in names:
            migrating.add(folder)
        inside = any(folder == one or folder.startswith(one + os.sep) for one in migrating)
        folders[:] = sorted(name for name in folders if _wanted(here / name, tests))
        for name in sorted(names):
            if name.endswith(".py") and (tests or not _TEST_FILE.match(name)):
                yield here / name, inside


def _wanted(folder: Path, tests: bool) -> bool:
    if folder.name.startswith(".") or folder.name in _SKIPPED or (folder / "pyvenv.cfg").exists():
        return False
    return tests or not _TEST_FOLDER.match(folder.name)


def _unread(path: str, line: int, message: str) -> Finding:
    return Finding(
        UNREADABLE.id, UNREADABLE.level, path, line, message, "mend the file, or leave it out of the project"
    )
