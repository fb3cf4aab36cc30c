"""Journeys as a file declares them: what a visitor does, step by step, and what must come back."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from state.schema import did_you_mean

_REFERENCE = re.compile(r"\$\{([^}]*)\}")


class JourneyError(Exception):
    """A journeys file that cannot be used: which file, where, and what is wrong."""


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Mail(_Table, frozen=True, kw_only=True):
    """Wait for a mail in the outbox folder, sent since the journey began."""

    to: str
    contains: list[str] = []


class Step(_Table, frozen=True, kw_only=True):
    """One step: a request, a mail to read, or a program to run.

    `csrf` sends the hidden input csrf_token of the page before. `status` is judged after redirects unless
    `follow` is false. `capture` maps a variable to a regular expression with one group, or to "json:a.b".
    `wait` repeats a request until it is as expected, for so long at most.
    """

    name: str
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"] = "GET"
    path: str = ""
    form: dict[str, str] = {}
    json: dict[str, Any] | None = None
    headers: dict[str, str] = {}
    csrf: bool = False
    cookies: bool = True
    follow: bool = True
    status: int = 200
    contains: list[str] = []
    lacks: list[str] = []
    json_is: dict[str, str | int | float | bool] = {}
    ends_at: str = ""
    capture: dict[str, str] = {}
    mail: Mail | None = None
    run: str | list[str] = []
    wait: str = ""


class Journey(_Table, frozen=True, kw_only=True):
    """A named sequence of steps. `first`: journeys whose steps come before. `vars` may use ${unique}."""

    title: str = ""
    first: list[str] = []
    vars: dict[str, str] = {}
    step: list[Step] = []


class _File(_Table, frozen=True, kw_only=True):
    vars: dict[str, str] = {}
    journey: dict[str, Journey]


class Route(msgspec.Struct, frozen=True):
    """A journey with all that comes before it: its steps in order and its variables."""

    name: str
    title: str
    steps: tuple[Step, ...]
    vars: dict[str, str]


def load_journey(path: Path, name: str) -> Route:
    """The journey NAME of the file at PATH. Raises JourneyError."""
    try:
        file = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), _File)
    except OSError as error:
        raise JourneyError(f"{path.name}: {error.strerror}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise JourneyError(f"{path.name}: {error}") from None
    steps: list[Step] = []
    variables = dict(file.vars)
    for each in _order(file.journey, name, path.name, ()):
        steps += file.journey[each].step
        variables |= file.journey[each].vars
    if not file.journey[name].step:
        raise JourneyError(f"{path.name}: the journey {name!r} has no step")
    for step in steps:
        _judge(step, path.name)
    return Route(name, file.journey[name].title or name, tuple(steps), variables)


def _order(journeys: Mapping[str, Journey], name: str, file: str, above: tuple[str, ...]) -> list[str]:
    if name not in journeys:
        raise JourneyError(f"{file}: no journey {name!r}: {did_you_mean(name, list(journeys))}")
    if name in above:
        raise JourneyError(f"{file}: the journey {name!r} comes before itself")
    order: list[str] = []
    for before in journeys[name].first:
        order += [each for each in _order(journeys, before, file, (*above, name)) if each not in order]
    return [*order, name]


def _judge(step: Step, file: str) -> None:
    kinds = [kind for kind, given in (("path", step.path), ("mail", step.mail), ("run", step.run)) if given]
    if len(kinds) != 1:
        said = " and ".join(kinds) or "nothing"
        raise JourneyError(f"{file}: step {step.name!r} has {said}: give it a path, a mail or a run")
    for variable, pattern in step.capture.items():
        if pattern.startswith("json:"):
            continue
        try:
            groups = re.compile(pattern).groups
        except re.error as error:
            raise JourneyError(f"{file}: step {step.name!r}, capture {variable}: {error}") from None
        if groups != 1:
            raise JourneyError(f"{file}: step {step.name!r}, capture {variable}: one group is what is captured")


def fill(value: Any, variables: Mapping[str, str]) -> Any:
    """VALUE with every ${name} in it replaced. Raises JourneyError for a name nobody set."""
    if isinstance(value, str):

        def one(match: re.Match[str]) -> str:
            if match[1] not in variables:
                raise JourneyError(f"no variable {match[1]!r}: {did_you_mean(match[1], sorted(variables))}")
            return variables[match[1]]

        return _REFERENCE.sub(one, value)
    if isinstance(value, dict):
        return {key: fill(each, variables) for key, each in value.items()}
    if isinstance(value, list):
        return [fill(each, variables) for each in value]
    return value
