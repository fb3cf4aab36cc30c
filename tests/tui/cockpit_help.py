"""What the tests of the cockpit share: a plan to show, waiting for a condition, and the screen as text."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from fake_engine import FakeEngine
from textual.pilot import Pilot

from tui.app import Cockpit

PLAN = {
    "lines": ["sqlite3 instance/app.db  '.backup final.db'", "INSERT INTO backups [bold]VALUES[/bold] (…)"],
    "danger": "reversible",
    "target": "db-prod",
    "digest": "plan-1",
}

Opened = tuple[Cockpit, Pilot[int], FakeEngine]
Open = Callable[..., AbstractAsyncContextManager[Opened]]


async def until(condition: Callable[[], object], seconds: float = 5.0) -> None:
    """Wait until CONDITION holds."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


def text_of(app: Cockpit) -> str:
    """What the screen shows, as text. The compositor is private to Textual: it is touched here alone."""
    return "\n".join(strip.text.rstrip() for strip in app.screen._compositor.render_strips())
