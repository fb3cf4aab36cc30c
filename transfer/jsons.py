"""JSON as jsonb prints it."""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation

from transfer.values import Unfit


def parsed(text: str) -> object:
    """Raises Unfit for what is no JSON."""
    try:
        return json.loads(text, parse_float=Decimal, parse_int=Decimal, parse_constant=_no_constant)
    except (json.JSONDecodeError, RecursionError, InvalidOperation):
        raise Unfit("not JSON") from None


def _no_constant(name: str) -> None:
    raise Unfit(f"{name} is not JSON")


def jsonb_text(value: object) -> str:
    """Keys by byte length, then bytes; the last of equal keys wins; numbers are numerics."""
    match value:
        case dict():
            keys = sorted(
                value,
                key=lambda k: (len(k.encode("utf-8", "surrogatepass")), k.encode("utf-8", "surrogatepass")),
            )
            return "{" + ", ".join(f"{jsonb_text(k)}: {jsonb_text(value[k])}" for k in keys) + "}"
        case list():
            return "[" + ", ".join(map(jsonb_text, value)) + "]"
        case Decimal():
            text = format(value, "f")
            return text.lstrip("-") if value == 0 else text
        case _:
            return json.dumps(value, ensure_ascii=False)
