"""What a step keeps for the steps after it."""

from __future__ import annotations

import html
import json
import re

from checks.journeys.model import JourneyError
from checks.journeys.page import Page, first
from checks.jsonpath import find, path_fault

KINDS = ("json", "css", "header", "cookie", "query", "re")


def captured(expression: str, page: Page) -> str | None:
    """What EXPRESSION (see `Step`) finds on PAGE; None when it finds nothing, or nothing but emptiness.

    Raises JourneyError where a variable that was filled in made it no expression.
    """
    kind, rest = split_kind(expression)
    if kind == "json":
        try:
            there, value = find(json.loads(page.text), rest)
        except (ValueError, RecursionError):
            return None
        found = None if not there or value is None else value if isinstance(value, str) else json.dumps(value)
    elif kind == "css":
        try:
            found = first(page, rest)
        except ValueError as error:
            raise JourneyError(str(error)) from None
    elif kind == "header":
        found = page.headers.get(rest.lower())
    elif kind == "cookie":
        found = page.cookies.get(rest)
    elif kind == "query":
        found = page.query.get(rest)
    else:
        match = re.search(rest, page.text)
        found = None if match is None else html.unescape(match[1] or "")
    return found or None


def split_kind(expression: str) -> tuple[str, str]:
    """("css", "a.next@href") of "css:a.next@href"; what begins with none of the KINDS is a regular expression."""
    kind, colon, rest = expression.partition(":")
    return (kind, rest) if colon and kind in KINDS else ("re", expression)


def expression_fault(expression: str) -> str:
    """Why EXPRESSION can capture nothing, in words; "" when it can."""
    kind, rest = split_kind(expression)
    if not rest:
        return f"{expression!r} names nothing"
    if "${" in rest:
        return ""  # what it will be is not known yet
    if kind == "json":
        return path_fault(rest)
    if kind == "css":
        try:
            first(Page(""), rest)
        except ValueError as error:
            return str(error)
    if kind == "re":
        try:
            groups = re.compile(rest).groups
        except re.error as error:
            return f"{error}"
        if groups != 1:
            return "one group is what is captured"
    return ""
