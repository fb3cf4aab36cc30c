"""Code that still knows SQLite as its database: files opened directly, errors of sqlite3 alone."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence

from checks.code.finding import Finding, Rule
from checks.code.guards import only_on_sqlite
from checks.code.sources import Module

OPEN = Rule(
    "engine/sqlite-open",
    "error",
    "SQLite is opened directly",
    "What goes by sqlite3.connect() still reads and writes the old file after the move. It works, and nobody notices "
    "until the file is gone, or until two truths have grown apart.",
)
ERRORS = Rule(
    "engine/sqlite-errors",
    "error",
    "A handler that catches errors of sqlite3 alone",
    "psycopg2 and SQLAlchemy raise errors of their own: after the move the handler catches nothing, and what it was "
    "there for ends as an error 500.",
)
RULES = (OPEN, ERRORS)
_OPENERS = {
    "sqlite3.connect", "sqlite3.dbapi2.connect", "sqlite3.Connection", "pysqlite3.connect",
    "pysqlite3.dbapi2.connect", "aiosqlite.connect", "apsw.Connection", "sqlcipher3.connect", "sqlite_utils.Database",
}  # fmt: skip
_ITS_ERRORS = re.compile(r"^(sqlite3|pysqlite3|aiosqlite|apsw)\b(\.dbapi2)?\.(\w*Error|Warning)$")
# A script that moves the data has to open both.
_MOVES_DATA = re.compile(r"sqlite.{0,3}(to|2).{0,3}(pg|postgres)|migrate_(from_)?sqlite|copy_sqlite", re.IGNORECASE)


def sqlite_findings(module: Module) -> Iterator[Finding]:
    """Where MODULE opens SQLite itself, or waits for its errors alone. Scripts that move the data are let be."""
    if _MOVES_DATA.search(module.path):
        return
    guarded, named = only_on_sqlite(module), _named_tuples(module)
    for node in ast.walk(module.tree):
        if id(node) in guarded:
            continue
        if isinstance(node, ast.Call) and (name := module.dotted(node.func)) in _OPENERS:
            yield Finding(
                OPEN.id, OPEN.level, module.path, node.lineno, f"{name}() opens SQLite", "go by the engine's session"
            )
        elif isinstance(node, ast.Call) and module.dotted(node.func) == "contextlib.suppress":
            yield from _errors(module, [(node.lineno, [module.dotted(one) for one in node.args])])
        elif isinstance(node, ast.Try | ast.TryStar):
            yield from _errors(module, [(one.lineno, _names(module, one, named)) for one in node.handlers])


def _errors(module: Module, caught: Sequence[tuple[int, Sequence[str]]]) -> Iterator[Finding]:
    """Of what one statement catches, by line: what waits for sqlite3's errors, and nothing there for others'."""
    if any(not _ITS_ERRORS.match(name) for _, names in caught for name in names if _may_be_of_a_database(name)):
        return
    for line, names in caught:
        if names and all(_ITS_ERRORS.match(name) for name in names):
            message = f"catches {', '.join(names)} and no error of PostgreSQL"
            yield Finding(ERRORS.id, ERRORS.level, module.path, line, message, f"catch {_instead(names[0])}")


def _named_tuples(module: Module) -> dict[str, ast.Tuple]:
    """The tuples that the module gives a name, as in `RETRYABLE = (sqlite3.OperationalError, …)`."""
    given = [node for node in module.tree.body if isinstance(node, ast.Assign) and isinstance(node.value, ast.Tuple)]
    return {
        target.id: node.value
        for node in given
        for target in node.targets
        if isinstance(target, ast.Name) and isinstance(node.value, ast.Tuple)
    }


def _names(module: Module, handler: ast.ExceptHandler, named: Mapping[str, ast.Tuple]) -> list[str]:
    caught = named.get(handler.type.id, handler.type) if isinstance(handler.type, ast.Name) else handler.type
    if caught is None:
        return ["BaseException"]
    return [module.dotted(part) for part in (caught.elts if isinstance(caught, ast.Tuple) else [caught])]


def _may_be_of_a_database(name: str) -> bool:
    others = ("KeyError", "ValueError", "TypeError", "OSError", "IndexError", "AttributeError", "ImportError")
    return name not in others


def _instead(name: str) -> str:
    kind = name.rpartition(".")[2]
    same = ("IntegrityError", "OperationalError", "ProgrammingError", "DataError", "InterfaceError")
    return f"sqlalchemy.exc.{kind if kind in same else 'SQLAlchemyError'}"
