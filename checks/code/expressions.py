"""The expressions of the small interpreter: from a node to its value, or UNKNOWN."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from typing import Any

from checks.code.calling import Calling
from checks.code.values import (
    COMPARISONS,
    ODD,
    OPEN,
    PLAIN,
    UNKNOWN,
    Class,
    Environ,
    External,
    Function,
    Imported,
    Instance,
    bounded,
    combine,
)

_DEEPEST = 60  # expressions within expressions
_ITEMS = 200


class Expressions(Calling):
    """What `Interpreter` does with expressions."""

    _depth = 0

    def value(self, node: ast.expr) -> Any:
        """The value of NODE. Never raises for what a program may hold."""
        self.steps -= 1
        if self.steps <= 0 or self._depth >= _DEEPEST:
            return UNKNOWN
        self._depth += 1
        try:
            return self._value(node)
        except ODD:
            return UNKNOWN
        finally:
            self._depth -= 1

    def truth(self, value: Any) -> bool | None:
        """Whether VALUE is true; None when nobody knows."""
        if isinstance(value, PLAIN):
            return bool(value) if not (isinstance(value, dict) and set(value) == {OPEN}) else None
        return True if isinstance(value, Function | Class | Instance | Imported) else None

    def _value(self, node: ast.expr) -> Any:
        match node:
            case ast.Constant():
                return bounded(node.value)
            case ast.Name():
                found = self.scope.get(node.id)
                return self.environ if isinstance(found, External) and found.name == "os.environ" else found
            case ast.Attribute():
                return self.attribute(self.value(node.value), node.attr)
            case ast.Subscript():
                return self._subscript(self.value(node.value), self.value(node.slice))
            case ast.Slice():
                ends = [None if e is None else self.value(e) for e in (node.lower, node.upper, node.step)]
                return slice(*ends)
            case ast.Call():
                return self._call(node)
            case ast.Dict():
                return self._dict(node)
            case ast.List() | ast.Tuple() | ast.Set():
                return self._sequence(node)
            case ast.JoinedStr():
                return self._joined(node)
            case ast.BinOp():
                return combine(type(node.op), self.value(node.left), self.value(node.right))
            case ast.UnaryOp():
                return self._unary(node)
            case ast.BoolOp():
                return self._bool(node)
            case ast.Compare():
                return self._compare(node)
            case ast.IfExp():
                return self._conditional(node)
            case ast.Lambda():
                return Function(self.module, node, self.scope)
            case ast.NamedExpr(target=ast.Name(id=name)):
                self.scope.names[name] = found = self.value(node.value)
                return found
            case ast.Await():
                self.value(node.value)
                return UNKNOWN
            case ast.ListComp() | ast.GeneratorExp() | ast.SetComp() | ast.DictComp():
                return self._comprehension(node)
        return UNKNOWN

    def _subscript(self, owner: Any, index: Any) -> Any:
        if isinstance(owner, Environ):
            return owner.values.get(index, UNKNOWN)
        if isinstance(owner, External) and isinstance(index, str):
            return self.kept.get((owner.name, index), UNKNOWN)
        if isinstance(owner, dict) and OPEN in owner and index not in owner:
            return UNKNOWN
        return owner[index] if isinstance(owner, dict | list | tuple | str) and index is not UNKNOWN else UNKNOWN

    def _dict(self, node: ast.Dict) -> Any:
        found: dict[Any, Any] = {}
        for key, item in zip(node.keys, node.values, strict=True):
            value = self.value(item)
            if key is None:
                found |= value if isinstance(value, dict) else {OPEN: UNKNOWN}
                continue
            name = self.value(key)
            found[OPEN if name is UNKNOWN else name] = UNKNOWN if name is UNKNOWN else value
        return found

    def _sequence(self, node: ast.List | ast.Tuple | ast.Set) -> Any:
        found: list[Any] = []
        for item in node.elts:
            if isinstance(item, ast.Starred):
                more = self.value(item.value)
                if not isinstance(more, list | tuple):
                    return UNKNOWN
                found += more
            else:
                found.append(self.value(item))
        kinds: Mapping[type[ast.expr], Callable[[list[Any]], Any]] = {ast.List: list, ast.Tuple: tuple, ast.Set: set}
        return kinds[type(node)](found)

    def _joined(self, node: ast.JoinedStr) -> Any:
        parts: list[str] = []
        for part in node.values:
            value = self.value(part.value if isinstance(part, ast.FormattedValue) else part)
            if isinstance(part, ast.FormattedValue) and part.format_spec is not None:
                return UNKNOWN
            if not isinstance(value, str | int | float):
                # The beginning of a URL says which database it is; what follows need not be known.
                return "".join(parts) + "…" if parts and "://" in parts[0] else UNKNOWN
            parts.append(str(value))
        return bounded("".join(parts))

    def _unary(self, node: ast.UnaryOp) -> Any:
        value = self.value(node.operand)
        if isinstance(node.op, ast.Not):
            truth = self.truth(value)
            return UNKNOWN if truth is None else not truth
        if isinstance(value, int | float):
            return -value if isinstance(node.op, ast.USub) else +value if isinstance(node.op, ast.UAdd) else UNKNOWN
        return UNKNOWN

    def _bool(self, node: ast.BoolOp) -> Any:
        wanted = isinstance(node.op, ast.Or)
        value: Any = UNKNOWN
        for operand in node.values:
            value = self.value(operand)
            truth = self.truth(value)
            if truth is None or truth is wanted:
                return UNKNOWN if truth is None else value
        return value

    def _compare(self, node: ast.Compare) -> Any:
        left = self.value(node.left)
        for kind, right_node in zip(node.ops, node.comparators, strict=True):
            right = self.value(right_node)
            if isinstance(right, Environ):
                right = right.values
            if not isinstance(left, PLAIN) or not isinstance(right, PLAIN):
                return UNKNOWN
            if (
                isinstance(right, dict)
                and OPEN in right
                and isinstance(kind, ast.In | ast.NotIn)
                and left not in right
            ):
                return UNKNOWN
            if not COMPARISONS[type(kind)](left, right):
                return False
            left = right
        return True

    def _conditional(self, node: ast.IfExp) -> Any:
        truth = self.truth(self.value(node.test))
        if truth is not None:
            return self.value(node.body if truth else node.orelse)
        one, other = self.value(node.body), self.value(node.orelse)
        return one if isinstance(one, PLAIN) and type(one) is type(other) and one == other else UNKNOWN

    def _comprehension(self, node: ast.ListComp | ast.GeneratorExp | ast.SetComp | ast.DictComp) -> Any:
        (first, *more) = node.generators
        over = self.value(first.iter)
        if (
            more
            or not isinstance(over, list | tuple | dict)
            or len(over) > _ITEMS
            or not isinstance(first.target, ast.Name | ast.Tuple)
        ):
            return UNKNOWN
        names = [
            t.id
            for t in ([first.target] if isinstance(first.target, ast.Name) else first.target.elts)
            if isinstance(t, ast.Name)
        ]
        kept, found = dict(self.scope.names), []
        try:
            for item in over:
                self.scope.names |= dict(zip(names, item if len(names) > 1 else [item], strict=True))
                tests = [self.truth(self.value(test)) for test in first.ifs]
                if None in tests:
                    return UNKNOWN
                if all(tests):
                    found.append(
                        (self.value(node.key), self.value(node.value))
                        if isinstance(node, ast.DictComp)
                        else self.value(node.elt)
                    )
        finally:
            self.scope.names = kept
        return (
            dict(found) if isinstance(node, ast.DictComp) else set(found) if isinstance(node, ast.SetComp) else found
        )
