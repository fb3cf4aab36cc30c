"""A small interpreter: what a project's settings come to in a given environment, without running any of its code.

It follows imports, functions, classes, conditions and loops as far as their values are known; all else is UNKNOWN.
Nothing is imported, opened or called; the work is bounded. `calls` holds every call of a library that was met,
`settings` every name in capitals that was given a value.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from checks.code.calling import Call
from checks.code.sources import Module, Project
from checks.code.statements import Frame, Statements, same
from checks.code.values import (
    OPEN,
    UNKNOWN,
    Environ,
    External,
    Function,
    Imported,
    Scope,
)

STEPS = 400_000  # nodes, of all that happens at import
LATER_STEPS = 3_000  # of a function that nothing called
DEEPEST = 30  # calls within calls
_TIMES = 30  # that one function is gone through


@dataclass(frozen=True, slots=True)
class Setting:
    """NAME was given VALUE. `owner` is the class it stands in, empty for none."""

    name: str
    value: Any
    module: Module
    line: int
    owner: str


class Interpreter(Statements):
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
        self.functions: list[tuple[Function, str]] = []
        self.frames: list[Frame] = []

    def run(self) -> Interpreter:
        """Every module as it is imported, then every function that nothing called, with arguments not known."""
        for module in self.project.modules:
            self.imported(module)
        self.importing = False
        number = 0
        while number < len(self.functions):  # a function that is run may define others
            function, owner = self.functions[number]
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
            if len(self.frames) < DEEPEST:
                before, self.importing = self.importing, True
                self.frames.append(Frame(module, scope))
                self.block(module.tree.body)
                self.frames.pop()
                self.importing = before
        return self._modules[module.path]

    def invoke(self, function: Function, arguments: list[Any], keywords: dict[str, Any], owner: str = "") -> Any:
        """What FUNCTION returns; where it may return different things, UNKNOWN."""
        node = function.node
        times = self._times.get(id(node), 0)
        if len(self.frames) >= DEEPEST or self.steps <= 0 or times >= _TIMES:
            return UNKNOWN
        scope = Scope(_bound(self, function, arguments, keywords), function.scope)
        frame = Frame(function.module, scope, owner)
        if isinstance(node, ast.Lambda):
            self.frames.append(frame)
            value = self.value(node.body)
            self.frames.pop()
            return value
        later = isinstance(node, ast.AsyncFunctionDef) or _yields(node)
        if later and self.importing:
            return UNKNOWN  # its body runs when somebody awaits it
        self._times[id(node)] = times + 1
        self.frames.append(frame)
        ended = self.block(node.body)
        self.frames.pop()
        found = frame.returned if ended else [*frame.returned, None]
        return found[0] if found and all(same(found[0], one) for one in found) and not later else UNKNOWN

    def named(self, dotted: str) -> Any:
        """What a dotted name stands for when it is imported."""
        if dotted == "os.environ":
            return self.environ
        module = self.project.module(dotted, self.module if self.frames else None)
        return External(dotted) if module is None else self.imported(module)

    def note_setting(self, name: str, value: Any, line: int) -> None:
        """Keep a setting: a name in capitals."""
        if name.isupper() and len(name) > 3:
            self.settings.append(Setting(name, value, self.module, line, self.frames[-1].owner))


def _bound(
    self: Interpreter, function: Function, arguments: Sequence[Any], keywords: Mapping[str, Any]
) -> dict[str, Any]:
    """The parameters of FUNCTION: as given, by default, or UNKNOWN."""
    spec = function.node.args
    names: dict[str, Any] = {}
    positional = [*spec.posonlyargs, *spec.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(spec.defaults)) + list(spec.defaults)
    self.frames.append(Frame(function.module, function.scope))
    try:
        for parameter, default in zip((*positional, *spec.kwonlyargs), (*defaults, *spec.kw_defaults), strict=True):
            names[parameter.arg] = UNKNOWN if default is None else self.value(default)
    finally:
        self.frames.pop()
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
