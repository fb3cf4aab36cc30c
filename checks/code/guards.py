"""What runs on SQLite alone: code beneath a condition that says so is no finding."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

from checks.code.sources import Module

_SQLITE_NAME = re.compile(r"^_?(is|use|using|on|uses)_sqlite3?$", re.IGNORECASE)
_POSTGRES_NAME = re.compile(r"^_?(is|use|using|on|uses|has)_(postgres\w*|pg)$", re.IGNORECASE)
_BLOCKS = ("body", "orelse", "finalbody")


def only_on_sqlite(module: Module) -> frozenset[int]:
    """The ids of the nodes that are reached only when the database is SQLite."""
    found: set[int] = set()
    stack: list[tuple[ast.AST, bool]] = [(module.tree, False)]
    while stack:
        node, guarded = stack.pop()
        if guarded:
            found.add(id(node))
        if isinstance(node, ast.If | ast.IfExp):
            says = implies_sqlite(node.test, module)
            stack.append((node.test, guarded))
            for part, wanted in ((node.body, True), (node.orelse, False)):
                stack += _block(part if isinstance(part, list) else [part], guarded or says is wanted, module)
            continue
        if isinstance(node, ast.Dict):  # {"sqlite": {…}, "postgresql": {…}}
            for key, item in zip(node.keys, node.values, strict=True):
                stack.append((item, guarded or _constant(key).startswith("sqlite")))
            continue
        if isinstance(node, ast.match_case):
            pattern = node.pattern.value if isinstance(node.pattern, ast.MatchValue) else None
            stack += _block(node.body, guarded or _constant(pattern).startswith("sqlite"), module)
            continue
        for field, value in ast.iter_fields(node):
            if isinstance(value, ast.AST):
                stack.append((value, guarded))
            elif isinstance(value, list):
                children = [one for one in value if isinstance(one, ast.AST)]
                stack += _block(children, guarded, module) if field in _BLOCKS else [(c, guarded) for c in children]
    return frozenset(found)


def implies_sqlite(test: ast.expr, module: Module) -> bool | None:
    """True: TEST holds on SQLite alone. False: it never holds there, or its opposite is what SQLite meets."""
    match test:
        case ast.UnaryOp(op=ast.Not(), operand=inner):
            says = implies_sqlite(inner, module)
            return None if says is None else not says
        case ast.BoolOp(op=ast.And(), values=parts):
            said = [implies_sqlite(part, module) for part in parts]
            return True if True in said else None
        case ast.BoolOp(op=ast.Or(), values=parts):
            said = [implies_sqlite(part, module) for part in parts]
            return said[0] if all(one is said[0] for one in said) else None
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            return _compared(left, op, right)
        case ast.Call(func=ast.Attribute(attr="startswith"), args=[argument, *_]):
            return _named(_constant(argument))
        case ast.Call(func=ast.Name(id="isinstance"), args=[_, kind]):
            return True if "sqlite" in module.dotted(kind).lower() else None
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return True if _SQLITE_NAME.match(name) else False if _POSTGRES_NAME.match(name) else None
    return None


def _compared(left: ast.expr, op: ast.cmpop, right: ast.expr) -> bool | None:
    says = _named(_constant(left)) if _constant(left) else _named(_constant(right))
    if says is None and isinstance(right, ast.Tuple | ast.List | ast.Set):
        each = {_named(_constant(one)) for one in right.elts}
        says = each.pop() if len(each) == 1 else None
    if says is None:
        return None
    if isinstance(op, ast.Eq | ast.In | ast.Is):
        return says
    return not says if isinstance(op, ast.NotEq | ast.NotIn | ast.IsNot) else None


def _block(statements: Sequence[ast.AST], guarded: bool, module: Module) -> list[tuple[ast.AST, bool]]:
    """A block, whose rest belongs to SQLite after `if not sqlite: return`."""
    found = []
    for one in statements:
        found.append((one, guarded))
        leaves = isinstance(one, ast.If) and isinstance(one.body[-1], ast.Return | ast.Raise | ast.Continue)
        if leaves and isinstance(one, ast.If) and implies_sqlite(one.test, module) is False:
            guarded = True
    return found


def _constant(node: ast.AST | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _named(text: str) -> bool | None:
    if text.startswith("sqlite"):
        return True
    return False if text.startswith("postgres") else None
