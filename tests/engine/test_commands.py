"""Commands on a real engine: words for people, one JSON object for machines, the same exit codes for both."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.engine.conftest import Flying
from tminus.cli import cli
from tminus.places import place_of

CHECKLIST = """
schema = 1
title = "Commands"

[[role]]
id = "dev"
title = "Development Lead"

[[role]]
id = "dba"
title = "Database Admin"

[[phase]]
id = "one"
title = "First"
  [[phase.step]]
  title = "Step"
    [[phase.step.item]]
    id = "look"
    text = "Look at it"
    check = "command.probe"
    with = { argv = ["echo", "seen"] }
    [[phase.step.item]]
    id = "change"
    text = "Change it"
    check = "command.run"
    with = { argv = ["touch", "done"] }
    [[phase.step.item]]
    id = "count"
    text = "Count the rows"
    critical = true
    ask = "How many rows?"
    [[phase.step.item]]
    id = "leave"
    text = "May be left"

[[phase]]
id = "two"
title = "Second"
  [[phase.step]]
  title = "Step"
    [[phase.step.item]]
    id = "fails"
    text = "It fails"
    check = "command.probe"
    with = { argv = ["false"] }
    [[phase.step.item]]
    id = "sign"
    text = "All sign"
    signed_by = ["dev", "dba"]
