"""The screen as text at three sizes. Write them anew with TMINUS_GOLDENS=write, and read the difference."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cockpit_help import Open, text_of, until

GOLDENS = Path(__file__).parent / "goldens"
SIZES = [(160, 48), (100, 30), (80, 23)]
SCREENS = {
    "main": ("low-traffic", []),
    "detail": ("row-counts", ["2"]),
    "metrics": ("low-traffic", ["3"]),
    "help": ("low-traffic", ["question_mark"]),
    "phase": ("deploy", ["2"]),
    "plan": ("backup-final", ["r"]),
}


pytestmark = pytest.mark.usefixtures("one_time_zone")


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_the_screens_are_as_they_were(cockpit: Open, size: tuple[int, int]) -> None:
    for name, (item, keys) in SCREENS.items():
        async with cockpit(size=size) as (app, pilot, _):
            app.bridge.list.go_to(item)
            await pilot.pause()
            await pilot.press(*keys)
            if name in ("help", "plan"):
                await until(lambda: app.screen is not app.bridge)
            for _ in range(3):
                await pilot.pause()
            compare(f"{name}-{size[0]}x{size[1]}", text_of(app))


async def test_in_ascii_nothing_else_is_drawn(cockpit: Open) -> None:
    async with cockpit(size=(100, 30), ascii=True) as (app, pilot, _):
        await pilot.press("3")
        await pilot.pause()
        text = text_of(app)
        compare("ascii-100x30", text)
        assert text.isascii(), sorted({letter for letter in text if not letter.isascii()})


@pytest.mark.parametrize("size", [(79, 40), (120, 22), (20, 5)])
async def test_under_the_floor_one_line_says_so(cockpit: Open, size: tuple[int, int]) -> None:
    async with cockpit(size=size) as (app, pilot, _):
        await pilot.pause()
        text = " ".join(text_of(app).split())
        assert "80x23" in text and "tminus status" in text and "NO-GO" not in text


def compare(name: str, text: str) -> None:
    path = GOLDENS / f"{name}.txt"
    if os.environ.get("TMINUS_GOLDENS") == "write":
        GOLDENS.mkdir(exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text + "\n"
