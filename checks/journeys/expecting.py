"""Whether a page is as a step declares it."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from checks.journeys.model import Status, Step
from checks.journeys.page import Page
from checks.jsonpath import find
from state.clean import shorten

_SHOWN = 80


def wrong(step: Step, page: Page) -> list[str]:
    """Everything in which PAGE is not as STEP, its variables filled in, declares it."""
    return [*_status(step, page), *_addresses(step, page), *_content(step, page), *_headers(step, page)]


def fits(status: int, wanted: Status | list[Status]) -> bool:
    """Whether STATUS is the one, of the class, or one of those WANTED.

    >>> fits(204, "2xx"), fits(404, [200, 404]), fits(500, "2xx")
    (True, True, False)
    """
    if isinstance(wanted, list):
        return any(fits(status, one) for one in wanted)
    text = str(wanted)
    return text == str(status) or (text.endswith("xx") and text[0] == str(status)[0])


def _status(step: Step, page: Page) -> Iterator[str]:
    if not fits(page.status, step.status):
        wanted = step.status if isinstance(step.status, list) else [step.status]
        yield f"status {page.status}, not {' or '.join(map(str, wanted))}"


def _addresses(step: Step, page: Page) -> Iterator[str]:
    if step.ends_at and not _same_place(page.url, step.ends_at):
        yield f"ended at {_place(page.url, step.ends_at)}, not {step.ends_at}"
    if not (step.redirects_to or step.redirect_query):
        return
    if not page.redirect:
        yield f"no redirect{f' to {step.redirects_to}' if step.redirects_to else ''}"
        return
    if step.redirects_to and not _same_place(page.redirect, step.redirects_to):
        yield f"redirects to {_place(page.redirect, step.redirects_to)}, not {step.redirects_to}"
    said = parse_qsl(urlsplit(page.redirect).query, keep_blank_values=True)
    for name, wanted in step.redirect_query.items():
        values = [value for key, value in said if key == name]
        if len(values) > 1:
            yield f"the redirect says {name} {len(values)} times"
        elif not values or not values[0]:
            yield f"the redirect says no {name}"
        elif wanted and values[0] != wanted:
            yield f"the redirect's {name} is {_cut(values[0])}, not {_cut(wanted)}"


def _content(step: Step, page: Page) -> Iterator[str]:
    part = " in the part of the body that was read" if page.truncated else ""
    plain = html.unescape(page.text)
    yield from (f"does not contain {_cut(w)!r}{part}" for w in step.contains if w not in plain)
    yield from (f"contains {_cut(w)!r}" for w in step.lacks if w in plain)
    if step.lacks and page.truncated:
        yield "the body is too large to say what it lacks"
    yield from (f"does not match {_cut(p)}{part}" for p in step.matches if not _found(p, plain))
    if not step.json_is:
        return
    try:
        data = json.loads(page.text)
    except (ValueError, RecursionError):
        yield "the answer is not JSON"
        return
    for path, wanted in step.json_is.items():
        there, value = find(data, path)
        if not there:
            yield f"{path} is missing, not {wanted}"
        elif not _equal(value, wanted):
            yield f"{path} = {_cut(str(value))}, not {wanted}"


def _headers(step: Step, page: Page) -> Iterator[str]:
    for name, wanted in step.header_is.items():
        if (value := page.headers.get(name.lower())) != wanted:
            yield f"header {name} is {'missing' if value is None else _cut(value)}, not {_cut(wanted)}"
    for name, pattern in step.header_matches.items():
        value = page.headers.get(name.lower())
        if value is None or not _found(pattern, value):
            yield f"header {name} is {'missing' if value is None else _cut(value)}, no match of {_cut(pattern)}"


def _found(pattern: str, text: str) -> bool:
    try:
        return re.search(pattern, text) is not None
    except re.error:  # a variable that was filled in made it none
        return False


def _equal(value: Any, wanted: Any) -> bool:
    return bool(value == wanted) and isinstance(value, bool) == isinstance(wanted, bool)


def _same_place(url: str, wanted: str) -> bool:
    return _place(url, wanted) == _place(wanted, wanted)


def _place(url: str, like: str) -> str:
    """URL as far as LIKE goes: a path alone, or scheme, host and path."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}" if "://" in like else parts.path


def _cut(text: str) -> str:
    return shorten(text, _SHOWN)
