"""Attach, lose the engine, and come back: what the screen says meanwhile, and what it keeps."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
import story
from cockpit_help import Open, text_of, until

from tminus.client import Client, NotKnown, NotUnderstood, connection
from tminus.client.messages import HoldView
from tminus.client.requests import PROTOCOL, AddNote
from tui import link
from tui.dialogs import Ask

FILES = Path("/proc/self/fd")


def said(app: object) -> str:
    """Every toast that is open."""
    return "\n".join(str(one.message) for one in app._notifications)  # type: ignore[attr-defined]


async def test_an_engine_of_another_version_is_named_and_tried_again_without_a_leak(
    cockpit: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "RETRY", 0.02)
    async with cockpit() as (app, _, engine):
        await engine.stop()
        engine.protocol = PROTOCOL + 1
        await engine.start()
        await until(lambda: "ENGINE OF ANOTHER VERSION" in text_of(app))
        for words in (
            f"protocol {PROTOCOL + 1}",
            f"protocol {PROTOCOL}.",
            "tminus stop",
            "UNKNOWN engine of another",
        ):
            await until(lambda words=words: words in " ".join(text_of(app).split()))
        tried, files = len(engine.hellos), len(list(FILES.iterdir()))
        await until(lambda: len(engine.hellos) >= tried + 15)
        assert len(list(FILES.iterdir())) <= files + 4
        await engine.stop()
        engine.protocol = PROTOCOL
        await engine.start()
        await until(lambda: app.scene.connected)
        await until(lambda: "ANOTHER VERSION" not in text_of(app))


async def test_an_engine_that_has_no_room_is_not_called_gone(cockpit: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "RETRY", 0.02)
    async with cockpit() as (app, _, engine):
        await engine.stop()
        engine.turns_away = "the engine has 128 connections already"
        await engine.start()
        await until(lambda: "TURNED AWAY BY THE ENGINE" in text_of(app))
        await until(lambda: engine.turns_away in " ".join(text_of(app).split()))
        assert "UNKNOWN turned away" in " ".join(text_of(app).split()) and "tminus run" not in text_of(app)
        engine.turns_away = ""
        await until(lambda: app.scene.connected)


async def test_the_engine_goes_and_the_screen_is_where_it_was_when_it_is_back(
    cockpit: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "RETRY", 0.3)
    async with cockpit() as (app, pilot, engine):
        app.bridge.list.go_to("low-traffic")
        await pilot.press("space" if app.bridge.list.key != "low-traffic" else "2")
        app.bridge.list.search("traffic")
        await pilot.pause()
        before = (
            app.scene.focus,
            app.scene.tab,
            app.bridge.list.words,
            [row.key for row in app.bridge.list.rows.rows],
        )
        assert before[:3] == ("low-traffic", "detail", "traffic")
        await engine.stop()
        await until(lambda: "ENGINE GONE 0" in text_of(app))
        for key in "rcfgh":
            await pilot.press(key)
        assert app.screen is app.bridge and engine.asked == []
        assert said(app).count("the engine has gone: nothing can be recorded until it is back") >= 4
        engine.view = story.view(holds=(HoldView(id=1, actor="bo", utc=story.before(9), reason="smell"),))
        await engine.start()
        await until(lambda: app.scene.connected and app.scene.view.holds)
        after = (
            app.scene.focus,
            app.scene.tab,
            app.bridge.list.words,
            [row.key for row in app.bridge.list.rows.rows],
        )
        assert after == before


async def test_an_engine_that_dies_before_it_answers_leaves_it_unknown_whether_it_was_recorded(cockpit: Open) -> None:
    async with cockpit() as (app, pilot, engine):
        engine.mute = True
        app.bridge.list.go_to("low-traffic")
        await pilot.pause()
        await pilot.press("c")
        await until(lambda: isinstance(app.screen, Ask))
        await pilot.pause()
        await pilot.press("y")
        await engine.request()
        await engine.stop()
        await until(lambda: "not known whether this was recorded" in said(app))
        # A question that is still open when the engine goes was never sent: nothing was recorded, and that is known.
        engine.mute = False
        await engine.start()
        await until(lambda: app.scene.connected, 10)
        await pilot.press("c")
        await until(lambda: isinstance(app.screen, Ask))
        await engine.stop()
        await until(lambda: app.client is None)
        await pilot.press("y")
        await until(lambda: "nothing was recorded" in said(app))
        assert len(engine.asked) == 1


async def test_rubbish_from_the_engine_is_said_and_the_answer_that_was_awaited_is_unknown(cockpit: Open) -> None:
    async with cockpit() as (app, _, engine):
        engine.mute = True
        async with Client(engine.socket, name="bo", watch=True) as other:
            asking = other.ask(AddNote(text="x"))

            waiting = asyncio.create_task(asking)
            await engine.request()
            await engine.babble(b'{"say": "update", "items": 3}\x1b[2J\n')
            with pytest.raises(NotKnown, match="not known whether this was recorded"):
                await waiting
            with pytest.raises(NotUnderstood, match="a line that is not understood"):
                async for _view in other.updates():
                    pass
        await until(lambda: "ENGINE NOT UNDERSTOOD" in text_of(app))
        await until(lambda: "not understood: " in text_of(app))
        assert "\x1b" not in text_of(app)
        assert not app.scene.connected


async def test_a_line_that_is_too_long_is_named_as_such(cockpit: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    async with cockpit() as (_, __, engine):
        monkeypatch.setattr(connection, "LINE_LIMIT", 1024 * 1024)
        async with Client(engine.socket, watch=True) as client:
            await engine.babble(b"x" * (3 * 1024 * 1024) + b"\n")
            with pytest.raises(NotUnderstood, match="a line of more than 1 MiB"):
                async for _view in client.updates():
                    pass
