"""What a start command says of the processes it starts: workers, preload, migrations."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence

# What Render's native Python runtime sets where the Blueprint does not (its page "Environment variables").
_RENDER_GUNICORN_ARGS = "--preload --access-logfile - --bind=0.0.0.0:10000"

_SERVERS = ("gunicorn", "uvicorn")
_VARIABLE = re.compile(r"\$(?:\{(?P<name>\w+)(?::?-(?P<default>[^}]*))?\}|(?P<bare>\w+))")
_MIGRATES = re.compile(r"\b(?:alembic\b.*\bupgrade|flask\b.*\bdb\b.*\bupgrade|manage\.py\s+migrate)\b")


def workers_of(command: str, environment: Mapping[str, str]) -> int | None:
    """The worker processes that COMMAND starts; None when it does not say so (a configuration file may).

    By gunicorn's order: the command line, GUNICORN_CMD_ARGS, the file, WEB_CONCURRENCY. uvicorn: --workers, then
    WEB_CONCURRENCY. Source: gunicorn's "Configuration Overview", uvicorn's "Settings".
    """
    server, arguments = _server(command, environment)
    if not server:
        return None
    said = [_option(arguments, "-w", "--workers")]
    if server == "gunicorn":
        extra = _words(environment.get("GUNICORN_CMD_ARGS", ""))
        said.append(_option(extra, "-w", "--workers"))
        if not any(said) and any(_option(words, "-c", "--config") for words in (arguments, extra)):
            return None
    said.append(environment.get("WEB_CONCURRENCY", ""))
    count = next((one for one in said if one), "")
    return int(count) if count.isdecimal() and count.isascii() and 0 < int(count) < 10_000 else None


def preloads(command: str, environment: Mapping[str, str], *, native: bool) -> bool:
    """Whether gunicorn loads the application before it forks. NATIVE: Render's Python runtime, which asks for that
    in GUNICORN_CMD_ARGS unless the Blueprint sets it."""
    server, arguments = _server(command, environment)
    if server != "gunicorn":
        return False
    extra = environment.get("GUNICORN_CMD_ARGS", _RENDER_GUNICORN_ARGS if native else "")
    return "--preload" in arguments or "--preload" in _words(extra)


def migrates(command: str) -> bool:
    """Whether COMMAND runs migrations (Alembic, Flask-Migrate, Django)."""
    return bool(_MIGRATES.search(command))


def _server(command: str, environment: Mapping[str, str]) -> tuple[str, Sequence[str]]:
    """The server that COMMAND starts, and its arguments up to the next command of the shell."""
    words = _words(_expanded(command, environment))
    for place, word in enumerate(words):
        name = word.rpartition("/")[2]
        if name in _SERVERS and (place == 0 or words[place - 1] not in ("install", "pip", "add")):
            rest = words[place + 1 :]
            end = next((n for n, one in enumerate(rest) if set(one) <= set(";&|()<>")), len(rest))
            return name, rest[:end]
    return "", ()


def _words(command: str) -> list[str]:
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        return list(lexer)
    except ValueError:  # a quote that does not end: the shell will refuse it too
        return command.split()


def _expanded(command: str, environment: Mapping[str, str]) -> str:
    def value(found: re.Match[str]) -> str:
        return environment.get(found["name"] or found["bare"]) or found["default"] or ""

    return _VARIABLE.sub(value, command)


def _option(words: Sequence[str], short: str, long: str) -> str:
    """The value of an option; the last one counts."""
    said = ""
    for place, word in enumerate(words):
        if word in (short, long):
            said = words[place + 1] if place + 1 < len(words) else ""
        elif word.startswith(long + "="):
            said = word.removeprefix(long + "=")
        elif word.startswith(short) and not word.startswith("--") and len(word) > len(short):
            said = word.removeprefix(short).removeprefix("=")
    return said
