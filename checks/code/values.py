"""The values of the small interpreter: Python's own, things of libraries by their dotted names, and UNKNOWN."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from checks.code.sources import Module

LONGEST = 4_000  # characters or items of a value that is worked out
OPEN = "**"  # a key in a dictionary of which not every key is known
ODD = (ArithmeticError, LookupError, TypeError, ValueError, AttributeError, RecursionError, MemoryError)


class _Unknown:
    """What cannot be known without running the program."""

    def __repr__(self) -> str:
        return "UNKNOWN"

    def __bool__(self) -> bool:
        raise TypeError("UNKNOWN is neither true nor false")


UNKNOWN: Final = _Unknown()


@dataclass(frozen=True, slots=True)
class External:
    """A thing of a library by its dotted name; what a call of it returns has "()" behind its name."""

    name: str


@dataclass(slots=True, eq=False)
class Environ:
    """os.environ."""

    values: dict[str, str]


@dataclass(frozen=True, slots=True)
class Url:
    """What make_url or urlsplit makes of a text."""

    text: str

    def get(self, attribute: str) -> Any:
        scheme = self.text.partition("://")[0]
        if attribute in ("scheme", "drivername"):
            return scheme
        if attribute in ("host", "hostname"):
            return urlsplit(self.text).hostname
        return UNKNOWN


@dataclass(slots=True, eq=False)
class Scope:
    """Names and their values, and the scope around them."""

    names: dict[str, Any] = field(default_factory=dict)
    outer: Scope | None = None

    def get(self, name: str) -> Any:
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names:
                return scope.names[name]
            scope = scope.outer
        return External(name)


@dataclass(slots=True, eq=False)
class Function:
    module: Module
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
    scope: Scope


@dataclass(slots=True, eq=False)
class Method:
    function: Function
    owner: Any


@dataclass(slots=True, eq=False)
class Native:
    """The method NAME of a plain value, a URL or the environment."""

    owner: Any
    name: str


@dataclass(slots=True, eq=False)
class Class:
    module: Module
    node: ast.ClassDef
    bases: tuple[Any, ...]
    names: dict[str, Any]

    def find(self, name: str) -> Any:
        """An attribute of it or of a base; None is a value, so a missing one raises KeyError."""
        if name in self.names:
            return self.names[name]
        for base in self.bases:
            if isinstance(base, Class):
                try:
                    return base.find(name)
                except KeyError:
                    continue
        for base in self.bases:
            if isinstance(base, External) and base.name != "object":
                return External(f"{base.name}.{name}")
        raise KeyError(name)

    def fields(self) -> list[str]:
        """The annotated names, of the bases first, as a dataclass takes them."""
        inherited = [name for base in self.bases if isinstance(base, Class) for name in base.fields()]
        own = [s.target.id for s in self.node.body if isinstance(s, ast.AnnAssign) and isinstance(s.target, ast.Name)]
        return [*inherited, *(name for name in own if name not in inherited)]

    def derives_from(self, external: str) -> bool:
        return any(
            (isinstance(b, External) and b.name.endswith(external))
            or (isinstance(b, Class) and b.derives_from(external))
            for b in self.bases
        )


@dataclass(slots=True, eq=False)
class Instance:
    made_of: Class
    names: dict[str, Any]


@dataclass(slots=True, eq=False)
class Imported:
    """A module of the project."""

    module: Module
    scope: Scope


# A width or an attribute in a format could cost anything, or lead anywhere.
_WIDE_PERCENT = re.compile(r"%[^%sdr(]")
_WIDE_BRACES = re.compile(r"\{[^}]*[:!.\[]")
PLAIN = (type(None), bool, int, float, str, bytes, list, tuple, dict, set)
OPERATORS: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.BitOr: operator.or_,
}
COMPARISONS: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Is: lambda a, b: a is b or (isinstance(a, bool | type(None)) and a == b and type(a) is type(b)),
    ast.IsNot: lambda a, b: not (a is b or (isinstance(a, bool | type(None)) and a == b and type(a) is type(b))),
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}
_METHODS: Mapping[type, str] = {
    str: "startswith endswith replace removeprefix removesuffix strip lstrip rstrip lower upper casefold split "
    "rsplit partition rpartition splitlines join format isdigit title capitalize encode",
    dict: "get copy keys values items update setdefault pop",
    list: "append extend copy index count insert pop",
    tuple: "index count",
    set: "add union copy",
    bytes: "decode strip",
}


def bounded(value: Any) -> Any:
    """VALUE, or UNKNOWN when it grew beyond what a setting is."""
    if isinstance(value, str | bytes | list | tuple | dict | set) and len(value) > LONGEST:
        return UNKNOWN
    return UNKNOWN if isinstance(value, int) and value.bit_length() > 256 else value


def combine(kind: type[ast.operator], left: Any, right: Any) -> Any:
    """An arithmetic operator on plain values. Whatever does not work is UNKNOWN."""
    if kind not in OPERATORS or not isinstance(left, PLAIN) or not isinstance(right, PLAIN):
        return UNKNOWN
    if kind is ast.Mult and not (isinstance(left, int | float) and isinstance(right, int | float)):
        count, what = (left, right) if isinstance(left, int) else (right, left)
        if not isinstance(count, int) or isinstance(what, float | int | None) or count * len(what) > LONGEST:
            return UNKNOWN
    if kind is ast.Mod and not isinstance(left, int | float) and _WIDE_PERCENT.search(str(left)):
        return UNKNOWN
    return bounded(OPERATORS[kind](left, right))


def call_method(value: Any, name: str, arguments: list[Any], keywords: dict[str, Any]) -> Any:
    """A harmless method of a plain value; UNKNOWN for another."""
    if name not in _METHODS.get(type(value), "").split():
        return UNKNOWN
    if name == "format" and _WIDE_BRACES.search(value):
        return UNKNOWN
    if isinstance(value, dict):
        if OPEN in value and name == "get" and arguments and arguments[0] not in value:
            return UNKNOWN
        if name == "update" and not all(isinstance(one, dict) for one in arguments):
            value[OPEN] = UNKNOWN
            return None
    found = getattr(value, name)(*arguments, **keywords)
    return bounded(list(found) if name in ("keys", "values", "items") else found)
