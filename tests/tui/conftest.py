"""The cockpit on a scripted engine, with a clock that stands still."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import story
from cockpit_help import PLAN, Open, Opened, until
from fake_engine import FakeEngine

from tminus.client.messages import View
from tminus.client.requests import ShowPlan
from tui.app import Cockpit
from tui.theme import Look


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


@pytest.fixture
def one_time_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wall clocks on the screen read the same on every machine."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
