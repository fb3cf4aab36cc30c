"""What a person may set about the screen, and nothing about the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tui.actions import KeysClash, remapped

THEMES = ("auto", "dark", "light", "ansi")
GLYPHS = ("auto", "unicode", "ascii")


class BadSettings(ValueError):
    """Settings that cannot be; the message names every mistake and what would be right."""


@dataclass(frozen=True)
class Settings:
    """`keys`: action id → key. `theme`, `glyphs`: see `tui.theme.look_for`. `mouse`: off unless asked for."""

    keys: Mapping[str, str] = field(default_factory=dict)
    theme: str = "auto"
    glyphs: str = "auto"
    mouse: bool = False
    bell: bool = True

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> Settings:
        """TABLE (from a TOML file) as settings. Raises BadSettings."""
        wrong = [f"no setting {key!r}: one of keys, theme, glyphs, mouse, bell" for key in table if key not in _KINDS]
        wrong += [
            f"{key} = {value!r}: must be {_KINDS[key].__name__}"
            for key, value in table.items()
            if key in _KINDS and not isinstance(value, _KINDS[key])
        ]
        for key, choices in (("theme", THEMES), ("glyphs", GLYPHS)):
            if isinstance(table.get(key), str) and table[key] not in choices:
                wrong.append(f"{key} = {table[key]!r}: one of {', '.join(choices)}")
        if not wrong:
            try:
                remapped(table.get("keys", {}))
            except (KeysClash, TypeError) as error:
                wrong.append(f"keys: {error}")
        if wrong:
            raise BadSettings("; ".join(wrong))
        return cls(**table)


_KINDS: Mapping[str, type] = {"keys": dict, "theme": str, "glyphs": str, "mouse": bool, "bell": bool}
