"""SQL in Python: statements in strings, and SQLAlchemy's func.name() of functions that only SQLite has."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator

from checks.code.finding import Finding, Rule
from checks.code.guards import only_on_sqlite
from checks.code.sources import Module
from checks.code.sql_rules import BOOLEAN, FUNCTION, FUNCTIONS, INSERT_OR
from checks.code.sql_rules import RULES as SQL_RULES
from checks.code.sql_text import looks_like_sql, read_sql

DIALECT = Rule(
    "sql/sqlite-dialect",
    "error",
    "Constructs of SQLAlchemy's SQLite dialect",
    "An insert() with ON CONFLICT, or a type, of sqlalchemy.dialects.sqlite is not compiled for PostgreSQL: the "
    "statement fails when it is reached.",
)
RULES = (*SQL_RULES, DIALECT)
_TAKES_SQL = {
    "text",
    "execute",
    "executemany",
    "executescript",
    "exec_driver_sql",
    "DDL",
    "read_sql",
    "read_sql_query",
}
_FUNC = re.compile(r"(?:^|\.)func\.(\w+)$")
_GAP = "x"  # stands for what an f-string puts in


def sql_findings(module: Module) -> Iterator[Finding]:
    """What in MODULE's SQL PostgreSQL would not take. What runs on SQLite alone is left out."""
    guarded = only_on_sqlite(module)
    given = _given(module, guarded)
    for written, text in _strings(module, guarded):
        if id(written) not in given and not looks_like_sql(text):
            continue
        for seen in read_sql(text):
            line = written.lineno + (text.count("\n", 0, seen.at) if _spans(written, text) else 0)
            yield Finding(seen.rule.id, seen.rule.level, module.path, line, seen.message, seen.mend)
    for node in ast.walk(module.tree):
        if id(node) not in guarded:
            yield from _constructs(module, node)


def _given(module: Module, guarded: Collection[int]) -> set[int]:
    """The strings that are surely SQL: handed to text(), execute() and their like."""
    found: set[int] = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call) and node.args and id(node) not in guarded:
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in _TAKES_SQL:
                found.add(id(node.args[0]))
    return found


def _strings(module: Module, guarded: Collection[int]) -> Iterator[tuple[ast.expr, str]]:
    """Every string with its text, f-strings and sums of strings as wholes; docstrings are no code."""
    stack: list[ast.AST] = [module.tree]
    while stack:
        node = stack.pop()
        if id(node) in guarded or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            continue
        if isinstance(node, ast.expr) and (text := _text(node)) is not None:
            yield node, text
        else:
            stack.extend(ast.iter_child_nodes(node))


def _text(node: ast.expr) -> str | None:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else _GAP for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        parts: list[str] = []
        left: ast.expr = node
        while isinstance(left, ast.BinOp) and isinstance(left.op, ast.Add):
            parts.append(_piece(left.right))
            left = left.left
        parts.append(_piece(left))
        return (
            "".join(reversed(parts))
            if any(isinstance(n, ast.Constant | ast.JoinedStr) for n in _leaves(node))
            else None
        )
    return None


def _piece(node: ast.expr) -> str:
    if isinstance(node, ast.BinOp):
        return _GAP
    text = _text(node)
    return _GAP if text is None else text


def _leaves(node: ast.expr) -> Iterator[ast.expr]:
    left = node
    while isinstance(left, ast.BinOp):
        yield left.right
        left = left.left
    yield left


def _spans(node: ast.expr, text: str) -> bool:
    """Whether a line of TEXT is a line of the file, as in a string of triple quotes."""
    return (node.end_lineno or node.lineno) - node.lineno == text.count("\n")


def _constructs(module: Module, node: ast.AST) -> Iterator[Finding]:
    if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("sqlalchemy.dialects.sqlite"):
        names = ", ".join(alias.name for alias in node.names)
        yield _finding(
            DIALECT, module, node.lineno, f"{names} of {node.module}", "take it from sqlalchemy.dialects.postgresql"
        )
    elif isinstance(node, ast.Call):
        dotted = module.dotted(node.func)
        if (called := _FUNC.search(dotted)) is not None:
            name = called[1].lower()
            several = name in ("max", "min", "date", "time") and len(node.args) > 1
            if name in FUNCTIONS or several:
                mend = FUNCTIONS.get(name, "what PostgreSQL calls it")
                yield _finding(FUNCTION, module, node.lineno, f"func.{name}(…)", f"use {mend}")
        elif dotted.endswith("prefix_with") and node.args and _constant(node.args[0]).upper().startswith("OR "):
            mend = "use insert() of the PostgreSQL dialect with on_conflict_do_…"
            yield _finding(INSERT_OR, module, node.lineno, f"prefix_with({_constant(node.args[0])!r})", mend)
        elif dotted.startswith("sqlalchemy.dialects.sqlite."):
            yield _finding(
                DIALECT, module, node.lineno, dotted, "use what sqlalchemy itself or its PostgreSQL dialect has"
            )
        elif dotted.rpartition(".")[2] in ("Column", "mapped_column"):
            yield from _default(module, node)


def _default(module: Module, node: ast.Call) -> Iterator[Finding]:
    """A boolean column whose server_default is text("0"): PostgreSQL would take '0', but not 0."""
    kinds = [module.dotted(one.func if isinstance(one, ast.Call) else one).rpartition(".")[2] for one in node.args]
    default = next((word.value for word in node.keywords if word.arg == "server_default"), None)
    if not {"Boolean", "BOOLEAN"} & set(kinds) or not isinstance(default, ast.Call) or not default.args:
        return
    if module.dotted(default.func).rpartition(".")[2] == "text" and _constant(default.args[0]).strip("() ") in (
        "0",
        "1",
    ):
        written = _constant(default.args[0])
        mend = "write server_default=sa.true() or sa.false()"
        yield _finding(BOOLEAN, module, default.lineno, f"a boolean with server_default=text({written!r})", mend)


def _constant(node: ast.expr) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _finding(rule: Rule, module: Module, line: int, message: str, mend: str) -> Finding:
    return Finding(rule.id, rule.level, module.path, line, message, mend)
