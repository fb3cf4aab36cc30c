"""Which environment variables Python code reads, by its syntax tree: nothing of it is run or imported."""

from __future__ import annotations

import ast
import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from checks.contract import Context, Stopped

# Folders that are not the project's own code, or not the code that is deployed.
_NOT_OURS = frozenset(
    {"node_modules", "site-packages", "__pycache__", "build", "dist", "tests", "test", "venv", "env"}
)
_MOST_FILES = 5_000
_LARGEST = 2 * 1024 * 1024  # bytes

# Set by the system, by Python or by Render itself (its page "Environment variables"): nobody has to document them.
_GIVEN = frozenset(
    {
        *(
            "HOME",
            "PATH",
            "USER",
            "LOGNAME",
            "SHELL",
            "LANG",
            "LANGUAGE",
            "TZ",
            "TMPDIR",
            "TEMP",
            "TMP",
            "TERM",
            "PWD",
        ),
        *("HOSTNAME", "COLUMNS", "LINES", "NO_COLOR", "CI", "EDITOR", "VISUAL", "VIRTUAL_ENV", "DISPLAY"),
        *("IS_PULL_REQUEST", "SERVER_SOFTWARE", "WERKZEUG_RUN_MAIN"),
    }
)
_GIVEN_PREFIXES = ("RENDER_", "PYTHON", "PYTEST_", "LC_", "XDG_", "GITHUB_", "GUNICORN_")

_LIBRARIES = frozenset({"environs", "environ", "decouple", "starlette.config"})
_CASTS = frozenset(
    {
        *("str", "int", "float", "bool", "bytes", "list", "tuple", "dict", "set", "json", "enum", "decimal", "uuid"),
        *("url", "path", "db", "db_url", "cache", "cache_url", "email", "email_url", "search_url", "log_level"),
        *("datetime", "date", "time", "timedelta", "dj_db_url", "dj_email_url"),
    }
)
_FIRST = {"db": "DATABASE_URL", "db_url": "DATABASE_URL", "cache": "CACHE_URL", "cache_url": "CACHE_URL"}


@dataclass(frozen=True, slots=True)
class Read:
    """Variable NAME is read in FILE at LINE; `required` when the code has no default for it."""

    name: str
    file: str
    line: int
    required: bool


