"""The things that the small interpreter works with, put to use: their attributes, and what calling them returns."""

from __future__ import annotations

import ast
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from checks.code.intrinsics import intrinsic
from checks.code.sources import Module, Project
from checks.code.values import (
    OPEN,
    PLAIN,
    UNKNOWN,
    Class,
    Environ,
    External,
    Function,
    Imported,
    Instance,
    Method,
    Native,
    Scope,
    Url,
    call_method,
)

_PROPERTIES = {"property", "cached_property", "functools.cached_property"}


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a library. `at_import`: it happens while a module is imported, not only when something is called."""

    name: str
    arguments: tuple[Any, ...]
    keywords: Mapping[str, Any]
    module: Module
    node: ast.Call
    at_import: bool

    @property
    def unknowns(self) -> int:
        """How many of its arguments are not known."""
        return sum(value is UNKNOWN for value in (*self.arguments, *self.keywords.values()))


class Calling:
    """What `Interpreter` does with attributes and calls. Every call of a library is noted in `calls`."""

    project: Project
    environ: Environ
    calls: dict[tuple[str, int, int], Call]
    steps: int
    importing: bool
    kept: dict[tuple[str, str], Any]  # what was put into things of libraries: app.config["KEY"]

    @property
    @abstractmethod
    def module(self) -> Module: ...

    @property
    @abstractmethod
    def scope(self) -> Scope: ...

    @abstractmethod
    def value(self, node: ast.expr) -> Any: ...

    @abstractmethod
    def imported(self, module: Module) -> Imported: ...

    @abstractmethod
    def named(self, dotted: str) -> Any: ...

    @abstractmethod
    def invoke(self, function: Function, arguments: list[Any], keywords: dict[str, Any], owner: str = "") -> Any: ...

    @abstractmethod
    def note_setting(self, name: str, value: Any, line: int) -> None: ...

    def attribute(self, owner: Any, name: str) -> Any:
        """OWNER.NAME."""
        match owner:
            case External():
                return self.environ if f"{owner.name}.{name}" == "os.environ" else External(f"{owner.name}.{name}")
            case Imported():
                if name in owner.scope.names:
                    return owner.scope.names[name]
                return self.named(f"{owner.module.name}.{name}")
            case Instance():
                return self._of_instance(owner, name)
            case Class():
                found = owner.find(name)
                return Method(found, owner) if _decorated(found, "classmethod") else found
            case Url():
                found = owner.get(name)
                return found if found is not UNKNOWN else Native(owner, name)
        return Native(owner, name) if isinstance(owner, (*PLAIN, Environ)) else UNKNOWN

    def _of_instance(self, owner: Instance, name: str) -> Any:
        if name in owner.names:
            return owner.names[name]
        found = owner.made_of.find(name)
        if isinstance(found, Function):
            if any(_decorated(found, one) for one in _PROPERTIES):
                return self.invoke(found, [owner], {})
            return found if _decorated(found, "staticmethod") else Method(found, owner)
        return found

    def _call(self, node: ast.Call) -> Any:
        function = self.value(node.func)
        arguments: list[Any] = []
        for argument in node.args:
            if isinstance(argument, ast.Starred):
                more = self.value(argument.value)
                arguments += more if isinstance(more, list | tuple) else [UNKNOWN]
            else:
                arguments.append(self.value(argument))
        keywords: dict[str, Any] = {}
        for keyword in node.keywords:
            value = self.value(keyword.value)
            if keyword.arg is not None:
                keywords[keyword.arg] = value
            else:
                keywords |= value if isinstance(value, dict) else {OPEN: UNKNOWN}
        return self.call(node, function, arguments, keywords)

    def call(self, node: ast.Call, function: Any, arguments: list[Any], keywords: dict[str, Any]) -> Any:
        """What FUNCTION returns; the call of a library is noted."""
        match function:
            case External():
                self._note(node, function.name, arguments, keywords)
                known = intrinsic(function.name, arguments, keywords, self.environ)
                return External(f"{function.name}()") if known is UNKNOWN else known
            case Function():
                return self.invoke(function, arguments, keywords)
            case Class():
                return self._instance(node, function, arguments, keywords)
            case Native(owner=Environ() as environ, name=name):
                return _of_environ(environ, name, arguments)
            case Native(owner=Url() as url, name=name):
                return url.text.partition("://")[0].partition("+")[0] if name == "get_backend_name" else url.text
            case Native(owner=owner, name=name):
                return call_method(owner, name, arguments, keywords)
            case Method():
                return self.invoke(function.function, [function.owner, *arguments], keywords)
        self._note(node, self.module.dotted(node.func), arguments, keywords)
        return UNKNOWN

    def _instance(self, node: ast.Call, made_of: Class, arguments: list[Any], keywords: dict[str, Any]) -> Any:
        try:
            start = made_of.find("__init__")
        except KeyError:
            start = None
        instance = Instance(made_of, {})
        if isinstance(start, Function):
            self.invoke(start, [instance, *arguments], keywords)
            return instance
        fields = made_of.fields()
        if made_of.derives_from("BaseSettings"):  # pydantic: a field is read from the variable of its name
            read = {name: self.environ.values.get(name.upper()) for name in fields}
            instance.names |= {name: text for name, text in read.items() if text is not None}
        instance.names |= dict(zip(fields, arguments, strict=False)) | keywords
        external = next((b for b in made_of.bases if isinstance(b, External)), None)
        if external is not None:
            self._note(node, external.name, arguments, keywords)
        return instance

    def _note(self, node: ast.Call, name: str, arguments: list[Any], keywords: dict[str, Any]) -> None:
        tail = name.rpartition(".")[2]
        if tail in ("update", "from_mapping"):
            given = {k: v for one in arguments if isinstance(one, dict) for k, v in one.items()} | keywords
            for key, value in given.items():
                if isinstance(key, str):
                    self.note_setting(key, value, node.lineno)
        at = (self.module.path, node.lineno, node.col_offset)
        seen = self.calls.get(at)
        call = Call(name, tuple(arguments), dict(keywords), self.module, node, self.importing)
        if seen is not None:
            best = call if call.unknowns < seen.unknowns else seen
            call = replace(best, at_import=call.at_import or seen.at_import)
        self.calls[at] = call


def _decorated(function: Any, by: str) -> bool:
    if not isinstance(function, Function) or isinstance(function.node, ast.Lambda):
        return False
    return any(function.module.dotted(decorator) == by for decorator in function.node.decorator_list)


def _of_environ(environ: Environ, name: str, arguments: list[Any]) -> Any:
    if name == "setdefault" and len(arguments) == 2 and isinstance(arguments[1], str):
        return environ.values.setdefault(arguments[0], arguments[1])
    if name in ("get", "pop") and arguments and isinstance(arguments[0], str):
        return environ.values.get(arguments[0], arguments[1] if len(arguments) > 1 else None)
    return dict(environ.values) if name == "copy" else UNKNOWN
