"""The cockpit on a scripted engine, with a clock that stands still."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import story
from fake_engine import FakeEngine
from textual.pilot import Pilot

from tminus.client.messages import View
from tminus.client.requests import ShowPlan
from tui.app import Cockpit
from tui.theme import Look

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


@pytest.fixture
def cockpit(tmp_path: Path) -> Open:
    """Open a cockpit on a fake engine: `async with cockpit(view=..., size=...) as (app, pilot, engine)`."""

    @asynccontextmanager
    async def opened(
        view: View | None = None, size: tuple[int, int] = (160, 48), *, ascii: bool = False, **more: Any
    ) -> AsyncIterator[Opened]:
        more.setdefault("now", lambda: story.NOW)
        async with FakeEngine(tmp_path / "engine.sock", view or story.view()) as engine:
            engine.answers[ShowPlan] = PLAN
            app = Cockpit(engine.socket, name=story.ME, look=Look("tminus-dark", False, ascii), **more)
            async with app.run_test(size=size) as pilot:
                await until(lambda: app.scene.connected)
                await pilot.pause()
                yield app, pilot, engine

    return opened
