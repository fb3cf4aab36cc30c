"""Targets: what the checks look at. `${env:NAME}` brings a secret in, `${name}` hands a target to a check."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from state.definition import Target

_REFERENCE = re.compile(r"\$\{([^}]*)\}")


def references(text: str) -> list[str]:
    """The names that TEXT refers to.

    >>> references("--db ${sqlite} ${env:HOME}")
    ['sqlite', 'env:HOME']
    """
    return _REFERENCE.findall(text)


class MissingTarget(Exception):
    """A target whose environment variable is not set: the check that needs it cannot look."""

    def __init__(self, name: str, variable: str) -> None:
        self.name, self.variable = name, variable
        super().__init__(f"target {name!r} needs the environment variable {variable}, which is not set")


class Targets(msgspec.Struct, frozen=True):
    """The resolved targets. `missing` maps a target to the variable that it lacks; `secrets` are for the redactor."""

    values: dict[str, Target]
    missing: dict[str, str] = {}
    secrets: tuple[str, ...] = ()

    def fill(self, value: Any) -> Any:
        """VALUE with every `${name}` in it replaced. Raises MissingTarget for one that has no value.

        A string that is nothing but one reference takes the target as it is, so that lists and numbers stay
        lists and numbers; inside a longer string it is written out.
        """
        if isinstance(value, str):
            if (whole := _REFERENCE.fullmatch(value)) is not None:
                return self._get(whole[1])
            return _REFERENCE.sub(lambda match: str(self._get(match[1])), value)
        if isinstance(value, dict):
            return {key: self.fill(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.fill(item) for item in value]
        return value

    def _get(self, name: str) -> Target:
        if name in self.missing:
            raise MissingTarget(name, self.missing[name])
        return self.values[name]


def resolve(targets: Mapping[str, Target], environ: Mapping[str, str]) -> Targets:
    """TARGETS with their `${env:NAME}` read from ENVIRON. An empty variable counts as missing."""
    values: dict[str, Target] = {}
    missing: dict[str, str] = {}
    secrets: list[str] = []
    for name, target in targets.items():
        variables = [reference.removeprefix("env:") for text in _texts(target) for reference in references(text)]
        secrets += [environ[variable] for variable in variables if environ.get(variable)]
        if lacking := [variable for variable in variables if not environ.get(variable)]:
            missing[name] = lacking[0]
        elif isinstance(target, str):
            values[name] = _from_environment(target, environ)
        elif isinstance(target, list):
            values[name] = [_from_environment(text, environ) for text in target]
        else:
            values[name] = target
    return Targets(values, missing, tuple(secrets))


def _texts(target: Target) -> list[str]:
    return target if isinstance(target, list) else [target] if isinstance(target, str) else []


def _from_environment(text: str, environ: Mapping[str, str]) -> str:
    # In one go, so that a value that happens to hold "${…}" is not read again.
    return _REFERENCE.sub(lambda match: environ[match[1].removeprefix("env:")], text)