@dataclass(frozen=True, slots=True)
class CodeReading:
    """What all files together read; `unreadable` are those that are no Python of this version, with the reason."""

    reads: tuple[Read, ...]
    files: int
    unreadable: tuple[tuple[str, int, str], ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """The names of all variables."""
        return frozenset(one.name for one in self.reads)


def is_given(name: str) -> bool:
    """Whether the system or the platform sets the variable NAME by itself."""
    return name in _GIVEN or name == "RENDER" or name.startswith(_GIVEN_PREFIXES)


def python_files(root: Path) -> Iterator[Path]:
    """The Python files of the project in ROOT: no tests, no virtual environments, no hidden folders, no links out."""
    found = 0
    for folder, folders, files in os.walk(root):
        here = Path(folder)
        folders[:] = sorted(
            one
            for one in folders
            if one not in _NOT_OURS and not one.startswith(".") and not (here / one / "pyvenv.cfg").exists()
        )
        for name in sorted(files):
            ours = name.endswith(".py") and not name.startswith("test_") and name != "conftest.py"
            if ours and (here / name).is_file():  # no device, no pipe, no broken link
                found += 1
                if found > _MOST_FILES:
                    return
                yield here / name


def advancing(ctx: Context) -> Callable[[int], None]:
    """Tells how many files were read, and stops when somebody has cancelled the check."""

    def advance(count: int) -> None:
        if ctx.cancelled.is_set():
            raise Stopped("cancelled")
        ctx.progress(count, 0, "files")

    return advance


def read_project(
    root: Path, base: Path | None = None, *, on_file: Callable[[int], None] = lambda count: None
) -> CodeReading:
    """What the Python files below ROOT read; files are named relative to BASE. ON_FILE hears the count before each of
    them, and may raise. Raises OSError."""
    reads: list[Read] = []
    unreadable: list[tuple[str, int, str]] = []
    count = 0
    for path in python_files(root):
        on_file(count)
        count += 1
        name = _relative(path, base or root)
        try:
            if path.stat().st_size > _LARGEST:
                unreadable.append((name, 0, "too large to be read"))
                continue
            reads += variables_read(path.read_bytes(), name)
        except SyntaxError as error:
            unreadable.append((name, error.lineno or 0, error.msg))
        except (ValueError, RecursionError) as error:
            unreadable.append((name, 0, str(error) or "nested too deeply"))
    return CodeReading(tuple(reads), count, tuple(unreadable))


def variables_read(source: str | bytes, file: str) -> tuple[Read, ...]:
    """The variables that SOURCE reads through os, environs, django-environ, decouple, starlette or pydantic-settings.

    Raises SyntaxError, ValueError (a NUL byte).
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an odd escape in somebody's text is not our business
        tree = ast.parse(source)
    reader = _Reader(file, tree)
    reader.visit(tree)
    return tuple(dict.fromkeys(reader.reads))


class _Reader(ast.NodeVisitor):
    """Walks a module. `names` are the constants; `mappings` what is os.environ, `calls` what reads by
    a call, `makers` the classes whose instances do."""

    def __init__(self, file: str, tree: ast.Module) -> None:
        self.file = file
        self.reads: list[Read] = []
        self.names = _constants(tree)
        self.modules: set[str] = {"os"}
        self.mappings: set[str] = set()
        self.calls: set[str] = set()
        self.makers: set[str] = set()
        self.functions = {n.name: n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)}
        for node in ast.walk(tree):
            self._imported(node)
        for node in ast.walk(tree):
            self._named(node)
        for node in ast.walk(tree):
            self._handed(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if self._is_environ(node.value) and isinstance(node.ctx, ast.Load):
            self._add(node.slice, node, required=True)
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        if any(isinstance(op, ast.In | ast.NotIn) and self._is_environ(on) for op, on in _pairs(node)):
            self._add(node.left, node, required=False)
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        function = node.func
        default = len(node.args) > 1 or any(word.arg in ("default", "fallback") for word in node.keywords)
        first = node.args[0] if node.args else next((w.value for w in node.keywords if w.arg in ("key", "var")), None)
        if isinstance(function, ast.Attribute):
            of_environ = self._is_environ(function.value) and function.attr in ("get", "setdefault", "pop")
            if of_environ or _dotted(function) in {f"{module}.getenv" for module in self.modules}:
                self._add(first, node, required=False)
            elif _dotted(function.value) in self.calls and function.attr in _CASTS:
                self._add(first or ast.Constant(_FIRST.get(function.attr)), node, required=not default)
        elif isinstance(function, ast.Name) and function.id in self.calls:
            self._add(first, node, required=not default and function.id != "getenv")
        self.generic_visit(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        if any(_dotted(base).rpartition(".")[2] == "BaseSettings" for base in node.bases):
            prefix = _settings_prefix(node)
            for field in node.body:
                own = _dotted(field.target) if isinstance(field, ast.AnnAssign) else ""
                if isinstance(field, ast.AnnAssign) and own not in ("", "model_config") and not own.startswith("_"):
                    self._add(ast.Constant(f"{prefix}{own}".upper()), field, required=field.value is None)
        self.generic_visit(node)

    def _imported(self, node: ast.AST) -> None:
        if isinstance(node, ast.Import):
            self.modules |= {one.asname for one in node.names if one.name == "os" and one.asname}
        elif isinstance(node, ast.ImportFrom):
            for one in node.names:
                name = one.asname or one.name
                if node.module == "os" and one.name == "environ":
                    self.mappings.add(name)
                elif (node.module == "os" and one.name == "getenv") or (
                    node.module in _LIBRARIES and one.name in ("env", "config")
                ):
                    self.calls.add(name)
                elif node.module in _LIBRARIES and one.name in ("Env", "FileAwareEnv", "Config", "AutoConfig"):
                    self.makers.add(name)

    def _named(self, node: ast.AST) -> None:
        """`env = os.environ`, `env = Env()`, `config = Config(…)`."""
        if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
            return
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        names = {_dotted(target) for target in targets} - {""}
        if self._is_environ(node.value):
            self.mappings |= names
        elif isinstance(node.value, ast.Call):
            made = _dotted(node.value.func)
            if made in self.makers or made in ("environs.Env", "environ.Env", "environ.FileAwareEnv"):
                self.calls |= names

    def _handed(self, node: ast.AST) -> None:
        """`load(os.environ)`: inside that function the parameter is the environment."""
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            return
        called = self.functions.get(node.func.id)
        if called is None:
            return
        parameters = [*called.args.posonlyargs, *called.args.args]
        given = [(parameter.arg, value) for parameter, value in zip(parameters, node.args, strict=False)]
        given += [(word.arg, word.value) for word in node.keywords if word.arg]
        for name, value in given:
            if self._is_environ(value):
                self._inside(called, name)

    def _inside(self, function: ast.FunctionDef | ast.AsyncFunctionDef, name: str) -> None:
        inner = _Reader(self.file, ast.Module([], []))
        inner.names, inner.modules, inner.mappings = self.names, set(), {name}
        inner.generic_visit(function)
        self.reads += inner.reads

    def _is_environ(self, node: ast.expr) -> bool:
        dotted = _dotted(node)
        return bool(dotted) and (
            dotted in self.mappings or dotted in {f"{module}.environ" for module in self.modules}
        )

    def _add(self, name: ast.expr | None, node: ast.expr | ast.stmt, *, required: bool) -> None:
        value = name.value if isinstance(name, ast.Constant) else self.names.get(_dotted(name)) if name else None
        if isinstance(value, str) and value.isidentifier():
            self.reads.append(Read(value, self.file, node.lineno, required))


def _constants(tree: ast.Module) -> dict[str, str]:
    """Names that stand for one text in the whole module."""
    found: dict[str, str] = {}
    for node in tree.body:
        if (
            isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            found |= {one.id: node.value.value for one in node.targets if isinstance(one, ast.Name)}
    return found


def _pairs(node: ast.Compare) -> Iterator[tuple[ast.cmpop, ast.expr]]:
    return zip(node.ops, node.comparators, strict=True)


def _settings_prefix(node: ast.ClassDef) -> str:
    """env_prefix of a pydantic-settings class: in its SettingsConfigDict(…), or in an inner class Config."""
    for one in ast.walk(node):
        if isinstance(one, ast.keyword) and one.arg == "env_prefix" and isinstance(one.value, ast.Constant):
            return str(one.value.value)
        if isinstance(one, ast.Assign) and "env_prefix" in map(_dotted, one.targets):
            return str(one.value.value) if isinstance(one.value, ast.Constant) else ""
    return ""


def _dotted(node: ast.AST | None) -> str:
    """`a.b.c` as text; empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        inner = _dotted(node.value)
        return f"{inner}.{node.attr}" if inner else ""
    return ""


def _relative(path: Path, base: Path) -> str:
    try:
        return path.relative_to(base).as_posix()
    except ValueError:
        return path.name
