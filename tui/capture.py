"""The screen as it is, as a picture and as text."""

from __future__ import annotations

import re
from typing import Any

from textual.app import App


def svg_of(app: App[Any], title: str) -> str:
    """The screen as SVG. A picture that asks the network for its font is none: any fixed-width one will do."""
    return re.sub(r"@font-face\s*\{.*?\}", "", app.export_screenshot(title=title), flags=re.DOTALL)


def text_of(app: App[Any]) -> str:
    """The screen as text. The compositor is private to Textual: it is touched here alone."""
    return "\n".join(strip.text.rstrip() for strip in app.screen._compositor.render_strips())
