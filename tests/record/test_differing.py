"""Two runs side by side: what differs is told, the biggest difference first, and what does not is not."""

from __future__ import annotations

import json

import msgspec
from hypothesis import given
from state_strategies import runs

from state.differing import Differing, Figure, Lasted, Words, differing
from state.replaying import replay
from tests.record.conftest import ANNA, BERT, NAME, Project, evening, linked, said, seen, write
from tminus.cli.record.diff import WIDTH, lines


def compared(a, b, planned=None) -> Differing:
    return differing(replay(linked(a)), replay(linked(b)), planned)


def test_a_run_does_not_differ_from_itself() -> None:
    found = compared(evening(), evening())
    assert found.same_verdicts
    assert not (found.verdicts or found.only_a or found.only_b or found.marks or found.rows or found.metrics)
    assert all(one.gap == 0 for one in found.lasted)


def test_verdicts_that_differ_are_told_with_what_was_seen_and_failures_first() -> None:
    day = [*evening(), seen(30, "backup", "warn", "older"), seen(31, "copy", "fail", "12 rows lost")]
    found = compared(evening(), day)
    assert not found.same_verdicts
    assert found.verdicts == (
        Words(id="copy", a="warn: 40 rows, one late", b="fail: 12 rows lost"),
        Words(id="backup", a="pass: 640 bytes", b="warn: older"),
    )


def test_items_of_one_run_alone_differ_unless_they_were_left_out_with_a_reason() -> None:
    day = [*evening(), seen(30, "review", "pass", "read")]
    assert compared(evening(), day).only_b == ("review",)
    assert compared(day, evening()).only_a == ("review",)
    assert not compared(evening(), day).same_verdicts
    assert compared(evening(left_out={"review": "not practised"}), day).same_verdicts


def test_rows_and_digests_of_copies_are_compared() -> None:
    day = [*evening(), seen(30, "copy", "warn", "41 rows", rows=41, proof="differs")]
    assert compared(evening(), day).rows == (
        Figure(id="copy", key="rows", a=40, b=41),
        Figure(id="copy", key="proof", a="equal", b="differs"),
    )


def test_durations_of_phases_and_items_stand_beside_what_was_planned() -> None:
    slow = [*evening(durations={"copy.expect": "2m"})[:-1], seen(60, "copy", "warn", "late", seconds=400.0, rows=40)]
    found = compared(evening(), [*slow, said(140, "phase.go", item="day")], {"phase:day": 600.0})
    assert found.lasted[:2] == (
        Lasted(kind="phase", id="day", planned=600.0, a=50 * 60.0, b=170 * 60.0),
        Lasted(kind="item", id="copy", planned=120.0, a=90.0, b=400.0),
    )


def test_gates_waivers_marks_and_a_rollback_are_told() -> None:
    calm = [one for one in evening() if not one.kind.startswith("gate.") and one.kind != "mark"]
    found = compared(calm, evening())
    assert found.gates == (Words(id="errors", b="tripped 1×, continue by Anna: a fault of the probe alone"),)
    assert found.waivers == (Words(id="copy", b="waived by Anna: the late row is known"),)
    assert found.marks == (Words(id="backup", b="confirmed by Anna"),)
    back = said(10, "gate.decided", ANNA, item="errors", to="roll-back", reason="lost")
    assert not compared(evening(), [*evening(), back]).same_verdicts


def test_metrics_of_a_phase_are_compared_by_their_figures() -> None:
    metrics = {
        "http.p95": {"looks": 9, "seen": 9, "unit": "ms", "low": 9.0, "high": 400.0, "last": 12.0},
        "http.error_rate": {"looks": 1, "seen": 1, "unit": "ratio", "ratio": 0.1},
    }
    day = [*evening(), said(30, "summary", item="pre", data={"phase": "pre", "since": "", "metrics": metrics})]
    assert compared(evening(), day).metrics == (Figure(id="pre", key="http.p95 high", a=40.0, b=400.0, unit="ms"),)


def test_what_no_run_would_say_breaks_no_comparison() -> None:
    odd = {"phase": "pre", "metrics": {"http.p95": {"looks": 1, "high": "nan", "last": [1]}, "x": 3}}
    strange = [
        *evening(left_out=["copy"], durations=7)[:-1],
        said(30, "summary", item="pre", data=odd),
        said(31, "phase.go", item="day"),
    ]
    strange[6] = said(0, "phase.go", item="pre", **{})
    state = replay(linked(strange))
    state = msgspec.structs.replace(state, gone={"pre": "yesterday", "day": "2026-11-22"})
    found = differing(replay(linked(evening())), state)
    assert all(len(line) <= WIDTH for line in lines(("a", "b"), (state, state), found, whole=True))


@given(runs(), runs())
def test_any_two_runs_compare_the_same_both_ways_and_fit_the_page(a, b) -> None:
    states = replay(a), replay(b)
    there, back = differing(*states), differing(states[1], states[0])
    assert there.same_verdicts == back.same_verdicts
    assert {one.id for one in there.verdicts} == {one.id for one in back.verdicts}
    assert there.only_a == back.only_b
    for line in lines(("a.toml", "b.toml"), states, there, whole=True):
        assert len(line) <= WIDTH
        assert line.isprintable()


def test_the_command_compares_two_records(project: Project) -> None:
    other = project.record.with_name("2026-11-23-move.toml")
    write(other, [*evening(), said(30, "hold.raised", BERT, reason="wait", data={"id": 2})])
    same = project.tminus("record", "diff", str(project.record), str(other))
    assert same.exit_code == 0
    assert "the verdicts are the same" in same.stdout
    third = write(project.record.with_name("2026-11-24-move.toml"), [*evening(), seen(31, "copy", "fail", "lost")])
    told = project.tminus("record", "diff", str(project.record), str(third), "--json")
    assert told.exit_code == 1
    document = json.loads(told.stdout)
    assert (document["a"], document["same_verdicts"]) == (NAME, False)
    assert document["verdicts"] == [{"id": "copy", "a": "warn: 40 rows, one late", "b": "fail: lost"}]
    broken = project.record.with_name("2026-11-25-move.toml")
    broken.write_text(third.read_text()[:-20])
    refused = project.tminus("record", "diff", str(project.record), str(broken))
    assert refused.exit_code == 2
    assert "tminus record verify" in refused.stderr
