"""What the tests of the cockpit share: a plan to show, waiting for a condition, and the screen as text."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from fake_engine import FakeEngine
from textual import events
from textual.pilot import Pilot

from tui import capture
from tui.app import Cockpit

PLAN = {
    "lines": ["sqlite3 instance/app.db  '.backup final.db'", "INSERT INTO backups [bold]VALUES[/bold] (…)"],
    "danger": "reversible",
    "target": "db-prod",
    "digest": "plan-1",
}

Opened = tuple[Cockpit, Pilot[int], FakeEngine]
Open = Callable[..., AbstractAsyncContextManager[Opened]]


async def until(condition: Callable[[], object], seconds: float = 20.0, every: float = 0.01) -> None:
    """Wait until CONDITION holds; one that costs something is looked at less often than EVERY hundredth."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(every)


text_of = capture.text_of


async def type_in(pilot: Any, text: str) -> None:
    """Keys as fast as they come: `press` would wait for the screen after each of them."""
    for letter in text:
        pilot.app.post_message(events.Key("space" if letter == " " else letter, letter))
    await pilot.pause()
