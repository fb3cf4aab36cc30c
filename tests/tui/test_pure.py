"""The pure parts: clocks, lines, sparklines, states, colours, settings, the keys page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
import story
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs
from rich.cells import cell_len

from state.clean import clean
from tminus.cli.show import status_lines
from tminus.client.messages import GateView, ItemFace, ItemView, StandingView
from tminus.definition import load
from tui.clock import ago, t_clock
from tui.glyphs import ASCII, GATE_SIGNS, GO_SIGNS, METRIC_SIGNS, SIGNS, UNICODE, state_of
from tui.keysdoc import keys_page
from tui.lines import Line, chopped, fit, plain, spread, width_of, wrap
from tui.metrics import live_lines, metric_line, metric_lines, status_of
from tui.scene import Scene
from tui.schedule import projection
from tui.settings import BadSettings, Settings
from tui.sparkline import sparkline
from tui.theme import depth_of, look_for
from tui.verdict_bar import verdict_word


def test_the_t_clock_reaches_zero_at_t0_and_not_before() -> None:
    at = [story.T0 + timedelta(seconds=s) for s in (-900, -0.4, 0, 3723, -176400)]
    assert [t_clock(story.before(-900), now) for now in at] == [
        "T-00:15:00", "T-00:00:01", "T+00:00:00", "T+01:02:03", "T-2d 01:00:00",
    ]  # fmt: skip
    assert t_clock("", story.NOW) == "T not set"
    assert t_clock("nonsense", story.NOW) == "T not set"


def test_the_projection_adds_what_is_open_and_waits_for_planned_starts() -> None:
    seen = projection(story.view(), story.NOW)
    # Open in the current phase: 60 + 120 + 60 + 90 s, and 300 - 72 s of the running one; the next starts in 900 s.
    assert seen.drift == 60 + 120 + 60 + 90 + 228 - 900
    # Then 600 s of the deploy, and the last phase starts at T+30m for 10 s.
    assert seen.finish == story.T0 + timedelta(seconds=1810)
    late = projection(story.view(), story.T0)
    assert late.drift is not None and late.drift > 0


def test_a_moment_in_the_future_is_said_to_be_one() -> None:
    assert "clocks differ" in ago(-60)
    assert ago(None) == "never"


@given(st.text(), st.integers(0, 60))
def test_no_line_is_ever_wider_than_its_pane(text: str, width: int) -> None:
    text = clean(text)
    assert width_of(fit([(text, ""), (text, "bad")], width)) <= width
    assert width_of(spread([(text, "")], [(text, "")], width)) <= width
    assert all(cell_len(line) <= max(width, 2) for line in wrap(text, max(width, 2)))


@given(st.text(alphabet=st.sampled_from("ab  漢é\t\x1b"), max_size=60), st.integers(1, 20))
def test_text_from_outside_is_cut_into_lines_and_nothing_of_it_is_lost(text: str, width: int) -> None:
    lines = chopped(text, width)
    assert "".join(line[1][0] for line in lines) == plain(text)
    assert all(width_of(line) <= max(width, 2) for line in lines)


def test_text_from_outside_is_cut_behind_a_space_where_there_is_one() -> None:
    assert [line[1][0] for line in chopped("pg_dump --format custom --file backups/x", 20)] == [
        "pg_dump --format ", "custom --file ", "backups/x",
    ]  # fmt: skip


@given(
    st.lists(st.none() | st.floats(allow_nan=True, allow_infinity=True), max_size=80),
    st.integers(1, 60),
    st.none() | st.floats(0.1, 1e6),
    st.none() | st.floats(0.1, 1e6),
)
def test_a_sparkline_is_as_wide_as_asked_whatever_the_numbers(
    series: list[float | None], width: int, top: float | None, threshold: float | None
) -> None:
    for glyphs in (UNICODE, ASCII):
        lines = sparkline(series, width, top=top, threshold=threshold, glyphs=glyphs)
        assert len(lines) == 2 and all(width_of(line) == width for line in lines)


def test_no_data_is_a_gap_and_over_the_threshold_is_bad() -> None:
    top, bottom = sparkline([None, 1.0, 9.0], 3, top=10.0, threshold=8.0, glyphs=UNICODE)
    assert bottom[0] == (" ", "") and bottom[-1][1] == "bad" and top[-1][1] == "bad"
    assert top[0] == ("╌╌", "rule")


def test_every_sign_is_one_cell_wide_and_told_apart_without_colour() -> None:
    for signs in (SIGNS, METRIC_SIGNS, GATE_SIGNS, GO_SIGNS):
        assert all(cell_len(sign.glyph) == 1 == len(sign.ascii) and sign.ascii.isascii() for sign in signs.values())
        faces = [(sign.glyph, sign.word) for name, sign in signs.items() if name != "failed"]
        assert len(faces) == len(set(faces)) == len({word for _, word in faces})
    assert all(len(sign.word) <= 5 for sign in SIGNS.values())


@given(st.sampled_from(["", "warn", "fail", "error", "unknown", "stale", "pass", "of tomorrow"]), st.booleans())
def test_what_is_not_settled_never_looks_settled(verdict: str, waived: bool) -> None:
    item = ItemView(id="a", verdict=verdict, mark="waived" if waived else "open")
    assert SIGNS[state_of(ItemFace(id="a", text=""), item)].style != "good"


def test_a_metric_without_fresh_data_is_never_ok() -> None:
    metric = story.metrics()["pool.app"]
    scene = Scene(view=story.view(), now=story.NOW)
    assert status_of(metric, scene) == "ok"
    for value in (None, math.nan, math.inf):
        assert status_of(story.MetricView(metric="m", label="m", value=value, status="ok"), scene) == "unknown"
    assert status_of(metric, Scene(now=story.NOW + timedelta(seconds=5))) == "stale"
    slow = Scene(now=story.NOW + timedelta(seconds=20), cadence=(("pool.app", 15.0),))
    assert status_of(metric, slow) == "ok"


def lively(*gates: GateView) -> Scene:
    view = story.view(gates={gate.id: gate for gate in gates})
    return Scene(view=view, now=story.NOW)


SOME = lively()
CLEAR = [GateView(id=f"c{n}", text=f"calm {n}", then="rollback", armed=True, state="clear") for n in range(3)]
IDLE = [GateView(id=f"i{n}", text=f"idle {n}", then="rollback") for n in range(4)]
TRIP = GateView(id="t", text="bad", then="rollback", armed=True, state="tripped", why="12% > 10%", asks=True)


def text_lines(lines: Sequence[Line]) -> list[str]:
    return ["".join(text for text, _ in line) for line in lines]


def test_the_live_pane_takes_the_roomiest_form_that_fits_and_the_next_when_a_line_is_missing() -> None:
    late = GateView(id="u", text="late", then="hold", armed=True, state="unknown", why="no data for 00:41")
    calm = [structs.replace(gate, why="0 of 5") for gate in CLEAR]
    scene = lively(*calm, late, *IDLE)
    sizes = [len(live_lines(scene, 44, 200))]
    while (shorter := len(live_lines(scene, 44, sizes[-1] - 1))) < sizes[-1]:
        assert len(live_lines(scene, 44, sizes[-1])) == sizes[-1]
        sizes.append(shorter)
    # Seven metrics of 5, 4, 3 and 1 line. Gates: a heading, 3 x 2 + 2 + 4; then 3 + 2 + 4, 3 + 2 + 1, 1 + 2 + 1, 3.
    assert sizes == [35 + 13, 28 + 13, 21 + 13, 7 + 13, 7 + 10, 7 + 7, 7 + 5, 7 + 4]
    in_place = text_lines(live_lines(scene, 44, 17))
    assert [line.split()[0] for line in in_place[-8:]] == ["calm", "calm", "late", "no", *["idle"] * 4]
    folded = text_lines(live_lines(scene, 44, 14))
    assert [line.split()[0] for line in folded[-6:]] == ["late", "no", *["calm"] * 3, "-"]
    assert [line.strip() for line in text_lines(live_lines(scene, 44, 12))[-2:]] == ["● 3 clear", "- 4 not armed"]


def test_a_gate_in_trouble_stands_first_where_not_everything_fits() -> None:
    calm, bad = lively(*CLEAR), lively(*CLEAR, TRIP)
    assert "Pool" in text_lines(live_lines(calm, 44, 5))[0]
    first = text_lines(live_lines(bad, 44, 5))
    assert "GATES" in first[0] and "bad" in first[1] and "DECIDE" in first[1] and "TRIPPED" in first[1]
    assert "Pool" in text_lines(live_lines(bad, 44, 40))[0]  # people find things by their place


@given(
    st.lists(
        st.tuples(
            st.sampled_from([*GATE_SIGNS, "of tomorrow"]),
            st.booleans(),
            st.booleans(),
            st.booleans(),
            st.floats(0, 1),
        ),
        max_size=16,
    ),
    st.integers(1, 60),
    st.integers(40, 90),
)
def test_no_gate_is_lost_and_those_in_trouble_are_never_only_counted(
    told: list[tuple[str, bool, bool, bool, float]], height: int, width: int
) -> None:
    gates = [
        GateView(id=f"g{n}", text=f"gate-{n}.", then="hold", why="because", state=state, armed=armed, flapping=flaps,
                 asks=asks, progress=part)
        for n, (state, armed, flaps, asks, part) in enumerate(told)
    ]  # fmt: skip
    lines = text_lines(live_lines(lively(*gates), width, height))
    assert all(cell_len(line) <= width for line in lines)
    heads = {gate.id: line for gate in gates for line in lines if gate.text in line}
    counted = [int(line.split()[1]) for line in lines if line.endswith((" clear", " not armed"))]
    assert len(heads) + sum(counted) == len(gates)
    bad = [gate for gate in gates if gate.asks or gate.state == "tripped" or (gate.armed and gate.state != "clear")]
    for gate in bad:
        assert ("DECIDE" in heads[gate.id]) == gate.asks
    if len(lines) > height and bad:
        assert "GATES" in lines[0]
        assert "DECIDE" in lines[1] or not any(gate.asks for gate in bad)


@pytest.mark.parametrize(("width", "height"), [(40, 40), (46, 22), (78, 16)])
def test_what_trips_or_breaches_in_the_shipped_checklist_is_seen_without_scrolling(width: int, height: int) -> None:
    loaded, _ = load(Path(__file__).parents[2] / "checklist.toml")
    names = list(loaded.checklist.gates)
    states = {names[-1]: "tripped", names[5]: "breaching", names[7]: "breaching", names[8]: "unknown"}
    gates = [
        GateView(id=gate.id, text=gate.text, then=gate.then, armed=True, state=states.get(gate.id, "clear"),
                 why="12% > 10%", progress=0.5 * (gate.id in states), asks=states.get(gate.id) == "tripped")
        for gate in loaded.checklist.gates.values()
    ]  # fmt: skip
    view = lively(*gates).view
    one = view.metrics["pool.app"]
    many = {f"m{n}": structs.replace(one, metric=f"m{n}", label=f"metric {n}") for n in range(17)}
    scene = Scene(view=structs.replace(view, metrics=many), now=story.NOW)
    seen = text_lines(live_lines(scene, width, height))[:height]
    assert [sum(word in line for line in seen) for word in ("TRIPPED", "DECIDE", "BREACH", "UNKNOWN")] == [1, 1, 2, 1]
    assert next(line for line in seen if "50% " in line or "100% " in line).lstrip("█░ ").startswith("100%")
    assert any("metric 0" in line for line in seen) and f"● {len(gates) - 4} clear" in [line.strip() for line in seen]


@given(
    st.text(max_size=40), st.text(max_size=40), st.none() | st.floats(), st.sampled_from([*METRIC_SIGNS, "new"]),
    st.text(max_size=30), st.integers(30, 120), st.integers(-90, 90),
)  # fmt: skip
def test_a_metric_in_one_line_fits_whatever_it_is_told(
    label: str, error: str, value: float | None, status: str, text: str, width: int, age: int
) -> None:
    metric = story.MetricView(metric="m", label=label, error=error, value=value, status=status, text=text,
                              observed_at=story.before(age))  # fmt: skip
    line = metric_line(metric, SOME, width)
    assert width_of(line) <= width and line[-1][0].split()[-1] in {sign.word for sign in METRIC_SIGNS.values()}
    assert (
        width_of(line[:1]) >= 5
        and text_lines(metric_lines(metric, SOME, width, 1))[0].split()[-1] == line[-1][0].split()[-1]
    )
    if value is None or not math.isfinite(value):
        assert line[-1][0].split()[-1] in ("UNKN", "STALE")
        assert all(style in ("", "dim") for _, style in line[:-1])


def test_in_one_line_a_reason_stands_where_the_numbers_would_and_a_stale_one_tells_its_age() -> None:
    lines = text_lines(live_lines(lively(), 60, 7))
    assert any("n too small: 60 of 100" in line and "UNKN" in line for line in lines)
    (old,) = (line for line in lines if "STALE" in line)
    assert old.split()[:3] == ["Database", "size", "41s"] and "412 MiB" in old


@pytest.mark.parametrize("width", [30, 40, 46, 60, 120])
def test_a_metric_in_one_line_is_no_wider_than_the_pane_and_says_its_word(width: int) -> None:
    scene = lively()
    for metric in scene.view.metrics.values():
        line = "".join(text for text, _ in metric_line(metric, scene, width))
        assert len(line) <= width
        assert line.split()[-1] in ("OK", "WARN", "BAD", "UNKN", "STALE")


def test_an_old_go_is_no_go_when_the_engine_has_gone() -> None:
    view = story.view(standing=StandingView(go="GO", phase="final"))
    assert verdict_word(Scene(view=view, connected=True)) == "GO"
    assert verdict_word(Scene(view=view, connected=False)) == "?"


def test_the_terminal_decides_the_look() -> None:
    assert depth_of({"COLORTERM": "truecolor", "TERM": "xterm"}) == "truecolor"
    assert depth_of({"TERM": "tmux-256color"}) == "256"
    assert depth_of({"TERM": "screen"}) == depth_of({}) == "16"
    assert depth_of({"NO_COLOR": "1", "COLORTERM": "truecolor"}) == "none"
    assert look_for({"NO_COLOR": "1"}, "utf-8", theme="dark").ansi
    assert look_for({"TERM": "screen"}, "utf-8").theme == "ansi-dark"
    assert look_for({"COLORTERM": "truecolor"}, "iso-8859-1").ascii
    assert not look_for({"COLORTERM": "truecolor"}, "UTF-8").ascii


def test_settings_name_every_mistake() -> None:
    with pytest.raises(BadSettings) as error:
        Settings.of({"theme": "pink", "mouse": "yes", "colour": 1})
    assert all(word in str(error.value) for word in ("pink", "mouse", "colour"))
    assert Settings.of({"keys": {"run": "f5"}, "theme": "light"}).theme == "light"


def test_the_page_of_keys_is_current() -> None:
    page = Path(__file__).parents[2] / "docs" / "keys.md"
    assert page.read_text(encoding="utf-8") == keys_page(), "run: python -m tui.keysdoc > docs/keys.md"


def test_the_plain_text_names_the_command_for_a_gate_that_waits_for_a_person() -> None:
    lines = status_lines(lively(*CLEAR, TRIP).view)
    assert any(
        line.startswith("decide   t waits for a person: tminus roll-back t --reason TEXT, or ") for line in lines
    )
    assert not any(line.startswith("decide") for line in status_lines(lively(*CLEAR).view))


def test_a_metric_without_a_number_says_why_in_every_form() -> None:
    few = story.MetricView(metric="m", label="p95", value=None, text="n too small (3 of 20)", source="http")
    scene = Scene(view=story.view(metrics={"m": few}, gates={}), now=story.NOW)
    for height in (1, 40):
        assert any("n too small" in line for line in text_lines(live_lines(scene, 60, height)))
