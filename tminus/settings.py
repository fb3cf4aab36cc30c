"""What a person sets for themselves: a name, and the look and keys of their cockpit. One TOML file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import msgspec

from state.problems import ChecklistError, Problem


class PersonSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`name` stands in the record; `cockpit` is handed to the cockpit (keys, theme, glyphs, mouse, bell)."""

    name: str = ""
    cockpit: dict[str, Any] = {}


def settings_path() -> Path:
    """Where the file is: `tminus/config.toml` in the platform's folder for settings."""
    from platformdirs import user_config_path

    return user_config_path("tminus") / "config.toml"


def read_settings(path: Path) -> PersonSettings:
    """The settings at PATH; the defaults when there is no such file. Raises ChecklistError naming the mistake."""
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        return PersonSettings()
    except OSError as error:
        raise _wrong(path, error.strerror or str(error)) from error
    try:
        return msgspec.convert(tomllib.loads(raw.decode()), PersonSettings)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise _wrong(path, str(error)) from error


def _wrong(path: Path, message: str) -> ChecklistError:
    mend = 'known: name = "…", [cockpit] keys, theme, glyphs, mouse, bell'
    return ChecklistError([Problem(file=path.name, line=0, path="", message=message, mend=mend)])
