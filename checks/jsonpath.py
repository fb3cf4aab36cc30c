"""Paths into JSON: keys and indexes joined by dots, or a JSONPath (RFC 9535) that begins with "$"."""

from __future__ import annotations

from typing import Any


def find(data: Any, path: str) -> tuple[bool, Any]:
    """(whether it is there, the value) at PATH; of a JSONPath that fits several values, the first.

    >>> find({"a": [{"b": 1}]}, "a.0.b"), find({}, "a"), find({"a": [{"b": 1}]}, "$.a[?@.b == 1].b")
    ((True, 1), (False, None), (True, 1))
    """
    if path.startswith("$"):
        import jsonpath

        found = jsonpath.match(path, data)
        return (False, None) if found is None else (True, found.value)
    for key in path.split("."):
        if isinstance(data, dict) and key in data:
            data = data[key]
        elif isinstance(data, list) and key.isdecimal() and int(key) < len(data):
            data = data[int(key)]
        else:
            return False, None
    return True, data


def path_fault(path: str) -> str:
    """Why PATH is no path, in words; "" when it is one."""
    if not path.startswith("$"):
        return "" if path else "an empty path leads nowhere"
    import jsonpath

    try:
        jsonpath.compile(path)
    except jsonpath.JSONPathError as error:
        return f"{path} is no JSONPath: {str(error).splitlines()[0]}"
    return ""
