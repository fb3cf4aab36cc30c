"""A long checklist: the rows are found by key, and no more of them is drawn than is in sight."""

from __future__ import annotations

import pytest
import story
from cockpit_help import Open, text_of
from hypothesis import given
from hypothesis import strategies as st

from tminus.client.messages import ItemFace, PhaseFace, StepFace, Update, View
from tminus.client.view import merge
from tminus.engine.checking import shown_of
from tui import item_list
from tui.lines import Drawn, Line, differing, width_of
from tui.lines import text_of as words_of
from tui.rows import Rows, rows_of

MANY = 5000


def long_view(items: int = MANY) -> View:
    faces = tuple(ItemFace(id=f"item-{n}", text=f"Look at shard {n}", check="db.count") for n in range(items))
    phase = PhaseFace(id="pre", title="Before", mode="do-confirm", branch="main", steps=(StepFace("Before", faces),))
    return story.view(phases=(phase,), items={}, gone=())


async def test_in_a_list_of_thousands_a_key_draws_no_more_rows_than_are_in_sight(
    cockpit: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with cockpit(long_view(), size=(120, 40)) as (app, pilot, _):
        drawn: list[int] = []
        whole = item_list.row_line
        monkeypatch.setattr(item_list, "row_line", lambda *a, **k: (drawn.append(1), whole(*a, **k))[1])
        await pilot.press("end")
        assert app.bridge.list.key == f"item-{MANY - 1}" and "Look at shard 4999" in text_of(app)
        await pilot.press("up")
        assert app.bridge.list.key == f"item-{MANY - 2}"
        app.bridge.list.search("shard 4321")
        await pilot.pause()
        assert app.bridge.list.key == "item-4321" and "Look at shard 4321" in text_of(app)
        # A move draws the pane a few times over (the cursor, the scroll, the scene), and never the thousands.
        assert 0 < len(drawn) < 1000


def test_the_cursor_stops_at_both_ends_and_passes_over_what_is_no_item() -> None:
    rows = Rows(tuple(rows_of(story.view(), {}, "")))
    stops = [row.key for row in rows.rows if row.takes_cursor]
    assert [rows.beside(stops[0], n) for n in (-1, 0, 1)] == [stops[0], stops[0], stops[1]]
    assert rows.beside(stops[-1], 10_000) == stops[-1] and rows.beside("not there", 1) == stops[1]
    assert Rows().beside("x", 1) == ""
    assert all(rows.rows[rows.place[key]].key == key for key in stops)


styles = st.sampled_from(("", "dim", "good"))
lines = st.lists(st.tuples(st.text(st.sampled_from("ab 界é…1"), max_size=6), styles), max_size=5).map(tuple)


def cells(line: Line) -> list[tuple[str, str]]:
    """LINE a cell at a time; the second cell of a wide letter is empty."""
    return [cell for text, style in line for x in text for cell in [(x, style), ("", style)][: width_of([(x, "")])]]


@given(lines, lines)
def test_every_cell_that_differs_is_refreshed(before: Line, after: Line) -> None:
    first, behind = differing(before, after)
    a, b = cells(before), cells(after)
    size = max(len(a), len(b))
    a += [("none", "")] * (size - len(a))
    b += [("none", "")] * (size - len(b))
    assert all(first <= n < behind for n in range(size) if a[n] != b[n])


def test_only_what_is_asked_for_is_drawn_and_only_once() -> None:
    asked: list[int] = []
    some = Drawn(1000, lambda y: (asked.append(y), ((str(y), ""),))[1])
    assert words_of(some[7]) == "7" == words_of(some[7]) and words_of(some[-1]) == "999"
    assert [words_of(line) for line in some[3:5]] == ["3", "4"]
    assert asked == [7, 999, 3, 4] and len(some) == 1000
    with pytest.raises(IndexError):
        some[1000]


def test_an_update_keeps_what_it_says_nothing_of_the_same_object() -> None:
    before = story.view()
    after = merge(before, Update(metrics=story.metrics()))
    assert after.items is before.items and after.gates is before.gates and after.phases is before.phases
    assert after.metrics is not before.metrics


@given(st.integers(0, 3000), st.integers(0, 3000))
def test_a_flood_of_output_is_cut_to_a_screen_and_says_how_much_is_missing(count: int, before: int) -> None:
    shown = shown_of([str(n) for n in range(count)], before)
    assert len(shown) <= 500
    missing = int(shown[0].split()[1].replace(",", "")) if shown and shown[0].startswith("…") else 0
    assert missing + len(shown) - bool(missing) == count + before
    assert not count or shown[-1] == str(count - 1)
