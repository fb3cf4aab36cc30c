"""The hands: the palette, the help, the key bar, copies and pictures."""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
import story
from cockpit_help import Open, text_of, until
from hypothesis import given
from hypothesis import strategies as st

from tminus.client.messages import ItemFace, PhaseFace, StepFace
from tui import clipboard, shelf
from tui.actions import ACTIONS, KeysClash, remapped
from tui.chrome import keybar_lines
from tui.fuzzy import score
from tui.help_page import help_page
from tui.lines import text_of as line_text
from tui.lines import width_of
from tui.palette import entries, found
from tui.plot_screen import PlotScreen
from tui.scene import Scene


def scene(**more: Any) -> Scene:
    keys = tuple((action.id, action.shown_key) for action in ACTIONS)
    sections = {"view": story.view(), "now": story.NOW, "me": story.ME, "connected": True, "focus": "low-traffic"}
    return Scene(**{**sections, "keys": keys, "uid": os.getuid(), "detail_visible": True, **more})


def names(query: str) -> list[tuple[str, str]]:
    return [(entry.kind, entry.key) for _, entry in found(query, ACTIONS, scene())]


# --- the palette -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("hold", ("action", "hold")),
        ("row counts", ("item", "row-counts")),
        ("deploy render", ("phase", "deploy")),
        ("error rate", ("metric", "http.error_rate")),
        ("p95", ("metric", "http.p95")),
        ("rowc", ("item", "row-counts")),
        ("oauth", ("item", "oauth")),
    ],
)
def test_the_palette_finds_actions_items_phases_and_metrics(query: str, first: tuple[str, str]) -> None:
    assert names(query)[0] == first


def test_what_cannot_be_done_says_why_in_the_palette() -> None:
    told = {entry.key: entry.told for entry in entries(ACTIONS, scene()) if entry.kind == "action"}
    assert told["go"].startswith("not now: NO-GO") and told["hold"].startswith("Stop the run")


@given(st.text(max_size=12), st.text(max_size=60))
def test_a_score_is_never_below_nothing_and_none_for_letters_that_are_not_there(query: str, text: str) -> None:
    points = score(query, text)
    assert points >= 0 or len(text) > 10_000
    if any(letter not in text.lower() for letter in query.lower() if not letter.isspace()):
        assert points == 0


async def test_the_palette_goes_to_what_is_taken_and_reads_no_markup(cockpit: Open) -> None:
    evil = "[@click=app.quit]gone[/] [red]x"
    view = story.view()
    step = StepFace("Step", (ItemFace(id="evil", text=evil),))
    hostile = PhaseFace(id="more", title=evil, mode="do-confirm", branch="main", steps=(step,))
    async with cockpit(msgspec.structs.replace(view, phases=(*view.phases, hostile))) as (app, pilot, _):
        await pilot.press("colon", *"gone red")
        await until(lambda: evil in text_of(app))
        await pilot.press("escape")
        await until(lambda: app.screen is app.bridge)
        await pilot.press("colon", *"row counts")
        await until(lambda: "item row-counts: FAIL" in text_of(app))
        await pilot.press("enter")
        await until(lambda: app.screen is app.bridge and app.bridge.list.item == "row-counts")
        await pilot.press("colon", *"p95 metric")
        await until(lambda: "metric http.p95" in text_of(app))
        await pilot.press("enter")
        await until(lambda: isinstance(app.screen, PlotScreen) and app.screen.plot.metric == "http.p95")


# --- help and the key bar ------------------------------------------------------------------------------------------


def test_help_begins_with_the_first_minute_and_knows_where_one_is() -> None:
    told = [line_text(line) for line in help_page(ACTIONS, scene(), 80, "output")]
    assert told[0] == "IN THE FIRST MINUTE"
    assert [line.split()[0] for line in told[1:7]] == ["r", "c", "n", "b", "g", "q"]
    assert "HERE: THE OUTPUT OF A CHECK" in told
    assert any(line.startswith("THE ITEM UNDER THE CURSOR: Confirm low-traffic period") for line in told)
    replayed = "\n".join(line_text(line) for line in help_page(ACTIONS, scene(), 80, "list"))
    assert "THE REPLAY" not in replayed


def test_help_and_key_bar_speak_of_remapped_keys() -> None:
    actions = remapped({"run": "F5", "copy": "Z"} | {"run": "f5"})
    keys = tuple((action.id, action.shown_key) for action in actions)
    told = [line_text(line) for line in help_page(actions, scene(keys=keys), 80)]
    assert told[1].split()[0] == "f5"
    assert any("f5 run check" in line_text(line) for line in keybar_lines(actions, scene(keys=keys), 160, 2))


@given(st.integers(60, 240), st.integers(1, 3), st.sampled_from(sorted(story.items())))
def test_the_key_bar_fits_and_always_has_help_commands_and_quit(width: int, height: int, item: str) -> None:
    lines = keybar_lines(ACTIONS, scene(focus=item), width, height)
    assert len(lines) <= height and all(width_of(line) <= width for line in lines)
    text = "\n".join(line_text(line) for line in lines)
    assert ": commands" in text and "? help" in text and "q quit screen" in text


def test_where_room_is_short_what_can_be_pressed_stays_in_its_order_and_the_two_everybody_needs() -> None:
    text = line_text(keybar_lines(ACTIONS, scene(focus="low-traffic"), 80, 1)[0])
    assert text.startswith("r run check  c confirm  f fail  s skip  ")
    grey = line_text(keybar_lines(ACTIONS, scene(focus="row-counts"), 100, 1)[0])
    assert grey.startswith("r run check  c confirm  f fail  w waive  x n/a  n next open")  # skip cannot be pressed


