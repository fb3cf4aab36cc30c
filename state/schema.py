"""The JSON Schema of `checklist.toml`, and the mistakes it finds, told as a person would tell them."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Any

import msgspec

from state.definition import Checklist
from state.problems import KeyPath

_WORDS = {
    "string": "a string",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "a table",
    "array": "an array",
    "null": "nothing",
}


def json_schema() -> dict[str, Any]:
    """The schema (draft 2020-12) of the whole file, for editors and for `mistakes`."""
    schema = msgspec.json.schema(Checklist)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["title"] = "tminus checklist"
    return schema


def mistakes(data: dict[str, Any]) -> Iterator[tuple[KeyPath, str, str]]:
    """(key path, what is wrong, what would be right) for every place where DATA does not fit the schema."""
    from jsonschema import Draft202012Validator

    for error in Draft202012Validator(json_schema()).iter_errors(data):
        yield from _told(error)


def _told(error: Any) -> Iterator[tuple[KeyPath, str, str]]:
    path: KeyPath = tuple(error.absolute_path)
    match error.validator:
        case "additionalProperties":
            allowed = sorted(error.schema.get("properties", {}))
            for key in sorted(set(error.instance) - set(allowed)):
                yield (*path, key), f"unknown key {key!r}", did_you_mean(key, allowed)
        case "required":
            for key in error.validator_value:
                if key not in error.instance:
                    yield path, f"the key {key!r} is missing", f"add {key} = …"
        case "type":
            wanted = _types(error.validator_value)
            yield path, f"{_shown(error.instance)} is not {wanted}", f"write {wanted}"
        case "enum" | "const":
            values = error.validator_value if error.validator == "enum" else [error.validator_value]
            choices = " or ".join(_shown(value) for value in values)
            yield path, f"{_shown(error.instance)} is not one of the choices", f"write {choices}"
        case "pattern":
            wanted = error.schema.get("description", f"text like {error.validator_value}")
            yield path, f"{_shown(error.instance)} is not of the right form", f"write {wanted}"
        case "minLength" | "minItems":
            yield path, "is empty", "say something here, or take the key out"
        case "minimum":
            yield path, f"{error.instance} is too small", f"write at least {error.validator_value}"
        case "anyOf":
            # The alternatives are a value or null; what is wrong with the value is the message.
            concrete = [e for e in error.context if e.schema.get("type") != "null"]
            if len({e.schema_path[0] for e in concrete}) == 1:
                for sub in concrete:
                    yield from _told(sub)
            else:
                wanted = " or ".join(_types(s["type"]) for s in error.validator_value if "type" in s)
                yield path, f"{_shown(error.instance)} does not fit", f"write {wanted}"
        case _:
            yield path, str(error.message), ""


def did_you_mean(word: str, allowed: list[str]) -> str:
    """The nearest of ALLOWED, or all of them when none is near."""
    near = difflib.get_close_matches(word, allowed, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(allowed) or 'nothing'}"


def _types(kind: str | list[str]) -> str:
    return " or ".join(_WORDS.get(k, k) for k in ([kind] if isinstance(kind, str) else kind))


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "an array"
    return repr(value) if not isinstance(value, bool) else str(value).lower()
