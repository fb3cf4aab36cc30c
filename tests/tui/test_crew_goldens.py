"""The screens of two people as text, as a driver and as an observer see them. Written as those of `test_goldens`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import crew_story as crew
import pytest
from cockpit_help import Open, text_of, until
from test_goldens import compare

from tminus.client.messages import View

Screen = tuple[Callable[[], View], str, Sequence[str], bool]

SCREENS: dict[str, Screen] = {
    "observer": (lambda: crew.view(driver="bo"), "disk", [], False),
    "asked": (lambda: crew.view(asking=(crew.ASK,)), "low-traffic", [], False),
    "called": (lambda: crew.deploying(crew.view(driver="bo", call=crew.CROSSING)), "push", ["2"], False),
    "agree": (lambda: crew.deploying(crew.view(driver="bo", call=crew.CROSSING)), "push", ["A"], True),
    "challenged": (lambda: crew.challenged(crew.view()), "row-counts", ["2"], False),
    "challenges": (lambda: crew.challenged(crew.view()), "row-counts", ["1"], False),
    "sign": (lambda: crew.signing(crew.view()), "sign-off", ["c", "enter"], True),
    "gone": (lambda: crew.view(driver="bo", gone_since=crew.story.before(30)), "disk", [], False),
}

pytestmark = pytest.mark.usefixtures("one_time_zone")


@pytest.mark.parametrize("size", [(160, 48), (80, 24)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_the_screens_of_two_people_are_as_they_were(cockpit: Open, size: tuple[int, int]) -> None:
    for name, (view, item, keys, asks) in SCREENS.items():
        async with cockpit(view(), size=size) as (app, pilot, _):
            app.bridge.list.go_to(item)
            app.bridge.turn_to("detail")  # in sight at every size: what is signed was read
            await until(lambda app=app: app.scene.detail_visible)
            if not keys:
                app.bridge.turn_to("items")
            for key in keys:
                await pilot.press(key)
                await pilot.pause()
            if asks:
                await until(lambda app=app: app.screen is not app.bridge)
            for _ in range(3):
                await pilot.pause()
            compare(f"two-{name}-{size[0]}x{size[1]}", text_of(app))
