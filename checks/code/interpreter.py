"""A small interpreter: what a project's settings come to in a given environment, without running any of its code.

It follows imports, functions, classes, conditions and loops as far as their values are known; all else is UNKNOWN.
Nothing is imported, opened or called; the work is bounded. `calls` holds every call of a library that was met,
`settings` every name in capitals that was given a value.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from checks.code.expressions import Call, Expressions
from checks.code.sources import Module, Project, absolute
from checks.code.values import (
    ODD,
    OPEN,
    UNKNOWN,
    Class,
    Environ,
    External,
    Function,
    Imported,
    Instance,
    Scope,
)

STEPS = 400_000  # nodes, of all that happens at import
LATER_STEPS = 3_000  # of a function that nothing called
DEEPEST = 30  # calls within calls
_TIMES = 30  # that one function is gone through
_LOOPS = 64


@dataclass(frozen=True, slots=True)
class Setting:
    """NAME was given VALUE. `owner` is the class it stands in, empty for none."""

    name: str
    value: Any
    module: Module
    line: int
    owner: str


@dataclass(slots=True)
class _Frame:
    module: Module
    scope: Scope
    owner: str = ""
    returned: list[Any] = field(default_factory=list)


class Interpreter(Expressions):
    """Reads PROJECT with ENVIRONMENT as os.environ. `run` does it; then `calls` and `settings` are there.

    Functions that nothing calls at import are gone through only when RELEVANT is found in their text.
    """

    def __init__(self, project: Project, environment: Mapping[str, str], relevant: str = "") -> None:
        self.project = project
        self.relevant = re.compile(relevant)
        self.environ = Environ(dict(environment))
        self.calls: dict[tuple[str, int, int], Call] = {}
        self.settings: list[Setting] = []
        self.kept: dict[tuple[str, str], Any] = {}
        self.steps = STEPS
        self.importing = True
        self._modules: dict[str, Imported] = {}
        self._times: dict[int, int] = {}
        self._functions: list[tuple[Function, str]] = []
        self._frames: list[_Frame] = []

    @property
    def module(self) -> Module:
        return self._frames[-1].module

    @property
    def scope(self) -> Scope:
        return self._frames[-1].scope

    def run(self) -> Interpreter:
        """Every module as it is imported, then every function that nothing called, with arguments not known."""
        for module in self.project.modules:
            self.imported(module)
        self.importing = False
        number = 0
        while number < len(self._functions):  # a function that is run may define others
            function, owner = self._functions[number]
            number += 1
            if id(function.node) not in self._times and self._is_relevant(function):
                self.steps = LATER_STEPS
                self.invoke(function, [], {}, owner=owner)
        return self

    def _is_relevant(self, function: Function) -> bool:
        lines = function.module.lines[function.node.lineno - 1 : function.node.end_lineno]
        return self.relevant.search("\n".join(lines)) is not None

    def imported(self, module: Module) -> Imported:
        """MODULE with the values of its names. One in the middle of its own import is taken as far as it is."""
        if module.path not in self._modules:
            scope = Scope({"__name__": module.name, "__file__": module.path})
            self._modules[module.path] = Imported(module, scope)
            if len(self._frames) < DEEPEST:
                before, self.importing = self.importing, True
                self._frames.append(_Frame(module, scope))
                self.block(module.tree.body)
                self._frames.pop()
                self.importing = before
        return self._modules[module.path]

    def invoke(self, function: Function, arguments: list[Any], keywords: dict[str, Any], owner: str = "") -> Any:
        """What FUNCTION returns; where it may return different things, UNKNOWN."""
        node = function.node
        times = self._times.get(id(node), 0)
        if len(self._frames) >= DEEPEST or self.steps <= 0 or times >= _TIMES:
            return UNKNOWN
        scope = Scope(_bound(self, function, arguments, keywords), function.scope)
        frame = _Frame(function.module, scope, owner)
        if isinstance(node, ast.Lambda):
            self._frames.append(frame)
            value = self.value(node.body)
            self._frames.pop()
            return value
        later = isinstance(node, ast.AsyncFunctionDef) or _yields(node)
        if later and self.importing:
            return UNKNOWN  # its body runs when somebody awaits it
        self._times[id(node)] = times + 1
        self._frames.append(frame)
        ended = self.block(node.body)
        self._frames.pop()
        found = frame.returned if ended else [*frame.returned, None]
        return found[0] if found and all(_same(found[0], one) for one in found) and not later else UNKNOWN

    # Statements

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
                self._functions.append((function, self._frames[-1].owner))
                self.scope.names[node.name] = function
            case ast.ClassDef():
                self._class(node)
            case ast.Return():
                self._frames[-1].returned.append(self.value(node.value) if node.value else None)
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
        joined = other if first else one if second else _joined(one, other)
        self.scope.names = joined
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
        self.scope.names = _joined(before, self.scope.names)

    def _aside(self, body: Sequence[ast.stmt]) -> None:
        """A body that runs only when something went wrong: its calls are seen, its values are not taken."""
        before = dict(self.scope.names)
        returned = list(self._frames[-1].returned)
        self.block(body)
        self.scope.names = before
        self._frames[-1].returned[:] = returned

    def _class(self, node: ast.ClassDef) -> None:
        bases = tuple(self.value(base) for base in node.bases)
        scope = Scope({}, self.scope)
        made = Class(self.module, node, bases, scope.names)
        self._frames.append(_Frame(self.module, scope, node.name))
        self.block(node.body)
        self._frames.pop()
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

    def named(self, dotted: str) -> Any:
        """What a dotted name stands for when it is imported."""
        if dotted == "os.environ":
            return self.environ
        module = self.project.module(dotted, self.module if self._frames else None)
        return External(dotted) if module is None else self.imported(module)

    # Assignments

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

    def note_setting(self, name: str, value: Any, line: int) -> None:
        """Keep a setting: a name in capitals."""
        if name.isupper() and len(name) > 3:
            self.settings.append(Setting(name, value, self.module, line, self._frames[-1].owner))


def _bound(
    self: Interpreter, function: Function, arguments: Sequence[Any], keywords: Mapping[str, Any]
) -> dict[str, Any]:
    """The parameters of FUNCTION: as given, by default, or UNKNOWN."""
    spec = function.node.args
    names: dict[str, Any] = {}
    positional = [*spec.posonlyargs, *spec.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(spec.defaults)) + list(spec.defaults)
    self._frames.append(_Frame(function.module, function.scope))
    try:
        for parameter, default in zip((*positional, *spec.kwonlyargs), (*defaults, *spec.kw_defaults), strict=True):
            names[parameter.arg] = UNKNOWN if default is None else self.value(default)
    finally:
        self._frames.pop()
    names |= {p.arg: v for p, v in zip(positional, arguments, strict=False)}
    known = {p.arg for p in (*positional, *spec.kwonlyargs)}
    if OPEN in keywords:
        names |= dict.fromkeys(known - set(keywords) - {p.arg for p in positional[: len(arguments)]}, UNKNOWN)
    names |= {key: value for key, value in keywords.items() if key in known}
    if spec.vararg:
        names[spec.vararg.arg] = list(arguments[len(positional) :])
    if spec.kwarg:
        names[spec.kwarg.arg] = {key: value for key, value in keywords.items() if key not in known}
    return names


def _yields(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    stack: list[ast.AST] = list(node.body)
    while stack:
        one = stack.pop()
        if isinstance(one, ast.Yield | ast.YieldFrom):
            return True
        if not isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            stack.extend(ast.iter_child_nodes(one))
    return False


def _same(one: Any, other: Any) -> bool:
    if one is UNKNOWN or other is UNKNOWN:
        return one is other
    try:
        return one is other or bool(type(one) is type(other) and one == other)
    except ODD:
        return False


def _joined(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Names after two ways that may both be gone: what differs is UNKNOWN; what only one knows is kept."""
    return {
        name: one[name] if name not in other else other[name] if name not in one or _same(one[name], other[name])
        else UNKNOWN
        for name in {**one, **other}
    }  # fmt: skip


__all__ = ["Call", "Interpreter", "Setting"]
