"""What the check of an item looks at, as a person reads it: its parameters, filled in and without secrets."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from state.clean import clean, shorten
from state.definition import Item
from state.redact import Redactor
from state.targets import MissingTarget, Targets

LINE_CHARS = 200


def looks_of(targets: Targets, redact: Redactor) -> Callable[[Item], tuple[str, ...]]:
    """A function that says what an item's check looks at, a line for each parameter."""

    def lines(item: Item) -> tuple[str, ...]:
        return tuple(_line(key, value, targets, redact) for key, value in item.with_.items())

    return lines


def _line(key: str, value: Any, targets: Targets, redact: Redactor) -> str:
    try:
        text = _text(targets.fill(value))
    except MissingTarget as error:
        text = f"{_text(value)} (the environment variable {error.variable} is not set)"
    except KeyError as error:
        text = f"{_text(value)} (no target {error.args[0]!r})"
    # Cleaned first: a control character inside a secret would hide it from the redactor.
    return shorten(redact(clean(f"{key} = {text}")), LINE_CHARS)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return shlex.join(str(part) for part in value)
    if isinstance(value, dict):
        return ", ".join(f"{key}={_text(part)}" for key, part in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value)
    return _server(text) if "://" in text and text.split() == [text] else text


def _server(url: str) -> str:
    """URL without who signs in and with what: the server and the path are what one wants to recognise."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return url
    return f"{parts.scheme}://{parts.hostname or ''}{port}{parts.path}"
