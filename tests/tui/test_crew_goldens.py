"""The screens of two people as text, as a driver and as an observer see them. Written as those of `test_goldens`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import crew_story as crew
import pytest
from cockpit_help import Open, text_of, until
from test_goldens import compare

from tminus.client.messages import View
from tui.dialogs import Ask

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
    async with cockpit(size=size) as (app, pilot, engine):
        for name, (view, item, keys, asks) in SCREENS.items():
            if name in ("agree", "challenges", "gone") and size != (80, 24):
                continue  # the others show the same there
            shown = view()
            await engine.show(shown)
            await until(lambda shown=shown: app.scene.view == shown)
            app.bridge.list.folds.clear()
            app.bridge.list.go_to(item)
            app.bridge.turn_to("detail")  # in sight at every size: what is signed was read
            await until(lambda item=item: app.scene.detail_visible and app.scene.focus == item)
            if not keys:
                app.bridge.turn_to("items")
            for key in keys:
                await pilot.press(key)
            if asks:
                await until(lambda: isinstance(app.screen, Ask))
            app.clear_notifications()
            for _ in range(3):
                await pilot.pause()
            compare(f"two-{name}-{size[0]}x{size[1]}", text_of(app))
            if asks:
                await pilot.press("escape")
                await until(lambda: app.screen is app.bridge)
