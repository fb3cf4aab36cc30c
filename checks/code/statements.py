"""The statements of the small interpreter: what a block of a program leaves behind in its names."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from checks.code.expressions import Expressions
from checks.code.sources import Module, absolute
from checks.code.values import ODD, OPEN, UNKNOWN, Class, Environ, External, Function, Imported, Instance, Scope

_LOOPS = 64


@dataclass(slots=True)
class Frame:
    """A module, function or class (OWNER) that is being gone through, and what it RETURNED so far."""

    module: Module
    scope: Scope
    owner: str = ""
    returned: list[Any] = field(default_factory=list)


class Statements(Expressions):
    """What `Interpreter` does with statements."""

    frames: list[Frame]  # what it is in, the innermost last
    functions: list[tuple[Function, str]]  # those it met, with the class they stand in

    @property
    def module(self) -> Module:
        return self.frames[-1].module

    @property
    def scope(self) -> Scope:
        return self.frames[-1].scope

    def block(self, statements: Sequence[ast.stmt]) -> bool:
        """Whether what comes after STATEMENTS is surely not reached."""
        for statement in statements:
            self.steps -= 1
            if self.steps <= 0:
                return False
            try:
                if self._statement(statement):
                    return True
            except ODD:
                continue
        return False

    def _statement(self, node: ast.stmt) -> bool:
        match node:
            case ast.Expr():
                self.value(node.value)
            case ast.Assign():
                value = self.value(node.value)
                for target in node.targets:
                    self.assign(target, value)
            case ast.AnnAssign(value=ast.expr() as written):
                self.assign(node.target, self.value(written))
            case ast.AugAssign():
                load = ast.copy_location(ast.BinOp(node.target, node.op, node.value), node)
                self.assign(node.target, self.value(load))
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                function = Function(self.module, node, self.scope)
                for decorator in node.decorator_list:
                    self.value(decorator)
                self.functions.append((function, self.frames[-1].owner))
                self.scope.names[node.name] = function
            case ast.ClassDef():
                self._class(node)
            case ast.Return():
                self.frames[-1].returned.append(self.value(node.value) if node.value else None)
                return True
            case ast.Raise():
                return True
            case ast.If():
                return self._if(node)
            case ast.For() | ast.AsyncFor():
                return self._for(node)
            case ast.While():
                self.value(node.test)
                self._maybe(node.body)
            case ast.With() | ast.AsyncWith():
                for item in node.items:
                    value = self.value(item.context_expr)
                    if item.optional_vars is not None:
                        self.assign(item.optional_vars, value)
                return self.block(node.body)
            case ast.Try() | ast.TryStar():
                ended = self.block(node.body)
                for handler in node.handlers:
                    self._aside(handler.body)
                return self.block([*([] if ended else node.orelse), *node.finalbody]) or ended
            case ast.Match():
                self.value(node.subject)
                for case in node.cases:
                    self._maybe(case.body)
            case ast.Import() | ast.ImportFrom():
                self._import(node)
            case ast.Delete() | ast.Assert() | ast.Global() | ast.Nonlocal():
                pass
        return False

    def _if(self, node: ast.If) -> bool:
        test = self.truth(self.value(node.test))
        if test is not None:
            return self.block(node.body if test else node.orelse)
        before = dict(self.scope.names)
        first = self.block(node.body)
        one, self.scope.names = self.scope.names, dict(before)
        second = self.block(node.orelse)
        other = self.scope.names
        # A way that ends has no part in what comes after.
        self.scope.names = other if first else one if second else joined(one, other)
        return first and second

    def _for(self, node: ast.For | ast.AsyncFor) -> bool:
        over = self.value(node.iter)
        items = list(over) if isinstance(over, list | tuple | dict | str) else None
        if items is None or len(items) > _LOOPS or OPEN in items:
            self.assign(node.target, UNKNOWN)
            self._maybe(node.body)
            return False
        for item in items:
            self.assign(node.target, item)
            if self.block(node.body):
                return True
        return self.block(node.orelse)

    def _maybe(self, body: Sequence[ast.stmt]) -> None:
        """A body that may run any number of times: what it assigns is known only where it stays the same."""
        before = dict(self.scope.names)
        self.block(body)
        self.scope.names = joined(before, self.scope.names)

    def _aside(self, body: Sequence[ast.stmt]) -> None:
        """A body that runs only when something went wrong: its calls are seen, its values are not taken."""
        before = dict(self.scope.names)
        returned = list(self.frames[-1].returned)
        self.block(body)
        self.scope.names = before
        self.frames[-1].returned[:] = returned

    def _class(self, node: ast.ClassDef) -> None:
        bases = tuple(self.value(base) for base in node.bases)
        scope = Scope({}, self.scope)
        made = Class(self.module, node, bases, scope.names)
        self.frames.append(Frame(self.module, scope, node.name))
        self.block(node.body)
        self.frames.pop()
        made.names = scope.names
        self.scope.names[node.name] = made

    def _import(self, node: ast.Import | ast.ImportFrom) -> None:
        if isinstance(node, ast.Import):
            for alias in node.names:
                wanted = alias.name if alias.asname else alias.name.partition(".")[0]
                self.scope.names[alias.asname or wanted] = self.named(wanted)
                if "." in alias.name:
                    self.named(alias.name)
            return
        base = absolute(self.module, node)
        found = self.project.module(base, self.module) if base else None
        for alias in node.names:
            value: Any = self.named(f"{base}.{alias.name}")
            if found is not None:
                names = self.imported(found).scope.names
                if alias.name == "*":
                    self.scope.names |= {k: v for k, v in names.items() if not k.startswith("_")}
                    continue
                value = names.get(alias.name, value if isinstance(value, Imported) else UNKNOWN)
            self.scope.names[alias.asname or alias.name] = value

    def assign(self, target: ast.expr, value: Any) -> None:
        """Give TARGET its VALUE, and note it when it is a setting."""
        match target:
            case ast.Name(id=name):
                self.scope.names[name] = value
                self.note_setting(name, value, target.lineno)
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                known = isinstance(value, list | tuple) and len(value) == len(parts)
                for number, part in enumerate(parts):
                    self.assign(part, value[number] if known else UNKNOWN)
            case ast.Attribute(value=owner, attr=name):
                holder = self.value(owner)
                if isinstance(holder, Instance | Class):
                    holder.names[name] = value
                self.note_setting(name, value, target.lineno)
            case ast.Subscript(value=owner, slice=key):
                holder, index = self.value(owner), self.value(key)
                if isinstance(holder, Environ) and isinstance(index, str):
                    holder.values[index] = value if isinstance(value, str) else ""
                elif isinstance(holder, dict) and index is UNKNOWN:
                    holder[OPEN] = UNKNOWN
                elif isinstance(holder, dict | list):
                    holder[index] = value
                elif isinstance(holder, External) and isinstance(index, str):
                    self.kept[holder.name, index] = value
                if isinstance(index, str):
                    self.note_setting(index, value, target.lineno)
            case ast.Starred(value=inner):
                self.assign(inner, UNKNOWN)


def same(one: Any, other: Any) -> bool:
    if one is UNKNOWN or other is UNKNOWN:
        return one is other
    try:
        return one is other or bool(type(one) is type(other) and one == other)
    except ODD:
        return False


def joined(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Names after two ways that may both be gone: what differs is UNKNOWN; what only one knows is kept."""
    return {
        name: one[name] if name not in other else other[name] if name not in one or same(one[name], other[name])
        else UNKNOWN
        for name in {**one, **other}
    }  # fmt: skip
