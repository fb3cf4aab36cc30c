"""What a journeys file may say: plain data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

import msgspec

from state.schema import did_you_mean

REFERENCE = re.compile(r"\$\{([^}]*)\}")
GIVEN = ("unique", "secret", "base_url")  # variables that every journey has; the first two are new in every run
Status = int | str
Scalar = str | int | float | bool


class JourneyError(Exception):
    """A journey that cannot be walked as it is declared: which file, where, and what is wrong."""


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Mail(_Table, frozen=True, kw_only=True):
    """Wait for a mail to TO that holds all of CONTAINS, sent since the journey began."""

    to: str
    contains: list[str] = []


class Csrf(_Table, frozen=True, kw_only=True):
    """Where the app puts its token against forged requests, and where it wants it back.

    Found in the hidden `input` of a page, in its `<meta name=…>`, in a `cookie` or in a `from_header` of an answer;
    sent back as the form's `field` (unless empty), and as the header `header` where that is named.
    """

    input: str = ""
    meta: str = ""
    cookie: str = ""
    from_header: str = ""
    field: str = ""
    header: str = ""


USUAL_CSRF = Csrf(input="csrf_token", field="csrf_token")


class Step(_Table, frozen=True, kw_only=True):
    """One step: a request (`path`, or `submit`), a mail to read, or a program to run.

    `submit` is the CSS selector of a form on the page before: its action, its method and its hidden fields are
    sent, with `form` over them. `csrf` sends the token as the journey's [csrf] says. `as` names the visitor: each
    has cookies of its own. `status` is a number, a class ("2xx") or a list of them, judged after redirects unless
    `follow` is false. `redirects_to` is where the first redirect leads, and `redirect_query` what its address
    must say ("" stands for any value but none); `stop_before` is an address up to which redirects are followed.
    `capture` maps a variable to "json:PATH", "css:SELECTOR" (its text) or "css:SELECTOR@ATTRIBUTE",
    "header:NAME", "cookie:NAME", "query:NAME" (of the redirect) or a regular expression with one group. `within`
    repeats a GET until it is as declared, for so long at most. `healthy` is a path that must answer well after a
    program was run. `differ` names variables that must all be different. A step with `when` is taken only where
    that variable is not empty, one with `unless` only where it is. `configured_by` names the variable that says
    whether the app has what this step looks for: where it is empty and the step does not find it, nobody knows,
    and the journey ends.
    """

    name: str
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"] = "GET"
    path: str = ""
    submit: str = ""
    query: dict[str, str] = {}
    form: dict[str, str] = {}
    json: Any = None
    headers: dict[str, str] = {}
    csrf: bool = False
    cookies: bool = True
    follow: bool = True
    visitor: str = msgspec.field(default="", name="as")
    status: Status | list[Status] = 200
    contains: list[str] = []
    lacks: list[str] = []
    matches: list[str] = []
    header_is: dict[str, str] = {}
    header_matches: dict[str, str] = {}
    json_is: dict[str, Scalar] = {}
    ends_at: str = ""
    stop_before: str = ""
    redirects_to: str = ""
    redirect_query: dict[str, str] = {}
    capture: dict[str, str] = {}
    differ: list[str] = []
    mail: Mail | None = None
    run: str | list[str] = []
    healthy: str = ""
    within: str = ""
    when: str = ""
    unless: str = ""
    configured_by: str = ""


class Journey(_Table, frozen=True, kw_only=True):
    """A named sequence of steps. `first`: journeys whose steps come before. `vars` may use ${unique}.

    The steps of `finally` are taken whatever happened, so that nothing is left behind; one that uses a variable that
    no step came to set has nothing to clean up, and is left out.
    """

    title: str = ""
    first: list[str] = []
    vars: dict[str, str] = {}
    csrf: Csrf | None = None
    step: list[Step] = []
    finally_: list[Step] = msgspec.field(default_factory=list, name="finally")


class File(_Table, frozen=True, kw_only=True):
    """The whole file: variables and [csrf] for all of it, and the journeys."""

    vars: dict[str, str] = {}
    csrf: Csrf | None = None
    journey: dict[str, Journey]


class Route(msgspec.Struct, frozen=True):
    """A journey with all that comes before it: its steps in order, what cleans up after them, and its variables."""

    name: str
    title: str
    steps: tuple[Step, ...]
    cleanup: tuple[Step, ...]
    csrf: Csrf
    vars: dict[str, str]


def fill(value: Any, variables: Mapping[str, str]) -> Any:
    """VALUE with every ${name} in it replaced. Raises JourneyError for a name nobody set."""
    if isinstance(value, str):

        def one(match: re.Match[str]) -> str:
            if match[1] not in variables:
                raise JourneyError(f"no variable {match[1]!r}: {did_you_mean(match[1], sorted(variables))}")
            return variables[match[1]]

        return REFERENCE.sub(one, value)
    if isinstance(value, dict):
        return {fill(key, variables): fill(each, variables) for key, each in value.items()}
    if isinstance(value, list):
        return [fill(each, variables) for each in value]
    return value


def names_in(value: Any) -> set[str]:
    """The variables that VALUE refers to, however deep.

    >>> sorted(names_in({"a": ["${x}", "/${y}/${x}"]}))
    ['x', 'y']
    """
    if isinstance(value, str):
        return set(REFERENCE.findall(value))
    if isinstance(value, dict):
        return {name for key, each in value.items() for name in names_in(key) | names_in(each)}
    if isinstance(value, list):
        return {name for each in value for name in names_in(each)}
    return set()
