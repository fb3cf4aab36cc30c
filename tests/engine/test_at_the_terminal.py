"""Commands at a real terminal: they show first and ask then, and anything but a yes is no."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest

from tests.engine.conftest import Flying
from tests.engine.typist import Typist
from tminus.places import place_of

CHECKLIST = """
schema = 1
title = "At the terminal of an engineer whose cockpit is broken"

[metrics.host]
interval = "100ms"

[[gate]]
id = "memory"
text = "Memory is used at all"
metric = "host.memory"
when = "> 0%"
for = "1s"
interval = "100ms"
arm_at = "arm"
then = "rollback"

[[phase]]
id = "one"
title = "First"
  [[phase.step]]
  title = "Step"
    [[phase.step.item]]
    id = "look"
    text = "Look at it"
    check = "command.probe"
    with = { argv = ["echo", "what was seen"] }
    [[phase.step.item]]
    id = "change"
    text = "Change it"
    check = "command.run"
    with = { argv = ["touch", "done"], danger = "reversible" }
    marks = "check"
    [[phase.step.item]]
    id = "count"
    text = "Count the rows"
    critical = true
    ask = "How many rows?"

[[phase]]
id = "between"
title = "Between"
  [[phase.step]]
  title = "Step"
    [[phase.step.item]]
    id = "left"
    text = "May be left"

[[phase]]
id = "two"
title = "Second"
  [[phase.step]]
  title = "Step"
    [[phase.step.item]]
    id = "arm"
    text = "Arm it"

[[phase]]
id = "back"
title = "Back"
branch = "rollback"
  [[phase.step]]
  title = "Step"
    [[phase.step.item]]
    id = "revert"
    text = "Revert it"
