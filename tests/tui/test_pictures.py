"""A few screens with their colours, as SVG. Write them anew with TMINUS_GOLDENS=write, and look at them."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path
from typing import Any

import pytest
import story
from cockpit_help import until
from fake_engine import FakeEngine

from tui.app import Cockpit
from tui.theme import Look

GOLDENS = Path(__file__).parent / "goldens"
PICTURES = {
    "main-dark-100x30": (Look("tminus-dark", False, False), (100, 30), "row-counts", ""),
    "detail-light-80x23": (Look("tminus-light", False, False), (80, 23), "row-counts", "2"),
    "metrics-ansi-80x23": (Look("ansi-dark", True, False), (80, 23), "low-traffic", "3"),
}


@pytest.mark.parametrize("name", PICTURES)
async def test_the_colours_are_as_they_were(name: str, tmp_path: Path, one_time_zone: None) -> None:
    look, size, item, key = PICTURES[name]
    async with FakeEngine(tmp_path / "engine.sock", story.view()) as engine:
        app = Cockpit(engine.socket, name=story.ME, look=look, now=lambda: story.NOW)
        async with app.run_test(size=size) as pilot:
            await until(lambda: app.scene.connected)
            app.bridge.list.go_to(item)
            await pilot.pause()
            await pilot.press(*key)
            drawn = await at_rest(app, pilot)
    path = GOLDENS / f"{name}.svg"
    if os.environ.get("TMINUS_GOLDENS") == "write":
        path.write_text(drawn, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == drawn


async def at_rest(app: Cockpit, pilot: Any) -> str:
    """The picture once it is the same three times in a row: what follows from a layout comes a moment behind it."""
    seen: list[str] = []
    async with asyncio.timeout(20):
        while len(seen) < 3 or len(set(seen[-3:])) > 1:
            await pilot.pause(0.05)
            seen.append(steady(app.export_screenshot()))
    return seen[-1]


def steady(svg: str) -> str:
    """SVG without what differs between two drawings of the same screen, and without its web font."""
    svg = re.sub(r"@font-face\s*\{.*?\}", "", svg, flags=re.DOTALL)
    svg = re.sub(r"terminal-\d+", "terminal", svg)
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"
