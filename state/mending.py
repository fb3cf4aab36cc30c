"""Harmless stand-ins where a file does not fit the schema, so that the rest of it can be judged all the same."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Iterable
from typing import Any

from state.problems import KeyPath

STAND_IN = "stand-in."  # ids that begin so are ours

# What a key must hold for the rules to have nothing to say about it; any other key is simply left out.
_VALUES: dict[str, Any] = {
    "schema": 1,
    "title": "stand-in",
    "text": "stand-in",
    "metric": "stand-in",
    "when": "> 0",
    "check": "stand-in",
    "for": "1s",
    "over": "1s",
    "every": "1d",
    "pair": True,
    "step": [],
    "item": [],
}
_ELEMENTS: dict[str, Any] = {
    "phase": {"title": "stand-in"},
    "step": {"title": "stand-in"},
    "item": {"text": "stand-in"},
}
_ELEMENTS |= {"role": {"title": "stand-in"}, "gate": {"text": "stand-in", "metric": "stand-in", "when": "> 0"}}


def mended(data: dict[str, Any], places: Iterable[KeyPath]) -> dict[str, Any]:
    """A copy of DATA with something harmless at each of PLACES; indices stay what they were."""
    data = copy.deepcopy(data)
    for number, place in enumerate(sorted(places, key=len)):
        above: Any = data
        for key in place[:-1]:
            above = _below(above, key)
        if not place or above is None:
            continue
        key = place[-1]
        if isinstance(above, list) and isinstance(key, int) and key < len(above):
            above[key] = _element(place, number)
        elif isinstance(above, dict):
            above.pop(key, None)
            if (value := _value(place, number)) is not None:
                above[str(key)] = value
    return data


def renamed(data: dict[str, Any], place: KeyPath, allowed: Iterable[str]) -> dict[str, Any]:
    """A copy of DATA with the misspelled key at PLACE under the name that was meant, if one is near and free."""
    data = copy.deepcopy(data)
    above: Any = data
    for key in place[:-1]:
        above = _below(above, key)
    if isinstance(above, dict) and place[-1] in above:
        value = above.pop(str(place[-1]))
        for meant in difflib.get_close_matches(str(place[-1]), list(allowed), n=1):
            above.setdefault(meant, value)
    return data


def _below(value: Any, key: str | int) -> Any:
    if isinstance(value, dict):
        return value.get(str(key))
    return value[key] if isinstance(value, list) and isinstance(key, int) and key < len(value) else None


def _value(place: KeyPath, number: int) -> Any:
    if place[-1] == "id":
        return f"{STAND_IN}{number}"
    if place == ("phase",):
        return [_element(("phase", 0), number)]
    return copy.deepcopy(_VALUES.get(str(place[-1]))) if "with" not in place[:-1] else None


def _element(place: KeyPath, number: int) -> Any:
    kind = str(place[-2]) if len(place) > 1 else ""
    if kind not in _ELEMENTS:
        return f"{STAND_IN}{number}"
    return _ELEMENTS[kind] | ({} if kind == "step" else {"id": f"{STAND_IN}{number}"})