"""


@pytest.fixture(scope="module")
def flying(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flying]:
    folder = tmp_path_factory.mktemp("terminal")
    checklist = folder / "checklist.toml"
    checklist.write_text(CHECKLIST)
    with tempfile.TemporaryDirectory(prefix="tm-") as runtime, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", runtime)
        flying = Flying(checklist, place_of(checklist))
        flying.start()
        yield flying
        flying.kill()


@pytest.fixture(autouse=True)
def its_place(flying: Flying, runtime_folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(flying.place.socket.parent.parent))


def tminus(flying: Flying, *words: str, columns: int = 80) -> Typist:
    return Typist(flying.checklist.parent, *words, columns=columns)


def status(flying: Flying) -> dict[str, Any]:
    return json.loads(flying.tminus("status", "--json").stdout)


def test_a_change_shows_its_plan_and_runs_on_yes_only(flying: Flying) -> None:
    done = flying.checklist.parent / "done"
    with tminus(flying, "do", "change") as at:
        at.shows("touch done")
        at.shows("Go? [y/N]")
        at.types("")
        assert at.ends() == 1 and not done.exists()
    with tminus(flying, "do", "change") as at:
        at.shows("Go? [y/N]")
        at.types("y")
        assert at.ends() == 0 and done.exists()


def test_evidence_is_shown_before_it_is_confirmed(flying: Flying) -> None:
    with tminus(flying, "do", "look") as at:
        assert at.ends() == 0
    with tminus(flying, "confirm", "look") as at:
        at.shows("Confirm this? [y/N]")
        assert "what was seen" in at.raw
        at.types("y")
        at.shows("look: confirmed")
        assert at.ends() == 0


def test_what_was_typed_before_the_question_is_no_answer_to_it(flying: Flying) -> None:
    with tminus(flying, "do", "change") as at:
        at.types("y")
        at.shows("Go? [y/N]")
        at.types("")
        at.shows("nothing was done")
        assert at.ends() == 1


def test_ctrl_c_at_a_question_ends_it_at_once_and_the_run_goes_on(flying: Flying) -> None:
    with tminus(flying, "do", "change") as at:
        at.shows("Go? [y/N]")
        at.presses("\x03")
        at.shows("interrupted; the run goes on")
        assert at.ends() == 130


def test_a_value_is_asked_for_and_typed_again_at_the_pause_point(flying: Flying) -> None:
    with tminus(flying, "go") as at:
        at.shows("1 still open")
        at.shows("NO-GO: count: ")
        assert at.ends() == 1 and "?" not in at.raw.replace("How many rows?", "")
    with tminus(flying, "confirm", "count") as at:
        at.shows("How many rows?")
        at.types("41023")
        assert at.ends() == 0
    with tminus(flying, "go") as at:
        at.shows("3 of 3 items settled")
        at.shows("critical, as seen")
        at.shows("Count the rows: its value is asked once more (Anna)")
        at.shows("The verdict is GO.")
        at.shows("count: How many rows?")
        at.types("41024")
        at.shows("GO? [y/N]")
        at.types("y")
        at.shows("that is not the value")
        assert at.ends() == 1
    with tminus(flying, "go") as at:
        at.types("41023")  # to no question
        at.shows("count: How many rows?")
        at.types("41023")
        at.shows("GO? [y/N]")
        at.types("y")
        at.shows("GO is recorded")
        assert at.ends() == 0
    assert status(flying)["gone"] == ["one"]


def test_what_changes_while_it_is_read_back_is_read_back_again(flying: Flying) -> None:
    assert flying.tminus("skip", "left", "--reason", "it was agreed to leave it out").returncode == 0
    with tminus(flying, "go") as at:
        at.shows("GO? [y/N]")
        assert flying.tminus("waive", "left", "--reason", "and now it is something else").returncode == 0
        at.types("y")
        at.shows("something changed while you read")
        assert at.ends() == 1
    assert flying.tminus("go", "--yes").returncode == 0


def test_a_roll_back_shows_the_evidence_and_wants_the_words_typed(flying: Flying) -> None:
    with tminus(flying, "roll-back", "--reason", "it does not feel right") as at:
        at.shows("nothing to decide")
        at.shows("memory: Memory is used at all")
        assert at.ends() == 1
    with tminus(flying, "status", "--watch") as watching:
        watching.shows("watching:")
        with tminus(flying, "confirm", "arm") as at:
            assert at.ends() == 0
        watching.shows("gate memory: tripped")
        watching.shows("waits for a decision")
    assert "tminus roll-back memory --reason TEXT" in flying.tminus("status").stdout
    for typed in ("", "rollback"):
        with tminus(flying, "roll-back", "--reason", "it does not feel right") as at:
            at.shows("memory: Memory is used at all")
            at.shows("tripped")
            at.shows("host.memory")
            at.shows("Type: roll back")
            at.types(typed)
            assert at.ends() == 1
    elsewhere = flying.tminus("roll-back", "--reason", "it does not feel right")
    assert elsewhere.returncode == 1 and "--yes" in elsewhere.stderr and "tripped" in elsewhere.stdout
    with tminus(flying, "roll-back", "memory", "--reason", "it does not feel right") as at:
        at.shows("Type: roll back")
        at.types("roll back")
        at.shows("The rollback phase is open")
        assert at.ends() == 0
    assert status(flying)["gates"]["memory"]["decision"] == "roll-back"


def test_the_stream_never_moves_the_cursor_fits_40_columns_and_ends_quietly(flying: Flying) -> None:
    with tminus(flying, "status", "--watch", "--utc", columns=40) as at:
        at.shows("watching: what changes is told from here on; times are UTC")
        flying.tminus("hold", "there is smoke in the room, and nobody knows where from")
        at.shows("Z hold 1: by ")
        at.shows(": there is smoke in the room, and nobody knows where from")
        flying.tminus("release")
        at.shows("hold 1: released")
        at.presses("\x03")
        assert at.ends() == 130
    assert "\x1b" not in at.raw and "Traceback" not in at.raw
    assert at.raw.replace("^C", "").replace("\r\n", "").isprintable()
    long = [line for line in at.raw.split("\r\n") if len(line) > 40]
    assert all(" " not in line.strip() for line in long), long


def test_a_run_is_closed_on_yes_only_for_nothing_opens_it_again(flying: Flying) -> None:
    left = sum(not item["settled"] for item in status(flying)["items"].values())
    with tminus(flying, "stop", "--close") as at:
        at.shows(f"Close the run with {left} items open? Its record takes nothing more after that. [y/N]")
        at.types("")
        assert at.ends() == 1
    assert not status(flying)["run"]["closed"]
    with tminus(flying, "stop", "--close") as at:
        at.shows("[y/N]")
        at.types("y")
        at.shows("the engine has ended")
        assert at.ends() == 0
