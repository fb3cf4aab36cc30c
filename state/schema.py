"""The JSON Schema of `checklist.toml`, and the mistakes it finds, told as a person would tell them."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from typing import Any

import msgspec

from state.definition import Checklist
from state.mending import STAND_IN
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


class Mistake(msgspec.Struct, frozen=True):
    """One place that does not fit the schema. `place` is the key itself, `path` where a person should look."""

    path: KeyPath
    message: str
    mend: str
    place: KeyPath
    allowed: tuple[str, ...] = ()  # of an unknown key: what is known there


def mistakes(data: dict[str, Any], schema: dict[str, Any] | None = None) -> Iterator[Mistake]:
    """Every place where DATA does not fit the SCHEMA (none: the checklist's)."""
    from jsonschema import Draft202012Validator

    for error in Draft202012Validator(schema or json_schema()).iter_errors(data):
        yield from _told(error)


def _told(error: Any) -> Iterator[Mistake]:
    path: KeyPath = tuple(error.absolute_path)
    match error.validator:
        case "additionalProperties":
            allowed = sorted(error.schema.get("properties", {}))
            for key in sorted(set(error.instance) - set(allowed)):
                mend = did_you_mean(key, allowed)
                yield Mistake((*path, key), f"unknown key {key!r}", mend, (*path, key), tuple(allowed))
        case "required":
            # One error for each missing key comes with the same list: the message begins with the one it means.
            for key in error.validator_value:
                if error.message.startswith(f"{key!r} ") and not _misspelled(key, error):
                    yield Mistake(path, f"the key {key!r} is missing", f"add {key} = …", (*path, key))
        case "anyOf":
            # The alternatives are a value or null; what is wrong with the value is the message.
            concrete = [e for e in error.context if e.schema.get("type") != "null"]
            if len({e.schema_path[0] for e in concrete}) == 1:
                for sub in concrete:
                    yield from _told(sub)
            else:
                wanted = " or ".join(_types(s["type"]) for s in error.validator_value if "type" in s)
                yield Mistake(path, f"{_shown(error.instance)} does not fit", f"write {wanted}", path)
        case _:
            yield Mistake(path, *_value_told(error), path)


def _value_told(error: Any) -> tuple[str, str]:
    match error.validator:
        case "type":
            wanted = _types(error.validator_value)
            return f"{_shown(error.instance)} is not {wanted}", f"write {wanted}"
        case "enum" | "const":
            values = error.validator_value if error.validator == "enum" else [error.validator_value]
            choices = " or ".join(_shown(value) for value in values)
            return f"{_shown(error.instance)} is not one of the choices", f"write {choices}"
        case "pattern":
            wanted = error.schema.get("description", f"text like {error.validator_value}")
            return f"{_shown(error.instance)} is not of the right form", f"write {wanted}"
        case "minLength" | "minItems":
            return "is empty", "say something here, or take the key out"
        case "minimum":
            return f"{error.instance} is too small", f"write at least {error.validator_value}"
        case _:
            return str(error.message), ""


def _misspelled(key: str, error: Any) -> bool:
    """Whether KEY is there under a name so near that "did you mean" already says it."""
    known = set(error.schema.get("properties", {}))
    return any(difflib.get_close_matches(found, sorted(known), n=1) == [key] for found in set(error.instance) - known)


def did_you_mean(word: str, allowed: list[str]) -> str:
    """The nearest of ALLOWED, or all of them when none is near."""
    allowed = [name for name in allowed if not name.startswith(STAND_IN)]
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


def schema_text() -> str:
    """The schema as it is shipped in `docs/checklist.schema.json`, for editors."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