async def test_confirming_what_is_out_of_sight_brings_it_into_sight(cockpit: Open) -> None:
    async with cockpit(size=(80, 23)) as (app, pilot, engine):
        await pilot.press("c")
        await until(lambda: app.scene.tab == "detail" and app.scene.detail_visible)
        assert engine.asked == []
        await pilot.press("c")
        await until(lambda: app.screen is not app.bridge and "Confirm" in text_of(app))


# --- copies and pictures -------------------------------------------------------------------------------------------


async def test_a_copy_goes_by_tmux_or_by_the_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    assert "OSC 52" in await clipboard.copy("plain", {}, sent.append)
    assert sent == ["plain"]
    fake = tmp_path / "tmux"
    fake.write_text(f'#!/bin/sh\necho "$@" > {tmp_path}/args\ncat > {tmp_path}/taken\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert "by tmux" in await clipboard.copy("grüße", {"TMUX": "x"}, sent.append)
    assert (tmp_path / "taken").read_text(encoding="utf-8") == "grüße"
    assert (tmp_path / "args").read_text().split() == ["load-buffer", "-w", "-"]
    assert sent == ["plain"]
    fake.write_text("#!/bin/sh\nexit 1\n")
    assert "tmux did not take it" in await clipboard.copy("again", {"TMUX": "x"}, sent.append)
    assert sent == ["plain", "again"]


@pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")
def test_a_copy_reaches_a_real_tmux(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    socket = str(tmp_path / "tmux")
    tmux = ["tmux", "-S", socket, "-f", "/dev/null"]
    subprocess.run([*tmux, "new-session", "-d", "sleep 60"], check=True)
    try:
        monkeypatch.setenv("TMUX", f"{socket},1,0")
        way = asyncio.run(clipboard.copy("evidence\nof the night", os.environ, lambda _: None))
        assert "by tmux" in way
        shown = subprocess.run([*tmux, "show-buffer"], capture_output=True, text=True, check=True).stdout
        assert shown == "evidence\nof the night"
    finally:
        subprocess.run([*tmux, "kill-server"], check=True)


async def test_e_and_v_write_files_that_only_the_person_may_read(
    cockpit: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("TMUX", raising=False)
    folder = tmp_path / "state" / "tminus"
    async with cockpit() as (app, pilot, _):
        app.bridge.list.go_to("row-counts")
        await pilot.pause()
        await pilot.press("e")
        await until(lambda: list(folder.glob("copies/*.txt")))
        (copied,) = folder.glob("copies/*.txt")
        await until(lambda: "41,021 rows in users" in copied.read_text())
        assert copied.name == "20261122T204500Z-row-counts.txt"
        assert stat.S_IMODE(copied.stat().st_mode) == 0o600
        assert app.clipboard == copied.read_text()
        assert "PostgreSQL migration" in copied.read_text() and "EVIDENCE" in copied.read_text()
        await pilot.press("v")
        await until(lambda: list(folder.glob("screens/*.txt")) and list(folder.glob("screens/*.svg")))
        (text,), (svg,) = folder.glob("screens/*.txt"), folder.glob("screens/*.svg")
        await until(lambda: "NO-GO" in text.read_text())
        assert "<svg" in svg.read_text() and "@font-face" not in svg.read_text()
        await until(lambda: any("20261122T204500Z-row-counts.svg" in one.message for one in app._notifications))


async def test_a_disk_that_refuses_is_said_and_harms_nothing(
    cockpit: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "state").write_text("a file where a folder should be")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    async with cockpit() as (app, pilot, _):
        await pilot.press("v")
        await until(lambda: any("not written to a file" in one.message for one in app._notifications))


def test_the_shelf_keeps_the_newest_and_leads_nowhere_else(tmp_path: Path) -> None:
    for number in range(shelf.KEPT + 5):
        path = shelf.put(tmp_path, f"{number:03}.txt", "x")
        os.utime(path, (number, number))
    kept = sorted(one.name for one in tmp_path.iterdir())
    assert len(kept) == shelf.KEPT and kept[-1] == f"{shelf.KEPT + 4:03}.txt"
    assert shelf.put(tmp_path, "../../out", "x").parent == tmp_path
    trap = tmp_path / "trap.txt"
    trap.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match=r"symbolic|loop"):
        shelf.put(tmp_path, "trap.txt", "x")


async def test_work_aside_gives_its_result_or_its_error() -> None:
    assert await shelf.aside(lambda: 7) == 7
    with pytest.raises(OSError, match="no"):
        await shelf.aside(lambda: (_ for _ in ()).throw(OSError("no")))
    assert asyncio.get_running_loop()._default_executor is None  # type: ignore[attr-defined]


def test_every_key_that_cannot_be_is_reported_with_its_path_and_the_mend() -> None:
    with pytest.raises(KeysClash) as error:
        remapped({"run": "space", "go": "ctrl+a", "skip": "c", "nothing": "z", "play": "é"})
    told = str(error.value)
    assert "keys.run: 'space' is used by the panes" in told and "keys.go: 'ctrl+a' does not come" in told
    assert "confirm and to skip: give one" in told and "no action 'nothing'" in told and "keys.play" in told
