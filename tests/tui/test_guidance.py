"""Read-do leads the cursor on; a phase under the cursor shows itself; what is below the edge is told."""

from __future__ import annotations

import msgspec
import story
from cockpit_help import Open, text_of, until

from tminus.client.messages import ItemView, StandingView, Update, View
from tui.detail import Detail
from tui.lines import text_of as line_text


def deploying() -> View:
    view = story.view()
    items = {
        **view.items,
        "push": ItemView(id="push", verdict="pass", evidence_digest="p1", why_open="not confirmed"),
    }
    return msgspec.structs.replace(view, items=items, gone=("pre", "final"), standing=StandingView(phase="deploy"))


SETTLED = Update(items={"push": ItemView(id="push", verdict="pass", mark="confirmed", settled=True)})


async def test_an_item_that_is_settled_under_the_cursor_hands_it_on_in_read_do(cockpit: Open) -> None:
    async with cockpit(deploying()) as (app, pilot, engine):
        app.bridge.list.go_to("push")
        await pilot.pause()
        await pilot.press("question_mark")  # something to read is open: nothing moves under it
        await until(lambda: app.screen is not app.bridge)
        await engine.tell(SETTLED)
        await until(lambda: app.bridge.scene.view.items["push"].settled)
        assert app.bridge.list.item == "push"
        await pilot.press("q")
        await engine.tell(Update(progress={}, gates={}, items={"func-0": ItemView(id="func-0", attempts=1)}))
        await until(lambda: app.bridge.list.item == "migrate")


async def test_who_went_elsewhere_stays_there(cockpit: Open) -> None:
    async with cockpit(deploying()) as (app, pilot, engine):
        app.bridge.list.go_to("disk")
        await engine.tell(SETTLED)
        await until(lambda: app.bridge.scene.view.items["push"].settled)
        await pilot.pause()
        assert app.bridge.list.item == "disk"


async def test_a_phase_under_the_cursor_shows_itself_and_the_edge_says_what_is_below(cockpit: Open) -> None:
    async with cockpit(size=(100, 30)) as (app, pilot, _):
        app.bridge.list.go_to("verify")
        detail = app.bridge.query_one(Detail)
        await until(lambda: "The next is: Health check passes" in " ".join(line_text(one) for one in detail.lines))
        app.bridge.list.go_to("row-counts")
        await until(lambda: "lines more: tab, arrows" in text_of(app))
        await pilot.press("tab", *["down"] * 40)
        await until(lambda: "EARLIER ATTEMPTS" in text_of(app))
