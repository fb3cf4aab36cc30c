"""The token against forged requests: where a page or a cookie holds it."""

from __future__ import annotations

from collections.abc import Mapping

from checks.journeys.model import Csrf
from checks.journeys.page import Page, first


def token_of(csrf: Csrf, page: Page) -> str | None:
    """The token that PAGE brings: in a hidden input, a meta tag or a header; None when it brings none."""
    places = []
    if csrf.input:
        places.append(first(page, f'input[name="{_quoted(csrf.input)}"]@value'))
    if csrf.meta:
        places.append(first(page, f'meta[name="{_quoted(csrf.meta)}"]@content'))
    if csrf.from_header:
        places.append(page.headers.get(csrf.from_header.lower()))
    return next((place for place in places if place), None)


def sent(csrf: Csrf, token: str | None, cookies: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """The form fields and the headers that prove a request is not forged; both empty when there is no token."""
    value = cookies.get(csrf.cookie) if csrf.cookie else token
    value = value or token
    if not value:
        return {}, {}
    fields = {csrf.field: value} if csrf.field else {}
    return fields, {csrf.header: value} if csrf.header else {}


def places_of(csrf: Csrf) -> str:
    """Where the token is looked for, in words."""
    named = (("hidden input", csrf.input), ("meta", csrf.meta), ("cookie", csrf.cookie), ("header", csrf.from_header))
    return " and no ".join(f"{kind} {name}" for kind, name in named if name) or "place that [csrf] names"


def _quoted(name: str) -> str:
    return name.replace("\\", "\\\\").replace('"', '\\"')
