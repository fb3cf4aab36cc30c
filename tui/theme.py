"""Colours: what each style means, the house's themes, and which one a terminal can show.

Chosen before the application starts: Textual decides at construction how colours are filtered, and a change of
theme afterwards makes text invisible under NO_COLOR. The pair for good and bad is blue-green and vermilion
(after Okabe and Ito), which stay apart for colour-blind eyes; every state has a glyph and a word as well. Each
colour is chosen so that its nearest one of 256 still has its contrast: inside tmux those are often all there is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

STYLES: Mapping[str, str] = {
    "good": "color: $success;",
    "warn": "color: $warning;",
    "bad": "color: $error;",
    "info": "color: $primary;",
    "override": "color: $accent;",
    "dim": "color: $dim;",
    "rule": "color: $rule;",
    "off": "color: $off;",
    "head": "color: $head; text-style: bold;",
    "key": "color: $primary; text-style: bold;",
    "strong": "text-style: bold;",
    "block-good": "background: $success; color: $on-block; text-style: bold;",
    "block-warn": "background: $warning; color: $on-block; text-style: bold;",
    "block-bad": "background: $error; color: $on-block; text-style: bold;",
    "block-info": "background: $primary; color: $on-block; text-style: bold;",
    "cursor": "background: $cursor-line;",
}
"""Every style word a line may use, as TCSS. Words are joined by spaces: `bad strong`."""

DARK_VARIABLES = {
    "dim": "#94a1ae", "off": "#66737f", "rule": "#475767",
    "head": "#e9eef3", "on-block": "#0b0f14", "cursor-line": "#2a3037",
    "border": "#4aa8e0", "border-blurred": "#3f4e5e", "input-selection-background": "#2f5d80",
    "block-cursor-foreground": "#0b0f14", "block-cursor-background": "#56b4e9", "block-cursor-text-style": "bold",
}  # fmt: skip
DARK = {
    "primary": "#56b4e9", "secondary": "#7aa6c2", "warning": "#f0b429", "error": "#ff8255", "success": "#2fd0a0",
    "accent": "#c9a2ff", "foreground": "#c9d3dc", "background": "#0f151c", "surface": "#151d26", "panel": "#1c2631",
    "boost": "#1c2631",
}  # fmt: skip
LIGHT_VARIABLES = {
    "dim": "#4f5a64", "off": "#87919a", "rule": "#b9c2ca",
    "head": "#10161c", "on-block": "#ffffff", "cursor-line": "#e4e6e9",
    "border": "#0072b2", "border-blurred": "#b9c2ca", "input-selection-background": "#a8cfe8",
    "block-cursor-foreground": "#ffffff", "block-cursor-background": "#0072b2", "block-cursor-text-style": "bold",
}  # fmt: skip
LIGHT = {
    "primary": "#005a8f", "secondary": "#4b6b7f", "warning": "#6f4e00", "error": "#a02800", "success": "#006650",
    "accent": "#7a2a9c", "foreground": "#1d2730", "background": "#f7f9fa", "surface": "#eef2f5", "panel": "#ecedef",
    "boost": "#ecedef",
}  # fmt: skip
ANSI_VARIABLES = {
    "dim": "ansi_default", "off": "ansi_default", "rule": "ansi_default",
    "head": "ansi_default", "on-block": "ansi_black",
    "cursor-line": "ansi_default", "border": "ansi_default",
}  # fmt: skip


@dataclass(frozen=True)
class Look:
    """What the terminal can show: the theme's name, whether it is of 16 colours or none, and the glyphs."""

    theme: str
    ansi: bool
    ascii: bool


def look_for(environment: Mapping[str, str], encoding: str, *, theme: str = "auto", glyphs: str = "auto") -> Look:
    """The look for a terminal that describes itself by ENVIRONMENT and whose stderr has ENCODING.

    THEME is auto, dark, light or ansi; GLYPHS is auto, unicode or ascii. NO_COLOR and 16 colours take the ansi
    theme whatever was asked for: in others, text would vanish.
    """
    ascii_only = glyphs == "ascii" or (glyphs == "auto" and not _is_utf8(encoding))
    if depth_of(environment) in ("none", "16") or theme == "ansi":
        return Look("ansi-light" if theme == "light" else "ansi-dark", True, ascii_only)
    return Look("tminus-light" if theme == "light" else "tminus-dark", False, ascii_only)


def depth_of(environment: Mapping[str, str]) -> str:
    """Colours a terminal can show: truecolor, 256, 16 or none. A terminal that does not say has 16."""
    if environment.get("NO_COLOR"):
        return "none"
    if environment.get("COLORTERM", "").strip().lower() in ("truecolor", "24bit"):
        return "truecolor"
    return "256" if environment.get("TERM", "").endswith(("-256color", "-direct", "kitty")) else "16"


def _is_utf8(encoding: str) -> bool:
    return encoding.lower().replace("_", "-") in ("utf-8", "utf8", "cp65001")
