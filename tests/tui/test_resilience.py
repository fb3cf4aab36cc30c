"""What may go wrong around the screen: the engine, hostile text, a flood of output, two sizes in turn."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import story
from cockpit_help import Open, text_of, until

from tminus.client.messages import ItemView, Update
from tui.chrome import TOO_SMALL
from tui.pane import Pane

HOSTILE = "\x1b[2J\x1b]0;owned\x07[bold red]markup[/] [link=x]y\u202e\u200b ${x}"


async def test_an_engine_that_goes_is_missed_and_found_again(cockpit: Open) -> None:
    async with cockpit() as (app, _, engine):
        await engine.stop()
        await until(lambda: not app.scene.connected)
        await until(lambda: "ENGINE GONE" in text_of(app))
        assert "UNKNOWN" in text_of(app).splitlines()[0] and "NO-GO" not in text_of(app)
        engine.view = story.view(items={**story.items(), "disk": ItemView(id="disk", settled=True, verdict="pass")})
        await engine.start()
        await until(lambda: app.scene.connected)
        await until(lambda: "ENGINE GONE" not in text_of(app))
        assert app.scene.state("disk").settled


async def test_hostile_text_is_shown_to_the_letter_and_does_nothing(cockpit: Open) -> None:
    item = ItemView(id="low-traffic", verdict="fail", expected=HOSTILE, actual=HOSTILE, hint=HOSTILE,
                    evidence={HOSTILE: HOSTILE}, reason=HOSTILE, blocked=HOSTILE)  # fmt: skip
    view = story.view(items={**story.items(), "low-traffic": item}, output={"low-traffic": (HOSTILE,)})
    async with cockpit(view) as (app, pilot, _):
        app.bridge.list.go_to("low-traffic")
        await pilot.pause()
        await pilot.press("r")
        await pilot.pause()
        text = text_of(app)
        assert "[bold red]markup[/]" in text
        assert not any(letter in text for letter in "\x1b\x07\u202e\u200b") and "owned" not in text


async def test_a_flood_of_output_does_not_freeze_the_keys(cockpit: Open) -> None:
    async with cockpit() as (app, pilot, engine):
        app.bridge.list.go_to("locust")
        await pilot.pause()
        waits = []
        for second in range(2):
            for batch in range(25):
                lines = tuple(f"line {second} {batch} {n}" for n in range(200))
                await engine.tell(Update(output={"locust": lines}))
            start = time.perf_counter()
            before = app.bridge.list.key
            await pilot.press("up")
            assert app.bridge.list.key != before
            waits.append(time.perf_counter() - start)
            await pilot.press("down")
        await until(lambda: "line 1 24 199" in text_of(app))
        assert max(waits) < 1.0


async def test_nothing_is_repainted_when_nothing_changes(cockpit: Open) -> None:
    async with cockpit() as (app, pilot, engine):
        await pilot.pause()
        painted: list[object] = []
        for pane in app.bridge.query(Pane):
            pane._refresh_cells = lambda *where, pane=pane: painted.append((pane.id, where))  # type: ignore[method-assign]
        await engine.tell(Update(items={"disk": story.items()["disk"]}))
        app.bridge.update(now=story.NOW)
        await pilot.pause(0.3)
        assert painted == []
        await engine.tell(Update(items={"disk": ItemView(id="disk", settled=True, verdict="pass")}))
        await until(lambda: painted)
        assert {name for name, _ in painted} == {"list", "verdict"}  # type: ignore[misc]


async def test_going_small_and_back_leaves_the_screen_as_it_was(cockpit: Open) -> None:
    async with cockpit() as (app, pilot, _):
        await pilot.pause()
        before = text_of(app)
        for size in ((80, 23), (20, 5), (100, 30), (160, 48)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
        await until(lambda: text_of(app) == before)


async def test_under_the_smallest_size_there_is_one_line_alone_whatever_happens(cockpit: Open) -> None:
    async with cockpit() as (app, pilot, engine):
        await pilot.resize_terminal(70, 20)
        await until(lambda: text_of(app).split() == TOO_SMALL.split())
        await engine.stop()  # a banner comes
        await until(lambda: app.bridge.scene.lost_at is not None)
        await pilot.pause()
        assert text_of(app).split() == TOO_SMALL.split()


async def test_the_clock_ticks_by_itself(cockpit: Open) -> None:
    async with cockpit(now=lambda: datetime.now(UTC)) as (app, _, __):
        first = app.bridge.scene.now
        await until(lambda: app.bridge.scene.now > first)


async def test_a_tick_that_comes_while_the_screen_is_taken_down_harms_nothing(cockpit: Open) -> None:
    async with cockpit() as (app, _pilot, _engine):
        await app.bridge.query("*").remove()
        app._tick()
        assert app.bridge.scene.connected
