"""Parameters of a check: typed keyword arguments, judged when the checklist is loaded, converted when it runs."""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

from state.definition import Checklist, Item
from state.durations import format_duration, parse_duration
from state.loader import ItemProblems
from state.problems import KeyPath
from state.schema import did_you_mean
from state.targets import Targets, references

if TYPE_CHECKING:
    from checks.registry import Registry

_PLAIN: Mapping[Any, str] = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    Path: "a path",
}


class Seconds(float):
    """A duration in seconds, written "30s" or "2m" in the checklist."""


class _Required:
    def __repr__(self) -> str:
        return "required"


REQUIRED: Any = _Required()


class Misfit(ValueError):
    """A value that does not fit its parameter: where below it, what is wrong, what would be right."""

    def __init__(self, path: KeyPath, message: str, mend: str) -> None:
        self.path, self.message, self.mend = path, message, mend
        super().__init__(f"{message} ({mend})" if mend else message)


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter: its name, its type and its default (`REQUIRED` when there is none)."""

    name: str
    kind: Any
    default: Any = REQUIRED

    @property
    def required(self) -> bool:
        """Whether `with` must name it."""
        return self.default is REQUIRED


def parameters_of(function: Callable[..., Any]) -> tuple[Param, ...]:
    """The parameters of a check function `(ctx, *, name: type = default, …)`.

    Raises TypeError for a function of another shape or a type that a checklist cannot express.
    """
    signature = inspect.signature(function)
    hints = typing.get_type_hints(function)
    first, *rest = signature.parameters.values() or (None,)
    if first is None or first.kind not in (first.POSITIONAL_ONLY, first.POSITIONAL_OR_KEYWORD):
        raise TypeError(
            f"{function.__name__}: the first parameter is the context: def {function.__name__}(ctx, *, …)"
        )
    found = []
    for one in rest:
        if one.kind is not one.KEYWORD_ONLY:
            raise TypeError(f"{function.__name__}: {one.name} must be a keyword argument: put it after a lone *")
        if one.name not in hints:
            raise TypeError(f"{function.__name__}: {one.name} has no type")
        _expressible(hints[one.name], f"{function.__name__}: {one.name}")
        found.append(Param(one.name, hints[one.name], REQUIRED if one.default is one.empty else one.default))
    return tuple(found)


def describe(kind: Any) -> str:
    """A type in words: "text", "a list of paths"…

    >>> describe(list[str]), describe(int | None), describe(Literal["a", "b"])
    ('a list of text', 'a whole number', '"a" or "b"')
    """
    if kind in _PLAIN:
        return _PLAIN[kind]
    if kind is Seconds:
        return 'a duration ("30s")'
    origin, args = get_origin(kind), get_args(kind)
    if kind is re.Pattern or origin is re.Pattern:
        return "a regular expression"
    if origin is Literal:
        return " or ".join(f'"{a}"' if isinstance(a, str) else str(a) for a in args)
    if origin in (Union, types.UnionType):
        return " or ".join(describe(a) for a in args if a is not type(None))
    if kind is list or origin is list:
        return f"a list of {describe(args[0])}" if args else "a list"
    if kind is dict or origin is dict:
        return f"a table of {describe(args[1])}" if args else "a table"
    return "any value"


def convert(value: Any, kind: Any, *, base: Path = Path(), lax: bool = False, path: KeyPath = ()) -> Any:
    """VALUE as KIND. Relative paths are taken below BASE; LAX reads numbers out of text (from the environment).

    Raises Misfit with the place and what would be right.
    """
    if kind is Any:
        return value
    origin, args = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _one_of(value, args, base, lax, path)
    if origin is Literal:
        if any(type(value) is type(choice) and value == choice for choice in args):
            return value
        near = did_you_mean(value, [a for a in args if isinstance(a, str)]) if isinstance(value, str) else ""
        raise Misfit(path, f"{_shown(value)} is not one of the choices", near or f"write {describe(kind)}")
    if kind is list or origin is list:
        if not isinstance(value, list):
            raise Misfit(path, f"{_shown(value)} is not a list", f"write [ … ] with {describe(kind)}")
        inner = args[0] if args else Any
        return [convert(v, inner, base=base, lax=lax, path=(*path, n)) for n, v in enumerate(value)]
    if kind is dict or origin is dict:
        if not isinstance(value, dict):
            raise Misfit(path, f"{_shown(value)} is not a table", "write { key = … }")
        inner = args[1] if args else Any
        return {k: convert(v, inner, base=base, lax=lax, path=(*path, k)) for k, v in value.items()}
    return _scalar(value, kind, base, lax, path)


def problems_of(params: Iterable[Param], given: Mapping[str, Any]) -> Iterable[tuple[KeyPath, str, str]]:
    """(key path below `with`, what is wrong, what would be right) for values GIVEN to PARAMS."""
    known = {param.name: param for param in params}
    for key, value in given.items():
        if key not in known:
            yield (key,), f"unknown parameter {key!r}", did_you_mean(key, sorted(known))
            continue
        try:
            convert(value, known[key].kind, path=(key,))
        except Misfit as misfit:
            yield misfit.path, misfit.message, misfit.mend
    for param in known.values():
        if param.required and param.name not in given:
            yield (), f"the parameter {param.name!r} is missing", f"add {param.name} = … ({describe(param.kind)})"


def bind(params: Iterable[Param], given: Mapping[str, Any], filled: Mapping[str, Any], base: Path) -> dict[str, Any]:
    """The keyword arguments: FILLED values converted, relative paths and path defaults taken below BASE.

    GIVEN is `with` as written: only what came out of a `${target}` may be text standing for a number. Raises Misfit.
    """
    known = {param.name: param for param in params}
    for key in filled:
        if key not in known:
            raise Misfit((key,), f"unknown parameter {key!r}", did_you_mean(key, sorted(known)))
    bound: dict[str, Any] = {}
    for name, param in known.items():
        if name in filled:
            lax = bool(_references(given.get(name)))
            bound[name] = convert(filled[name], param.kind, base=base, lax=lax, path=(name,))
        elif param.required:
            raise Misfit((name,), f"the parameter {name!r} is missing", f"add {name} = … ({describe(param.kind)})")
        else:
            bound[name] = base / param.default if isinstance(param.default, Path) else param.default
    return bound


def item_problems(registry: Registry) -> ItemProblems:
    """What is wrong with an item's check and its parameters, for `load_checklist`.

    A value from the environment is not known when the file is read, and is judged when the check runs.
    """

    def look(item: Item, checklist: Checklist) -> Iterable[tuple[KeyPath, str, str]]:
        if not item.check:
            return
        spec = registry.get(item.check)
        if spec is None:
            broken = "; ".join(f"{p.file}: {p.message}" for p in registry.problems)
            hint = did_you_mean(item.check, list(registry.names()))
            yield ("check",), f"no check {item.check!r}", f"{hint} (not loaded: {broken})" if broken else hint
            return
        literal = Targets({k: v for k, v in checklist.targets.items() if "${env:" not in str(v)})
        known = {k: v for k, v in item.with_.items() if _references(v) <= set(literal.values)}
        for path, message, mend in problems_of(spec.params, literal.fill(known)):
            missing = not path and any(f"'{key}' is missing" in message for key in item.with_)
            if not missing:
                yield ("with", *path), message, mend

    return look


def _references(value: Any) -> set[str]:
    if isinstance(value, str):
        return set(references(value))
    if isinstance(value, dict):
        return set().union(*map(_references, value.values()))
    if isinstance(value, list):
        return set().union(*map(_references, value))
    return set()


def _one_of(value: Any, kinds: tuple[Any, ...], base: Path, lax: bool, path: KeyPath) -> Any:
    if value is None and type(None) in kinds:
        return None
    misfits = []
    for kind in kinds:
        if kind is not type(None):
            try:
                return convert(value, kind, base=base, lax=lax, path=path)
            except Misfit as misfit:
                misfits.append(misfit)
    if len(misfits) == 1:
        raise misfits[0]
    wanted = " or ".join(describe(k) for k in kinds if k is not type(None))
    raise Misfit(path, f"{_shown(value)} does not fit", f"write {wanted}")


def _scalar(value: Any, kind: Any, base: Path, lax: bool, path: KeyPath) -> Any:
    if lax and isinstance(value, str) and kind in (int, float, bool):
        value = _read(value, kind)
    if kind is bool and isinstance(value, bool):
        return value
    if kind is int and isinstance(value, int) and not isinstance(value, bool):
        return value
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        if value - value != 0:
            raise Misfit(path, f"{value} is no number to compare with", "write a finite number")
        return float(value)
    if kind is str and isinstance(value, str):
        return value
    if kind is Path and isinstance(value, str) and value:
        return base / Path(value).expanduser()
    if kind is Seconds and isinstance(value, str):
        try:
            return Seconds(parse_duration(value))
        except ValueError as error:
            raise Misfit(path, str(error), 'write "30s", "15m", "4h"') from None
    if kind is re.Pattern or get_origin(kind) is re.Pattern:
        if not isinstance(value, str):
            raise Misfit(path, f"{_shown(value)} is not a regular expression", "write it as text")
        try:
            return re.compile(value)
        except re.error as error:
            raise Misfit(path, f"not a regular expression: {error}", "escape special characters with \\") from None
    raise Misfit(path, f"{_shown(value)} is not {describe(kind)}", f"write {describe(kind)}")


def _read(text: str, kind: Any) -> Any:
    if kind is bool:
        return {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}.get(text.lower(), text)
    try:
        return kind(text)
    except ValueError:
        return text


def _expressible(kind: Any, where: str) -> None:
    origin, args = get_origin(kind), get_args(kind)
    if kind in _PLAIN or kind in (Seconds, Any, list, dict, type(None), re.Pattern):
        return
    if origin is Literal or origin is re.Pattern:
        return
    if origin is dict and args[0] is not str:
        raise TypeError(f"{where}: the keys of a table are text: dict[str, …]")
    if origin in (list, dict, Union, types.UnionType):
        for arg in args:
            _expressible(arg, where)
        return
    raise TypeError(f"{where}: a checklist has no way to write {kind!r}")


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    return repr(value) if len(repr(value)) <= 60 else f"{str(value)[:50]!r}…"


def shown_default(param: Param) -> str:
    """A default as one would write it in the checklist; empty when there is none."""
    match param.default:
        case None:
            return ""
        case _Required():
            return ""
        case bool():
            return str(param.default).lower()
        case Seconds():
            return f'"{format_duration(param.default)}"'
        case str() | Path():
            return f'"{param.default}"'
        case re.Pattern():
            return f'"{param.default.pattern}"'
        case _:
            return str(param.default)
