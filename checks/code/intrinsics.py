"""Functions of libraries whose value is known from their arguments: the casts, and the readers of the environment."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from checks.code.values import OPEN, PLAIN, UNKNOWN, Environ, External, Url, bounded

_CASTS: Mapping[str, Callable[..., Any]] = {
    "int": int, "float": float, "bool": bool, "str": str, "dict": dict, "list": list, "tuple": tuple, "set": set,
    "len": len, "min": min, "max": max, "abs": abs, "round": round,
}  # fmt: skip
_URLS = {
    "sqlalchemy.make_url", "sqlalchemy.engine.make_url", "sqlalchemy.engine.url.make_url",
    "urllib.parse.urlparse", "urllib.parse.urlsplit",
}  # fmt: skip
_ENVIRON = {"os.getenv", "os.environ.get"}
# python-decouple, environs, starlette and django-environ: a reader with a cast of its own.
_READERS = {"decouple.config", "starlette.config.Config()", "environs.Env()", "environ.Env()"}
_TRUE = {"1", "true", "yes", "on", "y", "t"}


def intrinsic(name: str, arguments: list[Any], keywords: dict[str, Any], environ: Environ) -> Any:
    """What a call of the library function NAME returns, or UNKNOWN."""
    if name in _ENVIRON:
        return _read(environ, arguments, keywords)
    if name in _URLS and arguments:
        if isinstance(arguments[0], Url):
            return arguments[0]
        return Url(arguments[0]) if isinstance(arguments[0], str) else UNKNOWN
    if name.endswith("URL.create") and name.startswith("sqlalchemy"):
        driver = keywords.get("drivername", arguments[0] if arguments else UNKNOWN)
        return Url(f"{driver}://…") if isinstance(driver, str) else UNKNOWN
    if name in _CASTS:
        return _cast(name, arguments, keywords)
    base, _, method = name.rpartition(".")
    if name in _READERS or base in _READERS:
        cast = keywords.get("cast")
        wanted = cast.name if isinstance(cast, External) else method if base in _READERS else ""
        return _typed(_read(environ, arguments, keywords), wanted)
    return UNKNOWN


def _read(environ: Environ, arguments: list[Any], keywords: dict[str, Any]) -> Any:
    name = arguments[0] if arguments else keywords.get("key", UNKNOWN)
    default = arguments[1] if len(arguments) > 1 else keywords.get("default")
    return environ.values.get(name, default) if isinstance(name, str) else UNKNOWN


def _cast(name: str, arguments: list[Any], keywords: dict[str, Any]) -> Any:
    if name == "str" and arguments and isinstance(arguments[0], Url):
        return arguments[0].text
    if any(not isinstance(value, PLAIN) for value in (*arguments, *(v for k, v in keywords.items() if k != OPEN))):
        return UNKNOWN
    return bounded(_CASTS[name](*arguments, **keywords))


def _typed(value: Any, wanted: str) -> Any:
    if not isinstance(value, str) or wanted not in ("int", "float", "bool"):
        return value
    if wanted == "bool":
        return value.lower() in _TRUE
    return int(value) if wanted == "int" else float(value)
