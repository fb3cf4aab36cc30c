"""The simplest path into JSON: keys and indexes, joined by dots."""

from __future__ import annotations

from typing import Any


def find(data: Any, path: str) -> tuple[bool, Any]:
    """(whether it is there, the value) at PATH.

    >>> find({"a": [{"b": 1}]}, "a.0.b"), find({}, "a")
    ((True, 1), (False, None))
    """
    for key in path.split("."):
        if isinstance(data, dict) and key in data:
            data = data[key]
        elif isinstance(data, list) and key.isdecimal() and int(key) < len(data):
            data = data[int(key)]
        else:
            return False, None
    return True, data