"""

Call = Callable[..., Result]


@pytest.fixture(scope="module")
def flying(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flying]:
    folder = tmp_path_factory.mktemp("commands")
    checklist = folder / "checklist.toml"
    checklist.write_text(CHECKLIST)
    with tempfile.TemporaryDirectory(prefix="tm-") as runtime, pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", runtime)
        flying = Flying(checklist, place_of(checklist))
        flying.start()
        yield flying
        if flying.pid:
            flying.kill()


class Watching:
    """`tminus status --watch` in a process of its own; its lines as they come."""

    def __init__(self, flying: Flying, *words: str) -> None:
        argv = [sys.executable, "-m", "tminus", "status", "--watch", *words, "-C", str(flying.checklist)]
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def line(self) -> str:
        line = self.process.stdout.readline()
        assert line, self.process.stderr.read()
        return line

    def until(self, words: str) -> dict[str, Any]:
        """The first line with WORDS in it."""
        while words not in (line := self.line()):
            pass
        return json.loads(line)

    def ended(self) -> int:
        return self.process.wait(20)


def invoke(checklist: Path, *words: str) -> Result:
    """`tminus WORDS` on CHECKLIST, in this process and without a terminal."""
    return CliRunner().invoke(cli, [*words, "-C", str(checklist)], env={"TMINUS_NAME": "Anna"})


@pytest.fixture
def call(flying: Flying, monkeypatch: pytest.MonkeyPatch) -> Call:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(flying.place.socket.parent.parent))
    return lambda *words: invoke(flying.checklist, *words)


@pytest.fixture
def told(call: Call) -> Callable[..., tuple[int, dict[str, Any]]]:
    """told(*words): the exit code and the one object that the command prints with --json."""

    def ask(*words: str) -> tuple[int, dict[str, Any]]:
        result = call(*words, "--json")
        return result.exit_code, json.loads(result.stdout)

    return ask


def test_an_act_says_where_it_stands_in_the_record(told) -> None:
    code, first = told("note", "hello")
    _, second = told("note", "hello again", "--item", "look")
    assert code == 0 and first["ok"] is True and first["kind"] == "note"
    assert second["seq"] > first["seq"] and second["item"] == "look"


def test_a_refusal_says_why_and_exits_with_1(told, call) -> None:
    code, facts = told("skip", "count", "--reason", "no time for it today")
    assert (code, facts["ok"]) == (1, False) and "critical" in facts["refused"]
    plain = call("skip", "count", "--reason", "no time for it today")
    assert plain.exit_code == 1 and plain.stderr.startswith("refused: a critical item") and plain.stdout == ""


def test_what_cannot_be_used_is_an_error_and_exits_with_2(told, tmp_path) -> None:
    code, facts = told("do", "lok")
    assert code == 2 and facts["ok"] is False and "look" in facts["error"]
    nowhere = CliRunner().invoke(cli, ["status", "--json", "-C", str(tmp_path / "none.toml")])
    assert nowhere.exit_code == 2 and "no checklist" in json.loads(nowhere.stdout)["error"]


@pytest.mark.parametrize(
    "words",
    [
        ("waive", "look"),
        ("hold",),
        ("correct", "x", "what it was"),
        ("decide", "errors", "perhaps", "--reason", "it may be so"),
        ("record", "verify", "nosuch.toml"),
        ("record", "diff", "nosuch.toml", "neither.toml"),
        ("nosuch",),
    ],
    ids=" ".join,
)
def test_a_word_that_is_wrong_is_one_object_too(words: tuple[str, ...]) -> None:
    result = CliRunner().invoke(cli, [*words, "--json"])
    facts = json.loads(result.stdout)
    assert (result.exit_code, facts["ok"]) == (2, False) and facts["error"]
    assert result.stderr == ""
    plain = CliRunner().invoke(cli, list(words))
    assert plain.exit_code == 2 and plain.stdout == "" and facts["error"] in plain.stderr


def test_what_is_said_for_a_machine_is_not_what_an_argument_says(told) -> None:
    result = CliRunner().invoke(cli, ["hold", "--", "--json", "more"])
    assert result.exit_code == 2 and result.stdout == "" and "Usage" in result.stderr


def test_a_gate_that_is_not_there_is_an_error_and_not_one_that_did_not_trip(told) -> None:
    code, facts = told("decide", "nosuch", "continue", "--reason", "it is of no matter")
    assert code == 2 and "no gate 'nosuch'" in facts["error"]


def test_a_challenge_without_words_is_not_one_of_the_run(told) -> None:
    code, facts = told("challenge", "look", "")
    assert code == 1 and "what is to be answered" in facts["refused"]
    code, facts = told("challenge", "look")
    assert code == 2 and "is an item" in facts["error"]
    assert told("status")[1]["crew"]["challenges"] == []


def test_a_value_that_is_asked_for_is_asked_for_where_nobody_can_be_asked(told) -> None:
    code, facts = told("confirm", "count")
    assert code == 1 and "--value: How many rows?" in facts["refused"]


def test_without_an_engine_it_is_an_error_and_exits_with_3(tmp_path) -> None:
    (tmp_path / "checklist.toml").write_text("")
    result = invoke(tmp_path / "checklist.toml", "hold", "smoke", "--json")
    assert result.exit_code == 3 and "tminus run" in json.loads(result.stdout)["error"]


def test_a_check_tells_what_it_saw(told) -> None:
    code, facts = told("do", "look")
    assert (code, facts["ok"], facts["id"], facts["verdict"]) == (0, True, "look", "pass")
    assert facts["evidence_digest"] and facts["seq"]


def test_a_change_is_refused_with_its_plan_until_its_digest_is_said(told, flying: Flying) -> None:
    code, facts = told("do", "change")
    assert code == 1 and facts["plan"]["digest"] in facts["refused"]
    assert not (flying.checklist.parent / "done").exists()
    code, facts = told("do", "change", "--go", facts["plan"]["digest"])
    assert code == 0 and (flying.checklist.parent / "done").exists()


def test_a_confirmation_names_the_evidence_that_was_seen(told) -> None:
    told("do", "look")
    code, facts = told("confirm", "look")
    assert code == 1 and facts["evidence_digest"] in facts["refused"]
    code, facts = told("confirm", "look", "--seen", facts["evidence_digest"], "--witness", "Carla")
    assert code == 0 and facts["mark"] == "confirmed"
    assert "Carla" in json.dumps(told("status", "look")[1]["said"])
    assert told("undo", "look")[0] == 0


def test_an_item_and_the_run_as_objects(told) -> None:
    code, item = told("status", "leave")
    assert code == 1 and item["ok"] is False and item["id"] == "leave" and item["settled"] is False
    code, run = told("status")
    assert code == 1 and run["ok"] is False and run["standing"]["phase"] == "one"
    assert "phases" not in run and run["run"]["driver"] == "Anna"


def test_a_hold_is_seen_and_released(told, call) -> None:
    assert told("hold", "smoke in the room")[1]["kind"] == "hold.raised"
    assert "smoke in the room" in call("status").stdout
    assert told("release")[1]["ok"] is True
    assert told("release")[1]["refused"] == "nothing is held"


def test_challenges_are_asked_shown_and_answered(told, call) -> None:
    assert told("challenge", "look", "is it the right one?")[1]["kind"] == "challenge.raised"
    assert told("challenge", "who has the keys?")[0] == 0
    status = call("status").stdout
    assert "on look: is it the right one?" in status and "on the run: who has the keys?" in status
    assert "is it the right one?" in call("status", "look").stdout
    code, facts = told("answer", "0", "it is, by its digest")
    assert code == 1 and "several" in facts["refused"]
    assert told("answer", "1", "it is, by its digest")[0] == 0
    assert told("answer", "2", "Bob has them, as ever")[0] == 0
    assert "asked " not in call("status").stdout


def test_control_is_let_go_and_taken(told) -> None:
    assert told("drive", "--release")[1]["kind"] == "lease.released"
    code, facts = told("drive", "--ask")
    assert code == 1 and "nobody drives" in facts["refused"]
    assert told("drive")[1]["kind"] == "lease.taken"
    assert told("hand-over")[1]["refused"] == "nobody asks for control"
    assert "nobody is called" in told("hand-over", "Bob")[1]["error"]
    assert told("refuse", "--reason", "not now")[0] == 1


def test_a_correction_leaves_the_event_as_it_is(told, flying: Flying) -> None:
    seq = told("note", "db-1 is slow")[1]["seq"]
    code, facts = told("correct", str(seq), "it was db-2 that was slow")
    assert code == 0 and facts["corrects"] == seq
    assert told("correct", "99999", "it was db-2 that was slow")[0] == 1


def test_nobody_is_called_so_nobody_agrees(told) -> None:
    assert told("agree")[1]["refused"] == "nobody calls a second person"


def test_without_a_tripped_gate_a_roll_back_shows_the_rules_and_decides_nothing(told, call) -> None:
    code, facts = told("roll-back", "--reason", "it does not feel right")
    assert code == 1 and "nothing to decide" in facts["refused"] and facts["gates"] == []


def test_go_reads_back_first_and_wants_yes_and_the_values(told, call) -> None:
    look = told("do", "look")[1]["evidence_digest"]
    told("confirm", "look", "--seen", look)
    told("do", "change", "--go", told("do", "change")[1]["plan"]["digest"])
    told("confirm", "change", "--seen", told("status", "change")[1]["evidence_digest"])
    told("confirm", "count", "--value", "41023")
    told("skip", "leave", "--reason", "left out as was agreed")
    shown = call("go")
    assert shown.exit_code == 1 and "--yes" in shown.stderr
    assert "4 of 4 items settled: 3 done, 1 left out" in shown.stdout
    assert "May be left: left out as was agreed (Anna)" in shown.stdout and "The verdict is GO." in shown.stdout
    assert "41023" not in shown.stdout  # it is read again, not copied
    code, facts = told("go")
    assert code == 1 and [section["kind"] for section in facts["read_back"]["sections"]] == ["skipped", "critical"]
    assert "How many rows?" in told("go", "--yes")[1]["refused"]
    assert "not the value" in told("go", "--yes", "--value", "count=7")[1]["refused"]
    assert call("go", "--yes", "--value", "count").exit_code == 2
    code, facts = told("go", "one", "--yes", "--value", "count=41023")
    assert code == 0 and facts["kind"] == "phase.go"
    assert call("go", "nine", "--yes").exit_code == 2


def test_a_signature_stands_below_what_was_not_simply_done(told, call) -> None:
    assert told("do", "fails")[0] == 1
    told("waive", "fails", "--reason", "it fails on purpose here")
    shown = call("sign-off", "dev")
    assert shown.exit_code == 1 and "1 waived" in shown.stdout
    assert "fails: It fails: it fails on purpose here (Anna)" in shown.stdout
    assert "leave: May be left: left out as was agreed (Anna)" in shown.stdout
    assert "corrected" in shown.stdout and "challenged" in shown.stdout
    digest = told("sign-off", "dev")[1]["evidence_digest"]
    code, facts = told("sign-off", "Development Lead", "--seen", digest)
    assert code == 0 and facts["unsigned"] == ["dba"]
    assert "dev Anna, dba (not yet)" in call("status").stdout
    digest = told("sign-off", "dba")[1]["evidence_digest"]
    assert told("sign-off", "dba", "--seen", digest, "--name", "Grace")[1]["unsigned"] == []
    assert told("sign-off", "dba", "--seen", digest)[0] == 1
    assert told("sign-off", "cook")[0] == 2


def test_who_signed_before_something_changed_above_the_line_is_named_in_status_and_read_back(told, call) -> None:
    assert "signed" not in [one["kind"] for one in told("go", "two")[1]["read_back"]["sections"]]
    assert told("correct", "2", "it began a minute before")[0] == 0
    assert "dev Anna (before something changed above the line)" in call("status").stdout
    shown = call("go", "two").stdout
    assert "1 signed before something changed above the line\n  All sign: dev by Anna, dba by Grace" in shown
    digest = told("status", "sign")[1]["evidence_digest"]
    told("undo", "sign")
    for role, name in (("dev", "Anna"), ("dba", "Grace")):
        assert told("sign-off", role, "--seen", digest, "--name", name)[0] == 0
    assert "before something changed" not in call("status").stdout + call("go", "two").stdout


def test_the_stream_ends_quietly_when_nobody_reads_it_any_more(flying: Flying, told) -> None:
    watching = Watching(flying, "--json")
    watching.line()
    watching.process.stdout.close()
    while watching.process.poll() is None:
        told("hold", "smoke once more")
        told("release")
    assert watching.process.returncode == 0 and watching.process.stderr.read() == ""


def test_the_stream_tells_what_changes_and_ends_when_the_run_is_closed(flying: Flying, told) -> None:
    watching = Watching(flying, "--json", "--patience", "30s")
    assert json.loads(watching.line())["kind"] == "status"
    told("hold", "smoke again")
    assert watching.until("smoke again")["kind"] == "hold"
    told("release")
    watching.until("released")
    flying.kill()
    assert "waiting for it" in watching.until("has gone")["words"]
    flying.start()
    watching.until("is back")
    told("stop", "--close")
    assert watching.until("the run is closed")["kind"] == "engine"
    assert watching.ended() == 0
    flying.pid = 0
